//! Broken checkpoints: one error that names file, tensor, what was found and what was expected. No panic.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::fixture;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{json, Value};
use tercet::checkpoint::Source;
use tercet::evaluate;
use tercet::executor::CpuExecutor;
use tercet::model::{ForwardError, Model};
use tercet::tokenizer::Tokenizer;

const WEIGHTS: &str = "model.safetensors";
const UP: &str = "model.layers.1.mlp.up_proj.weight";
const UP_SCALE: &str = "model.layers.1.mlp.up_proj.weight_scale";

/// A copy of a fixture, to be spoiled.
struct Spoiled(tempfile::TempDir);

impl Spoiled {
    fn of(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(fixture(name)).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
        Spoiled(folder)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn source(&self) -> Source {
        Source::Folder(self.0.path().into())
    }

    /// The error of loading, which must contain all of `parts`.
    fn refused(&self, parts: &[&str]) {
        let error = Model::load(&self.source())
            .err()
            .expect("a refusal")
            .to_string();
        for part in parts {
            assert!(error.contains(part), "`{error}` does not say `{part}`");
        }
    }

    fn edit_config(&self, edit: impl FnOnce(&mut Value)) {
        edit_json(&self.path("config.json"), edit);
    }

    /// Rewrites one tensor.
    fn edit_tensor(&self, name: &str, edit: impl Fn(&mut Dtype, &mut Vec<usize>, &mut Vec<u8>)) {
        let bytes = fs::read(self.path(WEIGHTS)).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let mut tensors: Vec<_> = file
            .iter()
            .map(|(n, t)| {
                (
                    n.to_string(),
                    t.dtype(),
                    t.shape().to_vec(),
                    t.data().to_vec(),
                )
            })
            .collect();
        let tensor = tensors.iter_mut().find(|t| t.0 == name).unwrap();
        edit(&mut tensor.1, &mut tensor.2, &mut tensor.3);
        let views = tensors
            .iter()
            .map(|t| (&t.0, TensorView::new(t.1, t.2.clone(), &t.3).unwrap()));
        fs::write(
            self.path(WEIGHTS),
            safetensors::serialize(views, None).unwrap(),
        )
        .unwrap();
    }

    /// Rewrites the header and keeps the data.
    fn edit_header(&self, edit: impl FnOnce(&mut Value)) {
        let bytes = fs::read(self.path(WEIGHTS)).unwrap();
        let end = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let mut header: Value = serde_json::from_slice(&bytes[8..end]).unwrap();
        edit(&mut header);
        let header = header.to_string();
        let mut out = (header.len() as u64).to_le_bytes().to_vec();
        out.extend(header.as_bytes());
        out.extend(&bytes[end..]);
        fs::write(self.path(WEIGHTS), out).unwrap();
    }
}

fn edit_json(path: &Path, edit: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    edit(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

#[test]
fn weight_files_that_are_none() {
    for (content, found) in [
        (&b""[..], "an empty file"),
        (b"1234567", "7 bytes"),
        (
            b"\xff\xff\xff\xff\xff\xff\xff\xff{}",
            "18446744073709551615",
        ),
        (b"\x00\x00\x00\x00\x00\x00\x00\x00", "EOF"),
        (b"\x04\x00\x00\x00\x00\x00\x00\x00what", "expected"),
    ] {
        let copy = Spoiled::of("a-packed");
        fs::write(copy.path(WEIGHTS), content).unwrap();
        copy.refused(&[WEIGHTS, found]);
    }
}

#[test]
fn truncation_at_every_kind_of_place() {
    let copy = Spoiled::of("a-packed");
    let whole = fs::read(copy.path(WEIGHTS)).unwrap();
    for length in [1, 8, 9, 100, 2000, whole.len() / 2, whole.len() - 1] {
        fs::write(copy.path(WEIGHTS), &whole[..length]).unwrap();
        copy.refused(&[WEIGHTS]);
    }
    let mut longer = whole.clone();
    longer.push(0);
    fs::write(copy.path(WEIGHTS), longer).unwrap();
    copy.refused(&[WEIGHTS, "as the header says"]);
}

#[test]
fn every_byte_of_a_header_may_be_wrong() {
    let copy = Spoiled::of("a-packed");
    let whole = fs::read(copy.path(WEIGHTS)).unwrap();
    let end = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for at in (0..end).step_by(3) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 7);
        fs::write(copy.path(WEIGHTS), bytes).unwrap();
        // Refused, or a change that does not matter: never a panic.
        let _ = Model::load(&copy.source());
    }
}

#[test]
fn headers_that_lie() {
    let offsets = |from: u64, to: u64| {
        let copy = Spoiled::of("a-packed");
        copy.edit_header(|h| h[UP]["data_offsets"] = json!([from, to]));
        copy
    };
    offsets(0, 1536).refused(&[WEIGHTS, "gap or overlap"]);
    offsets(5, 3).refused(&[WEIGHTS]);
    offsets(u64::MAX - 3, u64::MAX).refused(&[WEIGHTS]);

    let copy = Spoiled::of("a-packed");
    copy.edit_header(|h| h[UP]["shape"] = json!([1u64 << 62, 1u64 << 62]));
    copy.refused(&[WEIGHTS, UP, "2^61"]);
    let copy = Spoiled::of("a-packed");
    copy.edit_header(|h| h[UP]["dtype"] = json!("Q4"));
    copy.refused(&[WEIGHTS, UP, "dtype"]);
    // A last tensor as long as the address space: sizes must not wrap around.
    let copy = Spoiled::of("a-packed");
    copy.edit_header(|h| {
        let end = h
            .as_object()
            .unwrap()
            .values()
            .filter_map(|t| t["data_offsets"][1].as_u64());
        let end = end.max().unwrap();
        h["zz"] =
            json!({"dtype": "U8", "shape": [u64::MAX - end], "data_offsets": [end, u64::MAX]});
    });
    copy.refused(&[WEIGHTS, "zz", "2^61"]);
}

#[test]
fn tensors_that_are_missing_or_of_another_kind() {
    let copy = Spoiled::of("a-packed");
    copy.edit_header(|h| {
        let up = h.as_object_mut().unwrap().remove(UP).unwrap();
        h["another"] = up;
    });
    copy.refused(&[WEIGHTS, UP, "not found", "[24, 64]"]);

    let copy = Spoiled::of("a-packed");
    copy.edit_tensor(UP, |_, shape, _| shape.reverse());
    copy.refused(&[WEIGHTS, UP, "[64, 24]", "[96 / 4, 64]"]);
    let copy = Spoiled::of("a-packed");
    copy.edit_tensor(UP, |dtype, _, _| *dtype = Dtype::I8);
    copy.refused(&[WEIGHTS, UP, "I8", "BF16, F16 or F32"]);
    let copy = Spoiled::of("a-packed");
    copy.edit_tensor("model.norm.weight", |_, shape, _| *shape = vec![8, 8]);
    copy.refused(&["model.norm.weight", "[8, 8]", "[64]"]);
}

#[test]
fn values_that_are_no_weights() {
    for scale in [f32::NAN, f32::INFINITY, 0.0, -1.0] {
        let copy = Spoiled::of("a-packed");
        copy.edit_tensor(UP_SCALE, |_, _, data| {
            *data = half::bf16::from_f32(scale).to_le_bytes().to_vec();
        });
        copy.refused(&[WEIGHTS, UP_SCALE, "scale"]);
    }
    let copy = Spoiled::of("a-packed");
    copy.edit_tensor(UP, |_, _, data| data[64 * 3 + 7] = 0b10_11_00_01);
    // Bits 5:4 of byte row 3 are row 2 * 24 + 3.
    copy.refused(&[WEIGHTS, UP, "code 3 at row 51, column 7"]);
    let copy = Spoiled::of("f-unpacked");
    copy.edit_tensor(UP, |_, _, data| {
        data[..2].copy_from_slice(&half::bf16::from_f32(0.5).to_le_bytes())
    });
    copy.refused(&[WEIGHTS, UP, "0.5 at row 0, column 0"]);
    let copy = Spoiled::of("b-online");
    copy.edit_tensor(UP, |_, _, data| {
        data[..2].copy_from_slice(&half::bf16::NAN.to_le_bytes())
    });
    copy.refused(&[WEIGHTS, UP, "NaN or infinity at element 0"]);
    let copy = Spoiled::of("a-packed");
    copy.edit_tensor("model.embed_tokens.weight", |_, _, data| {
        data[2..4].copy_from_slice(&[0x80, 0x7f])
    });
    copy.refused(&["model.embed_tokens.weight", "NaN or infinity at element 1"]);
}

#[test]
fn configurations_that_do_not_fit() {
    for (field, value, said) in [
        ("num_attention_heads", json!(0), "at least 1"),
        (
            "num_attention_heads",
            json!(5),
            "a divisor of hidden_size = 64",
        ),
        (
            "num_key_value_heads",
            json!(3),
            "a divisor of num_attention_heads = 4",
        ),
        ("head_dim", json!(8), "= 16"),
        ("head_dim", json!(15), "even"),
        ("head_dim", json!(u64::MAX - 1), "= 16"),
        ("vocab_size", json!(0), "at least 1"),
        ("vocab_size", json!(-4), "whole number"),
        ("vocab_size", json!(1e30), "whole number"),
        ("hidden_size", json!(u64::MAX / 4 * 4), "expected"),
        ("hidden_size", json!("64"), "whole number"),
        ("intermediate_size", json!(u64::MAX), "int32"),
        ("rms_norm_eps", json!(0), "positive"),
        ("rope_theta", json!(1e300), "f32 range"),
        ("hidden_act", json!("gelu"), "relu2 or silu"),
        ("attention_bias", json!(true), "`attention_bias`"),
        ("mlp_bias", json!(true), "`mlp_bias`"),
        ("model_type", json!("gpt2"), "bitnet or llama"),
        ("bos_token_id", json!(1 << 20), "less than vocab_size = 256"),
        (
            "eos_token_id",
            json!([1, 256]),
            "less than vocab_size = 256",
        ),
        ("eos_token_id", json!("two"), "token id"),
        ("rope_scaling", json!({"rope_type": "yarn"}), "default"),
        ("quantization_config", Value::Null, "tercet quantize"),
        (
            "quantization_config",
            json!({"linear_class": "other"}),
            "autobitlinear or bitlinear",
        ),
        (
            "quantization_config",
            json!({"quant_method": "gptq"}),
            "bitnet",
        ),
        (
            "quantization_config",
            json!({"modules_to_not_convert": []}),
            "lm_head",
        ),
        ("quantization_config", json!([]), "an object"),
    ] {
        let copy = Spoiled::of("a-packed");
        copy.edit_config(|c| c[field] = value);
        copy.refused(&["config.json", field.split('_').next().unwrap(), said]);
    }
    for (blocks, said) in [(3u64, "model.layers.2."), (u64::MAX, "model.layers.2.")] {
        let copy = Spoiled::of("a-packed");
        copy.edit_config(|c| c["num_hidden_layers"] = json!(blocks));
        copy.refused(&[said, "not found"]);
    }
    for text in ["", "[]", "{", "nonsense"] {
        let copy = Spoiled::of("a-packed");
        fs::write(copy.path("config.json"), text).unwrap();
        copy.refused(&["config.json", "expected a JSON object"]);
    }
}

#[test]
fn files_that_are_missing() {
    let nowhere = Source::Folder("/nonexistent/model".into());
    let error = Model::load(&nowhere).err().unwrap().to_string();
    assert!(error.contains("/nonexistent/model/config.json"), "{error}");
    let copy = Spoiled::of("a-packed");
    fs::remove_file(copy.path(WEIGHTS)).unwrap();
    copy.refused(&["neither model.safetensors nor"]);
    let error = Tokenizer::load(&copy.source()).err().unwrap().to_string();
    assert!(error.contains("tokenizer.json"), "{error}");
    fs::write(copy.path("tokenizer.json"), "{}").unwrap();
    let error = Tokenizer::load(&copy.source()).err().unwrap().to_string();
    assert!(
        error.contains("tokenizer.json") && error.contains("expected"),
        "{error}"
    );
}

#[test]
fn shards_that_do_not_fit_their_index() {
    let index = "model.safetensors.index.json";
    let norm = "model.norm.weight";
    for (file, said) in [
        ("../model.safetensors", "a file name in the same folder"),
        ("", "a file name in the same folder"),
        (
            "model-00009-of-00003.safetensors",
            "model-00009-of-00003.safetensors",
        ),
        ("model-00001-of-00003.safetensors", "not found"),
    ] {
        let copy = Spoiled::of("d-sharded");
        edit_json(&copy.path(index), |i| i["weight_map"][norm] = json!(file));
        copy.refused(&[said]);
    }
    let copy = Spoiled::of("d-sharded");
    edit_json(&copy.path(index), |i| {
        i["weight_map"].as_object_mut().unwrap().remove(norm);
    });
    copy.refused(&[index, norm, "not found"]);
    let copy = Spoiled::of("d-sharded");
    fs::write(copy.path(index), "{\"weight_map\": 3}").unwrap();
    copy.refused(&[index, "weight_map"]);
}

#[test]
fn tokens_out_of_range_and_too_many() {
    let model = Model::load(&Source::Folder(fixture("a-packed"))).unwrap();
    let mut executor = CpuExecutor::new(1).unwrap();
    let error = evaluate::logits(&model, &mut executor, &[1, 256]).unwrap_err();
    assert!(matches!(
        error,
        ForwardError::Token {
            index: 1,
            id: 256,
            vocab: 256
        }
    ));
    let error = evaluate::logits(&model, &mut executor, &[1; 129]).unwrap_err();
    assert!(matches!(
        error,
        ForwardError::ContextFull {
            tokens: 129,
            max: 128,
            ..
        }
    ));
    assert!(evaluate::logits(&model, &mut executor, &[])
        .unwrap()
        .is_empty());
}

#[test]
fn logits_that_cannot_be_written_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no/such/logits.safetensors");
    let error = evaluate::write_logits(&path, &[1.0, 2.0], 2)
        .unwrap_err()
        .to_string();
    assert!(error.contains("logits.safetensors"), "{error}");
    let path = folder.path().join("logits.safetensors");
    evaluate::write_logits(&path, &[1.0, 2.0, 3.0, 4.0], 2).unwrap();
    let bytes = fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let logits = file.tensor("logits").unwrap();
    assert_eq!((logits.dtype(), logits.shape()), (Dtype::F32, &[2, 2][..]));
}
