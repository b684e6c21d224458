//! Times of repeated calls, the first one apart.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Seconds;

/// Wall times of the calls of one thing.
///
/// The first call pays for page faults, cold caches and threads that wake up; it is `cold`. The
/// others are warm. With a single call there are no warm ones, and the warm figures repeat it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallTimes {
    /// Calls, the first one included.
    pub calls: usize,
    /// First call.
    pub cold_s: Seconds,
    /// Fastest warm call.
    pub min_s: Seconds,
    /// Mean of the warm calls.
    pub mean_s: Seconds,
    /// Standard deviation of the warm calls, over n - 1; 0 of a single one.
    pub sd_s: Seconds,
    /// Median of the warm calls.
    pub median_s: Seconds,
    /// The time that at most 5 % of the warm calls exceed: the nearest rank.
    pub p95_s: Seconds,
    /// Slowest warm call.
    pub max_s: Seconds,
}

impl CallTimes {
    /// Times in call order; none if there was no call.
    pub fn of(times: &[Seconds]) -> Option<Self> {
        let (&cold, rest) = times.split_first()?;
        let mut warm = if rest.is_empty() {
            vec![cold]
        } else {
            rest.to_vec()
        };
        warm.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mean = warm.iter().copied().sum::<Seconds>().0 / warm.len() as f64;
        Some(CallTimes {
            calls: times.len(),
            cold_s: cold,
            min_s: warm[0],
            mean_s: Seconds(mean),
            sd_s: deviation(&warm, mean),
            median_s: median_of_sorted(&warm),
            p95_s: warm[(warm.len() * 95).div_ceil(100) - 1],
            max_s: warm[warm.len() - 1],
        })
    }

    /// All calls together, the first one included.
    pub fn total(&self) -> Seconds {
        Seconds(self.cold_s.0 + self.mean_s.0 * self.calls.saturating_sub(1) as f64)
    }
}

fn deviation(times: &[Seconds], mean: f64) -> Seconds {
    let squares: f64 = times.iter().map(|t| (t.0 - mean).powi(2)).sum();
    Seconds((squares / (times.len() - 1).max(1) as f64).sqrt())
}

/// Median of times in any order: the mean of the middle two if their number is even; 0 of none.
pub fn median(times: impl IntoIterator<Item = Seconds>) -> Seconds {
    let mut sorted: Vec<Seconds> = times.into_iter().collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    median_of_sorted(&sorted)
}

fn median_of_sorted(sorted: &[Seconds]) -> Seconds {
    match sorted.len() {
        0 => Seconds::default(),
        n if n % 2 == 1 => sorted[n / 2],
        n => Seconds((sorted[n / 2 - 1].0 + sorted[n / 2].0) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_call_does_not_enter_the_warm_figures() {
        let t = CallTimes::of(&[9.0, 2.0, 1.0, 4.0, 3.0].map(Seconds)).unwrap();
        assert_eq!((t.calls, t.cold_s), (5, Seconds(9.0)));
        assert_eq!(
            (t.min_s, t.median_s, t.max_s),
            (Seconds(1.0), Seconds(2.5), Seconds(4.0))
        );
        assert_eq!((t.mean_s, t.p95_s), (Seconds(2.5), Seconds(4.0)));
        assert!((t.sd_s.0 - (5.0f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(t.total(), Seconds(19.0));
    }

    #[test]
    fn one_call_is_cold_and_warm() {
        let t = CallTimes::of(&[Seconds(2.0)]).unwrap();
        assert_eq!((t.cold_s, t.median_s), (Seconds(2.0), Seconds(2.0)));
        assert_eq!((t.sd_s, t.total()), (Seconds(0.0), Seconds(2.0)));
        assert!(CallTimes::of(&[]).is_none());
    }

    #[test]
    fn one_in_twenty_may_exceed_p95() {
        let times: Vec<Seconds> = (0..=100).map(|i| Seconds(f64::from(i))).collect();
        let t = CallTimes::of(&times).unwrap();
        assert_eq!(t.p95_s, Seconds(95.0));
    }
}
