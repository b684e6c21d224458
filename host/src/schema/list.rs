//! Every format of the library.

use super::Format;
use crate::analyze::Analysis;
use crate::bench::BenchReport;
use crate::bitstream;
use crate::compare::Comparison;
use crate::doctor::Report;
use crate::emit::KernelFacts;
use crate::explore::{Exploration, Inputs, Shard, Summary};
use crate::flow::Manifest;
use crate::perplexity::PerplexityReport;
use crate::profile::Profile;
use crate::quantize::QuantizeReport;
use crate::run::RunReport;
use crate::simulate::{Simulation, Simulations};
use crate::synth::SynthReport;
use crate::validate::Validation;

/// Every format, in the order data flows. What only the command line prints is not among them.
pub fn formats() -> Vec<Format> {
    vec![
        Format::artefact::<Analysis>(),
        Format::artefact::<Profile>(),
        Format::by_hand(
            "board",
            Some(2),
            include_str!("../../schemas/board.v2.schema.json"),
        ),
        Format::by_hand(
            "device",
            Some(1),
            include_str!("../../schemas/device.v1.schema.json"),
        ),
        Format::by_hand(
            "plan",
            Some(1),
            include_str!("../../schemas/plan.v1.schema.json"),
        ),
        Format::artefact::<Exploration>(),
        Format::artefact::<Inputs>(),
        Format::artefact::<Shard>(),
        Format::output::<Summary>("tercet.exploration-summary", 1),
        Format::artefact::<QuantizeReport>(),
        Format::output::<KernelFacts>("tercet.kernel", 1),
        Format::artefact::<bitstream::Manifest>(),
        Format::artefact::<Simulation>(),
        Format::artefact::<Simulations>(),
        Format::artefact::<RunReport>(),
        Format::artefact::<PerplexityReport>(),
        Format::artefact::<Comparison>(),
        Format::by_hand(
            "trace",
            None,
            include_str!("../../schemas/trace.schema.json"),
        ),
        Format::artefact::<Manifest>(),
        Format::artefact::<BenchReport>(),
        Format::artefact::<Report>(),
        Format::artefact::<SynthReport>(),
        Format::output::<Validation>("tercet.validation", 1),
    ]
}
