//! What happens when, in lanes above each other.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::palette::series;
use super::{rectangle, steps, stroke, word, Area, Pen, Picture, PictureError, INK};

/// Something that lasts.
#[derive(Clone, Debug)]
pub struct Span {
    /// Which lane.
    pub lane: usize,
    /// Which series: it gives the colour.
    pub series: usize,
    /// From when.
    pub from: f64,
    /// Until when.
    pub to: f64,
}

/// Lanes over time.
#[derive(Clone, Debug)]
pub struct Lanes {
    /// What is shown.
    pub title: String,
    /// Unit of the time.
    pub unit: String,
    /// Names of the lanes, from the top.
    pub lanes: Vec<String>,
    /// Names of the series.
    pub series: Vec<String>,
    /// What happens.
    pub spans: Vec<Span>,
}

const WIDTH: u32 = 1000;
const LANE: i32 = 54;
const HEAD: i32 = 84;

impl Picture for Lanes {
    fn size(&self) -> (u32, u32) {
        (WIDTH, (HEAD + LANE * self.lanes.len() as i32 + 56) as u32)
    }

    fn draw<DB: DrawingBackend>(&self, area: &Area<DB>, pen: Pen) -> Result<(), PictureError> {
        let at = |units: i32| f64::from(pen.length(units));
        word(area, &self.title, (at(12), at(24)), pen.letters(22, 1.0))?;
        let mut x = 12;
        for (i, name) in self.series.iter().enumerate() {
            rectangle(area, (at(x), at(46)), (at(x + 14), at(60)), &series(i))?;
            word(area, name, (at(x + 20), at(53)), pen.letters(14, 1.0))?;
            x += 38 + 7 * name.chars().count() as i32;
        }
        let names = self.lanes.iter().map(|n| n.chars().count()).max();
        let left = at(24 + 8 * names.unwrap_or(0) as i32);
        let right = at(WIDTH as i32 - 24);
        let end = self
            .spans
            .iter()
            .map(|s| s.to)
            .fold(f64::MIN_POSITIVE, f64::max);
        let place = |t: f64| left + (right - left) * t / end;
        let bottom = at(HEAD + LANE * self.lanes.len() as i32);
        for step in steps(end, 8) {
            let line = pen.stroke(&INK.mix(0.18), 1);
            stroke(
                area,
                &[(place(step), at(HEAD - 6)), (place(step), bottom)],
                line,
            )?;
            let text = super::short_number(step);
            let style = pen.aligned(14, 1.0, HPos::Center);
            word(area, &text, (place(step), bottom + at(14)), style)?;
        }
        for (i, name) in self.lanes.iter().enumerate() {
            let middle = at(HEAD + LANE * i as i32 + LANE / 2);
            word(
                area,
                name,
                (left - at(8), middle),
                pen.aligned(15, 1.0, HPos::Right),
            )?;
        }
        for span in &self.spans {
            let top = HEAD + LANE * span.lane as i32;
            let corner = (place(span.from), at(top + 6));
            // What is shorter than a pixel is still seen.
            let end = place(span.to).max(place(span.from) + 1.0);
            rectangle(
                area,
                corner,
                (end, at(top + LANE - 6)),
                &series(span.series),
            )?;
        }
        word(
            area,
            &self.unit,
            (left, bottom + at(38)),
            pen.letters(15, 0.75),
        )
    }
}
