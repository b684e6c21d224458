//! Counters of the processor, where the system lends them: cycles, instructions, misses of the last-level cache.
//!
//! They count every thread of the process that begins after them, in user mode. Virtual machines and containers often
//! have none; then the profile says why.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::executor::Phase;

/// What was counted in the passes of one phase, over all rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Core cycles of all threads.
    pub cycles: u64,
    /// Instructions of all threads.
    pub instructions: u64,
    /// Misses of the last-level cache; none if this processor does not count them.
    pub cache_misses: Option<u64>,
}

/// Counters of both phases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CounterFacts {
    /// The prompt.
    pub prefill: Option<Counts>,
    /// Every further token.
    pub decode: Option<Counts>,
    /// Why there are none.
    pub unavailable: Option<String>,
}

impl CounterFacts {
    /// Of a phase.
    pub fn of(&self, phase: Phase) -> Option<&Counts> {
        match phase {
            Phase::Prefill => self.prefill.as_ref(),
            Phase::Decode => self.decode.as_ref(),
        }
    }
}

/// Counters that run, and what they have counted in each phase.
pub(super) struct Counters {
    open: Result<Open, String>,
    last: Counts,
    sums: [Counts; 2],
}

impl Counters {
    /// Opens the counters; threads that are there already are not counted.
    pub fn open() -> Self {
        Counters {
            open: Open::new(),
            last: Counts::default(),
            sums: Default::default(),
        }
    }

    /// From here on.
    pub fn begin(&mut self) {
        self.last = self.read();
    }

    /// Up to here it was `phase`.
    pub fn end(&mut self, phase: Phase) {
        let now = self.read();
        let sum = &mut self.sums[phase as usize];
        sum.cycles += now.cycles - self.last.cycles;
        sum.instructions += now.instructions - self.last.instructions;
        sum.cache_misses = now
            .cache_misses
            .zip(self.last.cache_misses)
            .map(|(now, last)| sum.cache_misses.unwrap_or(0) + now - last);
        self.last = now;
    }

    /// What was counted.
    pub fn facts(self) -> CounterFacts {
        match self.open {
            Err(why) => CounterFacts {
                unavailable: Some(why),
                ..CounterFacts::default()
            },
            Ok(_) => CounterFacts {
                prefill: Some(self.sums[Phase::Prefill as usize]),
                decode: Some(self.sums[Phase::Decode as usize]),
                unavailable: None,
            },
        }
    }

    fn read(&mut self) -> Counts {
        // A counter that cannot be read stays where it was.
        let last = self.last;
        self.open.as_mut().map_or(last, |open| open.read(last))
    }
}

#[cfg(target_os = "linux")]
struct Open {
    cycles: perf_event::Counter,
    instructions: perf_event::Counter,
    cache_misses: Option<perf_event::Counter>,
}

#[cfg(target_os = "linux")]
impl Open {
    fn new() -> Result<Self, String> {
        use perf_event::events::Hardware;
        let open = |event: Hardware| -> std::io::Result<perf_event::Counter> {
            let mut builder = perf_event::Builder::new(event);
            let mut counter = builder.inherit(true).build()?;
            counter.enable()?;
            Ok(counter)
        };
        let why = |e: std::io::Error| format!("the system lends no hardware counters: {e}");
        Ok(Open {
            cycles: open(Hardware::CPU_CYCLES).map_err(why)?,
            instructions: open(Hardware::INSTRUCTIONS).map_err(why)?,
            cache_misses: open(Hardware::CACHE_MISSES).ok(),
        })
    }

    fn read(&mut self, last: Counts) -> Counts {
        Counts {
            cycles: self.cycles.read().unwrap_or(last.cycles),
            instructions: self.instructions.read().unwrap_or(last.instructions),
            cache_misses: self.cache_misses.as_mut().and_then(|c| c.read().ok()),
        }
    }
}

#[cfg(not(target_os = "linux"))]
struct Open;

#[cfg(not(target_os = "linux"))]
impl Open {
    fn new() -> Result<Self, String> {
        Err("hardware counters are read on Linux only".to_string())
    }

    fn read(&mut self, last: Counts) -> Counts {
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_count_or_say_why_not() {
        let mut counters = Counters::open();
        counters.begin();
        let sum: u64 = (0..100_000u64).map(std::hint::black_box).sum();
        assert!(sum > 0);
        counters.end(Phase::Decode);
        let facts = counters.facts();
        match facts.unavailable {
            Some(why) => assert!(facts.decode.is_none() && !why.is_empty()),
            None => {
                let decode = facts.decode.unwrap();
                assert!(
                    decode.instructions > 100_000 && decode.cycles > 0,
                    "{decode:?}"
                );
                assert_eq!(facts.prefill.unwrap().instructions, 0);
            }
        }
    }
}
