//! What a call of XRT returned.

use std::path::PathBuf;

/// Why XRT did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum XrtError {
    /// There is no such library, or it does not load.
    #[error("XRT cannot be loaded from {}: {reason}", path.display())]
    Library {
        /// What was tried.
        path: PathBuf,
        /// What the loader said.
        reason: String,
    },
    /// The library lacks a function.
    #[error("{}: no function `{name}`: expected XRT 2.13 or later", path.display())]
    Symbol {
        /// The library.
        path: PathBuf,
        /// The function.
        name: &'static str,
    },
    /// A call returned an error code.
    #[error("{call} failed with code {code}{}", meaning(*code))]
    Code {
        /// Function and what it was called with.
        call: String,
        /// What it returned.
        code: i32,
    },
    /// A call that makes a handle made none.
    #[error("{call} gave no handle{hint}")]
    NoHandle {
        /// Function and what it was called with.
        call: String,
        /// What usually causes it, with a leading `: `.
        hint: &'static str,
    },
    /// A name with a zero byte.
    #[error("{0:?}: a zero byte in a name")]
    Name(PathBuf),
    /// More bytes than the buffer has.
    #[error("{bytes} bytes at {offset} of a buffer of {size} bytes")]
    Range {
        /// First byte.
        offset: usize,
        /// How many.
        bytes: usize,
        /// Bytes of the buffer.
        size: usize,
    },
}

/// ` (Invalid argument)` of a negative errno.
fn meaning(code: i32) -> String {
    match code {
        i32::MIN..0 => {
            let e = std::io::Error::from_raw_os_error(code.saturating_neg());
            format!(" ({e})")
        }
        _ => String::new(),
    }
}
