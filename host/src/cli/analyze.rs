use std::path::PathBuf;

use tercet::analyze::{analyze, render, Input, Options, DEFAULT_DEVICE};
use tercet::artefact::{check_free, read_json, to_json, write_json, Overwrite};
use tercet::checkpoint::Source;
use tercet::identity::ModelAtHand;
use tercet::profile::Format;
use tercet::report::{analysis_figures, write_pictures};

use super::output::{note, print};
use super::Verdict;

/// Count parameters, memory and FLOPs, and say what bounds each operator on a device
///
/// From sizes alone: no weight is read. Counts are exact, times modelled.
#[derive(clap::Args)]
pub struct Args {
    /// A published model: bitnet-2b-4t, bytetransformer-155m, qwen3-8b, qwen3-8b-mha, mistral-7b, qwen2.5-3b,
    /// llama-2-7b, llama-2-70b, llama-3-8b
    #[arg(long, value_name = "NAME", conflicts_with_all = ["config", "model"])]
    preset: Option<String>,
    /// A config.json of any Llama-like decoder
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    config: Option<PathBuf>,
    /// Checkpoint folder in Hugging Face layout, of which headers are read [default: the tiny model inside the
    /// program]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Sequences [default: 1]
    #[arg(long, value_name = "B")]
    batch: Option<u64>,
    /// Tokens of each prompt [default: 512, at most half the context]
    #[arg(long, value_name = "S")]
    prompt: Option<u64>,
    /// Tokens generated for each sequence [default: 128, at most a quarter of the context]
    #[arg(long, value_name = "T")]
    generate: Option<u64>,
    /// Bits of a weight of the blocks' linears: 32, 16, 8, 2 or 1.6 [default: 2 of ternary ones, else 16]
    #[arg(long, value_name = "BITS", value_parser = bits)]
    bits: Option<Format>,
    /// Device: cpu (this machine, measured now), a100, a100-40gb, h100, rtx-4090, ryzen-9700x, an FPGA board, a device
    /// or board file; several with commas between them, or all
    #[arg(long, value_name = "NAME|all", value_delimiter = ',', default_value = DEFAULT_DEVICE)]
    device: Vec<String>,
    /// Tensor-parallel ranks; operators are those of one [default: 1]
    #[arg(long, value_name = "N")]
    tp: Option<u64>,
    /// A profile of this model: its memory beside the theory, and its rates for the device cpu
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Draw parameters, FLOPs, roofline and, with --beside, the models beside each other, as SVG and PNG into this folder
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,
    /// Published models to draw beside this one; several with commas between them
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        requires = "pictures"
    )]
    beside: Vec<String>,
    /// Write the analysis to this file (analysis.json)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
}

/// A form of weights by its bits.
fn bits(text: &str) -> Result<Format, String> {
    match text {
        "32" => Ok(Format::F32),
        "16" => Ok(Format::Bf16),
        "8" => Ok(Format::Int8),
        "2" => Ok(Format::TwoBit),
        "1.6" => Ok(Format::FiveInAByte),
        _ => Err("expected 32, 16, 8, 2 or 1.6".to_string()),
    }
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    let overwrite = Overwrite::from_force(args.force);
    if let Some(path) = &args.out {
        check_free(path, overwrite)?;
    }
    let input = match (args.preset, args.config) {
        (Some(name), _) => Input::Preset(name),
        (None, Some(path)) => Input::Config(path),
        (None, None) => Input::Checkpoint(Source::from_option(args.model.as_deref())),
    };
    let profile = match &args.profile {
        None => None,
        Some(path) => {
            let profile = read_json(path)?;
            if let Input::Checkpoint(source) = &input {
                ModelAtHand::of(source)?.check_profile(path, &profile)?;
            }
            Some(profile)
        }
    };
    let options = Options {
        batch: args.batch,
        prompt: args.prompt,
        generate: args.generate,
        tp: args.tp,
        format: args.bits,
        devices: args.device,
        profile,
    };
    let analysis = analyze(&input, &options)?;
    if let Some(folder) = &args.pictures {
        // Others as they are published: nothing but the sizes is compared.
        let other = |name: &String| analyze(&Input::Preset(name.clone()), &Options::default());
        let beside = args
            .beside
            .iter()
            .map(other)
            .collect::<Result<Vec<_>, _>>()?;
        write_pictures(&analysis_figures(&analysis, &beside), folder)?;
        note(format_args!("pictures: {}", folder.display()));
    }
    if let Some(path) = &args.out {
        write_json(path, &analysis, overwrite)?;
    }
    match args.json {
        true => print(&to_json(&analysis))?,
        false => print(&render(&analysis))?,
    }
    Ok(Verdict::Ok)
}
