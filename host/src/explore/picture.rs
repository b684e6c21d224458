//! The points as a picture: tokens/s over look-up tables, the front as a step line, the CPU as a dashed one.
//!
//! Boards are told apart by colour and by shape. The colours are those of Okabe and Ito, which people see who
//! do not see all colours. Points on the front of their board are solid, the others pale.

use std::io::Cursor;
use std::sync::OnceLock;

use epaint_default_fonts::UBUNTU_LIGHT;
use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::{
    register_font,
    text_anchor::{HPos, Pos, VPos},
};

use super::{Exploration, Point};

/// Size in pixels.
const SIZE: (u32, u32) = (1500, 900);
/// Width of the legend.
const LEGEND: u32 = 380;
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(90, 90, 90),
];
const INK: RGBColor = RGBColor(30, 30, 30);
const FONT: &str = "sans-serif";
/// Opacity of points that are on no front.
const PALE: f64 = 0.28;
/// Half the size of a marker.
const MARKER: i32 = 6;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
#[error("the picture cannot be drawn: {0}")]
pub struct PictureError(String);

impl PictureError {
    fn of(error: impl std::fmt::Display) -> Self {
        PictureError(error.to_string())
    }
}

/// `pareto.svg`.
pub fn svg(exploration: &Exploration) -> Result<String, PictureError> {
    let mut out = String::new();
    draw(
        SVGBackend::with_string(&mut out, SIZE).into_drawing_area(),
        exploration,
    )?;
    Ok(out)
}

/// `pareto.png`.
pub fn png(exploration: &Exploration) -> Result<Vec<u8>, PictureError> {
    let (width, height) = SIZE;
    let mut pixels = vec![255; (width * height * 3) as usize];
    let area = BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area();
    draw(area, exploration)?;
    encode(&pixels).map_err(PictureError::of)
}

fn encode(pixels: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let mut out = Cursor::new(Vec::new());
    let mut encoder = png::Encoder::new(&mut out, SIZE.0, SIZE.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(out.into_inner())
}

/// A point with both coordinates.
struct Mark<'a> {
    board: usize,
    at: (f64, f64),
    point: &'a Point,
}

fn draw<DB: DrawingBackend>(
    area: DrawingArea<DB, Shift>,
    e: &Exploration,
) -> Result<(), PictureError> {
    register()?;
    let marks = marks(e);
    let cpu = e.alone().tokens_per_s.unwrap_or_default();
    let failed = PictureError::of;
    area.fill(&WHITE).map_err(|e| failed(e))?;
    let (width, height) = area.dim_in_pixel();
    let (left, right) = area.split_horizontally(width - LEGEND);

    let luts = || marks.iter().map(|m| m.at.0);
    let (low, high) = match marks.is_empty() {
        true => (1e3, 1e6),
        false => (
            luts().fold(f64::MAX, f64::min) / 1.3,
            luts().fold(0.0, f64::max) * 1.3,
        ),
    };
    let top = marks.iter().map(|m| m.at.1).fold(cpu, f64::max) * 1.06;
    let title = format!(
        "{}: tokens/s against look-up tables ({})",
        short(&e.model),
        e.tier()
    );
    let mut chart = ChartBuilder::on(&left)
        .caption(title, (FONT, 28).into_font().color(&INK))
        .margin(16)
        .x_label_area_size(64)
        .y_label_area_size(84)
        .build_cartesian_2d((low..high).log_scale(), 0.0..top)
        .map_err(|e| failed(e))?;
    chart
        .configure_mesh()
        .bold_line_style(INK.mix(0.15))
        .light_line_style(INK.mix(0.05))
        .axis_style(INK.mix(0.6))
        .x_desc("look-up tables of the compute units, without the shell")
        .y_desc("decoded tokens/s")
        .axis_desc_style((FONT, 21).into_font().color(&INK))
        .label_style((FONT, 18).into_font().color(&INK))
        .x_label_formatter(&|lut| thousands(*lut))
        .draw()
        .map_err(|e| failed(e))?;
    let dashes = DashedLineSeries::new([(low, cpu), (high, cpu)], 10, 6, INK.stroke_width(2));
    chart.draw_series(dashes).map_err(|e| failed(e))?;
    // Pale ones first, so that none hides one on a front.
    for on_front in [false, true] {
        let opacity = if on_front { 1.0 } else { PALE };
        for m in &marks {
            if m.point.on_front_of_board == on_front {
                let marker = marker(m.board, m.at, opacity);
                chart.plotting_area().draw(&marker).map_err(|e| failed(e))?;
            }
        }
    }
    let line = steps(&marks, cpu, high);
    chart
        .draw_series(LineSeries::new(line, INK.stroke_width(2)))
        .map_err(|e| failed(e))?;
    legend(&right, e, height as i32)?;
    area.present().map_err(|e| failed(e))
}

/// Points that can be drawn: those that offload something and whose look-up tables are known.
fn marks(e: &Exploration) -> Vec<Mark<'_>> {
    let of = |point| {
        let p: &Point = point;
        let name = p.board.as_deref()?;
        Some(Mark {
            board: e.boards.iter().position(|b| b.name == name)?,
            at: (p.lut? as f64, p.tokens_per_s?),
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

fn legend<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    e: &Exploration,
    height: i32,
) -> Result<(), PictureError> {
    let style = (FONT, 19).into_font().color(&INK);
    let style = style.pos(Pos::new(HPos::Left, VPos::Center));
    let small = (FONT, 16).into_font().color(&INK.mix(0.75));
    let small = small.pos(Pos::new(HPos::Left, VPos::Center));
    let failed = |e| PictureError::of(e);
    let row = ((height - 90) / (2 + e.boards.len() as i32)).min(54);
    let mut y = 64;
    let alone = e.alone();
    let rate = alone.tokens_per_s.unwrap_or_default();
    let lines = [
        (
            false,
            "front of all boards".to_string(),
            "solid: on the front of its board".to_string(),
        ),
        (
            true,
            "CPU alone".to_string(),
            format!(
                "{rate:.2} tokens/s, {}",
                alone.tier.map_or(String::new(), |t| t.to_string())
            ),
        ),
    ];
    for (dashed, title, detail) in lines {
        let points = [(6, y), (38, y)];
        let ink = INK.stroke_width(2);
        match dashed {
            true => area.draw(&DashedPathElement::new(points.to_vec(), 8, 4, ink)),
            false => area.draw(&PathElement::new(points.to_vec(), ink)),
        }
        .map_err(failed)?;
        area.draw(&Text::new(title, (50, y), style.clone()))
            .map_err(failed)?;
        area.draw(&Text::new(detail, (50, y + 20), small.clone()))
            .map_err(failed)?;
        y += row;
    }
    for (i, board) in e.boards.iter().enumerate() {
        let best = e.best(Some(&board.name));
        let detail = match best {
            None => "nothing fits".to_string(),
            Some(p) if !p.offloads() => "nothing gains".to_string(),
            Some(p) => {
                let rate = p.tokens_per_s.unwrap_or_default();
                let known = if p.lut.is_some() {
                    ""
                } else {
                    ", LUT not known"
                };
                let tier = p.tier.map_or(String::new(), |t| t.to_string());
                format!("up to {rate:.1} tokens/s, {tier}{known}")
            }
        };
        area.draw(&marker(i, (22, y), 1.0)).map_err(failed)?;
        area.draw(&Text::new(board.title.clone(), (50, y), style.clone()))
            .map_err(failed)?;
        area.draw(&Text::new(detail, (50, y + 20), small.clone()))
            .map_err(failed)?;
        y += row;
    }
    Ok(())
}

/// The marker of a board: colours and shapes repeat after different numbers, so no two boards have the same.
fn marker<'a, DB: DrawingBackend + 'a, C: Clone + 'static>(
    board: usize,
    at: C,
    opacity: f64,
) -> DynElement<'a, DB, C> {
    let colour = COLOURS[board % COLOURS.len()].mix(opacity);
    let m = MARKER;
    let filled = |corners: Vec<(i32, i32)>| {
        (EmptyElement::at(at.clone()) + Polygon::new(corners, colour.filled())).into_dyn()
    };
    match board % 8 {
        0 => Circle::new(at, m, colour.filled()).into_dyn(),
        1 => filled(vec![(-m, -m), (m, -m), (m, m), (-m, m)]),
        2 => filled(vec![(0, -m - 2), (m + 1, m), (-m - 1, m)]),
        3 => filled(vec![(0, -m - 2), (m + 2, 0), (0, m + 2), (-m - 2, 0)]),
        4 => filled(vec![(0, m + 2), (m + 1, -m), (-m - 1, -m)]),
        5 => filled(star(5)),
        6 => filled(star(4)),
        _ => filled(vec![(-m - 3, -3), (m + 3, -3), (m + 3, 3), (-m - 3, 3)]),
    }
}

/// Corners of a star with so many points.
fn star(points: usize) -> Vec<(i32, i32)> {
    let corner = |i: usize| {
        let radius = if i % 2 == 0 { 9.0 } else { 3.8 };
        let angle = std::f64::consts::PI * i as f64 / points as f64;
        let at = (radius * angle.sin(), -radius * angle.cos());
        (at.0.round() as i32, at.1.round() as i32)
    };
    (0..2 * points).map(corner).collect()
}

/// The font, which plotters wants to be told of once.
fn register() -> Result<(), PictureError> {
    static DONE: OnceLock<bool> = OnceLock::new();
    let done = DONE.get_or_init(|| register_font(FONT, FontStyle::Normal, UBUNTU_LIGHT).is_ok());
    match done {
        true => Ok(()),
        false => Err(PictureError("the font cannot be read".to_string())),
    }
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
