//! One launch, with the register accesses that XRT makes for a kernel of type `ap_ctrl_hs`: write
//! the arguments, set `ap_start`, poll `CTRL` until `ap_done`.

use tercet_contract::error_code::ErrorCode;
use tercet_contract::layout::ALIGNMENT;
use tercet_contract::registers as map;
use tercet_contract::Command;

use super::bench::Bench;
use super::registers::Registers;
use super::watchdog::Watchdog;
use crate::error::SimError;
use crate::kernel::Counters;

/// Cycles between two looks at `CTRL`. What they delay is the simulation, not the kernel, which
/// counts its own cycles.
const POLL_CYCLES: usize = 32;

/// What the kernel is started with.
#[derive(Clone, Copy)]
pub struct Start<'a> {
    /// The first command, if it goes through the registers.
    pub first: Option<&'a Command>,
    /// Offset of the list or ring.
    pub list: u64,
    /// Commands of the list, records of the ring.
    pub count: u32,
    /// Offset of the completion word, in ring mode.
    pub completion: Option<u64>,
}

/// Writes the arguments and sets `ap_start`.
pub fn start(bench: &mut Bench, start: Start<'_>) -> Result<(), SimError> {
    for offset in [Some(start.list), start.completion].into_iter().flatten() {
        if !offset.is_multiple_of(ALIGNMENT as u64) {
            return Err(SimError::ListAlignment { list: offset });
        }
    }
    let weights = bench.memories().weights.base();
    let data = bench.memories().data.base();
    let mut registers = Registers::new(bench);
    registers.write64(map::WEIGHTS, weights)?;
    registers.write64(map::DATA, data)?;
    registers.write64(map::LIST, start.list)?;
    registers.write(map::COUNT, start.count)?;
    let mut mode = 0;
    if let Some(completion) = start.completion {
        mode |= map::MODE_RING;
        registers.write64(map::COMPLETION, data + completion)?;
        registers.write(map::TAIL, 0)?;
    }
    if let Some(first) = start.first {
        mode |= map::MODE_IMMEDIATE;
        let words = first.to_bytes();
        for (i, word) in (0..map::COMMAND_WORDS).zip(words.chunks_exact(4)) {
            let word = u32::from_le_bytes(word.try_into().expect("4 bytes"));
            registers.write(map::COMMAND + 4 * i, word)?;
        }
    }
    registers.write(map::MODE, mode)?;
    bench.start_with_next_write();
    Registers::new(bench).write(map::CTRL, map::CTRL_START)
}

/// Clocks until `CTRL` says done, and returns what was counted.
pub fn finish(bench: &mut Bench, watchdog: &Watchdog) -> Result<Counters, SimError> {
    loop {
        for _ in 0..POLL_CYCLES {
            bench.clock()?;
        }
        let ctrl = Registers::new(bench).read(map::CTRL)?;
        if ctrl & map::CTRL_DONE != 0 {
            break;
        }
        watchdog.check(bench, ctrl)?;
    }
    let cycle = bench.cycle();
    bench.memories().check_done(cycle)?;
    counters(&mut Registers::new(bench))
}

/// Runs a command list to its end.
pub fn launch(bench: &mut Bench, list: Start<'_>) -> Result<Counters, SimError> {
    start(bench, list)?;
    let watchdog = Watchdog::new(bench, list.list, list.count);
    let counters = finish(bench, &watchdog)?;
    // The kernel counts from its start on, a little after the start of the launch: it was not done before.
    let done = bench
        .memories()
        .launch_began()
        .saturating_add(counters.cycles);
    bench.memories().check_done(done)?;
    Ok(counters)
}

/// Rings the doorbell and clocks until `tail` commands are complete or the ring has ended. Returns the
/// counters since the start.
pub fn dispatch(
    bench: &mut Bench,
    completion: u64,
    tail: u32,
    watchdog: &Watchdog,
) -> Result<Counters, SimError> {
    bench.start_with_next_write();
    Registers::new(bench).write(map::TAIL, tail)?;
    for polls in 1u64.. {
        bench.clock()?;
        let mut word = [0; 4];
        bench.memories().data.read(completion, &mut word)?;
        if u32::from_le_bytes(word) == tail && bench.memories().is_quiet() {
            break;
        }
        if polls.is_multiple_of(POLL_CYCLES as u64) {
            let ctrl = Registers::new(bench).read(map::CTRL)?;
            if ctrl & map::CTRL_DONE != 0 {
                break;
            }
            watchdog.check(bench, ctrl)?;
        }
    }
    counters(&mut Registers::new(bench))
}

/// Reads the counters.
pub fn counters(registers: &mut Registers) -> Result<Counters, SimError> {
    let error = match registers.read(map::ERROR)? {
        0 => None,
        value => {
            let code =
                ErrorCode::from_register(value).ok_or(SimError::UnknownErrorCode { value })?;
            Some((code, registers.read(map::ERROR_INDEX)?))
        }
    };
    Ok(Counters {
        cycles: registers.read64(map::CYCLES)?,
        weight_beats: registers.read64(map::WEIGHT_BEATS)?,
        starved_cycles: registers.read64(map::STARVED)?,
        blocked_cycles: registers.read64(map::BLOCKED)?,
        commands_done: registers.read(map::COMMANDS_DONE)?,
        error,
    })
}
