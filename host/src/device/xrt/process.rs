//! Processes beside ours: the one that makes XRT's calls, and the emulated card.
//!
//! Each is a process group of its own, since XRT signals its whole group when it crashes; each ends when its
//! standard input does, so nothing is left if we are killed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{mpsc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::places::{self, io_error, WorkFolder};
use super::{HostError, Target, XrtOptions};

/// Name of the emulated card's socket.
const CARD_ID: &str = "card";

/// Time for a process to say that it is there.
const START: Duration = Duration::from_secs(30);

/// Time for the emulated card to be there: its kernel may have to be built first.
const BUILD: Duration = Duration::from_secs(900);

/// Time for a process to end by itself.
const END: Duration = Duration::from_secs(3);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Lines of a log that an error quotes.
const LOG_LINES: usize = 6;

/// A process that is killed when it is dropped, unless it has ended by then.
struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    fn start(command: &mut Command, log: PathBuf) -> Result<Self, HostError> {
        let file = File::create(&log).map_err(io_error("making a log"))?;
        let started = command
            .stdin(Stdio::piped())
            .stderr(file)
            .process_group(0)
            .spawn();
        Ok(Process {
            child: started.map_err(io_error("starting a process of our own"))?,
            log,
        })
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits a while for its end, once its standard input is closed.
    fn end(&mut self) {
        drop(self.child.stdin.take());
        let start = Instant::now();
        while self.ended().is_none() && start.elapsed() < END {
            thread::sleep(PAUSE);
        }
        self.kill();
    }

    fn kill(&mut self) {
        // An error says that it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What it wrote last.
    fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("; ")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Both processes, and the folder they work in.
pub struct Processes {
    // Dropped in this order: who calls before who answers, and the folder last.
    worker: Mutex<Process>,
    server: Option<Mutex<Process>>,
    _folder: WorkFolder,
}

impl Processes {
    /// Starts what a target needs, in a folder; returns a connection for each of `units` compute units.
    pub fn start(
        options: &XrtOptions,
        folder: WorkFolder,
        library: &Path,
        xclbin: &Path,
        units: usize,
    ) -> Result<(Self, Vec<UnixStream>), HostError> {
        let program = std::env::current_exe().map_err(io_error("finding this program"))?;
        let card_socket = folder.path().join(CARD_ID);
        let environment = environment(options, &folder, library)?;
        let socket = folder.path().join("worker");
        let listener = UnixListener::bind(&socket).map_err(io_error("making a socket in /tmp"))?;
        let mut command = Command::new(&program);
        // Set for another program, it would have a simulation pass for a card.
        command.env_remove("XCL_EMULATION_MODE");
        command
            .arg("xrt-worker")
            .arg(&socket)
            .arg(units.to_string())
            .envs(environment)
            .current_dir(folder.path())
            .stdout(Stdio::null());
        // First of all, since it is this process that removes the folder if we are killed.
        let mut worker = Process::start(&mut command, folder.path().join("worker.log"))?;
        let streams = accept(&listener, units, &mut worker)?;
        let server = match options.target {
            Target::Emulated => Some(Mutex::new(start_card(
                &program,
                options,
                xclbin,
                &folder,
                &card_socket,
            )?)),
            Target::Card(_) | Target::InProcess => None,
        };
        Ok((
            Processes {
                worker: Mutex::new(worker),
                server,
                _folder: folder,
            },
            streams,
        ))
    }

    /// Why no answer will come: a process that has ended.
    pub fn ended(&self) -> Option<HostError> {
        let server = self.server.iter().map(|p| ("the emulated card", p));
        let all = server.chain([("the process that calls XRT", &self.worker)]);
        all.into_iter().find_map(|(who, process)| {
            let mut process = process.lock().ok()?;
            let status = process.ended()?;
            Some(HostError::Ended {
                who,
                status,
                log: process.last_words(),
            })
        })
    }

    /// What the process that calls XRT wrote last.
    pub fn last_words(&self) -> String {
        self.worker
            .lock()
            .map(|p| p.last_words())
            .unwrap_or_default()
    }

    /// Ends both at once.
    pub fn kill(&self) {
        let server = self.server.iter();
        for process in [&self.worker].into_iter().chain(server) {
            if let Ok(mut process) = process.lock() {
                process.kill();
            }
        }
    }

    /// Process ids, for tests that end them.
    pub fn ids(&self) -> Vec<u32> {
        let server = self.server.iter();
        let all = [&self.worker].into_iter().chain(server);
        all.filter_map(|p| p.lock().ok().map(|p| p.child.id()))
            .collect()
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        let server = self.server.iter();
        for process in [&self.worker].into_iter().chain(server) {
            if let Ok(mut process) = process.lock() {
                process.end();
            }
        }
    }
}

/// What XRT is told through its environment.
fn environment(
    options: &XrtOptions,
    folder: &WorkFolder,
    library: &Path,
) -> Result<Vec<(&'static str, OsString)>, HostError> {
    let root = || Ok::<_, HostError>(folder.xrt_root(library)?.into_os_string());
    Ok(match options.target {
        Target::Emulated => {
            folder.emulation_config()?;
            vec![
                ("XCL_EMULATION_MODE", "hw_emu".into()),
                ("XILINX_XRT", root()?),
                ("USER", folder.name().into()),
                ("EMULATION_SOCKETID", CARD_ID.into()),
                ("XRT_INI_PATH", folder.emulation_ini()?.into_os_string()),
                ("EMCONFIG_PATH", folder.path().into()),
                // Else XRT leaves its files beside this program.
                ("SDACCEL_EM_RUN_DIR", folder.path().into()),
                (super::worker::EMULATION, "1".into()),
            ]
        }
        // Without a right one XRT aborts.
        Target::Card(_) if !places::is_root_of_xrt() => vec![("XILINX_XRT", root()?)],
        Target::Card(_) | Target::InProcess => Vec::new(),
    })
}

/// The emulated card, listening.
fn start_card(
    program: &Path,
    options: &XrtOptions,
    xclbin: &Path,
    folder: &WorkFolder,
    socket: &Path,
) -> Result<Process, HostError> {
    let mut command = Command::new(program);
    command
        .arg("device-server")
        .arg("--xclbin")
        .arg(xclbin)
        .arg("--socket")
        .arg(socket)
        .args(&options.card_arguments)
        .stdout(Stdio::piped());
    let mut card = Process::start(&mut command, folder.path().join("card.log"))?;
    let stdout = card.child.stdout.take();
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in stdout
            .into_iter()
            .flat_map(|out| BufReader::new(out).lines())
        {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    match lines.recv_timeout(BUILD) {
        Ok(Ok(line)) if line.starts_with("listening") => Ok(card),
        Ok(_) | Err(_) => {
            let start = Instant::now();
            while card.ended().is_none() && start.elapsed() < END {
                thread::sleep(PAUSE);
            }
            Err(HostError::NoCard {
                log: card.last_words(),
            })
        }
    }
}

/// A connection for each unit, unless the process ends before.
fn accept(
    listener: &UnixListener,
    units: usize,
    worker: &mut Process,
) -> Result<Vec<UnixStream>, HostError> {
    let failed = io_error("talking to a process of our own");
    listener.set_nonblocking(true).map_err(&failed)?;
    let start = Instant::now();
    let mut streams = Vec::new();
    while streams.len() < units {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).map_err(&failed)?;
                streams.push(stream);
            }
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {
                if let Some(status) = worker.ended() {
                    return Err(HostError::Ended {
                        who: "the process that calls XRT",
                        status,
                        log: worker.last_words(),
                    });
                }
                if start.elapsed() > START {
                    return Err(HostError::Late {
                        what: "starting the process that calls XRT".into(),
                        seconds: START.as_secs_f64(),
                    });
                }
                thread::sleep(PAUSE);
            }
            Err(e) => return Err(failed(e)),
        }
    }
    Ok(streams)
}
