//! Why a card behind XRT did not do what was asked.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use tercet_xclbin::{ReadError, WriteError};

use super::message::Reply;

/// Why a card did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// No library.
    #[error("{name} not found in {}: install XRT (Debian: libxrt1) or name the library with --xrt-library", list(folders))]
    NoXrt {
        /// What was looked for.
        name: &'static str,
        /// Where.
        folders: Vec<PathBuf>,
    },
    /// The system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The emulated card did not start.
    #[error("the emulated card did not start: {log}")]
    NoCard {
        /// What it wrote last.
        log: String,
    },
    /// A process ended in the middle.
    #[error("{who} ended ({status}){}", colon(log))]
    Ended {
        /// Which.
        who: &'static str,
        /// How.
        status: ExitStatus,
        /// What it wrote last.
        log: String,
    },
    /// No answer in time.
    #[error("{what} did not end within {seconds:.1} s")]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: f64,
    },
    /// XRT, or the card, refused.
    #[error("{0}")]
    Refused(String),
    /// The image cannot be read.
    #[error(transparent)]
    Image(#[from] ReadError),
    /// The image is not one for what was asked.
    #[error("the image does not fit: {0}")]
    Unfit(String),
    /// The image of an emulated card cannot be made.
    #[error(transparent)]
    MakeImage(#[from] WriteError),
    /// The kernel is not the one of the contract.
    #[error("register {register} reads {found:#010x}, expected {expected:#010x}: {hint}")]
    WrongKernel {
        /// Which.
        register: &'static str,
        /// What it reads.
        found: u32,
        /// What it should.
        expected: u32,
        /// What that means.
        hint: &'static str,
    },
    /// An error code that the contract does not know.
    #[error("the kernel reports error {0:#x}, which is none of its contract")]
    UnknownCode(u32),
}

impl HostError {
    /// Whether the card, or a process that stands for it, failed while it was in use; not what this machine lacks,
    /// or what was asked.
    pub fn is_of_the_card(&self) -> bool {
        matches!(self, HostError::Ended { .. } | HostError::Late { .. })
    }
}

fn list(folders: &[PathBuf]) -> String {
    let names: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
    names.join(", ")
}

/// The text behind a colon, if there is any.
pub(super) fn colon(log: &str) -> String {
    match log.is_empty() {
        true => String::new(),
        false => format!(": {log}"),
    }
}

/// An answer that the question does not have.
pub(super) fn unexpected(reply: &Reply) -> HostError {
    HostError::Refused(format!("an answer to another question: {reply:?}"))
}
