use std::path::PathBuf;

use tercet::artefact::to_json;
use tercet::checkpoint::Source;
use tercet::quantize::{quantize, QuantizeOptions, QuantizeReport};
use tercet::table::{table, text, Style};
use tercet::units::Bytes;

use super::output::print;
use super::progress::Bar;
use super::Verdict;

/// Make a dense checkpoint ternary and pack it
#[derive(clap::Args)]
pub struct Args {
    /// Checkpoint folder with bf16, f16 or f32 weights
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Folder of the packed checkpoint
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the folder if it is there
    #[arg(long)]
    force: bool,
    /// Accept a model without sub-norms and give it sub-norms of gain 1, which changes what it computes
    #[arg(long)]
    unit_sub_norms: bool,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    let options = QuantizeOptions {
        force: args.force,
        unit_sub_norms: args.unit_sub_norms,
    };
    let source = Source::Folder(args.model);
    let mut bar = Bar::new("quantize");
    let report = quantize(&source, &args.out, &options, &mut |d, t, _| bar.step(d, t))?;
    drop(bar);
    if args.json {
        print(&to_json(&report))?;
    } else {
        print(&render(&report))?;
    }
    Ok(Verdict::Ok)
}

fn render(report: &QuantizeReport) -> String {
    let head = [
        "layer",
        "N x K",
        "scale",
        "-1",
        "0",
        "+1",
        "relative error",
        "bits/weight",
    ];
    let mut t = table(Style::Terminal, &head, &[1, 2, 3, 4, 5, 6, 7]);
    for l in &report.layers {
        let [minus, zero, plus] = l.shares.map(|s| format!("{:.1} %", 100.0 * s));
        t.add_row([
            l.id.to_string(),
            format!("{} x {}", l.n, l.k),
            format!("{:.5}", l.scale),
            minus,
            zero,
            plus,
            format!("{:.4}", l.relative_error),
            format!("{:.3}", l.entropy_bits),
        ]);
    }
    let (before, after) = (Bytes(report.input_bytes), Bytes(report.output_bytes));
    format!("{}weights: {before} before, {after} after\n", text(&t))
}
