//! Kernels are built whatever the environment is, kept, and built again when they are damaged.
//!
//! One test, in a program of its own: it changes environment variables of the whole process.

mod common;

use std::path::{Path, PathBuf};

use common::{geometry, unless_missing};
use tercet_sim::{is_built, simulate_gemv, MemoryTiming, RtlKernel, SimError};

/// The only library below a folder of kernels.
fn library(kernels: &Path) -> PathBuf {
    let entries: Vec<PathBuf> = std::fs::read_dir(kernels)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries[0].join("kernel.so")
}

#[test]
fn kernels_are_built_kept_and_mended() {
    let g = geometry("128-b2");
    let home = tempfile::tempdir().unwrap();
    let cache = home.path().join("a cache with spaces");
    std::env::set_var("XDG_CACHE_HOME", &cache);
    for variable in ["MAKEFLAGS", "CXXFLAGS", "CFLAGS", "CPPFLAGS", "LDFLAGS"] {
        std::env::set_var(variable, "--no-such-option");
    }
    let kernels = cache.join("tercet").join("kernels");
    let open_and_run = || {
        let opened = RtlKernel::open(&g, MemoryTiming::default(), None);
        let mut kernel = unless_missing(opened)?;
        let run = simulate_gemv(&mut kernel, 4, 64, 1).unwrap();
        assert!(run.matches_reference);
        Some(())
    };

    let Some(built) = unless_missing(is_built(&g, false)) else {
        return;
    };
    assert!(!built);
    if open_and_run().is_none() {
        return;
    }
    assert!(is_built(&g, false).unwrap());
    assert!(!is_built(&g, true).unwrap(), "with waveforms it is another");

    // Replaced by a shorter file, as a full disk or a crash leaves it.
    let library = library(&kernels);
    let whole = std::fs::read(&library).unwrap();
    std::fs::remove_file(&library).unwrap();
    std::fs::write(&library, &whole[..whole.len() / 2]).unwrap();
    assert!(!is_built(&g, false).unwrap());
    open_and_run().unwrap();
    assert!(is_built(&g, false).unwrap());

    // Removed from its folder.
    std::fs::remove_file(&library).unwrap();
    open_and_run().unwrap();
    assert!(is_built(&g, false).unwrap());

    // An installation of Verilator that does not work is not a missing one.
    std::env::set_var("VERILATOR_ROOT", "/nonexistent");
    match RtlKernel::open(&g, MemoryTiming::default(), None).map(|_| ()) {
        Err(error @ SimError::ToolFails { .. }) => {
            let text = error.to_string();
            assert!(
                text.contains("/nonexistent/verilator_bin") && text.contains("VERILATOR_ROOT"),
                "{text}"
            );
        }
        // An installation that does not look at the variable.
        other => assert!(other.is_ok(), "{other:?}"),
    }
}
