//! A card as the device process of XRT's hardware emulation (`XCL_EMULATION_MODE=hw_emu`, Linux).
//!
//! XRT's emulation library connects to a Unix socket and sends one call after the other, each with its data; whoever
//! answers is the device. So a host that makes real XRT calls drives an emulated [`Card`].
//!
//! | module | concern |
//! |---|---|
//! | [`wire`] | packets and fields |
//! | [`calls`] | calls and their replies |
//!
//! **Closing.** The library listens on a second socket beside the first, `D2X_unix_sock_` and the name of the first,
//! on which devices may ask for host memory. After a close it waits for that connection for some seconds, unless the
//! device comes and closes it: so that is done.

pub mod calls;
pub mod wire;

use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::card::{Card, CardError};
use wire::WireError;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The host closed the device.
    Closed,
    /// The host went away.
    Disconnected,
    /// The card died, which was asked for; the host got no answer.
    Died,
}

/// Why a server ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No connection could be taken.
    #[error("taking a connection: {0}")]
    Accept(#[source] std::io::Error),
    /// What was received made no sense, or the connection failed.
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// Takes one connection and answers its calls until it ends. What the card refuses is answered as XRT expects it, and
/// told to `refused`.
pub fn serve(
    listener: &UnixListener,
    card: &mut Card,
    mut refused: impl FnMut(u32, &CardError),
) -> Result<End, ServeError> {
    let (mut stream, _) = listener.accept().map_err(ServeError::Accept)?;
    let second = listener
        .local_addr()
        .ok()
        .and_then(|address| second_socket(address.as_pathname()?));
    let mut body = Vec::new();
    loop {
        let Some(call) = wire::read_request(&mut stream, &mut body)? else {
            return Ok(End::Disconnected);
        };
        let (reply, problem) = calls::answer(card, call, &body)?;
        match problem {
            Some(CardError::Dead) => return Ok(End::Died),
            Some(problem) => refused(call, &problem),
            None => {}
        }
        if let Err(error) = wire::write_reply(&mut stream, &reply) {
            return match call {
                calls::CLOSE => Ok(End::Closed),
                _ => Err(WireError::Io(error).into()),
            };
        }
        if call == calls::CLOSE {
            if let Some(second) = second {
                close_second(&second);
            }
            return Ok(End::Closed);
        }
    }
}

/// The socket on which the library listens for devices that ask for host memory.
fn second_socket(first: &Path) -> Option<PathBuf> {
    let mut name = std::ffi::OsString::from("D2X_unix_sock_");
    name.push(first.file_name()?);
    Some(first.with_file_name(name))
}

/// Ends the library's wait for a device on its second socket. If nobody listens there, nobody waits.
fn close_second(path: &Path) {
    if let Ok(mut stream) = UnixStream::connect(path) {
        let _ = stream.write_all(&wire::bare_request(calls::CLOSE));
    }
}
