//! Boards, what fits them, and the table of published hardware.

use std::fs;

use crate::support::{end, json, ok, refused};

#[test]
fn boards_are_listed_and_shown_with_sources() {
    let dir = tempfile::tempdir().unwrap();
    let list = ok(dir.path(), &["boards"]);
    for name in [
        "u50", "v80", "vck5000", "kv260", "aws-f2", "ecpix5", "ulx3s",
    ] {
        assert!(list.contains(name), "{list}");
    }
    let page = ok(dir.path(), &["boards", "aws-f2"]);
    for part in [
        "cl_mem_perf",
        "426.3",
        "512-b3-x4",
        "memory ports",
        "projected",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let all = json(dir.path(), &["boards", "--json"]);
    assert_eq!(all["boards"].as_array().unwrap().len(), 12);
    let one = json(dir.path(), &["boards", "kv260", "--json"]);
    let kernels = one["boards"][0]["compute_units"].as_array().unwrap();
    assert_eq!(kernels.len(), 18);
    assert_eq!(kernels[3]["geometry"], "128-b3");
    assert_eq!(kernels[3]["cus"], 4);
    let figures = one["boards"][0]["figures"].as_array().unwrap();
    assert!(figures.iter().all(|f| f["source"].is_string()));
    assert!(refused(dir.path(), &["boards", "u5"]).contains("kv260"));
}

#[test]
fn compute_units_that_do_not_fit_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let run = [
        "run",
        "--max-tokens",
        "1",
        "--offload",
        "all",
        "--device",
        "model",
    ];
    let with = |more: &[&'static str]| [&run[..], more].concat();
    let e = refused(dir.path(), &with(&["--board", "u250", "--cus", "5"]));
    assert!(
        e.contains("memory channels: 5 needed, 4 there; 4 fit"),
        "{e}"
    );
    let e = refused(dir.path(), &with(&["--board", "kv260", "--cus", "4"]));
    assert!(e.contains("bram36: 220 needed"), "{e}");
    let e = refused(
        dir.path(),
        &["select", "--board", "u280", "--cus", "17", "--rounds", "1"],
    );
    assert!(e.contains("memory ports: 34 needed, 32 there"), "{e}");

    // A board of one's own without resources: a note.
    let text = include_str!("../../boards/u250.toml");
    let (mine, _) = text.split_once("[resources]").unwrap();
    fs::write(dir.path().join("mine.toml"), mine).unwrap();
    let ended = end(dir.path(), &with(&["--board", "./mine.toml", "--cus", "5"]));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("has no [resources]"),
        "{}",
        ended.stderr
    );
}

#[test]
fn the_table_of_published_hardware_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let page = ok(dir.path(), &["validate-published", "--out", "."]);
    assert!(
        page.contains("TerEffic") && page.contains("error %"),
        "{page}"
    );
    assert_eq!(
        fs::read_to_string(dir.path().join("published.md")).unwrap(),
        page
    );
    let again = refused(dir.path(), &["validate-published", "--out", "."]);
    assert!(again.contains("--force"), "{again}");
}
