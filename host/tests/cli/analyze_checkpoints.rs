//! `tercet analyze` on checkpoints by their headers, and on sizes that cannot be.

use std::fs;
use std::path::Path;

use serde_json::{json as value, Value};

use crate::support::{checkpoint, edit_header, end, json, ok, refused};

#[test]
fn checkpoints_are_compared_with_their_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let a = json(dir.path(), &["analyze", "--json"]);
    let p = &a["parameters"];
    let rows = a["comparison"].as_array().unwrap();
    let total = rows.iter().find(|r| r["what"] == "total").unwrap();
    assert_eq!(total["theory"], p["total"]);
    assert_eq!(total["checkpoint"], p["total"]);
    assert_eq!(p["weight_scales"], 42);
    let stored = rows
        .iter()
        .find(|r| r["what"] == "weights as stored")
        .unwrap();
    assert!(
        stored["why"].as_str().unwrap().contains("weight scales"),
        "{stored}"
    );

    // A tensor that nobody knows is kept, and named.
    let copy = checkpoint(dir.path());
    edit_header(&copy, |h| {
        let tensor = h
            .as_object_mut()
            .unwrap()
            .remove("model.norm.weight")
            .unwrap();
        h["adapter.3.x"] = tensor;
    });
    let a = json(dir.path(), &["analyze", "--model", "checkpoint", "--json"]);
    assert_eq!(a["parameters"]["by_type"]["unclassified"], 256);
    let text = ok(dir.path(), &["analyze", "--model", "checkpoint"]);
    assert!(
        text.contains("adapter.*.x: 1 stored with 256 parameters"),
        "{text}"
    );
    assert!(
        text.contains("norm.weight: 1 of [256] by the configuration, none stored"),
        "{text}"
    );
}

/// Shards of the 70B shape with true headers and nothing but holes behind them.
fn sparse_70b(folder: &Path) {
    fs::create_dir(folder).unwrap();
    let config = value!({"model_type": "llama", "hidden_size": 8192, "vocab_size": 32000, "num_hidden_layers": 80,
        "intermediate_size": 28672, "num_attention_heads": 64, "num_key_value_heads": 8,
        "max_position_embeddings": 4096});
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let mut tensors = vec![
        ("model.embed_tokens.weight".to_string(), vec![32000, 8192]),
        ("model.norm.weight".to_string(), vec![8192]),
        ("lm_head.weight".to_string(), vec![32000, 8192]),
    ];
    for layer in 0..80 {
        for (name, shape) in [
            ("self_attn.q_proj", vec![8192, 8192]),
            ("self_attn.k_proj", vec![1024, 8192]),
            ("self_attn.v_proj", vec![1024, 8192]),
            ("self_attn.o_proj", vec![8192, 8192]),
            ("mlp.gate_proj", vec![28672, 8192]),
            ("mlp.up_proj", vec![28672, 8192]),
            ("mlp.down_proj", vec![8192, 28672]),
            ("input_layernorm", vec![8192]),
            ("post_attention_layernorm", vec![8192]),
        ] {
            tensors.push((format!("model.layers.{layer}.{name}.weight"), shape));
        }
    }
    let mut map = serde_json::Map::new();
    let shards: Vec<_> = tensors.chunks(50).collect();
    for (i, shard) in shards.iter().enumerate() {
        let file = format!("model-{:05}-of-{:05}.safetensors", i + 1, shards.len());
        let mut header = serde_json::Map::new();
        let mut end = 0u64;
        for (name, shape) in *shard {
            let bytes = 2 * shape.iter().product::<u64>();
            let info =
                value!({"dtype": "BF16", "shape": shape, "data_offsets": [end, end + bytes]});
            header.insert(name.clone(), info);
            map.insert(name.clone(), value!(file));
            end += bytes;
        }
        let header = Value::Object(header).to_string();
        let mut start = (header.len() as u64).to_le_bytes().to_vec();
        start.extend(header.bytes());
        let path = folder.join(&file);
        fs::write(&path, &start).unwrap();
        let hole = fs::OpenOptions::new().write(true).open(&path).unwrap();
        hole.set_len(start.len() as u64 + end).unwrap();
    }
    let index = value!({"metadata": {}, "weight_map": map});
    fs::write(
        folder.join("model.safetensors.index.json"),
        index.to_string(),
    )
    .unwrap();
}

#[test]
fn a_sharded_checkpoint_of_70b_is_read_by_its_headers() {
    let dir = tempfile::tempdir().unwrap();
    sparse_70b(&dir.path().join("m"));
    let a = json(dir.path(), &["analyze", "--model", "m", "--json"]);
    assert_eq!(a["parameters"]["total"], 68_976_648_192u64);
    let rows = a["comparison"].as_array().unwrap();
    assert!(
        rows.iter()
            .all(|r| r["why"] == "" && r["theory"] == r["checkpoint"]),
        "{rows:?}"
    );
    assert_eq!(a["parameters"]["blocks"].as_array().unwrap().len(), 1);

    // A configuration of another shape: every difference is named.
    let path = dir.path().join("m/config.json");
    let config = fs::read_to_string(&path).unwrap();
    fs::write(&path, config.replace("28672", "28673")).unwrap();
    let a = json(dir.path(), &["analyze", "--model", "m", "--json"]);
    let rows = a["comparison"].as_array().unwrap();
    let mlp = rows.iter().find(|r| r["what"] == "mlp").unwrap()["why"]
        .as_str()
        .unwrap();
    assert!(mlp.contains("up_proj.weight: 80 of [28673, 8192]"), "{mlp}");
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let good = value!({"model_type": "llama", "hidden_size": 64, "vocab_size": 100, "num_hidden_layers": 2,
        "intermediate_size": 128, "num_attention_heads": 4, "num_key_value_heads": 2});
    let with = |field: &str, v: Value| {
        let mut config = good.clone();
        config[field] = v;
        fs::write(dir.path().join("c.json"), config.to_string()).unwrap();
        refused(dir.path(), &["analyze", "--config", "c.json"])
    };
    for (field, v) in [
        ("vocab_size", value!(0)),
        ("num_attention_heads", value!(7)),
        ("num_key_value_heads", value!(3)),
        ("num_hidden_layers", value!(u64::MAX)),
        ("hidden_size", value!(u64::MAX)),
        ("intermediate_size", value!(1e30)),
        ("head_dim", value!(-8)),
        ("hidden_size", value!("64")),
        ("num_local_experts", value!(8)),
    ] {
        let e = with(field, v);
        assert!(e.contains("c.json") && e.contains(field), "{e}");
    }
    // Each size within its limit, their products beyond 64 bits.
    let wide = value!({"model_type": "llama", "hidden_size": 67_108_864, "vocab_size": 4_294_967_295u64,
        "num_hidden_layers": 10_000, "intermediate_size": 67_108_864, "num_attention_heads": 1_048_576,
        "num_key_value_heads": 1_048_576, "head_dim": 1_048_576});
    fs::write(dir.path().join("c.json"), wide.to_string()).unwrap();
    let e = refused(dir.path(), &["analyze", "--config", "c.json"]);
    assert!(e.contains("more than 2^64"), "{e}");

    fs::write(dir.path().join("c.json"), good.to_string()).unwrap();
    for (option, v, said) in [
        ("--batch", "0", "1 to 1048576"),
        ("--batch", "18446744073709551615", "1 to 1048576"),
        ("--prompt", "99999999999", "1 to 67108864"),
        ("--generate", "0", "1 to 67108864"),
        ("--tp", "3", "a divisor of 4 query heads"),
        ("--tp", "0", "a divisor"),
        ("--device", "a101", "a100"),
        ("--device", "none.toml", "none.toml"),
    ] {
        let e = refused(dir.path(), &["analyze", "--config", "c.json", option, v]);
        assert!(e.contains(said), "{e}");
    }
    assert!(refused(dir.path(), &["analyze", "--preset", "gpt-5"]).contains("mistral-7b"));
    assert!(refused(dir.path(), &["analyze", "--config", "none.json"]).contains("none.json"));
    let bits = end(dir.path(), &["analyze", "--bits", "3"]);
    assert_eq!(bits.code, 2, "{}", bits.stderr);
}

#[test]
fn headers_that_lie_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let copy = checkpoint(dir.path());
    let said = || refused(dir.path(), &["analyze", "--model", "checkpoint"]);
    let path = copy.join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let name = "model.layers.0.self_attn.q_proj.weight";
    for shape in [
        value!([1 << 20, 1 << 20]),
        value!([1u64 << 40, 1u64 << 40]),
        value!([64, 255]),
    ] {
        edit_header(&copy, |h| h[name]["shape"] = shape);
        assert!(said().contains(name), "{}", said());
        fs::write(&path, &bytes).unwrap();
    }
    let mut long = bytes.clone();
    long[..8].copy_from_slice(&(1u64 << 50).to_le_bytes());
    fs::write(&path, long).unwrap();
    assert!(said().contains("header"));
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert!(said().contains("bytes of tensors"));
}
