//! A dense checkpoint made ternary and packed.
//!
//! Input: a checkpoint of the BitNet or Llama layout in bf16, f16 or f32, as master weights of the online
//! class or without any quantisation. Output: a folder that transformers loads as
//! `BitNetForCausalLM`: packed u8 weights with `weight_scale = max(mean |W|, 1e-5)` in bf16, every
//! other tensor in bf16, one `model.safetensors`, `config.json`, and the tokenizer files as they were.
//!
//! The BitNet class has two norms that Llama lacks, before `o_proj` and `down_proj`. They cannot be had
//! from Llama weights: even with gain 1 a norm changes what the block computes, so such a
//! checkpoint is refused unless [`QuantizeOptions::unit_sub_norms`] asks for unit gains, as a start for
//! further training. `hidden_act` stays what it was.
//!
//! Every tensor is measured and checked before anything is written; then tensors are packed and
//! written one at a time, so that memory holds one of them, never the model.

mod config;
mod report;
mod tensors;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use safetensors::SafeTensorError;

use crate::atomic::NewFolder;
use crate::checkpoint::files::TensorFiles;
use crate::checkpoint::{CheckpointError, Config, Source};

pub use report::{LayerReport, QuantizeReport};
use tensors::Plan;

/// Files that go along unchanged, where the checkpoint has them.
const COPIED: [&str; 9] = [
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
];

/// Choices of [`quantize`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuantizeOptions {
    /// Replace an existing output folder, if it is a checkpoint or empty.
    pub force: bool,
    /// Give a checkpoint without sub-norms (a plain Llama) sub-norms of gain 1, which changes its
    /// function; without this it is refused.
    pub unit_sub_norms: bool,
}

/// Why a checkpoint was not quantised.
#[derive(Debug, thiserror::Error)]
pub enum QuantizeError {
    /// The input was refused.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// There is something at the output path.
    #[error("{}: exists; name another folder, or pass --force to replace it", path.display())]
    Exists {
        /// The output folder.
        path: PathBuf,
    },
    /// What stands at the output path is not replaced even by force.
    #[error("{}: found {found}, expected a checkpoint folder to replace", path.display())]
    NotReplaceable {
        /// The output folder.
        path: PathBuf,
        /// What stands there.
        found: &'static str,
    },
    /// The output could not be written.
    #[error("{}: {source}", path.display())]
    Write {
        /// The output folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Quantises the checkpoint `source` into the folder `out`, which appears whole or not at all;
/// `on_layer(done, total, layer)` is called as each linear is measured.
pub fn quantize(
    source: &Source,
    out: &Path,
    options: &QuantizeOptions,
    on_layer: &mut dyn FnMut(usize, usize, &LayerReport),
) -> Result<QuantizeReport, QuantizeError> {
    check_output(source, out, options.force)?;
    let config = Config::load(source)?;
    let config_json = config::packed_config(source, &config)?;
    let files = TensorFiles::open(source)?;
    let plan = Plan::new(&files, &config, options.unit_sub_norms)?;

    let total = plan.linears().count();
    let mut layers = Vec::with_capacity(total);
    for (id, master) in plan.linears() {
        layers.push(LayerReport::measure(id, master));
        on_layer(layers.len(), total, &layers[layers.len() - 1]);
    }
    let report = QuantizeReport {
        layers,
        input_bytes: plan.input_bytes(),
        output_bytes: plan.output_bytes(),
    };

    let write = |source: io::Error| QuantizeError::Write {
        path: out.to_path_buf(),
        source,
    };
    let copied = copied_files(source)?;
    let folder = NewFolder::new(out).map_err(write)?;
    write_weights(&folder.path().join("model.safetensors"), plan).map_err(write)?;
    fs::write(folder.path().join("config.json"), config_json).map_err(write)?;
    for (name, content) in copied {
        fs::write(folder.path().join(name), content).map_err(write)?;
    }
    folder.commit().map_err(write)?;
    Ok(report)
}

/// Refuses an output path that must not be replaced.
fn check_output(source: &Source, out: &Path, force: bool) -> Result<(), QuantizeError> {
    let not_replaceable = |found| {
        Err(QuantizeError::NotReplaceable {
            path: out.to_path_buf(),
            found,
        })
    };
    // An unreadable path counts as existing, so that nothing is replaced by mistake.
    if !out.try_exists().unwrap_or(true) {
        return Ok(());
    }
    if !force {
        return Err(QuantizeError::Exists {
            path: out.to_path_buf(),
        });
    }
    let same = |folder: &Path| matches!((folder.canonicalize(), out.canonicalize()), (Ok(a), Ok(b)) if a == b);
    match source {
        Source::Folder(folder) if same(folder) => return not_replaceable("the input itself"),
        _ => {}
    }
    let Ok(mut entries) = fs::read_dir(out) else {
        return not_replaceable("a file or an unreadable folder");
    };
    if entries.next().is_some() && !out.join("config.json").is_file() {
        return not_replaceable("a folder without config.json");
    }
    Ok(())
}

fn copied_files(source: &Source) -> Result<Vec<(&'static str, Vec<u8>)>, CheckpointError> {
    let mut files = Vec::new();
    for name in COPIED {
        if let Some(content) = source.read_optional(name)? {
            files.push((name, content.into_owned()));
        }
    }
    Ok(files)
}

fn write_weights(path: &Path, plan: Plan) -> io::Result<()> {
    // transformers refuses files whose metadata does not name a framework.
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    safetensors::serialize_to_file(plan.into_tensors(), Some(metadata), path).map_err(
        |e| match e {
            SafeTensorError::IoError(e) => e,
            other => io::Error::other(other.to_string()),
        },
    )?;
    fs::File::open(path)?.sync_all()
}
