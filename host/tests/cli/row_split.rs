//! Layers on both sides at once: the plan that selection chose is the plan that runs.

use std::fs;

use crate::support::{end, json, ok, refused};

const RUN: [&str; 7] = [
    "run",
    "--prompt",
    "Once upon a time",
    "--max-tokens",
    "6",
    "--threads",
    "1",
];

/// A board so near that parts of layers are worth moving, whatever this machine is.
fn near_board(dir: &std::path::Path) -> String {
    let board = ok(dir, &["boards", "u55c", "--toml"]);
    let near: Vec<String> = board
        .lines()
        .map(|line| {
            let key = line.split(' ').next().unwrap_or_default();
            let value = match key {
                "dispatch_us" | "ring_dispatch_us" => 0.2,
                "next_launch_us" | "next_doorbell_us" | "transfer_us" => 0.01,
                "clock_mhz" => 25.0,
                _ => return line.to_string(),
            };
            format!("{key} = {{ value = {value:?}, basis = \"assumed\", source = \"a test\" }}")
        })
        .collect();
    let path = dir.join("near.toml");
    fs::write(&path, near.join("\n")).unwrap();
    path.display().to_string()
}

/// A profile of a CPU that is about as fast as that board, whatever this machine is.
fn profile(dir: &std::path::Path) {
    ok(
        dir,
        &[
            "profile",
            "--rounds",
            "1",
            "--max-tokens",
            "2",
            "--batch",
            "1",
            "--out",
            "measured.json",
        ],
    );
    let text = fs::read_to_string(dir.join("measured.json")).unwrap();
    let mut profile: serde_json::Value = serde_json::from_str(&text).unwrap();
    for linear in profile["linears"].as_array_mut().unwrap() {
        let weights = linear["n"].as_f64().unwrap() * linear["k"].as_f64().unwrap();
        linear["times"]["median_s"] = (weights * 1e-10).into();
        linear["rescale_s"] = 0.0.into();
    }
    fs::write(dir.join("profile.json"), profile.to_string()).unwrap();
}

#[test]
fn the_plan_that_was_chosen_is_the_plan_that_runs() {
    let dir = tempfile::tempdir().unwrap();
    let board = near_board(dir.path());
    profile(dir.path());
    let select = [
        "select",
        "--board",
        &board,
        "--profile",
        "profile.json",
        "--dispatch",
        "ring",
        "--cus",
        "2",
        "--out",
        "plan.toml",
        "--json",
    ];
    let selection = json(dir.path(), &select);
    let chosen = &selection["boards"][0];
    let layers = chosen["layers"].as_array().unwrap();
    let is_split = |l: &&serde_json::Value| l["offload"] == true && l["rows"] != l["n"];
    // A slow clock and hardly any overhead: device and CPU are about as fast as each other.
    assert!(layers.iter().filter(is_split).count() > 5, "{chosen}");
    let rows: u64 = layers.iter().map(|l| l["rows"].as_u64().unwrap()).sum();
    assert_eq!(chosen["predicted"]["rows"], rows);

    let cpu = json(
        dir.path(),
        &[&RUN[..], &["--json", "--out", "runs"]].concat(),
    );
    for device in ["model", "rtl"] {
        let args = [
            "--json",
            "--offload",
            "plan.toml",
            "--device",
            device,
            "--out",
            "runs",
            "--force",
        ];
        let hybrid = json(dir.path(), &[&RUN[..], &args].concat());
        assert_eq!(hybrid["tokens"], cpu["tokens"], "{device}");
        let ran = &hybrid["device"];
        assert_eq!(
            ran["layers"].as_array().unwrap().len(),
            chosen["offloaded"].as_array().unwrap().len()
        );
        for layer in layers.iter().filter(is_split) {
            let name = layer["layer"].as_str().unwrap();
            assert_eq!(ran["split"][name], layer["rows"], "{name}");
        }
        assert_eq!(ran["mode"], "ring");
        assert_eq!(ran["cus"], 2);
        let decode = &hybrid["timing"]["decode"];
        let part = |key: &str| decode[key].as_f64().unwrap();
        assert!(part("overlap_s") > 0.0, "{decode}");
        let device_s: f64 = decode["device_s"]
            .as_object()
            .unwrap()
            .values()
            .map(|v| v.as_f64().unwrap())
            .sum();
        let sum = part("host_s") + device_s - part("overlap_s");
        assert!((part("total_s") - sum).abs() < 1e-9);

        let comparison = json(dir.path(), &["compare", "runs", "--json"]);
        let lines = comparison["hybrids"][0]["prediction"]
            .as_array()
            .unwrap()
            .clone();
        let cycles = lines.iter().find(|l| l["part"] == "kernel cycles").unwrap();
        let (planned, found) = (
            cycles["predicted"].as_f64().unwrap(),
            cycles["found"].as_f64().unwrap(),
        );
        assert!((planned / found - 1.0).abs() < 0.01, "{device}: {cycles}");
        let tier = if device == "rtl" {
            "cycle-accurate"
        } else {
            "modelled"
        };
        assert_eq!(cycles["found_tier"], tier);
        let of = |part: &str| {
            lines.iter().find(|l| l["part"] == part).unwrap()["predicted"]
                .as_f64()
                .unwrap()
        };
        let parts = [
            "kernel",
            "dispatch",
            "to the device",
            "from the device",
            "host",
            "side by side",
        ];
        let sum: f64 = parts.iter().map(|p| of(p)).sum();
        assert!((of("token") - sum).abs() < 1e-9);
    }
    let text = ok(dir.path(), &["compare", "runs"]);
    assert!(
        text.contains("as planned and as found") && text.contains("side by side"),
        "{text}"
    );
}

#[test]
fn a_plan_with_other_rows_predicts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let plan = "schema = \"tercet.plan/1\"\nboard = \"u55c\"\ngeometry = \"512-b3\"\nlayers = [\n  \
                { name = \"layers.1.mlp.down_proj\", n = 256, k = 768, offload = true, rows = 100 },\n]\n";
    let predicted = "[predicted]\npass = \"decode token\"\nrows = 128\ndispatches = 1\ncycles = 9\nhost_ms = 1.0\n\
                     dispatch_ms = 1.0\nlink_to_ms = 1.0\ncompute_ms = 1.0\nlink_from_ms = 1.0\noverlap_ms = 1.0\n";
    let run = |text: String| {
        fs::write(dir.path().join("plan.toml"), text).unwrap();
        let args = ["--json", "--offload", "plan.toml", "--device", "model"];
        json(dir.path(), &[&RUN[..], &args].concat())
    };
    let report = run(format!("{plan}{predicted}"));
    assert_eq!(report["device"]["split"]["layers.1.mlp.down_proj"], 100);
    assert!(report["device"]["predicted"].is_null());
    let report = run(format!("{plan}{}", predicted.replace("128", "100")));
    assert_eq!(report["device"]["predicted"]["cycles"], 9);
    fs::write(
        dir.path().join("plan.toml"),
        plan.replace("rows = 100", "rows = 257"),
    )
    .unwrap();
    let args = ["--offload", "plan.toml", "--device", "model"];
    let message = refused(dir.path(), &[&RUN[..], &args].concat());
    assert!(
        message.contains("plan.toml line 5") && message.contains("which has 256"),
        "{message}"
    );
    assert_eq!(end(dir.path(), &[&RUN[..], &args].concat()).code, 2);
}

#[test]
fn other_passes_limits_and_energy_are_selected_for() {
    let dir = tempfile::tempdir().unwrap();
    near_board(dir.path());
    profile(dir.path());
    let select = |more: &str| {
        let args = "select --profile profile.json --json --dispatch ring --cus 1";
        let all: Vec<&str> = args.split(' ').chain(more.split_whitespace()).collect();
        json(dir.path(), &all)["boards"][0].clone()
    };
    let number = |board: &serde_json::Value, key: &str| board[key].as_f64().unwrap();
    let token = select("--board near.toml");
    assert_eq!(token["tiers"]["ms_per_token_cpu"], "measured");
    assert_eq!(token["workload"]["decode"]["batch"], 1);

    // Another attention, and nothing else, of a longer context.
    let long = select("--board near.toml --context 100000");
    assert!(number(&long, "ms_per_token_cpu") > number(&token, "ms_per_token_cpu"));
    assert_eq!(long["offloaded"], token["offloaded"]);
    assert_eq!(long["tiers"]["ms_per_token_cpu"], "modelled");

    let prompt = select("--board near.toml --prefill");
    assert_eq!(prompt["workload"], "prefill");
    assert!(number(&prompt, "ms_per_token_hybrid") <= number(&prompt, "ms_per_token_cpu"));

    let whole = select("--board near.toml --whole-layers");
    let layers = whole["layers"].as_array().unwrap();
    assert!(layers.iter().all(|l| l["rows"] == 0 || l["rows"] == l["n"]));
    assert!(number(&whole, "ms_per_token_hybrid") >= number(&token, "ms_per_token_hybrid"));
    let prices = whole["prices"].as_array().unwrap();
    let price = prices
        .iter()
        .find(|p| p["limit"] == "whole layers only")
        .unwrap();
    let costs = number(&whole, "ms_per_token_hybrid") - number(&token, "ms_per_token_hybrid");
    assert!((price["costs_s"].as_f64().unwrap() * 1e3 - costs).abs() < 1e-9);

    // A memory that holds half of the layers holds the half that gains most.
    let board = fs::read_to_string(dir.path().join("near.toml")).unwrap();
    let small: Vec<&str> = board
        .lines()
        .map(|line| match line.starts_with("capacity_gb") {
            true => "capacity_gb = { value = 0.0002, basis = \"assumed\", source = \"a test\" }",
            false => line,
        })
        .collect();
    fs::write(dir.path().join("small.toml"), small.join("\n")).unwrap();
    let small = select("--board small.toml");
    assert_eq!(small["memory_limited"], true);
    let on_device = |b: &serde_json::Value| {
        let layers = b["layers"].as_array().unwrap();
        let bytes =
            |l: &serde_json::Value| l["rows"].as_u64().unwrap() * l["k"].as_u64().unwrap() / 5;
        layers.iter().map(bytes).sum::<u64>()
    };
    let (all, some) = (on_device(&token), on_device(&small));
    assert!(
        some > 50_000 && some < 200_000 && all > 200_000,
        "{some} of {all}"
    );
    assert!(number(&small, "ms_per_token_hybrid") > number(&token, "ms_per_token_hybrid"));
    let prices = small["prices"].as_array().unwrap();
    let price = prices
        .iter()
        .find(|p| p["limit"] == "memory capacity")
        .unwrap();
    assert!(price["costs_s"].as_f64().unwrap() > 0.0);

    // A CPU that draws nothing is not worth helping; the board file of the U55C has no power.
    let power = "\n[power]\nidle_w = { value = 1.0, basis = \"assumed\", source = \"a test\" }\n\
                 active_w = { value = 2.0, basis = \"assumed\", source = \"a test\" }\n";
    let powered = match board.contains("[power]") {
        true => board.clone(),
        false => format!("{board}{power}"),
    };
    fs::write(dir.path().join("powered.toml"), powered).unwrap();
    let frugal = select("--board powered.toml --energy 0");
    assert_eq!(frugal["offloaded"].as_array().unwrap().len(), 0);
    let hungry = select("--board powered.toml --energy 100000");
    assert!(!hungry["offloaded"].as_array().unwrap().is_empty());
    assert!(number(&hungry["energy"], "hybrid_j") < number(&hungry["energy"], "cpu_j"));
    let message = refused(
        dir.path(),
        &["select", "--profile", "profile.json", "--batch", "3"],
    );
    assert!(
        message.contains("profile again") && message.contains("--batch"),
        "{message}"
    );
    let message = refused(
        dir.path(),
        &["select", "--profile", "profile.json", "--batch", "5"],
    );
    assert!(message.contains("expected 1 to 4"), "{message}");
}

#[test]
fn a_batch_is_profiled_and_selected_for() {
    let dir = tempfile::tempdir().unwrap();
    ok(
        dir.path(),
        &[
            "profile",
            "--rounds",
            "1",
            "--max-tokens",
            "3",
            "--out",
            "profile.json",
        ],
    );
    let batch = |batch: &str| {
        let args = [
            "select",
            "--profile",
            "profile.json",
            "--json",
            "--batch",
            batch,
        ];
        json(dir.path(), &args)["boards"][0].clone()
    };
    let (one, four) = (batch("1"), batch("4"));
    assert_eq!(four["tiers"]["cpu_ms"], "modelled");
    let layers = |b: &serde_json::Value| b["layers"].as_array().unwrap().len();
    assert_eq!((layers(&one), layers(&four)), (42, 42));
    let text = fs::read_to_string(dir.path().join("profile.json")).unwrap();
    let profile: serde_json::Value = serde_json::from_str(&text).unwrap();
    let batches = profile["batches"].as_array().unwrap();
    for (batch, tokens) in batches.iter().zip(2..) {
        assert_eq!(batch["tokens"], tokens);
        assert_eq!(batch["linears"].as_array().unwrap().len(), 42);
    }
    // What the CPU saves is taken from the linears with four tokens, not from those with one.
    let of_four = &batches[2]["linears"][0];
    let saved =
        (of_four["time_s"].as_f64().unwrap() - of_four["rescale_s"].as_f64().unwrap()).max(0.0);
    let all = four["layers"].as_array().unwrap();
    let layer = all.iter().find(|l| l["layer"] == of_four["layer"]).unwrap();
    assert!((layer["cpu_ms"].as_f64().unwrap() - saved * 1e3).abs() < 1e-9);
    assert!(four["geometry"].as_str().unwrap().starts_with("512-b"));
}
