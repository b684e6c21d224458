//! Faults of a memory that begin at a cycle of a launch, as a command line spells them:
//! `KIND@CYCLE`.

use std::fmt;
use std::str::FromStr;

use crate::bank::Response;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// One beat read over the weights port answers SLVERR.
    WeightsSlverr,
    /// One beat read over the weights port answers DECERR.
    WeightsDecerr,
    /// One beat read over the data port answers SLVERR.
    DataSlverr,
    /// One beat read over the data port answers DECERR.
    DataDecerr,
    /// One write burst answers SLVERR. Its bytes are in memory all the same.
    WriteSlverr,
    /// One write burst answers DECERR. Its bytes are in memory all the same.
    WriteDecerr,
    /// The weights port offers no beat any more.
    WeightsHang,
    /// The data port offers no read beat any more.
    DataHang,
    /// The data port offers no write response any more.
    WriteHang,
    /// The kernel is reset.
    Reset,
}

/// Where a fault takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultPlace {
    /// R of the weights port.
    WeightReads,
    /// R of the data port.
    DataReads,
    /// B of the data port.
    DataWrites,
    /// The kernel's reset.
    Kernel,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [FaultKind; 10] = [
        FaultKind::WeightsSlverr,
        FaultKind::WeightsDecerr,
        FaultKind::DataSlverr,
        FaultKind::DataDecerr,
        FaultKind::WriteSlverr,
        FaultKind::WriteDecerr,
        FaultKind::WeightsHang,
        FaultKind::DataHang,
        FaultKind::WriteHang,
        FaultKind::Reset,
    ];

    /// As a command line spells it.
    pub fn name(self) -> &'static str {
        match self {
            FaultKind::WeightsSlverr => "weights-slverr",
            FaultKind::WeightsDecerr => "weights-decerr",
            FaultKind::DataSlverr => "data-slverr",
            FaultKind::DataDecerr => "data-decerr",
            FaultKind::WriteSlverr => "write-slverr",
            FaultKind::WriteDecerr => "write-decerr",
            FaultKind::WeightsHang => "weights-hang",
            FaultKind::DataHang => "data-hang",
            FaultKind::WriteHang => "write-hang",
            FaultKind::Reset => "reset",
        }
    }

    /// Where it takes effect.
    pub fn place(self) -> FaultPlace {
        match self {
            FaultKind::WeightsSlverr | FaultKind::WeightsDecerr | FaultKind::WeightsHang => {
                FaultPlace::WeightReads
            }
            FaultKind::DataSlverr | FaultKind::DataDecerr | FaultKind::DataHang => {
                FaultPlace::DataReads
            }
            FaultKind::WriteSlverr | FaultKind::WriteDecerr | FaultKind::WriteHang => {
                FaultPlace::DataWrites
            }
            FaultKind::Reset => FaultPlace::Kernel,
        }
    }

    /// What is answered; `None` for a fault that is no answer.
    pub fn response(self) -> Option<Response> {
        match self {
            FaultKind::WeightsSlverr | FaultKind::DataSlverr | FaultKind::WriteSlverr => {
                Some(Response::SlaveError)
            }
            FaultKind::WeightsDecerr | FaultKind::DataDecerr | FaultKind::WriteDecerr => {
                Some(Response::DecodeError)
            }
            FaultKind::WeightsHang
            | FaultKind::DataHang
            | FaultKind::WriteHang
            | FaultKind::Reset => None,
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FaultKind {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        FaultKind::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| FaultError::Kind {
                found: text.to_string(),
            })
    }
}

/// A fault, and the cycle of the launch from which it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimedFault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// From which cycle on, counted from the start of the launch. An error is answered once, with the
    /// first beat or response first offered in this cycle or later; a hang lasts.
    pub cycle: u64,
}

impl fmt::Display for TimedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.kind, self.cycle)
    }
}

impl FromStr for TimedFault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let (kind, cycle) = text.split_once('@').ok_or_else(|| FaultError::Form {
            found: text.to_string(),
        })?;
        Ok(TimedFault {
            kind: kind.parse()?,
            cycle: cycle.parse().map_err(|_| FaultError::Cycle {
                found: cycle.to_string(),
            })?,
        })
    }
}

/// Text that names no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// No such kind.
    #[error("`{found}` is no kind of fault, expected one of: {}", kinds())]
    Kind {
        /// As given.
        found: String,
    },
    /// Without `@`.
    #[error(
        "fault `{found}`: expected KIND@CYCLE with one of the kinds {}",
        kinds()
    )]
    Form {
        /// As given.
        found: String,
    },
    /// A cycle that is no number.
    #[error("`{found}` is no clock cycle, expected a whole number after `@`")]
    Cycle {
        /// As given.
        found: String,
    },
}

fn kinds() -> String {
    FaultKind::ALL.map(FaultKind::name).join(", ")
}

/// The faults of one channel of answers.
#[derive(Clone, Debug)]
pub struct ChannelFaults {
    /// Errors to come, the earliest last.
    errors: Vec<(u64, Response)>,
    /// Cycle of the earliest error.
    next_error: u64,
    silent_from: u64,
}

impl Default for ChannelFaults {
    fn default() -> Self {
        ChannelFaults {
            errors: Vec::new(),
            next_error: u64::MAX,
            silent_from: u64::MAX,
        }
    }
}

impl ChannelFaults {
    /// Adds a fault; `kind` is an error or a hang of this channel.
    pub fn add(&mut self, kind: FaultKind, cycle: u64) {
        match kind.response() {
            Some(response) => {
                // Of two of one cycle, the one added first is answered first.
                let at = self.errors.partition_point(|(other, _)| *other > cycle);
                self.errors.insert(at, (cycle, response));
                self.next_error = self.errors.last().map_or(u64::MAX, |(first, _)| *first);
            }
            None => self.silent_from = self.silent_from.min(cycle),
        }
    }

    /// The error of an answer first offered in `cycle`, which is then used up.
    #[inline]
    pub fn error(&mut self, cycle: u64) -> Option<Response> {
        if cycle < self.next_error {
            return None;
        }
        let error = self.errors.pop();
        self.next_error = self.errors.last().map_or(u64::MAX, |(first, _)| *first);
        error.map(|(_, response)| response)
    }

    /// Whether an answer due in `cycle` is offered at all.
    #[inline]
    pub fn answers(&self, cycle: u64) -> bool {
        cycle < self.silent_from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_spelled_and_read() {
        for kind in FaultKind::ALL {
            let fault = TimedFault { kind, cycle: 1200 };
            assert_eq!(fault.to_string(), format!("{}@1200", kind.name()));
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
    }

    #[test]
    fn mistakes_are_told_with_the_kinds() {
        let text = |fault: &str| fault.parse::<TimedFault>().unwrap_err().to_string();
        for (fault, expected) in [
            ("weight-slverr@5", "`weight-slverr` is no kind of fault"),
            ("reset", "expected KIND@CYCLE"),
        ] {
            let text = text(fault);
            assert!(text.contains(expected), "{text}");
            for kind in FaultKind::ALL {
                assert!(text.contains(kind.name()), "{kind}: {text}");
            }
        }
        for cycle in ["", "-1", "1.5", "99999999999999999999"] {
            let text = text(&format!("reset@{cycle}"));
            assert!(text.contains("no clock cycle"), "{text}");
        }
    }

    #[test]
    fn errors_come_once_each_in_order_of_their_cycles() {
        let mut faults = ChannelFaults::default();
        assert!(faults.answers(u64::MAX - 1));
        faults.add(FaultKind::DataDecerr, 20);
        faults.add(FaultKind::DataSlverr, 10);
        faults.add(FaultKind::DataSlverr, 20);
        faults.add(FaultKind::DataHang, 30);
        let answers: Vec<_> = [9, 15, 16, 20, 25, 26].map(|c| faults.error(c)).into();
        let (slave, decode) = (Some(Response::SlaveError), Some(Response::DecodeError));
        assert_eq!(answers[..3], [None, slave, None]);
        // Two of cycle 20.
        assert!(answers[3..5].contains(&slave) && answers[3..5].contains(&decode));
        assert_eq!(answers[5], None);
        assert!(faults.answers(29) && !faults.answers(30));
    }
}
