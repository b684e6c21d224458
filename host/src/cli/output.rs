//! Writing to stdout, where the reader may have gone, and to stderr.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use anstream::{AutoStream, ColorChoice};
use anstyle::AnsiColor;
use schemars::JsonSchema;
use serde::Serialize;
use tercet_contract::Geometry;
use tercet_sim::SimError;

/// Whether remarks and progress are left out.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Leaves out remarks and progress from now on; errors stay.
pub fn set_quiet(quiet: bool) {
    QUIET.store(quiet, Ordering::Relaxed);
}

/// Whether remarks and progress are left out.
pub fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Decides on colours, for stdout and stderr each. `Auto` means those of a terminal, unless NO_COLOR or
/// CLICOLOR_FORCE say otherwise.
pub fn set_colours(choice: ColorChoice) {
    choice.write_global();
    let stdout = AutoStream::choice(&io::stdout());
    tercet::table::set_colours(stdout != ColorChoice::Never);
}

/// Writes text to stdout and flushes it.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes a remark to stderr, but for --quiet.
pub fn note(text: impl Display) {
    if !is_quiet() {
        tell(text);
    }
}

/// Writes a line to stderr. A line that cannot be written is lost: there is nobody to tell, and the
/// work itself does not depend on it.
pub fn tell(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes what is wrong to stderr, after a word that says how it is: `error`, `check failed`.
pub fn problem(word: &str, text: impl Display) {
    let paint = match AutoStream::choice(&io::stderr()) {
        ColorChoice::Never => anstyle::Style::new(),
        _ => AnsiColor::Red.on_default().bold(),
    };
    tell(format_args!("{paint}{word}:{paint:#} {text}"));
}

/// Writes remarks to stderr.
pub fn remarks(texts: &[String]) {
    for text in texts {
        note(text);
    }
}

/// Says that the Verilated kernel must be built first, if it must: that takes a while, in silence.
pub fn announce_build(geometry: &Geometry, trace: bool) -> Result<(), SimError> {
    if !tercet_sim::is_built(geometry, trace)? {
        note(format_args!(
            "building the Verilated kernel {geometry}, once on this machine (up to a minute)"
        ));
    }
    Ok(())
}

/// A number and what it counts: `1 layer`, `2 layers`.
pub fn counted(number: usize, what: &str) -> String {
    let plural = match number {
        1 => "",
        _ if what.ends_with("ch") => "es",
        _ => "s",
    };
    format!("{number} {what}{plural}")
}

/// Writes a value as indented JSON and a line break.
pub fn print_json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(print(&text)?)
}

/// Files that a command wrote, where they are all there is to tell.
#[derive(Serialize, JsonSchema)]
pub struct Files {
    schema: &'static str,
    version: u32,
    /// Files that were written.
    files: Vec<PathBuf>,
}

/// Writes the names of files that were written: a line each, or as JSON.
pub fn print_files(files: Vec<PathBuf>, json: bool) -> anyhow::Result<()> {
    if json {
        return print_json(&Files {
            schema: "tercet.files",
            version: 1,
            files,
        });
    }
    for file in files {
        print(&format!("{}\n", file.display()))?;
    }
    Ok(())
}

/// Whether an error only says that nobody reads the output any more.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}
