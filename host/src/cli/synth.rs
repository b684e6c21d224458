use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use anyhow::Context;
use clap::ValueEnum;
use tercet::artefact::to_json;
use tercet::synth::{synth, Shape, SynthOptions, SynthReport};
use tercet::units::Bytes;

use super::args::ThreadArgs;
use super::output::{note, print};
use super::progress::Bar;
use super::Verdict;

/// Make a checkpoint of any shape with random weights
///
/// For measuring a shape without its weights: the text it writes means nothing. The same seed and
/// options give the same bytes.
#[derive(clap::Args)]
pub struct Args {
    /// Folder of the checkpoint
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Seed of the random numbers
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Sizes to start from; the options below change single ones
    #[arg(long, value_enum, default_value_t = Preset::Bitnet2b4t)]
    shape: Preset,
    /// Blocks
    #[arg(long, value_name = "N")]
    layers: Option<usize>,
    /// Width of the residual stream
    #[arg(long, value_name = "N")]
    hidden: Option<usize>,
    /// Query heads
    #[arg(long, value_name = "N")]
    heads: Option<usize>,
    /// Key and value heads
    #[arg(long, value_name = "N")]
    kv_heads: Option<usize>,
    /// Width of the MLP
    #[arg(long, value_name = "N")]
    ffn: Option<usize>,
    /// Rows of the embedding
    #[arg(long, value_name = "N")]
    vocab: Option<usize>,
    /// Longest context in tokens
    #[arg(long, value_name = "N")]
    max_positions: Option<usize>,
    /// Share of zeros among ternary weights
    #[arg(long, value_name = "SHARE", default_value_t = SynthOptions::default().zero_share, allow_negative_numbers = true)]
    zero_share: f64,
    /// Share of MLP gates that squared ReLU closes, on average over blocks and tokens
    #[arg(long, value_name = "SHARE", default_value_t = SynthOptions::default().closed_gates, allow_negative_numbers = true)]
    closed_gates: f64,
    #[command(flatten)]
    threads: ThreadArgs,
    /// Replace the folder if it is a synthetic checkpoint
    #[arg(long)]
    force: bool,
    /// Print JSON instead of a line
    #[arg(long)]
    json: bool,
}

/// Sizes by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Preset {
    /// BitNet b1.58 2B-4T: 30 blocks of 2560, 1.2 GB
    #[value(name = "2b-4t")]
    Bitnet2b4t,
    /// The model inside the program: 6 blocks of 256, 1.8 MB
    Tiny,
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    let options = SynthOptions {
        shape: shape(&args),
        seed: args.seed,
        zero_share: args.zero_share,
        closed_gates: args.closed_gates,
        threads: args.threads.threads,
        force: args.force,
    };
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
        .context("cannot listen for Ctrl-C")?;
    let mut bar = Bar::new("synth (MB)");
    let report = synth(&args.out, &options, &mut |done, total| {
        bar.step((done / 1_000_000) as usize, (total / 1_000_000) as usize);
        match interrupted.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    drop(bar);
    if !report.tokenizer {
        note(format_args!(
            "no tokenizer: the embedded one has {} tokens; `tercet logits --tokens` works without",
            Shape::tiny().vocab
        ));
    }
    if args.json {
        print(&to_json(&report))?;
    } else {
        print(&format!("{}: {}\n", args.out.display(), summary(&report)))?;
    }
    Ok(Verdict::Ok)
}

fn shape(args: &Args) -> Shape {
    let preset = match args.shape {
        Preset::Bitnet2b4t => Shape::bitnet_2b_4t(),
        Preset::Tiny => Shape::tiny(),
    };
    Shape {
        layers: args.layers.unwrap_or(preset.layers),
        hidden: args.hidden.unwrap_or(preset.hidden),
        heads: args.heads.unwrap_or(preset.heads),
        kv_heads: args.kv_heads.unwrap_or(preset.kv_heads),
        ffn: args.ffn.unwrap_or(preset.ffn),
        vocab: args.vocab.unwrap_or(preset.vocab),
        max_positions: args.max_positions.unwrap_or(preset.max_positions),
        ..preset
    }
}

fn summary(report: &SynthReport) -> String {
    let p = &report.parameters;
    format!(
        "{} parameters ({} ternary, {} embedding, {} norm gains, {} weight scales), {}, seed {}",
        p.total(),
        p.ternary,
        p.embedding,
        p.norms,
        p.weight_scales,
        Bytes(report.weight_file_bytes),
        report.seed,
    )
}
