//! Weights of more than one trit: balanced ternary digits.
//!
//! A weight of `t` digits is `w = sum_i 3^(t-1-i) d_i` with trits `d_0` (most significant) to
//! `d_(t-1)`; five digits reach -121 to 121 (243 levels) in five trits, which is one byte in B3. In
//! memory, output row `n` of `W: [N, K]` is `t` weight rows one behind the other, the most significant
//! digit first, so the kernel combines them as it goes: `y = 3 y + row sum`.

/// Most digits of a weight.
pub const MAX_DIGITS: usize = 5;

/// Largest magnitude of a weight of `digits` digits: `(3^digits - 1) / 2`.
pub const fn max_weight(digits: usize) -> i32 {
    (3i32.pow(digits as u32) - 1) / 2
}

/// Digits of a weight, most significant first; the places from `digits` on are zero. `None` if the
/// weight is out of reach or `digits` is not 1 to [`MAX_DIGITS`].
pub fn split(weight: i32, digits: usize) -> Option<[i8; MAX_DIGITS]> {
    if !(1..=MAX_DIGITS).contains(&digits) || weight.abs() > max_weight(digits) {
        return None;
    }
    let mut out = [0; MAX_DIGITS];
    let mut rest = weight;
    for place in out[..digits].iter_mut().rev() {
        // The trit that leaves a multiple of three.
        let trit = (rest + 1).rem_euclid(3) - 1;
        *place = trit as i8;
        rest = (rest - trit) / 3;
    }
    Some(out)
}

/// The trits of `W: [N, K]` as `[N * digits, K]`, in the order of the weight rows.
///
/// `None` if a weight is out of reach, `k` is 0 or `weights` is no whole number of rows.
pub fn split_rows(weights: &[i32], k: usize, digits: usize) -> Option<Vec<i8>> {
    if k == 0 || !weights.len().is_multiple_of(k) {
        return None;
    }
    let mut trits = Vec::with_capacity(weights.len() * digits);
    for row in weights.chunks_exact(k) {
        let split: Vec<_> = row
            .iter()
            .map(|w| split(*w, digits))
            .collect::<Option<_>>()?;
        for place in 0..digits {
            trits.extend(split.iter().map(|d| d[place]));
        }
    }
    Some(trits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_weight_in_reach_is_its_digits() {
        for digits in 1..=MAX_DIGITS {
            let max = max_weight(digits);
            for w in -max..=max {
                let d = split(w, digits).expect("in reach");
                let back = d[..digits].iter().fold(0, |y, d| 3 * y + i32::from(*d));
                assert_eq!(back, w, "{digits} digits: {d:?}");
            }
            assert_eq!(split(max + 1, digits), None);
            assert_eq!(split(-max - 1, digits), None);
        }
        assert_eq!(max_weight(5), 121);
        assert_eq!(split(0, 6), None);
    }

    #[test]
    fn rows_of_digits_follow_each_other() {
        // 5 = 1 * 3^2 - 1 * 3 - 1, -3 = 0 - 1 * 3 + 0.
        let trits = split_rows(&[5, -3], 2, 3).unwrap();
        assert_eq!(trits, [1, 0, -1, -1, -1, 0]);
        assert_eq!(split_rows(&[5], 1, 1), None);
    }
}
