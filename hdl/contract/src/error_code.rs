//! Codes of the `ERROR` register: why the kernel stopped early.
//!
//! The kernel stops at the first error, keeps the results it has written, records the code and the
//! index of the command in the list or since the ring was started, and raises `ap_done`. Commands overlap,
//! yet errors are told in order: all commands before the failing one are complete, its own results
//! are undefined, and nothing after it counts. A command that is wrong in several ways reports the
//! first in the order of the codes 1, 7, 4, 9, 2, 3, 5, and 6 if `weight_beats` is 0; then come a bus error in
//! its activations (0x11) and, when its matrix has been streamed to the end, its length (6), bus errors in
//! the matrix (0x12), and at last those of results (0x13). A run list that names too few or too many beats is
//! a wrong length; if its activations fail as well, either of the two may be told.

use std::fmt;

/// Why the kernel stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum ErrorCode {
    /// The opcode is not one that this kernel knows.
    BadOpcode = 1,
    /// `rows` is zero or above the most rows of a command.
    BadRows = 2,
    /// `k` is zero or above the longest K, or `row_beats` is not `ceil(k / lanes)`.
    BadK = 3,
    /// `vectors` is zero or above the batch of this kernel.
    BadVectors = 4,
    /// An offset, a base register or the list is not a multiple of 64, or is 2^48 or more.
    BadAddress = 5,
    /// `weight_beats` is not `rows * digits * row_beats`, or not the beats of the run list.
    BadLength = 6,
    /// An unknown flag, or activations are to be kept and none of this K and as many vectors were
    /// loaded since the start.
    BadFlags = 7,
    /// More commands were submitted than the ring holds.
    BadRing = 8,
    /// `digits` is zero or above [`crate::digits::MAX_DIGITS`].
    BadDigits = 9,
    /// SLVERR or DECERR while reading a command.
    CommandRead = 0x10,
    /// SLVERR or DECERR while reading activations.
    ActivationRead = 0x11,
    /// SLVERR or DECERR while reading weights.
    WeightRead = 0x12,
    /// SLVERR or DECERR in answer to a result write.
    ResultWrite = 0x13,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [ErrorCode; 13] = [
        ErrorCode::BadOpcode,
        ErrorCode::BadRows,
        ErrorCode::BadK,
        ErrorCode::BadVectors,
        ErrorCode::BadAddress,
        ErrorCode::BadLength,
        ErrorCode::BadFlags,
        ErrorCode::BadRing,
        ErrorCode::BadDigits,
        ErrorCode::CommandRead,
        ErrorCode::ActivationRead,
        ErrorCode::WeightRead,
        ErrorCode::ResultWrite,
    ];

    /// The code of an `ERROR` register value; `None` for 0 (no error) and for unknown values.
    pub fn from_register(value: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|c| *c as u32 == value)
    }

    /// One line for people.
    pub const fn meaning(self) -> &'static str {
        match self {
            ErrorCode::BadOpcode => "unknown opcode",
            ErrorCode::BadRows => "rows out of range",
            ErrorCode::BadK => "K out of range, or row_beats is not what K needs",
            ErrorCode::BadVectors => "more vectors than the kernel's batch, or none",
            ErrorCode::BadAddress => {
                "an offset, a base register or the list is not a multiple of 64 below 2^48"
            }
            ErrorCode::BadLength => {
                "weight_beats is not rows * digits * row_beats, or not the beats of the run list"
            }
            ErrorCode::BadFlags => {
                "unknown flag, or kept activations were not loaded with this K and these vectors"
            }
            ErrorCode::BadRing => "more commands submitted than the ring holds",
            ErrorCode::BadDigits => "digits of a weight out of range",
            ErrorCode::CommandRead => "bus error while reading a command",
            ErrorCode::ActivationRead => "bus error while reading activations",
            ErrorCode::WeightRead => "bus error while reading weights",
            ErrorCode::ResultWrite => "bus error while writing results",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (code {:#04x})", self.meaning(), *self as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn register_values_round_trip() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_register(code as u32), Some(code));
        }
        assert_eq!(ErrorCode::from_register(0), None);
        assert_eq!(ErrorCode::from_register(0xff), None);
    }
}
