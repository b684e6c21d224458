//! What a launch or a dispatch did, command by command.

use tercet_contract::command::{Run, OPCODE_STOP};
use tercet_contract::error_code::ErrorCode;
use tercet_contract::Command;

/// A command that completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutedCommand {
    /// Its record.
    pub command: Command,
    /// Its run list as far as the kernel looks at it, empty runs included; `None` if it has none.
    pub runs: Option<Vec<Run>>,
    /// Its index, counted from the start of the list or ring.
    pub index: u32,
}

/// Where the kernel stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub code: ErrorCode,
    /// Index of the command that failed.
    pub index: u32,
    /// Its record, if it could be read.
    pub command: Option<Command>,
}

/// How the kernel was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// A list in memory.
    #[default]
    List,
    /// A list whose first command came through the registers.
    Immediate,
    /// A dispatch of a ring.
    Ring,
}

/// A launch, or a dispatch of a ring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Execution {
    /// How it was told.
    pub mode: Mode,
    /// Commands that completed, in order. STOP is one of them.
    pub commands: Vec<ExecutedCommand>,
    /// What ended it early.
    pub failure: Option<Failure>,
}

impl Execution {
    /// Forgets the last launch and keeps its memory.
    pub(super) fn begin(&mut self, mode: Mode) {
        self.mode = mode;
        self.commands.clear();
        self.failure = None;
    }

    /// Weight beats of the completed commands.
    pub fn weight_beats(&self) -> u64 {
        // Of a STOP no other field means anything.
        let products = self.commands.iter().map(|e| &e.command);
        products
            .filter(|c| c.opcode != OPCODE_STOP)
            .map(|c| u64::from(c.weight_beats))
            .sum()
    }
}
