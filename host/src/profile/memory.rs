//! Memory of this process and of the machine, as Linux tells it; unknown elsewhere.

use std::time::Instant;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{Bytes, Seconds};

/// Memory at one moment; none where the system does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Pages of this process in main memory, those of mapped files included.
    pub rss_bytes: Option<Bytes>,
    /// Address space of this process.
    pub virtual_bytes: Option<Bytes>,
    /// Memory of the machine that could not be had without swapping: total less available.
    pub system_used_bytes: Option<Bytes>,
}

impl Memory {
    /// Memory now.
    #[cfg(target_os = "linux")]
    pub fn now() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let pages = statm(&read("/proc/self/statm"));
        let bytes = |pages| Bytes(pages * rustix::param::page_size() as u64);
        Memory {
            rss_bytes: pages.map(|(_, resident)| bytes(resident)),
            virtual_bytes: pages.map(|(size, _)| bytes(size)),
            system_used_bytes: used(&read("/proc/meminfo")),
        }
    }

    /// Memory now.
    #[cfg(not(target_os = "linux"))]
    pub fn now() -> Self {
        Memory::default()
    }
}

/// Pages of address space and of main memory in `/proc/self/statm`.
#[cfg(any(target_os = "linux", test))]
fn statm(text: &str) -> Option<(u64, u64)> {
    let mut pages = text.split_whitespace().map(str::parse);
    Some((pages.next()?.ok()?, pages.next()?.ok()?))
}

/// Total less available memory in `/proc/meminfo`.
#[cfg(any(target_os = "linux", test))]
fn used(meminfo: &str) -> Option<Bytes> {
    let kib = |key: &str| {
        let line = meminfo.lines().find_map(|l| l.strip_prefix(key))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let used = kib("MemTotal:")?.checked_sub(kib("MemAvailable:")?)?;
    Some(Bytes(used * 1024))
}

/// When memory was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Before the model was loaded.
    Start,
    /// The model is loaded.
    Load,
    /// The tokenizer is built.
    Tokenizer,
    /// The threads are there.
    Threads,
    /// A token of the first round, counted from 0, is chosen; token 0 is the prefill's.
    Token(usize),
    /// A round, counted from 0, is over and its session freed.
    Round(usize),
}

/// A point of the memory timeline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemorySample {
    /// What had just ended.
    pub after: Moment,
    /// Since the start.
    pub time_s: Seconds,
    /// What was there.
    pub memory: Memory,
}

/// Collects the timeline.
pub(super) struct Timeline {
    start: Instant,
    samples: Vec<MemorySample>,
}

impl Timeline {
    /// Takes the first sample.
    pub fn start() -> Self {
        let mut timeline = Timeline {
            start: Instant::now(),
            samples: Vec::new(),
        };
        timeline.sample(Moment::Start);
        timeline
    }

    /// Takes a sample and returns the memory in it.
    pub fn sample(&mut self, after: Moment) -> Memory {
        let memory = Memory::now();
        self.samples.push(MemorySample {
            after,
            time_s: self.start.elapsed().into(),
            memory,
        });
        memory
    }

    /// Memory of the last sample.
    pub fn last(&self) -> Memory {
        self.samples.last().map(|s| s.memory).unwrap_or_default()
    }

    /// Every sample, in order.
    pub fn into_samples(self) -> Vec<MemorySample> {
        self.samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_kibibytes_are_read() {
        assert_eq!(statm("100 25 3 4 0 6 0\n"), Some((100, 25)));
        assert_eq!(statm(""), None);
        let text = "MemTotal:  100 kB\nMemFree: 1 kB\nMemAvailable:  60 kB\n";
        assert_eq!(used(text), Some(Bytes(40 * 1024)));
        assert_eq!(used("MemTotal: 1 kB\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_memory() {
        let memory = Memory::now();
        assert!(memory.rss_bytes > Some(Bytes(0)) && memory.rss_bytes <= memory.virtual_bytes);
    }
}
