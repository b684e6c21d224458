//! Where the CPU's time goes: per stage and per linear, prefill and decode apart.
//!
//! The prompt is generated from several times; the first call of everything is kept apart from the
//! rest ([`CallTimes`]). A linear is timed from int8 codes to results, the output head from its input to
//! logits; quantising is timed per group of linears that share an input. What stays on the host when a
//! device gives the sums is that and rescaling, which is measured apart (`rescale`).
//!
//! Times are wall times in seconds of this machine, tier [`Tier::Measured`](crate::tier::Tier).
//!
//! | module | what it is |
//! |---|---|
//! | `config` | what to profile |
//! | [`facts`] | what a profile holds: `profile.json` |
//! | `measure`, `executor`, `rescale`, `batches` | how it is measured |
//! | `counters` | cycles, instructions and cache misses, where the system lends them |
//! | [`clock`] | the core's clock, and times at a reference clock |
//! | `memory` | memory of the process over time |
//! | `statistics` | zeros among weights and activations |
//! | `sizes` | bytes of the weights in several formats |
//! | `types` | linears of one type of module together |
//! | `render` | the report: tables and advice |

mod batches;
pub mod clock;
mod config;
mod counters;
mod executor;
pub mod facts;
mod measure;
mod memory;
mod render;
mod rescale;
mod sizes;
mod statistics;
mod stats;
mod types;

pub use clock::Clock;
pub use config::{ProfileConfig, ProfileError, DEFAULT_PROMPT, MAX_BATCH, MAX_ROUNDS};
pub use counters::{CounterFacts, Counts};
pub use executor::ProfilingExecutor;
pub use facts::Profile;
pub use memory::{Memory, MemorySample, Moment};
pub use render::{render, Report};
pub use sizes::{Format, FormatSize};
pub use statistics::{ActivationStatistics, Statistics, WeightStatistics};
pub use stats::{median, CallTimes};
pub use types::{by_type, ModuleType, TypeTimes};
