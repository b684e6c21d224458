//! The serial line between a host and a board that has the kernel and its memories on chip.
//!
//! | module | concern |
//! |---|---|
//! | [`frame`] | bodies of bytes as frames on the line, and back out of any noise |
//! | [`crc`] | the check value of a frame |
//! | [`message`] | what the bodies say: requests and replies |
//!
//! The line carries bytes, eight data bits, no parity, one stop bit. The host asks, the board answers; one
//! request is under way at a time, and what arrives before the board has sent its reply is dropped.
//!
//! **Lost and repeated frames.** A frame that is damaged is dropped by who receives it; the host then
//! hears nothing and sends the same frame again. The board keeps its last reply with the check value of the request,
//! and answers an equal frame from there without doing it a second time. The sequence number makes
//! consecutive requests differ, so every request is carried out once, also a read that clears a bit.
//!
//! **Reset.** The board forgets its session when it is reset, and refuses every request of another session. So a
//! host learns that the board lost what it was told, and tells it again.

pub mod crc;
pub mod frame;
pub mod message;

pub use frame::{encode, Decoder};
pub use message::{Identity, Opcode, Reply, Request, Status};
