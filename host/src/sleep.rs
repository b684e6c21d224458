//! `sleep` of libc, without waiting where XRT emulates a card.
//!
//! XRT 2.13 sleeps ten seconds when the first image is loaded in hardware emulation, so that a simulator has
//! time to start. The process that makes XRT's calls starts when the emulated card is there already.

use std::ffi::c_uint;
use std::thread;
use std::time::Duration;

/// Set for the process that makes XRT's calls, in hardware emulation.
const EMULATION: &str = "TERCET_XRT_EMULATION";

/// Waits, except in emulation. Returns the seconds that are left: none.
// SAFETY: the signature is that of POSIX `sleep`, which this takes the place of.
#[no_mangle]
pub extern "C" fn sleep(seconds: c_uint) -> c_uint {
    if std::env::var_os(EMULATION).is_none() {
        thread::sleep(Duration::from_secs(seconds.into()));
    }
    0
}
