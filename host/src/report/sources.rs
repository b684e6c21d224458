//! What a run folder holds of a report.

use std::fs;
use std::path::Path;

use super::ReportError;
use crate::analyze::Analysis;
use crate::artefact::{read_json, Artefact};
use crate::compare::{hybrid_reports, Comparison, Hybrid, BASELINE_FILE};
use crate::executor::Phase;
use crate::profile::Profile;
use crate::run::RunReport;
use crate::select::{select, SelectConfig, Selection};

/// The artefacts of a run folder.
pub struct Sources {
    /// The runs side by side.
    pub comparison: Comparison,
    /// The run without a device.
    pub cpu: RunReport,
    /// Runs with one, in the order of `comparison`.
    pub hybrids: Vec<RunReport>,
    /// Times on the CPU.
    pub profile: Option<Profile>,
    /// Parameters and operators.
    pub analysis: Option<Analysis>,
    /// The ranking of the layers for the kernel and the board of the run that the report is about.
    pub selection: Option<Selection>,
    /// What is not there, and how it is made.
    pub missing: Vec<String>,
}

impl Sources {
    /// Reads `folder`, whose runs `comparison` compares.
    pub fn gather(folder: &Path, comparison: Comparison) -> Result<Sources, ReportError> {
        let cpu: RunReport = read_json(&folder.join(BASELINE_FILE))?;
        let mut hybrids = Vec::new();
        for path in hybrid_reports(folder)? {
            hybrids.push(read_json::<RunReport>(&path)?);
        }
        // In the order of the comparison; runs that it leaves out are left out.
        let of = |h: &Hybrid| {
            let same = |r: &&RunReport| {
                let d = &r.device;
                (&d.offload, d.name, d.usage) == (&h.offload, h.device, h.usage)
            };
            hybrids.iter().find(same).cloned()
        };
        let hybrids: Vec<RunReport> = comparison.hybrids.iter().filter_map(of).collect();
        let mut missing = Vec::new();
        let profile: Option<Profile> = optional(folder, "profile.json", &mut missing)?;
        let analysis: Option<Analysis> = optional(folder, "analysis.json", &mut missing)?;
        let mut sources = Sources {
            comparison,
            cpu,
            hybrids,
            profile,
            analysis,
            selection: None,
            missing,
        };
        sources.selection = sources.rank()?;
        Ok(sources)
    }

    /// The run that the report is about, as its conclusion is: the fastest with a device.
    pub fn main(&self) -> Option<(&Hybrid, &RunReport)> {
        let both = self.comparison.hybrids.iter().zip(&self.hybrids);
        both.min_by(|a, b| a.0.totals.decode_s.0.total_cmp(&b.0.totals.decode_s.0))
    }

    /// Ranks the layers as the main run's kernel and board would have them.
    fn rank(&self) -> Result<Option<Selection>, ReportError> {
        let (Some(profile), Some((hybrid, _))) = (&self.profile, self.main()) else {
            return Ok(None);
        };
        if profile.pass_median(Phase::Decode).is_none() || profile.model != self.cpu.model {
            return Ok(None);
        }
        let config = SelectConfig {
            geometry: Some(hybrid.geometry),
            dispatch: hybrid.dispatching(),
            ..SelectConfig::default()
        };
        // A board that cannot hold what ran, as with a kernel of one's own, has no ranking.
        Ok(select(profile, &hybrid.board, &config).ok())
    }
}

/// An artefact, if it is there.
fn optional<T: Artefact>(
    folder: &Path,
    name: &str,
    missing: &mut Vec<String>,
) -> Result<Option<T>, ReportError> {
    let path = folder.join(name);
    if !fs::exists(&path).unwrap_or(false) {
        let command = T::WRITTEN_BY;
        missing.push(format!(
            "{name}: made by {command}, with --out {}",
            path.display()
        ));
        return Ok(None);
    }
    Ok(Some(read_json(&path)?))
}
