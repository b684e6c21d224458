//! The legend of the picture, and the markers of the boards.
//!
//! The colours are those of [`crate::picture::palette`].

use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::*;

use super::{Exploration, Point};
use crate::picture::palette::series;
use crate::picture::{Pen, PictureError};

/// Colours in use: one less than there are shapes, so that the pairs repeat late.
const COLOURS: usize = 7;
/// Where the first row stands, and how far apart rows are, at most.
const FIRST: i32 = 64;
const ROW: i32 = 54;
/// Rows that are nearer have no second line; rows nearer than the other would overlap.
const ROW_OF_TWO: i32 = 42;
const ROW_OF_ONE: i32 = 24;

/// Draws lines and boards from the top; boards that have no room are counted.
pub fn legend<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    e: &Exploration,
    pen: Pen,
    height: i32,
) -> Result<(), PictureError> {
    let failed = |e| PictureError::of(e);
    let (room, rows) = (height - FIRST - 20, 2 + e.boards.len() as i32);
    let row = (room / rows).clamp(ROW_OF_ONE, ROW);
    let shown = match rows * row <= room {
        true => e.boards.len(),
        false => (room / row - 3).max(1) as usize,
    };
    let at = |i: usize| pen.length(FIRST + row * i as i32);
    let write = |i: usize, title: &str, detail: &str| {
        let (x, y) = (pen.length(50), at(i));
        area.draw(&Text::new(title, (x, y), pen.letters(19, 1.0)))?;
        if row < ROW_OF_TWO {
            return Ok(());
        }
        area.draw(&Text::new(
            detail,
            (x, y + pen.length(20)),
            pen.letters(16, 0.75),
        ))
    };
    let line = |i: usize| vec![(pen.length(6), at(i)), (pen.length(38), at(i))];
    area.draw(&PathElement::new(line(0), pen.line()))
        .map_err(failed)?;
    write(
        0,
        "front of all boards",
        "solid: front of their board; ties side by side",
    )
    .map_err(failed)?;
    let (dash, gap) = (pen.length(8), pen.length(4));
    area.draw(&DashedPathElement::new(line(1), dash, gap, pen.line()))
        .map_err(failed)?;
    write(1, "CPU alone", &detail(Some(e.alone()))).map_err(failed)?;
    for (i, board) in e.boards.iter().enumerate().take(shown) {
        let best = e.best(Some(&board.name));
        let centre = (pen.length(22), at(i + 2));
        area.draw(&marker(pen, i, centre, 0, 6, 1.0))
            .map_err(failed)?;
        write(i + 2, &board.title, &detail(best)).map_err(failed)?;
    }
    if shown < e.boards.len() {
        let more = format!("and {} more", e.boards.len() - shown);
        write(shown + 2, &more, "").map_err(failed)?;
    }
    Ok(())
}

/// What a board gives, at most.
fn detail(best: Option<&Point>) -> String {
    let Some(p) = best else {
        return "nothing fits".to_string();
    };
    let rate = p.tokens_per_s.unwrap_or_default();
    let tier = p.tier.map_or(String::new(), |t| t.to_string());
    match (&p.board, p.offloads(), p.lut) {
        (None, ..) => format!("{rate:.2} tokens/s, {tier}"),
        (_, false, _) => "nothing gains".to_string(),
        (_, true, Some(_)) => format!("up to {rate:.2} tokens/s, {tier}"),
        (_, true, None) => format!("up to {rate:.2} tokens/s, {tier}; LUT not known"),
    }
}

/// The marker of a board, `aside` units to the right of its place; `size` is about half its width. Colours and shapes
/// repeat after different numbers, so boards that have the same are far apart in the list.
pub fn marker<'a, DB: DrawingBackend + 'a, C: Clone + 'static>(
    pen: Pen,
    board: usize,
    at: C,
    aside: i32,
    size: i32,
    opacity: f64,
) -> DynElement<'a, DB, C> {
    let colour = series(board % COLOURS).mix(opacity);
    let m = size;
    let place = |(x, y): (i32, i32)| (pen.length(x + aside), pen.length(y));
    let filled = |corners: Vec<(i32, i32)>| {
        let corners: Vec<_> = corners.into_iter().map(place).collect();
        (EmptyElement::at(at.clone()) + Polygon::new(corners, colour.filled())).into_dyn()
    };
    match board % 8 {
        0 => {
            let circle = Circle::new(place((0, 0)), pen.length(m), colour.filled());
            (EmptyElement::at(at.clone()) + circle).into_dyn()
        }
        1 => filled(vec![(-m, -m), (m, -m), (m, m), (-m, m)]),
        2 => filled(vec![(0, -m - 2), (m + 1, m), (-m - 1, m)]),
        3 => filled(vec![(0, -m - 2), (m + 2, 0), (0, m + 2), (-m - 2, 0)]),
        4 => filled(vec![(0, m + 2), (m + 1, -m), (-m - 1, -m)]),
        5 => filled(star(5, m)),
        6 => filled(star(4, m)),
        _ => filled(vec![(-m - 3, -3), (m + 3, -3), (m + 3, 3), (-m - 3, 3)]),
    }
}

/// Corners of a star with so many points, of the size of the other markers.
fn star(points: usize, size: i32) -> Vec<(i32, i32)> {
    let corner = |i: usize| {
        let share = if i.is_multiple_of(2) { 1.5 } else { 0.63 };
        let radius = share * f64::from(size);
        let angle = std::f64::consts::PI * i as f64 / points as f64;
        let at = (radius * angle.sin(), -radius * angle.cos());
        (at.0.round() as i32, at.1.round() as i32)
    };
    (0..2 * points).map(corner).collect()
}
