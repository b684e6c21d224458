//! What a kernel must keep to on its AXI ports, checked in every cycle.
//!
//! Section numbers are those of the AXI specification, ARM IHI 0022. Rules of the memories' side are
//! kept by construction and not checked.

use std::fmt;

use crate::pins::Address;

/// An AXI port of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// `m_axi_weights`
    Weights,
    /// `m_axi_data`
    Data,
    /// `s_axi_control`
    Control,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Port::Weights => "m_axi_weights",
            Port::Data => "m_axi_data",
            Port::Control => "s_axi_control",
        })
    }
}

/// A channel of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Read address.
    Ar,
    /// Read data.
    R,
    /// Write address.
    Aw,
    /// Write data.
    W,
    /// Write response.
    B,
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Channel::Ar => "AR",
            Channel::R => "R",
            Channel::Aw => "AW",
            Channel::W => "W",
            Channel::B => "B",
        })
    }
}

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// A3.2.1: VALID stays until READY.
    #[error("VALID fell before READY")]
    Dropped,
    /// A3.2.1: the payload stays until READY.
    #[error("payload changed while it waited for READY: {was}, then {now}")]
    Changed {
        /// In the cycle before.
        was: String,
        /// Now.
        now: String,
    },
    /// A3.1.2: VALID is low during reset.
    #[error("VALID is high during reset")]
    ValidInReset,
    /// A3.4.1: a burst stays within 4 KiB.
    #[error("burst of {bytes} bytes at {address:#x} crosses a 4 KiB boundary")]
    Crosses4K {
        /// First byte.
        address: u64,
        /// Bytes.
        bytes: u64,
    },
    /// The kernel makes full-width transfers only, as Vitis kernels do.
    #[error("size {found} (2^size bytes a beat), expected {expected}")]
    Size {
        /// As driven.
        found: u8,
        /// Full width.
        expected: u8,
    },
    /// The kernel makes INCR bursts only.
    #[error("burst type {found}, expected 1 (INCR)")]
    BurstType {
        /// As driven.
        found: u8,
    },
    /// The kernel starts bursts on whole beats only.
    #[error("burst at {address:#x} does not start on a beat of {beat_bytes} bytes")]
    Unaligned {
        /// First byte.
        address: u64,
        /// Bytes of a beat.
        beat_bytes: u64,
    },
    /// A7.2: the kernel makes normal accesses only; the memories know no exclusive or locked ones.
    #[error("lock {found}, expected 0 (a normal access)")]
    Lock {
        /// As driven.
        found: u8,
    },
    /// A5.2: bursts of one ID are answered in order, on which the kernel depends.
    #[error("ID {found}, expected 0 as in every burst of the kernel")]
    Id {
        /// As driven.
        found: u8,
    },
    /// A3.4.3: a strobe belongs to a byte of the bus.
    #[error("write strobes {found:#x} on a bus of {beat_bytes} bytes")]
    Strobes {
        /// As driven.
        found: u64,
        /// Bytes of a beat.
        beat_bytes: usize,
    },
    /// A3.2.2: WLAST marks the last beat and no other.
    #[error("WLAST is {found} with {left} beats of the burst to come")]
    Last {
        /// As driven.
        found: bool,
        /// Beats of the burst after this one.
        left: u16,
    },
    /// A response to nothing.
    #[error("a response without a request")]
    Unasked,
    /// The kernel answers its registers with OKAY.
    #[error("response code {found}, expected 0 (OKAY)")]
    Refused {
        /// As driven.
        found: u8,
    },
    /// A request that waits for READY, or data without an address, when the kernel says that it is done.
    #[error("`ap_done` while VALID waits for READY")]
    WaitingAtDone,
    /// Something was handed over after the kernel said that it was done.
    #[error("a transfer in cycle {transfer}, after `ap_done` in cycle {done}")]
    AfterDone {
        /// The last cycle with a transfer.
        transfer: u64,
        /// The cycle of done.
        done: u64,
    },
    /// The kernel is done only when nothing is under way: results are visible, and the next
    /// launch does not meet beats of this one.
    #[error("`ap_done` with {bursts} bursts under way")]
    OutstandingAtDone {
        /// Bursts accepted and not yet answered in full.
        bursts: usize,
    },
}

/// A broken rule, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{port} {channel} in cycle {cycle}: {breach}")]
pub struct ProtocolError {
    /// Which port.
    pub port: Port,
    /// Which channel.
    pub channel: Channel,
    /// Clock cycle since the kernel was opened.
    pub cycle: u64,
    /// What was done.
    pub breach: Breach,
}

/// The stable-while-stalled rule of one channel with payload `T`.
#[derive(Debug)]
pub struct Held<T> {
    waiting: Option<T>,
}

impl<T> Default for Held<T> {
    fn default() -> Self {
        Held { waiting: None }
    }
}

impl<T: Copy + PartialEq + fmt::Debug> Held<T> {
    /// Checks one cycle of the channel. Returns whether the payload was handed over.
    pub fn check(&mut self, valid: bool, ready: bool, payload: T) -> Result<bool, Breach> {
        if let Some(was) = self.waiting {
            if !valid {
                return Err(Breach::Dropped);
            }
            if was != payload {
                return Err(Breach::Changed {
                    was: format!("{was:x?}"),
                    now: format!("{payload:x?}"),
                });
            }
        }
        self.waiting = (valid && !ready).then_some(payload);
        Ok(valid && ready)
    }

    /// Whether VALID stood in the cycle before without READY.
    pub fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Forgets what was waiting: the kernel is in reset.
    pub fn clear(&mut self) {
        self.waiting = None;
    }
}

/// Checks the rules that concern an address alone. `beat_bytes` is a power of two.
pub fn check_address(a: &Address, beat_bytes: usize) -> Result<(), Breach> {
    let expected = beat_bytes.trailing_zeros() as u8;
    let beat_bytes = beat_bytes as u64;
    let bytes = (u64::from(a.len) + 1) * beat_bytes;
    if a.size != expected {
        return Err(Breach::Size {
            found: a.size,
            expected,
        });
    }
    if a.burst != 1 {
        return Err(Breach::BurstType { found: a.burst });
    }
    if a.lock != 0 {
        return Err(Breach::Lock { found: a.lock });
    }
    if a.id != 0 {
        return Err(Breach::Id { found: a.id });
    }
    if !a.addr.is_multiple_of(beat_bytes) {
        return Err(Breach::Unaligned {
            address: a.addr,
            beat_bytes,
        });
    }
    if a.addr % 4096 + bytes > 4096 {
        return Err(Breach::Crosses4K {
            address: a.addr,
            bytes,
        });
    }
    Ok(())
}

/// Checks that strobes are those of a bus of `beat_bytes` bytes.
pub fn check_strobes(strobes: u64, beat_bytes: usize) -> Result<(), Breach> {
    if beat_bytes < 64 && strobes >> beat_bytes != 0 {
        return Err(Breach::Strobes {
            found: strobes,
            beat_bytes,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_held_until_ready() {
        let mut held = Held::default();
        assert_eq!(held.check(true, false, 7), Ok(false));
        assert_eq!(held.check(true, true, 7), Ok(true));
        assert_eq!(held.check(true, false, 8), Ok(false));
        assert!(matches!(
            held.check(true, true, 9),
            Err(Breach::Changed { .. })
        ));
        assert_eq!(held.check(false, true, 8), Err(Breach::Dropped));
        held.clear();
        assert_eq!(held.check(false, false, 0), Ok(false));
    }

    #[test]
    fn addresses_near_4k() {
        let at = |addr, len| Address {
            addr,
            len,
            size: 6,
            burst: 1,
            ..Address::default()
        };
        assert_eq!(check_address(&at(0x1000 - 64, 0), 64), Ok(()));
        assert_eq!(check_address(&at(0, 63), 64), Ok(()));
        assert!(matches!(
            check_address(&at(0x1000 - 64, 1), 64),
            Err(Breach::Crosses4K { bytes: 128, .. })
        ));
        assert!(matches!(
            check_address(&at(32, 0), 64),
            Err(Breach::Unaligned { .. })
        ));
        assert!(matches!(
            check_address(&at(0, 0), 32),
            Err(Breach::Size { expected: 5, .. })
        ));
        let wrapping = Address {
            burst: 2,
            ..at(0, 0)
        };
        assert_eq!(
            check_address(&wrapping, 64),
            Err(Breach::BurstType { found: 2 })
        );
        let locked = Address {
            lock: 1,
            ..at(0, 0)
        };
        assert_eq!(check_address(&locked, 64), Err(Breach::Lock { found: 1 }));
        let other = Address { id: 1, ..at(0, 0) };
        assert_eq!(check_address(&other, 64), Err(Breach::Id { found: 1 }));
    }

    #[test]
    fn strobes_beyond_the_bus() {
        assert_eq!(check_strobes(0xffff, 16), Ok(()));
        assert_eq!(check_strobes(u64::MAX, 64), Ok(()));
        assert_eq!(
            check_strobes(0x1_0000, 16),
            Err(Breach::Strobes {
                found: 0x1_0000,
                beat_bytes: 16
            })
        );
    }
}
