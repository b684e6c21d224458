//! Simulated kernels as devices: the Rust device model and the Verilated RTL.

use std::path::Path;

use tercet_contract::{Command, Geometry};
use tercet_sim::{Kernel, Memory, MemoryTiming, ModelKernel, Ring, RtlKernel, SimError};

use super::{Counters, Device, DeviceError};
use crate::tier::Tier;

/// A simulated kernel behind the [`Device`] trait.
pub struct SimulatedDevice {
    kernel: Box<dyn Kernel>,
    name: &'static str,
    tier: Tier,
}

impl SimulatedDevice {
    /// The device model in Rust: exact sums, modelled cycles.
    pub fn model(geometry: &Geometry, timing: MemoryTiming) -> Self {
        SimulatedDevice {
            kernel: Box::new(ModelKernel::new(geometry, timing)),
            name: "model",
            tier: Tier::Modelled,
        }
    }

    /// The RTL in Verilator; `trace` is a waveform file to write.
    pub fn rtl(
        geometry: &Geometry,
        timing: MemoryTiming,
        trace: Option<&Path>,
    ) -> Result<Self, DeviceError> {
        let kernel = RtlKernel::open(geometry, timing, trace).map_err(|e| runtime("rtl", e))?;
        Ok(SimulatedDevice {
            kernel: Box::new(kernel),
            name: "rtl",
            tier: Tier::CycleAccurate,
        })
    }

    /// What was counted until `count` commands were complete.
    fn complete(
        &self,
        counters: Result<tercet_sim::Counters, SimError>,
        count: u32,
    ) -> Result<Counters, DeviceError> {
        let c = counters.map_err(self.failed())?;
        if let Some((code, index)) = c.error {
            return Err(DeviceError::Kernel {
                device: self.name,
                code,
                index,
                count,
            });
        }
        if c.commands_done != count {
            return Err(DeviceError::Incomplete {
                device: self.name,
                done: c.commands_done,
                count,
            });
        }
        Ok(Counters {
            cycles: c.cycles,
            weight_beats: c.weight_beats,
            starved_cycles: c.starved_cycles,
            blocked_cycles: c.blocked_cycles,
        })
    }

    fn failed(&self) -> impl Fn(SimError) -> DeviceError {
        let name = self.name;
        move |e| runtime(name, e)
    }
}

fn runtime(device: &'static str, source: SimError) -> DeviceError {
    DeviceError::Runtime {
        device,
        source: source.into(),
    }
}

impl Device for SimulatedDevice {
    fn name(&self) -> &'static str {
        self.name
    }

    fn tier(&self) -> Tier {
        self.tier
    }

    fn geometry(&self) -> Geometry {
        self.kernel.geometry()
    }

    fn load(&mut self, weights: &[u8], data: &[u8]) -> Result<(), DeviceError> {
        let failed = self.failed();
        for (memory, bytes) in [(Memory::Weights, weights), (Memory::Data, data)] {
            self.kernel.resize(memory, bytes.len()).map_err(&failed)?;
            self.kernel.write(memory, 0, bytes).map_err(&failed)?;
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), DeviceError> {
        let failed = self.failed();
        self.kernel
            .write(Memory::Data, offset, bytes)
            .map_err(failed)
    }

    fn finish(&mut self) -> Result<(), DeviceError> {
        let failed = self.failed();
        self.kernel.finish().map_err(failed)
    }

    fn read(&mut self, offset: u64, bytes: &mut [u8]) -> Result<(), DeviceError> {
        let failed = self.failed();
        self.kernel
            .read(Memory::Data, offset, bytes)
            .map_err(failed)
    }

    fn launch(&mut self, first: &Command, list: u64, count: u32) -> Result<Counters, DeviceError> {
        let counters = self.kernel.launch_immediate(first, list, count);
        self.complete(counters, count)
    }

    fn ring_start(&mut self, ring: Ring) -> Result<(), DeviceError> {
        let failed = self.failed();
        self.kernel.ring_start(ring).map_err(failed)
    }

    fn ring_dispatch(&mut self, tail: u32) -> Result<Counters, DeviceError> {
        let counters = self.kernel.ring_dispatch(tail);
        self.complete(counters, tail)
    }

    fn ring_stop(&mut self, tail: u32) -> Result<(), DeviceError> {
        let failed = self.failed();
        self.kernel.ring_dispatch(tail).map(|_| ()).map_err(failed)
    }
}
