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
use tercet_contract::{Command, Geometry, CONTRACT_VERSION};

use crate::bank::Fault;
use crate::build;
use crate::error::SimError;
use crate::kernel::{Counters, Kernel, Memory, Ring, Timeline};
use crate::library::Simulation;
use crate::memory::TimedFault;
use crate::timing::MemoryTiming;

use bench::Bench;
use launch::Start;
pub use registers::Registers;
use watchdog::Watchdog;
use waveform::Waveform;
pub use waveform::{TraceWindow, CYCLE_NS};

/// The emitted kernel, simulated cycle by cycle.
pub struct RtlKernel {
    geometry: Geometry,
    bench: Bench,
    /// The last launch did not end: the kernel must be reset before the next.
    stuck: bool,
    waveform: Option<Waveform>,
    ring: Option<RingState>,
    /// Faults that wait for the next launch or dispatch.
    faults: Vec<TimedFault>,
}

/// A ring that has been started.
struct RingState {
    ring: Ring,
    /// Commands submitted.
    tail: u32,
    /// As of the last dispatch.
    counters: Counters,
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

    /// [`RtlKernel::open`] with a waveform of some cycles of the first launch or dispatch. That it never got
    /// so far is an error of [`Kernel::finish`].
    pub fn open_window(
        geometry: &Geometry,
        timing: MemoryTiming,
        trace: &Path,
        window: TraceWindow,
    ) -> Result<Self, SimError> {
        let verilog = tercet_hdl::emit(geometry)?;
        RtlKernel::open_all(geometry, &verilog, timing, Some(trace), Some(window))
    }

    /// [`RtlKernel::open`] with the Verilog given: a module `ternary_gemv` with the ports of the
    /// contract.
    pub fn open_verilog(
        geometry: &Geometry,
        verilog: &str,
        timing: MemoryTiming,
        trace: Option<&Path>,
    ) -> Result<Self, SimError> {
        RtlKernel::open_all(geometry, verilog, timing, trace, None)
    }

    fn open_all(
        geometry: &Geometry,
        verilog: &str,
        timing: MemoryTiming,
        trace: Option<&Path>,
        window: Option<TraceWindow>,
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
            ring: None,
            faults: Vec::new(),
        };
        if let Some(window) = window {
            kernel.bench.draw_only(window);
        }
        kernel.reset()?;
        kernel.identify()?;
        Ok(kernel)
    }

    /// Holds the kernel in reset for some cycles, at whatever point it is. Memories keep their bytes.
    pub fn reset(&mut self) -> Result<(), SimError> {
        self.stuck = false;
        self.ring = None;
        self.bench.reset()
    }

    /// Lets a fault of the memories, or a reset, begin at a cycle of the next launch or dispatch, counted from
    /// when `ap_start`, or the doorbell, has been written ([`Memories::inject_at`](crate::axi::Memories::inject_at)). A launch that is
    /// reset, or not answered, ends as [`SimError::Hang`]. [`Kernel::clear_faults`] removes what has
    /// not happened yet.
    pub fn inject_at(&mut self, fault: TimedFault) {
        self.faults.push(fault);
    }

    /// The registers, for tests that go beyond [`Kernel::launch`].
    pub fn registers(&mut self) -> Registers<'_> {
        Registers::new(&mut self.bench)
    }

    /// What the kernel is clocked with, for a card that is driven access by access.
    pub(crate) fn bench(&mut self) -> &mut Bench {
        &mut self.bench
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

    /// Runs a list, whatever the kernel was doing before.
    fn run_list(
        &mut self,
        first: Option<&Command>,
        list: u64,
        count: u32,
    ) -> Result<Counters, SimError> {
        self.make_idle()?;
        let start = Start {
            first,
            list,
            count,
            completion: None,
        };
        self.bench.begin_with(std::mem::take(&mut self.faults));
        let counters = launch::launch(&mut self.bench, start);
        self.stuck = counters.is_err();
        counters
    }

    /// Resets a kernel that hangs or still runs a ring.
    fn make_idle(&mut self) -> Result<(), SimError> {
        match self.stuck || self.ring.is_some() {
            true => self.reset(),
            false => Ok(()),
        }
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
        self.run_list(None, list, count)
    }

    fn launch_immediate(
        &mut self,
        first: &Command,
        list: u64,
        count: u32,
    ) -> Result<Counters, SimError> {
        self.run_list(Some(first), list, count)
    }

    fn ring_start(&mut self, ring: Ring) -> Result<(), SimError> {
        self.make_idle()?;
        let start = Start {
            first: None,
            list: ring.records,
            count: ring.entries,
            completion: Some(ring.completion),
        };
        launch::start(&mut self.bench, start)?;
        self.ring = Some(RingState {
            ring,
            tail: 0,
            counters: Counters::default(),
        });
        Ok(())
    }

    fn ring_dispatch(&mut self, tail: u32) -> Result<Counters, SimError> {
        let Some(mut state) = self.ring.take() else {
            return Err(SimError::NoRing);
        };
        let submitted = tail.wrapping_sub(state.tail);
        let watchdog = Watchdog::for_ring(&mut self.bench, state.ring, state.tail, submitted);
        let completion = state.ring.completion;
        self.bench.begin_with(std::mem::take(&mut self.faults));
        let result = launch::dispatch(&mut self.bench, completion, tail, &watchdog);
        let now = match result {
            Ok(now) => now,
            Err(error) => {
                self.stuck = true;
                return Err(error);
            }
        };
        let before = std::mem::replace(&mut state.counters, now);
        state.tail = tail;
        // An error or a STOP has ended the ring; the kernel is idle then.
        let status = self.registers().read(map::CTRL)?;
        if status & map::CTRL_IDLE == 0 {
            self.ring = Some(state);
        }
        Ok(Counters {
            cycles: now.cycles - before.cycles,
            weight_beats: now.weight_beats - before.weight_beats,
            starved_cycles: now.starved_cycles - before.starved_cycles,
            blocked_cycles: now.blocked_cycles - before.blocked_cycles,
            ..now
        })
    }

    fn timeline(&self) -> Timeline {
        self.bench.timeline()
    }

    fn finish(&mut self) -> Result<(), SimError> {
        self.bench.end_trace();
        let drawn = self.bench.drawn();
        match self.waveform.take() {
            None => Ok(()),
            Some(waveform) if drawn.is_empty() => waveform.finish_empty(),
            Some(waveform) => waveform.finish(drawn.end),
        }
    }

    fn inject(&mut self, memory: Memory, fault: Fault) {
        self.bench.memories().bank(memory).inject(fault);
    }

    fn clear_faults(&mut self) {
        self.bench.memories().bank(Memory::Weights).clear_faults();
        self.bench.memories().bank(Memory::Data).clear_faults();
        self.bench.memories().clear_faults_at();
        self.faults.clear();
    }
}
