//! The Verilated kernel as a [`Kernel`].
//!
//! | module | concern |
//! |---|---|
//! | `bench` | kernel, memories and register host, clocked together |
//! | `registers` | register accesses |
//! | `launch` | from command list to counters, as XRT drives a kernel |
//! | `watchdog` | when a launch counts as hung |
//! | `waveform` | a waveform file, checked before it appears |

mod bench;
mod launch;
mod registers;
mod watchdog;
mod waveform;

use std::path::Path;

use tercet_contract::registers as map;
use tercet_contract::{Geometry, CONTRACT_VERSION};

use crate::bank::Fault;
use crate::build;
use crate::error::SimError;
use crate::kernel::{Counters, Kernel, Memory};
use crate::library::Simulation;
use crate::timing::MemoryTiming;

use bench::Bench;
pub use registers::Registers;
use waveform::Waveform;
pub use waveform::CYCLE_NS;

/// The emitted kernel, simulated cycle by cycle.
pub struct RtlKernel {
    geometry: Geometry,
    bench: Bench,
    /// The last launch did not end: the kernel must be reset before the next.
    stuck: bool,
    waveform: Option<Waveform>,
}

impl RtlKernel {
    /// The kernel of a geometry, reset and idle, with empty memories. Builds its library if this
    /// machine has not done so before. `trace` is a waveform file (FST) to write, from the first
    /// cycle to [`Kernel::finish`], at 4 ns a clock cycle. It appears whole, in place of one that is
    /// there, or not at all.
    pub fn open(
        geometry: &Geometry,
        timing: MemoryTiming,
        trace: Option<&Path>,
    ) -> Result<Self, SimError> {
        RtlKernel::open_verilog(geometry, &tercet_hdl::emit(geometry)?, timing, trace)
    }

    /// [`RtlKernel::open`] with the Verilog given: a module `ternary_gemv` with the ports of the
    /// contract.
    pub fn open_verilog(
        geometry: &Geometry,
        verilog: &str,
        timing: MemoryTiming,
        trace: Option<&Path>,
    ) -> Result<Self, SimError> {
        timing.validate()?;
        // Before the build, so that a place that cannot be written is told at once.
        let waveform = trace.map(Waveform::create).transpose()?;
        let library = build::library(geometry, verilog, trace.is_some())?;
        let path = waveform.as_ref().map(Waveform::path);
        let simulation =
            Simulation::open(&library, path.as_deref()).map_err(|error| match (error, trace) {
                // Under the name that was asked for.
                (SimError::Trace { reason, .. }, Some(path)) => SimError::Trace {
                    path: path.to_path_buf(),
                    reason,
                },
                (error, _) => error,
            })?;
        let mut kernel = RtlKernel {
            geometry: *geometry,
            bench: Bench::new(geometry, timing, simulation),
            stuck: false,
            waveform,
        };
        kernel.reset()?;
        kernel.identify()?;
        Ok(kernel)
    }

    /// Holds the kernel in reset for some cycles, at whatever point it is. Memories keep their bytes.
    pub fn reset(&mut self) -> Result<(), SimError> {
        self.stuck = false;
        self.bench.reset()
    }

    /// The registers, for tests that go beyond [`Kernel::launch`].
    pub fn registers(&mut self) -> Registers<'_> {
        Registers::new(&mut self.bench)
    }

    /// Lets clock cycles pass.
    pub fn wait(&mut self, cycles: u64) -> Result<(), SimError> {
        (0..cycles).try_for_each(|_| self.bench.clock().map(|_| ()))
    }

    /// The `interrupt` pin as of the last cycle.
    pub fn interrupt(&self) -> bool {
        self.bench.pins().outputs.interrupt
    }

    /// Clock cycles simulated so far, resets and register accesses included.
    pub fn cycle(&self) -> u64 {
        self.bench.cycle()
    }

    /// Checks that the registers name the kernel that was asked for.
    fn identify(&mut self) -> Result<(), SimError> {
        let geometry = self.geometry;
        let mut registers = self.registers();
        for (register, offset, expected) in [
            ("MAGIC", map::MAGIC, map::MAGIC_VALUE),
            ("VERSION", map::VERSION, CONTRACT_VERSION),
            ("GEOMETRY", map::GEOMETRY, map::geometry_word(&geometry)),
            ("MAX_K", map::MAX_K, geometry.max_k() as u32),
        ] {
            let found = registers.read(offset)?;
            if found != expected {
                return Err(SimError::WrongKernel {
                    register,
                    found,
                    expected,
                });
            }
        }
        Ok(())
    }
}

impl Drop for RtlKernel {
    fn drop(&mut self) {
        // The waveform of a run that failed is wanted most; that run has its own error.
        let _ = self.finish();
    }
}

impl Kernel for RtlKernel {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn counts_stalls(&self) -> bool {
        true
    }

    fn resize(&mut self, memory: Memory, bytes: usize) -> Result<(), SimError> {
        self.bench.memories().bank(memory).resize(bytes)
    }

    fn write(&mut self, memory: Memory, offset: u64, bytes: &[u8]) -> Result<(), SimError> {
        self.bench.memories().bank(memory).write(offset, bytes)
    }

    fn read(&mut self, memory: Memory, offset: u64, bytes: &mut [u8]) -> Result<(), SimError> {
        self.bench.memories().bank(memory).read(offset, bytes)
    }

    fn launch(&mut self, list: u64, count: u32) -> Result<Counters, SimError> {
        if self.stuck {
            self.reset()?;
        }
        let counters = launch::launch(&mut self.bench, list, count);
        self.stuck = counters.is_err();
        counters
    }

    fn finish(&mut self) -> Result<(), SimError> {
        self.bench.end_trace();
        let cycles = self.bench.cycle();
        self.waveform.take().map_or(Ok(()), |w| w.finish(cycles))
    }

    fn inject(&mut self, memory: Memory, fault: Fault) {
        self.bench.memories().bank(memory).inject(fault);
    }

    fn clear_faults(&mut self) {
        self.bench.memories().bank(Memory::Weights).clear_faults();
        self.bench.memories().bank(Memory::Data).clear_faults();
    }
}
