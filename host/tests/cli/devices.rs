//! Devices of several compute units, with batches and rings, on the device model.

use serde_json::Value;

use crate::support::{json, names, ok, refused};

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

fn run(more: &str) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let args = [
        "run",
        "--prompt",
        "Once upon a time",
        "--max-tokens",
        "6",
        "--json",
    ];
    json(dir.path(), &[&args[..], &words(more)].concat())
}

#[test]
fn a_batch_reads_the_weights_of_a_prompt_less_often() {
    let cpu = run("");
    let one = run("--device model");
    let prompt = cpu["prompt_tokens"].as_array().unwrap().len();
    let decoded = cpu["tokens"].as_array().unwrap().len() - 1;
    for batch in [2, 4] {
        let run = run(&format!("--device model --batch {batch}"));
        assert_eq!(run["tokens"], cpu["tokens"], "batch {batch}");
        assert_eq!(run["device"]["geometry"], format!("512-b3-x{batch}"));
        let commands = |run: &Value| run["device"]["commands"].as_u64().unwrap() as usize;
        assert_eq!(commands(&one), 42 * (prompt + decoded));
        let passes = prompt.div_ceil(batch) + decoded;
        assert_eq!(commands(&run), 42 * passes, "batch {batch}");
    }
}

#[test]
fn rows_are_split_over_compute_units() {
    let cpu = run("");
    let one = run("--device model");
    // 256 and 768 rows are no multiples of three or seven.
    for cus in [3, 7] {
        let run = run(&format!("--device model --cus {cus}"));
        assert_eq!(run["tokens"], cpu["tokens"], "{cus}");
        let (device, alone) = (&run["device"], &one["device"]);
        assert_eq!(device["cus"], cus);
        assert_eq!(device["dispatches"], alone["dispatches"]);
        assert_eq!(
            device["launches"],
            cus * alone["launches"].as_u64().unwrap()
        );
        assert_eq!(device["weight_beats"], alone["weight_beats"]);
        assert!(device["cycles"].as_u64() < alone["cycles"].as_u64());
        let cycles = (cus * device["cycles"].as_u64().unwrap()) as f64;
        let beats = device["weight_beats"].as_f64().unwrap();
        let efficiency = device["efficiency"].as_f64().unwrap();
        assert!((efficiency - beats / cycles).abs() < 1e-12);
    }
}

#[test]
fn a_ring_takes_doorbells_instead_of_launches() {
    let cpu = run("");
    let launches = run("--device model --cus 2 --batch 4");
    let ring = run("--device model --cus 2 --batch 4 --mode ring");
    assert_eq!(ring["tokens"], cpu["tokens"]);
    let device = &ring["device"];
    assert_eq!(
        (&device["mode"], &device["launches"]),
        (&"ring".into(), &0.into())
    );
    assert_eq!(device["doorbells"], launches["device"]["launches"]);
    let dispatch = |run: &Value| run["timing"]["decode"]["device_s"]["dispatch"].as_f64();
    assert!(dispatch(&ring) < dispatch(&launches));
    assert_eq!(ring["timing"]["tier"], "projected");
}

#[test]
fn a_plan_says_how_many_units_and_how_commands_reach_them() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    ok(d, &words("profile --rounds 2 --out profile.json"));
    let select = "select --profile profile.json --geometry 256-b2-x2 --cus 4 --mode ring";
    let s = json(
        d,
        &words(&format!("{select} --force-top 5 --out plan.toml --json")),
    );
    let board = &s["boards"][0];
    assert_eq!((&board["cus"], &board["mode"]), (&4.into(), &"ring".into()));
    let run = "run --prompt Once --max-tokens 2 --offload plan.toml --json";
    let planned = json(d, &words(run));
    let device = &planned["device"];
    assert_eq!(
        (&device["cus"], &device["mode"]),
        (&4.into(), &"ring".into())
    );
    assert_eq!(device["geometry"], "256-b2-x2");
    let other = json(d, &words(&format!("{run} --cus 1 --mode launch")));
    assert_eq!(other["device"]["mode"], "launch");
    assert_eq!(other["tokens"], planned["tokens"]);
}

#[test]
fn a_simulation_tells_everything_of_a_queue() {
    let dir = tempfile::tempdir().unwrap();
    let simulate = "simulate --device model --rows 70 --k 300 --json";
    let s = json(
        dir.path(),
        &words(&format!(
            "{simulate} --batch 4 --digits 3 --rows-share 0.5 --commands 3 --cus 2 --mode ring"
        )),
    );
    for (key, value) in [
        ("matches_reference", true.into()),
        ("error", Value::Null),
        ("fault", Value::Null),
        ("geometry", "512-b3-x4".into()),
        ("batch", 4.into()),
        ("digits", 3.into()),
        ("commands", 3.into()),
        ("cus", 2.into()),
        ("mode", "ring".into()),
        ("memory", "fixed".into()),
    ] {
        assert_eq!(s[key], value, "{key}");
    }
    let rows = s["computed_rows"].as_u64().unwrap();
    assert!((1..70).contains(&rows), "{rows}");
    assert_eq!(s["beats"], 3 * 3 * rows);
    for key in ["starved_cycles", "blocked_cycles", "other_cycles"] {
        assert!(s[key].is_u64(), "{key}");
    }
    let efficiency = s["efficiency"].as_f64().unwrap();
    let all = 2.0 * s["cycles"].as_f64().unwrap();
    assert!((efficiency - s["beats"].as_f64().unwrap() / all).abs() < 1e-12);
    let timeline = s["timeline"].as_object().unwrap();
    for key in [
        "dispatch_to_first_beat_cycles",
        "last_beat_to_completion_cycles",
        "tier",
    ] {
        assert!(timeline.contains_key(key), "{key}");
    }
    // More units than rows: the others stay idle.
    let few = json(
        dir.path(),
        &words("simulate --device model --rows 2 --k 9 --cus 5 --json"),
    );
    assert_eq!(few["matches_reference"], true);
}

#[test]
fn what_no_device_can_do_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let refusal = |args: &str| refused(dir.path(), &words(args));
    let simulate = |more: &str| refusal(&format!("simulate --rows 4 --k 4 --device model {more}"));
    for (more, said) in [
        ("--cus 0", "--cus: 0 compute units"),
        ("--cus 65", "expected 1 to 64"),
        ("--batch 3", "batch 3: expected one of [1, 2, 4]"),
        ("--digits 6", "6 digits a weight: expected 1 to 5"),
        ("--digits 0", "0 digits"),
        ("--rows-share 0", "--rows-share 0: expected above 0 to 1"),
        ("--rows-share 1.5", "--rows-share 1.5"),
        ("--rows-share -1", "--rows-share -1"),
        ("--rows-share nan", "--rows-share NaN"),
        ("--commands 0", "--commands 0: expected 1 to 4096"),
        ("--fault reset@5", "--fault reset@5: the device model"),
        ("--trace a.fst", "--trace"),
    ] {
        let e = simulate(more);
        assert!(e.contains(said), "{more}: {e}");
    }
    for (more, said) in [
        ("--fault nonsense@5", "`nonsense` is no kind of fault"),
        ("--fault reset", "KIND@CYCLE"),
        ("--mode loop", "launch"),
        ("--memory sram", "hbm"),
    ] {
        let args = format!("simulate --rows 4 --k 4 {more}");
        let e = crate::support::end(dir.path(), &words(&args));
        assert_eq!((e.code, e.stdout.as_str()), (2, ""), "{more}");
        assert!(e.stderr.contains(said), "{more}: {}", e.stderr);
    }
    let run = "run --prompt a --max-tokens 1 --device model";
    assert!(refusal(&format!("{run} --cus 0")).contains("--cus"));
    assert!(refusal(&format!("{run} --batch 5")).contains("batch 5"));
    assert!(refusal("select --cus 100").contains("100 compute units"));
    assert!(names(dir.path()).is_empty());
}
