//! Linears of one type of module together.

use super::{CallTimes, Profile};
use crate::executor::Phase;
use crate::model::LinearKind;
use crate::units::{Bytes, Seconds};

/// A type of module that is a linear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleType {
    /// One of the ternary linears of a block.
    Ternary(LinearKind),
    /// The output head, which is dense.
    LmHead,
}

impl ModuleType {
    /// Every type, in the order they are computed.
    pub fn all() -> impl Iterator<Item = ModuleType> {
        let ternary = LinearKind::ALL.into_iter().map(ModuleType::Ternary);
        ternary.chain([ModuleType::LmHead])
    }

    /// Last part of the module's path: `q_proj`.
    pub fn as_str(self) -> &'static str {
        match self {
            ModuleType::Ternary(kind) => kind.as_str().rsplit('.').next().unwrap_or_default(),
            ModuleType::LmHead => "lm_head",
        }
    }
}

/// The linears of one type in one phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TypeTimes {
    /// The type.
    pub module: ModuleType,
    /// Linears of this type.
    pub linears: usize,
    /// Calls of all of them, cold ones included.
    pub calls: usize,
    /// Time of all these calls.
    pub total: Seconds,
    /// Sum of their warm medians: about their time in a pass.
    pub pass: Seconds,
    /// Weights that a pass reads.
    pub weight_bytes: Bytes,
}

impl TypeTimes {
    /// Weight bytes over the time of a pass, in 1e9 bytes/s; 0 if that is 0.
    pub fn gb_s(&self) -> f64 {
        match self.pass.0 {
            0.0 => 0.0,
            s => self.weight_bytes.0 as f64 / s / 1e9,
        }
    }
}

/// Times of each type that has calls in `phase`, in the order they are computed.
pub fn by_type(profile: &Profile, phase: Phase) -> Vec<TypeTimes> {
    let of = |module| {
        let mut all = TypeTimes {
            module,
            linears: 0,
            calls: 0,
            total: Seconds::default(),
            pass: Seconds::default(),
            weight_bytes: Bytes(0),
        };
        let mut add = |times: &CallTimes, bytes| {
            all.linears += 1;
            all.calls += times.calls;
            all.total += times.total();
            all.pass += times.median_s;
            all.weight_bytes += bytes;
        };
        match module {
            ModuleType::Ternary(kind) => profile
                .linears(phase)
                .filter(|l| l.layer.kind == kind)
                .for_each(|l| add(&l.times, l.weight_bytes)),
            ModuleType::LmHead => profile
                .head(phase)
                .into_iter()
                .for_each(|h| add(&h.times, h.weight_bytes)),
        }
        (all.linears > 0).then_some(all)
    };
    ModuleType::all().filter_map(of).collect()
}
