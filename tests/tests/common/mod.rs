//! Reference vectors: checkpoints of `tests/fixtures` with the answers of Hugging Face transformers.

// Every test binary compiles this module and uses a part of it.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use tercet::checkpoint::Source;
use tercet::model::Model;

/// Folder of one fixture.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

/// Folder of the expectations of the embedded model.
pub fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tiny-bitnet/packed")
}

/// The model of one fixture.
pub fn model(name: &str) -> Model {
    Model::load(&Source::Folder(fixture(name))).unwrap()
}

/// Expected tensors of a file.
pub struct Expected(Vec<u8>);

impl Expected {
    /// Reads a safetensors file.
    pub fn read(path: &Path) -> Self {
        Expected(std::fs::read(path).unwrap())
    }

    /// A float tensor, widened to f32.
    pub fn floats(&self, name: &str) -> Vec<f32> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).unwrap();
        match tensor.dtype() {
            Dtype::F32 => chunks(tensor.data()).map(f32::from_le_bytes).collect(),
            Dtype::BF16 => chunks(tensor.data())
                .map(|b| half::bf16::from_le_bytes(b).to_f32())
                .collect(),
            other => panic!("{name} is {other:?}"),
        }
    }

    /// An int8 tensor.
    pub fn codes(&self, name: &str) -> Vec<i8> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).unwrap();
        assert_eq!(tensor.dtype(), Dtype::I8);
        tensor.data().iter().map(|&b| b as i8).collect()
    }

    /// A u8 tensor.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        file.tensor(name).unwrap().data().to_vec()
    }

    /// An int64 tensor of token ids or positions.
    pub fn ids(&self, name: &str) -> Vec<u32> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).unwrap();
        assert_eq!(tensor.dtype(), Dtype::I64);
        chunks(tensor.data())
            .map(|b| i64::from_le_bytes(b) as u32)
            .collect()
    }
}

fn chunks<const N: usize>(data: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    data.chunks_exact(N).map(|b| b.try_into().unwrap())
}

/// A list of token ids in an `expected.json`.
pub fn json_ids(folder: &Path, pointer: &str) -> Vec<u32> {
    let json = std::fs::read(folder.join("expected.json")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let ids = json.pointer(pointer).unwrap().as_array().unwrap();
    ids.iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

/// Largest difference of two vectors of the same length.
pub fn max_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, |m, d| if d > m || d.is_nan() { d } else { m })
}
