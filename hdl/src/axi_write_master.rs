//! AXI4 write master: writes the results of commands from a FIFO in bursts, and tells when they are there.
//!
//! Commands wait in a queue; each names an address and a number of int32 words. A burst is announced only when
//! all of its beats stand in the FIFO, so a write burst never stalls for want of data. Bursts end at
//! multiples of `BURST_BYTES` and hence never cross 4 KiB. The last beat's strobes cover just the words
//! of the command, and all strobes only the vectors it has.
//!
//! When every burst of a command has been answered, the command is `settled`: its results are visible to
//! whoever reads the memory. In ring mode the number of commands settled since the start is then written to
//! `completion`, as a burst of one beat with four strobes; it is issued after the answers to the results, so it
//! cannot overtake them. The next command's results do not wait for its answer.
//!
//! Rules per channel:
//!
//! | channel | rule |
//! |---|---|
//! | AW | `awvalid` never waits for `awready`; address and length are held while stalled |
//! | W | begins after AW was accepted; data, strobes and `wlast` are held while stalled (they show the FIFO's oldest beat) |
//! | B | `bready` is constantly set; SLVERR or DECERR is told when the command settles; of a completion, when the next one does, or when there is none |
//! | order | one ID, one burst of data at a time, several answers outstanding |
//! | reset | AW and W idle; answers outstanding are forgotten |
//!
//! `abort` announces nothing more and takes no command; `idle` returns after the current burst and all answers.
//!
//! Cycle contract: a command is taken from the queue in the cycle after the writer became free; then a cycle to
//! plan each burst, one in which its beats are seen to be there, AW, and its beats one a cycle. `settled`
//! is set in the second cycle after the last answer; completion takes two cycles after it.

use rust_hdl::prelude::*;
use tercet_contract::geometry::BURST_BYTES;

/// Write master for a bus of `W` bits and `C = W / 8` bytes; `P` is the width of the FIFO level.
#[derive(LogicBlock)]
pub struct AxiWriteMaster<const W: usize, const C: usize, const P: usize> {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// Back to idle.
    pub reset: Signal<In, Bit>,
    /// A start: the count of settled commands is 0.
    pub rewind: Signal<In, Bit>,
    /// Queue: the next command.
    pub entry: Signal<In, Bits<80>>,
    /// Queue: it is there.
    pub entry_valid: Signal<In, Bit>,
    /// Queue: takes it.
    pub entry_taken: Signal<Out, Bit>,
    /// Completions are written.
    pub completes: Signal<In, Bit>,
    /// Byte address of the completion word, a multiple of 64.
    pub completion: Signal<In, Bits<48>>,
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
    /// FIFO: `beat` is to hold still while the bus shows it beside a completion.
    pub beat_hold: Signal<Out, Bit>,
    /// No command is being written and no answer outstanding.
    pub idle: Signal<Out, Bit>,
    /// All results of a command are visible, in this cycle only.
    pub settled: Signal<Out, Bit>,
    /// An answer was SLVERR or DECERR, in a cycle in which a command would settle.
    pub failed: Signal<Out, Bit>,
    /// Commands settled since the start.
    pub count: Signal<Out, Bits<32>>,
    /// AW: address.
    pub awaddr: Signal<Out, Bits<48>>,
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
    next_address: DFF<Bits<48>>,
    // The complement: counting up costs no tables.
    beats_left: DFF<Bits<24>>,
    // Words of the last beat, 0 if it is full.
    last_words: DFF<Bits<5>>,
    vectors: DFF<Bits<3>>,
    settled_count: DFF<Bits<32>>,
    burst: DFF<Bits<7>>,
    // It is what remains of the command.
    is_rest: DFF<Bit>,
    burst_left: DFF<Bits<7>>,
    answers_due: DFF<Bits<16>>,
    error_register: DFF<Bit>,

    offset: Signal<Local, Bits<10>>,
    to_boundary: Signal<Local, Bits<7>>,
    left: Signal<Local, Bits<24>>,
    rest: Signal<Local, Bit>,
    burst_bytes: Signal<Local, Bits<48>>,
    address_before: Signal<Local, Bits<48>>,
    address_step: Signal<Local, Bits<48>>,
    beats_before: Signal<Local, Bits<24>>,
    beats_step: Signal<Local, Bits<24>>,
    moves: Signal<Local, Bit>,
    entry_words: Signal<Local, Bits<24>>,
    entry_vectors: Signal<Local, Bits<3>>,
    strobes: Signal<Local, Bits<C>>,
    completing: Signal<Local, Bit>,
    burst_less_one: Signal<Local, Bits<7>>,
    words_rounded: Signal<Local, Bits<24>>,
    streaming: Signal<Local, Bit>,
    w_valid: Signal<Local, Bit>,
    w_taken: Signal<Local, Bit>,
    last_of_burst: Signal<Local, Bit>,
    whole: Signal<Local, Bit>,
    announced: Signal<Local, Bits<16>>,
    answered: Signal<Local, Bits<16>>,

    burst_beats: Constant<Bits<7>>,
    beat_shift: Constant<Bits<4>>,
    words_shift: Constant<Bits<4>>,
    words_mask: Constant<Bits<24>>,
    word_bytes: Constant<Bits<C>>,
    other_words: Constant<Bits<W>>,
    // Of each word of a beat: its number, its vector, its strobes.
    word_number: Vec<Constant<Bits<5>>>,
    word_vector: Vec<Constant<Bits<3>>>,
    word_strobes: Vec<Constant<Bits<C>>>,
    _words: usize,
    address_at: Constant<Bits<16>>,
    words_at: Constant<Bits<16>>,
    vectors_at: Constant<Bits<16>>,
}

/// Places of the fields in a queue entry.
pub mod entry {
    /// Byte address of the results, 48 bits.
    pub const ADDRESS: usize = 0;
    /// int32 words, 24 bits; 0 writes nothing and settles.
    pub const WORDS: usize = 48;
    /// Vectors, 3 bits.
    pub const VECTORS: usize = 72;
}

/// Strobes of word `n` of a beat.
fn strobes<const C: usize>(n: usize) -> Constant<Bits<C>> {
    let bits = (4 * n..4 * n + 4).fold(Bits::<C>::default(), |b, byte| b.replace_bit(byte, true));
    Constant::new(bits)
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
    /// Offers the completion on AW.
    Complete,
    /// Sends it on W.
    CompleteData,
}

impl<const W: usize, const C: usize, const P: usize> AxiWriteMaster<W, C, P> {
    /// A master for `batch` results a row.
    pub fn new(batch: usize) -> Self {
        assert_eq!(W, 8 * C, "a strobe a byte");
        let words_per_beat = W as u64 / 32;
        Self {
            clock: Default::default(),
            reset: Default::default(),
            rewind: Default::default(),
            entry: Default::default(),
            entry_valid: Default::default(),
            entry_taken: Default::default(),
            completes: Default::default(),
            completion: Default::default(),
            abort: Default::default(),
            beat: Default::default(),
            beat_valid: Default::default(),
            level: Default::default(),
            beat_read: Default::default(),
            beat_hold: Default::default(),
            idle: Default::default(),
            settled: Default::default(),
            failed: Default::default(),
            count: Default::default(),
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
            beats_left: Default::default(),
            last_words: Default::default(),
            vectors: Default::default(),
            settled_count: Default::default(),
            burst: Default::default(),
            is_rest: Default::default(),
            burst_left: Default::default(),
            answers_due: Default::default(),
            error_register: Default::default(),
            offset: Default::default(),
            to_boundary: Default::default(),
            left: Default::default(),
            rest: Default::default(),
            burst_bytes: Default::default(),
            address_before: Default::default(),
            address_step: Default::default(),
            beats_before: Default::default(),
            beats_step: Default::default(),
            moves: Default::default(),
            entry_words: Default::default(),
            entry_vectors: Default::default(),
            strobes: Default::default(),
            completing: Default::default(),
            burst_less_one: Default::default(),
            words_rounded: Default::default(),
            streaming: Default::default(),
            w_valid: Default::default(),
            w_taken: Default::default(),
            last_of_burst: Default::default(),
            whole: Default::default(),
            announced: Default::default(),
            answered: Default::default(),
            burst_beats: Constant::new(((BURST_BYTES / C) as u64).into()),
            beat_shift: Constant::new(u64::from(C.trailing_zeros()).into()),
            words_shift: Constant::new(u64::from(words_per_beat.trailing_zeros()).into()),
            words_mask: Constant::new((words_per_beat - 1).into()),
            word_bytes: strobes(0),
            other_words: Constant::new(
                (32..W).fold(Bits::<W>::default(), |b, at| b.replace_bit(at, true)),
            ),
            word_number: (0..words_per_beat).map(crate::constant).collect(),
            word_vector: (0..words_per_beat)
                .map(|n| crate::constant(n % batch as u64))
                .collect(),
            word_strobes: (0..words_per_beat as usize).map(strobes).collect(),
            _words: words_per_beat as usize,
            address_at: crate::constant(entry::ADDRESS as u64),
            words_at: crate::constant(entry::WORDS as u64),
            vectors_at: crate::constant(entry::VECTORS as u64),
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
            beats_left,
            last_words,
            vectors,
            settled_count,
            burst,
            is_rest,
            burst_left,
            answers_due,
            error_register
        );

        self.entry_words.next = self.entry.val().get_bits::<24>(self.words_at.val().index());
        self.entry_vectors.next = self
            .entry
            .val()
            .get_bits::<3>(self.vectors_at.val().index());
        self.offset.next = self.next_address.q.val().get_bits::<10>(0) >> self.beat_shift.val();
        self.to_boundary.next = self.burst_beats.val() - self.offset.val().get_bits::<7>(0);
        self.left.next = !self.beats_left.q.val();
        self.rest.next = self.left.val() <= bit_cast::<24, 7>(self.to_boundary.val());
        self.burst_bytes.next = bit_cast::<48, 7>(self.burst.q.val()) << self.beat_shift.val();
        self.burst_less_one.next = self.burst.q.val() - 1;
        self.words_rounded.next = self.entry_words.val() + self.words_mask.val();

        // Where the next burst begins and what is left then: chosen before the adders, since behind them the choice
        // would be a table a bit more.
        self.moves.next = false;
        self.address_before.next = self.next_address.q.val();
        self.address_step.next = self.burst_bytes.val();
        self.beats_before.next = self.beats_left.q.val();
        self.beats_step.next = bit_cast::<24, 7>(self.burst.q.val());
        if self.state.q.val() == WriteState::Idle {
            self.address_before.next = self
                .entry
                .val()
                .get_bits::<48>(self.address_at.val().index());
            self.address_step.next = 0.into();
            self.beats_before.next = !(self.words_rounded.val() >> self.words_shift.val());
            self.beats_step.next = 0.into();
        }
        if self.state.q.val() == WriteState::Settle {
            self.address_before.next = self.completion.val();
            self.address_step.next = 0.into();
        }

        // W shows the FIFO; it moves on when the bus has taken the beat.
        self.streaming.next = self.state.q.val() == WriteState::Stream;
        self.completing.next = self.state.q.val() == WriteState::CompleteData;
        self.beat_hold.next = self.completing.val();
        self.w_valid.next = self.streaming.val() & self.beat_valid.val();
        self.w_taken.next = self.w_valid.val() & self.wready.val();
        self.beat_read.next = self.w_taken.val();
        self.wvalid.next = self.w_valid.val() | self.completing.val();
        self.last_of_burst.next = self.burst_left.q.val() == 1;
        // Word n is written if the command has as many words left, and its vector.
        self.whole.next =
            !(self.is_rest.q.val() & self.last_of_burst.val()) | (self.last_words.q.val() == 0);
        self.strobes.next = 0.into();
        for i in 0..self._words {
            if (self.whole.val() | (self.last_words.q.val() > self.word_number[i].val()))
                & (self.vectors.q.val() > self.word_vector[i].val())
            {
                self.strobes.next = self.strobes.val() | self.word_strobes[i].val();
            }
        }
        self.wdata.next = self.beat.val();
        self.wstrb.next = self.strobes.val();
        self.wlast.next = self.last_of_burst.val();
        if self.completing.val() {
            // The words that are not written show the FIFO, which holds still: all do while the beat waits.
            self.wdata.next = (self.beat.val() & self.other_words.val())
                | bit_cast::<W, 32>(self.settled_count.q.val());
            self.wstrb.next = self.word_bytes.val();
            self.wlast.next = true;
        }

        self.announced.next = 0.into();
        self.awvalid.next = (self.state.q.val() == WriteState::Announce)
            | (self.state.q.val() == WriteState::Complete);
        self.awaddr.next = self.next_address.q.val();
        self.awlen.next = bit_cast::<8, 7>(self.burst_less_one.val());
        self.entry_taken.next = false;
        self.settled.next = false;
        self.failed.next = false;

        match self.state.q.val() {
            WriteState::Idle => {
                // The answer to a completion came after the last command: nothing else will tell.
                self.failed.next = self.error_register.q.val()
                    & (self.answers_due.q.val() == 0)
                    & !self.abort.val();
                if self.entry_valid.val() & !self.abort.val() {
                    self.entry_taken.next = true;
                    self.moves.next = true;
                    self.last_words.d.next =
                        bit_cast::<5, 24>(self.entry_words.val() & self.words_mask.val());
                    self.vectors.d.next = self.entry_vectors.val();
                    self.state.d.next = WriteState::Plan;
                }
            }
            WriteState::Plan => {
                self.burst.d.next = self.to_boundary.val();
                self.is_rest.d.next = self.rest.val();
                if self.rest.val() {
                    self.burst.d.next = self.left.val().get_bits::<7>(0);
                }
                self.state.d.next = WriteState::Gather;
                if (self.left.val() == 0) | self.abort.val() {
                    self.state.d.next = WriteState::Settle;
                }
            }
            WriteState::Gather => {
                if bit_cast::<8, P>(self.level.val()) >= bit_cast::<8, 7>(self.burst.q.val()) {
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
                    self.moves.next = true;
                    self.state.d.next = WriteState::Stream;
                }
            }
            WriteState::Stream => {
                if self.w_taken.val() {
                    self.burst_left.d.next = self.burst_left.q.val() - 1;
                    if self.last_of_burst.val() {
                        self.state.d.next = WriteState::Plan;
                    }
                }
            }
            WriteState::Settle => {
                self.moves.next = true;
                self.burst.d.next = 1.into();
                if self.answers_due.q.val() == 0 {
                    self.state.d.next = WriteState::Idle;
                    if self.error_register.q.val() {
                        self.failed.next = !self.abort.val();
                    } else if !self.abort.val() {
                        self.settled.next = true;
                        self.settled_count.d.next = self.settled_count.q.val() + 1;
                        if self.completes.val() {
                            self.state.d.next = WriteState::Complete;
                        }
                    }
                }
            }
            WriteState::Complete => {
                if self.awready.val() {
                    self.announced.next = 1.into();
                    self.state.d.next = WriteState::CompleteData;
                }
            }
            WriteState::CompleteData => {
                if self.wready.val() {
                    self.state.d.next = WriteState::Idle;
                }
            }
        }

        if self.moves.val() {
            self.next_address.d.next = self.address_before.val() + self.address_step.val();
            self.beats_left.d.next = self.beats_before.val() + self.beats_step.val();
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
        self.count.next = self.settled_count.q.val();
        self.idle.next = (self.state.q.val() == WriteState::Idle) & (self.answers_due.q.val() == 0);

        if self.rewind.val() | self.reset.val() {
            self.settled_count.d.next = 0.into();
            self.error_register.d.next = false;
        }
        if self.reset.val() {
            self.state.d.next = WriteState::Idle;
            self.answers_due.d.next = 0.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{seeded, tick};
    use rand::Rng;

    type Uut = AxiWriteMaster<128, 16, 8>;

    fn queue_entry(address: u64, words: u64, vectors: u64) -> Bits<80> {
        let field = |value: u64, at: usize| -> Bits<80> {
            let value: Bits<80> = value.into();
            value << at as u64
        };
        field(address, entry::ADDRESS) | field(words, entry::WORDS) | field(vectors, entry::VECTORS)
    }

    /// Writes the commands (address, words, vectors) of a batch-2 kernel in ring mode and returns the
    /// bytes that reached the memory in order.
    fn run(seed: u64, commands: &[(u64, u64, u64)]) -> Vec<(u64, u8)> {
        let clock = |u: &mut Uut, level: bool| u.clock.next = level.into();
        let mut rng = seeded(seed);
        let mut uut = Uut::new(2);
        uut.connect_all();
        uut.completes.next = true;
        uut.completion.next = COMPLETION.into();
        uut.rewind.next = true;
        tick(&mut uut, clock);
        uut.rewind.next = false;
        let beats: u64 = commands.iter().map(|c| c.1.div_ceil(4)).sum();
        let (mut in_fifo, mut read, mut taken, mut settled) = (0, 0, 0, 0);
        let mut memory = Vec::new();
        let mut burst: Option<(u64, u64)> = None;
        let mut answers = 0u32;
        for cycle in 0..20_000 {
            if in_fifo < beats && in_fifo - read < 120 && rng.random_bool(0.8) {
                in_fifo += 1;
            }
            // Beat n holds words 4n to 4n + 3, each of value 0x100 + its number.
            let mut data = Bits::<128>::default();
            for w in 0..4 {
                let word: Bits<128> = (0x100 + 4 * read + w).into();
                data = data | (word << (32 * w));
            }
            uut.entry_valid.next = taken < commands.len();
            if let Some((address, words, vectors)) = commands.get(taken) {
                uut.entry.next = queue_entry(*address, *words, *vectors);
            }
            uut.beat.next = data;
            uut.beat_valid.next = in_fifo > read;
            uut.level.next = (in_fifo - read).into();
            uut.awready.next = rng.random_bool(0.5);
            uut.wready.next = rng.random_bool(0.6);
            let answer = answers > 0 && rng.random_bool(0.2);
            uut.bvalid.next = answer;
            simulate(&mut uut, 10);
            taken += usize::from(uut.entry_taken.val());
            if uut.settled.val() {
                settled += 1;
                assert_eq!(
                    answers, 0,
                    "settled means answered, seed {seed} cycle {cycle}"
                );
            }
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
                    at == COMPLETION || in_fifo - read >= n,
                    "a burst is announced with all its beats at hand"
                );
                assert!(burst.replace((at, n)).is_none());
            }
            read += u64::from(uut.beat_read.val());
            answers -= u32::from(answer);
            tick(&mut uut, clock);
            if settled == commands.len() && uut.idle.val() {
                break;
            }
        }
        assert!(uut.idle.val(), "the commands end, seed {seed}");
        assert_eq!(answers, 0, "idle means that every answer is in");
        assert_eq!(uut.count.val(), commands.len() as u64);
        memory
    }

    const COMPLETION: u64 = 0x8000;

    #[test]
    fn exactly_the_words_of_the_commands_are_written_and_then_counted() {
        for (seed, commands) in [
            (1, vec![(0, 1, 2)]),
            (2, vec![(64, 4, 2), (960, 21, 2), (0, 2, 2)]),
            (3, vec![(4032, 600, 2), (128, 256, 2)]),
            (4, vec![(4032, 60, 1), (0, 0, 2), (128, 5, 2)]),
        ] {
            let mut want: Vec<(u64, u8)> = Vec::new();
            let mut first = 0;
            for (n, (address, words, vectors)) in commands.iter().enumerate() {
                let bytes = |at: u64, value: u64| {
                    let value = (value as u32).to_le_bytes();
                    (0..4).map(move |b| (at + b as u64, value[b]))
                };
                for w in (0..*words).filter(|w| w % 2 < *vectors) {
                    want.extend(bytes(address + 4 * w, 0x100 + first + w));
                }
                want.extend(bytes(COMPLETION, n as u64 + 1));
                first += words.next_multiple_of(4);
            }
            assert_eq!(run(seed, &commands), want, "seed {seed}");
        }
    }
}
