//! Bad input: one clear error, exit code 2, nothing half-written.

use std::fs;
use std::path::Path;

use serde_json::{json, Value};

use crate::support::{checkpoint, edit_header, names, refused, tercet, Ended};

const TENSOR: &str = "model.layers.0.self_attn.q_proj.weight";

/// Breaks a checkpoint, runs on it, and expects every part in the message. Returns what `run` and `flow`
/// said on stderr.
fn broken(parts: &[&str], damage: impl FnOnce(&Path)) -> Vec<String> {
    let mut said = Vec::new();
    let dir = tempfile::tempdir().unwrap();
    damage(&checkpoint(dir.path()));
    for args in [
        &[
            "run",
            "--model",
            "checkpoint",
            "--prompt",
            "a",
            "--max-tokens",
            "1",
        ][..],
        &[
            "flow",
            "--model",
            "checkpoint",
            "--device",
            "model",
            "--out",
            "out",
        ],
    ] {
        let e = tercet(dir.path(), args).output().unwrap();
        let e = Ended::from(e);
        assert_eq!(
            (e.code, e.stdout.as_str()),
            (2, ""),
            "{args:?}: {}",
            e.stderr
        );
        assert_eq!(e.stderr.matches("error: ").count(), 1, "{}", e.stderr);
        for part in parts.iter().chain(&["model.safetensors"]) {
            assert!(e.stderr.contains(part), "{args:?}: {part} in {}", e.stderr);
        }
        said.push(e.stderr);
    }
    assert_eq!(names(dir.path()), ["checkpoint"], "no empty folder stays");
    said
}

fn weights(checkpoint: &Path) -> std::path::PathBuf {
    checkpoint.join("model.safetensors")
}

#[test]
fn a_truncated_file() {
    let said = broken(&["found", "expected"], |c| {
        let bytes = fs::read(weights(c)).unwrap();
        fs::write(weights(c), &bytes[..bytes.len() / 2]).unwrap();
    });
    // Found before any stage says that it had nothing to do.
    assert!(said.iter().all(|s| !s.contains("not needed")), "{said:?}");
}

#[test]
fn a_header_longer_than_the_file() {
    broken(&["header"], |c| {
        let mut bytes = fs::read(weights(c)).unwrap();
        bytes[..8].copy_from_slice(&(1u64 << 40).to_le_bytes());
        fs::write(weights(c), bytes).unwrap();
    });
}

#[test]
fn overlapping_tensors() {
    broken(&[], |c| {
        edit_header(c, |h| {
            let offsets = &mut h[TENSOR]["data_offsets"];
            let (a, b) = (offsets[0].as_u64().unwrap(), offsets[1].as_u64().unwrap());
            *offsets = if a >= 64 {
                json!([a - 64, b - 64])
            } else {
                json!([a + 64, b + 64])
            };
        });
    });
}

#[test]
fn a_missing_tensor() {
    broken(&[TENSOR, "not found"], |c| {
        edit_header(c, |h| {
            let tensor = h.as_object_mut().unwrap().remove(TENSOR).unwrap();
            h["renamed"] = tensor;
        });
    });
}

#[test]
fn another_type_or_shape() {
    broken(&[TENSOR, "found dtype I8", "expected U8 ["], |c| {
        edit_header(c, |h| h[TENSOR]["dtype"] = json!("I8"));
    });
    broken(&[TENSOR, "found", "expected"], |c| {
        edit_header(c, |h| h[TENSOR]["shape"] = json!([32, 512]));
    });
}

#[test]
fn a_scale_that_is_no_number() {
    broken(
        &["model.layers.0.self_attn.q_proj.weight_scale", "NaN"],
        |c| {
            let mut offset = 0;
            edit_header(c, |h: &mut Value| {
                let scale = &h["model.layers.0.self_attn.q_proj.weight_scale"];
                assert_eq!(scale["dtype"], "BF16");
                offset = scale["data_offsets"][0].as_u64().unwrap() as usize;
            });
            let mut bytes = fs::read(weights(c)).unwrap();
            let data = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            bytes[data + offset..][..2].copy_from_slice(&[0xc0, 0x7f]);
            fs::write(weights(c), bytes).unwrap();
        },
    );
}

#[test]
fn a_folder_in_place_of_the_weights() {
    broken(&["found a folder", "expected a safetensors file"], |c| {
        fs::remove_file(weights(c)).unwrap();
        fs::create_dir(weights(c)).unwrap();
    });
}

#[test]
fn a_folder_that_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let e = refused(
        dir.path(),
        &[
            "run",
            "--model",
            "nowhere",
            "--prompt",
            "a",
            "--max-tokens",
            "1",
        ],
    );
    assert!(e.contains("nowhere"), "{e}");
}

#[test]
fn a_plan_of_another_model() {
    let dir = tempfile::tempdir().unwrap();
    let plan =
        "schema = \"tercet.plan/1\"\nboard = \"u55c\"\ngeometry = \"512-b3\"\nlayers = [\n  \
                { name = \"layers.9.mlp.up_proj\", offload = true },\n]\n";
    let run = [
        "run",
        "--prompt",
        "a",
        "--max-tokens",
        "1",
        "--offload",
        "plan.toml",
    ];
    for (text, parts) in [
        (
            plan.to_string(),
            [
                "plan.toml line 5",
                "layers.9.mlp.up_proj",
                "layers.0 to layers.5",
            ],
        ),
        (
            plan.replace("512-b3", "64-b3"),
            ["plan.toml line 3", "64", "available: 128-b2"],
        ),
        (
            plan.replace("offload", "ofload"),
            ["plan.toml line 5", "ofload", "expected"],
        ),
        (
            plan.replace("9", "0").replace("u55c", "u5"),
            ["board `u5`", "u50", "u55c"],
        ),
    ] {
        fs::write(dir.path().join("plan.toml"), text).unwrap();
        let e = refused(dir.path(), &run);
        assert!(parts.iter().all(|p| e.contains(p)), "{parts:?} in {e}");
    }
    fs::remove_file(dir.path().join("plan.toml")).unwrap();
    assert!(refused(dir.path(), &run).contains("plan.toml"));
}

#[test]
fn a_board_file_with_a_mistake() {
    let dir = tempfile::tempdir().unwrap();
    let text = include_str!("../../boards/u55c.toml").replace("value = 75.0", "value = -75.0");
    let line = text.lines().position(|l| l.contains("-75.0")).unwrap() + 1;
    fs::write(dir.path().join("mine.toml"), &text).unwrap();
    let e = refused(dir.path(), &["select", "--board", "mine.toml"]);
    assert!(
        e.contains(&format!("mine.toml line {line}")) && e.contains("dispatch_us = -75"),
        "{e}"
    );
}

#[test]
fn a_folder_that_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let flow = ["flow", "--device", "model", "--out", "file/out"];
    assert!(refused(dir.path(), &flow).contains("file/out"));
    let emit = ["emit", "--out", "file/out"];
    assert!(refused(dir.path(), &emit).contains("file/out"));
    let logits = ["logits", "--tokens", "1", "--out", "none/l.safetensors"];
    let e = refused(dir.path(), &logits);
    assert!(
        e.contains("none/l.safetensors") && !e.contains(".tercet-"),
        "{e}"
    );
    let profile = ["profile", "--rounds", "1", "--out", "none/p.json"];
    let e = refused(dir.path(), &profile);
    assert!(e.contains("none/p.json") && !e.contains(".tercet-"), "{e}");
    assert_eq!(names(dir.path()), ["file"]);
}

#[test]
fn a_machine_without_verilator() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["simulate", "--rows", "4", "--k", "4"];
    let e = tercet(dir.path(), &args)
        .env("PATH", dir.path())
        .env("XDG_CACHE_HOME", dir.path().join("cache"))
        .output()
        .unwrap();
    let e = Ended::from(e);
    assert_eq!((e.code, e.stdout.as_str()), (2, ""));
    assert!(
        e.stderr.contains("verilator") && e.stderr.contains("install"),
        "{}",
        e.stderr
    );
}

#[test]
fn settings_out_of_range() {
    let dir = tempfile::tempdir().unwrap();
    let run = |more: [&'static str; 2]| {
        let mut args = vec!["run", "--prompt", "a", "--max-tokens", "1"];
        args.extend(more);
        refused(dir.path(), &args)
    };
    assert!(run(["--temperature", "-1"]).contains("temperature"));
    assert!(run(["--trace", "a.fst"]).contains("--device rtl"));
    assert!(run(["--threads", "1000000"]).contains("1000000 threads, expected at most"));
    for (setting, value, said) in [
        ("--rounds", "0", "rounds is 0: expected 1 to 10000"),
        ("--rounds", "1000000000000", "expected 1 to 10000"),
        ("--max-tokens", "1", "max-tokens is 1: expected at least 2"),
    ] {
        let e = refused(dir.path(), &["profile", setting, value]);
        assert!(e.contains(said), "{e}");
    }
    let long = "word ".repeat(1000);
    let e = refused(dir.path(), &["run", "--prompt", &long, "--max-tokens", "7"]);
    assert!(
        e.contains("the prompt has") && e.contains("and 7 are to follow, expected at most 512"),
        "{e}"
    );
    assert!(refused(
        dir.path(),
        &["select", "--rounds", "1", "--force-top", "99"]
    )
    .contains("42"));
    assert!(names(dir.path()).is_empty());
}
