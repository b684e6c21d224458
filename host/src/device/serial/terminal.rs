//! A serial port: raw bytes, eight data bits, no parity, one stop bit, with deadlines.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::fs::{flock, open, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::termios::{
    tcflush, tcgetattr, tcsetattr, ControlModes, OptionalActions, QueueSelector,
};

use super::error::SerialError;

/// Longest time that the system may take to accept bytes beyond their time on the line.
const WRITE_SLACK: Duration = Duration::from_secs(5);

/// An open port.
pub struct Terminal {
    file: File,
    path: PathBuf,
    baud: u32,
}

impl Terminal {
    /// Opens `path` with `baud` bits a second, and forgets what waits there.
    pub fn open(path: &Path, baud: u32) -> Result<Self, SerialError> {
        let failed = |source: Errno| SerialError::Open {
            path: path.to_path_buf(),
            source: source.into(),
        };
        // Not blocking: a port without a carrier would wait for one.
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let port = open(path, flags, Mode::empty()).map_err(failed)?;
        flock(&port, FlockOperation::NonBlockingLockExclusive).map_err(|e| match e {
            Errno::WOULDBLOCK => SerialError::InUse {
                path: path.to_path_buf(),
            },
            other => failed(other),
        })?;
        let mut attributes = tcgetattr(&port).map_err(failed)?;
        attributes.make_raw();
        attributes.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
        attributes.control_modes -=
            ControlModes::CSTOPB | ControlModes::PARENB | ControlModes::CRTSCTS;
        attributes.set_speed(baud).map_err(failed)?;
        tcsetattr(&port, OptionalActions::Now, &attributes).map_err(failed)?;
        tcflush(&port, QueueSelector::IOFlush).map_err(failed)?;
        Ok(Terminal {
            file: File::from(port),
            path: path.to_path_buf(),
            baud,
        })
    }

    /// Time that bytes take on the line.
    pub fn time_of(&self, bytes: usize) -> Duration {
        Duration::from_secs_f64(10.0 * bytes as f64 / f64::from(self.baud))
    }

    /// Hands all bytes to the system.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), SerialError> {
        let deadline = Instant::now() + WRITE_SLACK + 4 * self.time_of(bytes.len());
        while !bytes.is_empty() {
            match self.file.write(bytes) {
                Ok(0) => return Err(self.failed(ErrorKind::WriteZero.into())),
                Ok(n) => bytes = &bytes[n..],
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    if !self.wait(PollFlags::OUT, deadline)? {
                        return Err(self.failed(ErrorKind::TimedOut.into()));
                    }
                }
                Err(e) => return Err(self.failed(e)),
            }
        }
        Ok(())
    }

    /// Bytes that have come, at least one unless the deadline passes.
    pub fn read(&mut self, bytes: &mut [u8], deadline: Instant) -> Result<usize, SerialError> {
        loop {
            if !self.wait(PollFlags::IN, deadline)? {
                return Ok(0);
            }
            match self.file.read(bytes) {
                Ok(0) => return Err(self.failed(ErrorKind::UnexpectedEof.into())),
                Ok(n) => return Ok(n),
                Err(e) if matches!(e.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
                Err(e) => return Err(self.failed(e)),
            }
        }
    }

    /// Whether the port is ready before the deadline.
    fn wait(&self, events: PollFlags, deadline: Instant) -> Result<bool, SerialError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(&self.file, events)], Some(&left)) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(true),
            Err(e) => Err(self.failed(e.into())),
        }
    }

    fn failed(&self, source: std::io::Error) -> SerialError {
        SerialError::Io {
            path: self.path.clone(),
            source,
        }
    }
}
