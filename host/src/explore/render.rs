//! The exploration as text: rows, a page to read, a few lines for the terminal.

use std::fmt::Write;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Exploration, Fits, Point, OUTPUT_FILES};
use crate::table::{table, text, Style};

/// An exploration in short.
#[derive(Serialize, JsonSchema)]
pub struct Summary<'a> {
    schema: &'static str,
    version: u32,
    model: &'a str,
    points: usize,
    points_that_fit: usize,
    points_that_do_not_fit: usize,
    points_of_which_nobody_knows: usize,
    /// Everything on the CPU.
    cpu: &'a Point,
    /// Most tokens/s; the CPU alone if nothing gains.
    best: Option<&'a Point>,
    boards: Vec<BoardSummary<'a>>,
    /// Points on the front of all boards, fewest LUT first.
    front: Vec<&'a Point>,
    files: [&'static str; 5],
}

#[derive(Serialize, JsonSchema)]
struct BoardSummary<'a> {
    board: &'a str,
    /// None if nothing fits.
    best: Option<&'a Point>,
    points_on_front: usize,
}

impl<'a> Summary<'a> {
    /// The exploration in short.
    pub fn of(exploration: &'a Exploration) -> Self {
        let e = exploration;
        let count = |fits| e.points[1..].iter().filter(|p| p.fits == fits).count();
        let board = |name: &'a str| BoardSummary {
            board: name,
            best: e.best(Some(name)),
            points_on_front: front_of(e, name).len(),
        };
        Summary {
            schema: "tercet.exploration-summary",
            version: 1,
            model: &e.model,
            points: e.points.len(),
            points_that_fit: count(Fits::Yes),
            points_that_do_not_fit: count(Fits::No),
            points_of_which_nobody_knows: count(Fits::Unknown),
            cpu: e.alone(),
            best: e.best(None),
            boards: e.boards.iter().map(|b| board(&b.name)).collect(),
            front: front(e),
            files: OUTPUT_FILES,
        }
    }
}

/// `explore.csv`: a row a point.
pub fn csv(exploration: &Exploration) -> Result<Vec<u8>, csv::Error> {
    let mut rows = csv::Writer::from_writer(Vec::new());
    for point in &exploration.points {
        rows.serialize(point)?;
    }
    rows.into_inner().map_err(|e| e.into_error().into())
}

/// `explore.md`: the best, the front of all boards, the front of each.
pub fn page(exploration: &Exploration) -> String {
    let e = exploration;
    let mut out = format!(
        "# Exploration of {}\n\nTimes of the CPU are measured on {}. {}\n\n",
        e.model,
        e.cpu,
        verdict(e)
    );
    out += "![tokens/s against look-up tables](pareto.svg)\n\n## Front of all boards\n\n";
    out += &rows(Style::Markdown, &front(e), e);
    for board in &e.boards {
        let _ = write!(out, "\n## {}\n\n", board.title);
        let of_board: Vec<&Point> = points_of(e, &board.name).collect();
        let lacking = of_board.iter().filter(|p| p.fits == Fits::No).count();
        if lacking == of_board.len() {
            let _ = writeln!(out, "{}", nothing_fits(&of_board));
            continue;
        }
        let front = front_of(e, &board.name);
        match front.is_empty() {
            true => out += &no_front(e, &board.name),
            false => out += &rows(Style::Markdown, &front, e),
        }
        if lacking > 0 {
            let _ = write!(
                out,
                "\n{lacking} of {} points do not fit; explore.csv says what is short.\n",
                of_board.len()
            );
        }
    }
    out += "\n## How the figures are meant\n\n";
    for note in &e.notes {
        let _ = writeln!(out, "- {note}");
    }
    out
}

/// The best of each board, and of all.
pub fn terminal(exploration: &Exploration) -> String {
    let e = exploration;
    let mut best = vec![e.alone()];
    let (mut nothing_gains, mut lines) = (Vec::new(), String::new());
    for board in &e.boards {
        match e.best(Some(&board.name)) {
            Some(point) if point.offloads() => best.push(point),
            Some(_) => nothing_gains.push(board.name.as_str()),
            None => {
                let of_board: Vec<&Point> = points_of(e, &board.name).collect();
                let _ = writeln!(lines, "{}: {}", board.name, nothing_fits(&of_board));
            }
        }
    }
    if !nothing_gains.is_empty() {
        let _ = writeln!(lines, "nothing gains on: {}", nothing_gains.join(", "));
    }
    format!(
        "The best of each board, of {} points\n\n{}\n{lines}{}\n",
        e.points.len() - 1,
        rows(Style::Terminal, &best, e),
        verdict(e)
    )
}

/// Which is best, in a sentence.
fn verdict(e: &Exploration) -> String {
    let cpu = e.alone();
    let Some(best) = e.best(None).filter(|p| p.offloads()) else {
        return format!(
            "Nothing gains on any of them: the CPU alone is best, {} tokens/s ({}).",
            rate(cpu),
            tier(cpu)
        );
    };
    let title = |name: &str| {
        let board = e.boards.iter().find(|b| b.name == name);
        board.map_or(name.to_string(), |b| b.title.clone())
    };
    format!(
        "Most tokens/s: {} ({}) with {} layers on {} x {} ({}) on the {}, against {} ({}) on the CPU alone.",
        rate(best),
        tier(best),
        best.layers_offloaded,
        best.cus,
        optional(best.geometry),
        optional(best.mode),
        title(best.board.as_deref().unwrap_or_default()),
        rate(cpu),
        tier(cpu),
    )
}

fn rows(style: Style, points: &[&Point], e: &Exploration) -> String {
    let head = [
        "board",
        "kernel",
        "units",
        "mode",
        "layers",
        "ms/token",
        "tokens/s",
        "tier",
        "LUT",
        "J/token, at most",
        "its tier",
    ];
    // No column without a figure in it.
    let energy = e.points.iter().any(|p| p.energy_j.is_some());
    let columns = if energy { head.len() } else { head.len() - 2 };
    let mut out = table(style, &head[..columns], &[2, 4, 5, 6, 8, 9]);
    for p in points {
        let nothing = "-".to_string();
        let (board, cus) = match &p.board {
            Some(board) => (board.clone(), p.cus.to_string()),
            None => ("CPU alone".to_string(), nothing.clone()),
        };
        let cells = [
            board,
            optional(p.geometry),
            cus,
            optional(p.mode),
            p.layers_offloaded.to_string(),
            p.ms_per_token
                .map_or(nothing.clone(), |ms| format!("{ms:.3}")),
            rate(p),
            tier(p),
            optional(p.lut),
            p.energy_j.map_or(nothing, |j| format!("{j:.3}")),
            optional(p.energy_tier),
        ];
        out.add_row(&cells[..columns]);
    }
    text(&out)
}

fn points_of<'a>(e: &'a Exploration, board: &'a str) -> impl Iterator<Item = &'a Point> {
    let of_board = move |p: &&Point| p.board.as_deref() == Some(board);
    e.points.iter().filter(of_board)
}

/// The front of all boards, fewest LUT first.
fn front(e: &Exploration) -> Vec<&Point> {
    by_lut(e.points.iter().filter(|p| p.on_front_of_all).collect())
}

/// Points on the front of a board, the CPU alone apart.
fn front_of<'a>(e: &'a Exploration, board: &'a str) -> Vec<&'a Point> {
    by_lut(
        points_of(e, board)
            .filter(|p| p.on_front_of_board)
            .collect(),
    )
}

fn by_lut(mut points: Vec<&Point>) -> Vec<&Point> {
    points.sort_by_key(|p| p.lut);
    points
}

/// Why nothing fits: what the smallest choice is short of.
fn nothing_fits(of_board: &[&Point]) -> String {
    let smallest = of_board.iter().min_by_key(|p| (p.cus, p.lut));
    smallest.map_or(String::new(), |p| {
        format!(
            "nothing fits; {} x {} is short of {}",
            p.cus,
            optional(p.geometry),
            p.remark
        )
    })
}

/// What there is of a board without a front: its best point, if that gains.
fn no_front(e: &Exploration, board: &str) -> String {
    match e.best(Some(board)).filter(|p| p.offloads()) {
        None => "The CPU alone is best: nothing gains on this board.\n".to_string(),
        Some(p) => format!(
            "No front: {}. The most tokens/s:\n\n{}",
            p.remark,
            rows(Style::Markdown, &[p], e)
        ),
    }
}

fn rate(p: &Point) -> String {
    p.tokens_per_s
        .map_or("-".to_string(), |t| format!("{t:.2}"))
}

fn tier(p: &Point) -> String {
    optional(p.tier)
}

fn optional<T: ToString>(value: Option<T>) -> String {
    value.map_or("-".to_string(), |v| v.to_string())
}
