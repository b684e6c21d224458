//! A card behind XRT, or what stands in for one.
//!
//! | target | library | who computes |
//! |---|---|---|
//! | `xrt[:card]` | XRT | a card with the user's xclbin |
//! | `xrt-emu` | XRT, in hardware emulation | `tercet device-server`: the Verilated kernel behind XRT's socket |
//! | `xrt-sim` | ours, with XRT's functions | the Verilated kernel in the process of the library |
//!
//! The calls are the same in all three. They are made by a process of their own ([`worker`]): XRT ends the
//! process or hangs in it when its device fails, and a run must neither lose its tokens nor wait for ever.
//!
//! ```text
//! run -- socket, a connection for each unit --> xrt-worker -- XRT --> card
//!                                                           \-- XRT, socket --> device-server
//! ```
//!
//! | module | concern |
//! |---|---|
//! | [`library`] | XRT's functions as handles and errors; the only unsafe code |
//! | `unit` | a compute unit: buffers, launches, rings, counters |
//! | [`message`] | requests and answers between the processes |
//! | [`worker`] | the process that makes the calls |
//! | `process` | starting, watching and ending it and the emulated card |
//! | [`places`] | libraries, and the folder with the emulation's settings |

pub mod library;
pub mod message;
pub mod places;
mod process;
mod unit;
pub mod worker;

use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tercet_contract::arguments::DATA;
use tercet_contract::error_code::ErrorCode;
use tercet_contract::{registers as map, Command, Geometry, CONTRACT_VERSION, KERNEL_NAME};
use tercet_sim::Ring;
use tercet_xclbin::{check, Contents, Finding, ReadError, WriteError, Xclbin};

pub use library::CardId;
use message::{
    receive, send, Identity, Memory, Open, Outcome, Record, Reply, Request, CHUNK_BYTES,
};
use places::WorkFolder;
use process::Processes;

use super::{Counters, Device, DeviceError};
use crate::tier::Tier;

/// Clock that the image of an emulated card names.
const EMULATED_CLOCK_HZ: f64 = 300e6;

/// Time that opening a card, with its image, may take.
const OPEN: Duration = Duration::from_secs(120);

/// Time that a transfer of a chunk may take.
const TRANSFER: Duration = Duration::from_secs(60);

/// Between two looks at whether the processes are still there.
const LOOK: Duration = Duration::from_millis(50);

/// Who stands behind XRT's functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A card.
    Card(CardId),
    /// The Verilated kernel, through XRT's hardware emulation.
    Emulated,
    /// The Verilated kernel, through our own library.
    InProcess,
}

impl Target {
    /// Name for options and reports.
    pub fn name(&self) -> &'static str {
        match self {
            Target::Card(_) => "xrt",
            Target::Emulated => "xrt-emu",
            Target::InProcess => "xrt-sim",
        }
    }
}

/// How a card is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XrtOptions {
    /// Who stands behind the functions.
    pub target: Target,
    /// Image for the card; none for one made for an emulated card.
    pub xclbin: Option<PathBuf>,
    /// The library; none for where it usually is.
    pub library: Option<PathBuf>,
    /// Time that a launch or dispatch may take.
    pub timeout: Duration,
    /// Further arguments of `tercet device-server`.
    pub card_arguments: Vec<String>,
}

impl XrtOptions {
    /// Time that a dispatch may take if nothing else is said: a card needs milliseconds, a simulation of a
    /// large layer minutes.
    pub fn default_timeout(target: &Target) -> Duration {
        match target {
            Target::Card(_) => Duration::from_secs(10),
            Target::Emulated | Target::InProcess => Duration::from_secs(600),
        }
    }
}

/// Why a card did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// No library.
    #[error("{name} not found in {}: install XRT (Debian: libxrt1) or name the library with --xrt-library", list(folders))]
    NoXrt {
        /// What was looked for.
        name: &'static str,
        /// Where.
        folders: Vec<PathBuf>,
    },
    /// The system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The emulated card did not start.
    #[error("the emulated card did not start: {log}")]
    NoCard {
        /// What it wrote last.
        log: String,
    },
    /// A process ended in the middle.
    #[error("{who} ended ({status}){}", colon(log))]
    Ended {
        /// Which.
        who: &'static str,
        /// How.
        status: ExitStatus,
        /// What it wrote last.
        log: String,
    },
    /// No answer in time.
    #[error("{what} did not end within {seconds:.1} s")]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: f64,
    },
    /// XRT, or the card, refused.
    #[error("{0}")]
    Refused(String),
    /// The image cannot be read.
    #[error(transparent)]
    Image(#[from] ReadError),
    /// The image is not one for what was asked.
    #[error("the image does not fit: {0}")]
    Unfit(String),
    /// The image of an emulated card cannot be made.
    #[error(transparent)]
    MakeImage(#[from] WriteError),
    /// The kernel is not the one of the contract.
    #[error("register {register} reads {found:#010x}, expected {expected:#010x}: {hint}")]
    WrongKernel {
        /// Which.
        register: &'static str,
        /// What it reads.
        found: u32,
        /// What it should.
        expected: u32,
        /// What that means.
        hint: &'static str,
    },
    /// An error code that the contract does not know.
    #[error("the kernel reports error {0:#x}, which is none of its contract")]
    UnknownCode(u32),
}

impl HostError {
    /// Whether the card, or a process that stands for it, failed while it was in use; not what this machine lacks,
    /// or what was asked.
    pub fn is_of_the_card(&self) -> bool {
        matches!(self, HostError::Ended { .. } | HostError::Late { .. })
    }
}

fn list(folders: &[PathBuf]) -> String {
    let names: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
    names.join(", ")
}

fn colon(log: &str) -> String {
    match log.is_empty() {
        true => String::new(),
        false => format!(": {log}"),
    }
}

/// A compute unit behind XRT.
pub struct XrtDevice {
    target: Target,
    geometry: Geometry,
    identity: Identity,
    processes: Arc<Processes>,
    stream: UnixStream,
    replies: Receiver<io::Result<Option<Reply>>>,
    timeout: Duration,
    /// Counters of the ring as of the last dispatch.
    ring: Option<Counters>,
}

impl XrtDevice {
    /// Opens the first `units` compute units of a card, whose kernels must have this geometry. Without an
    /// image, an emulated card of this geometry is made.
    pub fn open(
        options: &XrtOptions,
        geometry: &Geometry,
        units: usize,
    ) -> Result<Vec<XrtDevice>, DeviceError> {
        let open = || {
            let mut units = match &options.xclbin {
                Some(_) => XrtDevice::open_any(options, units)?,
                None => XrtDevice::open_emulated(options, geometry, units)?,
            };
            for unit in &mut units {
                check_identity(&unit.identity, geometry)?;
                unit.geometry = *geometry;
            }
            Ok(units)
        };
        open().map_err(|e| runtime(options.target.name(), e))
    }

    /// Opens an emulated card of a geometry.
    pub fn open_emulated(
        options: &XrtOptions,
        geometry: &Geometry,
        units: usize,
    ) -> Result<Vec<XrtDevice>, HostError> {
        let image = Xclbin::emulation(geometry, units, EMULATED_CLOCK_HZ)?;
        XrtDevice::open_image(options, &image, None, units)
    }

    /// Opens the first `units` compute units of the image, whatever its kernels are.
    pub fn open_any(options: &XrtOptions, units: usize) -> Result<Vec<XrtDevice>, HostError> {
        let xclbin = options.xclbin.as_ref().ok_or_else(|| {
            HostError::Refused("a card needs an image: --xclbin FILE".to_string())
        })?;
        // A file that is no image is told by its reader rather than by XRT.
        let image = Xclbin::read(xclbin)?;
        XrtDevice::open_image(options, &image, Some(xclbin), units)
    }

    /// Opens an image that lies in a file, or is put into one.
    fn open_image(
        options: &XrtOptions,
        image: &Xclbin,
        file: Option<&PathBuf>,
        units: usize,
    ) -> Result<Vec<XrtDevice>, HostError> {
        fits(image, units)?;
        let host_memory = is_data_in_host_memory(image.contents());
        let library = match (&options.library, &options.target) {
            (Some(library), _) => library.clone(),
            (None, Target::InProcess) => places::find_own()?,
            (None, _) => places::find_xrt()?,
        };
        let absolute = |path: &PathBuf| {
            let found = path.canonicalize();
            found.map_err(|source| HostError::Io {
                what: path.display().to_string(),
                source,
            })
        };
        let library = absolute(&library)?;
        // Everything is in one folder, which is removed even if we are killed.
        let folder = WorkFolder::new()?;
        let xclbin = match file {
            Some(file) => absolute(file)?,
            None => {
                let made = folder.path().join("emulation.xclbin");
                image.write(&made)?;
                made
            }
        };
        let (processes, streams) = Processes::start(options, folder, &library, &xclbin, units)?;
        let processes = Arc::new(processes);
        let open = |(unit, stream): (usize, UnixStream)| {
            let (sender, replies) = mpsc::channel();
            let mut from = stream.try_clone().map_err(places::io_error("a socket"))?;
            thread::spawn(move || loop {
                let reply = receive(&mut from);
                let is_last = !matches!(reply, Ok(Some(_)));
                if sender.send(reply).is_err() || is_last {
                    break;
                }
            });
            let mut device = XrtDevice {
                target: options.target.clone(),
                geometry: Geometry::DEFAULT,
                identity: Identity::default(),
                processes: processes.clone(),
                stream,
                replies,
                timeout: options.timeout,
                ring: None,
            };
            let open = Request::Open(Open {
                library: library.clone(),
                xclbin: xclbin.clone(),
                card: match &options.target {
                    Target::Card(card) => card.clone(),
                    _ => CardId::Index(0),
                },
                unit,
                host_memory,
            });
            match device.ask(&open, "opening the card", OPEN)? {
                Reply::Opened(identity) => device.identity = identity,
                other => return Err(unexpected(&other)),
            }
            Ok(device)
        };
        streams.into_iter().enumerate().map(open).collect()
    }

    /// The kernel's identity registers and its clock.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Seconds of transfers to the card, from it, and of launches of nothing.
    pub fn probe(&mut self, bytes: usize, repetitions: u32) -> Result<[Vec<f64>; 3], HostError> {
        for (memory, bytes) in [(Memory::Weights, 4096), (Memory::Data, bytes as u64)] {
            self.ask(
                &Request::Resize { memory, bytes },
                "making memory",
                TRANSFER,
            )?;
        }
        let probe = Request::Probe {
            bytes: bytes as u64,
            repetitions,
        };
        match self.ask(&probe, "timing transfers", TRANSFER)? {
            Reply::Times(times) => Ok(times),
            other => Err(unexpected(&other)),
        }
    }

    /// Seconds of requests to the process that calls XRT for nothing, and their answers.
    pub fn probe_requests(&mut self, repetitions: u32) -> Result<Vec<f64>, HostError> {
        let time = |_| {
            let start = Instant::now();
            match self.ask(&Request::Nothing, "timing requests", TRANSFER)? {
                Reply::Done => Ok(start.elapsed().as_secs_f64()),
                other => Err(unexpected(&other)),
            }
        };
        (0..repetitions).map(time).collect()
    }

    /// Ids of the processes behind the device, for tests that end them.
    pub fn process_ids(&self) -> Vec<u32> {
        self.processes.ids()
    }

    /// A request and its answer; an error of any kind ends the processes, since nothing is known of their state.
    fn ask(&mut self, request: &Request, what: &str, time: Duration) -> Result<Reply, HostError> {
        let answer = self.send(request).and_then(|()| self.answer(what, time));
        if answer.is_err() {
            self.processes.kill();
        }
        answer
    }

    fn send(&mut self, request: &Request) -> Result<(), HostError> {
        let sent = self
            .stream
            .set_write_timeout(Some(TRANSFER))
            .and_then(|()| send(&mut self.stream, request));
        sent.map_err(|source| {
            self.why(HostError::Io {
                what: "asking the process that calls XRT".into(),
                source,
            })
        })
    }

    fn answer(&mut self, what: &str, time: Duration) -> Result<Reply, HostError> {
        let start = Instant::now();
        loop {
            match self.replies.recv_timeout(LOOK) {
                Ok(Ok(Some(Reply::Failed(reason)))) => {
                    // XRT's own words go to standard error.
                    let log = colon(&self.processes.last_words());
                    return Err(HostError::Refused(reason + &log));
                }
                Ok(Ok(Some(Reply::Late { what, seconds }))) => {
                    return Err(HostError::Late { what, seconds });
                }
                Ok(Ok(Some(reply))) => return Ok(reply),
                Ok(Ok(None)) | Err(RecvTimeoutError::Disconnected) => {
                    return Err(self.why(HostError::Refused(format!(
                        "{what}: the process that calls XRT gave no answer"
                    ))));
                }
                Ok(Err(source)) => {
                    return Err(self.why(HostError::Io {
                        what: what.to_string(),
                        source,
                    }));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Some(ended) = self.processes.ended() {
                return Err(ended);
            }
            // The process itself gives up first, and says where.
            let time = time + Duration::from_secs(5);
            if start.elapsed() > time {
                return Err(HostError::Late {
                    what: what.to_string(),
                    seconds: time.as_secs_f64(),
                });
            }
        }
    }

    /// A process that ends closes its connection a little before: then that is the reason.
    fn why(&self, error: HostError) -> HostError {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(500) {
            if let Some(ended) = self.processes.ended() {
                return ended;
            }
            thread::sleep(Duration::from_millis(5));
        }
        error
    }

    fn write_memory(&mut self, memory: Memory, offset: u64, bytes: &[u8]) -> Result<(), HostError> {
        for (i, bytes) in bytes.chunks(CHUNK_BYTES).enumerate() {
            let write = Request::Write {
                memory,
                offset: offset + (i * CHUNK_BYTES) as u64,
                bytes: bytes.to_vec(),
            };
            if let Err(e) = self.send(&write) {
                self.processes.kill();
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
        let outcome: Outcome = match self.ask(request, what, self.timeout).map_err(failed)? {
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

impl Drop for XrtDevice {
    fn drop(&mut self) {
        // The thread that receives has the connection too. An error says that it is closed.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// Whether an image has the kernel of the contract, and enough compute units.
fn fits(image: &Xclbin, units: usize) -> Result<(), HostError> {
    let findings = check(image);
    if !findings.is_empty() {
        let all: Vec<_> = findings.iter().map(Finding::to_string).collect();
        return Err(HostError::Unfit(all.join("; ")));
    }
    let all = image.contents().compute_units.iter();
    let found = all.filter(|cu| cu.kernel == KERNEL_NAME).count();
    match units <= found {
        true => Ok(()),
        false => Err(HostError::Unfit(format!(
            "{found} compute units, expected at least {units} (--cus)"
        ))),
    }
}

/// Whether the buffers for commands and results are in the host's memory. Platforms list it whether or not the
/// image uses it.
fn is_data_in_host_memory(contents: &Contents) -> bool {
    let connections = contents.compute_units.iter().flat_map(|cu| &cu.connections);
    connections
        .filter(|c| c.argument == DATA)
        .filter_map(|c| contents.memories.get(c.memory))
        .any(|memory| memory.tag.starts_with("HOST"))
}

/// Whether the registers are those of a kernel of this geometry.
pub fn check_identity(identity: &Identity, geometry: &Geometry) -> Result<(), HostError> {
    let wrong = "the image is of another kernel";
    for (register, found, expected, hint) in [
        ("MAGIC", identity.magic, map::MAGIC_VALUE, wrong),
        (
            "VERSION",
            identity.version,
            CONTRACT_VERSION,
            "the image was built for another version of the contract",
        ),
        (
            "GEOMETRY",
            identity.geometry,
            map::geometry_word(geometry),
            "the image has a kernel of another geometry",
        ),
        (
            "MAX_K",
            identity.max_k,
            geometry.max_k() as u32,
            "the image has a kernel of another longest K",
        ),
    ] {
        if found != expected {
            return Err(HostError::WrongKernel {
                register,
                found,
                expected,
                hint,
            });
        }
    }
    Ok(())
}

fn unexpected(reply: &Reply) -> HostError {
    HostError::Refused(format!("an answer to another question: {reply:?}"))
}

fn runtime(device: &'static str, source: HostError) -> DeviceError {
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
                self.ask(&resize, "making memory", TRANSFER)?;
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
            let reply = self.ask(&read, "reading results", TRANSFER);
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
        let started = self.ask(&start, "starting a ring", self.timeout);
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
        let stopped = self.ask(&stop, "ending a ring", self.timeout);
        stopped.map(|_| ()).map_err(|e| runtime(name, e))
    }

    fn is_simulated(&self) -> bool {
        !matches!(self.target, Target::Card(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_memory_counts_if_the_kernel_uses_it() {
        let image = Xclbin::emulation(&Geometry::DEFAULT, 1, EMULATED_CLOCK_HZ).unwrap();
        let mut contents = image.contents().clone();
        let mut host = contents.memories[0].clone();
        host.tag = "HOST[0]".into();
        host.used = false;
        contents.memories.push(host);
        assert!(!is_data_in_host_memory(&contents));
        for connection in &mut contents.compute_units[0].connections {
            if connection.argument == DATA {
                connection.memory = 2;
            }
        }
        assert!(is_data_in_host_memory(&contents));
    }

    #[test]
    fn an_image_with_too_few_compute_units_is_refused() {
        let image = Xclbin::emulation(&Geometry::DEFAULT, 2, EMULATED_CLOCK_HZ).unwrap();
        assert!(fits(&image, 2).is_ok());
        let error = fits(&image, 3).unwrap_err().to_string();
        assert!(
            error.contains("2 compute units, expected at least 3"),
            "{error}"
        );
    }
}
