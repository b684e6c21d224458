use super::*;

/// A folder with a manifest that is right.
fn folder() -> (tempfile::TempDir, Manifest) {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("a.bit"), b"bits").unwrap();
    fs::write(home.path().join("a.lpf"), b"pins").unwrap();
    let manifest = Manifest {
        schema: SCHEMA.into(),
        target: "ulx3s-85f".into(),
        part: "LFE5U-85F".into(),
        geometry: "128-b2".into(),
        file: "a.bit".into(),
        bytes: 4,
        sha256: sha256(b"bits"),
        verilog_sha256: sha256(emit_ulx3s(CLOCK_HZ / BAUD).unwrap().as_bytes()),
        constraints: "a.lpf".into(),
        constraints_sha256: sha256(b"pins"),
        tools: BTreeMap::new(),
        seed: 1,
        clock_mhz: 25.0,
        fmax_mhz: 50.0,
        timing_met: true,
        utilisation: [(
            "DP16KD".to_string(),
            Used {
                used: 1,
                available: 2,
            },
        )]
        .into(),
        tier: Tier::Modelled,
        verified: "nothing".into(),
    };
    write(&home, &manifest);
    (home, manifest)
}

fn write(home: &tempfile::TempDir, manifest: &Manifest) {
    let text = serde_json::to_string(manifest).unwrap();
    fs::write(home.path().join("a.json"), text).unwrap();
}

#[test]
fn a_manifest_that_is_right_has_no_problems() {
    let (home, manifest) = folder();
    let checked = verify(home.path()).unwrap();
    assert_eq!(checked[0].problems, Vec::<String>::new());
    assert_eq!(checked[0].manifest, manifest);
    assert!(text(&checked).contains("DP16KD 1 of 2 (50 %)"));
}

#[test]
fn every_deviation_is_told() {
    let (home, manifest) = folder();
    type Change = fn(&mut Manifest);
    let changes: [(Change, &str); 7] = [
        (|m| m.sha256 = "00".into(), "a.bit has another hash"),
        (|m| m.bytes = 5, "a.bit has 4 bytes"),
        (
            |m| m.constraints_sha256 = "00".into(),
            "a.lpf has another hash",
        ),
        (|m| m.verilog_sha256 = "00".into(), "build it again"),
        (|m| m.fmax_mhz = 24.9, "timing is not met"),
        (|m| m.timing_met = false, "timing is not met"),
        (|m| m.file = "../a.bit".into(), "beside the manifest"),
    ];
    for (change, problem) in changes {
        let mut other = manifest.clone();
        change(&mut other);
        write(&home, &other);
        let problems = &verify(home.path()).unwrap()[0].problems;
        assert!(
            problems.len() == 1 && problems[0].contains(problem),
            "{problems:?}"
        );
    }
    write(&home, &manifest);
    fs::remove_file(home.path().join("a.bit")).unwrap();
    assert_eq!(verify(home.path()).unwrap()[0].problems.len(), 1);
}

#[test]
fn what_is_no_manifest_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    let error = |path: &Path| verify(path).unwrap_err().to_string();
    assert!(error(home.path()).contains("no manifest"));
    assert!(error(&home.path().join("none.json")).contains("none.json"));
    let path = home.path().join("a.json");
    for text in ["", "{}", "[1]", "\u{0}"] {
        fs::write(&path, text).unwrap();
        assert!(error(&path).contains("a.json"), "{text}");
    }
}
