//! What an injected fault does, and whether the kernel works afterwards.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tercet_sim::{FaultKind, GemvRun, Kernel, SimError};

use super::{run_all, AnyKernel, SimulateConfig, SimulateError, Unit};

/// What became of an injected fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FaultOutcome {
    /// The commands were complete before it could begin, or nothing met it.
    None,
    /// The kernel stopped and reported an error.
    Error,
    /// The kernel waited for an answer that never came, until it was reset.
    Hang,
    /// The kernel was reset in the middle of its work.
    Reset,
}

/// An injected fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultReport {
    /// As the command line spells it: `KIND@CYCLE`.
    pub injected: String,
    /// What it did.
    pub outcome: FaultOutcome,
    /// Whether a run without faults that followed gave every sum; none if nothing happened.
    pub clean_run_matches: Option<bool>,
}

/// Runs the units, with the injected fault if there is one. A kernel that met it is run again without.
///
/// The runs are those that the figures are of: after a reset the clean ones, otherwise the first; none of a
/// unit that hung.
pub(super) fn run(
    config: &SimulateConfig,
    units: &mut [Unit],
) -> Result<(Vec<GemvRun>, Option<FaultReport>), SimulateError> {
    let first = run_all(config, units);
    let Some(fault) = config.fault else {
        return Ok((first?, None));
    };
    let report = |outcome, clean_run_matches| FaultReport {
        injected: fault.to_string(),
        outcome,
        clean_run_matches,
    };
    let (outcome, runs) = match first {
        Ok(runs) if runs.iter().all(|r| r.counters.error.is_none()) => {
            return Ok((runs, Some(report(FaultOutcome::None, None))));
        }
        Ok(runs) => (FaultOutcome::Error, runs),
        Err(SimError::Hang { .. }) if fault.kind == FaultKind::Reset => {
            (FaultOutcome::Reset, Vec::new())
        }
        Err(SimError::Hang { .. }) => (FaultOutcome::Hang, Vec::new()),
        Err(error) => return Err(error.into()),
    };
    for unit in units.iter_mut() {
        if let AnyKernel::Rtl(kernel) = &mut unit.kernel {
            kernel.clear_faults();
        }
    }
    let clean = run_all(config, units)?;
    let matches = clean.iter().all(|r| r.matches_reference);
    let runs = match outcome {
        FaultOutcome::Reset => clean,
        _ => runs,
    };
    Ok((runs, Some(report(outcome, Some(matches)))))
}
