//! Explorations: results, going on, other inputs, batch scripts.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{end, json, names, ok, refused};

const FILES: [&str; 5] = [
    "explore.json",
    "explore.csv",
    "explore.md",
    "pareto.svg",
    "pareto.png",
];

/// Four shards of four points.
const SPACE: [&str; 6] = [
    "--boards",
    "u55c,kv260",
    "--geometries",
    "512-b3,128-b2",
    "--cus",
    "1,8",
];

fn explore<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["explore"], &SPACE[..], more].concat()
}

/// A folder with a profile on whose CPU everything is 1000 times as slow, so that a board gains.
fn with_profile() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    ok(
        dir.path(),
        &["profile", "--rounds", "1", "--out", "fast.json"],
    );
    let text = fs::read_to_string(dir.path().join("fast.json")).unwrap();
    let mut profile: Value = serde_json::from_str(&text).unwrap();
    slow(&mut profile);
    fs::write(dir.path().join("p.json"), profile.to_string()).unwrap();
    dir
}

fn slow(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_f64() {
                    Some(s) if key.ends_with("_s") && value.is_f64() => *value = (s * 1e3).into(),
                    _ => slow(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(slow),
        _ => {}
    }
}

fn contents(folder: &Path) -> Vec<Vec<u8>> {
    let read = |name| fs::read(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    FILES.map(read).into()
}

#[test]
fn every_point_is_there_and_the_front_is_marked() {
    let dir = with_profile();
    let out = dir.path().join("out");
    let text = ok(
        dir.path(),
        &explore(&["--profile", "p.json", "--out", "out"]),
    );
    for part in [
        "CPU alone",
        "u55c",
        "projected",
        "measured",
        "Most tokens/s",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let whole: Value =
        serde_json::from_slice(&fs::read(out.join("explore.json")).unwrap()).unwrap();
    assert_eq!(whole["schema"], "tercet.exploration");
    let points = whole["points"].as_array().unwrap();
    assert_eq!(points.len(), 1 + 16);
    assert!(points[0]["board"].is_null() && points[0]["on_front_of_all"] == true);
    assert_eq!(points[0]["tier"], "measured");
    for p in &points[1..] {
        match p["fits"].as_str().unwrap() {
            "yes" => {
                let (ms, rate) = (&p["ms_per_token"], &p["tokens_per_s"]);
                let product = ms.as_f64().unwrap() * rate.as_f64().unwrap();
                assert!((product - 1e3).abs() < 1e-6, "{p}");
                assert!(p["lut"].as_u64().unwrap() > 1000, "{p}");
                let known = p["board"] == "kv260" && p["layers_offloaded"] != 0;
                assert_eq!(p["energy_j"].is_f64(), known, "{p}");
            }
            "no" => {
                assert!(p["remark"].as_str().unwrap().contains("needed"), "{p}");
                assert!(p["tokens_per_s"].is_null() && p["on_front_of_board"] == false);
            }
            other => panic!("{other}"),
        }
    }
    assert!(points[1..].iter().any(|p| p["on_front_of_all"] == true));
    assert!(points[1..].iter().any(|p| p["fits"] == "no"));

    let rows = fs::read_to_string(out.join("explore.csv")).unwrap();
    assert!(rows.starts_with("board,geometry,cus,mode,fits,"), "{rows}");
    assert_eq!(rows.lines().count(), 1 + 1 + 16);
    let page = fs::read_to_string(out.join("explore.md")).unwrap();
    for part in [
        "## Front of all boards",
        "## AMD Kria KV260",
        "do not fit",
        "at most",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let picture = fs::read_to_string(out.join("pareto.svg")).unwrap();
    for part in ["<svg", "(projected)", "AMD Alveo U55C", "CPU alone"] {
        assert!(picture.contains(part), "{part}");
    }
    let picture = fs::read(out.join("pareto.png")).unwrap();
    assert_eq!(picture[..8], *b"\x89PNG\r\n\x1a\n");

    // Again: the same, now in short.
    let before = contents(&out);
    let summary = json(
        dir.path(),
        &explore(&["--profile", "p.json", "--out", "out", "--json"]),
    );
    assert_eq!(summary["points"], 17);
    assert_eq!(summary["boards"].as_array().unwrap().len(), 2);
    assert_eq!(summary["front"][0]["board"], Value::Null);
    assert_eq!(summary["best"]["board"], "u55c");
    assert_eq!(contents(&out), before);
}

#[test]
fn a_stopped_exploration_goes_on_and_leaves_the_same() {
    let dir = with_profile();
    let whole = |out: &str| {
        let args = explore(&["--profile", "p.json", "--jobs", "2", "--out", out]);
        let ended = end(dir.path(), &args);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        ended.stderr
    };
    whole("one");
    let wanted = contents(&dir.path().join("one"));

    // Killed when two shards were done, one half-written, and one under its temporary name.
    let part = dir.path().join("two");
    let args = explore(&["--profile", "p.json", "--out", "two", "--part", "1/2"]);
    assert_eq!(ok(dir.path(), &args), "");
    let points = part.join("points");
    assert_eq!(names(&points), ["0001.json", "0003.json"]);
    assert!(!part.join("explore.json").exists());
    let shard = fs::read(points.join("0001.json")).unwrap();
    fs::write(points.join("0000.json"), &shard[..shard.len() / 2]).unwrap();
    fs::write(points.join(".tercet-x"), &shard[..9]).unwrap();
    let said = whole("two");
    assert!(said.contains("2 of 4 shards were done before"), "{said}");
    assert_eq!(contents(&part), wanted);
    assert_eq!(
        names(&points),
        ["0000.json", "0001.json", "0002.json", "0003.json"]
    );

    // Files that are whole but hold something else, or nothing.
    fs::copy(points.join("0001.json"), points.join("0002.json")).unwrap();
    fs::write(points.join("0003.json"), "").unwrap();
    fs::write(points.join("0000.json"), b"\xff\xfe").unwrap();
    fs::remove_file(part.join("explore.md")).unwrap();
    let said = whole("two");
    assert!(said.contains("1 of 4 shards were done before"), "{said}");
    assert_eq!(contents(&part), wanted);
}

#[test]
fn other_inputs_are_refused_until_forced() {
    let dir = with_profile();
    let with = |more: &[&'static str]| [&explore(&["--out", "out"])[..], more].concat();
    ok(dir.path(), &with(&["--profile", "p.json"]));
    let before = contents(&dir.path().join("out"));

    let asked = |args: &[&str]| {
        let e = refused(dir.path(), args);
        assert!(e.contains("--force"), "{e}");
        e
    };
    let e = asked(&with(&["--profile", "fast.json"]));
    assert!(e.contains("another profile"), "{e}");
    let e = asked(&with(&["--profile", "p.json", "--modes", "ring"]));
    assert!(e.contains("modes launch,ring, now ring"), "{e}");
    let other = [
        "explore",
        "--out",
        "out",
        "--profile",
        "p.json",
        "--boards",
        "u50",
    ];
    let e = asked(&other);
    assert!(e.contains("boards u55c,kv260, now u50"), "{e}");
    // A shard that somebody brought from elsewhere.
    let shard = dir.path().join("out/points/0000.json");
    let good = fs::read_to_string(&shard).unwrap();
    let (head, tail) = good.split_once("\"fingerprint\": \"").unwrap();
    fs::write(&shard, format!("{head}\"fingerprint\": \"0{tail}")).unwrap();
    let e = asked(&with(&["--profile", "p.json"]));
    assert!(e.contains("0000.json"), "{e}");
    fs::write(&shard, good).unwrap();
    assert_eq!(contents(&dir.path().join("out")), before);

    // The profile of the folder is used again, if it was measured as is asked for.
    let said = end(dir.path(), &with(&["--rounds", "1"])).stderr;
    assert!(said.contains("4 of 4 shards were done before"), "{said}");
    let e = asked(&with(&["--rounds", "2"]));
    assert!(e.contains("measured with another --rounds"), "{e}");
    assert_eq!(contents(&dir.path().join("out")), before);

    ok(dir.path(), &with(&["--profile", "fast.json", "--force"]));
    assert_ne!(contents(&dir.path().join("out")), before);

    // A folder with a result that is not of an exploration.
    fs::create_dir(dir.path().join("mine")).unwrap();
    fs::write(dir.path().join("mine/explore.csv"), "mine").unwrap();
    asked(&explore(&["--out", "mine", "--profile", "p.json"]));
    assert_eq!(names(&dir.path().join("mine")), ["explore.csv"]);
}

#[test]
fn a_board_without_resources_has_points_and_no_front() {
    let dir = with_profile();
    let text = include_str!("../../boards/u250.toml");
    let (mine, _) = text.split_once("[resources]").unwrap();
    fs::write(dir.path().join("mine.toml"), mine).unwrap();
    let args = [
        "explore",
        "--boards",
        "mine.toml",
        "--profile",
        "p.json",
        "--out",
        "out",
        "--cus",
        "2",
    ];
    ok(dir.path(), &args);
    let page = fs::read_to_string(dir.path().join("out/explore.md")).unwrap();
    assert!(
        page.contains("No front") && page.contains("no [resources]"),
        "{page}"
    );
    let picture = fs::read_to_string(dir.path().join("out/pareto.svg")).unwrap();
    assert!(picture.contains("LUT not known"), "{picture}");
}

#[test]
fn misuse_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    for (args, part) in [
        (&["--boards", "u5"][..], "kv260"),
        (&["--boards", "u50,u50"], "u50 is there twice"),
        (&["--cus", "0"], "0"),
        (&["--cus", "1,65"], "65"),
        (&["--geometries", "512-b3,512-b3"], "512-b3 is there twice"),
        (&["--modes", "ring,ring"], "ring is there twice"),
        (&["--slurm", "--slurm-tasks", "0"], "at least 1"),
        (&["--profile", "none.json"], "none.json"),
    ] {
        let e = refused(dir.path(), &[&["explore", "--out", "out"], args].concat());
        assert!(e.contains(part), "{args:?}: {e}");
    }
    for args in [
        &["--part", "2/2"][..],
        &["--slurm-tasks", "3"],
        &["--geometries", "512-b4"],
        &["--profile", "p.json", "--rounds", "2"],
        &["--slurm", "--part", "0/2"],
    ] {
        let args = [&["explore", "--out", "out"], args].concat();
        assert_eq!(end(dir.path(), &args).code, 2, "{args:?}");
    }
    assert!(names(dir.path()).is_empty());
}

#[cfg(unix)]
mod slurm {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use crate::support::{tercet, Ended};

    /// Something called sbatch that runs the script at once, for each index of its array.
    const SBATCH: &str = r#"#!/bin/bash
set -eu
echo "$PWD: $*" >>"$FAKE_LOG"
script="${@: -1}"
array=$(sed -n 's/^#SBATCH --array=0-//p' "$script")
if [ -n "$array" ]; then
    for ((i = array; i >= 0; i--)); do SLURM_ARRAY_TASK_ID=$i bash "$script" >&2; done
    echo "71;here"
else
    bash "$script" >&2
    echo "72;here"
fi
"#;

    /// A folder of programs with an sbatch of this text.
    fn fake(dir: &Path, text: &str) -> PathBuf {
        let programs = dir.join("programs");
        fs::create_dir_all(&programs).unwrap();
        let sbatch = programs.join("sbatch");
        fs::write(&sbatch, text).unwrap();
        fs::set_permissions(&sbatch, fs::Permissions::from_mode(0o755)).unwrap();
        programs
    }

    fn run(dir: &Path, programs: &Path, args: &[&str]) -> Ended {
        let path = format!("{}:/usr/bin:/bin", programs.display());
        tercet(dir, args)
            .env("PATH", path)
            .env("FAKE_LOG", dir.join("log"))
            .output()
            .expect("the program starts")
            .into()
    }

    fn is_bash(script: &Path) {
        let ended = Command::new("bash").arg("-n").arg(script).output().unwrap();
        assert!(ended.status.success(), "{script:?}: {ended:?}");
    }

    #[test]
    fn a_job_array_leaves_what_one_machine_leaves() {
        let dir = with_profile();
        let board = dir.path().join("a,b");
        fs::create_dir(&board).unwrap();
        fs::write(
            board.join("mine.toml"),
            include_str!("../../boards/u250.toml"),
        )
        .unwrap();
        // The board is named from within a folder with a comma.
        let args = |out| {
            [
                "explore",
                "--profile",
                "../p.json",
                "--boards",
                "u55c,./mine.toml",
                "--geometries",
                "512-b3,128-b2",
                "--cus",
                "1,4",
                "--out",
                out,
            ]
        };
        let local = run(&board, dir.path(), &args("../local"));
        assert_eq!(local.code, 0, "{}", local.stderr);

        let out = "../by 'slurm' $(touch broken)";
        let more = [
            "--slurm",
            "--slurm-tasks",
            "3",
            "--slurm-option=--partition=short",
            "--json",
        ];
        let programs = fake(dir.path(), SBATCH);
        let ended = run(&board, &programs, &[&args(out)[..], &more].concat());
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let jobs: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(jobs["jobs"]["array"], "71;here");
        assert_eq!(jobs["tasks"], 3);
        let folder = dir.path().join(&out[3..]);
        assert_eq!(contents(&folder), contents(&dir.path().join("local")));
        assert!(!names(&folder).contains(&"broken".to_string()));

        let log = fs::read_to_string(board.join("log")).unwrap();
        let folder_name = folder.canonicalize().unwrap();
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(
            lines,
            [
                format!("{}: --parsable explore.sbatch", folder_name.display()),
                format!(
                    "{}: --parsable --dependency=afterok:71 --kill-on-invalid-dep=yes --clusters=here gather.sbatch",
                    folder_name.display()
                ),
            ]
        );
        for script in ["explore.sbatch", "gather.sbatch"] {
            is_bash(&folder.join(script));
            let text = fs::read_to_string(folder.join(script)).unwrap();
            assert!(text.contains("\n#SBATCH --partition=short\n"), "{text}");
        }
    }

    #[test]
    fn scripts_stay_where_nothing_can_be_submitted() {
        let dir = with_profile();
        let args = explore(&["--profile", "p.json", "--out", "out", "--slurm"]);
        let with = |more: &[&'static str]| [&args[..], more].concat();
        let empty = dir.path().join("empty");
        fs::create_dir(&empty).unwrap();
        let without = |more: &[&'static str]| -> Ended {
            let mut command = tercet(dir.path(), &with(more));
            command.env("PATH", &empty).output().unwrap().into()
        };
        let dry = without(&["--slurm-dry-run"]);
        assert_eq!(dry.code, 0, "{}", dry.stderr);
        assert!(
            dry.stdout.contains("nothing is submitted"),
            "{}",
            dry.stdout
        );
        assert_eq!(without(&["--no-submit"]).code, 0);
        for script in ["explore.sbatch", "gather.sbatch"] {
            is_bash(&dir.path().join("out").join(script));
        }
        assert!(!dir.path().join("out/explore.md").exists());

        let none = without(&[]);
        assert_eq!((none.code, none.stdout.as_str()), (2, ""));
        for part in [
            "cannot run sbatch",
            "scripts are written",
            "sbatch --parsable explore.sbatch",
        ] {
            assert!(none.stderr.contains(part), "{part}: {}", none.stderr);
        }
        let refusing = fake(
            dir.path(),
            "#!/bin/sh\necho 'invalid partition' >&2\nexit 1\n",
        );
        let ended = run(dir.path(), &refusing, &args);
        assert_eq!(ended.code, 2);
        assert!(
            ended.stderr.contains("invalid partition"),
            "{}",
            ended.stderr
        );
        let silent = fake(dir.path(), "#!/bin/sh\necho done\n");
        let ended = run(dir.path(), &silent, &args);
        assert_eq!(ended.code, 2);
        assert!(
            ended.stderr.contains("expected the number of a job"),
            "{}",
            ended.stderr
        );
        for option in ["--slurm-option=--array=0-1", "--slurm-option=short"] {
            let ended = without(&[option]);
            assert_eq!(ended.code, 2, "{}", ended.stderr);
            assert!(ended.stderr.contains("--slurm-option"), "{}", ended.stderr);
        }
    }
}
