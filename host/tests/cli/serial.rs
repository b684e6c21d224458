//! A board behind a serial port: the Verilated one behind a pseudo-terminal.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tercet_sim::board::{LineFaults, SerialBoard, SerialServer};

use crate::support::{end, json, ok, refused};

const PLAN: &str = r#"
schema = "tercet.plan/1"
board = "u55c"
geometry = "128-b2"
layers = [
  { name = "layers.0.self_attn.q_proj", offload = true },
  { name = "layers.0.self_attn.k_proj", offload = true },
  { name = "layers.2.mlp.down_proj", offload = true, rows = 100 },
]
"#;

fn serve(faults: &LineFaults) -> SerialServer {
    SerialServer::start(SerialBoard::open().unwrap(), faults).unwrap()
}

fn run(dir: &Path, more: &[&str]) -> Value {
    let args = [
        "run",
        "--prompt",
        "Once upon",
        "--max-tokens",
        "3",
        "--json",
    ];
    json(dir, &[&args[..], more].concat())
}

#[test]
fn a_board_on_a_bad_line_gives_the_tokens_of_the_cpu() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("plan.toml"), PLAN).unwrap();
    let cpu = run(dir.path(), &[]);
    let server = serve(&LineFaults {
        seed: 9,
        flipped_per_million: 50,
        lost_per_million: 50,
        inserted_per_million: 50,
        resets_at: vec![60_000],
    });
    let device = format!("serial:{}", server.path().display());
    let more = [
        "--offload",
        "plan.toml",
        "--device",
        &device,
        "--device-timeout",
        "120",
    ];
    let board = run(dir.path(), &[&more[..], &["--check-every", "1"]].concat());
    assert_eq!(board["tokens"], cpu["tokens"]);
    assert_eq!(board["device"]["name"], "serial");
    assert_eq!(board["device"]["geometry"], "128-b2");
    assert_eq!(board["device"]["tier"], "cycle-accurate");
    assert!(board["device"]["weight_beats"].as_u64() > Some(0));
    assert_eq!(server.resets(), 1);
    assert!(server.damaged() > 0);
    server.stop().unwrap();
}

#[test]
fn what_a_board_cannot_do_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["run", "--prompt", "a", "--max-tokens", "1", "--device"];
    let error = |more: &[&str]| refused(dir.path(), &[&args[..], more].concat());
    let text = error(&["serial:/dev/no-such-port"]);
    assert!(text.contains("/dev/no-such-port"), "{text}");
    let text = error(&["serial:"]);
    assert!(text.contains("serial:PORT"), "{text}");
    let text = error(&["serial:/dev/null", "--mode", "ring"]);
    assert!(text.contains("no rings"), "{text}");
    let server = serve(&LineFaults::default());
    let device = format!("serial:{}", server.path().display());
    let text = error(&[&device, "--offload", "all", "--device-timeout", "120"]);
    assert!(text.contains("bytes too many"), "{text}");
    let text = error(&[&device, "--geometry", "128-b3", "--device-timeout", "120"]);
    assert!(text.contains("--geometry 128-b2"), "{text}");
}

/// State of a check of a doctor's report.
fn state<'a>(report: &'a Value, name: &str) -> &'a str {
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|c| c["name"] == name);
    check.unwrap_or_else(|| panic!("{name}: {report}"))["state"]
        .as_str()
        .unwrap()
}

#[test]
fn a_doctor_looks_at_a_board_and_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let server = serve(&LineFaults::default());
    let device = format!("serial:{}", server.path().display());
    let args = ["doctor", "--device", &device, "--device-timeout", "60"];
    let more = ["--board", "ulx3s", "--out", "my.toml", "--json"];
    let report = json(d, &[&args[..], &more].concat());
    for (name, want) in [
        ("board kernel", "ok"),
        ("board products", "ok"),
        ("board clock", "note"),
    ] {
        assert_eq!(state(&report, name), want, "{name}");
    }
    assert_eq!(report["link"]["device"], "serial");
    assert_eq!(report["link"]["is_of_a_card"], false);
    assert!(report["link"]["to_device_bytes_per_s"].as_f64() > Some(0.0));
    // The costs of a simulation are no measurement of the board.
    let board = ok(d, &["boards", "my.toml"]);
    assert!(board.contains("ulx3s-serial"), "{board}");
    assert!(fs::read_to_string(d.join("my.toml"))
        .unwrap()
        .contains("assumed"));
    server.stop().unwrap();

    let server = serve(&LineFaults {
        seed: 3,
        lost_per_million: 100,
        ..LineFaults::default()
    });
    let device = format!("serial:{}", server.path().display());
    let report = ok(
        d,
        &["doctor", "--device", &device, "--device-timeout", "60"],
    );
    assert!(
        report.contains("WARNING") && report.contains("sent again"),
        "{report}"
    );
    assert!(report.contains("those of a simulation"), "{report}");
    server.stop().unwrap();

    let e = end(d, &["doctor", "--device", "serial:/dev/no-such-port"]);
    assert!(
        e.code == 1 && e.stdout.contains("/dev/no-such-port"),
        "{}",
        e.stdout
    );
}
