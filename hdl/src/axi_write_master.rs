//! AXI4 write master: writes a run of result beats from a FIFO in bursts.
//!
//! `start` with an address and a number of int32 words begins a run. A burst is announced only when
//! all of its beats stand in the FIFO, so a write burst never stalls for want of data. Bursts end at
//! multiples of `BURST_BYTES` and hence never cross 4 KiB. The last beat's strobes cover just the words
//! of the run.
//!
//! Rules per channel:
//!
//! | channel | rule |
//! |---|---|
//! | AW | `awvalid` never waits for `awready`; address and length are held while stalled |
//! | W | begins after AW was accepted; data, strobes and `wlast` are held while stalled (they show the FIFO's oldest beat) |
//! | B | `bready` is constantly set; SLVERR or DECERR sets `error` until the next `start` |
//! | order | one ID, one burst of data at a time, several answers outstanding |
//! | reset | AW and W idle; answers outstanding are forgotten |
//!
//! `abort` announces nothing more; `idle` returns after the current burst and all answers.

use rust_hdl::prelude::*;
use tercet_contract::geometry::BURST_BYTES;

/// Write master for a bus of `W` bits and `C = W / 8` bytes; `P` is the width of the FIFO level.
#[derive(LogicBlock)]
pub struct AxiWriteMaster<const W: usize, const C: usize, const P: usize> {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// Back to idle.
    pub reset: Signal<In, Bit>,
    /// Begins a run; only while `idle`.
    pub start: Signal<In, Bit>,
    /// Byte address of the run, a multiple of 64.
    pub address: Signal<In, Bits<64>>,
    /// int32 words of the run, not 0.
    pub words: Signal<In, Bits<32>>,
    /// Announces nothing more.
    pub abort: Signal<In, Bit>,
    /// FIFO: oldest beat.
    pub beat: Signal<In, Bits<W>>,
    /// FIFO: `beat` is there.
    pub beat_valid: Signal<In, Bit>,
    /// FIFO: beats inside.
    pub level: Signal<In, Bits<P>>,
    /// FIFO: takes `beat`.
    pub beat_read: Signal<Out, Bit>,
    /// Nothing to write and no answer outstanding.
    pub idle: Signal<Out, Bit>,
    /// An answer of this run was SLVERR or DECERR.
    pub error: Signal<Out, Bit>,
    /// AW: address.
    pub awaddr: Signal<Out, Bits<64>>,
    /// AW: beats of the burst less one.
    pub awlen: Signal<Out, Bits<8>>,
    /// AW: valid.
    pub awvalid: Signal<Out, Bit>,
    /// AW: ready.
    pub awready: Signal<In, Bit>,
    /// W: data.
    pub wdata: Signal<Out, Bits<W>>,
    /// W: byte strobes.
    pub wstrb: Signal<Out, Bits<C>>,
    /// W: last beat of the burst.
    pub wlast: Signal<Out, Bit>,
    /// W: valid.
    pub wvalid: Signal<Out, Bit>,
    /// W: ready.
    pub wready: Signal<In, Bit>,
    /// B: response.
    pub bresp: Signal<In, Bits<2>>,
    /// B: valid.
    pub bvalid: Signal<In, Bit>,
    /// B: ready.
    pub bready: Signal<Out, Bit>,

    state: DFF<WriteState>,
    next_address: DFF<Bits<64>>,
    words_left: DFF<Bits<32>>,
    beats_left: DFF<Bits<32>>,
    burst: DFF<Bits<16>>,
    burst_left: DFF<Bits<16>>,
    answers_due: DFF<Bits<16>>,
    error_register: DFF<Bit>,

    offset: Signal<Local, Bits<10>>,
    to_boundary: Signal<Local, Bits<16>>,
    burst_bytes: Signal<Local, Bits<64>>,
    burst_less_one: Signal<Local, Bits<16>>,
    words_rounded: Signal<Local, Bits<32>>,
    streaming: Signal<Local, Bit>,
    w_valid: Signal<Local, Bit>,
    w_taken: Signal<Local, Bit>,
    last_of_run: Signal<Local, Bit>,
    partial_shift: Signal<Local, Bits<32>>,
    partial_bytes: Signal<Local, Bits<32>>,
    announced: Signal<Local, Bits<16>>,
    answered: Signal<Local, Bits<16>>,

    burst_beats: Constant<Bits<16>>,
    beat_shift: Constant<Bits<4>>,
    words_shift: Constant<Bits<4>>,
    words_per_beat: Constant<Bits<32>>,
    words_mask: Constant<Bits<32>>,
    all_bytes: Constant<Bits<C>>,
}

/// What the write master is doing.
#[derive(Copy, Clone, Debug, PartialEq, LogicState)]
pub enum WriteState {
    /// No run.
    Idle,
    /// Works out the next burst.
    Plan,
    /// Waits until its beats are in the FIFO.
    Gather,
    /// Offers it on AW.
    Announce,
    /// Sends its beats on W.
    Stream,
    /// Waits for the answers.
    Settle,
}

impl<const W: usize, const C: usize, const P: usize> Default for AxiWriteMaster<W, C, P> {
    fn default() -> Self {
        assert_eq!(W, 8 * C, "a strobe a byte");
        let words_per_beat = W as u64 / 32;
        Self {
            clock: Default::default(),
            reset: Default::default(),
            start: Default::default(),
            address: Default::default(),
            words: Default::default(),
            abort: Default::default(),
            beat: Default::default(),
            beat_valid: Default::default(),
            level: Default::default(),
            beat_read: Default::default(),
            idle: Default::default(),
            error: Default::default(),
            awaddr: Default::default(),
            awlen: Default::default(),
            awvalid: Default::default(),
            awready: Default::default(),
            wdata: Default::default(),
            wstrb: Default::default(),
            wlast: Default::default(),
            wvalid: Default::default(),
            wready: Default::default(),
            bresp: Default::default(),
            bvalid: Default::default(),
            bready: Default::default(),
            state: Default::default(),
            next_address: Default::default(),
            words_left: Default::default(),
            beats_left: Default::default(),
            burst: Default::default(),
            burst_left: Default::default(),
            answers_due: Default::default(),
            error_register: Default::default(),
            offset: Default::default(),
            to_boundary: Default::default(),
            burst_bytes: Default::default(),
            burst_less_one: Default::default(),
            words_rounded: Default::default(),
            streaming: Default::default(),
            w_valid: Default::default(),
            w_taken: Default::default(),
            last_of_run: Default::default(),
            partial_shift: Default::default(),
            partial_bytes: Default::default(),
            announced: Default::default(),
            answered: Default::default(),
            burst_beats: Constant::new(((BURST_BYTES / C) as u64).into()),
            beat_shift: Constant::new(u64::from(C.trailing_zeros()).into()),
            words_shift: Constant::new(u64::from(words_per_beat.trailing_zeros()).into()),
            words_per_beat: Constant::new(words_per_beat.into()),
            words_mask: Constant::new((words_per_beat - 1).into()),
            all_bytes: Constant::new(Bits::<C>::mask()),
        }
    }
}

impl<const W: usize, const C: usize, const P: usize> Logic for AxiWriteMaster<W, C, P> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            state,
            next_address,
            words_left,
            beats_left,
            burst,
            burst_left,
            answers_due,
            error_register
        );

        self.offset.next = self.next_address.q.val().get_bits::<10>(0) >> self.beat_shift.val();
        self.to_boundary.next = self.burst_beats.val() - bit_cast::<16, 10>(self.offset.val());
        self.burst_bytes.next = bit_cast::<64, 16>(self.burst.q.val()) << self.beat_shift.val();
        self.burst_less_one.next = self.burst.q.val() - 1;
        self.words_rounded.next = self.words.val() + self.words_mask.val();

        // W shows the FIFO; it moves on when the bus has taken the beat.
        self.streaming.next = self.state.q.val() == WriteState::Stream;
        self.w_valid.next = self.streaming.val() & self.beat_valid.val();
        self.w_taken.next = self.w_valid.val() & self.wready.val();
        self.beat_read.next = self.w_taken.val();
        self.wvalid.next = self.w_valid.val();
        self.wdata.next = self.beat.val();
        self.wlast.next = self.burst_left.q.val() == 1;
        self.last_of_run.next = self.words_left.q.val() < self.words_per_beat.val();
        self.partial_bytes.next = self.words_left.q.val() & self.words_mask.val();
        self.partial_shift.next = self.partial_bytes.val() << 2;
        self.wstrb.next = self.all_bytes.val();
        if self.last_of_run.val() {
            self.wstrb.next = !(self.all_bytes.val() << self.partial_shift.val());
        }

        self.announced.next = 0.into();
        self.awvalid.next = self.state.q.val() == WriteState::Announce;
        self.awaddr.next = self.next_address.q.val();
        self.awlen.next = bit_cast::<8, 16>(self.burst_less_one.val());

        match self.state.q.val() {
            WriteState::Idle => {
                if self.start.val() {
                    self.next_address.d.next = self.address.val();
                    self.words_left.d.next = self.words.val();
                    self.beats_left.d.next = self.words_rounded.val() >> self.words_shift.val();
                    self.error_register.d.next = false;
                    self.state.d.next = WriteState::Plan;
                }
            }
            WriteState::Plan => {
                self.burst.d.next = self.to_boundary.val();
                if self.beats_left.q.val() < bit_cast::<32, 16>(self.to_boundary.val()) {
                    self.burst.d.next = bit_cast::<16, 32>(self.beats_left.q.val());
                }
                self.state.d.next = WriteState::Gather;
                if (self.beats_left.q.val() == 0) | self.abort.val() {
                    self.state.d.next = WriteState::Settle;
                }
            }
            WriteState::Gather => {
                if bit_cast::<16, P>(self.level.val()) >= self.burst.q.val() {
                    self.state.d.next = WriteState::Announce;
                }
                if self.abort.val() {
                    self.state.d.next = WriteState::Settle;
                }
            }
            WriteState::Announce => {
                if self.awready.val() {
                    self.announced.next = 1.into();
                    self.burst_left.d.next = self.burst.q.val();
                    self.next_address.d.next = self.next_address.q.val() + self.burst_bytes.val();
                    self.beats_left.d.next =
                        self.beats_left.q.val() - bit_cast::<32, 16>(self.burst.q.val());
                    self.state.d.next = WriteState::Stream;
                }
            }
            WriteState::Stream => {
                if self.w_taken.val() {
                    self.words_left.d.next = self.words_left.q.val() - self.words_per_beat.val();
                    self.burst_left.d.next = self.burst_left.q.val() - 1;
                    if self.burst_left.q.val() == 1 {
                        self.state.d.next = WriteState::Plan;
                    }
                }
            }
            WriteState::Settle => {
                if self.answers_due.q.val() == 0 {
                    self.state.d.next = WriteState::Idle;
                }
            }
        }

        self.bready.next = true;
        self.answered.next = 0.into();
        if self.bvalid.val() {
            self.answered.next = 1.into();
            if self.bresp.val().get_bit(1) {
                self.error_register.d.next = true;
            }
        }
        self.answers_due.d.next =
            self.answers_due.q.val() + self.announced.val() - self.answered.val();
        self.error.next = self.error_register.q.val();
        self.idle.next = self.state.q.val() == WriteState::Idle;

        if self.reset.val() {
            self.state.d.next = WriteState::Idle;
            self.answers_due.d.next = 0.into();
            self.error_register.d.next = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{seeded, tick};
    use rand::Rng;

    type Uut = AxiWriteMaster<128, 16, 8>;

    /// Writes `words` words from `address` on and returns the bytes that reached the memory.
    fn run(seed: u64, address: u64, words: u64) -> Vec<(u64, u8)> {
        let clock = |u: &mut Uut, level: bool| u.clock.next = level.into();
        let mut rng = seeded(seed);
        let mut uut = Uut::default();
        uut.connect_all();
        uut.start.next = true;
        uut.address.next = address.into();
        uut.words.next = words.into();
        tick(&mut uut, clock);
        uut.start.next = false;
        let beats = words.div_ceil(4);
        let (mut in_fifo, mut read) = (0, 0);
        let mut memory = Vec::new();
        let mut burst: Option<(u64, u64)> = None;
        let mut answers = 0u32;
        for cycle in 0..20_000 {
            if in_fifo < beats && in_fifo - read < 120 && rng.random_bool(0.8) {
                in_fifo += 1;
            }
            // Beat n of the run holds words 4n to 4n + 3, each of value 0x100 + its number.
            let mut data = Bits::<128>::default();
            for w in 0..4 {
                let word: Bits<128> = (0x100 + 4 * read + w).into();
                data = data | (word << (32 * w));
            }
            uut.beat.next = data;
            uut.beat_valid.next = in_fifo > read;
            uut.level.next = (in_fifo - read).into();
            uut.awready.next = rng.random_bool(0.5);
            uut.wready.next = rng.random_bool(0.6);
            let answer = answers > 0 && rng.random_bool(0.2);
            uut.bvalid.next = answer;
            simulate(&mut uut, 10);
            if uut.wvalid.val() && uut.wready.val() {
                let (at, left) = burst.as_mut().expect("data follow an accepted address");
                assert_eq!(uut.wlast.val(), *left == 1, "seed {seed} cycle {cycle}");
                for byte in 0..16 {
                    if uut.wstrb.val().get_bit(byte) {
                        memory.push((
                            *at + byte as u64,
                            uut.wdata.val().get_bits::<8>(8 * byte).to_u8(),
                        ));
                    }
                }
                *at += 16;
                *left -= 1;
                if *left == 0 {
                    burst = None;
                    answers += 1;
                }
            }
            if uut.awvalid.val() && uut.awready.val() {
                let (at, n) = (uut.awaddr.val().to_u64(), uut.awlen.val().to_u64() + 1);
                assert_eq!(
                    at / BURST_BYTES as u64,
                    (at + 16 * n - 1) / BURST_BYTES as u64
                );
                assert!(
                    in_fifo - read >= n,
                    "a burst is announced with all its beats at hand"
                );
                assert!(burst.replace((at, n)).is_none());
            }
            read += u64::from(uut.beat_read.val());
            answers -= u32::from(answer);
            tick(&mut uut, clock);
            if uut.idle.val() {
                break;
            }
        }
        assert!(uut.idle.val(), "the run ends, seed {seed}");
        assert_eq!(answers, 0, "idle means that every answer is in");
        memory
    }

    #[test]
    fn exactly_the_bytes_of_the_run_are_written() {
        for (seed, address, words) in [
            (1, 0, 1),
            (2, 64, 4),
            (3, 960, 21),
            (4, 4032, 600),
            (5, 128, 256),
        ] {
            let want: Vec<(u64, u8)> = (0..words)
                .flat_map(|w| {
                    let value = 0x100 + w as u32;
                    value
                        .to_le_bytes()
                        .into_iter()
                        .enumerate()
                        .map(move |(b, v)| (address + 4 * w + b as u64, v))
                })
                .collect();
            assert_eq!(run(seed, address, words), want, "seed {seed}");
        }
    }
}
