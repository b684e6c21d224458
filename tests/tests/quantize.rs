//! Quantising master weights gives the packed checkpoint of the same weights.

mod common;

use std::fs;
use std::path::Path;

use common::{fixture, model};
use safetensors::{Dtype, SafeTensors};
use tercet::checkpoint::Source;
use tercet::evaluate;
use tercet::executor::CpuExecutor;
use tercet::model::Model;
use tercet::quantize::{quantize, QuantizeError, QuantizeOptions, QuantizeReport};

fn run(
    source: &Path,
    out: &Path,
    options: &QuantizeOptions,
) -> Result<QuantizeReport, QuantizeError> {
    quantize(
        &Source::Folder(source.into()),
        out,
        options,
        &mut |_, _, _| {},
    )
}

const FORCE: QuantizeOptions = QuantizeOptions {
    force: true,
    unit_sub_norms: false,
};

/// A copy of b-online, to be spoiled or converted.
fn copy_of_online(folder: &Path) {
    for file in ["config.json", "model.safetensors"] {
        fs::copy(fixture("b-online").join(file), folder.join(file)).unwrap();
    }
}

/// Rewrites the weights of a folder; `edit` may change, rename (through the name) or drop (none) each.
fn edit_tensors(folder: &Path, mut edit: impl FnMut(&str, &[f32]) -> Option<(Dtype, Vec<u8>)>) {
    let path = folder.join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut kept = Vec::new();
    for (name, tensor) in file.iter() {
        let values: Vec<f32> = tensor
            .data()
            .chunks_exact(2)
            .map(|b| half::bf16::from_le_bytes([b[0], b[1]]).to_f32())
            .collect();
        if let Some((dtype, data)) = edit(name, &values) {
            kept.push((name.to_string(), dtype, tensor.shape().to_vec(), data));
        }
    }
    let views = kept.iter().map(|(name, dtype, shape, data)| {
        let view = safetensors::tensor::TensorView::new(*dtype, shape.clone(), data).unwrap();
        (name.as_str(), view)
    });
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// What becomes of a tensor, given its name and values.
type Edit<'a> = &'a dyn Fn(&str, &[f32]) -> Option<(Dtype, Vec<u8>)>;

fn as_f32(values: &[f32]) -> Option<(Dtype, Vec<u8>)> {
    Some((
        Dtype::F32,
        values.iter().flat_map(|v| v.to_le_bytes()).collect(),
    ))
}

fn as_f16(values: &[f32]) -> Option<(Dtype, Vec<u8>)> {
    let bytes = values
        .iter()
        .flat_map(|v| half::f16::from_f32(*v).to_le_bytes());
    Some((Dtype::F16, bytes.collect()))
}

#[test]
fn a_master_becomes_the_packed_fixture() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("packed");
    let report = run(&fixture("b-online"), &out, &QuantizeOptions::default()).unwrap();

    let (got, want) = (
        fs::read(out.join("model.safetensors")).unwrap(),
        fs::read(fixture("a-packed").join("model.safetensors")).unwrap(),
    );
    let (got, want) = (
        SafeTensors::deserialize(&got).unwrap(),
        SafeTensors::deserialize(&want).unwrap(),
    );
    let names = |f: &SafeTensors| {
        let mut names: Vec<String> = f.names().into_iter().map(|n| n.to_string()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&got), names(&want));
    for (name, tensor) in want.iter() {
        assert_eq!(got.tensor(name).unwrap(), tensor, "{name}");
    }

    assert_eq!(report.layers.len(), 14);
    for layer in &report.layers {
        let total: f64 = layer.shares.iter().sum();
        assert!((total - 1.0).abs() < 1e-12);
        assert_eq!(layer.counts.total(), (layer.n * layer.k) as u64);
        // Normal weights: the absmean rule leaves about half of the norm.
        assert!(
            (0.4..0.6).contains(&layer.relative_error),
            "{}: {}",
            layer.id,
            layer.relative_error
        );
        assert!((1.4..1.585).contains(&layer.entropy_bits));
    }
    assert!(report.output_bytes < report.input_bytes);

    let ids = [0, 5, 9];
    let mut executor = CpuExecutor::new(1).unwrap();
    let logits = |model: &Model, executor: &mut CpuExecutor| {
        evaluate::logits(model, executor, &ids).unwrap()
    };
    let quantised = Model::load(&Source::Folder(out)).unwrap();
    assert_eq!(
        logits(&quantised, &mut executor),
        logits(&model("a-packed"), &mut executor)
    );
}

#[test]
fn f32_and_f16_masters_give_the_same_trits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let plain = path.join("bf16");
    run(&fixture("b-online"), &plain, &FORCE).unwrap();
    copy_of_online(path);
    edit_tensors(path, |_, values| as_f32(values));
    run(path, &path.join("f32"), &FORCE).unwrap();
    let weights = |folder: &Path| fs::read(folder.join("model.safetensors")).unwrap();
    assert_eq!(weights(&path.join("f32")), weights(&plain));
    // bf16 values below 2^-14 lose bits in f16, so only the loading is checked.
    copy_of_online(path);
    edit_tensors(path, |_, values| as_f16(values));
    run(path, &path.join("f16"), &FORCE).unwrap();
    Model::load(&Source::Folder(path.join("f16"))).unwrap();
}

#[test]
fn a_llama_needs_unit_sub_norms() {
    let folder = tempfile::tempdir().unwrap();
    let (path, out) = (folder.path(), folder.path().join("out"));
    copy_of_online(path);
    let config = fs::read_to_string(path.join("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    config["model_type"] = "llama".into();
    config["hidden_act"] = "silu".into();
    config
        .as_object_mut()
        .unwrap()
        .remove("quantization_config");
    fs::write(path.join("config.json"), config.to_string()).unwrap();
    edit_tensors(path, |name, values| match name.contains("sub_norm") {
        true => None,
        false => as_f32(values),
    });
    let refused = run(path, &out, &QuantizeOptions::default())
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("model.layers.0.self_attn.attn_sub_norm.weight"),
        "{refused}"
    );
    assert!(!out.exists());
    let options = QuantizeOptions {
        unit_sub_norms: true,
        ..Default::default()
    };
    run(path, &out, &options).unwrap();
    let model = Model::load(&Source::Folder(out)).unwrap();
    let mut executor = CpuExecutor::new(1).unwrap();
    let logits = evaluate::logits(&model, &mut executor, &[1, 2, 3]).unwrap();
    assert!(logits.iter().all(|l| l.is_finite()));
}

#[test]
fn bad_masters_are_refused_by_name_and_leave_nothing() {
    let name = "model.layers.1.mlp.up_proj.weight";
    let refusal = |spoil: Edit| {
        let folder = tempfile::tempdir().unwrap();
        copy_of_online(folder.path());
        edit_tensors(folder.path(), spoil);
        let error = run(folder.path(), &folder.path().join("out"), &FORCE).unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "{error}");
        error.to_string()
    };
    for bad in [f32::NAN, f32::INFINITY] {
        let message = refusal(&|n, values| {
            let mut values = values.to_vec();
            if n == name {
                values[77] = bad;
            }
            as_f32(&values)
        });
        assert!(
            message.contains(name) && message.contains("77"),
            "{message}"
        );
    }
    let message = refusal(&|n, values| (n != name).then(|| as_f32(values).unwrap()));
    assert!(
        message.contains(name) && message.contains("not found"),
        "{message}"
    );
    let message = refusal(&|n, values| match n == name {
        true => Some((Dtype::I32, vec![0; values.len() * 4])),
        false => as_f32(values),
    });
    assert!(
        message.contains(name) && message.contains("I32"),
        "{message}"
    );
}

#[test]
fn unknown_tensors_and_ternary_inputs_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let refused = run(&fixture("a-packed"), &out, &FORCE)
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("quantization_mode") && refused.contains("ternary already"),
        "{refused}"
    );

    copy_of_online(folder.path());
    let config = fs::read_to_string(folder.path().join("config.json")).unwrap();
    let fewer = config.replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1");
    fs::write(folder.path().join("config.json"), fewer).unwrap();
    let refused = run(folder.path(), &out, &FORCE).unwrap_err().to_string();
    assert!(refused.contains("model.layers.1."), "{refused}");
}

#[test]
fn existing_folders_are_not_overwritten_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("letter.txt"), "dear").unwrap();
    let error = run(&fixture("b-online"), &out, &QuantizeOptions::default()).unwrap_err();
    assert!(matches!(error, QuantizeError::Exists { .. }));
    // Even by force, only a checkpoint is replaced.
    let error = run(&fixture("b-online"), &out, &FORCE).unwrap_err();
    assert!(matches!(error, QuantizeError::NotReplaceable { .. }));
    assert!(out.join("letter.txt").exists());
    fs::write(out.join("config.json"), "{}").unwrap();
    run(&fixture("b-online"), &out, &FORCE).unwrap();
    assert!(!out.join("letter.txt").exists());
    let error = run(&fixture("b-online"), &fixture("b-online"), &FORCE).unwrap_err();
    assert!(matches!(error, QuantizeError::NotReplaceable { .. }));
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = run(
        &fixture("b-online"),
        &file.join("out"),
        &QuantizeOptions::default(),
    );
    let message = error.unwrap_err().to_string();
    assert!(message.contains("file/out"), "{message}");
    assert!(!message.contains(".tercet-"), "{message}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
