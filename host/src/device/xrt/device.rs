//! A compute unit behind XRT as a device of a run.

use std::time::{Duration, Instant};

use tercet_contract::error_code::ErrorCode;
use tercet_contract::{Command, Geometry};
use tercet_sim::Ring;

use super::error::{unexpected, HostError};
use super::link::{WorkerLink, TRANSFER};
use super::message::{Identity, Memory, Outcome, Record, Reply, Request, CHUNK_BYTES};
use super::Target;
use crate::device::{Counters, Device, DeviceError};
use crate::tier::Tier;

/// A compute unit behind XRT.
pub struct XrtDevice {
    pub(super) target: Target,
    pub(super) geometry: Geometry,
    pub(super) identity: Identity,
    pub(super) link: WorkerLink,
    pub(super) timeout: Duration,
    /// Counters of the ring as of the last dispatch.
    pub(super) ring: Option<Counters>,
}

impl XrtDevice {
    /// The kernel's identity registers and its clock.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Seconds of transfers to the card, from it, and of launches of nothing.
    pub fn probe(&mut self, bytes: usize, repetitions: u32) -> Result<[Vec<f64>; 3], HostError> {
        for (memory, bytes) in [(Memory::Weights, 4096), (Memory::Data, bytes as u64)] {
            self.link.ask(
                &Request::Resize { memory, bytes },
                "making memory",
                TRANSFER,
            )?;
        }
        let probe = Request::Probe {
            bytes: bytes as u64,
            repetitions,
        };
        match self.link.ask(&probe, "timing transfers", TRANSFER)? {
            Reply::Times(times) => Ok(times),
            other => Err(unexpected(&other)),
        }
    }

    /// Seconds of requests to the process that calls XRT for nothing, and their answers.
    pub fn probe_requests(&mut self, repetitions: u32) -> Result<Vec<f64>, HostError> {
        let time = |_| {
            let start = Instant::now();
            match self
                .link
                .ask(&Request::Nothing, "timing requests", TRANSFER)?
            {
                Reply::Done => Ok(start.elapsed().as_secs_f64()),
                other => Err(unexpected(&other)),
            }
        };
        (0..repetitions).map(time).collect()
    }

    /// Ids of the processes behind the device, for tests that end them.
    pub fn process_ids(&self) -> Vec<u32> {
        self.link.process_ids()
    }

    fn write_memory(&mut self, memory: Memory, offset: u64, bytes: &[u8]) -> Result<(), HostError> {
        for (i, bytes) in bytes.chunks(CHUNK_BYTES).enumerate() {
            let write = Request::Write {
                memory,
                offset: offset + (i * CHUNK_BYTES) as u64,
                bytes: bytes.to_vec(),
            };
            if let Err(e) = self.link.send(&write) {
                self.link.kill();
                return Err(e);
            }
        }
        Ok(())
    }

    fn ended(&mut self, request: &Request, count: u32) -> Result<Counters, DeviceError> {
        let device = self.target.name();
        let failed = |e| runtime(device, e);
        let what = match request {
            Request::Launch { .. } => "a launch",
            _ => "a ring",
        };
        let outcome: Outcome = match self.link.ask(request, what, self.timeout).map_err(failed)? {
            Reply::Ended(outcome) => outcome,
            other => return Err(failed(unexpected(&other))),
        };
        if outcome.error != 0 {
            let code = ErrorCode::from_register(outcome.error)
                .ok_or_else(|| failed(HostError::UnknownCode(outcome.error)))?;
            return Err(DeviceError::Kernel {
                device,
                code,
                index: outcome.error_index,
                count,
            });
        }
        if outcome.commands_done != count {
            return Err(DeviceError::Incomplete {
                device,
                done: outcome.commands_done,
                count,
            });
        }
        Ok(outcome.counters)
    }

    fn timeout_ms(&self) -> u64 {
        self.timeout.as_millis() as u64
    }
}

/// The error as the session takes it.
pub(super) fn runtime(device: &'static str, source: HostError) -> DeviceError {
    DeviceError::Runtime {
        device,
        source: source.into(),
    }
}

impl Device for XrtDevice {
    fn name(&self) -> &'static str {
        self.target.name()
    }

    fn tier(&self) -> Tier {
        match self.target {
            Target::Card(_) => Tier::Measured,
            Target::Emulated | Target::InProcess => Tier::CycleAccurate,
        }
    }

    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn load(&mut self, weights: &[u8], data: &[u8]) -> Result<(), DeviceError> {
        let name = self.target.name();
        let mut load = || {
            for (memory, bytes) in [(Memory::Weights, weights), (Memory::Data, data)] {
                let resize = Request::Resize {
                    memory,
                    bytes: bytes.len() as u64,
                };
                self.link.ask(&resize, "making memory", TRANSFER)?;
                self.write_memory(memory, 0, bytes)?;
            }
            Ok(())
        };
        load().map_err(|e| runtime(name, e))
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), DeviceError> {
        let name = self.target.name();
        self.write_memory(Memory::Data, offset, bytes)
            .map_err(|e| runtime(name, e))
    }

    fn read(&mut self, offset: u64, bytes: &mut [u8]) -> Result<(), DeviceError> {
        let name = self.target.name();
        for (i, part) in bytes.chunks_mut(CHUNK_BYTES).enumerate() {
            let read = Request::Read {
                offset: offset + (i * CHUNK_BYTES) as u64,
                bytes: part.len() as u64,
            };
            let reply = self.link.ask(&read, "reading results", TRANSFER);
            match reply.map_err(|e| runtime(name, e))? {
                Reply::Bytes(read) if read.len() == part.len() => part.copy_from_slice(&read),
                Reply::Bytes(read) => {
                    let short = format!("{} bytes read, expected {}", read.len(), part.len());
                    return Err(runtime(name, HostError::Refused(short)));
                }
                other => return Err(runtime(name, unexpected(&other))),
            }
        }
        Ok(())
    }

    fn launch(&mut self, first: &Command, list: u64, count: u32) -> Result<Counters, DeviceError> {
        let launch = Request::Launch {
            first: Record(first.to_bytes()),
            list,
            count,
            timeout_ms: self.timeout_ms(),
        };
        self.ended(&launch, count)
    }

    fn ring_start(&mut self, ring: Ring) -> Result<(), DeviceError> {
        let name = self.target.name();
        let start = Request::RingStart {
            records: ring.records,
            entries: ring.entries,
            completion: ring.completion,
        };
        let started = self.link.ask(&start, "starting a ring", self.timeout);
        started.map_err(|e| runtime(name, e))?;
        self.ring = Some(Counters::default());
        Ok(())
    }

    fn ring_dispatch(&mut self, tail: u32) -> Result<Counters, DeviceError> {
        let dispatch = Request::RingDispatch {
            tail,
            timeout_ms: self.timeout_ms(),
        };
        let now = self.ended(&dispatch, tail)?;
        let before = self.ring.replace(now).unwrap_or_default();
        Ok(now.since(before))
    }

    fn ring_stop(&mut self, tail: u32) -> Result<(), DeviceError> {
        let name = self.target.name();
        let stop = Request::RingStop {
            tail,
            timeout_ms: self.timeout_ms(),
        };
        self.ring = None;
        let stopped = self.link.ask(&stop, "ending a ring", self.timeout);
        stopped.map(|_| ()).map_err(|e| runtime(name, e))
    }

    fn is_simulated(&self) -> bool {
        !matches!(self.target, Target::Card(_))
    }
}
