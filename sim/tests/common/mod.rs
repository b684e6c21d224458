//! What every kernel must do, whatever it is made of.
//!
//! `kernel_tests!(open())` makes one test of each check, run on every kernel that `open()` returns. The
//! reference is plain scalar arithmetic on the unpacked weights.

// Each test program uses some of this.
#![allow(dead_code)]

pub mod checks;
pub mod job;
pub mod product;
pub mod ring_feed;

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
    ($open:expr) => {
        $crate::kernel_tests! { $open =>
            results: random_shapes, extreme_values, rows_do_not_mix, batches, digits, run_lists,
                mixed_lists, immediate_commands, stops, kept_activations,
                buffers_around_page_edges, long_lists, empty_and_impossible_lists;
            errors: bad_commands, bad_immediate_commands, no_weight_beats,
                row_beats_that_k_does_not_need, large_commands_stopped_early,
                activations_of_an_earlier_list, bad_run_lists, buffers_outside_memory,
                lists_outside_memory, injected_faults;
            order: the_first_error_of_a_list_is_told, commands_before_an_error_are_complete;
            rings: rings_wrap_around, full_rings, overrun_rings, errors_in_rings, stops_in_rings,
                rings_and_lists_take_turns, rings_outside_memory;
        }
    };
    ($open:expr => $($about:ident: $($check:ident),*;)*) => {
        $(mod $about {
            use super::*;
            $(#[test]
            fn $check() {
                for mut subject in $open {
                    eprintln!("{}", subject.name);
                    common::checks::$about::$check(subject.kernel.as_mut());
                }
            })*
        })*
    };
}

/// Opens an RTL kernel. `None`, after a loud word, where Verilator is not installed; CI forbids that.
pub fn open_rtl(geometry: &Geometry, timing: MemoryTiming) -> Option<RtlKernel> {
    unless_missing(RtlKernel::open(geometry, timing, None))
}

/// Geometries whose RTL is built for tests: every bus width, encoding and batch occurs, and a
/// longest K besides the usual. The cycle tests build others.
pub fn rtl_geometries() -> Vec<Geometry> {
    let names = [
        "128-b2",
        "128-b3",
        "128-b2-x4",
        "256-b3-x2",
        "512-b3",
        "512-b2-x2-k8192",
    ];
    names.map(geometry).into()
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
