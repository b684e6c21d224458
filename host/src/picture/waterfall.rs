//! Steps from one time to another, each on top of those before.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::palette::series;
use super::{rectangle, stroke, word, Area, Pen, Picture, PictureError, INK};

/// A step.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it is.
    pub name: String,
    /// How much it adds; negative if it takes something off.
    pub adds: f64,
    /// Whether it is a sum: it stands on the axis and says where the steps before have come to.
    pub sum: bool,
    /// The value for people, with its unit, and how sure it is.
    pub label: String,
}

/// Steps one below the other.
#[derive(Clone, Debug)]
pub struct Waterfall {
    /// What is shown.
    pub title: String,
    /// The steps.
    pub steps: Vec<Step>,
}

const WIDTH: u32 = 1000;
const ROW: i32 = 34;
const HEAD: i32 = 52;

impl Picture for Waterfall {
    fn size(&self) -> (u32, u32) {
        (WIDTH, (HEAD + ROW * self.steps.len() as i32 + 16) as u32)
    }

    fn draw<DB: DrawingBackend>(&self, area: &Area<DB>, pen: Pen) -> Result<(), PictureError> {
        let at = |units: i32| f64::from(pen.length(units));
        word(area, &self.title, (at(12), at(24)), pen.letters(22, 1.0))?;
        let names = self.steps.iter().map(|s| s.name.chars().count()).max();
        let labels = self.steps.iter().map(|s| s.label.chars().count()).max();
        let left = at(24 + 8 * names.unwrap_or(0) as i32);
        let right = at(WIDTH as i32 - 20 - 8 * labels.unwrap_or(0) as i32);
        let (mut now, mut most) = (0.0f64, f64::MIN_POSITIVE);
        for step in &self.steps {
            now = if step.sum { step.adds } else { now + step.adds };
            most = most.max(now);
        }
        let x = |value: f64| left + (right - left) * value / most;
        let mut now = 0.0;
        for (i, step) in self.steps.iter().enumerate() {
            let top = HEAD + ROW * i as i32;
            let (from, to) = match step.sum {
                true => (0.0, step.adds),
                false => (now, now + step.adds),
            };
            now = to;
            let colour = match (step.sum, step.adds < 0.0) {
                (true, _) => series(0),
                (false, false) => series(1),
                (false, true) => series(2),
            };
            let (low, high) = (f64::min(from, to), f64::max(from, to));
            let end = x(high).max(x(low) + at(1));
            rectangle(
                area,
                (x(low), at(top + 5)),
                (end, at(top + ROW - 5)),
                &colour,
            )?;
            let middle = at(top + ROW / 2);
            let style = pen.aligned(15, 1.0, HPos::Right);
            word(area, &step.name, (left - at(8), middle), style)?;
            word(
                area,
                &step.label,
                (end + at(6), middle),
                pen.letters(14, 0.85),
            )?;
            // What is beside another sum, and not on top of it, is not joined to it.
            let next = self.steps.get(i + 1);
            if next.is_some_and(|n| !(n.sum && step.sum)) {
                let line = pen.stroke(&INK.mix(0.35), 1);
                stroke(
                    area,
                    &[(x(now), at(top + ROW - 5)), (x(now), at(top + ROW + 5))],
                    line,
                )?;
            }
        }
        Ok(())
    }
}
