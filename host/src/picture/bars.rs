//! Stacked bars: one for each category, one piece for each series.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::palette::series;
use super::{rectangle, short_number, steps, stroke, word, Area, Pen, Picture, PictureError, INK};

/// Bars that stand or lie.
#[derive(Clone, Debug)]
pub struct Bars {
    /// What is shown.
    pub title: String,
    /// What the axis measures, with its unit.
    pub axis: String,
    /// Names of the series.
    pub series: Vec<String>,
    /// A name and a value for each series.
    pub bars: Vec<(String, Vec<f64>)>,
    /// Whether bars lie, each with its name and sum beside it; they stand otherwise.
    pub lying: bool,
}

const WIDTH: u32 = 1000;
const ROW: u32 = 34;
/// Height of the title, and of a legend below it.
const HEAD: i32 = 48;
const LEGEND: i32 = 36;
const STANDING: u32 = 420;

impl Bars {
    /// Where the bars begin.
    fn top(&self) -> i32 {
        match self.series.len() {
            0 | 1 => HEAD,
            _ => HEAD + LEGEND,
        }
    }

    fn most(&self) -> f64 {
        let sums = self
            .bars
            .iter()
            .map(|(_, values)| values.iter().sum::<f64>());
        sums.fold(0.0, f64::max)
    }

    /// Title and legend.
    fn head<DB: DrawingBackend>(&self, area: &Area<DB>, pen: Pen) -> Result<(), PictureError> {
        let at = |units: i32| f64::from(pen.length(units));
        word(area, &self.title, (at(12), at(24)), pen.letters(22, 1.0))?;
        if self.series.len() < 2 {
            return Ok(());
        }
        let mut x = 12;
        for (i, name) in self.series.iter().enumerate() {
            rectangle(area, (at(x), at(46)), (at(x + 14), at(60)), &series(i))?;
            word(area, name, (at(x + 20), at(53)), pen.letters(15, 1.0))?;
            x += 38 + 8 * name.chars().count() as i32;
        }
        Ok(())
    }

    fn lie<DB: DrawingBackend>(&self, area: &Area<DB>, pen: Pen) -> Result<(), PictureError> {
        let at = |units: i32| f64::from(pen.length(units));
        let names = self.bars.iter().map(|(n, _)| n.chars().count()).max();
        let left = 24 + 8 * names.unwrap_or(0) as i32;
        let room = at(WIDTH as i32 - 110 - left);
        let most = self.most().max(f64::MIN_POSITIVE);
        for (i, (name, values)) in self.bars.iter().enumerate() {
            let top = self.top() + ROW as i32 * i as i32;
            let middle = at(top + ROW as i32 / 2);
            word(
                area,
                name,
                (at(left - 8), middle),
                pen.aligned(15, 1.0, HPos::Right),
            )?;
            let mut x = at(left);
            for (s, value) in values.iter().enumerate() {
                let end = x + room * value / most;
                rectangle(
                    area,
                    (x, at(top + 5)),
                    (end, at(top + ROW as i32 - 5)),
                    &series(s),
                )?;
                x = end;
            }
            let sum = short_number(values.iter().sum());
            word(area, &sum, (x + at(6), middle), pen.letters(15, 0.85))?;
        }
        let bottom = self.top() + ROW as i32 * self.bars.len() as i32 + 18;
        word(
            area,
            &self.axis,
            (at(left), at(bottom)),
            pen.letters(15, 0.75),
        )
    }

    fn stand<DB: DrawingBackend>(&self, area: &Area<DB>, pen: Pen) -> Result<(), PictureError> {
        let at = |units: i32| f64::from(pen.length(units));
        let (left, right) = (at(78), at(WIDTH as i32 - 16));
        let (top, bottom) = (at(self.top()), at(STANDING as i32 - 46));
        let most = self.most().max(f64::MIN_POSITIVE);
        let y = |value: f64| bottom - (bottom - top) * value / most;
        for step in steps(most, 5) {
            let line = pen.stroke(&INK.mix(0.18), 1);
            stroke(area, &[(left, y(step)), (right, y(step))], line)?;
            let style = pen.aligned(14, 1.0, HPos::Right);
            word(area, &short_number(step), (left - at(8), y(step)), style)?;
        }
        let slot = (right - left) / self.bars.len().max(1) as f64;
        // Names that would touch are left out.
        let longest = self.bars.iter().map(|(n, _)| n.chars().count()).max();
        let every = (at(9 * longest.unwrap_or(1) as i32 + 8) / slot)
            .ceil()
            .max(1.0) as usize;
        for (i, (name, values)) in self.bars.iter().enumerate() {
            let x = left + slot * i as f64;
            let mut sum = 0.0;
            for (s, value) in values.iter().enumerate() {
                let corner = (x + slot * 0.12, y(sum + value));
                rectangle(area, corner, (x + slot * 0.88, y(sum)), &series(s))?;
                sum += value;
            }
            if i % every == 0 {
                let style = pen.aligned(14, 1.0, HPos::Center);
                word(area, name, (x + slot / 2.0, bottom + at(14)), style)?;
            }
        }
        word(
            area,
            &self.axis,
            (left, bottom + at(34)),
            pen.letters(15, 0.75),
        )
    }
}

impl Picture for Bars {
    fn size(&self) -> (u32, u32) {
        match self.lying {
            true => (WIDTH, self.top() as u32 + ROW * self.bars.len() as u32 + 36),
            false => (WIDTH, STANDING),
        }
    }

    fn draw<DB: DrawingBackend>(&self, area: &Area<DB>, pen: Pen) -> Result<(), PictureError> {
        self.head(area, pen)?;
        match self.lying {
            true => self.lie(area, pen),
            false => self.stand(area, pen),
        }
    }
}
