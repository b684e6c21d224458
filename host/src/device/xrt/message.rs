//! What the process that makes XRT's calls is asked, and what it answers.
//!
//! XRT may abort, hang, or take the process with it when its device does; so it runs in a process of its own,
//! and a run can go on without it. A message is its length (u32, little-endian) and its postcard bytes. On each
//! connection, one for a compute unit, requests are answered in order.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use serde::{de::DeserializeOwned, Deserialize, Serialize};
use tercet_contract::command::COMMAND_BYTES;

use super::CardId;
use crate::device::Counters;

/// Longest message.
const MAX_BYTES: usize = 64 << 20;

/// Bytes of a memory that one message carries.
pub const CHUNK_BYTES: usize = 16 << 20;

/// What to open. The first request of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// XRT's library.
    pub library: PathBuf,
    /// Image of the card.
    pub xclbin: PathBuf,
    /// Which card.
    pub card: CardId,
    /// Compute unit, from 0.
    pub unit: usize,
    /// Whether the data memory of the image is the host's.
    pub host_memory: bool,
}

/// Which memory of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Memory {
    /// Packed weights.
    Weights,
    /// Commands, activations, results.
    Data,
}

/// What a compute unit is to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Opens the unit.
    Open(Open),
    /// Gives a memory so many bytes.
    Resize {
        /// Which.
        memory: Memory,
        /// How many.
        bytes: u64,
    },
    /// Writes; not answered, but an error is the answer to the next request.
    Write {
        /// Where.
        memory: Memory,
        /// From which byte on.
        offset: u64,
        /// What.
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    /// Reads from the data memory.
    Read {
        /// First byte.
        offset: u64,
        /// How many.
        bytes: u64,
    },
    /// Runs a list.
    Launch {
        /// Its first command.
        first: Record,
        /// Offset of the others' list.
        list: u64,
        /// Commands.
        count: u32,
        /// How long it may take.
        timeout_ms: u64,
    },
    /// Starts a ring.
    RingStart {
        /// Offset of record 0.
        records: u64,
        /// Records that the ring holds.
        entries: u32,
        /// Offset of the completion word.
        completion: u64,
    },
    /// Rings the doorbell and waits until all is complete.
    RingDispatch {
        /// Commands submitted.
        tail: u32,
        /// How long it may take.
        timeout_ms: u64,
    },
    /// Rings it for the STOP, and waits until the kernel has ended.
    RingStop {
        /// Commands submitted.
        tail: u32,
        /// How long it may take.
        timeout_ms: u64,
    },
    /// Nothing, for timing the way between the processes.
    Nothing,
    /// Reads a register.
    Register {
        /// Which.
        offset: u32,
    },
    /// Times so many transfers of so many bytes in each direction, and the launch of an empty list.
    Probe {
        /// Bytes of a transfer.
        bytes: u64,
        /// How often.
        repetitions: u32,
    },
}

/// A command's record.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record(#[serde(with = "serde_bytes")] pub [u8; COMMAND_BYTES]);

/// What the kernel counted, and how it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Its counters; of a ring since its start.
    pub counters: Counters,
    /// Commands completed.
    pub commands_done: u32,
    /// Its `ERROR` register; 0 if none.
    pub error: u32,
    /// Its `ERROR_INDEX` register.
    pub error_index: u32,
}

/// The identity registers of a kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// `MAGIC`.
    pub magic: u32,
    /// `VERSION`.
    pub version: u32,
    /// `GEOMETRY`.
    pub geometry: u32,
    /// `MAX_K`.
    pub max_k: u32,
    /// Least cycles a second by which two readings of `UPTIME` can be explained: each has happened at some moment
    /// between its call and its return.
    pub clock_hz_least: f64,
    /// Most cycles a second.
    pub clock_hz_most: f64,
}

impl Identity {
    /// The clock, in the middle of what it can be.
    pub fn clock_hz(&self) -> f64 {
        (self.clock_hz_least + self.clock_hz_most) / 2.0
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// Done.
    Done,
    /// The unit is open.
    Opened(Identity),
    /// What was read.
    Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
    /// What a launch or dispatch counted.
    Ended(Outcome),
    /// A register's value.
    Value(u32),
    /// Seconds of each repetition: to the card, from the card, launches.
    Times([Vec<f64>; 3]),
    /// Not done in time.
    Late {
        /// What.
        what: String,
        /// Time waited.
        seconds: f64,
    },
    /// Not done.
    Failed(String),
}

/// Sends a message.
pub fn send(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut bytes = vec![0; 4];
    bytes = postcard::to_extend(message, bytes).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len() - 4).map_err(io::Error::other)?;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    to.write_all(&bytes)
}

/// Receives a message; none at the end of the stream.
pub fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_BYTES {
        return Err(io::Error::other(format!(
            "a message of {length} bytes: expected at most {MAX_BYTES}"
        )));
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    postcard::from_bytes(&bytes)
        .map(Some)
        .map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back() {
        let requests = [
            Request::Write {
                memory: Memory::Data,
                offset: 64,
                bytes: vec![1, 2, 3],
            },
            Request::Launch {
                first: Record([7; COMMAND_BYTES]),
                list: 128,
                count: 3,
                timeout_ms: 1000,
            },
        ];
        let mut stream = Vec::new();
        for request in &requests {
            send(&mut stream, request).unwrap();
        }
        let mut from = &stream[..];
        for request in &requests {
            assert_eq!(
                receive::<Request>(&mut from).unwrap().as_ref(),
                Some(request)
            );
        }
        assert_eq!(receive::<Request>(&mut from).unwrap(), None);
    }

    #[test]
    fn broken_messages_are_errors() {
        let mut stream = Vec::new();
        send(&mut stream, &Request::Register { offset: 4 }).unwrap();
        for length in 1..stream.len() {
            let cut = receive::<Request>(&mut &stream[..length]);
            assert!(matches!(cut, Err(_) | Ok(None)), "{length}");
        }
        assert!(receive::<Request>(&mut &[255, 255, 255, 255, 0][..]).is_err());
        assert!(receive::<Request>(&mut &[1, 0, 0, 0, 99][..]).is_err());
    }
}
