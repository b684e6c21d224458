//! The report of a run folder: the page, the pictures, the trace.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{json, ok, refused};

/// A folder with everything that a report shows.
fn flow(dir: &Path) {
    ok(
        dir,
        &[
            "flow",
            "--max-tokens",
            "4",
            "--rounds",
            "2",
            "--device",
            "model",
            "--out",
            "runs",
        ],
    );
}

/// Chromium, which CI has.
fn chromium() -> Option<&'static str> {
    let there = |name: &&str| Command::new(name).arg("--version").output().is_ok();
    let found = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(there);
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "chromium is not installed"
        );
        eprintln!("SKIPPED: chromium is not installed");
    }
    found
}

/// The page as a browser has it after its scripts have run, and what the browser says on its console.
fn rendered(browser: &str, dir: &Path, page: &Path) -> (String, Vec<String>) {
    let profile = dir.join("browser");
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .args(["--enable-logging=stderr", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.display()))
        // Whatever is asked of the network fails, and the console says so.
        .arg("--host-resolver-rules=MAP * ~NOTFOUND")
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let console = errors.lines().filter(|l| l.contains(":CONSOLE"));
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    (dom, console.map(str::to_string).collect())
}

#[test]
fn the_page_needs_nothing_but_a_browser() {
    let dir = tempfile::tempdir().unwrap();
    flow(dir.path());
    let page = dir.path().join("runs/report.html");
    let text = fs::read_to_string(&page).unwrap();
    let comparison = json(dir.path(), &["compare", "runs", "--json"]);
    let rate = comparison["cpu"]["decode_tokens_per_s"].as_f64().unwrap();
    let conclusion = comparison["conclusion"].as_str().unwrap();
    assert!(text.contains(conclusion) && text.contains(&format!("{rate:.1}")));
    // Nothing is fetched, and the page itself forbids it.
    assert!(!text.contains("src=") && !text.contains("url(") && !text.contains("@import"));
    assert!(text.contains("Content-Security-Policy"));
    for reference in text.split("href=\"").skip(1) {
        let target = reference.split('"').next().unwrap();
        let known = target
            .strip_prefix('#')
            .is_some_and(|id| text.contains(&format!("id=\"{id}\"")));
        assert!(known || target == "data:,", "{target}");
    }
    let figures = [
        "parameters",
        "compute",
        "blocks",
        "zeros",
        "roofline",
        "waterfall",
        "timeline",
        "timeline-block",
    ];
    for name in figures {
        assert!(text.contains(&format!("<section id=\"{name}\">")), "{name}");
        let svg = fs::read_to_string(dir.path().join(format!("runs/pictures/{name}.svg"))).unwrap();
        assert!(
            svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"),
            "{name}"
        );
        let png = fs::read(dir.path().join(format!("runs/pictures/{name}.png"))).unwrap();
        assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n", "{name}");
    }
    let markdown = fs::read_to_string(dir.path().join("runs/report.md")).unwrap();
    assert!(markdown.contains("](pictures/waterfall.svg)") && markdown.contains(conclusion));

    let Some(browser) = chromium() else { return };
    let (dom, console) = rendered(browser, dir.path(), &page);
    assert!(console.is_empty(), "{console:?}");
    assert!(dom.contains(conclusion) && dom.contains("layers.0.mlp.down_proj"));
    assert_eq!(dom.matches("<svg").count(), figures.len());

    // A table sorts by the column whose head is pressed, with what the page itself brings.
    let pressed = text.replace(
        "</body>",
        "<script>document.querySelectorAll('#layers th button')[2].click();</script></body>",
    );
    let sorted = dir.path().join("sorted.html");
    fs::write(&sorted, pressed).unwrap();
    let (dom, console) = rendered(browser, dir.path(), &sorted);
    assert!(console.is_empty(), "{console:?}");
    let table = dom.split("id=\"layers\"").nth(1).unwrap();
    assert!(table.contains("aria-sort=\"descending\""));
    let times: Vec<f64> = table
        .split("<tr>")
        .skip(2)
        .filter_map(|row| {
            row.split("data-value=\"")
                .nth(2)?
                .split('"')
                .next()?
                .parse()
                .ok()
        })
        .take(42)
        .collect();
    assert_eq!(times.len(), 42);
    assert!(times.windows(2).all(|w| w[0] >= w[1]), "{times:?}");
}

#[test]
fn svgs_are_whole_documents() {
    let dir = tempfile::tempdir().unwrap();
    flow(dir.path());
    for entry in fs::read_dir(dir.path().join("runs/pictures")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "svg") {
            let text = fs::read_to_string(&path).unwrap();
            let document = roxmltree::Document::parse(&text)
                .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let root = document.root_element();
            assert_eq!(root.tag_name().name(), "svg");
            assert!(
                root.descendants()
                    .filter(|n| n.has_tag_name("text") || n.tag_name().name() == "text")
                    .count()
                    > 3
            );
            assert!(
                !text.contains("NaN") && !text.contains("inf"),
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn a_trace_is_one_of_the_trace_event_format() {
    let dir = tempfile::tempdir().unwrap();
    flow(dir.path());
    let out = ok(
        dir.path(),
        &["compare", "runs", "--trace", "t.json", "--json"],
    );
    assert!(out.starts_with('{'));
    let trace: Value =
        serde_json::from_slice(&fs::read(dir.path().join("t.json")).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let report: Value =
        serde_json::from_slice(&fs::read(dir.path().join("runs/run-all.json")).unwrap()).unwrap();
    // Within a thread, slices follow each other.
    let mut ends = std::collections::BTreeMap::new();
    for e in events {
        assert!(
            e["name"].is_string() && e["pid"].is_u64() && e["tid"].is_u64(),
            "{e}"
        );
        match e["ph"].as_str().unwrap() {
            "M" => assert!(e["args"]["name"].is_string()),
            "X" => {
                let (start, time) = (e["ts"].as_f64().unwrap(), e["dur"].as_f64().unwrap());
                let thread = (e["pid"].as_u64(), e["tid"].as_u64());
                let end = ends.insert(thread, start + time).unwrap_or(0.0);
                assert!(time > 0.0 && start >= end - 1e-6, "{e} before {end}");
            }
            other => panic!("{other}"),
        }
    }
    // Process 2 is the run with every layer on the device: its kernels are those of the report.
    let kernels = events
        .iter()
        .filter(|e| e["pid"] == 2 && e["name"] == "kernel");
    let sum: f64 = kernels.map(|e| e["dur"].as_f64().unwrap()).sum();
    let timeline = report["timeline"].as_array().unwrap();
    let expected: f64 = timeline
        .iter()
        .map(|e| e["device_s"]["compute"].as_f64().unwrap())
        .sum();
    assert!((sum - expected * 1e6).abs() < 1e-3, "{sum} {expected}");
    assert!(sum > 0.0);
}

#[test]
fn a_folder_without_a_profile_has_a_smaller_report() {
    let dir = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| {
        let args = ["run", "--prompt", "a", "--max-tokens", "3", "--out", "runs"];
        ok(dir.path(), &[&args[..], more].concat())
    };
    run(&[]);
    run(&["--device", "model", "--offload", "all"]);
    ok(
        dir.path(),
        &["compare", "runs", "--html", "r.html", "--markdown", "r.md"],
    );
    let text = fs::read_to_string(dir.path().join("r.html")).unwrap();
    assert!(
        text.contains("<section id=\"waterfall\">") && !text.contains("<section id=\"zeros\">")
    );
    assert!(text.contains("profile.json: made by"));
    assert!(dir.path().join("pictures/waterfall.png").is_file());
    let message = refused(
        dir.path(),
        &["compare", "runs", "--html", "no/such/folder/r.html"],
    );
    assert!(message.contains("no/such/folder"), "{message}");
}

#[test]
fn a_model_of_full_size_has_a_page_too() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/run-2b-4t");
    let runs = dir.path().join("runs");
    fs::create_dir(&runs).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), runs.join(entry.file_name())).unwrap();
    }
    ok(dir.path(), &["compare", "runs", "--html", "report.html"]);
    let page = dir.path().join("report.html");
    let text = fs::read_to_string(&page).unwrap();
    // 2,412,820,480 parameters and 210 ternary layers in 30 blocks.
    assert!(text.contains("2412820480 parameters"));
    assert!(text.matches("layers.29.").count() >= 7);
    let Some(browser) = chromium() else { return };
    let (dom, console) = rendered(browser, dir.path(), &page);
    assert!(console.is_empty(), "{console:?}");
    let table = dom.split("id=\"layers\"").nth(1).unwrap();
    let table = table.split("</table>").next().unwrap();
    assert_eq!(table.matches("<tr>").count(), 211);
    assert_eq!(dom.matches("<svg").count(), 8);
}
