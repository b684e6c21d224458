//! Missing tools and folders that cannot be used give an error that says what to do.
//!
//! One test, in a program of its own: it changes environment variables of the whole process.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tercet_contract::Geometry;
use tercet_sim::{MemoryTiming, RtlKernel};

fn error() -> String {
    match RtlKernel::open(&Geometry::DEFAULT, MemoryTiming::default(), None) {
        Ok(_) => panic!("opened"),
        Err(error) => error.to_string(),
    }
}

fn write_script(path: &Path, script: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn what_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let verilator = folder.path().join("verilator");
    let path = std::env::var_os("PATH").unwrap();

    // No tools at all.
    std::env::set_var("PATH", folder.path());
    std::env::set_var("XDG_CACHE_HOME", folder.path().join("cache"));
    let text = error();
    assert!(
        text.contains("`verilator`") && text.contains("apt-get install verilator"),
        "{text}"
    );

    // Verilators that are there and do not work, or are too old.
    for (script, expected) in [
        ("echo why >&2; exit 3", "exited with status 3: why"),
        ("kill -9 $$", "was killed by signal 9 (SIGKILL)"),
        ("true", "(no output)"),
        (
            "echo Verilator 4.228 2022-10-01",
            "`Verilator 4.228 2022-10-01`, expected version 5.000",
        ),
        ("echo something else", "`something else`, expected version"),
    ] {
        write_script(&verilator, script);
        let text = error();
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("not found"), "{text}");
    }

    // A Verilator, but no compiler.
    write_script(&verilator, "echo Verilator 5.000");
    let text = error();
    assert!(
        text.contains("`g++`") && text.contains("apt-get install"),
        "{text}"
    );

    // A cache folder that is a file.
    let mut paths = vec![folder.path().to_path_buf()];
    paths.extend(std::env::split_paths(&path));
    std::env::set_var("PATH", std::env::join_paths(paths).unwrap());
    std::env::set_var("XDG_CACHE_HOME", &verilator);
    let text = error();
    let folder_text = verilator.join("tercet").display().to_string();
    if text.contains("`g++`") || text.contains("`make`") {
        assert!(std::env::var_os("CI").is_none(), "{text}");
        eprintln!("SKIPPED, NOT TESTED: unwritable cache: {text}");
    } else {
        assert!(
            text.contains(&folder_text) && text.contains("XDG_CACHE_HOME"),
            "{text}"
        );
    }
}
