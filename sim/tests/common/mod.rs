//! What every kernel must do, whatever it is made of.
//!
//! `kernel_tests!(open)` makes one test of each check, run on every kernel that `open()` returns. The
//! reference is plain scalar arithmetic on the unpacked trits.

// Each test program uses some of this.
#![allow(dead_code)]

pub mod checks;
pub mod job;

use tercet_contract::Geometry;
use tercet_sim::{Kernel, MemoryTiming, RtlKernel, SimError};

/// A kernel and the words that name it in a failure.
pub struct Subject {
    pub name: String,
    pub kernel: Box<dyn Kernel>,
}

/// One test a check. `open` gives the kernels, as `Vec<Subject>`.
#[macro_export]
macro_rules! kernel_tests {
    ($open:expr => $($check:ident),* $(,)?) => {
        $(#[test]
        fn $check() {
            for mut subject in $open {
                eprintln!("{}", subject.name);
                common::checks::$check(subject.kernel.as_mut());
            }
        })*
    };
}

/// Opens an RTL kernel. `None`, after a loud word, where Verilator is not installed; CI forbids that.
pub fn open_rtl(geometry: &Geometry, timing: MemoryTiming) -> Option<RtlKernel> {
    unless_missing(RtlKernel::open(geometry, timing, None))
}

/// The value, or `None` where a tool is not installed. Any other error fails the test.
pub fn unless_missing<T>(result: Result<T, SimError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error @ SimError::MissingTool { .. }) if std::env::var_os("CI").is_none() => {
            eprintln!("SKIPPED, NOT TESTED: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// A geometry by name.
pub fn geometry(name: &str) -> Geometry {
    name.parse().expect("a supported geometry")
}
