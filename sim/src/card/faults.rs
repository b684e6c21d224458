//! What can be made to go wrong on an emulated card.

use tercet_contract::Geometry;

use crate::memory::TimedFault;

/// Faults, none by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CardFaults {
    /// Faults of the memories of compute unit 0, by cycle of its first launch: an error that is answered, or an
    /// answer that never comes. After the latter the kernel is never done.
    pub memory: Vec<TimedFault>,
    /// All results are zero: weights that are written do not arrive.
    pub zero_results: bool,
    /// Another kernel than the image says.
    pub geometry: Option<Geometry>,
    /// `UPTIME` counts by so many times the clock.
    pub clock_factor: Option<f64>,
    /// Requests after which the card answers no more.
    pub dies_after: Option<u64>,
}
