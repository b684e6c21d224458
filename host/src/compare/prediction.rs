//! What the plan said of a token against what the run found, part by part.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::run::RunReport;
use crate::tier::Tier;

/// A part of a decode token, predicted by the plan and found in a run of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PredictionLine {
    /// Which part.
    pub part: String,
    /// `cycles` or `s`.
    pub unit: String,
    /// What the plan said.
    pub predicted: f64,
    /// Evidence behind it.
    pub predicted_tier: Tier,
    /// What the run found.
    pub found: f64,
    /// Evidence behind that.
    pub found_tier: Tier,
    /// Why they differ, or need not.
    pub why: String,
}

impl PredictionLine {
    /// `predicted / found - 1`; none if nothing was found.
    pub fn error(&self) -> Option<f64> {
        (self.found != 0.0).then(|| self.predicted / self.found - 1.0)
    }
}

/// The parts of a decode token; none if the run was not of a plan that says something of it.
pub(super) fn lines(run: &RunReport) -> Vec<PredictionLine> {
    let device = &run.device;
    let (Some(p), Some(cycles_tier)) = (&device.predicted, device.tier) else {
        return Vec::new();
    };
    let board = &device.board;
    let dispatching = device.dispatching();
    let (link, kernel) = (board.link_tier(dispatching), board.kernel_tier(cycles_tier));
    let (planned, all) = (
        board.kernel_tier(Tier::Modelled),
        board.device_tier(Tier::Modelled, dispatching),
    );
    let found = &run.timing.decode;
    let cycles: u64 = run.stages.iter().map(|s| s.decode_device_cycles.0).sum();
    let mut lines = Vec::new();
    let mut line =
        |part: &str, unit: &str, predicted, predicted_tier, found, found_tier, why: &str| {
            lines.push(PredictionLine {
                part: part.to_string(),
                unit: unit.to_string(),
                predicted,
                predicted_tier,
                found,
                found_tier,
                why: why.to_string(),
            });
        };
    let is_counted = cycles > 0;
    if is_counted {
        let (f, d) = (&found.device_s, &p.device);
        line(
            "kernel cycles",
            "cycles",
            p.cycles.0 as f64,
            Tier::Modelled,
            cycles as f64,
            cycles_tier,
            match p.cycles.0 == cycles {
                true => "the same kernel, commands and memory",
                false => "buffers begin elsewhere within a burst than the plan assumes",
            },
        );
        line(
            "kernel",
            "s",
            d.compute.0,
            planned,
            f.compute.0,
            kernel,
            "these cycles over the same clock, and what the memory port lacks",
        );
        line(
            "dispatch",
            "s",
            d.dispatch.0,
            link,
            f.dispatch.0,
            link,
            "dispatches counted, each at the board's figure",
        );
        line(
            "to the device",
            "s",
            d.link_to.0,
            link,
            f.link_to.0,
            link,
            "bytes counted; a ring is written up to its end, where the plan counts the commands only",
        );
        line(
            "from the device",
            "s",
            d.link_from.0,
            link,
            f.link_from.0,
            link,
            "bytes counted",
        );
    }
    line(
        "host",
        "s",
        p.host.0,
        // Measured times, of split layers in proportion to their rows.
        Tier::Modelled,
        found.host_s.0,
        Tier::Measured,
        match is_counted {
            true => "the plan has the profile's times, the run its own",
            false => "the card's time is part of the host's: a card is waited for, not timed apart",
        },
    );
    if is_counted && (p.overlap.0 > 0.0 || found.overlap_s.0 > 0.0) {
        line(
            "side by side",
            "s",
            -p.overlap.0,
            all,
            -found.overlap_s.0,
            run.timing.tier,
            "of each dispatch, the shorter of device and CPU",
        );
    }
    line(
        "token",
        "s",
        p.total().0,
        all,
        found.total_s.0,
        run.timing.tier,
        "the sum of these",
    );
    lines
}
