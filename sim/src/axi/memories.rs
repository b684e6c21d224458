//! The two memories and the three half-ports in front of them.
//!
//! `m_axi_weights` has read channels only. Reads and writes of `m_axi_data` are independent: nothing
//! orders a read behind a write but the kernel waiting for the response (AXI4 A5.3).

use tercet_contract::Geometry;

use super::read::ReadPort;
use super::rules::{Breach, Channel, Port, ProtocolError};
use super::write::WritePort;
use crate::bank::Bank;
use crate::kernel::Memory;
use crate::pins::{Inputs, Outputs};
use crate::timing::MemoryTiming;

/// Everything behind the kernel's two master ports.
pub struct Memories {
    /// Bytes behind `m_axi_weights`.
    pub weights: Bank,
    /// Bytes behind `m_axi_data`.
    pub data: Bank,
    weight_reads: ReadPort,
    data_reads: ReadPort,
    data_writes: WritePort,
}

impl Memories {
    /// Empty memories, for ports as wide as the geometry's.
    pub fn new(geometry: &Geometry, timing: &MemoryTiming) -> Self {
        let beat_bytes = geometry.beat_bytes();
        Memories {
            weights: Bank::new(Memory::Weights),
            data: Bank::new(Memory::Data),
            weight_reads: ReadPort::new(beat_bytes, timing, 1),
            data_reads: ReadPort::new(beat_bytes, timing, 2),
            data_writes: WritePort::new(beat_bytes, timing, 3),
        }
    }

    /// One of the two.
    pub fn bank(&mut self, memory: Memory) -> &mut Bank {
        match memory {
            Memory::Weights => &mut self.weights,
            Memory::Data => &mut self.data,
        }
    }

    /// Sets the memories' pins for this cycle.
    pub fn drive(&mut self, cycle: u64, inputs: &mut Inputs) {
        self.weight_reads
            .drive(cycle, &self.weights, &mut inputs.weights);
        self.data_reads
            .drive(cycle, &self.data, &mut inputs.data_reads);
        self.data_writes.drive(cycle, &mut inputs.data_writes);
    }

    /// Registers what was handed over at the clock edge. Returns whether anything was.
    pub fn sample(
        &mut self,
        cycle: u64,
        inputs: &Inputs,
        outputs: &Outputs,
    ) -> Result<bool, ProtocolError> {
        let at = |port| {
            move |(channel, breach)| ProtocolError {
                port,
                channel,
                cycle,
                breach,
            }
        };
        let weights = self
            .weight_reads
            .sample(cycle, &outputs.weights, &inputs.weights)
            .map_err(at(Port::Weights))?;
        let reads = self
            .data_reads
            .sample(cycle, &outputs.data_reads, &inputs.data_reads)
            .map_err(at(Port::Data))?;
        let writes = self
            .data_writes
            .sample(
                cycle,
                &mut self.data,
                &outputs.data_writes,
                &inputs.data_writes,
            )
            .map_err(at(Port::Data))?;
        Ok(weights || reads || writes)
    }

    /// Forgets everything under way, and checks that the kernel asks for nothing: it is in reset.
    pub fn sample_in_reset(&mut self, cycle: u64, outputs: &Outputs) -> Result<(), ProtocolError> {
        self.weight_reads.reset();
        self.data_reads.reset();
        self.data_writes.reset();
        let valids = [
            (outputs.weights.arvalid, Port::Weights, Channel::Ar),
            (outputs.data_reads.arvalid, Port::Data, Channel::Ar),
            (outputs.data_writes.awvalid, Port::Data, Channel::Aw),
            (outputs.data_writes.wvalid, Port::Data, Channel::W),
        ];
        match valids.into_iter().find(|(valid, ..)| *valid) {
            Some((_, port, channel)) => Err(ProtocolError {
                port,
                channel,
                cycle,
                breach: Breach::ValidInReset,
            }),
            None => Ok(()),
        }
    }

    /// Checks that nothing is under way: the kernel says that it is done.
    pub fn check_done(&self, cycle: u64) -> Result<(), ProtocolError> {
        let under_way = [
            (self.weight_reads.outstanding(), Port::Weights, Channel::R),
            (self.data_reads.outstanding(), Port::Data, Channel::R),
            (self.data_writes.outstanding(), Port::Data, Channel::B),
        ];
        match under_way.into_iter().find(|(bursts, ..)| *bursts > 0) {
            Some((bursts, port, channel)) => Err(ProtocolError {
                port,
                channel,
                cycle,
                breach: Breach::OutstandingAtDone { bursts },
            }),
            None => Ok(()),
        }
    }

    /// One line a half-port, for the report of a hang.
    pub fn state(&self) -> String {
        format!(
            "m_axi_weights reads: {} bursts under way, {} beats so far\n\
             m_axi_data reads: {} bursts under way, {} beats so far\n\
             m_axi_data writes: {} bursts under way, {} beats so far",
            self.weight_reads.outstanding(),
            self.weight_reads.beats(),
            self.data_reads.outstanding(),
            self.data_reads.beats(),
            self.data_writes.outstanding(),
            self.data_writes.beats(),
        )
    }
}
