//! The tensors of the packed checkpoint, made one at a time while the file is written.

use std::borrow::Cow;
use std::collections::BTreeMap;

use half::bf16;
use safetensors::{Dtype, View};

use super::report::stored_scale;
use crate::checkpoint::files::{Tensor, TensorFiles};
use crate::checkpoint::packing::{self, ROWS_PER_BYTE};
use crate::checkpoint::weights::{check_dense, check_finite, DenseType, Master};
use crate::checkpoint::{CheckpointError, Config};
use crate::model::{LinearId, LinearKind};

/// Buffers that old Llama checkpoints store though they follow from the configuration.
const DERIVED: &str = ".rotary_emb.inv_freq";

/// Every output tensor, checked.
pub(super) struct Plan<'a> {
    linears: Vec<(LinearId, Master<'a>)>,
    others: Vec<(String, Output<'a>)>,
}

/// Where an output tensor that is no linear comes from.
enum Output<'a> {
    /// A tensor of the input, as bf16.
    Dense(Tensor<'a>, DenseType),
    /// Ones.
    UnitGain(usize),
}

impl<'a> Plan<'a> {
    /// Finds and checks every tensor; refuses any that the model class does not know.
    pub(super) fn new(
        files: &'a TensorFiles,
        config: &Config,
        unit_sub_norms: bool,
    ) -> Result<Self, CheckpointError> {
        let mut plan = Plan {
            linears: Vec::new(),
            others: Vec::new(),
        };
        let (hidden, vocab) = (config.hidden_size, config.vocab_size);
        plan.dense(files, "model.embed_tokens.weight", &[vocab, hidden])?;
        plan.dense(files, "model.norm.weight", &[hidden])?;
        if !config.tie_word_embeddings {
            plan.dense(files, "lm_head.weight", &[vocab, hidden])?;
        }
        for block in 0..config.num_hidden_layers {
            let name = |norm: &str| format!("model.layers.{block}.{norm}.weight");
            plan.dense(files, &name("input_layernorm"), &[hidden])?;
            plan.dense(files, &name("post_attention_layernorm"), &[hidden])?;
            for (norm, width) in [
                ("self_attn.attn_sub_norm", hidden),
                ("mlp.ffn_sub_norm", config.intermediate_size),
            ] {
                match files.get(&name(norm)) {
                    None if unit_sub_norms => {
                        plan.others.push((name(norm), Output::UnitGain(width)))
                    }
                    None => return Err(missing_sub_norm(files, name(norm), width)),
                    Some(_) => plan.dense(files, &name(norm), &[width])?,
                }
            }
            for kind in LinearKind::ALL {
                plan.linear(files, config, LinearId { block, kind })?;
            }
        }
        plan.refuse_unknown(files, config)?;
        Ok(plan)
    }

    fn dense(
        &mut self,
        files: &'a TensorFiles,
        name: &str,
        shape: &[usize],
    ) -> Result<(), CheckpointError> {
        let tensor = files.require(name, format!("{shape:?}"))?;
        let dtype = check_dense(&tensor, shape)?;
        check_finite(&tensor, dtype)?;
        if dtype == DenseType::F32 {
            check_bf16_range(&tensor)?;
        }
        self.others
            .push((name.to_string(), Output::Dense(tensor, dtype)));
        Ok(())
    }

    fn linear(
        &mut self,
        files: &'a TensorFiles,
        config: &Config,
        id: LinearId,
    ) -> Result<(), CheckpointError> {
        let (n, k) = config.linear_shape(id.kind);
        let tensor = files.require(&id.weight_name(), format!("[{n}, {k}]"))?;
        if !n.is_multiple_of(ROWS_PER_BYTE) {
            let expected = format!("a multiple of {ROWS_PER_BYTE} rows, to be packed");
            return Err(tensor.wrong(format!("{n} rows"), expected));
        }
        let master = Master::new(tensor, n, k)?;
        if !stored_scale(&master).is_finite() {
            let found = format!("mean |W| = {}", master.absmean.mean());
            return Err(master.tensor().wrong(found, "a mean within bf16 range"));
        }
        self.linears.push((id, master));
        Ok(())
    }

    /// A tensor left behind would change the model's function, so it is an error.
    fn refuse_unknown(&self, files: &TensorFiles, config: &Config) -> Result<(), CheckpointError> {
        let mut known: BTreeMap<&str, ()> =
            self.others.iter().map(|(n, _)| (n.as_str(), ())).collect();
        known.extend(self.linears.iter().map(|(_, m)| (m.tensor().name, ())));
        for name in files.names() {
            let tied_head = config.tie_word_embeddings && name == "lm_head.weight";
            if known.contains_key(name) || tied_head || name.ends_with(DERIVED) {
                continue;
            }
            let tensor = files.require(name, "")?;
            let found = format!("{:?} {:?}", tensor.dtype, tensor.shape);
            return Err(tensor.wrong(
                found,
                "no such tensor in a BitNet or Llama model of this size",
            ));
        }
        Ok(())
    }

    /// Every linear in the order they are computed.
    pub(super) fn linears(&self) -> impl Iterator<Item = (LinearId, &Master<'a>)> {
        self.linears.iter().map(|(id, master)| (*id, master))
    }

    /// Bytes of the tensors that are read.
    pub(super) fn input_bytes(&self) -> u64 {
        let linears = self.linears.iter().map(|(_, m)| m.tensor().data.len());
        let others = self.others.iter().map(|(_, o)| match o {
            Output::Dense(tensor, _) => tensor.data.len(),
            Output::UnitGain(_) => 0,
        });
        linears.chain(others).sum::<usize>() as u64
    }

    /// Bytes of the tensors that are written.
    pub(super) fn output_bytes(&self) -> u64 {
        let linears = self.linears.iter().map(|(_, m)| {
            let (n, k) = m.shape();
            n / ROWS_PER_BYTE * k + 2
        });
        let others = self.others.iter().map(|(_, o)| match o {
            Output::Dense(tensor, dtype) => tensor.data.len() / dtype.bytes() * 2,
            Output::UnitGain(width) => width * 2,
        });
        linears.chain(others).sum::<usize>() as u64
    }

    /// Names and lazily made contents, for the safetensors writer.
    pub(super) fn into_tensors(self) -> Vec<(String, OutputTensor<'a>)> {
        let mut tensors = Vec::new();
        for (id, master) in self.linears {
            let scale = stored_scale(&master);
            tensors.push((
                format!("{}_scale", id.weight_name()),
                OutputTensor::scale(scale),
            ));
            tensors.push((id.weight_name(), OutputTensor::packed(master)));
        }
        for (name, output) in self.others {
            tensors.push((name, OutputTensor::other(output)));
        }
        tensors
    }
}

fn missing_sub_norm(files: &TensorFiles, tensor: String, width: usize) -> CheckpointError {
    CheckpointError::MissingTensor {
        path: files.root().to_path_buf(),
        tensor,
        expected: format!(
            "[{width}]: BitNet has this norm and Llama does not; unit sub-norms must be asked for"
        ),
    }
}

/// f32 values that would round to infinity in bf16.
fn check_bf16_range(tensor: &Tensor) -> Result<(), CheckpointError> {
    for (element, b) in tensor.data.chunks_exact(4).enumerate() {
        let value = f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        if !bf16::from_f32(value).is_finite() {
            return Err(tensor.wrong(
                format!("{value} at element {element}"),
                "values within bf16 range",
            ));
        }
    }
    Ok(())
}

/// A tensor whose bytes are made when they are written.
pub(super) struct OutputTensor<'a> {
    dtype: Dtype,
    shape: Vec<usize>,
    content: Content<'a>,
}

enum Content<'a> {
    Packed(Master<'a>),
    Scale(bf16),
    Other(Output<'a>),
}

impl<'a> OutputTensor<'a> {
    fn packed(master: Master<'a>) -> Self {
        let (n, k) = master.shape();
        OutputTensor {
            dtype: Dtype::U8,
            shape: vec![n / ROWS_PER_BYTE, k],
            content: Content::Packed(master),
        }
    }

    fn scale(scale: bf16) -> Self {
        OutputTensor {
            dtype: Dtype::BF16,
            shape: vec![1],
            content: Content::Scale(scale),
        }
    }

    fn other(output: Output<'a>) -> Self {
        let shape = match &output {
            Output::Dense(tensor, _) => tensor.shape.to_vec(),
            Output::UnitGain(width) => vec![*width],
        };
        OutputTensor {
            dtype: Dtype::BF16,
            shape,
            content: Content::Other(output),
        }
    }
}

impl View for OutputTensor<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match &self.content {
            Content::Packed(master) => Cow::Owned(pack(master)),
            Content::Scale(scale) => Cow::Owned(scale.to_le_bytes().to_vec()),
            Content::Other(Output::UnitGain(width)) => {
                Cow::Owned(bf16::ONE.to_le_bytes().repeat(*width))
            }
            Content::Other(Output::Dense(tensor, DenseType::Bf16)) => Cow::Borrowed(tensor.data),
            Content::Other(Output::Dense(tensor, dtype)) => {
                let mut values = vec![0.0; tensor.data.len() / dtype.bytes()];
                dtype.widen(tensor.data, &mut values);
                let bytes = values
                    .into_iter()
                    .flat_map(|v| bf16::from_f32(v).to_le_bytes());
                Cow::Owned(bytes.collect())
            }
        }
    }

    fn data_len(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.bitsize() / 8
    }
}

fn pack(master: &Master) -> Vec<u8> {
    let (n, k) = master.shape();
    let mut weights = vec![0.0; k];
    packing::pack(n, k, |row, trits| {
        master.row(row, &mut weights);
        for (t, &w) in trits.iter_mut().zip(&weights) {
            *t = master.absmean.trit(w);
        }
    })
}
