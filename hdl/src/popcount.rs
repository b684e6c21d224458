//! Verilog text that counts set bits, for the blocks that are written as text.
//!
//! Six bits make a count of three, which is three look-up tables; counts are then added in pairs. Every level has
//! registers, which also keeps synthesis from merging the adders into wider and dearer ones.

use std::fmt::Write as _;

/// Cycles from the bits to their count.
pub const fn popcount_levels(bits: usize) -> usize {
    1 + bits.div_ceil(6).next_power_of_two().trailing_zeros() as usize
}

/// Declares (in `v`) and clocks (in `body`) registers named after `name` that count `bits`. Returns the
/// register with the count and its width in bits.
pub fn popcount(v: &mut String, body: &mut String, name: &str, bits: &[String]) -> (String, usize) {
    let mut width = 3;
    let mut nodes = Vec::new();
    for (n, group) in bits.chunks(6).enumerate() {
        let terms: Vec<String> = group.iter().map(|b| format!("{{2'b0, {b}}}")).collect();
        let node = format!("{name}_1_{n}");
        let _ = writeln!(v, "reg [2:0] {node};");
        let _ = writeln!(body, "{node} <= {};", terms.join(" + "));
        nodes.push(node);
    }
    let mut level = 1;
    while nodes.len() > 1 {
        level += 1;
        nodes = nodes
            .chunks(2)
            .enumerate()
            .map(|(n, pair)| {
                let node = format!("{name}_{level}_{n}");
                let terms: Vec<String> = pair.iter().map(|p| format!("{{1'b0, {p}}}")).collect();
                let _ = writeln!(v, "reg [{width}:0] {node};");
                let _ = writeln!(body, "{node} <= {};", terms.join(" + "));
                node
            })
            .collect();
        width += 1;
    }
    debug_assert_eq!(level, popcount_levels(bits.len()), "documented levels");
    (nodes.remove(0), width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_is_counted_once_and_levels_are_as_documented() {
        for n in [1usize, 6, 7, 16, 64, 320] {
            let bits: Vec<String> = (0..n).map(|i| format!("b[{i}]")).collect();
            let (mut v, mut body) = (String::new(), String::new());
            let (last, width) = popcount(&mut v, &mut body, "c", &bits);
            assert!(
                last.starts_with(&format!("c_{}_", popcount_levels(n))),
                "{n}: {last}"
            );
            assert!(1 << width > n, "{n} bits in {width}");
            assert!(bits
                .iter()
                .all(|b| body.matches(&format!("0, {b}}}")).count() == 1));
        }
    }
}
