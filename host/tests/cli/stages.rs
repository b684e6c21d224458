//! One command at a time.

use std::fs;
use std::process::Stdio;

use tercet_contract::Geometry;

use crate::support::{checkpoint, end, json, names, ok, refused, tercet};

const PROMPT: [&str; 5] = ["run", "--prompt", "Once upon a time", "--max-tokens", "12"];

fn run_with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    PROMPT.iter().chain(more).copied().collect()
}

#[test]
fn use_is_explained_and_misuse_refused() {
    let dir = tempfile::tempdir().unwrap();
    let help = ok(dir.path(), &["--help"]);
    let at = |command: &str| {
        help.find(&format!("  {command} "))
            .unwrap_or_else(|| panic!("{command}"))
    };
    let order = [
        "profile", "select", "quantize", "emit", "simulate", "run", "logits", "compare", "flow",
    ];
    assert!(order.windows(2).all(|w| at(w[0]) < at(w[1])), "{help}");
    for args in [
        &["nonsense"][..],
        &["run"],
        &["emit", "--geometry", "512-b4", "--out", "x"],
    ] {
        assert_eq!(end(dir.path(), args).code, 2, "{args:?}");
    }
    assert!(names(dir.path()).is_empty());
}

#[test]
fn tokens_are_the_same_wherever_layers_run() {
    let dir = tempfile::tempdir().unwrap();
    let cpu = json(dir.path(), &run_with(&["--json"]));
    for key in ["tokens", "text", "timing", "device"] {
        assert!(!cpu[key].is_null(), "{key}");
    }
    assert_eq!(cpu["device"]["name"], "cpu");
    assert_eq!(cpu["timing"]["tier"], "measured");
    assert_eq!(cpu["tokens"].as_array().unwrap().len(), 12);
    for encoding in ["b2", "b3"] {
        let args = run_with(&["--json", "--device", "model", "--encoding", encoding]);
        let hybrid = json(dir.path(), &args);
        assert_eq!(hybrid["tokens"], cpu["tokens"], "{encoding}");
        let device = &hybrid["device"];
        assert_eq!(device["geometry"], format!("512-{encoding}"));
        assert_eq!(
            device["layers"].as_array().unwrap().len(),
            42,
            "--device offloads all"
        );
        // 12 tokens in 12 passes, 24 groups each; the prompt fits one list.
        assert_eq!(device["launches"], 12 * 24);
        assert!(device["cycles"].as_u64() > device["weight_beats"].as_u64());
        assert_eq!(hybrid["timing"]["tier"], "projected");
    }
}

#[test]
fn without_a_prompt_a_text_begins() {
    let dir = tempfile::tempdir().unwrap();
    let all = [
        "--device",
        "model",
        "--offload",
        "all",
        "--max-tokens",
        "3",
        "--json",
    ];
    let device = json(dir.path(), &[&["run"][..], &all].concat());
    let cpu = json(dir.path(), &["run", "--max-tokens", "3", "--json"]);
    assert_eq!(device["tokens"].as_array().unwrap().len(), 3);
    assert_eq!(device["tokens"], cpu["tokens"]);
}

#[test]
fn text_goes_to_stdout_and_remarks_to_stderr() {
    let dir = tempfile::tempdir().unwrap();
    let cpu = end(dir.path(), &PROMPT);
    let all = end(
        dir.path(),
        &run_with(&["--offload", "all", "--device", "cpu"]),
    );
    assert_eq!(cpu.code, 0, "{}", cpu.stderr);
    assert_eq!(cpu.stdout, all.stdout);
    assert!(cpu.stdout.contains("there was a small"), "{}", cpu.stdout);
    assert!(cpu.stderr.contains("tokens/s (measured)"), "{}", cpu.stderr);
    assert!(all.stderr.contains("stay on the CPU"), "{}", all.stderr);
    let idle = end(
        dir.path(),
        &run_with(&["--offload", "none", "--device", "model"]),
    );
    assert!(
        idle.stderr.contains("nothing is offloaded"),
        "{}",
        idle.stderr
    );
    assert_eq!(cpu.stdout, idle.stdout);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    for args in [
        run_with(&[]),
        run_with(&["--json"]),
        vec!["profile", "--rounds", "1"],
    ] {
        let mut child = tercet(dir.path(), &args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert!(
            ended.status.success() && !stderr.contains("anic"),
            "{args:?}: {stderr}"
        );
    }
}

#[test]
fn selection_is_a_plan_to_edit_and_run() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let profile = json(
        d,
        &[
            "profile",
            "--rounds",
            "2",
            "--out",
            "profile.json",
            "--json",
        ],
    );
    assert_eq!(
        (&profile["schema"], &profile["version"]),
        (&"tercet.profile".into(), &2.into())
    );
    assert!(names(d).contains(&"profile.json".to_string()));

    let selection = json(
        d,
        &[
            "select",
            "--profile",
            "profile.json",
            "--out",
            "plan.toml",
            "--json",
        ],
    );
    let board = &selection["boards"][0];
    for key in [
        "offloaded",
        "ms_per_token_cpu",
        "ms_per_token_hybrid",
        "tokens_per_s",
    ] {
        assert!(!board[key].is_null(), "{key}");
    }
    let layers = board["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 42);
    assert!(layers
        .iter()
        .all(|l| l["gain_ms"].is_f64() && l["reason"].is_string()));
    // The tiny model's layers take microseconds, a launch tens of them.
    assert_eq!(board["offloaded"].as_array().unwrap().len(), 0);
    assert!(board["decision"]
        .as_str()
        .unwrap()
        .starts_with("offload nothing"));

    let plan = fs::read_to_string(d.join("plan.toml")).unwrap();
    let edited = plan.replacen("offload = false,", "offload = true, ", 3);
    fs::write(d.join("plan.toml"), edited).unwrap();
    let hybrid = json(d, &run_with(&["--offload", "plan.toml", "--json"]));
    assert_eq!(
        hybrid["device"]["name"], "model",
        "a plan runs on the device model by default"
    );
    assert_eq!(hybrid["device"]["layers"].as_array().unwrap().len(), 3);
    assert_eq!(hybrid["tokens"], json(d, &run_with(&["--json"]))["tokens"]);

    let forced = json(
        d,
        &[
            "select",
            "--profile",
            "profile.json",
            "--force-top",
            "2",
            "--json",
        ],
    );
    assert_eq!(
        forced["boards"][0]["offloaded"].as_array().unwrap().len(),
        2
    );
    assert_eq!(forced["boards"][0]["recommended"], false);
    assert!(refused(
        d,
        &["select", "--profile", "profile.json", "--out", "plan.toml"]
    )
    .contains("--force"));
}

#[test]
fn a_profile_serves_its_own_model_only() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    checkpoint(d);
    let model = ["--model", "checkpoint"];
    let profile = ["profile", "--rounds", "1", "--out", "profile.json"];
    ok(d, &[&profile[..], &model].concat());
    let select = ["select", "--profile", "profile.json", "--board", "u55c"];
    ok(d, &[&select[..], &model].concat());
    ok(d, &[&select[..], &["--model", "./checkpoint"]].concat());

    fs::create_dir(d.join("other")).unwrap();
    let config = fs::read_to_string(d.join("checkpoint/config.json")).unwrap();
    fs::write(d.join("other/config.json"), &config).unwrap();
    let e = refused(d, &[&select[..], &["--model", "other"]].concat());
    assert!(
        e.contains("checkpoint") && e.contains("--model is other"),
        "{e}"
    );

    let wider = config.replace("\"intermediate_size\": 768", "\"intermediate_size\": 1024");
    assert_ne!(wider, config);
    fs::write(d.join("checkpoint/config.json"), wider).unwrap();
    let e = refused(d, &[&select[..], &model].concat());
    assert!(e.contains("768") && e.contains("1024"), "{e}");
}

#[test]
fn a_simulation_tells_cycles_and_match() {
    let dir = tempfile::tempdir().unwrap();
    let args = [
        "simulate", "--rows", "70", "--k", "300", "--device", "model", "--json",
    ];
    let s = json(dir.path(), &args);
    assert_eq!(s["matches_reference"], true);
    assert_eq!(s["beats"], 70);
    let efficiency = s["efficiency"].as_f64().unwrap();
    let cycles = s["cycles"].as_f64().unwrap();
    assert!((efficiency - 70.0 / cycles).abs() < 1e-12);
    assert_eq!(s["lane_fill"], 300.0 / 320.0);
    let counted = ["beats", "starved_cycles", "blocked_cycles", "other_cycles"];
    let sum: u64 = counted.iter().map(|c| s[*c].as_u64().unwrap()).sum();
    assert_eq!(s["cycles"], sum, "every cycle has a name");
    assert!(refused(dir.path(), &["simulate", "--rows", "1", "--k", "99999"]).contains("16384"));
}

#[test]
fn the_kernel_is_written_with_its_registers() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["emit", "--geometry", "128-b2", "--out", "deep/kernel"];
    ok(dir.path(), &args);
    let folder = dir.path().join("deep/kernel");
    let files = [
        "cycles.md",
        "kernel_facts.json",
        "registers.md",
        "ternary_gemv.v",
    ];
    assert_eq!(names(&folder), files);
    let facts = fs::read_to_string(folder.join("kernel_facts.json")).unwrap();
    let facts: serde_json::Value = serde_json::from_str(&facts).unwrap();
    assert_eq!(facts["name"], "ternary_gemv");
    assert_eq!(facts["ports"].as_array().unwrap().len(), 3);
    assert_eq!(facts["args"][0]["offset"], "0x10");
    assert_eq!(facts["contract_version"], tercet_contract::CONTRACT_VERSION);
    let cycles = fs::read_to_string(folder.join("cycles.md")).unwrap();
    assert!(cycles.contains("128-b2"), "{cycles}");
    let verilog = fs::read_to_string(folder.join("ternary_gemv.v")).unwrap();
    assert!(verilog.contains("module ternary_gemv"));
    assert!(refused(dir.path(), &args).contains("--force"));
    ok(
        dir.path(),
        &[
            "emit",
            "--geometry",
            "128-b2",
            "--out",
            "deep/kernel",
            "--force",
        ],
    );
}

#[test]
fn every_listed_kernel_is_a_geometry_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let listed = ok(dir.path(), &["emit", "--list"]);
    let known: Vec<String> = Geometry::all().iter().map(Geometry::to_string).collect();
    assert_eq!(listed.lines().collect::<Vec<_>>(), known);
    assert!(refused(dir.path(), &["emit"]).contains("--out"));
    assert!(names(dir.path()).is_empty());
}

#[test]
fn logits_are_a_tensor_of_every_position() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    ok(
        d,
        &["logits", "--tokens", "0,414,415", "--out", "l.safetensors"],
    );
    let bytes = fs::read(d.join("l.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let logits = file.tensor("logits").unwrap();
    assert_eq!(
        (logits.shape(), logits.dtype()),
        (&[3, 1024][..], safetensors::Dtype::F32)
    );
    assert!(refused(d, &["logits", "--tokens", "1", "--out", "l.safetensors"]).contains("--force"));
    assert!(refused(d, &["logits", "--tokens", "9999", "--out", "m.safetensors"]).contains("9999"));
    assert_eq!(names(d), ["l.safetensors"]);
}

#[test]
fn a_prompt_in_chunks_is_one_prefill() {
    let dir = tempfile::tempdir().unwrap();
    let prompt = "Once upon a time, ".repeat(50);
    let args = ["profile", "--rounds", "3", "--max-tokens", "3"];
    let p = json(
        dir.path(),
        &[&args[..], &["--prompt", &prompt, "--json"]].concat(),
    );
    assert!(p["prompt_tokens"].as_u64().unwrap() > 128, "several chunks");
    for part in ["passes", "stages", "linears", "lm_head", "groups"] {
        let parts = p[part].as_array().unwrap();
        for of in parts.iter().filter(|of| of["phase"] == "prefill") {
            assert_eq!(of["times"]["calls"], 3, "{of}");
        }
    }
}

#[test]
fn a_run_tells_what_happened_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let told = |args: &[&str]| {
        let e = end(dir.path(), &[&["run", "--prompt", "Once"], args].concat());
        assert_eq!(e.code, 0, "{}", e.stderr);
        e.stderr
    };
    let none = told(&["--max-tokens", "0"]);
    assert_eq!(none, "0 tokens\n", "no time of a prefill that never ran");
    let encoding = told(&["--max-tokens", "1", "--encoding", "b2"]);
    assert!(encoding.contains("--encoding has no effect"), "{encoding}");
    assert!(encoding.contains("1 token; prefill"), "{encoding}");

    // The model's own stop tokens would end the text before the context is full.
    let copy = checkpoint(dir.path());
    for name in ["config.json", "generation_config.json"] {
        let Ok(text) = fs::read_to_string(copy.join(name)) else {
            continue;
        };
        let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
        json.as_object_mut().unwrap().remove("eos_token_id");
        if name == "config.json" {
            json["max_position_embeddings"] = 16.into();
        }
        fs::write(copy.join(name), json.to_string()).unwrap();
    }
    let full = told(&["--model", "checkpoint", "--max-tokens", "99"]);
    assert!(
        full.contains("the context of 16 tokens is full after"),
        "{full}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn remarks_that_cannot_be_written_are_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    for (args, code) in [
        (&["run", "--prompt", "a", "--max-tokens", "2"][..], 0),
        (
            &["run", "--prompt", "", "--max-tokens", "2", "--top-p", "7"],
            2,
        ),
        (&["quantize", "--model", "none", "--out", "q"], 2),
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full");
        let status = tercet(dir.path(), args)
            .stdout(std::process::Stdio::null())
            .stderr(full.unwrap())
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(code), "{args:?}");
    }
}

#[test]
fn boards_modes_and_assumptions_are_compared() {
    let dir = tempfile::tempdir().unwrap();
    ok(
        dir.path(),
        &["profile", "--rounds", "2", "--out", "profile.json"],
    );
    let select = |more: &str| {
        let more: Vec<&str> = more.split_whitespace().collect();
        let args = [
            &["select", "--profile", "profile.json", "--json"],
            &more[..],
        ]
        .concat();
        json(dir.path(), &args)
    };
    let all = select("--board all");
    let boards = all["boards"].as_array().unwrap();
    assert!(boards.len() >= 3);
    for board in boards {
        // The best of all modes and units is no worse than any of them, and nothing is no worse than the CPU alone.
        let best = board["ms_per_token_hybrid"].as_f64().unwrap();
        assert!(best <= board["ms_per_token_cpu"].as_f64().unwrap());
        let others = board["runners_up"].as_array().unwrap();
        assert!(others
            .iter()
            .all(|o| o["token_s"].as_f64().unwrap() * 1e3 >= best - 1e-9));
        assert!(board["flips"].as_array().unwrap().len() >= 10);
        assert!(board["layers"][0]["reason"].is_string());
    }
    // A link that costs nothing changes the answer for a model as small as this.
    let free = select(
        "--board u55c --dispatch ring --what-if ring_dispatch_us=0.01 --what-if transfer_us=0.001 \
         --what-if read_latency_ns=1",
    );
    let dear = select("--board u55c --dispatch launch");
    let offloaded = |s: &serde_json::Value| s["boards"][0]["offloaded"].as_array().unwrap().len();
    assert!(offloaded(&free) >= offloaded(&dear));
    assert_eq!(dear["boards"][0]["mode"], "launch");
    let text = refused(
        dir.path(),
        &[
            "select",
            "--profile",
            "profile.json",
            "--what-if",
            "clock=300",
        ],
    );
    assert!(text.contains("expected one of clock_mhz"), "{text}");
}
