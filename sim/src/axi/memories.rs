//! The two memories and the three half-ports in front of them.
//!
//! `m_axi_weights` has read channels only. Reads and writes of `m_axi_data` are independent: nothing
//! orders a read behind a write but the kernel waiting for the response (AXI4 A5.3).
//!
//! Cycles in calls and errors are those of the simulation. The memories' own time (stalls, refresh, open
//! rows, faults by cycle) starts anew with every launch, so a launch takes the same cycles whatever went
//! before it.

use tercet_contract::Geometry;

use super::read::ReadPort;
use super::rules::{Breach, Channel, Port, ProtocolError};
use super::write::WritePort;
use crate::bank::Bank;
use crate::kernel::Memory;
use crate::memory::fault::FaultPlace;
use crate::memory::FaultKind;
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
    /// First cycle of the launch.
    origin: u64,
    /// Last cycle with a transfer on each half-port.
    transfers: [Option<u64>; 3],
    /// Cycles of the launch in which the kernel is to be reset.
    resets: Vec<u64>,
}

impl Memories {
    /// Empty memories, for ports as wide as the geometry's.
    pub fn new(geometry: &Geometry, timing: &MemoryTiming) -> Self {
        let beat_bytes = geometry.beat_bytes();
        Memories {
            weights: Bank::new(Memory::Weights),
            data: Bank::new(Memory::Data),
            weight_reads: ReadPort::new(beat_bytes, timing, Port::Weights),
            data_reads: ReadPort::new(beat_bytes, timing, Port::Data),
            data_writes: WritePort::new(beat_bytes, timing, Port::Data),
            origin: 0,
            transfers: [None; 3],
            resets: Vec::new(),
        }
    }

    /// One of the two.
    pub fn bank(&mut self, memory: Memory) -> &mut Bank {
        match memory {
            Memory::Weights => &mut self.weights,
            Memory::Data => &mut self.data,
        }
    }

    /// The launch's cycle 0 is `cycle`, which has not been driven yet. If the kernel has something under
    /// way, which it must not, time goes on as it was.
    pub fn launch_begins(&mut self, cycle: u64) {
        if self.under_way().is_some() {
            return;
        }
        self.origin = cycle;
        self.weight_reads.restart();
        self.data_reads.restart();
        self.data_writes.restart();
    }

    /// The first cycle of the latest launch.
    pub fn launch_began(&self) -> u64 {
        self.origin
    }

    /// Lets a fault begin at a cycle counted from [`Memories::launch_begins`]; of which launch is open:
    /// an error is answered once, in the first launch that gets so far, a hang lasts until
    /// [`Memories::clear_faults_at`]. What a reset does is up to who asks [`Memories::reset_due`].
    pub fn inject_at(&mut self, kind: FaultKind, cycle: u64) {
        match kind.place() {
            FaultPlace::WeightReads => self.weight_reads.inject(kind, cycle),
            FaultPlace::DataReads => self.data_reads.inject(kind, cycle),
            FaultPlace::DataWrites => self.data_writes.inject(kind, cycle),
            FaultPlace::Kernel => self.resets.push(cycle),
        }
    }

    /// Removes the faults by cycle.
    pub fn clear_faults_at(&mut self) {
        self.weight_reads.clear_faults();
        self.data_reads.clear_faults();
        self.data_writes.clear_faults();
        self.resets.clear();
    }

    /// Whether an injected reset is due in `cycle`, and forgets it.
    pub fn reset_due(&mut self, cycle: u64) -> bool {
        let now = cycle - self.origin;
        let before = self.resets.len();
        self.resets.retain(|at| *at > now);
        self.resets.len() < before
    }

    /// Sets the memories' pins for this cycle.
    pub fn drive(&mut self, cycle: u64, inputs: &mut Inputs) {
        let cycle = cycle - self.origin;
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
        let now = cycle - self.origin;
        let weights = self
            .weight_reads
            .sample(now, &outputs.weights, &inputs.weights)
            .map_err(at(Port::Weights))?;
        let reads = self
            .data_reads
            .sample(now, &outputs.data_reads, &inputs.data_reads)
            .map_err(at(Port::Data))?;
        let writes = self
            .data_writes
            .sample(
                now,
                &mut self.data,
                &outputs.data_writes,
                &inputs.data_writes,
            )
            .map_err(at(Port::Data))?;
        let active = [weights, reads, writes];
        for (last, active) in self.transfers.iter_mut().zip(active) {
            if active {
                *last = Some(cycle);
            }
        }
        Ok(active.contains(&true))
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
            (outputs.control.rvalid, Port::Control, Channel::R),
            (outputs.control.bvalid, Port::Control, Channel::B),
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

    /// Checks that nothing was under way in cycle `done`, in which the kernel said that it is done, and
    /// that nothing has been since. The check may come later than `done`.
    pub fn check_done(&self, done: u64) -> Result<(), ProtocolError> {
        let breach = |port, channel, breach| {
            Err(ProtocolError {
                port,
                channel,
                cycle: done,
                breach,
            })
        };
        if let Some((port, channel, found)) = self.under_way() {
            return breach(port, channel, found);
        }
        let channels = [
            (Port::Weights, Channel::R),
            (Port::Data, Channel::R),
            (Port::Data, Channel::B),
        ];
        for ((port, channel), last) in channels.into_iter().zip(self.transfers) {
            if let Some(transfer) = last.filter(|last| *last > done) {
                return breach(port, channel, Breach::AfterDone { transfer, done });
            }
        }
        Ok(())
    }

    /// Something under way, as the breach that it is when the kernel is done.
    fn under_way(&self) -> Option<(Port, Channel, Breach)> {
        let bursts = [
            (self.weight_reads.outstanding(), Port::Weights, Channel::R),
            (self.data_reads.outstanding(), Port::Data, Channel::R),
            (self.data_writes.outstanding(), Port::Data, Channel::B),
        ];
        let waiting = [
            (
                Port::Weights,
                self.weight_reads.waiting().then_some(Channel::Ar),
            ),
            (Port::Data, self.data_reads.waiting().then_some(Channel::Ar)),
            (Port::Data, self.data_writes.waiting()),
        ];
        let bursts = bursts
            .into_iter()
            .find(|(bursts, ..)| *bursts > 0)
            .map(|(bursts, port, channel)| (port, channel, Breach::OutstandingAtDone { bursts }));
        bursts.or_else(|| {
            waiting
                .into_iter()
                .find_map(|(port, channel)| Some((port, channel?, Breach::WaitingAtDone)))
        })
    }

    /// Whether nothing is under way on any channel.
    pub fn is_quiet(&self) -> bool {
        self.under_way().is_none()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::DATA_BASE;

    /// Memories of one line each, in cycle 100 of the simulation.
    fn memories() -> Memories {
        let timing = MemoryTiming::fixed(4);
        let mut memories = Memories::new(&Geometry::DEFAULT, &timing);
        memories.weights.resize(64).unwrap();
        memories.data.resize(64).unwrap();
        for cycle in 0..100 {
            memories.drive(cycle, &mut Inputs::default());
        }
        memories
    }

    /// Reads one beat over the data port, asked for in cycle `at`; its cycle and response.
    fn read(memories: &mut Memories, at: u64) -> Option<(u64, u8)> {
        let mut inputs = Inputs::default();
        let mut beat = None;
        for cycle in at..at + 20 {
            let mut outputs = Outputs::default();
            outputs.data_reads.arvalid = cycle == at;
            outputs.data_reads.rready = true;
            outputs.data_reads.ar.addr = DATA_BASE;
            outputs.data_reads.ar.burst = 1;
            let beat_bytes = Geometry::DEFAULT.beat_bytes();
            outputs.data_reads.ar.size = beat_bytes.trailing_zeros() as u8;
            memories.drive(cycle, &mut inputs);
            if inputs.data_reads.rvalid {
                beat = Some((cycle, inputs.data_reads.rresp));
            }
            memories.sample(cycle, &inputs, &outputs).unwrap();
        }
        beat
    }

    #[test]
    fn an_error_is_answered_once_from_its_cycle_of_the_launch_on() {
        let mut memories = memories();
        memories.inject_at(FaultKind::DataSlverr, 30);
        memories.inject_at(FaultKind::WeightsDecerr, 0);
        memories.launch_begins(100);
        assert_eq!(read(&mut memories, 100), Some((104, 0)));
        assert_eq!(read(&mut memories, 125), Some((129, 0)));
        assert_eq!(read(&mut memories, 150), Some((154, 2)));
        assert_eq!(read(&mut memories, 170), Some((174, 0)));
    }

    #[test]
    fn a_hang_lasts_until_it_is_removed() {
        let mut memories = memories();
        memories.inject_at(FaultKind::DataHang, 30);
        memories.launch_begins(100);
        assert_eq!(read(&mut memories, 100), Some((104, 0)));
        assert_eq!(read(&mut memories, 130), None);
        let late = memories.check_done(150).unwrap_err();
        assert_eq!(late.breach, Breach::OutstandingAtDone { bursts: 1 });
        memories
            .sample_in_reset(150, &Outputs::default())
            .expect("a quiet kernel");
        memories.clear_faults_at();
        assert_eq!(read(&mut memories, 160), Some((164, 0)));
    }

    #[test]
    fn a_reset_is_due_once() {
        let mut memories = memories();
        memories.inject_at(FaultKind::Reset, 30);
        memories.launch_begins(100);
        let due: Vec<u64> = (100..200).filter(|c| memories.reset_due(*c)).collect();
        assert_eq!(due, [130]);
    }

    #[test]
    fn every_launch_meets_the_same_stalls() {
        let timing = MemoryTiming {
            stall_percent: crate::StallPercent::all(60),
            ..MemoryTiming::stalling(1)
        };
        let mut memories = Memories::new(&Geometry::DEFAULT, &timing);
        let mut ready = |from: u64| -> Vec<bool> {
            memories.launch_begins(from);
            let mut inputs = Inputs::default();
            let drive = |cycle| {
                memories.drive(cycle, &mut inputs);
                inputs.weights.arready
            };
            (from..from + 100).map(drive).collect()
        };
        assert_eq!(ready(0), ready(12_345));
    }

    #[test]
    fn transfers_after_done_are_told_later() {
        let mut memories = memories();
        memories.launch_begins(100);
        assert!(read(&mut memories, 110).is_some());
        assert_eq!(memories.check_done(114), Ok(()));
        let error = memories.check_done(113).unwrap_err().to_string();
        assert!(
            error.contains("m_axi_data R")
                && error.contains("cycle 114, after `ap_done` in cycle 113"),
            "{error}"
        );
    }
}
