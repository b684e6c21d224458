//! Device images and the scripts that build them.

use std::fs;

use crate::support::{end, json, names, ok, refused};

#[test]
fn an_image_that_is_built_fits() {
    let dir = tempfile::tempdir().unwrap();
    let build = [
        "xclbin",
        "build",
        "--geometry",
        "256-b2-x4",
        "--cus",
        "2",
        "--clock-mhz",
        "300",
        "--out",
        "a.xclbin",
    ];
    assert_eq!(ok(dir.path(), &build), "a.xclbin\n");
    let text = ok(dir.path(), &["xclbin", "inspect", "a.xclbin"]);
    for part in [
        "256-b2-x4",
        "300 MHz",
        "ternary_gemv_2",
        "weights_1",
        "fits the contract",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let facts = json(dir.path(), &["xclbin", "inspect", "a.xclbin", "--json"]);
    assert_eq!(facts["schema"], "tercet.xclbin");
    assert_eq!(facts["geometry"], "256-b2-x4");
    assert_eq!(facts["clock_mhz"], 300);
    assert_eq!(
        facts["compute_units"][1]["arguments"][5]["name"],
        "completion"
    );
    assert_eq!(facts["compute_units"][1]["connections"][1]["memory"], 3);
    assert_eq!(facts["memories"][3]["tag"], "data_1");
    assert_eq!(facts["findings"].as_array().unwrap().len(), 0);

    let refusal = refused(dir.path(), &build);
    assert!(refusal.contains("--force"), "{refusal}");
    let forced: Vec<&str> = build.iter().copied().chain(["--force"]).collect();
    ok(dir.path(), &forced);
    assert_eq!(names(dir.path()), ["a.xclbin"]);
}

#[test]
fn an_image_that_does_not_fit_is_a_failed_check() {
    let dir = tempfile::tempdir().unwrap();
    ok(dir.path(), &["xclbin", "build", "--out", "a.xclbin"]);
    let path = dir.path().join("a.xclbin");
    let mut bytes = fs::read(&path).unwrap();
    // Both are of one length, so that nothing moves.
    let (key, other) = (b"tercet.geometry", b"tercet.geometrx");
    let at = bytes.windows(key.len()).position(|w| w == key).unwrap();
    bytes[at..at + key.len()].copy_from_slice(other);
    fs::write(&path, bytes).unwrap();
    let e = end(dir.path(), &["xclbin", "inspect", "a.xclbin"]);
    assert_eq!(e.code, 1, "{}", e.stderr);
    assert!(
        e.stdout
            .contains("finding: key-value tercet.geometry: found none"),
        "{}",
        e.stdout
    );
    assert!(
        e.stderr.contains("check failed: a.xclbin: 1 finding"),
        "{}",
        e.stderr
    );
}

#[test]
fn what_is_no_image_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("text"), "no image").unwrap();
    for (args, part) in [
        (&["xclbin", "inspect", "text"][..], "text: no xclbin"),
        (&["xclbin", "inspect", "none"], "none"),
        (&["xclbin", "inspect", "."], "no ordinary file"),
        (&["xclbin", "build", "--out", "a", "--cus", "33"], "1 to 32"),
        (
            &["xclbin", "build", "--out", "a", "--clock-mhz", "0"],
            "MHz",
        ),
        (&["xclbin", "build", "--out", "no/a"], "no/a"),
        (
            &["xclbin", "package", "--out", "a", "--board", "u999"],
            "u50, u55c, u280, u250",
        ),
        (
            &[
                "xclbin", "package", "--out", "a", "--board", "u250", "--cus", "5",
            ],
            "1 to 4",
        ),
    ] {
        let message = refused(dir.path(), args);
        assert!(message.contains(part), "{args:?}: {message}");
    }
    assert_eq!(names(dir.path()), ["text"]);
}

#[test]
fn scripts_are_written_for_every_board() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["u50", "u55c", "u280", "u250"] {
        let out = ok(
            dir.path(),
            &["xclbin", "package", "--board", name, "--out", name],
        );
        assert!(out.contains(&format!("{name}/{name}.cfg")), "{out}");
        let mut files = names(&dir.path().join(name));
        files.sort();
        let (cfg, manifest) = (format!("{name}.cfg"), format!("{name}.json"));
        let scripts = ["Makefile", "kernel.xml", "package_kernel.tcl"];
        assert_eq!(files, [&scripts[..], &[&cfg, &manifest]].concat());
        let checked = ok(dir.path(), &["bitstream", "verify", name]);
        assert!(checked.contains("to be built by you"), "{checked}");
        fs::write(dir.path().join(name).join(&cfg), "platform=other").unwrap();
        let e = end(dir.path(), &["bitstream", "verify", name]);
        let problem = format!("{cfg} has another hash");
        assert!(e.code == 1 && e.stdout.contains(&problem), "{}", e.stdout);
    }
    let again = refused(
        dir.path(),
        &["xclbin", "package", "--board", "u50", "--out", "u50"],
    );
    assert!(again.contains("--force"), "{again}");
}
