//! Sends bytes as a frame: FLAG, the bytes and their check value with escapes, FLAG
//! (`tercet_contract::serial::frame`).
//!
//! Cycle contract: `start` begins a frame while `idle` is set. A byte of the body is taken in a cycle with `taken`;
//! `body` is to show the next one, or `body_end` that there is none, before the line has sent it.

use rust_hdl::prelude::*;
use tercet_contract::serial::frame::{ESCAPE, ESCAPED, FLAG};

use super::crc::Crc32;
use crate::constant;

/// What is sent.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum SendState {
    Idle,
    Begin,
    Body,
    Close,
    Check,
    End,
}

/// Sender of frames.
#[derive(LogicBlock)]
pub struct FrameSender {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Gives up the frame.
    pub reset: Signal<In, Bit>,
    /// Begins a frame.
    pub start: Signal<In, Bit>,
    /// Byte of the body.
    pub body: Signal<In, Bits<8>>,
    /// The body is over, `body` is none.
    pub body_end: Signal<In, Bit>,
    /// `body` is taken in this cycle.
    pub taken: Signal<Out, Bit>,
    /// No frame is being sent.
    pub idle: Signal<Out, Bit>,
    /// Line: a byte.
    pub octet: Signal<Out, Bits<8>>,
    /// Line: it is there.
    pub valid: Signal<Out, Bit>,
    /// Line: it would be taken.
    pub ready: Signal<In, Bit>,
    crc: Crc32,
    state: DFF<SendState>,
    escaped: DFF<Bit>,
    check: DFF<Bits<32>>,
    place: DFF<Bits<2>>,
    plain: Signal<Local, Bits<8>>,
    special: Signal<Local, Bit>,
    sends: Signal<Local, Bit>,
    moves: Signal<Local, Bit>,
    flag: Constant<Bits<8>>,
    escape: Constant<Bits<8>>,
    inverted: Constant<Bits<8>>,
}

impl Default for FrameSender {
    fn default() -> Self {
        FrameSender {
            clock: Default::default(),
            reset: Default::default(),
            start: Default::default(),
            body: Default::default(),
            body_end: Default::default(),
            taken: Default::default(),
            idle: Default::default(),
            octet: Default::default(),
            valid: Default::default(),
            ready: Default::default(),
            crc: Default::default(),
            state: Default::default(),
            escaped: Default::default(),
            check: Default::default(),
            place: Default::default(),
            plain: Default::default(),
            special: Default::default(),
            sends: Default::default(),
            moves: Default::default(),
            flag: constant(FLAG.into()),
            escape: constant(ESCAPE.into()),
            inverted: constant(ESCAPED.into()),
        }
    }
}

impl Logic for FrameSender {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, state, escaped, check, place);
        clock!(self, clock, crc);
        self.idle.next = self.state.q.val() == SendState::Idle;
        self.plain.next = self.body.val();
        if self.state.q.val() == SendState::Check {
            self.plain.next = self.check.q.val().get_bits::<8>(0);
        }
        self.special.next =
            (self.plain.val() == self.flag.val()) | (self.plain.val() == self.escape.val());
        // A byte of the body or of the check value goes out in this cycle, or its escape.
        self.sends.next = self.ready.val()
            & (((self.state.q.val() == SendState::Body) & !self.body_end.val())
                | (self.state.q.val() == SendState::Check));
        self.moves.next = self.sends.val() & (self.escaped.q.val() | !self.special.val());
        self.taken.next = self.moves.val() & (self.state.q.val() == SendState::Body);
        self.octet.next = self.plain.val();
        self.valid.next = self.sends.val();
        if self.sends.val() {
            self.escaped.d.next = !self.moves.val();
            if !self.moves.val() {
                self.octet.next = self.escape.val();
            } else if self.escaped.q.val() {
                self.octet.next = self.plain.val() ^ self.inverted.val();
            }
        }
        self.crc.start.next = false;

        match self.state.q.val() {
            SendState::Idle => {
                self.crc.start.next = true;
                self.escaped.d.next = false;
                if self.start.val() {
                    self.state.d.next = SendState::Begin;
                }
            }
            SendState::Begin => {
                self.octet.next = self.flag.val();
                self.valid.next = true;
                if self.ready.val() {
                    self.state.d.next = SendState::Body;
                }
            }
            SendState::Body => {
                if self.body_end.val() {
                    self.state.d.next = SendState::Close;
                }
            }
            SendState::Close => {
                // The line is free again: the check value has seen the last byte.
                self.check.d.next = !self.crc.state.val();
                self.place.d.next = 0.into();
                if self.ready.val() {
                    self.state.d.next = SendState::Check;
                }
            }
            SendState::Check => {
                if self.moves.val() {
                    self.check.d.next = self.check.q.val() >> 8;
                    self.place.d.next = self.place.q.val() + 1;
                    if self.place.q.val() == 3 {
                        self.state.d.next = SendState::End;
                    }
                }
            }
            SendState::End => {
                self.octet.next = self.flag.val();
                self.valid.next = true;
                if self.ready.val() {
                    self.state.d.next = SendState::Idle;
                }
            }
        }
        self.crc.octet.next = self.plain.val();
        self.crc.valid.next = self.taken.val();
        if self.reset.val() {
            self.state.d.next = SendState::Idle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{seeded, tick};
    use rand::Rng;
    use tercet_contract::serial::frame::encode;

    fn clock(uut: &mut FrameSender, level: bool) {
        uut.clock.next = level.into();
    }

    #[test]
    fn frames_are_those_of_the_contract() {
        let mut rng = seeded(1);
        let mut uut = FrameSender::default();
        uut.connect_all();
        for length in [1, 2, 7, 40] {
            let body: Vec<u8> = (0..length)
                .map(|_| [FLAG, ESCAPE, 0, rng.random()][rng.random_range(0..4)])
                .collect();
            let mut want = Vec::new();
            encode(&body, &mut want);
            uut.start.next = true;
            tick(&mut uut, clock);
            uut.start.next = false;
            let (mut at, mut sent, mut wait) = (0, Vec::new(), 0);
            while !uut.idle.val() {
                uut.body.next = u64::from(body.get(at).copied().unwrap_or_default()).into();
                uut.body_end.next = at == body.len();
                uut.ready.next = wait == 0;
                simulate(&mut uut, 10);
                at += usize::from(uut.taken.val());
                wait = u32::saturating_sub(wait, 1);
                if uut.valid.val() && uut.ready.val() {
                    sent.push(uut.octet.val().to_u8());
                    wait = 40;
                }
                tick(&mut uut, clock);
                assert!(sent.len() <= want.len());
            }
            assert_eq!(sent, want);
        }
    }
}
