//! How many cycles a launch or a dispatch takes, without running it.
//!
//! The kernel's units hand tokens on (a record, a burst, a beat, a row's results), in order, and each waits
//! only for tokens before it: no arbiter, no speculation. So the cycle of every token follows from
//! those before by additions and maxima, and the model goes from token to token instead of from cycle to
//! cycle. It asks the same timers that stand behind the simulated AXI ports ([`crate::memory`]) when a
//! memory takes or offers something, so it holds for every memory model and every stall seed. The
//! numbers are those of the RTL, cycle for cycle; `sim/tests/cycles.rs` holds the two together.
//!
//! Cycle 0 is the one after the host's write to `CTRL` (launch) or `TAIL` (dispatch) was taken.
//!
//! | module | unit of the kernel |
//! |---|---|
//! | `reader` | `axi_read_master` and the memory behind it |
//! | `front_end` | `front_end`, `run_list`, the data port's reads |
//! | `stream` | `stream_control`, weights, lanes |
//! | `writer` | `axi_write_master` and its answers |
//! | `contract` | the same as a page for people |

mod contract;
mod front_end;
mod reader;
mod stream;
mod writer;

use tercet_contract::command::Run;
use tercet_contract::{Command, Geometry};

use crate::kernel::{Counters, Timeline};
use crate::timing::MemoryTiming;

pub use contract::{contract_markdown, layer_dispatch};
use front_end::FrontEnd;
use stream::Stream;
use writer::Writer;

/// Commands between Begin and their end.
const MAX_IN_FLIGHT: usize = 8;

/// `queue.push` to the entry at the other end.
const QUEUE_CYCLES: u64 = 2;

/// A command as the cycle model needs it.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The command.
    pub command: Command,
    /// Byte offset of its record in the data memory; `None` if it is in the registers.
    pub record: Option<u64>,
    /// Its run list, at least as far as the kernel reads weights for it.
    pub runs: Vec<Run>,
}

impl Planned {
    /// The commands of a list at byte `list` of the data memory, without run lists.
    pub fn list(list: u64, commands: &[Command]) -> Vec<Planned> {
        let planned = |(i, command): (usize, &Command)| Planned {
            command: *command,
            record: Some(list + i as u64 * tercet_contract::command::COMMAND_BYTES as u64),
            runs: Vec::new(),
        };
        commands.iter().enumerate().map(planned).collect()
    }

    fn is_stop(&self) -> bool {
        self.command.opcode == tercet_contract::command::OPCODE_STOP
    }
}

/// Cycles and what else is counted of commands that all end without an error: a list, or a dispatch to a ring that
/// was empty, whose completion count lies at byte `completion` of the data memory.
pub fn cycles(
    geometry: &Geometry,
    timing: &MemoryTiming,
    completion: Option<u64>,
    commands: &[Planned],
) -> (Counters, Timeline) {
    let mut front = FrontEnd::new(geometry, timing, completion.is_some());
    let mut stream = Stream::new(geometry, timing);
    let mut writer = Writer::new(geometry, timing, completion);
    let mut counters = Counters::default();
    let mut stopped = false;
    for planned in commands {
        let begin = front.begin(planned, &stream, &writer);
        if planned.is_stop() {
            writer.stop(begin);
            front.stop(begin);
            counters.commands_done += 1;
            stopped = true;
            break;
        }
        stream.run(planned, begin, &mut front, &mut writer);
        writer.finish();
        front.end_of_runs(planned, &mut stream);
        counters.weight_beats += u64::from(planned.command.weight_beats);
        counters.commands_done += 1;
    }
    counters.starved_cycles = stream.starved();
    counters.blocked_cycles = stream.blocked();
    counters.cycles = front.end(&writer, stopped);
    let (first_weight_beat, last_weight_beat) = stream.beats_seen();
    let timeline = Timeline {
        first_weight_beat,
        last_weight_beat,
        last_answer: writer.last_answer(),
    };
    (counters, timeline)
}
