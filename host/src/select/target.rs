//! What layers are moved to, and what it takes to run them there.

use std::cell::RefCell;
use std::collections::HashMap;

use tercet_contract::command::COMMAND_BYTES;
use tercet_contract::layout::align;
use tercet_contract::Geometry;

use super::cost::MAX_LAYERS;
use super::cycles::List;
use crate::board::Board;
use crate::device::{Dispatching, Mode, Share, TOKENS_PER_LAUNCH};
use crate::time_model::{device_time, DeviceTime, Usage};
use crate::units::{Bytes, Cycles};

/// A board with some compute units of one kernel, for passes of so many tokens.
#[derive(Clone)]
pub struct Target<'a> {
    /// The board.
    pub board: &'a Board,
    /// The kernel.
    pub geometry: Geometry,
    /// How many compute units there are, and how commands reach them.
    pub dispatch: Dispatching,
    /// Whether each layer is dispatched alone.
    pub(super) alone: bool,
    /// Tokens of a pass.
    pub(super) tokens: usize,
    /// Work by rows and K of the layers: the blocks of a model repeat their shapes.
    known: RefCell<HashMap<Parts, Usage>>,
}

/// Rows of a command, on each unit, from which the time of an output head is estimated.
const HEAD_ROWS: usize = 2048;

/// Rows and K of the layers of a group; none of the places behind them.
type Parts = [(usize, usize); MAX_LAYERS];

impl<'a> Target<'a> {
    /// One token at a time, the layers of a group together.
    pub fn new(board: &'a Board, geometry: Geometry, dispatch: Dispatching) -> Self {
        Target {
            board,
            geometry,
            dispatch,
            alone: false,
            tokens: 1,
            known: RefCell::default(),
        }
    }

    /// The same with each layer dispatched alone, or not.
    pub fn dispatching_alone(self, alone: bool) -> Self {
        Target {
            alone,
            known: RefCell::default(),
            ..self
        }
    }

    /// The same for passes of so many tokens.
    pub fn with_tokens(self, tokens: usize) -> Self {
        Target {
            tokens,
            known: RefCell::default(),
            ..self
        }
    }

    /// Time of the device for rows of layers of a group, given as rows and K; zero for no layer.
    pub fn time(&self, parts: &[(usize, usize)]) -> DeviceTime {
        device_time(self.board, &self.usage(parts))
    }

    /// Time of a dense matrix as weights of some trits each, which the kernel combines: `n` rows of `k`. Estimated from
    /// commands of 2,048 rows; none if these do not fit the kernel.
    pub fn time_of_digits(&self, (n, k): (usize, usize), digits: usize) -> Option<DeviceTime> {
        let rows = HEAD_ROWS * self.dispatch.cus;
        tercet_contract::Command::gemv(&self.geometry, rows.min(n), k, 0, 0, 0).ok()?;
        let of_rows = self.usage(&[(rows.min(n), k)]);
        let times = n.div_ceil(rows) as u64;
        let all = (times * digits as u64, times);
        let usage = Usage {
            cycles: Cycles(of_rows.cycles.0 * all.0),
            weight_beats: of_rows.weight_beats * all.0,
            slowest_beats: of_rows.slowest_beats * all.0,
            weight_bytes: Bytes(of_rows.weight_bytes.0 * all.0),
            commands: of_rows.commands * all.1,
            bytes_from: Bytes(of_rows.bytes_from.0 * all.1),
            ..of_rows
        };
        Some(device_time(self.board, &usage))
    }

    /// Work for rows of layers of a group, given as rows and K. Every compute unit has its share of the rows; the
    /// cycles are those of one with the most.
    ///
    /// # Panics
    /// If a layer does not fit the kernel, or a group has no so many layers.
    pub fn usage(&self, parts: &[(usize, usize)]) -> Usage {
        let mut key = Parts::default();
        key[..parts.len()].copy_from_slice(parts);
        if let Some(known) = self.known.borrow().get(&key) {
            return *known;
        }
        let usage = self.count(parts);
        self.known.borrow_mut().insert(key, usage);
        usage
    }

    fn count(&self, parts: &[(usize, usize)]) -> Usage {
        if self.alone && parts.len() > 1 {
            let each = parts.iter().map(|part| self.count(&[*part]));
            return each.fold(Usage::default(), |a, b| a + b);
        }
        let mut usage = Usage::default();
        let (full, rest) = (
            self.tokens / TOKENS_PER_LAUNCH,
            self.tokens % TOKENS_PER_LAUNCH,
        );
        for (tokens, times) in [(TOKENS_PER_LAUNCH, full), (rest, usize::from(rest > 0))] {
            if times > 0 {
                let one = self.dispatched(parts, tokens);
                usage = (0..times).fold(usage, |sum, _| sum + one);
            }
        }
        usage
    }

    /// One dispatch of a few tokens.
    fn dispatched(&self, parts: &[(usize, usize)], tokens: usize) -> Usage {
        let of = self.dispatch.cus;
        let units = (0..of).map(|unit| self.unit_usage(parts, tokens, Share { unit, of }));
        let mut usage = units.fold(Usage::default(), Usage::beside);
        if usage.commands > 0 {
            let passes = tokens.div_ceil(self.geometry.batch());
            let most = parts.iter().map(|&(rows, k)| (Share::most(rows, of), k));
            usage.cycles = Cycles(
                List {
                    geometry: self.geometry,
                    latency: self.board.latency_cycles(),
                    ring: self.dispatch.mode == Mode::Ring,
                    first_vectors: tokens - (passes - 1) * self.geometry.batch(),
                    passes,
                    layers: most.collect(),
                }
                .cycles(),
            );
        }
        usage
    }

    /// Work of one unit but for its cycles.
    fn unit_usage(&self, parts: &[(usize, usize)], tokens: usize, share: Share) -> Usage {
        let (geometry, ring) = (&self.geometry, self.dispatch.mode == Mode::Ring);
        let passes = tokens.div_ceil(geometry.batch()) as u64;
        let mut usage = Usage::default();
        for &(rows, k) in parts {
            let rows = share.rows(rows).len();
            if rows == 0 {
                continue;
            }
            usage.commands += passes;
            usage.bytes_to = Bytes((tokens * geometry.vector_stride(k)) as u64);
            usage.weight_beats += passes * (rows * geometry.row_beats(k)) as u64;
            usage.weight_bytes += Bytes(passes * geometry.matrix_bytes(rows, k) as u64);
            usage.bytes_from += Bytes(passes * align(geometry.result_bytes(rows)) as u64);
        }
        if usage.commands == 0 {
            return usage;
        }
        if ring {
            usage.bytes_to += Bytes(usage.commands * COMMAND_BYTES as u64);
        }
        Usage {
            dispatches: 1,
            launches: u64::from(!ring),
            doorbells: u64::from(ring),
            transfers_to: 1,
            transfers_from: 1,
            slowest_beats: usage.weight_beats,
            ..usage
        }
    }
}
