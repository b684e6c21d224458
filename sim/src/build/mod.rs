//! From the Verilog of a kernel to a shared library, once for each kernel and machine.
//!
//! 1. `tools` finds the programs and says what is missing.
//! 2. `cache` looks for a library under the hash of everything that goes into it.
//! 3. If there is none, `prune` removes what nobody needs any more, Verilator and the C++ compiler
//!    build the library in a temporary folder, and `cache` renames a copy into place: other processes
//!    see the whole library or none. Two processes that build the same kernel both succeed; one
//!    result is kept.

mod cache;
mod lint;
mod prune;
mod tools;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tercet_contract::{Geometry, KERNEL_NAME};
use tercet_hdl::board::BOARD_NAME;

use crate::error::SimError;
pub use cache::{cache_folder, user_cache};
use cache::{Cache, LIBRARY};
pub use lint::lint;
pub(crate) use prune::remove_abandoned_now;
use tools::{run, verilator_version, CXX, MAKE, VERILATOR, ZLIB};

/// The C interface compiled into every library.
const SHIM: &str = include_str!("../shim.cpp");

/// Warnings that are not errors.
const WAIVERS: &str = include_str!("../waivers.vlt");

/// The C interface of a board.
const BOARD_SHIM: &str = include_str!("../board/shim.cpp");

/// Lines of a failed build's log that go into the error.
const TAIL_LINES: usize = 20;

/// Names a folder in which every kernel leaves a file of line and toggle coverage when it is closed
/// (scripts/coverage). Kernels are built for that while it is set; they are kept beside the usual ones.
const COVERAGE: &str = "TERCET_COVERAGE";

/// Keeps the threads of one process from building the same kernel at once.
static BUILDING: Mutex<()> = Mutex::new(());

/// Whether [`RtlKernel::open`](crate::RtlKernel::open) finds the kernel of a geometry built on this
/// machine. If not, it takes about 10 s more, which a caller may want to announce.
pub fn is_built(geometry: &Geometry, trace: bool) -> Result<bool, SimError> {
    let verilog = tercet_hdl::emit(geometry)?;
    let (cache, _) = place(&kernel(geometry, &verilog, trace))?;
    Ok(cache.find().is_some())
}

/// What a library is made from.
struct Design<'a> {
    /// For messages.
    what: String,
    /// Top module; Verilator wants the file to have its name.
    top: &'static str,
    verilog: &'a str,
    shim: &'static str,
    /// More for the C++ compiler.
    defines: String,
    trace: bool,
}

fn kernel<'a>(geometry: &Geometry, verilog: &'a str, trace: bool) -> Design<'a> {
    Design {
        what: format!("{geometry} kernel"),
        top: KERNEL_NAME,
        verilog,
        shim: SHIM,
        defines: format!("-DTERCET_BUS_BITS={}", geometry.bus_bits()),
        trace,
    }
}

/// The library of a kernel, built unless it is in the cache. With `trace` it can write waveforms,
/// which makes every cycle slower.
pub fn library(geometry: &Geometry, verilog: &str, trace: bool) -> Result<PathBuf, SimError> {
    built(&kernel(geometry, verilog, trace))
}

/// The library of a board, as [`library`].
pub fn board_library(verilog: &str) -> Result<PathBuf, SimError> {
    built(&board(verilog))
}

/// Whether [`board_library`] finds it in the cache.
pub fn is_board_built(verilog: &str) -> Result<bool, SimError> {
    let (cache, _) = place(&board(verilog))?;
    Ok(cache.find().is_some())
}

fn board(verilog: &str) -> Design<'_> {
    Design {
        what: format!("board {BOARD_NAME}"),
        top: BOARD_NAME,
        verilog,
        shim: BOARD_SHIM,
        defines: String::new(),
        trace: false,
    }
}

fn built(design: &Design) -> Result<PathBuf, SimError> {
    let (cache, arguments) = place(design)?;
    let _one_at_a_time = BUILDING.lock().unwrap_or_else(|e| e.into_inner());
    if let Some(library) = cache.find() {
        return Ok(library);
    }
    for tool in [&CXX, &MAKE] {
        tool.version()?;
    }
    if design.trace {
        ZLIB.check()?;
    }
    cache.prune();
    // First, so that a cache that cannot be written is told before the build.
    let stage = cache.stage()?;
    let folder = cache::build_folder(&cache)?;
    build(design, &arguments, folder.path(), &cache)?;
    cache.keep(stage, &folder.path().join(LIBRARY))
}

/// Where a library is kept, and the command line that makes it.
fn place(design: &Design) -> Result<(Cache, Vec<String>), SimError> {
    let version = verilator_version()?;
    let arguments = verilator_arguments(design);
    let inputs = [
        design.verilog,
        design.shim,
        WAIVERS,
        &version,
        &arguments.join(" "),
    ];
    Ok((Cache::new(cache_folder()?, &inputs), arguments))
}

/// Command line of Verilator, for files in the current folder.
fn verilator_arguments(design: &Design) -> Vec<String> {
    // `-fno-gnu-unique`, hidden symbols and `-Bsymbolic`: libraries of several geometries are loaded
    // into one process, and each must use its own copy of Verilator's run time and of the classes.
    let mut compiler = format!(
        "-O2 -fPIC -fvisibility=hidden -fno-gnu-unique {} \
         -DVL_USER_FATAL -DVL_USER_STOP -DVL_USER_FINISH",
        design.defines
    );
    if design.trace {
        compiler.push_str(" -DTERCET_TRACE");
    }
    let coverage = design.shim == SHIM && std::env::var_os(COVERAGE).is_some();
    if coverage {
        // Unoptimised: counting makes so much code that optimising it takes minutes.
        compiler = compiler.replacen("-O2", "-O0", 1) + " -DTERCET_COVERAGE";
    }
    let mut arguments: Vec<String> = [
        "--cc",
        "--exe",
        "--build",
        "-j",
        "2",
        "-O3",
        "--top-module",
        design.top,
        "--prefix",
        &format!("V{}", design.top),
        // What has no reset value is random at the start (see the shim).
        "--x-assign",
        "unique",
        "--x-initial",
        "unique",
        // The unit of the shim's clock.
        "--timescale-override",
        "1ns/1ns",
        "-Mdir",
        "obj",
        "-o",
        "../kernel.so",
        "-LDFLAGS",
        "-shared -Wl,-Bsymbolic",
    ]
    .map(String::from)
    .to_vec();
    arguments.extend(["-CFLAGS".to_string(), compiler]);
    if coverage {
        arguments.extend(["--coverage-line", "--coverage-toggle"].map(String::from));
    }
    if design.trace {
        arguments.push("--trace-fst".to_string());
    }
    arguments.extend(["waivers.vlt", &verilog_file(design), "shim.cpp"].map(String::from));
    arguments
}

fn verilog_file(design: &Design) -> String {
    format!("{}.v", design.top)
}

/// Builds the library into `folder`.
fn build(
    design: &Design,
    arguments: &[String],
    folder: &Path,
    cache: &Cache,
) -> Result<(), SimError> {
    for (name, text) in [
        (verilog_file(design).as_str(), design.verilog),
        ("shim.cpp", design.shim),
        ("waivers.vlt", WAIVERS),
    ] {
        cache::write(&folder.join(name), text)?;
    }
    let outcome = run(&VERILATOR, arguments, folder)?;
    if outcome.success && folder.join(LIBRARY).is_file() {
        return Ok(());
    }
    let log = cache.keep_log(&format!("{}\nverilator {}\n", outcome.text, outcome.end))?;
    let lines: Vec<&str> = outcome.text.lines().collect();
    Err(SimError::Build {
        what: design.what.clone(),
        end: outcome.end,
        log,
        tail: lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n"),
    })
}
