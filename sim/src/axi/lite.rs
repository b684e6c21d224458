//! The host's side of `s_axi_control`: one register access at a time, as XRT makes them.
//!
//! - A write offers AW and W; with a stall seed the one or the other comes later, so both orders
//!   occur. BREADY and RREADY wait for nothing, or are held back at random.
//! - The kernel may take AW and W in any order and must not answer before it has taken both
//!   (AXI4 A3.3.1); it may hold AWREADY or ARREADY low until it sees VALID.
//! - Answers are OKAY and stay until taken.

use super::rules::{Breach, Channel, Held, Port, ProtocolError};
use crate::memory::{RequestTimer, Stalls};
use crate::pins::{HostLite, KernelLite};
use crate::timing::MemoryTiming;

/// A register access under way.
#[derive(Debug, Clone, Copy)]
enum Access {
    Write {
        address: u32,
        value: u32,
        address_taken: bool,
        data_taken: bool,
    },
    Read {
        address: u32,
        address_taken: bool,
    },
}

/// The master of the register port.
#[derive(Debug)]
pub struct LiteMaster {
    write_address: Stalls,
    write_data: Stalls,
    read_address: Stalls,
    write_answer_ready: RequestTimer,
    read_answer_ready: RequestTimer,
    access: Option<Access>,
    write_answer: Held<u8>,
    read_answer: Held<(u8, u32)>,
}

impl LiteMaster {
    /// A master with no access under way.
    pub fn new(timing: &MemoryTiming) -> Self {
        let stalls = |channel| Stalls::new(timing, Port::Control, channel);
        let ready = |channel| RequestTimer::new(timing, Port::Control, channel);
        LiteMaster {
            write_address: stalls(Channel::Aw),
            write_data: stalls(Channel::W),
            read_address: stalls(Channel::Ar),
            write_answer_ready: ready(Channel::B),
            read_answer_ready: ready(Channel::R),
            access: None,
            write_answer: Held::default(),
            read_answer: Held::default(),
        }
    }

    /// Forgets the access under way: the kernel is in reset.
    pub fn reset(&mut self) {
        self.access = None;
        self.write_answer.clear();
        self.read_answer.clear();
    }

    /// Starts a write of all four bytes.
    ///
    /// # Panics
    /// If an access is under way.
    pub fn write(&mut self, address: u32, value: u32) {
        assert!(self.access.is_none(), "one register access at a time");
        self.access = Some(Access::Write {
            address,
            value,
            address_taken: false,
            data_taken: false,
        });
    }

    /// Starts a read.
    ///
    /// # Panics
    /// If an access is under way.
    pub fn read(&mut self, address: u32) {
        assert!(self.access.is_none(), "one register access at a time");
        self.access = Some(Access::Read {
            address,
            address_taken: false,
        });
    }

    /// Whether address and data of the latest write have been handed over; its answer may be to come.
    pub fn write_is_taken(&self) -> bool {
        match self.access {
            Some(Access::Write {
                address_taken,
                data_taken,
                ..
            }) => address_taken && data_taken,
            Some(Access::Read { .. }) | None => true,
        }
    }

    /// Sets the host's pins for this cycle.
    pub fn drive(&mut self, cycle: u64, pins: &mut HostLite) {
        let before = *pins;
        *pins = HostLite {
            bready: self
                .write_answer_ready
                .ready(cycle, self.write_answer.is_waiting()),
            rready: self
                .read_answer_ready
                .ready(cycle, self.read_answer.is_waiting()),
            ..HostLite::default()
        };
        match self.access {
            Some(Access::Write {
                address,
                value,
                address_taken,
                data_taken,
            }) => {
                // What was offered stays; what was not may still be held back.
                pins.awvalid =
                    !address_taken && (before.awvalid || !self.write_address.stalled(cycle));
                pins.wvalid = !data_taken && (before.wvalid || !self.write_data.stalled(cycle));
                (pins.awaddr, pins.wdata, pins.wstrb) = (address, value, 0xf);
            }
            Some(Access::Read {
                address,
                address_taken,
            }) => {
                pins.arvalid =
                    !address_taken && (before.arvalid || !self.read_address.stalled(cycle));
                pins.araddr = address;
            }
            None => {}
        }
    }

    /// Registers what was handed over at the clock edge. `Some` when the access has ended, with the
    /// value read (0 for a write).
    pub fn sample(
        &mut self,
        cycle: u64,
        host: &HostLite,
        kernel: &KernelLite,
    ) -> Result<Option<u32>, ProtocolError> {
        let at = |channel| {
            move |breach| ProtocolError {
                port: Port::Control,
                channel,
                cycle,
                breach,
            }
        };
        let wrote = self
            .write_answer
            .check(kernel.bvalid, host.bready, kernel.bresp)
            .map_err(at(Channel::B))?;
        let read = self
            .read_answer
            .check(kernel.rvalid, host.rready, (kernel.rresp, kernel.rdata))
            .map_err(at(Channel::R))?;
        let (may_answer_write, may_answer_read) = match self.access {
            Some(Access::Write {
                address_taken,
                data_taken,
                ..
            }) => (address_taken && data_taken, false),
            Some(Access::Read { address_taken, .. }) => (false, address_taken),
            None => (false, false),
        };
        if kernel.bvalid && !may_answer_write {
            return Err(at(Channel::B)(Breach::Unasked));
        }
        if kernel.rvalid && !may_answer_read {
            return Err(at(Channel::R)(Breach::Unasked));
        }

        match &mut self.access {
            Some(Access::Write {
                address_taken,
                data_taken,
                ..
            }) => {
                *address_taken |= host.awvalid && kernel.awready;
                *data_taken |= host.wvalid && kernel.wready;
            }
            Some(Access::Read { address_taken, .. }) => {
                *address_taken |= host.arvalid && kernel.arready;
            }
            None => {}
        }
        if wrote {
            self.access = None;
            return okay(kernel.bresp).map(|()| Some(0)).map_err(at(Channel::B));
        }
        if read {
            self.access = None;
            return okay(kernel.rresp)
                .map(|()| Some(kernel.rdata))
                .map_err(at(Channel::R));
        }
        Ok(None)
    }
}

fn okay(response: u8) -> Result<(), Breach> {
    if response == 0 {
        Ok(())
    } else {
        Err(Breach::Refused { found: response })
    }
}
