//! One launch, with the register accesses that XRT makes for a kernel of type `ap_ctrl_hs`: write
//! the arguments, set `ap_start`, poll `CTRL` until `ap_done`.

use tercet_contract::error_code::ErrorCode;
use tercet_contract::layout::ALIGNMENT;
use tercet_contract::registers as map;

use super::bench::Bench;
use super::registers::Registers;
use super::watchdog::Watchdog;
use crate::error::SimError;
use crate::kernel::Counters;

/// Cycles between two looks at `CTRL`. What they delay is the simulation, not the kernel, which
/// counts its own cycles.
const POLL_CYCLES: usize = 32;

/// Runs a command list to its end.
pub fn launch(bench: &mut Bench, list: u64, count: u32) -> Result<Counters, SimError> {
    if !list.is_multiple_of(ALIGNMENT as u64) {
        return Err(SimError::ListAlignment { list });
    }
    let weights = bench.memories().weights.base();
    let data = bench.memories().data.base();
    let mut registers = Registers::new(bench);
    registers.write64(map::WEIGHTS, weights)?;
    registers.write64(map::DATA, data)?;
    registers.write64(map::LIST, list)?;
    registers.write(map::COUNT, count)?;
    registers.write(map::CTRL, map::CTRL_START)?;

    let watchdog = Watchdog::new(bench, list, count);
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

fn counters(registers: &mut Registers) -> Result<Counters, SimError> {
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
