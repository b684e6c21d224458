//! `tercet bitstream verify`.

use std::fs;

use crate::support::refused;

#[test]
fn folders_without_manifests_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("empty")).unwrap();
    let text = refused(dir.path(), &["bitstream", "verify", "empty"]);
    assert!(text.contains("no manifest"), "{text}");
    let text = refused(dir.path(), &["bitstream", "verify"]);
    assert!(text.contains("bitstreams"), "{text}");
}
