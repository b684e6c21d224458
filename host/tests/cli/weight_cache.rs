//! Packed weights in the cache folder: used, replaced, or left out, always with the same tokens.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use serde_json::Value;

use crate::support::{checkpoint, names, tercet, Ended};

const RUN: [&str; 8] = [
    "run",
    "--model",
    "checkpoint",
    "--prompt",
    "Once",
    "--max-tokens",
    "8",
    "--json",
];

/// Tokens of a run with its cache in `cache`, and what it said on stderr.
fn run(dir: &Path, cache: &Path, more: &[&str]) -> (Value, String) {
    let args = [&RUN[..], more].concat();
    let output = tercet(dir, &args).env("XDG_CACHE_HOME", cache).output();
    let e = Ended::from(output.unwrap());
    assert_eq!(e.code, 0, "{}", e.stderr);
    let report: Value = serde_json::from_str(&e.stdout).unwrap();
    (report["tokens"].clone(), e.stderr)
}

fn remarks(stderr: &str) -> Vec<&str> {
    let about = |line: &&str| line.contains("packed weights");
    stderr.lines().filter(about).collect()
}

/// The only file in the cache.
fn file(cache: &Path) -> PathBuf {
    let folder = cache.join("tercet/weights");
    let names = names(&folder);
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(names[0].ends_with(".tcw"), "{names:?}");
    folder.join(&names[0])
}

#[test]
fn the_second_run_uses_the_file_of_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    checkpoint(d);
    let cache = d.join("cache");
    let (plain, said) = run(d, &cache, &["--no-weight-cache"]);
    assert!(!cache.exists() && remarks(&said).is_empty(), "{said}");

    let (first, said) = run(d, &cache, &[]);
    assert!(remarks(&said).is_empty(), "{said}");
    let kept = File::options().append(true).open(file(&cache)).unwrap();
    let written = fs::read(file(&cache)).unwrap();
    kept.set_modified(SystemTime::UNIX_EPOCH).unwrap();

    let (second, said) = run(d, &cache, &[]);
    assert!(remarks(&said).is_empty(), "{said}");
    let used = kept.metadata().unwrap().modified().unwrap();
    assert_ne!(used, SystemTime::UNIX_EPOCH, "its use is noted");
    assert!(fs::read(file(&cache)).unwrap() == written);
    assert_eq!((&first, &second), (&plain, &plain));
}

#[test]
fn damaged_files_are_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    checkpoint(d);
    let cache = d.join("cache");
    let (first, _) = run(d, &cache, &[]);
    let mut bytes = fs::read(file(&cache)).unwrap();
    let whole = bytes.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file(&cache), bytes).unwrap();
    let (second, said) = run(d, &cache, &[]);
    assert_eq!(remarks(&said).len(), 1, "{said}");
    assert_eq!(first, second);
    assert!(fs::read(file(&cache)).unwrap() == whole);
}

#[test]
fn a_cache_that_cannot_be_written_is_a_remark() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    checkpoint(d);
    let (plain, _) = run(d, &d.join("cache"), &["--no-weight-cache"]);
    fs::write(d.join("file"), "").unwrap();
    let (tokens, said) = run(d, &d.join("file"), &[]);
    let remarks = remarks(&said);
    assert_eq!(remarks.len(), 1, "{said}");
    assert!(remarks[0].contains("file/tercet/weights"), "{said}");
    assert_eq!(tokens, plain);
}

/// A run whose files may have 64 blocks; `trap` says what happens beyond.
fn limited(dir: &Path, cache: &Path, trap: &str) -> std::process::Output {
    let script = format!("{trap} ulimit -f 64; exec \"$0\" \"$@\"");
    Command::new("sh")
        .current_dir(dir)
        .env("XDG_CACHE_HOME", cache)
        .args(["-c", &script, env!("CARGO_BIN_EXE_tercet")])
        .args(RUN)
        .output()
        .unwrap()
}

#[test]
fn a_write_that_fails_in_the_middle_is_a_remark() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    checkpoint(d);
    let cache = d.join("cache");
    let e = Ended::from(limited(d, &cache, "trap '' XFSZ;"));
    assert_eq!((e.code, remarks(&e.stderr).len()), (0, 1), "{}", e.stderr);
    assert!(names(&cache.join("tercet/weights")).is_empty());
    let report: Value = serde_json::from_str(&e.stdout).unwrap();
    assert_eq!(report["tokens"], run(d, &cache, &[]).0);
}

#[test]
fn what_a_killed_run_left_is_removed_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    checkpoint(d);
    let cache = d.join("cache");
    // The signal kills in the middle of a write, as SIGKILL would: nothing is tidied up.
    let killed = limited(d, &cache, "");
    assert!(killed.status.signal().is_some(), "{:?}", killed.status);
    let left = names(&cache.join("tercet/weights"));
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].starts_with(".tercet-"), "{left:?}");
    let (_, said) = run(d, &cache, &[]);
    assert!(remarks(&said).is_empty(), "{said}");
    file(&cache);
}
