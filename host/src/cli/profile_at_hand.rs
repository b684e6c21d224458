//! A profile for commands that start from one: a file, or measured now.

use std::path::{Path, PathBuf};

use tercet::artefact::read_json;
use tercet::identity::ModelAtHand;
use tercet::profile::{Profile, ProfileConfig};

use super::args::{CpuArgs, ModelArgs, ProfileArgs};
use super::output::remarks;
use super::progress::Bar;

/// Which model, and its profile or how it is measured.
#[derive(clap::Args)]
pub struct ProfileAtHand {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Use this profile instead of measuring now; with --model, it must be of that model
    #[arg(long, value_name = "FILE", conflicts_with_all = ["prompt", "rounds", "threads", "kernel", "lm_head", "sparsity"])]
    pub profile: Option<PathBuf>,
    #[command(flatten)]
    pub measure: ProfileArgs,
    #[command(flatten)]
    pub cpu: CpuArgs,
}

impl ProfileAtHand {
    /// The profile of --profile, or a new one of up to `batch` tokens at once.
    pub fn get(&self, batch: usize) -> anyhow::Result<Profile> {
        match &self.profile {
            Some(path) => self.read(path),
            None => self.measure(batch),
        }
    }

    /// The profile of --profile; if --model is given, it must be of that model.
    pub fn read(&self, path: &Path) -> anyhow::Result<Profile> {
        let profile = read_json(path)?;
        if self.model.model.is_some() {
            ModelAtHand::of(&self.model.source())?.check_profile(path, &profile)?;
        }
        Ok(profile)
    }

    /// A new profile of up to `batch` tokens at once; remarks go to stderr.
    pub fn measure(&self, batch: usize) -> anyhow::Result<Profile> {
        let config = ProfileConfig {
            prompt: self.measure.prompt.clone(),
            rounds: self.measure.rounds,
            cpu: self.cpu.options()?,
            batch,
            ..ProfileConfig::default()
        };
        let mut bar = Bar::new("profile");
        let profile = Profile::measure(
            &self.model.source(),
            &self.model.load_options_for(&self.cpu),
            &config,
            &mut |d, t| bar.step(d, t),
        )?;
        drop(bar);
        remarks(&profile.remarks);
        Ok(profile)
    }
}
