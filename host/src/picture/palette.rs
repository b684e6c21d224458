//! Colours that people tell apart who do not see all colours.

use plotters::prelude::RGBColor;

/// Of Okabe and Ito: series.
pub const SERIES: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(140, 140, 140),
    RGBColor(190, 180, 60),
];

/// The colour of a series.
pub fn series(i: usize) -> RGBColor {
    SERIES[i % SERIES.len()]
}

/// Stops of cividis, from 0 to 1: it reads the same with every kind of colour vision.
const SCALE: [(f64, f64, f64); 5] = [
    (0.0, 34.0, 78.0),
    (65.0, 77.0, 107.0),
    (124.0, 123.0, 120.0),
    (188.0, 175.0, 111.0),
    (254.0, 232.0, 56.0),
];

/// The colour of a share, 0 to 1.
pub fn scale(share: f64) -> RGBColor {
    let at = share.clamp(0.0, 1.0) * (SCALE.len() - 1) as f64;
    let (low, part) = (at.floor() as usize, at.fract());
    let (a, b) = (SCALE[low], SCALE[(low + 1).min(SCALE.len() - 1)]);
    let mix = |a: f64, b: f64| (a + (b - a) * part).round() as u8;
    RGBColor(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}
