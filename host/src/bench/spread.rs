//! Statistics of repeated measurements.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Mean and spread of some values, all in the unit of the values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation of the sample (n - 1); 0 for a single value.
    pub std_dev: f64,
    /// Smallest.
    pub min: f64,
    /// The middle one, or the mean of the middle two.
    pub median: f64,
    /// Largest.
    pub max: f64,
}

impl Spread {
    /// Of values in any order; none if there are none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        Some(Spread {
            mean,
            std_dev: (squares / n.saturating_sub(1).max(1) as f64).sqrt(),
            min,
            median: (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0,
            max,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_any_order() {
        let s = Spread::of(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((s.mean, s.min, s.median, s.max), (2.5, 1.0, 2.5, 4.0));
        assert!((s.std_dev - (5.0f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(Spread::of(&[9.0, 1.0, 2.0]).unwrap().median, 2.0);
    }

    #[test]
    fn one_value_has_no_spread_and_none_no_statistics() {
        let s = Spread::of(&[7.0]).unwrap();
        assert_eq!((s.mean, s.std_dev, s.median), (7.0, 0.0, 7.0));
        assert_eq!(Spread::of(&[]), None);
    }
}
