//! The connection to the process that makes XRT's calls, for one compute unit.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, thread};

use super::error::{colon, HostError};
use super::message::{receive, send, Reply, Request};
use super::places;
use super::process::Processes;

/// Time that a transfer of a chunk may take.
pub const TRANSFER: Duration = Duration::from_secs(60);

/// Between two looks at whether the processes are still there.
const LOOK: Duration = Duration::from_millis(50);

/// One end of the connection; answers are received by a thread.
pub struct WorkerLink {
    processes: Arc<Processes>,
    stream: UnixStream,
    replies: Receiver<io::Result<Option<Reply>>>,
}

impl WorkerLink {
    /// Over a socket whose other end is the worker's, one of `processes`.
    pub fn new(processes: Arc<Processes>, stream: UnixStream) -> Result<Self, HostError> {
        let (sender, replies) = mpsc::channel();
        let mut from = stream.try_clone().map_err(places::io_error("a socket"))?;
        thread::spawn(move || loop {
            let reply = receive(&mut from);
            let is_last = !matches!(reply, Ok(Some(_)));
            if sender.send(reply).is_err() || is_last {
                break;
            }
        });
        Ok(WorkerLink {
            processes,
            stream,
            replies,
        })
    }

    /// Ids of the processes.
    pub fn process_ids(&self) -> Vec<u32> {
        self.processes.ids()
    }

    /// Ends the processes.
    pub fn kill(&self) {
        self.processes.kill();
    }

    /// A request and its answer; an error of any kind ends the processes, since nothing is known of their state.
    pub fn ask(
        &mut self,
        request: &Request,
        what: &str,
        time: Duration,
    ) -> Result<Reply, HostError> {
        let answer = self.send(request).and_then(|()| self.answer(what, time));
        if answer.is_err() {
            self.processes.kill();
        }
        answer
    }

    pub fn send(&mut self, request: &Request) -> Result<(), HostError> {
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
}

impl Drop for WorkerLink {
    fn drop(&mut self) {
        // The thread that receives has the connection too. An error says that it is closed.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
