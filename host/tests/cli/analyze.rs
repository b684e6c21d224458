//! `tercet analyze`: published figures to the digit, devices, text and files.

use std::fs;
use std::path::Path;

use serde_json::{json as value, Value};

use crate::support::{json, ok, refused};

fn preset(name: &str, more: &[&str]) -> Value {
    let args = [&["analyze", "--json", "--preset", name], more].concat();
    json(Path::new("."), &args)
}

fn operator<'a>(a: &'a Value, phase: &str, name: &str) -> &'a Value {
    let mut all = a["operators"].as_array().unwrap().iter();
    all.find(|op| op["phase"] == phase && op["name"] == name)
        .unwrap()
}

fn linear<'a>(a: &'a Value, name: &str) -> &'a Value {
    let mut all = a["parameters"]["linears"]["kinds"]
        .as_array()
        .unwrap()
        .iter();
    all.find(|kind| kind["name"] == name).unwrap()
}

fn weight_bytes(a: &Value, bits: f64) -> u64 {
    let mut all = a["memory"]["weights"].as_array().unwrap().iter();
    all.find(|f| f["bits"] == bits).unwrap()["bytes"]
        .as_u64()
        .unwrap()
}

/// Rounded to the digits that a document prints.
fn shows(found: &Value, unit: f64, digits: usize, printed: &str) {
    let found = found.as_f64().unwrap() / unit;
    assert_eq!(format!("{found:.digits$}"), printed);
}

const MIB: f64 = (1u64 << 20) as f64;
const GIB: f64 = (1u64 << 30) as f64;

#[test]
fn the_decoder_of_155_million() {
    let a = preset("bytetransformer-155m", &[]);
    assert_eq!(a["schema"], "tercet.analysis");
    assert_eq!(
        (&a["version"], &a["counts_tier"]),
        (&value!(1), &value!("exact"))
    );
    let p = &a["parameters"];
    let by_type = value!({"embedding": 24_576_000, "attention": 21_233_664, "mlp": 84_934_656, "norm": 19_200,
        "lm_head": 24_576_000, "unclassified": 18_720});
    assert_eq!(p["by_type"], by_type);
    assert_eq!(p["total"], 155_358_240);
    let m = &a["memory"];
    shows(&value!(weight_bytes(&a, 32.0)), MIB, 2, "592.64");
    let kv = m["kv_cache"]["table"].as_array().unwrap();
    let kv = kv
        .iter()
        .find(|r| r["length"] == 2048 && r["batch"] == 1)
        .unwrap();
    shows(&kv["bytes"], MIB, 2, "36.00");
    shows(&m["causal_mask_bytes"], MIB, 2, "48.00");
    shows(&m["training"]["gradient_bytes"], MIB, 2, "592.64");
    shows(&m["training"]["optimizer_bytes"], MIB, 2, "1185.29");

    // Every FLOP belongs to a part, the MLP has three matrices, the head counts FLOPs.
    let flops = |name: &str| operator(&a, "decode", name)["flops"].as_u64().unwrap();
    assert_eq!(
        flops("gate_up_proj") + flops("down_proj"),
        2 * 3 * 768 * 3072
    );
    assert_eq!(flops("lm_head"), 2 * 24_576_000);
    assert_eq!(operator(&a, "decode", "down_proj")["calls"], 12);
}

#[test]
fn the_8b_class_model_and_the_real_one() {
    let a = preset("qwen3-8b-mha", &[]);
    let p = &a["parameters"];
    assert_eq!(p["by_type"]["embedding"], 622_854_144);
    assert_eq!(p["by_type"]["lm_head"], 622_854_144);
    let block = &p["blocks"][0]["by_type"];
    assert_eq!(block["attention"], 67_108_864);
    assert_eq!(block["mlp"], 135_266_304);
    assert_eq!(block["norm"], 8_448);
    assert_eq!(p["total"], 7_721_988_096u64);
    shows(&value!(weight_bytes(&a, 16.0)), GIB, 2, "14.38");
    let device = a["comparison"].as_array().unwrap();
    let device = device.iter().find(|c| c["unit"] == "bytes").unwrap();
    shows(&device["measured"], GIB, 2, "14.88");
    assert!(device["why"].as_str().unwrap().contains("allocator"));

    let real = preset("qwen3-8b", &[]);
    let m = &real["model"];
    assert_eq!((&m["layers"], &m["kv_heads"]), (&value!(36), &value!(8)));
    assert_eq!(
        (&m["ffn"], &m["vocab"]),
        (&value!(12_288), &value!(151_936))
    );
    assert_eq!(real["parameters"]["total"], 8_190_735_360u64);
    assert_eq!(
        (&m["attention"], &m["qk_norm"]),
        (&value!("GQA"), &value!(true))
    );
}

#[test]
fn bitnet_2b_4t() {
    let a = preset("bitnet-2b-4t", &[]);
    let l = &a["parameters"]["linears"];
    assert_eq!(
        (&l["count"], &l["parameters"]),
        (&value!(211), &value!(2_412_380_160u64))
    );
    assert_eq!(l["ternary_parameters"], 2_084_044_800u64);
    for (name, weights) in [
        ("q_proj", 6_553_600),
        ("k_proj", 1_638_400),
        ("v_proj", 1_638_400),
        ("o_proj", 6_553_600),
        ("gate_proj", 17_694_720),
        ("up_proj", 17_694_720),
        ("down_proj", 17_694_720),
        ("lm_head", 328_335_360),
    ] {
        let kind = linear(&a, name);
        assert_eq!(kind["parameters"], weights, "{name}");
        assert_eq!(kind["ternary"], name != "lm_head", "{name}");
    }
    // Tied: the head is no parameter of its own, and it is not ternary.
    assert_eq!(a["parameters"]["total"], 2_412_820_480u64);
    assert_eq!(a["parameters"]["weight_scales"], 210);
    assert_eq!(a["parameters"]["by_type"]["norm"], 440_320);
    shows(&value!(4 * 2_412_380_160u64), MIB, 2, "9202.50");
    assert_eq!(operator(&a, "decode", "qkv_proj")["weight_bits"], 2.0);
    assert_eq!(operator(&a, "decode", "lm_head")["weight_bits"], 16.0);
    assert_eq!(
        operator(&a, "decode", "qkv_proj")["weight_bytes"],
        3840 * 2560 / 4
    );
    let five = preset("bitnet-2b-4t", &["--bits", "1.6"]);
    // A row of down ends within a byte.
    assert_eq!(
        operator(&five, "decode", "down_proj")["weight_bytes"],
        2560 * 1383
    );
    assert_eq!(operator(&five, "decode", "lm_head")["weight_bits"], 16.0);
}

#[test]
fn the_counting_guide() {
    let dir = tempfile::tempdir().unwrap();
    let config = value!({"model_type": "llama", "hidden_size": 4096, "vocab_size": 32000, "num_hidden_layers": 32,
        "intermediate_size": 14336, "num_attention_heads": 32});
    fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    let a = json(
        dir.path(),
        &["analyze", "--config", "config.json", "--json"],
    );
    let p = &a["parameters"];
    let norms = p["by_type"]["norm"].as_u64().unwrap();
    assert_eq!(p["total"].as_u64().unwrap() - norms, 8_046_772_224);
    assert_eq!(a["model"]["attention"], "MHA");

    let mistral = preset("mistral-7b", &[]);
    assert_eq!(mistral["parameters"]["total"], 7_241_732_096u64);
    assert_eq!(
        mistral["parameters"]["blocks"][0]["by_type"]["attention"],
        4096 * 4096 * 5 / 2
    );
    let qwen = preset("qwen2.5-3b", &[]);
    assert_eq!(qwen["parameters"]["total"], 3_085_938_688u64);
    assert_eq!(qwen["parameters"]["by_type"]["embedding"], 311_164_928);
    assert_eq!(qwen["model"]["biases"], value!(["q", "k", "v"]));
    assert_eq!(qwen["model"]["tied"], true);
    for (name, total) in [
        ("llama-2-7b", 6_738_415_616u64),
        ("llama-2-70b", 68_976_648_192),
        ("llama-3-8b", 8_030_261_248),
    ] {
        assert_eq!(preset(name, &[])["parameters"]["total"], total, "{name}");
    }
}

#[test]
fn the_roofline_note() {
    let a = preset(
        "llama-2-70b",
        &["--tp", "8", "--batch", "16", "--device", "a100"],
    );
    let o = operator(&a, "decode", "o_proj");
    assert_eq!(o["shape"], value!([16, 8192, 1024]));
    shows(&o["intensity"], 1.0, 2, "15.72");
    shows(&o["time_s"], 1e-6, 2, "11.38");
    assert_eq!(o["bound"], "memory");
    assert_eq!(a["devices"][0]["ridge"], 156.0);
    assert_eq!(a["devices"][0]["times_tier"], "projected");

    let a = preset("llama-2-7b", &["--batch", "8", "--prompt", "512"]);
    let qkv = operator(&a, "prefill", "qkv_proj");
    shows(&qkv["flops"], 1e9, 1, "412.3");
    shows(&qkv["bytes"], 1e6, 1, "234.9");
    shows(&qkv["intensity"], 1.0, 0, "1755");
    assert_eq!(qkv["bound"], "compute");
    assert_eq!(operator(&a, "decode", "qkv_proj")["bound"], "memory");
    let kv = &a["memory"]["kv_cache"];
    shows(&kv["prompt_bytes"], 1e9, 3, "2.147");
    shows(&kv["prompt_block_bytes"], 1e6, 1, "67.1");
}

#[test]
fn other_batches_and_lengths_are_swept() {
    let a = preset("bytetransformer-155m", &["--prompt", "512", "--batch", "4"]);
    let sweep = a["sweep"].as_array().unwrap();
    assert_eq!(sweep.len(), 2 * 3 * 4);
    let same = |r: &&Value| r["phase"] == "prefill" && r["batch"] == 4 && r["length"] == 512;
    let row = sweep.iter().find(same).unwrap();
    let phases = a["phases"].as_array().unwrap();
    assert_eq!(row["time_s"], phases[0]["time_s"]);
    assert_eq!(row["tokens_per_s"], phases[0]["tokens_per_s"]);
}

#[test]
fn tiles_and_beats_are_padded_and_batches_named() {
    let one = preset("llama-2-7b", &[]);
    let o = operator(&one, "decode", "o_proj");
    // One token fills a sixteenth of a tile.
    assert_eq!(
        o["padded_flops"].as_u64().unwrap(),
        16 * o["flops"].as_u64().unwrap()
    );
    let from = o["compute_bound_from_batch"].as_u64().unwrap();
    for (batch, bound) in [(from - 1, "memory"), (from, "compute")] {
        let a = preset("llama-2-7b", &["--batch", &batch.to_string()]);
        assert_eq!(operator(&a, "decode", "o_proj")["bound"], bound, "{batch}");
    }
    assert!(operator(&one, "decode", "attn_scores")["compute_bound_from_batch"].is_null());

    // A board streams whole beats and leaves what is not ternary to the host.
    let board = preset("bitnet-2b-4t", &["--device", "u55c", "--bits", "1.6"]);
    let down = operator(&board, "decode", "down_proj");
    let beats = 2560 * 6912u64.div_ceil(320);
    let moved = down["bytes"].as_u64().unwrap() - 2560 * 1383 + 64 * beats;
    assert_eq!(down["moved_bytes"], moved);
    assert_eq!(down["padded_flops"], 2 * beats * 320);
    let head = operator(&board, "decode", "lm_head");
    assert_eq!(
        (&head["bound"], &head["time_s"]),
        (&value!("host"), &Value::Null)
    );
    let dense = preset("llama-2-7b", &["--device", "u55c"]);
    assert_eq!(operator(&dense, "decode", "o_proj")["bound"], "host");
}

#[test]
fn the_text_has_its_sections_and_the_file_its_schema() {
    let dir = tempfile::tempdir().unwrap();
    let text = ok(
        dir.path(),
        &[
            "analyze",
            "--preset",
            "bytetransformer-155m",
            "--out",
            "analysis.json",
        ],
    );
    for part in [
        "## Parameters (exact)",
        "unclassified",
        "592.64 MiB",
        "## Prefill: 1 x 512 tokens",
        "## Decode: 1 x 1 token",
        "## What changes from prefill to decode",
        "times projected",
        "assumed: three quarters of the peak",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let file = fs::read_to_string(dir.path().join("analysis.json")).unwrap();
    assert!(file.starts_with("{\n  \"schema\": \"tercet.analysis\",\n  \"version\": 1"));
    let again = [
        "analyze",
        "--preset",
        "mistral-7b",
        "--out",
        "analysis.json",
    ];
    assert!(refused(dir.path(), &again).contains("--force"));
}

#[test]
fn devices_are_compared() {
    let dir = tempfile::tempdir().unwrap();
    let text = ok(
        dir.path(),
        &["analyze", "--preset", "bitnet-2b-4t", "--device", "all"],
    );
    for part in [
        "## Devices",
        "cpu",
        "h100",
        "u55c",
        "ternary linears; 16 of 32 units fit",
        "modelled",
        "projected",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    // A device of one's own.
    let mine = include_str!("../../devices/a100.toml").replace("value = 1500.0", "value = 1800.0");
    fs::write(dir.path().join("mine.toml"), mine).unwrap();
    let a = preset_in(dir.path(), "mistral-7b", "./mine.toml");
    assert_eq!(a["devices"][0]["name"], "a100");
    shows(&a["devices"][0]["sustained_ridge"], 1.0, 2, "173.33");
}

fn preset_in(dir: &Path, name: &str, device: &str) -> Value {
    json(
        dir,
        &["analyze", "--preset", name, "--device", device, "--json"],
    )
}

#[test]
fn a_profile_gives_measured_memory_and_rates() {
    let dir = tempfile::tempdir().unwrap();
    ok(
        dir.path(),
        &[
            "profile",
            "--rounds",
            "1",
            "--max-tokens",
            "4",
            "--out",
            "p.json",
        ],
    );
    let a = json(
        dir.path(),
        &[
            "analyze",
            "--profile",
            "p.json",
            "--device",
            "cpu",
            "--json",
        ],
    );
    let rows = a["comparison"].as_array().unwrap();
    let memory = rows
        .iter()
        .find(|r| r["what"] == "resident memory after loading");
    assert!(!cfg!(target_os = "linux") || memory.unwrap()["measured"].as_u64().unwrap() > 0);
    let figures = a["devices"][0]["figures"].as_array().unwrap();
    let rate = figures
        .iter()
        .find(|f| f["key"] == "memory.sustained_gb_s")
        .unwrap();
    assert_eq!(rate["basis"], "measured");
    assert_eq!(a["devices"][0]["times_tier"], "modelled");
}
