//! A pseudo-terminal whose other end is the board: a host opens its path as it opens a serial port.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::fs::{fcntl_getfl, fcntl_setfl, open, Mode, OFlags};
use rustix::io::Errno;
use rustix::pty::{grantpt, openpt, ptsname, unlockpt, OpenptFlags};
use rustix::termios::{tcgetattr, tcsetattr, OptionalActions};

use super::faults::{LineFaults, Noise};
use super::line::SerialBoard;
use crate::error::SimError;

/// Cycles simulated between two looks at the terminal.
const SLICE_CYCLES: u64 = 4096;

/// A board that is served until this is dropped.
pub struct SerialServer {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    counts: Arc<Counts>,
    thread: Option<JoinHandle<Result<(), SimError>>>,
}

#[derive(Default)]
struct Counts {
    cycles: AtomicU64,
    damaged: AtomicU64,
    resets: AtomicU64,
}

impl SerialServer {
    /// Opens a pseudo-terminal and serves `board` behind it in a thread of its own.
    pub fn start(board: SerialBoard, faults: &LineFaults) -> Result<Self, SimError> {
        let terminal = |source: rustix::io::Errno| SimError::Terminal {
            source: source.into(),
        };
        let (master, slave, path) = pair().map_err(terminal)?;
        let stop = Arc::new(AtomicBool::new(false));
        let counts = Arc::new(Counts::default());
        let mut served = Served {
            board,
            master: File::from(master),
            _slave: slave,
            to_board: Noise::new(faults, 0),
            from_board: Noise::new(faults, 1),
            resets_at: faults.resets_at.clone(),
            sent: 0,
            counts: counts.clone(),
        };
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                served.turn()?;
            }
            Ok(())
        });
        Ok(SerialServer {
            path,
            stop,
            counts,
            thread: Some(thread),
        })
    }

    /// The terminal to open.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Clock cycles simulated.
    pub fn cycles(&self) -> u64 {
        self.counts.cycles.load(Ordering::Relaxed)
    }

    /// Faults on the line.
    pub fn damaged(&self) -> u64 {
        self.counts.damaged.load(Ordering::Relaxed)
    }

    /// Resets of the board.
    pub fn resets(&self) -> u64 {
        self.counts.resets.load(Ordering::Relaxed)
    }

    /// Ends it and says how it went.
    pub fn stop(mut self) -> Result<(), SimError> {
        self.end()
    }

    /// Serves until the thread ends by itself, which is when the simulation fails.
    pub fn wait(mut self) -> Result<(), SimError> {
        join(self.thread.take())
    }

    fn end(&mut self) -> Result<(), SimError> {
        self.stop.store(true, Ordering::Relaxed);
        join(self.thread.take())
    }
}

impl Drop for SerialServer {
    fn drop(&mut self) {
        // Whoever wants to know asks `stop`.
        let _ = self.end();
    }
}

fn join(thread: Option<JoinHandle<Result<(), SimError>>>) -> Result<(), SimError> {
    match thread.map(JoinHandle::join) {
        None => Ok(()),
        Some(Ok(result)) => result,
        Some(Err(panic)) => std::panic::resume_unwind(panic),
    }
}

/// Both ends of a raw terminal, and the path of the second.
fn pair() -> Result<(OwnedFd, OwnedFd, PathBuf), rustix::io::Errno> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    // A host that is gone must not hold up the board.
    fcntl_setfl(&master, fcntl_getfl(&master)? | OFlags::NONBLOCK)?;
    let name = ptsname(&master, Vec::new())?;
    // Held open, so that the master does not see a hang-up between two hosts.
    let slave = open(&*name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty())?;
    let mut attributes = tcgetattr(&slave)?;
    attributes.make_raw();
    tcsetattr(&slave, OptionalActions::Now, &attributes)?;
    let path = PathBuf::from(name.to_string_lossy().into_owned());
    Ok((master, slave, path))
}

struct Served {
    board: SerialBoard,
    master: File,
    _slave: OwnedFd,
    to_board: Noise,
    from_board: Noise,
    resets_at: Vec<u64>,
    /// Bytes that have gone to the board.
    sent: u64,
    counts: Arc<Counts>,
}

impl Served {
    /// Takes what the host has written, runs the board for a while, hands back what it sent.
    fn turn(&mut self) -> Result<(), SimError> {
        let io = |source: std::io::Error| SimError::Terminal { source };
        // A board that waits needs no cycles until the host writes.
        let wait = if self.board.is_quiet() { 20_000_000 } else { 0 };
        let wait = Timespec {
            tv_sec: 0,
            tv_nsec: wait,
        };
        let mut ends = [PollFd::new(&self.master, PollFlags::IN)];
        let ready = match poll(&mut ends, Some(&wait)) {
            Err(Errno::INTR) => 0,
            other => other.map_err(|e| io(e.into()))?,
        };
        if ready > 0 {
            let mut bytes = [0; 256];
            let n = match self.master.read(&mut bytes) {
                Err(e) if matches!(e.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => 0,
                other => other.map_err(io)?,
            };
            self.sent += n as u64;
            if self.resets_at.first().is_some_and(|at| self.sent >= *at) {
                self.resets_at.remove(0);
                self.board.reset();
                self.counts.resets.fetch_add(1, Ordering::Relaxed);
            }
            let arrived = self.to_board.pass(&bytes[..n]);
            self.board.send(&arrived);
        }
        let out = self.board.run(SLICE_CYCLES)?;
        let out = self.from_board.pass(&out);
        // What a host does not take is lost, as on a line without flow control.
        match self.master.write(&out) {
            Err(e) if matches!(e.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            other => drop(other.map_err(io)?),
        }
        let damaged = self.to_board.damaged() + self.from_board.damaged();
        self.counts.damaged.store(damaged, Ordering::Relaxed);
        self.counts
            .cycles
            .store(self.board.cycle(), Ordering::Relaxed);
        Ok(())
    }
}
