//! A read master: runs in, bursts asked for, beats out.

use tercet_contract::geometry::{BURST_BYTES, WEIGHT_FIFO_BEATS};
use tercet_contract::Geometry;

use crate::axi::{Channel, Port};
use crate::memory::{ReadTimer, RequestTimer};
use crate::timing::MemoryTiming;

/// Places of the history of freed beats: the most beats that are asked for and not freed.
const ROOM: u64 = WEIGHT_FIFO_BEATS as u64;

/// A run that is being asked for.
#[derive(Clone, Copy, Debug)]
struct Active {
    /// Bus address of the next burst.
    address: u64,
    beats_left: u64,
    /// Cycle in which its next burst is planned.
    plan: u64,
}

/// The master of one port.
pub struct Reader {
    request: RequestTimer,
    data: ReadTimer,
    burst_beats: u64,
    beat_bytes: u64,
    active: Option<Active>,
    /// The first cycle in which another run can be taken.
    ready: u64,
    /// Cycle in which the last burst of the run before was issued; `None` before any.
    issued: Option<u64>,
    /// Handshake of the last request.
    accepted: Option<u64>,
    asked: u64,
    freed: u64,
    freed_at: Box<[u64; ROOM as usize]>,
    /// Beats handed over.
    received: u64,
    next_offer: u64,
}

impl Reader {
    /// A master with nothing to do.
    pub fn new(geometry: &Geometry, timing: &MemoryTiming, port: Port) -> Self {
        Reader {
            request: RequestTimer::new(timing, port, Channel::Ar),
            data: ReadTimer::new(timing, port, geometry.beat_bytes()),
            burst_beats: geometry.burst_beats() as u64,
            beat_bytes: geometry.beat_bytes() as u64,
            active: None,
            ready: 0,
            issued: None,
            accepted: None,
            asked: 0,
            freed: 0,
            freed_at: Box::new([0; ROOM as usize]),
            received: 0,
            next_offer: 0,
        }
    }

    /// The first cycle in which a run can be taken: the one before has been moved up, which it is once
    /// the one before that has been asked for in full.
    pub fn ready(&self) -> u64 {
        self.ready
    }

    /// Takes a run of `beats` beats in `cycle`, which must not be before [`Reader::ready`].
    pub fn take(&mut self, cycle: u64, address: u64, beats: u64) {
        // Bursts of the run before are issued by now: nobody needs the room of later beats for them.
        self.ask_all();
        // It waits a cycle, then becomes the one that is asked for.
        let moved = (cycle + 1).max(self.issued.map_or(0, |i| i + 1));
        self.ready = moved + 1;
        self.active = Some(Active {
            address,
            beats_left: beats,
            plan: moved + 1,
        });
    }

    /// Issues what is left of the run; the room for it must be there.
    fn ask_all(&mut self) {
        while self.active.is_some() {
            self.ask();
        }
    }

    /// Issues the next burst.
    fn ask(&mut self) {
        let active = self.active.as_mut().expect("a run that is asked for");
        let in_block = active.address % BURST_BYTES as u64 / self.beat_bytes;
        let len = (self.burst_beats - in_block).min(active.beats_left);
        let mut issue = active.plan + 1;
        if let Some(accepted) = self.accepted {
            issue = issue.max(accepted);
        }
        self.asked += len;
        if self.asked > ROOM {
            let needed = self.asked - ROOM;
            debug_assert!(needed <= self.freed, "room is known in order");
            issue = issue.max(self.freed_at[((needed - 1) % ROOM) as usize] + 1);
        }
        let accepted = self.request.first_ready(issue + 1);
        self.data.accept(accepted, active.address, len as u32);
        self.accepted = Some(accepted);
        active.address += len * self.beat_bytes;
        active.beats_left -= len;
        active.plan = issue + 1;
        if active.beats_left == 0 {
            self.issued = Some(issue);
            self.active = None;
        }
    }

    /// Whether a burst must be asked for (or a run taken) before the next beat can come.
    #[inline]
    pub fn needs_burst(&self) -> bool {
        self.received == self.asked
    }

    /// Whether bursts of the run taken last are still to be asked for.
    pub fn is_asking(&self) -> bool {
        self.active.is_some()
    }

    /// The cycle in which the next beat is offered.
    #[inline]
    pub fn offer(&mut self) -> u64 {
        if self.needs_burst() {
            self.ask();
        }
        self.received += 1;
        self.data
            .next_beat(self.next_offer)
            .expect("a burst was asked for")
    }

    /// That beat is handed over in `cycle`.
    #[inline]
    pub fn handed_over(&mut self, cycle: u64) {
        self.next_offer = cycle + 1;
    }

    /// The consumer frees the place of a beat in `cycle`.
    #[inline]
    pub fn free(&mut self, cycle: u64) {
        self.freed_at[(self.freed % ROOM) as usize] = cycle;
        self.freed += 1;
    }
}
