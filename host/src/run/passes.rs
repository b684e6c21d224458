//! The passes that a run is timed by, and the time of a pass as [`crate::run`] defines it.

use super::report::PhaseTime;
use crate::board::Board;
use crate::executor::stage_clock::Pass;
use crate::executor::{Phase, Stage};
use crate::generate::Generated;
use crate::profile::median;
use crate::time_model::{device_time, DeviceTime, Usage};
use crate::units::Seconds;

/// A pass with its wall time, simulation included.
struct TimedPass {
    wall: Seconds,
    pass: Pass,
}

impl TimedPass {
    /// The host's time outside all stages.
    fn between(&self) -> Seconds {
        self.wall - self.pass.simulated() - self.pass.host_total()
    }
}

/// Passes of one phase.
#[derive(Default)]
pub(super) struct PhasePasses {
    /// Of the run itself.
    run: Vec<TimedPass>,
    /// Of the CPU alone, for what a simulated device would disturb; none if there is no device.
    alone: Vec<TimedPass>,
    /// Of the run again with the device's sums at hand, for the host's part of what moved; none if there are none.
    replayed: Vec<Pass>,
}

impl PhasePasses {
    fn of(phase: Phase, passes: &[Pass], walls: &[f64]) -> Self {
        let passes = passes.iter().filter(|p| p.phase == phase);
        let timed = |(pass, wall): (&Pass, &f64)| TimedPass {
            wall: Seconds(*wall),
            pass: pass.clone(),
        };
        PhasePasses {
            run: passes.zip(walls).map(timed).collect(),
            alone: Vec::new(),
            replayed: Vec::new(),
        }
    }

    /// Takes `alone` for the stages of which nothing is on the device.
    fn beside(&mut self, alone: PhasePasses) {
        self.alone = alone.run;
    }

    /// One more pass of the same kind.
    pub fn push(&mut self, wall: Seconds, pass: &Pass) {
        let pass = pass.clone();
        self.run.push(TimedPass { wall, pass });
    }

    /// The last pass that was run again with the device's sums at hand.
    pub fn replayed(&self) -> Option<&Pass> {
        self.replayed.last()
    }

    /// Passes of the run.
    pub fn len(&self) -> usize {
        self.run.len()
    }

    /// Work of the device in a stage, or in all of them.
    pub fn work(&self, stage: Option<Stage>) -> Usage {
        self.run.iter().fold(Usage::default(), |sum, t| {
            sum + stage.map_or_else(|| t.pass.device_total(), |s| t.pass.device(s))
        })
    }

    /// Mean time of the device in a stage, or in all of them.
    pub fn device(&self, board: &Board, stage: Option<Stage>) -> DeviceTime {
        device_time(board, &self.work(stage)).over(self.len())
    }

    /// Mean over the passes of what host and device do side by side, in a stage or in all of them: of each dispatch
    /// the shorter of both times.
    pub fn overlap(&self, board: &Board, stage: Option<Stage>) -> Seconds {
        let passes: Vec<&Pass> = match self.replayed.is_empty() {
            true => self.run.iter().map(|t| &t.pass).collect(),
            false => self.replayed.iter().collect(),
        };
        let dispatches = passes.iter().flat_map(|p| p.together(stage));
        let all: Seconds = dispatches.map(|t| t.overlap(board)).sum();
        Seconds(all.0 / passes.len().max(1) as f64)
    }

    /// Median time of the host in a stage.
    pub fn host(&self, stage: Stage) -> Seconds {
        let moved = self.work(Some(stage)).dispatches > 0;
        if moved && !self.replayed.is_empty() {
            return median(self.replayed.iter().map(|p| p.host(stage)));
        }
        let passes = if moved { &self.run } else { self.undisturbed() };
        median(passes.iter().map(|t| t.pass.host(stage)))
    }

    /// Median time of the host outside all stages.
    pub fn between(&self) -> Seconds {
        median(self.undisturbed().iter().map(TimedPass::between))
    }

    fn undisturbed(&self) -> &Vec<TimedPass> {
        match self.alone.is_empty() {
            true => &self.run,
            false => &self.alone,
        }
    }

    /// Time of a pass; it stands for `per_pass` of the `tokens`.
    pub fn time(&self, board: &Board, tokens: usize, per_pass: usize) -> PhaseTime {
        let stages: Seconds = Stage::ALL.into_iter().map(|s| self.host(s)).sum();
        let between_s = self.between();
        let host_s = stages + between_s;
        let device_s = self.device(board, None);
        let overlap_s = self.overlap(board, None);
        let total_s = host_s + device_s.total() - overlap_s;
        PhaseTime {
            tokens,
            host_s,
            between_s,
            device_s,
            overlap_s,
            total_s,
            // JSON has no infinity: 0 where nothing was timed.
            tokens_per_s: match tokens == 0 || total_s.0 == 0.0 {
                true => 0.0,
                false => per_pass as f64 / total_s.0,
            },
        }
    }
}

/// Passes of both phases.
#[derive(Default)]
pub(super) struct Passes {
    /// Of the prompt.
    pub prefill: PhasePasses,
    /// The first reading of the prompt, on the CPU.
    pub prefill_cold: Option<Seconds>,
    /// Of every further token.
    pub decode: PhasePasses,
}

impl Passes {
    /// The `passes` of one generation.
    pub fn of(generated: &Generated, passes: &[Pass]) -> Self {
        let timing = &generated.timing;
        Passes {
            prefill: PhasePasses::of(Phase::Prefill, passes, &[timing.prefill_s]),
            prefill_cold: None,
            decode: PhasePasses::of(Phase::Decode, passes, &timing.decode_s),
        }
    }

    /// Takes `replayed` decode passes for the host's part of stages that moved.
    pub fn replayed(&mut self, replayed: Vec<Pass>) {
        let decode = replayed.into_iter().filter(|p| p.phase == Phase::Decode);
        self.decode.replayed = decode.collect();
    }

    /// Takes `alone`, of the CPU alone, for the stages of which nothing is on the device.
    pub fn beside(&mut self, alone: Passes) {
        self.prefill.beside(alone.prefill);
        self.decode.beside(alone.decode);
        self.prefill_cold = alone.prefill_cold;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::executor::stage_clock::StageClock;

    /// A decode pass whose `Qkv` is on the device if `launches`, and whose `Norm` takes `norm`.
    fn pass(launches: u64, norm: Duration) -> Pass {
        let mut clock = StageClock::default();
        clock.begin(Stage::Embed, None, Phase::Decode);
        clock.end(Stage::Embed);
        clock.begin(Stage::MlpNorm, None, Phase::Decode);
        std::thread::sleep(norm);
        clock.end(Stage::MlpNorm);
        clock.begin(Stage::Qkv, None, Phase::Decode);
        let usage = Usage {
            dispatches: launches,
            launches,
            ..Usage::default()
        };
        clock.device(usage, Duration::ZERO);
        clock.end(Stage::Qkv);
        clock.passes()[0].clone()
    }

    fn passes(launches: u64, norms_ms: &[u64]) -> PhasePasses {
        let mut all = PhasePasses::default();
        for ms in norms_ms {
            let pass = pass(launches, Duration::from_millis(*ms));
            let wall = pass.host_total() + Seconds(0.5);
            all.push(wall, &pass);
        }
        all
    }

    #[test]
    fn an_outlier_moves_no_total_and_the_parts_sum_up() {
        let board = Board::find("u55c").unwrap();
        let p = passes(0, &[1, 60, 1]);
        let time = p.time(&board, 3, 1);
        assert!(p.host(Stage::MlpNorm) < Seconds(0.02));
        assert!((time.between_s.0 - 0.5).abs() < 1e-9);
        let stages: Seconds = Stage::ALL.into_iter().map(|s| p.host(s)).sum();
        assert_eq!(time.total_s, stages + time.between_s);
    }

    #[test]
    fn what_did_not_move_is_timed_without_the_simulation() {
        let board = Board::find("u55c").unwrap();
        let mut p = passes(1, &[60]);
        p.beside(passes(0, &[1]));
        assert!(p.host(Stage::MlpNorm) < Seconds(0.02));
        let time = p.time(&board, 1, 1);
        assert!((time.device_s.dispatch.us() - 75.0).abs() < 1e-9);
        assert!(time.total_s < Seconds(0.52));
    }
}
