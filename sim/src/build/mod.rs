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

use crate::error::SimError;
pub use cache::cache_folder;
use cache::{Cache, LIBRARY};
pub use lint::lint;
pub(crate) use prune::remove_abandoned_now;
use tools::{run, verilator_version, CXX, MAKE, VERILATOR, ZLIB};

/// The C interface compiled into every library.
const SHIM: &str = include_str!("../shim.cpp");

/// Warnings that are not errors.
const WAIVERS: &str = include_str!("../waivers.vlt");

/// Name of the Verilog file, which Verilator wants to be that of the top module.
const VERILOG: &str = "ternary_gemv.v";

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
    let (cache, _) = place(geometry, &tercet_hdl::emit(geometry)?, trace)?;
    Ok(cache.find().is_some())
}

/// The library of a kernel, built unless it is in the cache. With `trace` it can write waveforms,
/// which makes every cycle slower.
pub fn library(geometry: &Geometry, verilog: &str, trace: bool) -> Result<PathBuf, SimError> {
    let (cache, arguments) = place(geometry, verilog, trace)?;
    let _one_at_a_time = BUILDING.lock().unwrap_or_else(|e| e.into_inner());
    if let Some(library) = cache.find() {
        return Ok(library);
    }
    for tool in [&CXX, &MAKE] {
        tool.version()?;
    }
    if trace {
        ZLIB.check()?;
    }
    cache.prune();
    // First, so that a cache that cannot be written is told before the build.
    let stage = cache.stage()?;
    let folder = cache::build_folder(&cache)?;
    build(geometry, verilog, &arguments, folder.path(), &cache)?;
    cache.keep(stage, &folder.path().join(LIBRARY))
}

/// Where the library of a kernel is kept, and the command line that makes it.
fn place(
    geometry: &Geometry,
    verilog: &str,
    trace: bool,
) -> Result<(Cache, Vec<String>), SimError> {
    let version = verilator_version()?;
    let arguments = verilator_arguments(geometry, trace);
    let inputs = [verilog, SHIM, WAIVERS, &version, &arguments.join(" ")];
    Ok((Cache::new(cache_folder()?, &inputs), arguments))
}

/// Command line of Verilator, for files in the current folder.
fn verilator_arguments(geometry: &Geometry, trace: bool) -> Vec<String> {
    // `-fno-gnu-unique`, hidden symbols and `-Bsymbolic`: libraries of several geometries are loaded
    // into one process, and each must use its own copy of Verilator's run time and of the classes.
    let mut compiler = format!(
        "-O2 -fPIC -fvisibility=hidden -fno-gnu-unique -DTERCET_BUS_BITS={} \
         -DVL_USER_FATAL -DVL_USER_STOP -DVL_USER_FINISH",
        geometry.bus_bits()
    );
    if trace {
        compiler.push_str(" -DTERCET_TRACE");
    }
    let coverage = std::env::var_os(COVERAGE).is_some();
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
        KERNEL_NAME,
        "--prefix",
        "Vternary_gemv",
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
    if trace {
        arguments.push("--trace-fst".to_string());
    }
    arguments.extend(["waivers.vlt", VERILOG, "shim.cpp"].map(String::from));
    arguments
}

/// Builds the library into `folder`.
fn build(
    geometry: &Geometry,
    verilog: &str,
    arguments: &[String],
    folder: &Path,
    cache: &Cache,
) -> Result<(), SimError> {
    for (name, text) in [
        (VERILOG, verilog),
        ("shim.cpp", SHIM),
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
        geometry: *geometry,
        end: outcome.end,
        log,
        tail: lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n"),
    })
}
