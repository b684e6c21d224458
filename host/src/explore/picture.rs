//! The points as a picture: tokens/s over look-up tables, the front as a step line, the CPU as a dashed one.
//!
//! Boards are told apart by colour and by shape ([`super::legend`]). Points on the front of their board are solid,
//! the others pale. The scale of tokens/s begins a little below the CPU: no point is slower.

use plotters::coord::combinators::BindKeyPoints;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::legend::{legend, marker};
use super::{Exploration, Point};
use crate::picture::{Area, Pen, Picture, PictureError, INK};

/// Size of the drawing; lengths and fonts are in its units.
const SIZE: (u32, u32) = (1500, 900);
/// Width of the legend.
const LEGEND: u32 = 380;
/// About the size of the plot itself.
const PLOT: (f64, f64) = (1000.0, 780.0);
/// Marks nearer than this, in both directions, are set apart by that.
const NEAR: f64 = 8.0;
const APART: i32 = 12;
/// Opacity of points that are on no front.
const PALE: f64 = 0.3;
/// An exploration as a picture.
pub struct Pareto<'a>(pub &'a Exploration);

impl Picture for Pareto<'_> {
    fn size(&self) -> (u32, u32) {
        SIZE
    }

    fn draw<DB: DrawingBackend>(&self, area: &Area<DB>, pen: Pen) -> Result<(), PictureError> {
        draw(area, self.0, pen)
    }
}

/// A point with both coordinates.
struct Mark<'a> {
    board: usize,
    at: (f64, f64),
    /// How far to the right it is drawn, in units: marks of fronts in one place stand side by side.
    aside: i32,
    point: &'a Point,
}

fn draw<DB: DrawingBackend>(
    area: &Area<DB>,
    e: &Exploration,
    pen: Pen,
) -> Result<(), PictureError> {
    let failed = |e| PictureError::of(e);
    let mut marks = marks(e);
    let cpu = e.alone().tokens_per_s.unwrap_or_default();
    let (left, right) = area.split_horizontally(pen.length((SIZE.0 - LEGEND) as i32));
    let ((low, high), (bottom, top)) = (lut_range(&marks), rate_range(&marks, cpu));
    set_apart(&mut marks, (low, high), (bottom, top));
    let title = format!(
        "{}: tokens/s against look-up tables ({})",
        short(&e.model),
        e.tier()
    );
    let luts = (low..high)
        .log_scale()
        .with_key_points(round_numbers(low, high));
    let mut chart = ChartBuilder::on(&left)
        .caption(title, pen.letters(27, 1.0))
        .margin(pen.length(16))
        .x_label_area_size(pen.length(64))
        .y_label_area_size(pen.length(84))
        .build_cartesian_2d(luts, bottom..top)
        .map_err(failed)?;
    chart
        .configure_mesh()
        .bold_line_style(INK.mix(0.15).stroke_width(pen.length(1) as u32))
        .light_line_style(TRANSPARENT)
        .axis_style(INK.mix(0.6).stroke_width(pen.length(1) as u32))
        .set_all_tick_mark_size(pen.length(5))
        .x_desc("look-up tables of the compute units, without the shell")
        .y_desc("decoded tokens/s")
        .axis_desc_style(pen.letters(20, 1.0))
        .label_style(pen.letters(17, 1.0))
        .x_label_formatter(&|lut| thousands(*lut))
        .draw()
        .map_err(failed)?;
    let (dash, gap) = (pen.length(10), pen.length(6));
    let dashes = DashedLineSeries::new([(low, cpu), (high, cpu)], dash, gap, pen.line());
    chart.draw_series(dashes).map_err(failed)?;
    let plot = chart.plotting_area();
    // Pale ones first, so that none hides one on a front.
    for on_front in [false, true] {
        let (size, opacity) = if on_front { (6, 1.0) } else { (4, PALE) };
        let these = marks
            .iter()
            .filter(|m| m.point.on_front_of_board == on_front);
        for m in these {
            plot.draw(&marker(pen, m.board, m.at, m.aside, size, opacity))
                .map_err(failed)?;
        }
    }
    let front = PathElement::new(steps(&marks, cpu, high), pen.line());
    plot.draw(&front).map_err(failed)?;
    if marks.is_empty() {
        let middle = ((low * high).sqrt(), (bottom + top) / 2.0);
        let style = pen
            .letters(22, 0.75)
            .pos(Pos::new(HPos::Center, VPos::Center));
        let text = "no kernel with known look-up tables gains anything";
        plot.draw(&Text::new(text, middle, style)).map_err(failed)?;
    }
    legend(&right, e, pen, SIZE.1 as i32)
}

/// Puts marks of fronts side by side that would hide one another: boards that differ in little give the same.
fn set_apart(marks: &mut [Mark], (low, high): (f64, f64), (bottom, top): (f64, f64)) {
    let units = |m: &Mark| {
        let x = (m.at.0 / low).ln() / (high / low).ln() * PLOT.0;
        (x, (m.at.1 - bottom) / (top - bottom) * PLOT.1)
    };
    // Places of marks so far, and who stands there.
    let mut places: Vec<((f64, f64), Vec<usize>)> = Vec::new();
    let on_front = |m: &Mark| m.point.on_front_of_board;
    for (i, mark) in marks.iter().enumerate().filter(|(_, m)| on_front(m)) {
        let (x, y) = units(mark);
        let near = |p: &(f64, f64)| (p.0 - x).abs() < NEAR && (p.1 - y).abs() < NEAR;
        match places.iter_mut().find(|(p, _)| near(p)) {
            Some((_, here)) => here.push(i),
            None => places.push(((x, y), vec![i])),
        }
    }
    for (_, here) in places {
        let left = -APART * (here.len() as i32 - 1) / 2;
        for (position, i) in here.into_iter().enumerate() {
            marks[i].aside = left + APART * position as i32;
        }
    }
}

/// A little more than the points take.
fn lut_range(marks: &[Mark]) -> (f64, f64) {
    let luts = || marks.iter().map(|m| m.at.0);
    match marks.is_empty() {
        true => (1e3, 1e6),
        false => (
            luts().fold(f64::MAX, f64::min) / 1.4,
            luts().fold(0.0, f64::max) * 1.4,
        ),
    }
}

fn rate_range(marks: &[Mark], cpu: f64) -> (f64, f64) {
    let top = marks.iter().map(|m| m.at.1).fold(cpu, f64::max);
    let span = (top - cpu).max(cpu * 0.01);
    ((cpu - span * 0.12).max(0.0), top + span * 0.08)
}

/// 1, 2 and 5 times powers of ten.
fn round_numbers(low: f64, high: f64) -> Vec<f64> {
    let powers = (0..12).map(|p| 10f64.powi(p));
    let all = powers.flat_map(|p| [p, 2.0 * p, 5.0 * p]);
    all.filter(|n| (low..high).contains(n)).collect()
}

/// Points that can be drawn: those that offload something and whose look-up tables are known.
fn marks(e: &Exploration) -> Vec<Mark<'_>> {
    let of = |point| {
        let p: &Point = point;
        let name = p.board.as_deref()?;
        Some(Mark {
            board: e.boards.iter().position(|b| b.name == name)?,
            at: (p.lut? as f64, p.tokens_per_s?),
            aside: 0,
            point: p,
        })
    };
    let offloading = e.points.iter().filter(|p| p.offloads());
    offloading.filter_map(of).collect()
}

/// The front as a staircase: the most tokens/s that so many look-up tables give.
fn steps(marks: &[Mark], cpu: f64, end: f64) -> Vec<(f64, f64)> {
    let mut front: Vec<(f64, f64)> = marks.iter().map(|m| m.at).collect();
    front.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
    let mut best = cpu;
    let mut line = Vec::new();
    for (lut, rate) in front {
        if rate > best {
            line.extend([(lut, best), (lut, rate)]);
            best = rate;
        }
    }
    if !line.is_empty() {
        line.push((end, best));
    }
    line
}

/// `12k`, `1.5M`.
fn thousands(lut: f64) -> String {
    match lut {
        l if l >= 1e6 => format!("{}M", l / 1e6),
        l if l >= 1e3 => format!("{}k", l / 1e3),
        l => format!("{l}"),
    }
}

/// The last part of a model's folder.
fn short(model: &str) -> &str {
    let name = model.trim_end_matches('/').rsplit('/').next();
    name.filter(|n| !n.is_empty()).unwrap_or(model)
}

#[cfg(test)]
mod tests {
    use super::super::point::tests::point;
    use super::super::BoardName;
    use super::*;
    use crate::picture::{png, svg};

    fn exploration(points: Vec<Point>) -> Exploration {
        let mut boards: Vec<BoardName> = Vec::new();
        for name in points.iter().filter_map(|p| p.board.clone()) {
            if boards.iter().all(|b| b.name != name) {
                let title = format!("Board {name}");
                boards.push(BoardName { name, title });
            }
        }
        Exploration {
            fingerprint: String::new(),
            model: "models/some <model>".to_string(),
            cpu: String::new(),
            boards,
            notes: Vec::new(),
            points,
        }
    }

    #[test]
    fn the_front_is_a_staircase_from_the_cpu_on() {
        let e = exploration(vec![
            point("", 10.0, 0, None),
            point("a", 20.0, 100, None),
            point("a", 15.0, 200, None),
            point("b", 30.0, 300, None),
        ]);
        let line = steps(&marks(&e), 10.0, 1000.0);
        let rounded: Vec<_> = line.iter().map(|(x, y)| (*x, y.round())).collect();
        let expected = [
            (100.0, 10.0),
            (100.0, 20.0),
            (300.0, 20.0),
            (300.0, 30.0),
            (1000.0, 30.0),
        ];
        assert_eq!(rounded, expected);
    }

    #[test]
    fn marks_in_one_place_stand_side_by_side() {
        let mut e = exploration(vec![
            point("", 10.0, 0, None),
            point("a", 20.0, 1000, None),
            point("b", 20.0, 1000, None),
            point("c", 15.0, 1000, None),
            point("c", 20.0, 1000, None),
        ]);
        e.points[1..4]
            .iter_mut()
            .for_each(|p| p.on_front_of_board = true);
        let mut marks = marks(&e);
        set_apart(&mut marks, (500.0, 2000.0), (0.0, 25.0));
        let aside: Vec<i32> = marks.iter().map(|m| m.aside).collect();
        assert_eq!(aside[1] - aside[0], APART);
        // Alone in its place, and on no front.
        assert_eq!(aside[2..], [0, 0]);
    }

    #[test]
    fn pictures_can_be_drawn_of_nothing_and_of_many_boards() {
        let nothing = exploration(vec![point("", 10.0, 0, None)]);
        assert!(svg(&Pareto(&nothing)).unwrap().contains("gains anything"));
        let points = (0..80).map(|i| point(&format!("n{i}"), 20.0 + i as f64, 100 + i, None));
        let many = exploration(
            [point("", 10.0, 0, None)]
                .into_iter()
                .chain(points)
                .collect(),
        );
        let text = svg(&Pareto(&many)).unwrap();
        assert!(text.contains("Board n0") && text.contains(" more"));
        assert!(!text.contains("Board n79") && !text.contains("<model>"));
        assert!(png(&Pareto(&many)).unwrap().len() > 1000);
    }

    #[test]
    fn axes_have_round_numbers() {
        assert_eq!(round_numbers(1500.0, 60e3), [2e3, 5e3, 1e4, 2e4, 5e4]);
        let labels = [500.0, 2e3, 5e4, 2e6].map(thousands);
        assert_eq!(labels, ["500", "2k", "50k", "2M"]);
        assert_eq!(short("/a/b/"), "b");
    }
}
