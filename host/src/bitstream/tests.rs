use super::*;
use crate::artefact::to_json;
use tercet_xclbin::alveo::{files, CARDS};

/// A folder with a manifest that is right.
fn folder() -> (tempfile::TempDir, Manifest) {
    let home = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("a.bit", "bits"),
        ("a.lpf", "pins"),
        ("a.report.json", "{}"),
    ] {
        fs::write(home.path().join(name), text).unwrap();
    }
    let input = |name: &str, from, text: &str| Input {
        name: name.into(),
        sha256: sha256(text.as_bytes()),
        from,
    };
    let used = Used {
        used: 1.0,
        available: 2.0,
    };
    let manifest = Manifest {
        target: "ulx3s-85f".into(),
        part: "LFE5U-85F".into(),
        geometry: "128-b2".into(),
        compute_units: 1,
        state: State::BuiltHere,
        clock_mhz: 25.0,
        inputs: vec![
            input("a.lpf", Origin::File, "pins"),
            input("board.v", Origin::Board, &board().unwrap()),
            input("kernel.v", Origin::Kernel, &kernel("128-b2").unwrap()),
        ],
        commands: vec![],
        tools: BTreeMap::new(),
        utilisation: Some(Utilisation {
            cells: [("DP16KD".to_string(), used)].into(),
            source: "nextpnr".into(),
            tier: ToolTier::PlacedAndRouted,
        }),
        built: Some(Built {
            file: "a.bit".into(),
            bytes: 4,
            sha256: sha256(b"bits"),
            report: "a.report.json".into(),
            report_sha256: sha256(b"{}"),
            seed: 1,
            fmax_mhz: 50.0,
            timing_met: true,
            tier: ToolTier::PlacedAndRouted,
        }),
        verified: "nothing".into(),
    };
    write(&home, &manifest);
    (home, manifest)
}

fn write(home: &tempfile::TempDir, manifest: &Manifest) {
    fs::write(home.path().join("a.json"), to_json(manifest)).unwrap();
}

fn built(manifest: &mut Manifest) -> &mut Built {
    manifest.built.as_mut().unwrap()
}

#[test]
fn a_manifest_that_is_right_has_no_problems() {
    let (home, manifest) = folder();
    let checked = verify(home.path()).unwrap();
    assert_eq!(checked[0].problems, Vec::<String>::new());
    assert_eq!(checked[0].manifest, manifest);
    let page = text(&checked);
    for part in [
        "ok",
        "built here",
        "DP16KD 1 of 2 (50 %)",
        "placed and routed",
    ] {
        assert!(page.contains(part), "{page}");
    }
    let page = markdown(&checked, home.path());
    assert!(
        page.contains("`a.bit`") && page.contains("built here"),
        "{page}"
    );
}

#[test]
fn every_deviation_is_told() {
    let (home, manifest) = folder();
    type Change = fn(&mut Manifest);
    let changes: [(Change, &str); 12] = [
        (|m| built(m).sha256 = "00".into(), "a.bit has another hash"),
        (|m| built(m).bytes = 5, "a.bit has 4 bytes"),
        (
            |m| built(m).report_sha256 = "00".into(),
            "a.report.json has another hash",
        ),
        (|m| built(m).fmax_mhz = 24.9, "timing is not met"),
        (|m| built(m).timing_met = false, "timing is not met"),
        (|m| built(m).file = "../a.bit".into(), "beside the manifest"),
        (|m| m.state = State::ToBeBuiltByYou, "the state is"),
        (
            |m| m.inputs[0].sha256 = "00".into(),
            "a.lpf has another hash",
        ),
        (|m| m.inputs[1].sha256 = "00".into(), "board.v: the Verilog"),
        (|m| m.geometry = "128-b3".into(), "kernel.v: the Verilog"),
        (|m| m.geometry = "127-b3".into(), "127"),
        (
            |m| {
                let cells = &mut m.utilisation.as_mut().unwrap().cells;
                cells.get_mut("DP16KD").unwrap().used = 3.0;
            },
            "3 DP16KD of 2",
        ),
    ];
    for (change, problem) in changes {
        let mut other = manifest.clone();
        change(&mut other);
        write(&home, &other);
        let problems = &verify(home.path()).unwrap()[0].problems;
        assert!(
            problems.len() == 1 && problems[0].contains(problem),
            "{problem}: {problems:?}"
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
    for text in [
        "",
        "{}",
        "[1]",
        "\u{0}",
        r#"{"schema": "tercet.bitstream"}"#,
    ] {
        fs::write(&path, text).unwrap();
        assert!(error(&path).contains("a.json"), "{text}");
    }
    assert!(error(home.path()).contains("version"), "one by its schema");
    fs::write(&path, " ".repeat(2 << 20)).unwrap();
    assert!(error(&path).contains("expected at most"));
    #[cfg(unix)]
    {
        assert!(error(Path::new("/dev/zero")).contains("no ordinary file"));
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/", &path).unwrap();
        assert!(error(home.path()).contains("no manifest"));
    }
}

#[test]
fn json_of_other_tools_is_passed_over_in_a_folder() {
    let (home, _) = folder();
    fs::create_dir(home.path().join("build")).unwrap();
    fs::write(home.path().join("build/x.json"), r#"{"design": 1}"#).unwrap();
    fs::write(home.path().join("build/y.json"), "[").unwrap();
    assert_eq!(verify(home.path()).unwrap().len(), 1);
}

#[test]
fn verilog_beside_a_manifest_is_what_gets_built() {
    let (home, _) = folder();
    let verilog = home.path().join("kernel.v");
    fs::write(&verilog, kernel("128-b2").unwrap()).unwrap();
    assert_eq!(
        verify(home.path()).unwrap()[0].problems,
        Vec::<String>::new()
    );
    fs::write(&verilog, "module junk;").unwrap();
    let problems = &verify(home.path()).unwrap()[0].problems;
    assert!(problems.len() == 1 && problems[0].contains("kernel.v has another hash"));
}

/// `bitstreams/` of the repository.
fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../bitstreams")
}

fn is_blessed() -> bool {
    std::env::var_os("TERCET_BLESS").is_some()
}

#[test]
fn committed_bitstreams_are_what_their_manifests_say() {
    for Verified { path, problems, .. } in verify(&committed()).unwrap() {
        assert_eq!(problems, Vec::<String>::new(), "{}", path.display());
    }
}

/// `TERCET_BLESS=1 cargo test -p tercet --lib bitstream` rewrites them.
#[test]
fn committed_manifests_of_cards_are_fresh() {
    let cards: Vec<_> = CARDS.iter().collect();
    let scripts = files(&Geometry::DEFAULT, &cards, None).unwrap();
    let command = format!(
        "tercet xclbin package --geometry {} --out work",
        Geometry::DEFAULT
    );
    for card in cards {
        let path = committed().join(format!("alveo/{}.json", card.name));
        let made = recipe(card, &Geometry::DEFAULT, None, &scripts, &command).unwrap();
        if is_blessed() {
            fs::write(&path, to_json(&made)).unwrap();
        }
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, to_json(&made), "{}: see this test", card.name);
        assert_eq!(made.inputs.len(), 5, "{:?}", made.inputs);
        assert!(made.utilisation.is_some(), "{}", card.name);
    }
}

/// `TERCET_BLESS=1 cargo test -p tercet --lib bitstream` rewrites it, after the manifests.
#[test]
fn the_table_of_the_readme_is_that_of_the_manifests() {
    let page = committed().join("README.md");
    let text = fs::read_to_string(&page).unwrap();
    let table = markdown(&verify(&committed()).unwrap(), &committed());
    let begin = text.find("| target").unwrap();
    let end = begin + text[begin..].find("\n\n").unwrap() + 1;
    if is_blessed() {
        let text = format!("{}{table}{}", &text[..begin], &text[end..]);
        fs::write(&page, text).unwrap();
    } else {
        assert_eq!(&text[begin..end], table, "see this test");
    }
}
