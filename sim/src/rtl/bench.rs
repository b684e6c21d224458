//! The kernel, its memories and the register host on one clock.

use std::ops::Range;

use tercet_contract::Geometry;

use super::waveform::TraceWindow;

use crate::axi::lite::LiteMaster;
use crate::axi::Memories;
use crate::error::SimError;
use crate::kernel::Timeline;
use crate::library::Simulation;
use crate::memory::TimedFault;
use crate::pins::{Inputs, Pins};
use crate::timing::MemoryTiming;

/// Cycles that a reset lasts.
const RESET_CYCLES: u64 = 16;

/// Cycles of reset after which the kernel's VALIDs must be low; a kernel may register its reset.
const RESET_SETTLE_CYCLES: u64 = 4;

/// What is clocked together.
pub struct Bench {
    simulation: Simulation,
    pins: Pins,
    memories: Memories,
    host: LiteMaster,
    timing: MemoryTiming,
    cycle: u64,
    last_activity: u64,
    timeline: Timeline,
    /// The write under way starts a launch.
    starting: bool,
    /// Faults of the launch that starts next.
    faults: Vec<TimedFault>,
    /// Whether what starts next is a launch or dispatch with faults, and not a ring.
    armed: bool,
    /// What the waveform shows, before the first launch.
    window: Option<TraceWindow>,
    /// Cycles that the waveform shows.
    drawn: Range<u64>,
}

impl Bench {
    /// A kernel that has not been reset yet.
    pub fn new(geometry: &Geometry, timing: MemoryTiming, simulation: Simulation) -> Self {
        Bench {
            simulation,
            pins: Pins::default(),
            memories: Memories::new(geometry, &timing),
            host: LiteMaster::new(&timing),
            timing,
            cycle: 0,
            last_activity: 0,
            timeline: Timeline::default(),
            starting: false,
            faults: Vec::new(),
            armed: false,
            window: None,
            drawn: 0..u64::MAX,
        }
    }

    /// Cycles simulated so far.
    pub fn cycle(&self) -> u64 {
        self.cycle
    }

    /// The last cycle in which something was handed over on a memory port.
    pub fn last_activity(&self) -> u64 {
        self.last_activity
    }

    /// Pins as of the last cycle.
    pub fn pins(&self) -> &Pins {
        &self.pins
    }

    /// The memories.
    pub fn memories(&mut self) -> &mut Memories {
        &mut self.memories
    }

    /// The register host, to start an access.
    pub fn host(&mut self) -> &mut LiteMaster {
        &mut self.host
    }

    /// When things happened since the last start.
    pub fn timeline(&self) -> Timeline {
        self.timeline
    }

    /// The next register write starts a launch: its first cycle is the one after address and data of the
    /// write have been handed over.
    pub fn start_with_next_write(&mut self) {
        self.starting = true;
    }

    /// The next start is that of a launch or dispatch: then the faults are injected, and the cycles of a window
    /// count from there.
    pub fn begin_with(&mut self, faults: Vec<TimedFault>) {
        self.faults = faults;
        self.armed = true;
    }

    /// Draws nothing before the first launch or dispatch, and then some cycles of it.
    pub fn draw_only(&mut self, window: TraceWindow) {
        self.window = Some(window);
        self.draw(u64::MAX..u64::MAX);
    }

    /// The cycles that the waveform shows, of those that have passed.
    pub fn drawn(&self) -> Range<u64> {
        self.drawn.start..self.drawn.end.min(self.cycle)
    }

    fn draw(&mut self, cycles: Range<u64>) {
        self.simulation.trace_window(cycles.start, cycles.end);
        self.drawn = cycles;
    }

    /// How fast the memories are.
    pub fn timing(&self) -> &MemoryTiming {
        &self.timing
    }

    /// One cycle, after a reset if an injected one is due. `Some` when a register access has ended, with the value read.
    pub fn clock(&mut self) -> Result<Option<u32>, SimError> {
        if self.memories.reset_due(self.cycle) {
            self.reset()?;
        }
        let cycle = self.cycle;
        self.memories.drive(cycle, &mut self.pins.inputs);
        self.host.drive(cycle, &mut self.pins.inputs.control);
        self.step()?;
        let Pins { inputs, outputs } = &self.pins;
        if self.memories.sample(cycle, inputs, outputs)? {
            self.last_activity = cycle;
        }
        let now = cycle.checked_sub(self.memories.launch_began());
        if inputs.weights.rvalid && outputs.weights.rready {
            self.timeline.first_weight_beat = self.timeline.first_weight_beat.or(now);
            self.timeline.last_weight_beat = now;
        }
        if inputs.data_writes.bvalid && outputs.data_writes.bready {
            self.timeline.last_answer = now;
        }
        let ended = self.host.sample(cycle, &inputs.control, &outputs.control)?;
        if self.starting && self.host.write_is_taken() {
            self.starting = false;
            self.memories.launch_begins(cycle + 1);
            if std::mem::take(&mut self.armed) {
                self.begin(cycle + 1);
            }
            self.timeline = Timeline::default();
        }
        Ok(ended)
    }

    /// What comes with a launch whose first cycle is `cycle`.
    fn begin(&mut self, cycle: u64) {
        for fault in self.faults.drain(..) {
            self.memories.inject_at(fault.kind, fault.cycle);
        }
        if let Some(window) = self.window.take() {
            let from = cycle.saturating_add(window.from_cycle);
            self.draw(from..from.saturating_add(window.cycles));
        }
    }

    /// Ends the waveform; cycles from now on are not drawn.
    pub fn end_trace(&mut self) {
        self.simulation.end_trace();
    }

    /// Holds the kernel in reset, then releases it.
    pub fn reset(&mut self) -> Result<(), SimError> {
        self.host.reset();
        self.starting = false;
        self.pins.inputs = Inputs::default();
        for passed in 0..RESET_CYCLES {
            let cycle = self.cycle;
            self.step()?;
            let checked = self.memories.sample_in_reset(cycle, &self.pins.outputs);
            if passed >= RESET_SETTLE_CYCLES {
                checked?;
            }
        }
        // The first access may come in the very next cycle, as AXI allows.
        self.pins.inputs.ap_rst_n = true;
        Ok(())
    }

    /// Where everything stands, for the report of a hang.
    pub fn state(&self) -> String {
        let Pins { inputs, outputs } = &self.pins;
        let (i, o) = (inputs, outputs);
        let pins = [
            ("weights AR", o.weights.arvalid, i.weights.arready),
            ("weights R", i.weights.rvalid, o.weights.rready),
            ("data AR", o.data_reads.arvalid, i.data_reads.arready),
            ("data R", i.data_reads.rvalid, o.data_reads.rready),
            ("data AW", o.data_writes.awvalid, i.data_writes.awready),
            ("data W", o.data_writes.wvalid, i.data_writes.wready),
            ("data B", i.data_writes.bvalid, o.data_writes.bready),
            ("control AW", i.control.awvalid, o.control.awready),
            ("control W", i.control.wvalid, o.control.wready),
            ("control B", o.control.bvalid, i.control.bready),
            ("control AR", i.control.arvalid, o.control.arready),
            ("control R", o.control.rvalid, i.control.rready),
        ];
        let mut text = self.memories.state();
        text.push_str("\nchannel: valid ready");
        for (channel, valid, ready) in pins {
            text.push_str(&format!(
                "\n{channel}: {} {}",
                u8::from(valid),
                u8::from(ready)
            ));
        }
        text
    }

    fn step(&mut self) -> Result<(), SimError> {
        self.simulation
            .step(&mut self.pins)
            .map_err(|message| SimError::Stopped {
                cycle: self.cycle,
                message,
            })?;
        self.cycle += 1;
        Ok(())
    }
}
