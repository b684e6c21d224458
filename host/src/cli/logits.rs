use std::path::PathBuf;

use tercet::artefact::{check_free, Overwrite};
use tercet::evaluate::{logits, write_logits};
use tercet::executor::CpuExecutor;

use super::args::{CpuArgs, ModelArgs};
use super::Verdict;

/// Write the logits of given tokens to a safetensors file
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Token ids, separated by commas
    #[arg(long, value_name = "IDS", value_delimiter = ',', required = true)]
    tokens: Vec<u32>,
    /// File to write: tensor `logits`, f32 [T, vocab]
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    cpu: CpuArgs,
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    check_free(&args.out, Overwrite::from_force(args.force))?;
    let model = args.model.load(args.cpu.load())?;
    let mut executor = CpuExecutor::with_options(args.cpu.options()?)?;
    let logits = logits(&model, &mut executor, &args.tokens)?;
    write_logits(&args.out, &logits, model.config().vocab_size)?;
    Ok(Verdict::Ok)
}
