//! A table of shares as colours.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::palette::scale;
use super::{rectangle, word, Area, Pen, Picture, PictureError};

/// Rows of shares, each 0 to 1.
#[derive(Clone, Debug)]
pub struct Heat {
    /// What is shown.
    pub title: String,
    /// What the columns are.
    pub columns: String,
    /// Name and shares; none where there is nothing to show.
    pub rows: Vec<(String, Vec<Option<f64>>)>,
}

const WIDTH: u32 = 1000;
const ROW: i32 = 36;
const HEAD: i32 = 84;

impl Picture for Heat {
    fn size(&self) -> (u32, u32) {
        (WIDTH, (HEAD + ROW * self.rows.len() as i32 + 58) as u32)
    }

    fn draw<DB: DrawingBackend>(&self, area: &Area<DB>, pen: Pen) -> Result<(), PictureError> {
        let at = |units: i32| f64::from(pen.length(units));
        word(area, &self.title, (at(12), at(24)), pen.letters(22, 1.0))?;
        let names = self.rows.iter().map(|(n, _)| n.chars().count()).max();
        let left = at(24 + 8 * names.unwrap_or(0) as i32);
        let right = at(WIDTH as i32 - 16);
        let count = self.rows.iter().map(|(_, r)| r.len()).max().unwrap_or(0);
        let slot = (right - left) / count.max(1) as f64;
        for (i, (name, shares)) in self.rows.iter().enumerate() {
            let top = HEAD + ROW * i as i32;
            let style = pen.aligned(15, 1.0, HPos::Right);
            word(area, name, (left - at(8), at(top + ROW / 2)), style)?;
            for (j, share) in shares.iter().enumerate() {
                let Some(share) = share else { continue };
                let x = left + slot * j as f64;
                let corner = (x + slot - at(1), at(top + ROW - 2));
                rectangle(area, (x, at(top)), corner, &scale(*share))?;
            }
        }
        let bottom = HEAD + ROW * self.rows.len() as i32;
        let every = (at(28) / slot).ceil().max(1.0) as usize;
        for j in (0..count).step_by(every) {
            let x = left + slot * (j as f64 + 0.5);
            let style = pen.aligned(14, 1.0, HPos::Center);
            word(area, &j.to_string(), (x, at(bottom + 12)), style)?;
        }
        word(
            area,
            &self.columns,
            (left, at(bottom + 36)),
            pen.letters(15, 0.75),
        )?;
        // The scale, at the right of the title's line.
        let (from, steps) = (WIDTH as i32 - 330, 40);
        for s in 0..steps {
            let x = at(from) + at(5) * f64::from(s);
            let colour = scale(f64::from(s) / f64::from(steps - 1));
            rectangle(area, (x, at(48)), (x + at(5), at(62)), &colour)?;
        }
        word(
            area,
            "0 %",
            (at(from - 8), at(55)),
            pen.aligned(14, 1.0, HPos::Right),
        )?;
        word(
            area,
            "100 %",
            (at(from + 208), at(55)),
            pen.letters(14, 1.0),
        )
    }
}
