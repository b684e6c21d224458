//! Whether a profile or a plan belongs to the model at hand.
//!
//! Models are named by their folder, which may be written in several ways and may have moved, so the
//! layers and their shapes are compared too: times and plans of other shapes mean nothing.

use std::fs;
use std::path::Path;

use crate::checkpoint::{CheckpointError, Config, Source};
use crate::executor::Phase;
use crate::model::{LinearId, LinearKind};
use crate::profile::Profile;

/// The model at hand: what it is called, and the layers that it has.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelAtHand {
    /// Folder, or the name of the embedded model.
    pub name: String,
    config: Config,
}

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OtherModel {
    /// It was measured on a model of another name.
    #[error(
        "{}: measured on model {found}, but --model is {expected}; profile that model, or leave --model out",
        path.display()
    )]
    Name {
        /// The profile.
        path: std::path::PathBuf,
        /// Model of the profile.
        found: String,
        /// Model at hand.
        expected: String,
    },
    /// It has other layers.
    #[error(
        "{}: {what} of model {model}: found {found} in the profile, expected {expected}; profile the model again",
        path.display()
    )]
    Layers {
        /// The profile.
        path: std::path::PathBuf,
        /// What differs.
        what: String,
        /// Model at hand.
        model: String,
        /// In the profile.
        found: String,
        /// In the model.
        expected: String,
    },
}

impl ModelAtHand {
    /// Reads the configuration of a checkpoint.
    pub fn of(source: &Source) -> Result<Self, CheckpointError> {
        Ok(ModelAtHand {
            name: source.to_string(),
            config: Config::load(source)?,
        })
    }

    /// Number of blocks.
    pub fn blocks(&self) -> usize {
        self.config.num_hidden_layers
    }

    /// Shape (N, K) of a ternary layer.
    pub fn shape(&self, layer: LinearId) -> (usize, usize) {
        self.config.linear_shape(layer.kind)
    }

    /// Whether `recorded` names this model: the same words, or two ways to the same folder.
    pub fn is_called(&self, recorded: &str) -> bool {
        let folder = |name: &str| fs::canonicalize(Path::new(name)).ok();
        let same_folder = || folder(recorded).is_some_and(|a| folder(&self.name) == Some(a));
        recorded == self.name || same_folder()
    }

    /// Refuses a profile, read from `path`, of another model.
    pub fn check_profile(&self, path: &Path, profile: &Profile) -> Result<(), OtherModel> {
        if !self.is_called(&profile.model) {
            return Err(OtherModel::Name {
                path: path.to_path_buf(),
                found: profile.model.clone(),
                expected: self.name.clone(),
            });
        }
        let differs = |what: String, found: String, expected: String| OtherModel::Layers {
            path: path.to_path_buf(),
            what,
            model: self.name.clone(),
            found,
            expected,
        };
        for l in profile.linears(Phase::Decode) {
            let (n, k) = self.shape(l.layer);
            if (l.n, l.k) != (n, k) {
                let of = |n, k| format!("{n} x {k}");
                return Err(differs(l.layer.to_string(), of(l.n, l.k), of(n, k)));
            }
        }
        let found = profile.linears(Phase::Decode).count();
        let expected = self.blocks() * LinearKind::ALL.len();
        if found != 0 && found != expected || profile.blocks != self.blocks() {
            return Err(differs(
                "the ternary layers".to_string(),
                format!("{found} in {} blocks", profile.blocks),
                format!("{expected} in {}", self.blocks()),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_many_names() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a");
        fs::create_dir(&folder).unwrap();
        let mut model = ModelAtHand::of(&Source::Embedded).unwrap();
        assert!(model.is_called("(embedded)"));
        assert!(!model.is_called(&folder.display().to_string()));
        model.name = folder.display().to_string();
        assert!(model.is_called(&dir.path().join("./a/../a").display().to_string()));
        assert!(!model.is_called("(embedded)"));
        assert!(!model.is_called(&dir.path().join("none").display().to_string()));
    }
}
