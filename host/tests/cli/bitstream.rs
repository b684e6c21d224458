//! `tercet bitstream verify`.

use std::fs;
use std::path::Path;

use crate::support::{json, ok, refused};

#[test]
fn the_committed_bitstreams_are_verified_in_their_folder() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = ok(&top, &["bitstream", "verify"]);
    assert!(
        text.contains("ulx3s-85f") && text.contains("built here"),
        "{text}"
    );
    let all = json(&top, &["bitstream", "verify", "--json"]);
    let states = all["checked"].as_array().unwrap().iter();
    let states: Vec<_> = states
        .map(|c| c["manifest"]["state"].as_str().unwrap())
        .collect();
    assert!(states.contains(&"built-here") && states.contains(&"to-be-built-by-you"));
    let table = ok(
        &top,
        &["bitstream", "verify", "--markdown", "bitstreams/ecp5"],
    );
    assert_eq!(table.lines().count(), 3, "{table}");
}

#[test]
fn folders_without_manifests_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("empty")).unwrap();
    let text = refused(dir.path(), &["bitstream", "verify", "empty"]);
    assert!(text.contains("no manifest"), "{text}");
    let text = refused(dir.path(), &["bitstream", "verify"]);
    assert!(text.contains("bitstreams"), "{text}");
}
