//! JSON Schemas: fresh, true of what the program writes, and true of what it wrote before.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::{Map, Value};
use tempfile::tempdir;

use crate::support::{end, json, names, ok, refused};

/// Committed schemas.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

/// Artefacts as the program wrote them when they were committed.
fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/artefacts")
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn from_toml(text: &str) -> Value {
    let value: toml::Value = toml::from_str(text).unwrap();
    serde_json::to_value(value).unwrap()
}

/// The committed schema of a file name without its end: `profile.v2`.
fn schema(name: &str) -> Value {
    read(&folder().join(format!("{name}.schema.json")))
}

fn validator(name: &str) -> Validator {
    jsonschema::validator_for(&schema(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The schema that a value names: `profile.v2`.
fn name_of(value: &Value) -> String {
    let name = value["schema"].as_str().expect("a schema");
    let name = name.strip_prefix("tercet.").expect("one of ours");
    match (name.split_once('/'), &value["version"]) {
        (Some((name, version)), _) => format!("{name}.v{version}"),
        (None, version) => format!("{name}.v{version}"),
    }
}

#[track_caller]
fn fits(name: &str, value: &Value) {
    let errors: Vec<String> = validator(name)
        .iter_errors(value)
        .map(|e| format!("{}: {e}", e.instance_path()))
        .collect();
    let first: Vec<_> = errors
        .iter()
        .take(3)
        .map(|e| e.chars().take(600).collect::<String>())
        .collect();
    assert!(errors.is_empty(), "{name}: {first:#?}");
}

#[track_caller]
fn fits_its_own(value: &Value) {
    fits(&name_of(value), value);
}

#[track_caller]
fn fails(name: &str, value: &Value) {
    assert!(!validator(name).is_valid(value), "{name}: {value}");
}

#[test]
fn committed_schemas_are_those_of_the_types() {
    let dir = tempdir().unwrap();
    ok(dir.path(), &["schema", "--out", "schemas"]);
    let written = dir.path().join("schemas");
    assert_eq!(names(&written), names(&folder()), "run scripts/schemas");
    for name in names(&written) {
        let (new, committed) = (read(&written.join(&name)), read(&folder().join(&name)));
        assert!(
            new == committed,
            "{name} is not what the types say: run scripts/schemas"
        );
    }
}

#[test]
fn schemas_are_listed_and_printed_by_name() {
    let dir = tempdir().unwrap();
    let list = ok(dir.path(), &["schema"]);
    let all = json(dir.path(), &["schema", "--json"]);
    fits_its_own(&all);
    let rows = all["schemas"].as_array().unwrap();
    assert_eq!(rows.len(), names(&folder()).len());
    for row in rows {
        assert!(list.contains(row["name"].as_str().unwrap()), "{row}");
    }
    let profile = json(dir.path(), &["schema", "profile"]);
    assert_eq!(profile, schema("profile.v2"));
    assert_eq!(profile, json(dir.path(), &["schema", "tercet.profile"]));
    let message = refused(dir.path(), &["schema", "profle"]);
    assert!(message.contains("did you mean `profile`?"), "{message}");
}

#[test]
fn outputs_of_models_and_boards_fit() {
    let dir = tempdir().unwrap();
    let d = dir.path();
    fs::write(
        d.join("text.txt"),
        "Once upon a time there was a little dog.",
    )
    .unwrap();
    for args in [
        &["analyze", "--preset", "bitnet-2b-4t", "--device", "all"][..],
        &["analyze", "--device", "a100,u55c", "--batch", "2"],
        &["boards"],
        &["boards", "kv260"],
        &[
            "bench",
            "--prefill",
            "4",
            "--decode",
            "2",
            "--repetitions",
            "1",
        ],
        &["perplexity", "text.txt"],
        &["doctor"],
        &["validate-published"],
        &["emit", "--list"],
        &["emit", "--out", "kernel"],
        &["xclbin", "build", "--out", "e.xclbin"],
        &["xclbin", "inspect", "e.xclbin"],
        &["xclbin", "package", "--board", "u50", "--out", "alveo"],
        &["bitstream", "verify", "alveo"],
        &["man", "--out", "man"],
        &[
            "synth", "--shape", "tiny", "--layers", "1", "--out", "synth",
        ],
        &[
            "simulate", "--rows", "96", "--k", "256", "--device", "model", "--memory", "hbm",
        ],
        &[
            "simulate", "--rows", "96", "--k", "256", "--device", "model", "--cus", "2", "--mode",
            "ring",
        ],
    ] {
        let e = end(d, &[args, &["--json"]].concat());
        // A doctor may find something missing.
        assert!(e.code == 0 || args[0] == "doctor", "{args:?}: {}", e.stderr);
        fits_its_own(&serde_json::from_str(&e.stdout).unwrap());
    }
    fits_its_own(&read(&d.join("kernel/kernel_facts.json")));
    fits_its_own(&read(&d.join("alveo/u50.json")));
    fits_its_own(&read(&d.join("synth/synth.json")));
}

#[test]
fn outputs_of_a_flow_fit() {
    let dir = tempdir().unwrap();
    let d = dir.path();
    let flow = [
        "flow",
        "--device",
        "model",
        "--rounds",
        "2",
        "--max-tokens",
        "3",
        "--out",
        "r",
        "--json",
    ];
    fits_its_own(&json(d, &flow));
    for file in [
        "profile.json",
        "simulation.json",
        "run-cpu.json",
        "run-all.json",
        "comparison.json",
        "flow.json",
    ] {
        fits_its_own(&read(&d.join("r").join(file)));
    }
    fits_its_own(&from_toml(
        &fs::read_to_string(d.join("r/plan.toml")).unwrap(),
    ));
    fits_its_own(&json(
        d,
        &["compare", "r", "--trace", "trace.json", "--json"],
    ));
    let trace = read(&d.join("trace.json"));
    assert!(trace["traceEvents"].as_array().unwrap().len() > 10);
    fits("trace", &trace);
    let select = ["select", "--profile", "r/profile.json", "--json"];
    for more in [
        &["--board", "all"][..],
        &[
            "--board",
            "u55c",
            "--dispatch",
            "best",
            "--out",
            "best.toml",
        ],
        &["--board", "u280", "--energy", "40"],
        &["--context", "64"],
        &["--prefill"],
        &["--force-top", "3", "--out", "forced.toml"],
    ] {
        fits_its_own(&json(d, &[&select[..], more].concat()));
    }
    for plan in ["best.toml", "forced.toml"] {
        fits_its_own(&from_toml(&fs::read_to_string(d.join(plan)).unwrap()));
    }
    let run = ["run", "--prompt", "Once", "--max-tokens", "2", "--json"];
    fits_its_own(&json(d, &run));
    fits_its_own(&json(
        d,
        &[
            &run[..],
            &[
                "--offload",
                "forced.toml",
                "--device",
                "model",
                "--cus",
                "2",
            ],
        ]
        .concat(),
    ));
    let explore = [
        "explore",
        "--profile",
        "r/profile.json",
        "--boards",
        "u55c,ecpix5",
        "--cus",
        "1,2",
        "--out",
        "x",
        "--json",
    ];
    fits_its_own(&json(d, &explore));
    for file in ["explore.json", "inputs.json", "points/0000.json"] {
        fits_its_own(&read(&d.join("x").join(file)));
    }
    let jobs = [&explore[..], &["--force", "--slurm", "--slurm-dry-run"]].concat();
    fits_its_own(&json(d, &jobs));
}

#[test]
fn what_quantize_prints_fits() {
    let dir = tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/b-online");
    let dense = fixture.to_str().unwrap();
    let quantize = ["quantize", "--model", dense, "--out", "packed", "--json"];
    fits_its_own(&json(dir.path(), &quantize));
}

#[test]
fn boards_and_devices_of_the_program_fit_and_broken_ones_do_not() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (kind, schema) in [("boards", "board.v2"), ("devices", "device.v1")] {
        for name in names(&root.join(kind)) {
            let text = fs::read_to_string(root.join(kind).join(&name)).unwrap();
            fits(schema, &from_toml(&text));
        }
    }
    let u55c = fs::read_to_string(root.join("boards/u55c.toml")).unwrap();
    let board = from_toml(&u55c);
    for break_it in [
        (|b| b["schema"] = "tercet.board/3".into()) as fn(&mut Value),
        |b| b["schema"] = "tercet.board/1".into(),
        |b| b["kernel"]["clock_mhz"]["value"] = 3e8.into(),
        |b| b["kernel"]["clock_mhz"]["basis"] = "guessed".into(),
        |b| b["link"]["dispatch_us"]["source"] = " ".into(),
        |b| b["link"]["latency_us"] = 1.into(),
        |b| drop(b["memory"].as_object_mut().unwrap().remove("kind")),
        |b| drop(b["memory"].as_object_mut().unwrap().remove("channels")),
        |b| drop(b.as_object_mut().unwrap().remove("link")),
    ] {
        let mut broken = board.clone();
        break_it(&mut broken);
        fails("board.v2", &broken);
        // The program and the schema agree.
        let text = toml::to_string(&broken).unwrap();
        tercet::board::Board::parse("b", &text).unwrap_err();
    }
}

#[test]
fn plans_and_traces_that_are_wrong_do_not_fit() {
    let plan = |layer: &str| {
        let text = format!(
            "schema = \"tercet.plan/1\"\nboard = \"u55c\"\ngeometry = \"512-b3\"\nlayers = [{{ {layer} }}]\n"
        );
        let read = tercet::plan::Plan::parse("plan", &text, 1).is_ok();
        (from_toml(&text), read)
    };
    for (layer, good) in [
        ("name = \"layers.0.mlp.up_proj\", offload = true", true),
        (
            "name = \"layers.0.mlp.up_proj\", offload = true, rows = 8",
            true,
        ),
        (
            "name = \"layers.0.mlp.up_proj\", offload = false, rows = 8",
            false,
        ),
        (
            "name = \"layers.0.mlp.up_proj\", offload = true, rows = 0",
            false,
        ),
        ("name = \"layers.0.mlp.q_proj\", offload = true", false),
        ("name = \"layers.0.mlp.up_proj\"", false),
        (
            "name = \"layers.0.mlp.up_proj\", offload = true, gain_ms = 1",
            false,
        ),
    ] {
        let (value, read) = plan(layer);
        assert_eq!(read, good, "{layer}");
        assert_eq!(validator("plan.v1").is_valid(&value), good, "{layer}");
    }
    let event =
        |text: &str| serde_json::from_str(&format!("{{\"traceEvents\": [{text}]}}")).unwrap();
    let whole = r#"{"ph": "X", "name": "a", "ts": 0, "dur": 1.5, "pid": 1, "tid": 1}"#;
    let named = r#"{"ph": "M", "name": "process_name", "pid": 1, "args": {"name": "CPU only"}}"#;
    fits("trace", &event(&format!("{whole}, {named}")));
    for broken in [
        whole.replace("\"dur\": 1.5, ", ""),
        whole.replace("\"X\"", "\"B\""),
        whole.replace("\"ts\": 0", "\"ts\": -1"),
        named.replace("{\"name\": \"CPU only\"}", "{}"),
        named.replace("process_name", "other"),
        named.replace("\"ph\": \"M\", ", ""),
    ] {
        fails("trace", &event(&broken));
    }
}

/// `value` without what its schema calls optional: as an older program of the same version wrote it. Alternatives are
/// left as they are.
fn as_older(value: &Value, schema: &Value, root: &Value) -> Value {
    let schema = resolved(schema, root);
    match value {
        Value::Object(fields) => {
            let required: BTreeSet<&str> = strings(&schema["required"]).collect();
            let properties = schema["properties"].as_object();
            let mut kept = Map::new();
            for (key, value) in fields {
                let of = properties.and_then(|p| p.get(key));
                match of {
                    Some(_) if !required.contains(key.as_str()) => {}
                    Some(of) => drop(kept.insert(key.clone(), as_older(value, of, root))),
                    None => drop(kept.insert(key.clone(), value.clone())),
                }
            }
            kept.into()
        }
        Value::Array(items) if schema["items"].is_object() => items
            .iter()
            .map(|item| as_older(item, &schema["items"], root))
            .collect(),
        other => other.clone(),
    }
}

fn resolved<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(path) => {
            let target = root.pointer(path.strip_prefix('#').expect("within the schema"));
            resolved(target.expect("a definition"), root)
        }
        None => schema,
    }
}

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

#[test]
fn artefacts_of_before_are_still_read() {
    let dir = tempdir().unwrap();
    let mut seen = BTreeSet::new();
    let mut shortened = 0;
    let formats = tercet::schema::formats();
    for file in names(&samples()).iter().filter(|n| n.ends_with(".json")) {
        let path = samples().join(file);
        let value = read(&path);
        let name = name_of(&value);
        assert!(file.starts_with(&name), "{file} is {name}");
        let format = formats
            .iter()
            .find(|f| f.is_called(value["schema"].as_str().unwrap()));
        let format = format.unwrap_or_else(|| panic!("{file}: no such format"));
        let open = format.read.unwrap_or_else(|| panic!("{file}: never read"));
        let current = value["version"].as_u64() == format.version.map(u64::from);
        if !current {
            // What an older version means is not guessed: the file is refused, and what writes it anew is named.
            let message = open(&path).unwrap_err().to_string();
            assert!(message.contains("again"), "{file}: {message}");
            continue;
        }
        open(&path).unwrap_or_else(|e| panic!("{e}"));
        fits(&name, &value);
        let schema = schema(&name);
        let older = as_older(&value, &schema, &schema);
        fits(&name, &older);
        shortened += usize::from(older != value);
        let path = dir.path().join(file);
        fs::write(&path, older.to_string()).unwrap();
        open(&path).unwrap_or_else(|e| panic!("as it was before: {e}"));
        let mut newer = value.clone();
        newer["version"] = 1000.into();
        fails(&name, &newer);
        fs::write(&path, newer.to_string()).unwrap();
        let message = open(&path).unwrap_err().to_string();
        assert!(message.contains("version 1000"), "{message}");
        seen.insert(format.name.clone());
    }
    assert!(shortened > 5, "{shortened} samples have optional keys");
    let read = formats
        .iter()
        .filter(|f| f.read.is_some())
        .map(|f| f.name.clone());
    assert_eq!(
        seen,
        read.collect(),
        "a sample of each artefact that is read"
    );
}
