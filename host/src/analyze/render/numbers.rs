//! Numbers for people: four significant digits, both systems of units.

/// Units of 1000.
const DECIMAL: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];

/// Units of 1024.
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// `7,721,988,096`.
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number and what it counts: `1 block`, `32 blocks`.
pub fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// Four significant digits: `1755`, `15.72`, `0.9994`.
pub fn significant(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 1000.0 => 0,
        v if v >= 100.0 => 1,
        v if v >= 10.0 => 2,
        v if v >= 1.0 => 3,
        _ => 4,
    };
    format!("{value:.digits$}")
}

/// In units of 1000: `412.3 G` with unit `FLOP` as `412.3 GFLOP`.
pub fn scaled(value: f64, unit: &str) -> String {
    in_units(value, unit, 1000.0, &DECIMAL)
}

/// Bytes in units of 1000: `234.9 MB`.
pub fn bytes(value: u64) -> String {
    scaled(value as f64, "B")
}

/// Bytes in units of 1024, two decimals as other tools print: `592.64 MiB`.
pub fn binary(value: u64) -> String {
    let (mut value, mut prefix) = (value as f64, 0);
    while value >= 1024.0 && prefix + 1 < BINARY.len() {
        value /= 1024.0;
        prefix += 1;
    }
    match prefix {
        0 => format!("{value} B"),
        _ => format!("{value:.2} {}B", BINARY[prefix]),
    }
}

/// Bytes in both systems.
pub fn both(value: u64) -> String {
    format!("{} = {}", bytes(value), binary(value))
}

/// Seconds in the unit that suits: `11.38 us`.
pub fn time(seconds: f64) -> String {
    let (value, unit) = match seconds.abs() {
        s if s >= 1.0 => (seconds, "s"),
        s if s >= 1e-3 => (seconds * 1e3, "ms"),
        s if s >= 1e-6 || s == 0.0 => (seconds * 1e6, "us"),
        _ => (seconds * 1e9, "ns"),
    };
    format!("{} {unit}", significant(value))
}

/// `27.52 %`.
pub fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

fn in_units(value: f64, unit: &str, step: f64, prefixes: &[&str]) -> String {
    let (mut value, mut prefix) = (value, 0);
    // What would be printed as 1000 belongs to the next unit.
    while value >= step - 0.5 && prefix + 1 < prefixes.len() {
        value /= step;
        prefix += 1;
    }
    match prefix {
        0 if value.fract() == 0.0 => format!("{value} {unit}"),
        _ => format!("{} {}{unit}", significant(value), prefixes[prefix]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            counted(1, "block") + &counted(2, "block"),
            "1 block2 blocks"
        );
        assert_eq!(grouped(7_721_988_096), "7,721,988,096");
        assert_eq!(
            (grouped(0), grouped(999), grouped(1000)),
            ("0".into(), "999".into(), "1,000".into())
        );
        assert_eq!(scaled(412.316e9, "FLOP"), "412.3 GFLOP");
        assert_eq!(bytes(234_881_024), "234.9 MB");
        assert_eq!(bytes(12), "12 B");
        assert_eq!(binary(621_432_960), "592.64 MiB");
        assert_eq!(both(2_147_483_648), "2.147 GB = 2.00 GiB");
        assert_eq!(time(17_072_128.0 / 1.5e12), "11.38 us");
        assert_eq!(significant(1755.43), "1755");
        assert_eq!(percent(0.27522), "27.52 %");
        assert_eq!(bytes(u64::MAX), "18.45 EB");
    }
}
