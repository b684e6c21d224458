use std::path::PathBuf;

use anyhow::Context;
use tercet::artefact::to_json;
use tercet::executor::CpuExecutor;
use tercet::perplexity::{measure, PerplexityReport, TokenText, WindowOptions};
use tercet::tokenizer::Tokenizer;

use super::args::{CpuArgs, ModelArgs};
use super::output::{counted, print};
use super::progress::Bar;
use super::Verdict;

/// Measure how well a model predicts a text
///
/// The text is read in windows, each after the tokenizer's begin token if it has one. Tokens count once,
/// with what is before them in their window.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Text file in UTF-8
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Tokens of a window [default: 512, or the model's longest context if that is less]
    #[arg(long, value_name = "N")]
    context: Option<usize>,
    /// Tokens from one window to the next; if they overlap, only what is new counts [default: the context]
    #[arg(long, value_name = "N")]
    stride: Option<usize>,
    #[command(flatten)]
    cpu: CpuArgs,
    /// Print JSON instead of a few lines
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    let source = args.model.source();
    let text = TokenText::read(&args.file, &Tokenizer::load(&source)?)?;
    let model = args.model.load(args.cpu.load())?;
    let mut cpu = CpuExecutor::with_options(args.cpu.options()?)?;
    let options = WindowOptions {
        context: args.context,
        stride: args.stride,
    };
    let name = source.to_string();
    let mut bar = Bar::new("perplexity");
    let report = measure(
        &model,
        &mut cpu,
        &text,
        options,
        (&name, &args.file),
        &mut |done, total| bar.step(done, total),
    )
    .with_context(|| args.file.display().to_string())?;
    drop(bar);
    print(&match args.json {
        true => to_json(&report),
        false => summary(&report),
    })?;
    Ok(Verdict::Ok)
}

fn summary(r: &PerplexityReport) -> String {
    format!(
        "perplexity {:.4} +- {:.4} ({tier}; +- is the standard error)\n\
         nll {:.4} +- {:.4} nats a token, {:.4} bits a byte, {:.2} bytes a token ({tier})\n\
         {} of {} count, in {} of at most {}, {} apart; {} read in {}, {:.1} tokens/s ({tier})\n",
        r.perplexity,
        r.perplexity_standard_error,
        r.nll,
        r.nll_standard_error,
        r.bits_per_byte,
        r.bytes_per_token,
        r.counted_tokens,
        counted(r.text_tokens, "token"),
        counted(r.windows, "window"),
        counted(r.context, "token"),
        r.stride,
        counted(r.read_tokens, "token"),
        r.wall_s,
        r.tokens_per_s,
        tier = r.tier,
    )
}
