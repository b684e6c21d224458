//! Pictures as SVG and PNG from one drawing.
//!
//! A [`Picture`] draws itself with plotters on an area, in units that a [`Pen`] turns into pixels. On a page SVG letters
//! and lines take the colour of the text around them ([`on_page`]), so a picture suits a light and a dark page.

pub mod bars;
pub mod heat;
pub mod lanes;
pub mod palette;
pub mod radar;
pub mod roofline;
pub mod waterfall;

use std::io::Cursor;
use std::sync::OnceLock;

use epaint_default_fonts::UBUNTU_LIGHT;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Where a picture is drawn.
pub type Area<DB> = DrawingArea<DB, Shift>;

/// Pixels of a PNG for a unit: letters are set on whole pixels, which looks uneven in fewer.
const PNG_PIXELS: u32 = 2;

/// Colour of lines and letters.
pub const INK: RGBColor = RGBColor(30, 30, 30);

const FONT: &str = "sans-serif";

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
#[error("the picture cannot be drawn: {0}")]
pub struct PictureError(String);

impl PictureError {
    /// From any error of the drawing.
    pub fn of(error: impl std::fmt::Display) -> Self {
        PictureError(error.to_string())
    }
}

/// Something that can be drawn.
pub trait Picture {
    /// Width and height in units.
    fn size(&self) -> (u32, u32);

    /// Draws it; the area has a background already, or none.
    fn draw<DB: DrawingBackend>(&self, area: &Area<DB>, pen: Pen) -> Result<(), PictureError>;
}

/// Lengths and letters in units of the drawing.
#[derive(Clone, Copy)]
pub struct Pen {
    /// Pixels of a unit.
    pixels: u32,
}

impl Pen {
    /// A length in pixels.
    pub fn length(self, units: i32) -> i32 {
        units * self.pixels as i32
    }

    /// Letters of a size, vertically centred.
    pub fn letters(self, size: u32, opacity: f64) -> TextStyle<'static> {
        self.aligned(size, opacity, HPos::Left)
    }

    /// Letters that begin, end or have their middle at their place.
    pub fn aligned(self, size: u32, opacity: f64, at: HPos) -> TextStyle<'static> {
        let font = (FONT, size * self.pixels).into_font();
        let style = font.color(&INK.mix(opacity));
        style.pos(Pos::new(at, VPos::Center))
    }

    /// A line.
    pub fn line(self) -> ShapeStyle {
        self.stroke(&INK, 2)
    }

    /// A line of a colour, so many units wide.
    pub fn stroke(self, colour: &impl Color, width: u32) -> ShapeStyle {
        colour.stroke_width(width * self.pixels)
    }
}

/// An SVG document on white.
pub fn svg(picture: &impl Picture) -> Result<String, PictureError> {
    draw_svg(picture, true)
}

/// An SVG element for a page: without a background, letters and lines in the colour of the text, as wide as its place,
/// with a name for those who do not see it.
pub fn on_page(picture: &impl Picture, name: &str) -> Result<String, PictureError> {
    let (width, height) = picture.size();
    let text = draw_svg(picture, false)?;
    let body = text.split_once('>').map_or("", |(_, body)| body);
    let ink = format!("#{:02X}{:02X}{:02X}", INK.0, INK.1, INK.2);
    let name = name
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;");
    Ok(format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{name}\" xmlns=\"http://www.w3.org/2000/svg\">{}",
        body.replace(&ink, "currentColor")
    ))
}

fn draw_svg(picture: &impl Picture, on_white: bool) -> Result<String, PictureError> {
    register()?;
    let mut out = String::new();
    let area = SVGBackend::with_string(&mut out, picture.size()).into_drawing_area();
    if on_white {
        area.fill(&WHITE).map_err(PictureError::of)?;
    }
    picture.draw(&area, Pen { pixels: 1 })?;
    area.present().map_err(PictureError::of)?;
    drop(area);
    Ok(out)
}

/// A PNG on white.
pub fn png(picture: &impl Picture) -> Result<Vec<u8>, PictureError> {
    register()?;
    let (width, height) = picture.size();
    let size = (width * PNG_PIXELS, height * PNG_PIXELS);
    let mut pixels = vec![255; (size.0 * size.1 * 3) as usize];
    let area = BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area();
    area.fill(&WHITE).map_err(PictureError::of)?;
    picture.draw(&area, Pen { pixels: PNG_PIXELS })?;
    area.present().map_err(PictureError::of)?;
    drop(area);
    encode(&pixels, size).map_err(PictureError::of)
}

fn encode(pixels: &[u8], size: (u32, u32)) -> Result<Vec<u8>, png::EncodingError> {
    let mut out = Cursor::new(Vec::new());
    let mut encoder = png::Encoder::new(&mut out, size.0, size.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(out.into_inner())
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

/// A rectangle of pixels from the top left corner.
pub(crate) fn rectangle<DB: DrawingBackend>(
    area: &Area<DB>,
    (left, top): (f64, f64),
    (right, bottom): (f64, f64),
    colour: &impl Color,
) -> Result<(), PictureError> {
    let corners = [
        (left.round() as i32, top.round() as i32),
        (right.round() as i32, bottom.round() as i32),
    ];
    area.draw(&Rectangle::new(corners, colour.filled()))
        .map_err(PictureError::of)
}

/// A word at a place in pixels.
pub(crate) fn word<DB: DrawingBackend>(
    area: &Area<DB>,
    text: &str,
    (x, y): (f64, f64),
    style: TextStyle<'static>,
) -> Result<(), PictureError> {
    let at = (x.round() as i32, y.round() as i32);
    area.draw(&Text::new(text.to_string(), at, style))
        .map_err(PictureError::of)
}

/// A line between places in pixels.
pub(crate) fn stroke<DB: DrawingBackend>(
    area: &Area<DB>,
    places: &[(f64, f64)],
    style: ShapeStyle,
) -> Result<(), PictureError> {
    let places: Vec<(i32, i32)> = places
        .iter()
        .map(|(x, y)| (x.round() as i32, y.round() as i32))
        .collect();
    area.draw(&PathElement::new(places, style))
        .map_err(PictureError::of)
}

/// Round steps for an axis from 0 to `most`: about `count` of them.
pub(crate) fn steps(most: f64, count: usize) -> Vec<f64> {
    if most.is_nan() || most <= 0.0 {
        return vec![0.0];
    }
    let rough = most / count.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|s| s * power)
        .find(|s| *s >= rough)
        .unwrap_or(10.0 * power);
    (0..)
        .map(|i| f64::from(i) * step)
        .take_while(|v| *v <= most * 1.0001)
        .collect()
}

/// A number with as few digits as tell it: `0.25`, `12`, `1.5k`.
pub(crate) fn short_number(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        v if v >= 1e12 => (value / 1e12, "T"),
        v if v >= 1e9 => (value / 1e9, "G"),
        v if v >= 1e6 => (value / 1e6, "M"),
        v if v >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let text = match scaled.abs() {
        v if v >= 100.0 => format!("{scaled:.0}"),
        v if v >= 10.0 => format!("{scaled:.1}"),
        v if v >= 0.1 || v == 0.0 => format!("{scaled:.2}"),
        _ => format!("{scaled:.1e}"),
    };
    let text = match text.contains('.') && !text.contains('e') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    format!("{text}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Cross;

    impl Picture for Cross {
        fn size(&self) -> (u32, u32) {
            (40, 20)
        }

        fn draw<DB: DrawingBackend>(&self, area: &Area<DB>, pen: Pen) -> Result<(), PictureError> {
            let end = f64::from(pen.length(20));
            stroke(area, &[(0.0, 0.0), (end, end)], pen.line())?;
            word(area, "<a> & b", (2.0, 10.0), pen.letters(8, 1.0))
        }
    }

    #[test]
    fn a_picture_is_an_svg_an_element_and_a_png() {
        let text = svg(&Cross).unwrap();
        assert!(text.starts_with("<svg width=\"40\"") && text.contains("&lt;a&gt;"));
        assert!(text.contains("#1E1E1E"));
        let element = on_page(&Cross, "a \"cross\" <b>").unwrap();
        assert!(element.starts_with(
            "<svg viewBox=\"0 0 40 20\" role=\"img\" aria-label=\"a &quot;cross&quot; &lt;b>\""
        ));
        assert!(element.contains("currentColor") && !element.contains("#1E1E1E"));
        assert!(element.trim_end().ends_with("</svg>"));
        let bytes = png(&Cross).unwrap();
        assert_eq!(&bytes[1..4], b"PNG");
    }

    #[test]
    fn axes_and_numbers_are_round() {
        assert_eq!(steps(10.0, 5), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(steps(0.0, 5), [0.0]);
        let shown = [0.0, 0.25, 7.0, 12.5, 1500.0, 2.5e6, 3e-4].map(short_number);
        assert_eq!(shown, ["0", "0.25", "7", "12.5", "1500", "2.5M", "3.0e-4"]);
    }
}
