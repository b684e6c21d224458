//! Puts single faults into the emitted Verilog of one kernel and tells which check notices each.
//!
//! `mutate [--quick] [--jobs N] [--table FILE] [NAME PART...]`; run by scripts/mutate. Exit status 1 if a fault goes
//! unnoticed, 2 if a fault's place is not found or the kernel itself fails.
//!
//! Each fault is tried in a process of its own (`mutate --one NAME`), since a process builds one kernel at a
//! time and a faulty kernel may do anything.

mod checks;
mod job;
mod mutants;

use std::fmt::Write as _;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;
use std::time::Instant;

use mutants::{apply, Mutant, MUTANTS};
use tercet_contract::Geometry;
use tercet_sim::RtlKernel;

/// The kernel that gets the faults: the smallest with everything in it.
pub const GEOMETRY: &str = "128-b3-x2";

/// Begins the line in which a child process tells its result.
const RESULT: &str = "result\t";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut quick, mut jobs, mut table, mut parts) = (false, 2, None, Vec::new());
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        let taken = match argument.as_str() {
            "--quick" => {
                quick = true;
                Ok(())
            }
            "--jobs" => value().and_then(|n| {
                n.parse()
                    .map(|n| jobs = n)
                    .map_err(|_| format!("--jobs {n}"))
            }),
            "--table" => value().map(|file| table = Some(file)),
            "--one" => return value().map_or_else(|e| bad_use(&e), |name| one(&name)),
            part => {
                parts.push(part.to_string());
                Ok(())
            }
        };
        if let Err(error) = taken {
            return bad_use(&error);
        }
    }
    let chosen: Vec<&Mutant> = MUTANTS
        .iter()
        .filter(|m| !quick || m.quick)
        .filter(|m| parts.is_empty() || parts.iter().any(|p| m.name.contains(p)))
        .collect();
    if chosen.is_empty() {
        return bad_use("no fault of such a name");
    }
    match all(&chosen, jobs) {
        Ok(results) => report(&chosen, &results, table.as_deref()),
        Err(error) => bad_use(&error),
    }
}

fn bad_use(error: &str) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(2)
}

fn emitted() -> Result<(Geometry, String), String> {
    let geometry: Geometry = GEOMETRY.parse().map_err(|e| format!("{e}"))?;
    let verilog = tercet_hdl::emit(&geometry).map_err(|e| e.to_string())?;
    Ok((geometry, verilog))
}

/// What a child tells of its fault: check, what it saw, text. `None` if nothing noticed it.
type Killed = Option<[String; 3]>;

/// Tries all faults, `jobs` at a time.
fn all(chosen: &[&Mutant], jobs: usize) -> Result<Vec<Killed>, String> {
    let (_, verilog) = emitted()?;
    // All places first: a fault that is not applied would look like one that is not noticed.
    for mutant in &MUTANTS {
        apply(&verilog, mutant)?;
    }
    eprintln!("the {GEOMETRY} kernel without a fault");
    child("none")?.map_or(Ok(()), |[check, what, text]| {
        Err(format!("the kernel itself fails: {check}: {what}: {text}"))
    })?;
    let next = AtomicUsize::new(0);
    let results = Mutex::new(vec![Err(String::new()); chosen.len()]);
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                let Some(mutant) = chosen.get(i) else { break };
                let begin = Instant::now();
                let result = child(mutant.name);
                let said = match &result {
                    Ok(Some([check, what, text])) => format!("{check}: {what}: {text}"),
                    Ok(None) => "NOT NOTICED".to_string(),
                    Err(error) => error.clone(),
                };
                eprintln!(
                    "{} ({:.0} s): {said}",
                    mutant.name,
                    begin.elapsed().as_secs_f64()
                );
                results.lock().expect("no thread panics")[i] = result;
            });
        }
    });
    results
        .into_inner()
        .expect("no thread panics")
        .into_iter()
        .collect()
}

/// Runs this program on one fault.
fn child(name: &str) -> Result<Killed, String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let output = Command::new(program)
        .args(["--one", name])
        .output()
        .map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let result = text.lines().find_map(|line| line.strip_prefix(RESULT));
    match result.map(|r| r.split('\t').collect::<Vec<_>>()).as_deref() {
        Some(["survived"]) => Ok(None),
        Some([check, what, text]) => Ok(Some([check, what, text].map(|s| s.to_string()))),
        _ => Err(format!(
            "`{name}` ended with {} and no result: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
                .lines()
                .last()
                .unwrap_or_default()
        )),
    }
}

/// The child: puts one fault, or none, to the checks until one notices it.
fn one(name: &str) -> ExitCode {
    match killed_by(name) {
        Ok(Some([check, what, text])) => {
            println!("{RESULT}{check}\t{what}\t{}", text.replace('\t', " "))
        }
        Ok(None) => println!("{RESULT}survived"),
        Err(error) => return bad_use(&error),
    }
    ExitCode::SUCCESS
}

fn killed_by(name: &str) -> Result<Killed, String> {
    let (geometry, original) = emitted()?;
    let mutant = MUTANTS.iter().find(|m| m.name == name);
    let faulty = match mutant {
        Some(mutant) => apply(&original, mutant)?,
        None if name == "none" => original.clone(),
        None => return Err(format!("no fault `{name}`")),
    };
    for check in checks::all() {
        let open = |verilog: &str| RtlKernel::open_verilog(&geometry, verilog, check.timing, None);
        let killed =
            |what: &str, text: String| Ok(Some([check.name.to_string(), what.to_string(), text]));
        let seen = open(&faulty)
            .map_err(Into::into)
            .and_then(|mut k| (check.run)(&mut k));
        let counted = match seen {
            Ok(counted) => counted,
            // A fault that is not Verilog proves nothing.
            Err(notice) if notice.what == "build" => return Err(notice.text),
            Err(notice) => return killed(notice.what, notice.text),
        };
        if mutant.is_none() {
            continue;
        }
        let mut kernel = open(&original).map_err(|e| e.to_string())?;
        let expected = (check.run)(&mut kernel).map_err(|n| n.text)?;
        if let Some(i) = (0..expected.len()).find(|&i| counted[i] != expected[i]) {
            let text = format!("{:?}, expected {:?}", counted[i], expected[i]);
            let what = match counted[i].cycles != expected[i].cycles {
                true => "cycles",
                false => "counters",
            };
            return killed(what, text);
        }
    }
    Ok(None)
}

/// Prints the table, on stdout and into a file between its markers.
fn report(chosen: &[&Mutant], results: &[Killed], file: Option<&str>) -> ExitCode {
    let survived = results.iter().filter(|r| r.is_none()).count();
    let mut table = String::from("| fault | module | noticed by | as |\n|---|---|---|---|\n");
    for (mutant, result) in chosen.iter().zip(results) {
        let (check, what) = match result {
            Some([check, what, _]) => (check.as_str(), what.as_str()),
            None => ("**nothing**", ""),
        };
        let _ = writeln!(
            table,
            "| {} | `{}` | {check} | {what} |",
            mutant.name, mutant.module
        );
    }
    println!("{table}\n{} faults, {survived} not noticed", chosen.len());
    if let Some(file) = file {
        if let Err(error) = write_between_markers(file, &table) {
            return bad_use(&error);
        }
    }
    ExitCode::from(u8::from(survived > 0))
}

fn write_between_markers(file: &str, table: &str) -> Result<(), String> {
    const BEGIN: &str = "<!-- faults: written by scripts/mutate -->\n";
    const END: &str = "<!-- end of faults -->";
    let text = std::fs::read_to_string(file).map_err(|e| format!("{file}: {e}"))?;
    let places = text
        .find(BEGIN)
        .map(|b| b + BEGIN.len())
        .zip(text.find(END));
    let Some((begin, end)) = places.filter(|(begin, end)| begin <= end) else {
        return Err(format!("{file}: no lines `{}` and `{END}`", BEGIN.trim()));
    };
    let written = format!("{}{table}{}", &text[..begin], &text[end..]);
    std::fs::write(file, written).map_err(|e| format!("{file}: {e}"))
}
