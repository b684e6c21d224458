//! `tercet bench`: its formats and what it refuses. Rates are only asked to be numbers.

use serde_json::Value;

use crate::support::{json, names, ok, refused};

const SHORT: [&str; 7] = [
    "bench",
    "--prefill",
    "8",
    "--repetitions",
    "2",
    "--threads",
    "1",
];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SHORT.iter().chain(more).copied().collect()
}

fn assert_positive(value: &Value, keys: &[&str]) {
    for key in keys {
        let number = value[key].as_f64();
        assert!(
            number.is_some_and(|n| n.is_finite() && n > 0.0),
            "{key} is {} in {value}",
            value[key]
        );
    }
}

#[test]
fn a_single_combination_has_its_figures_at_the_top() {
    let dir = tempfile::tempdir().unwrap();
    let args = with(&["--decode", "4", "--context", "3", "--kernel", "scalar"]);
    let report = json(dir.path(), &[&args[..], &["--json"]].concat());
    let figures = [
        "decode_tokens_per_s",
        "prefill_tokens_per_s",
        "bytes_per_token",
        "weight_bytes_per_token",
        "kv_bytes_per_token",
        "read_bandwidth_bytes_per_s",
        "bandwidth_share",
    ];
    assert_positive(&report, &figures);
    assert_positive(&report, &["load_s", "first_token_s"]);
    if cfg!(target_os = "linux") {
        assert_positive(&report, &["peak_rss_bytes"]);
    }
    for phase in ["prefill", "decode"] {
        assert_positive(&report[phase], &["mean", "min", "median", "max"]);
        assert!(report[phase]["std_dev"].as_f64() >= Some(0.0));
        assert_eq!(
            report[phase]["mean"],
            report[format!("{phase}_tokens_per_s")]
        );
    }
    for (key, value) in [
        ("schema", "tercet.bench"),
        ("tier", "measured"),
        ("kernel", "scalar"),
        ("tercet_version", env!("CARGO_PKG_VERSION")),
    ] {
        assert_eq!(report[key], value, "{key}");
    }
    assert_eq!(
        (&report["version"], &report["threads"]),
        (&1.into(), &1.into())
    );
    assert_eq!(report["shape"]["blocks"], 6);
    assert!(!report["system"]["cpu"].is_null());
    let rows = report["results"].as_array().unwrap();
    assert_eq!(rows.len(), 1);
    for key in figures {
        assert_eq!(rows[0][key], report[key], "{key}");
    }
    assert!(names(dir.path()).is_empty());
}

#[test]
fn every_combination_is_a_line_of_csv() {
    let dir = tempfile::tempdir().unwrap();
    let text = ok(dir.path(), &with(&["--decode", "0,2", "--csv"]));
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    let column = |name: &str| head.iter().position(|h| *h == name).unwrap();
    let (rate, bandwidth) = (
        column("decode_tokens_per_s"),
        column("read_bandwidth_bytes_per_s"),
    );
    let rows: Vec<Vec<&str>> = lines.map(|l| l.split(',').collect()).collect();
    assert_eq!(rows.len(), 2, "{text}");
    assert!(rows.iter().all(|r| r.len() == head.len()), "{text}");
    assert!(rows
        .iter()
        .all(|r| r[bandwidth].parse::<f64>().unwrap() > 0.0));
    assert_eq!(rows[0][rate], "", "nothing was decoded");
    assert!(rows[1][rate].parse::<f64>().unwrap() > 0.0);
}

#[test]
fn tables_say_how_they_came_about() {
    let dir = tempfile::tempdir().unwrap();
    let args = with(&["--decode", "2", "--sparsity", "off", "--markdown"]);
    let text = ok(dir.path(), &args);
    for part in ["sparsity off", "all measured", "| threads ", "tokens/s"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(text.lines().filter(|l| l.starts_with('|')).count(), 3);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (args, said) in [
        (
            &["--repetitions", "0"][..],
            "repetitions is 0: expected 1 to 10000",
        ),
        (
            &["--prefill", "513"],
            "prefill is 513: expected at most 512",
        ),
        (
            &["--decode", "4,513"],
            "decode is 513: expected at most 512",
        ),
        (
            &["--context", "500"],
            "500 tokens of context and 32 to decode: expected at most 512",
        ),
        (&["--prefill", "0", "--decode", "0"], "nothing to measure"),
        (
            &["--threads", "1000000"],
            "1000000 threads, expected at most",
        ),
        (&["--model", "nowhere"], "nowhere"),
    ] {
        let e = refused(dir.path(), &[&["bench"], args].concat());
        assert!(e.contains(said), "{said} in {e}");
    }
    for (args, said) in [
        (&["--threads", "one"][..], "one"),
        (&["--prefill", ""], "--prefill"),
        (&["--kernel", "mmx"], "expected scalar"),
        (&["--lm-head", "fp4"], "possible values: bf16, int8, screen"),
        (&["--json", "--csv"], "cannot be used with"),
    ] {
        let e = refused(dir.path(), &[&["bench"], args].concat());
        assert!(e.contains(said), "{said} in {e}");
    }
    assert!(names(dir.path()).is_empty());
}
