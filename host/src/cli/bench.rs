use tercet::artefact::to_json;
use tercet::bench::{csv, render, BenchConfig, BenchReport};
use tercet::kernel::Isa;
use tercet::model::LoadOptions;
use tercet::table::Style;

use super::args::{isa, CpuArgs, HeadArg, ModelArgs, Switch};
use super::output::{print, remarks};
use super::progress::Bar;
use super::Verdict;

/// Measure tokens a second, and how near they come to what memory can deliver
///
/// --threads, --prefill and --decode take lists (1,2,4); every combination is a row. Tokens are random
/// but the same every time.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// CPU threads; 0 for one per core
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_value = "0")]
    threads: Vec<usize>,
    /// Tokens read at once; 0 for no prefill
    #[arg(
        long,
        value_name = "N,..",
        value_delimiter = ',',
        default_value = "128"
    )]
    prefill: Vec<usize>,
    /// Tokens generated one after another; 0 for no decode
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_value = "32")]
    decode: Vec<usize>,
    /// Tokens read before the first is generated
    #[arg(long, value_name = "N", default_value_t = 0)]
    context: usize,
    /// Measurements of each row, after one that does not count
    #[arg(long, value_name = "N", default_value_t = BenchConfig::default().repetitions)]
    repetitions: usize,
    /// Weights of the output head
    #[arg(long, value_enum, default_value = "bf16")]
    lm_head: HeadArg,
    /// Whether weights that would be multiplied by zero are left out, which changes no result
    #[arg(long, value_enum, default_value = "on")]
    sparsity: Switch,
    /// Instruction set of the kernel [default: the best of this CPU]
    #[arg(long, value_name = "ISA", value_parser = isa)]
    kernel: Option<Isa>,
    /// Print JSON instead of a table
    #[arg(long, group = "format")]
    json: bool,
    /// Print CSV instead of a table
    #[arg(long, group = "format")]
    csv: bool,
    /// Print a Markdown table
    #[arg(long, group = "format")]
    markdown: bool,
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    let cpu = CpuArgs {
        threads: 0,
        kernel: args.kernel,
        lm_head: args.lm_head,
        sparsity: args.sparsity,
    };
    let options = cpu.options()?;
    let config = BenchConfig {
        threads: args.threads,
        prefill: args.prefill,
        decode: args.decode,
        context: args.context,
        repetitions: args.repetitions,
        load: LoadOptions {
            cache: args.model.load_options().cache,
            ..cpu.load()
        },
        sparsity: options.sparsity,
        kernel: options.kernel,
    };
    let mut bar = Bar::new("bench");
    let source = args.model.source();
    let report = BenchReport::measure(&source, &config, &mut |d, t| bar.step(d, t))?;
    drop(bar);
    remarks(&report.remarks);
    let text = if args.json {
        to_json(&report)
    } else if args.csv {
        csv(&report)
    } else if args.markdown {
        render(&report, Style::Markdown)
    } else {
        render(&report, Style::Terminal)
    };
    print(&text)?;
    Ok(Verdict::Ok)
}
