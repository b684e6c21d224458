//! Requests and replies: one at a time, sent again until it is answered.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use tercet_contract::serial::message::{Opcode, BEAT_BYTES, MAX_COUNT, PROTOCOL_VERSION};
use tercet_contract::serial::{encode, Decoder, Identity, Reply, Request, Status};

use super::error::SerialError;
use super::terminal::Terminal;

/// Time that a board may take for an answer beyond that of the bytes, to begin with: two turns of a USB bridge that waits
/// 16 ms for more bytes, and a busy machine.
const SHORTEST_SLACK: Duration = Duration::from_millis(300);

/// The same at most. It doubles with every frame that is sent again: a simulated board may be slower than the line, and
/// frames that it has yet to look at would only make it slower. Not longer, since on a bad line most frames are lost.
const LONGEST_SLACK: Duration = Duration::from_secs(2);

/// What happened on the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// Requests that were answered.
    pub requests: u64,
    /// Frames that were sent again.
    pub retries: u64,
    /// Sessions that were opened.
    pub sessions: u64,
    /// Frames that came damaged.
    pub damaged: u64,
}

/// A board at the other end of a port.
pub struct Link {
    terminal: Terminal,
    timeout: Duration,
    decoder: Decoder,
    slack: Duration,
    session: u16,
    sequence: u8,
    counts: LinkCounts,
}

impl Link {
    /// Without a session yet; a request is given up after `timeout`.
    pub fn new(terminal: Terminal, timeout: Duration) -> Self {
        Link {
            terminal,
            timeout,
            decoder: Decoder::default(),
            slack: SHORTEST_SLACK,
            session: 0,
            // Anywhere, so that a board does not take the first request for one of an earlier process.
            sequence: random() as u8,
            counts: LinkCounts::default(),
        }
    }

    /// What happened so far.
    pub fn counts(&self) -> LinkCounts {
        LinkCounts {
            damaged: self.decoder.dropped(),
            ..self.counts
        }
    }

    /// Opens a session.
    pub fn open(&mut self) -> Result<Identity, SerialError> {
        let before = self.session;
        while self.session == before || self.session == 0 {
            self.session = random() as u16;
        }
        let payload = self.request(Opcode::Open, 0, 0, &[])?;
        let identity = Identity::from_bytes(&payload).ok_or(SerialError::Reply {
            what: name(Opcode::Open),
            found: payload.len(),
            expected: tercet_contract::serial::message::IDENTITY_BYTES,
        })?;
        if identity.version != PROTOCOL_VERSION || usize::from(identity.beat_bytes) != BEAT_BYTES {
            return Err(SerialError::Protocol {
                found: identity.version,
                beat_bytes: identity.beat_bytes,
            });
        }
        self.counts.sessions += 1;
        Ok(identity)
    }

    /// Writes whole beats.
    pub fn write_memory(&mut self, address: u32, bytes: &[u8]) -> Result<(), SerialError> {
        for (at, part) in (address..).step_by(MAX_COUNT).zip(bytes.chunks(MAX_COUNT)) {
            self.request(Opcode::WriteMemory, at, part.len(), part)?;
        }
        Ok(())
    }

    /// Reads whole beats.
    pub fn read_memory(&mut self, address: u32, bytes: usize) -> Result<Vec<u8>, SerialError> {
        let mut all = Vec::with_capacity(bytes);
        while all.len() < bytes {
            let at = address + all.len() as u32;
            let count = (bytes - all.len()).min(MAX_COUNT);
            all.extend(self.request(Opcode::ReadMemory, at, count, &[])?);
        }
        Ok(all)
    }

    /// Writes words at consecutive offsets.
    pub fn write_registers(&mut self, offset: u32, words: &[u32]) -> Result<(), SerialError> {
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        self.request(Opcode::WriteRegisters, offset, bytes.len(), &bytes)
            .map(drop)
    }

    /// Reads words at consecutive offsets.
    pub fn read_registers(&mut self, offset: u32, words: u32) -> Result<Vec<u32>, SerialError> {
        let bytes = self.request(Opcode::ReadRegisters, offset, 4 * words as usize, &[])?;
        let word = |b: &[u8]| u32::from_le_bytes(b.try_into().expect("4 bytes"));
        Ok(bytes.chunks_exact(4).map(word).collect())
    }

    /// Asks until there is an answer; its payload, as long as the request wants it.
    pub fn request(
        &mut self,
        opcode: Opcode,
        address: u32,
        count: usize,
        payload: &[u8],
    ) -> Result<Vec<u8>, SerialError> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = Request {
            opcode,
            sequence: self.sequence,
            session: self.session,
            count: count as u16,
            address,
            payload: payload.to_vec(),
        };
        let mut frame = Vec::new();
        encode(&request.to_bytes(), &mut frame);
        let begun = Instant::now();
        let damaged = self.decoder.dropped();
        let mut attempts = 0;
        let reply = loop {
            attempts += 1;
            self.terminal.write(&frame)?;
            if let Some(reply) = self.answer(&request, frame.len())? {
                break reply;
            }
            if begun.elapsed() >= self.timeout {
                return Err(SerialError::Silent {
                    what: name(opcode),
                    attempts,
                    seconds: begun.elapsed().as_secs_f64(),
                    damaged: self.decoder.dropped() - damaged,
                });
            }
            self.counts.retries += 1;
            self.slack = (2 * self.slack).min(LONGEST_SLACK);
        };
        if attempts == 1 {
            self.slack = (self.slack * 7 / 8).max(SHORTEST_SLACK);
        }
        self.counts.requests += 1;
        let expected = match opcode {
            Opcode::ReadMemory | Opcode::ReadRegisters => Some(count),
            Opcode::Open => None,
            _ => Some(0),
        };
        match reply.status {
            Status::Session => Err(SerialError::Reset),
            Status::Ok if expected.is_none_or(|n| n == reply.payload.len()) => Ok(reply.payload),
            Status::Ok => Err(SerialError::Reply {
                what: name(opcode),
                found: reply.payload.len(),
                expected: expected.unwrap_or_default(),
            }),
            status => Err(SerialError::Refused {
                what: name(opcode),
                status,
            }),
        }
    }

    /// The reply to a request of `sent` bytes; none if the time is over. Other replies are late ones of
    /// frames that were sent twice.
    fn answer(&mut self, request: &Request, sent: usize) -> Result<Option<Reply>, SerialError> {
        let line = self
            .terminal
            .time_of(sent + 2 * usize::from(request.count) + 32);
        let deadline = Instant::now() + self.slack + 2 * line;
        let mut bytes = [0; 512];
        loop {
            let n = self.terminal.read(&mut bytes, deadline)?;
            // A line that never falls silent has a deadline, too.
            if n == 0 || Instant::now() > deadline + self.slack {
                return Ok(None);
            }
            let bodies = bytes[..n].iter().filter_map(|b| self.decoder.push(*b));
            let replies = bodies.filter_map(|body| Reply::from_bytes(&body));
            // To the last byte: what follows an answer is the beginning of the next frame.
            if let Some(reply) = replies.filter(|reply| reply.answers(request)).last() {
                return Ok(Some(reply));
            }
        }
    }
}

fn name(opcode: Opcode) -> &'static str {
    match opcode {
        Opcode::Open => "opening a session",
        Opcode::WriteMemory => "writing memory",
        Opcode::ReadMemory => "reading memory",
        Opcode::WriteRegisters => "writing registers",
        Opcode::ReadRegisters => "reading registers",
        Opcode::ResetKernel => "resetting the kernel",
    }
}

/// A number that differs from process to process; nothing secret hangs on it.
fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
