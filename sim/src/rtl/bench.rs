//! The kernel, its memories and the register host on one clock.

use tercet_contract::Geometry;

use crate::axi::lite::LiteMaster;
use crate::axi::Memories;
use crate::error::SimError;
use crate::library::Simulation;
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

    /// How fast the memories are.
    pub fn timing(&self) -> &MemoryTiming {
        &self.timing
    }

    /// One cycle. `Some` when a register access has ended, with the value read.
    pub fn clock(&mut self) -> Result<Option<u32>, SimError> {
        let cycle = self.cycle;
        self.memories.drive(cycle, &mut self.pins.inputs);
        self.host.drive(&mut self.pins.inputs.control);
        self.step()?;
        let Pins { inputs, outputs } = &self.pins;
        if self.memories.sample(cycle, inputs, outputs)? {
            self.last_activity = cycle;
        }
        Ok(self.host.sample(cycle, &inputs.control, &outputs.control)?)
    }

    /// Ends the waveform; cycles from now on are not drawn.
    pub fn end_trace(&mut self) {
        self.simulation.end_trace();
    }

    /// Holds the kernel in reset, then releases it.
    pub fn reset(&mut self) -> Result<(), SimError> {
        self.host.reset();
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
