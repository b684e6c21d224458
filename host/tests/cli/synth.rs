//! Synthetic checkpoints from the command line.

use std::fs;

use crate::support::{end, json, names, ok, refused};

/// Small, and larger in vocabulary than its tokenizer.
const SMALL: [&str; 12] = [
    "synth", "--shape", "tiny", "--layers", "2", "--hidden", "64", "--vocab", "5000", "--ffn",
    "256", "--out",
];

fn small<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SMALL.iter().chain(more).copied().collect()
}

#[test]
fn a_synthetic_checkpoint_works_like_any_other() {
    let dir = tempfile::tempdir().unwrap();
    let line = ok(dir.path(), &small(&["m", "--seed", "7"]));
    assert!(
        line.starts_with("m: ") && line.ends_with(", seed 7\n"),
        "{line}"
    );
    assert!(line.contains("(122880 ternary, 320000 embedding"), "{line}");

    let run = [
        "run",
        "--model",
        "m",
        "--prompt",
        "Once upon a time",
        "--max-tokens",
        "3",
    ];
    let text = ok(dir.path(), &run);
    assert!(
        !text.trim().is_empty(),
        "ids without a token stand as numbers"
    );
    let report = json(dir.path(), &[&run[..], &["--json"]].concat());
    assert_eq!(report["tokens"].as_array().unwrap().len(), 3);
    let profile = [
        "profile",
        "--model",
        "m",
        "--rounds",
        "1",
        "--max-tokens",
        "2",
        "--json",
    ];
    json(dir.path(), &profile);
}

#[test]
fn the_report_is_json_and_lies_in_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let report = json(dir.path(), &small(&["m", "--json"]));
    assert_eq!(report["schema"], "tercet.synth");
    assert_eq!(report["shape"]["hidden"], 64);
    let text = fs::read_to_string(dir.path().join("m/synth.json")).unwrap();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&text).unwrap(),
        report
    );
    let size = fs::metadata(dir.path().join("m/model.safetensors"))
        .unwrap()
        .len();
    assert_eq!(report["weight_file_bytes"], size);
    let again = refused(dir.path(), &small(&["m"]));
    assert!(again.contains("--force"), "{again}");
    ok(dir.path(), &small(&["m", "--force"]));
}

#[test]
fn a_vocabulary_below_the_tokenizer_goes_without() {
    let dir = tempfile::tempdir().unwrap();
    let e = end(
        dir.path(),
        &["synth", "--shape", "tiny", "--vocab", "100", "--out", "m"],
    );
    assert_eq!(e.code, 0, "{}", e.stderr);
    assert!(e.stderr.contains("no tokenizer"), "{}", e.stderr);
    assert!(!dir.path().join("m/tokenizer.json").exists());
    let logits = [
        "logits",
        "--model",
        "m",
        "--tokens",
        "1,99",
        "--out",
        "l.safetensors",
    ];
    ok(dir.path(), &logits);
}

#[test]
fn bad_sizes_are_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    for (option, value, said) in [
        ("--layers", "0", "layers is 0: expected 1 to 10000"),
        (
            "--heads",
            "3",
            "heads is 3: expected a divisor of hidden, which is 64",
        ),
        ("--heads", "64", "heads of even width"),
        ("--ffn", "255", "not 255 rows"),
        ("--vocab", "99999999999", "vocab is 99999999999"),
        ("--vocab", "4000000000", "are free there"),
        ("--zero-share", "-1", "zero-share is -1"),
        ("--closed-gates", "1", "closed-gates is 1"),
        ("--threads", "1000000", "1000000 threads"),
    ] {
        // Later options win over those of SMALL, which clap would refuse twice.
        let mut args = vec!["synth", "--shape", "tiny", option, value, "--out", "a/m"];
        for (name, small) in [("--hidden", "64"), ("--layers", "2"), ("--vocab", "5000")] {
            if name != option {
                args.extend([name, small]);
            }
        }
        if option == "--vocab" {
            // Beyond any disk of a test machine: 4e9 rows of 65536 bytes.
            args[7..]
                .iter_mut()
                .filter(|a| **a == "64")
                .for_each(|a| *a = "32768");
        }
        let e = refused(dir.path(), &args);
        assert!(e.contains(said), "{said} in {e}");
    }
    assert!(names(dir.path()).is_empty(), "{:?}", names(dir.path()));
}

#[cfg(unix)]
mod interrupted {
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::support::{tercet, Ended};

    #[test]
    fn a_write_that_fails_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        // Files of at most 64 blocks: writing more is an error, as on a full disk.
        let limited = "trap '' XFSZ; ulimit -f 64; exec \"$0\" synth --shape tiny --out a/m";
        let e = Command::new("sh")
            .current_dir(dir.path())
            .args(["-c", limited, env!("CARGO_BIN_EXE_tercet")])
            .output()
            .unwrap();
        let e = Ended::from(e);
        assert_eq!((e.code, e.stdout.as_str()), (2, ""), "{}", e.stderr);
        assert!(e.stderr.contains("cannot write a/m"), "{}", e.stderr);
        assert!(names(dir.path()).is_empty(), "{:?}", names(dir.path()));
    }

    #[test]
    fn ctrl_c_leaves_the_whole_or_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let args = ["synth", "--layers", "2", "--vocab", "40000", "--out", "a/m"];
        let mut child = tercet(dir.path(), &args)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let begun = |p: &Path| fs::read_dir(p).is_ok_and(|mut entries| entries.next().is_some());
        while !begun(&dir.path().join("a")) && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let sent = Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status();
        assert!(sent.is_ok());
        let e = Ended::from(child.wait_with_output().unwrap());
        // It may have been just done.
        if e.code == 0 {
            assert_eq!(names(&dir.path().join("a")), ["m"]);
        } else {
            assert_eq!(e.code, 2, "{}", e.stderr);
            assert!(e.stderr.contains("interrupted"), "{}", e.stderr);
            assert!(names(dir.path()).is_empty(), "{:?}", names(dir.path()));
        }
    }
}
