//! Operators under the roofs of devices: FLOP/s over FLOP/byte, both logarithmic.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::palette::series;
use super::{rectangle, short_number, stroke, word, Area, Pen, Picture, PictureError, INK};

/// A device.
#[derive(Clone, Debug)]
pub struct Roof {
    /// Its name, with the evidence behind its figures.
    pub name: String,
    /// FLOP/s at most.
    pub flops: f64,
    /// Bytes a second at most.
    pub bytes: f64,
}

/// An operator on a device.
#[derive(Clone, Debug)]
pub struct Dot {
    /// Its name.
    pub name: String,
    /// Which device.
    pub roof: usize,
    /// FLOP/byte.
    pub intensity: f64,
    /// FLOP/s that it reaches.
    pub flops: f64,
    /// Whether it is of the prompt: drawn hollow.
    pub prefill: bool,
}

/// Roofs and operators.
#[derive(Clone, Debug)]
pub struct Roofline {
    /// What is shown.
    pub title: String,
    /// The devices.
    pub roofs: Vec<Roof>,
    /// The operators.
    pub dots: Vec<Dot>,
}

const SIZE: (u32, u32) = (1000, 620);
/// Names nearer than this to another, in units, are left out.
const APART: (i32, i32) = (84, 16);

impl Roofline {
    /// Least and most of both axes.
    fn range(&self) -> ((f64, f64), (f64, f64)) {
        let mut x = (f64::INFINITY, 0.0f64);
        let mut y = (f64::INFINITY, 0.0f64);
        let reach = |range: &mut (f64, f64), v: f64| {
            if v.is_finite() && v > 0.0 {
                *range = (range.0.min(v), range.1.max(v));
            }
        };
        for d in &self.dots {
            reach(&mut x, d.intensity);
            reach(&mut y, d.flops);
        }
        for r in &self.roofs {
            reach(&mut x, r.flops / r.bytes);
            reach(&mut y, r.flops);
        }
        let wide = |(low, high): (f64, f64)| match low.is_finite() {
            true => (low / 2.0, high * 3.0),
            false => (0.1, 100.0),
        };
        (wide(x), wide(y))
    }
}

impl Picture for Roofline {
    fn size(&self) -> (u32, u32) {
        (SIZE.0, SIZE.1 + 24 * self.roofs.len() as u32)
    }

    fn draw<DB: DrawingBackend>(&self, area: &Area<DB>, pen: Pen) -> Result<(), PictureError> {
        let at = |units: i32| f64::from(pen.length(units));
        word(area, &self.title, (at(12), at(24)), pen.letters(22, 1.0))?;
        let (left, right, top, bottom) = (at(96), at(976), at(56), at(540));
        let ((x0, x1), (y0, y1)) = self.range();
        let px = |x: f64| left + (right - left) * (x / x0).ln() / (x1 / x0).ln();
        let py = |y: f64| bottom - (bottom - top) * (y / y0).ln() / (y1 / y0).ln();
        let grid = pen.stroke(&INK.mix(0.18), 1);
        let powers = |low: f64, high: f64| {
            (-12..24)
                .map(|p| 10f64.powi(p))
                .filter(move |v| (low..high).contains(v))
        };
        for x in powers(x0, x1) {
            stroke(area, &[(px(x), top), (px(x), bottom)], grid)?;
            let style = pen.aligned(14, 1.0, HPos::Center);
            word(area, &short_number(x), (px(x), bottom + at(14)), style)?;
        }
        for y in powers(y0, y1) {
            stroke(area, &[(left, py(y)), (right, py(y))], grid)?;
            let style = pen.aligned(14, 1.0, HPos::Right);
            word(area, &short_number(y), (left - at(8), py(y)), style)?;
        }
        word(
            area,
            "FLOP/byte",
            ((left + right) / 2.0, bottom + at(38)),
            pen.aligned(15, 0.75, HPos::Center),
        )?;
        word(area, "FLOP/s", (at(12), top - at(6)), pen.letters(15, 0.75))?;
        for (i, roof) in self.roofs.iter().enumerate() {
            let ridge = roof.flops / roof.bytes;
            let begin = (y0 / roof.bytes).max(x0);
            let line = [
                (px(begin), py(roof.bytes * begin)),
                (
                    px(ridge.clamp(begin, x1)),
                    py(roof.bytes * ridge.clamp(begin, x1)),
                ),
                (
                    px(x1.max(ridge)).min(right),
                    py(roof.flops.min(roof.bytes * x1)),
                ),
            ];
            stroke(area, &line, pen.stroke(&series(i), 2))?;
            let y = 590 + 24 * i as i32;
            rectangle(area, (at(96), at(y - 2)), (at(124), at(y + 2)), &series(i))?;
            word(area, &roof.name, (at(134), at(y)), pen.letters(15, 1.0))?;
        }
        let mut named: Vec<(f64, f64)> = Vec::new();
        for dot in &self.dots {
            let (x, y) = (px(dot.intensity), py(dot.flops));
            let colour = series(dot.roof);
            let style = match dot.prefill {
                true => pen.stroke(&colour, 2),
                false => colour.filled(),
            };
            let place = (x.round() as i32, y.round() as i32);
            area.draw(&Circle::new(place, pen.length(5), style))
                .map_err(PictureError::of)?;
            let near =
                |p: &(f64, f64)| (p.0 - x).abs() < at(APART.0) && (p.1 - y).abs() < at(APART.1);
            if !named.iter().any(near) {
                let style = pen.aligned(13, 0.9, HPos::Center);
                word(area, &dot.name, (x, y - at(13)), style)?;
                named.push((x, y));
            }
        }
        word(
            area,
            "solid: one decoded token; hollow: the prompt",
            (right, bottom + at(38)),
            pen.aligned(14, 0.75, HPos::Right),
        )
    }
}
