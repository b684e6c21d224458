//! Wall time per stage and forward pass, with a device's share kept apart.
//!
//! A simulated device takes wall time that means nothing. Executors report it with
//! [`StageClock::device`], and it is left out of the stage it happened in: what remains is the
//! host's own work. The device's work is kept as [`Usage`], to be turned into time by a board.

use std::time::{Duration, Instant};

use super::{Phase, Stage};
use crate::board::Board;
use crate::time_model::{device_time, Usage};
use crate::units::Seconds;

/// One forward pass.
#[derive(Clone, Debug)]
pub struct Pass {
    /// Prompt or generation.
    pub phase: Phase,
    host: [Seconds; Stage::ALL.len()],
    device: [Usage; Stage::ALL.len()],
    together: Vec<(Stage, Together)>,
    simulated: Seconds,
    /// Stage by stage; empty in all passes but the last ones.
    events: Vec<Event>,
}

/// One stage of one block, in the order of the pass.
#[derive(Clone, Debug)]
pub struct Event {
    /// Which part of the pass.
    pub stage: Stage,
    /// Which block; none outside the blocks.
    pub block: Option<usize>,
    /// The host's time in it.
    pub host: Seconds,
    /// The device's work in it.
    pub device: Usage,
    /// Dispatches beside which the host computed.
    pub together: Vec<Together>,
}

/// A dispatch during which the host computes too, so that the longer of the two times counts.
#[derive(Clone, Copy, Debug)]
pub struct Together {
    /// Work of the device.
    pub device: Usage,
    /// The host's time, which is part of [`Pass::host`].
    pub host: Seconds,
}

impl Pass {
    /// The host's time in a stage, summed over blocks.
    pub fn host(&self, stage: Stage) -> Seconds {
        self.host[stage as usize]
    }

    /// The host's time in all stages.
    pub fn host_total(&self) -> Seconds {
        self.host.iter().copied().sum()
    }

    /// The device's work in a stage, summed over blocks.
    pub fn device(&self, stage: Stage) -> Usage {
        self.device[stage as usize]
    }

    /// The device's work in the whole pass.
    pub fn device_total(&self) -> Usage {
        self.device.iter().fold(Usage::default(), |a, u| a + *u)
    }

    /// Dispatches of a stage, or of all, beside which the host computed.
    pub fn together(&self, stage: Option<Stage>) -> impl Iterator<Item = &Together> {
        let asked = move |s: Stage| stage.is_none_or(|asked| asked == s);
        self.together
            .iter()
            .filter(move |(s, _)| asked(*s))
            .map(|(_, t)| t)
    }

    /// The pass stage by stage; empty if later passes of its phase have been timed.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Wall time spent waiting for the device, which is in none of the host's times.
    pub fn simulated(&self) -> Seconds {
        self.simulated
    }
}

impl Together {
    /// The shorter of both times, with the device on `board`.
    pub fn overlap(&self, board: &Board) -> Seconds {
        let device = device_time(board, &self.device).total();
        Seconds(device.0.min(self.host.0))
    }
}

/// Collects passes.
#[derive(Debug, Default)]
pub struct StageClock {
    passes: Vec<Pass>,
    /// Whether the last pass has got to its logits.
    has_logits: bool,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    stage: Stage,
    block: Option<usize>,
    start: Instant,
    waited: Duration,
    /// The device's work and what was together with it, so far.
    device: Usage,
    together: Vec<Together>,
}

impl StageClock {
    /// A stage begins; [`Stage::Embed`] after logits opens a new pass. A long prompt is read in chunks
    /// and only the last of them has logits: together they are one pass.
    pub fn begin(&mut self, stage: Stage, block: Option<usize>, phase: Phase) {
        if self.passes.is_empty() || (stage == Stage::Embed && self.has_logits) {
            self.has_logits = false;
            // Only the last pass of a phase is kept in detail: there may be thousands.
            if let Some(before) = self.passes.iter_mut().rfind(|p| p.phase == phase) {
                before.events = Vec::new();
            }
            self.passes.push(Pass {
                phase,
                host: Default::default(),
                device: Default::default(),
                together: Vec::new(),
                simulated: Seconds::default(),
                events: Vec::new(),
            });
        }
        self.running = Some(Running {
            stage,
            block,
            start: Instant::now(),
            waited: Duration::ZERO,
            device: Usage::default(),
            together: Vec::new(),
        });
    }

    /// The stage ends.
    pub fn end(&mut self, stage: Stage) {
        let (Some(running), Some(pass)) = (self.running.take(), self.passes.last_mut()) else {
            return;
        };
        debug_assert_eq!(running.stage, stage, "stages do not nest");
        let host = running.start.elapsed().saturating_sub(running.waited);
        self.has_logits |= stage == Stage::LmHead;
        pass.host[stage as usize] += host.into();
        pass.simulated += running.waited.into();
        pass.events.push(Event {
            stage,
            block: running.block,
            host: host.into(),
            device: running.device,
            together: running.together,
        });
    }

    /// The device did `usage` within the running stage, and the host waited `waited` for it.
    pub fn device(&mut self, usage: Usage, waited: Duration) {
        let (Some(running), Some(pass)) = (self.running.as_mut(), self.passes.last_mut()) else {
            return;
        };
        running.waited += waited;
        running.device += usage;
        pass.device[running.stage as usize] += usage;
    }

    /// While the device did `device`, the host computed for `host`; both are told of elsewhere.
    pub fn together(&mut self, device: Usage, host: Duration) {
        let (Some(running), Some(pass)) = (self.running.as_mut(), self.passes.last_mut()) else {
            return;
        };
        let host = host.into();
        running.together.push(Together { device, host });
        pass.together
            .push((running.stage, Together { device, host }));
    }

    /// Every pass so far.
    pub fn passes(&self) -> &[Pass] {
        &self.passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_the_device_is_no_host_time() {
        let mut clock = StageClock::default();
        for phase in [Phase::Prefill, Phase::Decode] {
            clock.begin(Stage::Embed, None, phase);
            clock.end(Stage::Embed);
            clock.begin(Stage::Qkv, None, phase);
            let usage = Usage {
                launches: 1,
                ..Usage::default()
            };
            std::thread::sleep(Duration::from_millis(5));
            clock.device(usage, Duration::from_millis(5));
            clock.end(Stage::Qkv);
            clock.begin(Stage::LmHead, None, phase);
            clock.end(Stage::LmHead);
        }
        let passes = clock.passes();
        assert_eq!(passes.len(), 2);
        assert_eq!(passes[1].phase, Phase::Decode);
        assert_eq!(passes[0].device(Stage::Qkv).launches, 1);
        assert_eq!(passes[0].device_total().launches, 1);
        assert!((passes[0].simulated().ms() - 5.0).abs() < 1e-9);
        assert!(passes[0].host(Stage::Qkv) >= Seconds(0.0));
    }

    #[test]
    fn chunks_of_a_prompt_are_one_pass() {
        let mut clock = StageClock::default();
        let mut run = |stage, phase| {
            clock.begin(stage, None, phase);
            clock.end(stage);
        };
        for stage in [Stage::Embed, Stage::Embed, Stage::LmHead, Stage::Sample] {
            run(stage, Phase::Prefill);
        }
        run(Stage::Embed, Phase::Decode);
        let phases: Vec<_> = clock.passes().iter().map(|p| p.phase).collect();
        assert_eq!(phases, [Phase::Prefill, Phase::Decode]);
    }
}
