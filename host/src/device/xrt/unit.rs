//! One compute unit behind XRT, in the process that makes its calls.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tercet_contract::command::COMMAND_BYTES;
use tercet_contract::{arguments as argument, registers as map, Command, KERNEL_NAME};

use super::library::{unit_name, Buffer, Card, Kernel, Run, XrtError};
use super::message::{Identity, Memory, Outcome, Record, Reply, Request};
use crate::device::Counters;

/// Bytes that a buffer is a multiple of.
const PAGE: usize = 4096;

/// Time for which a run is looked at without pause: a dispatch on a card is over by then.
const SPIN: Duration = Duration::from_micros(500);

/// Between two looks after that.
const PAUSE: Duration = Duration::from_micros(50);

/// Time over which a kernel's clock is counted.
const CLOCK_TIME: Duration = Duration::from_millis(50);

/// Readings of which the quickest counts.
const CLOCK_READINGS: usize = 8;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
enum UnitError {
    #[error(transparent)]
    Xrt(#[from] XrtError),
    #[error("{0}")]
    Contract(String),
    #[error("late")]
    Late { what: &'static str, seconds: f64 },
}

/// A ring under way.
struct RingRun {
    run: Run,
    /// Offset of record 0.
    records: u64,
    entries: u32,
    /// Commands submitted.
    tail: u32,
    /// Record of the next command.
    slot: u32,
    /// Offset of its completion word.
    completion: u64,
    /// Whether a command has been completed. A start only queues: the registers, with a tail of 0, are written some
    /// time later, and overwrite a tail that was written before. Until then it is written again and again.
    has_begun: bool,
}

/// A compute unit with its buffers.
pub struct Unit {
    kernel: Arc<Kernel>,
    host_memory: bool,
    weights: Option<Buffer>,
    data: Option<Buffer>,
    /// The run of launches.
    launch: Option<Run>,
    ring: Option<RingRun>,
    /// Why a write that was not answered failed.
    pending: Option<UnitError>,
}

impl Unit {
    /// Opens unit `unit` of a card, and checks that its registers are where the contract has them.
    pub fn open(
        card: &Arc<Card>,
        unit: usize,
        host_memory: bool,
    ) -> Result<(Self, Identity), String> {
        let open = || {
            let kernel = Kernel::open(card, &unit_name(KERNEL_NAME, unit))?;
            for expected in argument::arguments() {
                let found = kernel.argument_offset(expected.id);
                if found != expected.offset {
                    return Err(UnitError::Contract(format!(
                        "argument {} ({}) of the kernel is at register {found:#05x}: expected {:#05x}",
                        expected.id, expected.name, expected.offset
                    )));
                }
            }
            let identity = identify(&kernel)?;
            Ok((kernel, identity))
        };
        let (kernel, identity) = open().map_err(|e: UnitError| e.to_string())?;
        let unit = Unit {
            kernel,
            host_memory,
            weights: None,
            data: None,
            launch: None,
            ring: None,
            pending: None,
        };
        Ok((unit, identity))
    }

    /// Does what is asked; no answer for what is not answered.
    pub fn answer(&mut self, request: Request) -> Option<Reply> {
        if let Request::Write {
            memory,
            offset,
            bytes,
        } = request
        {
            let written = self.write(memory, offset, &bytes);
            self.pending = self.pending.take().or(written.err());
            return None;
        }
        let reply = match self.pending.take() {
            Some(error) => Err(error),
            None => self.answered(request),
        };
        Some(reply.unwrap_or_else(|e| match e {
            UnitError::Late { what, seconds } => Reply::Late {
                what: what.to_string(),
                seconds,
            },
            e => Reply::Failed(e.to_string()),
        }))
    }

    fn answered(&mut self, request: Request) -> Result<Reply, UnitError> {
        Ok(match request {
            Request::Open(_) | Request::Write { .. } => {
                return Err(UnitError::Contract("the unit is open already".into()))
            }
            Request::Resize { memory, bytes } => {
                self.resize(memory, bytes as usize)?;
                Reply::Done
            }
            Request::Read { offset, bytes } => {
                let mut read = vec![0; bytes as usize];
                self.data()?.read(offset as usize, &mut read)?;
                Reply::Bytes(read)
            }
            Request::Launch {
                first,
                list,
                count,
                timeout_ms,
            } => {
                self.launch(&first, list, count, Duration::from_millis(timeout_ms))?;
                Reply::Ended(outcome(&self.kernel)?)
            }
            Request::RingStart {
                records,
                entries,
                completion,
            } => {
                self.ring_start(records, entries, completion)?;
                Reply::Done
            }
            Request::RingDispatch { tail, timeout_ms } => {
                self.ring_dispatch(tail, Duration::from_millis(timeout_ms))?;
                Reply::Ended(outcome(&self.kernel)?)
            }
            Request::RingStop { tail, timeout_ms } => {
                self.ring_stop(tail, Duration::from_millis(timeout_ms))?;
                Reply::Done
            }
            Request::Nothing => Reply::Done,
            Request::Register { offset } => Reply::Value(self.kernel.read(offset)?),
            Request::Probe { bytes, repetitions } => {
                Reply::Times(self.probe(bytes as usize, repetitions)?)
            }
        })
    }

    fn resize(&mut self, memory: Memory, bytes: usize) -> Result<(), UnitError> {
        // The run holds the old buffers.
        self.launch = None;
        self.ring = None;
        let size = bytes.next_multiple_of(PAGE).max(PAGE);
        let (slot, id, host_only) = match memory {
            Memory::Weights => (&mut self.weights, argument::WEIGHTS, false),
            Memory::Data => (&mut self.data, argument::DATA, self.host_memory),
        };
        *slot = None;
        *slot = Some(Buffer::new(&self.kernel, id, size, host_only)?);
        Ok(())
    }

    fn write(&mut self, memory: Memory, offset: u64, bytes: &[u8]) -> Result<(), UnitError> {
        let buffer = match memory {
            Memory::Weights => self.weights.as_mut().ok_or_else(no_memory)?,
            Memory::Data => self.data()?,
        };
        Ok(buffer.write(offset as usize, bytes)?)
    }

    fn data(&mut self) -> Result<&mut Buffer, UnitError> {
        self.data.as_mut().ok_or_else(no_memory)
    }

    /// A run with the buffers set.
    fn new_run(&self) -> Result<Run, UnitError> {
        let mut run = Run::new(&self.kernel)?;
        let weights = self.weights.as_ref().ok_or_else(no_memory)?;
        let data = self.data.as_ref().ok_or_else(no_memory)?;
        run.set_buffer(argument::WEIGHTS, weights)?;
        run.set_buffer(argument::DATA, data)?;
        Ok(run)
    }

    fn launch(
        &mut self,
        first: &Record,
        list: u64,
        count: u32,
        timeout: Duration,
    ) -> Result<(), UnitError> {
        let mut run = match self.launch.take() {
            Some(run) => run,
            None => self.new_run()?,
        };
        run.set_u64(argument::LIST, list)?;
        run.set_u32(argument::COUNT, count)?;
        run.set_u32(argument::MODE, map::MODE_IMMEDIATE)?;
        run.set_u64(argument::COMPLETION, 0)?;
        run.set_u32(argument::TAIL, 0)?;
        let (words, _) = first.0.as_chunks::<8>();
        for (i, word) in (0..argument::COMMAND_ARGUMENTS).zip(words) {
            run.set_u64(argument::COMMAND + i, u64::from_le_bytes(*word))?;
        }
        run.start()?;
        wait(&mut run, timeout, "a launch")?;
        self.launch = Some(run);
        Ok(())
    }

    fn ring_start(&mut self, records: u64, entries: u32, completion: u64) -> Result<(), UnitError> {
        let address = self.data()?.address();
        let mut run = self.new_run()?;
        run.set_u64(argument::LIST, records)?;
        run.set_u32(argument::COUNT, entries)?;
        run.set_u32(argument::MODE, map::MODE_RING)?;
        run.set_u64(argument::COMPLETION, address + completion)?;
        run.set_u32(argument::TAIL, 0)?;
        for i in 0..argument::COMMAND_ARGUMENTS {
            run.set_u64(argument::COMMAND + i, 0)?;
        }
        run.start()?;
        self.ring = Some(RingRun {
            run,
            completion,
            records,
            entries,
            tail: 0,
            slot: 0,
            has_begun: false,
        });
        Ok(())
    }

    fn ring_dispatch(&mut self, tail: u32, timeout: Duration) -> Result<(), UnitError> {
        let ring = self.ring.as_mut().ok_or_else(no_ring)?;
        let data = self.data.as_mut().ok_or_else(no_memory)?;
        if ring.entries > 0 {
            let submitted = u64::from(tail.wrapping_sub(ring.tail));
            ring.slot = ((u64::from(ring.slot) + submitted) % u64::from(ring.entries)) as u32;
        }
        ring.tail = tail;
        self.kernel.write(map::TAIL, tail)?;
        let start = Instant::now();
        loop {
            let mut word = [0; 4];
            data.read(ring.completion as usize, &mut word)?;
            let completed = u32::from_le_bytes(word);
            ring.has_begun |= completed != 0;
            // A ring that has ended completes nothing more; its registers say why.
            if completed == tail || ring.run.is_done()? {
                return Ok(());
            }
            pause(start);
            late(start, timeout, "a ring")?;
            if !ring.has_begun {
                self.kernel.write(map::TAIL, tail)?;
            }
        }
    }

    /// Ends a ring for which nobody asks any more: its kernel would be busy for whoever comes next. Returns whether
    /// there was one.
    pub fn abandon(&mut self, timeout: Duration) -> Result<bool, String> {
        let Some(ring) = &self.ring else {
            return Ok(false);
        };
        let at = ring.records + u64::from(ring.slot) * COMMAND_BYTES as u64;
        let tail = ring.tail.wrapping_add(1);
        let stop = Command::stop().to_bytes();
        let stopped = self
            .write(Memory::Data, at, &stop)
            .and_then(|()| self.ring_stop(tail, timeout));
        stopped.map(|()| true).map_err(|e| e.to_string())
    }

    fn ring_stop(&mut self, tail: u32, timeout: Duration) -> Result<(), UnitError> {
        let mut ring = self.ring.take().ok_or_else(no_ring)?;
        self.kernel.write(map::TAIL, tail)?;
        let start = Instant::now();
        while !ring.run.is_done()? {
            pause(start);
            late(start, timeout, "the end of a ring")?;
            if !ring.has_begun {
                self.kernel.write(map::TAIL, tail)?;
            }
        }
        Ok(())
    }

    /// Transfers both ways and launches of nothing, each timed.
    fn probe(&mut self, bytes: usize, repetitions: u32) -> Result<[Vec<f64>; 3], UnitError> {
        let mut times = [vec![], vec![], vec![]];
        let mut block = vec![0x5a; bytes];
        for _ in 0..repetitions {
            let start = Instant::now();
            self.data()?.write(0, &block)?;
            times[0].push(start.elapsed().as_secs_f64());
            let start = Instant::now();
            self.data()?.read(0, &mut block)?;
            times[1].push(start.elapsed().as_secs_f64());
            if block.iter().any(|b| *b != 0x5a) {
                return Err(UnitError::Contract(
                    "bytes come back from the card's memory other than they were written".into(),
                ));
            }
            let start = Instant::now();
            let nothing = Record([0; COMMAND_BYTES]);
            self.launch(&nothing, 0, 0, Duration::from_secs(10))?;
            times[2].push(start.elapsed().as_secs_f64());
        }
        Ok(times)
    }
}

fn no_memory() -> UnitError {
    UnitError::Contract("the unit has no memory yet".into())
}

fn no_ring() -> UnitError {
    UnitError::Contract("no ring was started".into())
}

/// An error once the time is over.
fn late(start: Instant, timeout: Duration, what: &'static str) -> Result<(), UnitError> {
    let time = start.elapsed();
    match time < timeout {
        true => Ok(()),
        false => Err(UnitError::Late {
            what,
            seconds: time.as_secs_f64(),
        }),
    }
}

fn wait(run: &mut Run, timeout: Duration, what: &'static str) -> Result<(), UnitError> {
    let start = Instant::now();
    while !run.is_done()? {
        pause(start);
        late(start, timeout, what)?;
    }
    Ok(())
}

/// Between two looks at something that began then.
fn pause(start: Instant) {
    match start.elapsed() < SPIN {
        true => std::thread::yield_now(),
        false => std::thread::sleep(PAUSE),
    }
}

fn read64(kernel: &Kernel, offset: u32) -> Result<u64, XrtError> {
    loop {
        // Of a register that counts: high, low, high.
        let high = kernel.read(offset + 4)?;
        let low = kernel.read(offset)?;
        if kernel.read(offset + 4)? == high {
            return Ok(u64::from(high) << 32 | u64::from(low));
        }
    }
}

fn outcome(kernel: &Kernel) -> Result<Outcome, XrtError> {
    let error = kernel.read(map::ERROR)?;
    Ok(Outcome {
        counters: Counters {
            cycles: read64(kernel, map::CYCLES)?,
            weight_beats: read64(kernel, map::WEIGHT_BEATS)?,
            starved_cycles: read64(kernel, map::STARVED)?,
            blocked_cycles: read64(kernel, map::BLOCKED)?,
        },
        commands_done: kernel.read(map::COMMANDS_DONE)?,
        error,
        error_index: match error {
            0 => 0,
            _ => kernel.read(map::ERROR_INDEX)?,
        },
    })
}

fn identify(kernel: &Kernel) -> Result<Identity, XrtError> {
    let first = Uptime::read(kernel)?;
    std::thread::sleep(CLOCK_TIME);
    let second = Uptime::read(kernel)?;
    let cycles = second.cycles.wrapping_sub(first.cycles) as f64;
    let rate = |time: Duration| cycles / time.as_secs_f64().max(f64::MIN_POSITIVE);
    Ok(Identity {
        magic: kernel.read(map::MAGIC)?,
        version: kernel.read(map::VERSION)?,
        geometry: kernel.read(map::GEOMETRY)?,
        max_k: kernel.read(map::MAX_K)?,
        clock_hz_least: rate(second.after.duration_since(first.before)),
        clock_hz_most: rate(second.before.duration_since(first.after)),
    })
}

/// A reading of the free-running counter, and when it began and ended.
struct Uptime {
    before: Instant,
    cycles: u64,
    after: Instant,
}

impl Uptime {
    /// The quickest of some readings.
    fn read(kernel: &Kernel) -> Result<Self, XrtError> {
        let once = || {
            let before = Instant::now();
            let cycles = read64(kernel, map::UPTIME)?;
            Ok(Uptime {
                before,
                cycles,
                after: Instant::now(),
            })
        };
        let mut best: Uptime = once()?;
        for _ in 1..CLOCK_READINGS {
            let next = once()?;
            if next.after - next.before < best.after - best.before {
                best = next;
            }
        }
        Ok(best)
    }
}

#[cfg(test)]
mod tests {
    use super::super::library::Xrt;
    use super::super::places;
    use super::super::CardId;
    use super::*;
    use tercet_contract::Geometry;
    use tercet_xclbin::Xclbin;

    #[test]
    fn a_ring_is_ended_when_nobody_asks_any_more() {
        let verilator = std::process::Command::new("verilator")
            .arg("--version")
            .output();
        let (Ok(library), Ok(_)) = (places::find_own(), verilator) else {
            assert!(
                std::env::var_os("CI").is_none(),
                "CI must not skip this: install verilator, and build tercet-xrt-sim"
            );
            eprintln!("SKIPPED: no verilator, or no libtercet_xrt_sim.so");
            return;
        };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("emulation.xclbin");
        let geometry: Geometry = "128-b3".parse().unwrap();
        let image = Xclbin::emulation(&geometry, 1, 300e6).unwrap();
        image.write(&path).unwrap();
        let xrt = Xrt::load(&library).unwrap();
        let card = Card::open(&xrt, &CardId::Index(0), &path).unwrap();
        let (mut unit, _) = Unit::open(&card, 0, false).unwrap();
        assert!(!unit.abandon(Duration::from_secs(60)).unwrap());
        unit.resize(Memory::Weights, PAGE).unwrap();
        unit.resize(Memory::Data, PAGE).unwrap();
        unit.ring_start(0, 8, 1024).unwrap();
        assert!(unit.abandon(Duration::from_secs(60)).unwrap());
        // The kernel is free again.
        let nothing = Record([0; COMMAND_BYTES]);
        let launched = unit.launch(&nothing, 0, 0, Duration::from_secs(60));
        assert!(launched.is_ok(), "{launched:?}");
    }
}
