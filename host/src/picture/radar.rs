//! Models beside each other: an axis for each property, a polygon for each model.

use std::f64::consts::PI;

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::palette::series;
use super::{rectangle, stroke, word, Area, Pen, Picture, PictureError, INK};

/// Axes and polygons.
#[derive(Clone, Debug)]
pub struct Radar {
    /// What is shown.
    pub title: String,
    /// Name of each axis, with what its rim stands for.
    pub axes: Vec<String>,
    /// Name and values, each 0 to 1 of the rim.
    pub models: Vec<(String, Vec<f64>)>,
}

const SIZE: (u32, u32) = (1000, 640);
const RADIUS: f64 = 220.0;
const CENTRE: (f64, f64) = (400.0, 350.0);

impl Radar {
    fn place(&self, pen: Pen, axis: usize, share: f64) -> (f64, f64) {
        let angle = 2.0 * PI * axis as f64 / self.axes.len().max(1) as f64;
        let unit = f64::from(pen.length(1));
        (
            (CENTRE.0 + RADIUS * share * angle.sin()) * unit,
            (CENTRE.1 - RADIUS * share * angle.cos()) * unit,
        )
    }

    fn ring(&self, pen: Pen, shares: impl Fn(usize) -> f64) -> Vec<(f64, f64)> {
        let axes = 0..=self.axes.len();
        axes.map(|a| a % self.axes.len().max(1))
            .map(|a| self.place(pen, a, shares(a)))
            .collect()
    }
}

impl Picture for Radar {
    fn size(&self) -> (u32, u32) {
        SIZE
    }

    fn draw<DB: DrawingBackend>(&self, area: &Area<DB>, pen: Pen) -> Result<(), PictureError> {
        let at = |units: i32| f64::from(pen.length(units));
        word(area, &self.title, (at(12), at(24)), pen.letters(22, 1.0))?;
        let grid = pen.stroke(&INK.mix(0.2), 1);
        for share in [0.25, 0.5, 0.75, 1.0] {
            stroke(area, &self.ring(pen, |_| share), grid)?;
        }
        for (axis, name) in self.axes.iter().enumerate() {
            let rim = self.place(pen, axis, 1.0);
            stroke(area, &[self.place(pen, axis, 0.0), rim], grid)?;
            let at = self.place(pen, axis, 1.1);
            let side = match at.0 - CENTRE.0 * f64::from(pen.length(1)) {
                x if x > 1.0 => HPos::Left,
                x if x < -1.0 => HPos::Right,
                _ => HPos::Center,
            };
            word(area, name, at, pen.aligned(15, 1.0, side))?;
        }
        for (i, (name, values)) in self.models.iter().enumerate() {
            let value = |axis: usize| {
                values
                    .get(axis)
                    .copied()
                    .unwrap_or_default()
                    .clamp(0.0, 1.0)
            };
            stroke(area, &self.ring(pen, value), pen.stroke(&series(i), 3))?;
            let y = 70 + 26 * i as i32;
            rectangle(area, (at(760), at(y - 7)), (at(774), at(y + 7)), &series(i))?;
            word(area, name, (at(782), at(y)), pen.letters(15, 1.0))?;
        }
        Ok(())
    }
}
