use anyhow::Context;
use schemars::JsonSchema;
use serde::Serialize;
use tercet::board::{available, list, max_cus, page, text, Board, Figure, MaxCus};
use tercet_contract::Geometry;

use super::output::{print, print_json};
use super::Verdict;

/// List the boards, or show one with the source of every figure and how many compute units fit
#[derive(clap::Args)]
pub struct Args {
    /// Board by name, or a board file [default: list all]
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Print the board file of a built-in board, as a start for one's own
    #[arg(long, requires = "name", conflicts_with = "json")]
    toml: bool,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
}

/// Boards with every figure, and how many compute units fit.
#[derive(Serialize, JsonSchema)]
pub struct Json {
    schema: &'static str,
    version: u32,
    boards: Vec<BoardJson>,
}

#[derive(Serialize, JsonSchema)]
struct BoardJson {
    name: String,
    title: String,
    memory: Option<String>,
    link: Option<String>,
    figures: Vec<FigureJson>,
    compute_units: Vec<KernelJson>,
}

#[derive(Serialize, JsonSchema)]
struct FigureJson {
    key: String,
    #[serde(flatten)]
    figure: Figure,
}

#[derive(Serialize, JsonSchema)]
struct KernelJson {
    geometry: Geometry,
    /// None where nobody knows.
    #[serde(flatten)]
    most: Option<MaxCus>,
    unknown: Option<String>,
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    let boards = match &args.name {
        Some(name) => vec![Board::find(name)?],
        None => {
            let found: Result<Vec<_>, _> = available().into_iter().map(Board::find).collect();
            found?
        }
    };
    if let (true, Some(name)) = (args.toml, &args.name) {
        let text = text(name).with_context(|| format!("--toml: {name} is a file already"))?;
        print(text)?;
    } else if args.json {
        print_json(&Json {
            schema: "tercet.boards",
            version: 1,
            boards: boards.iter().map(json).collect(),
        })?;
    } else {
        print(&match &args.name {
            Some(_) => page(&boards[0]),
            None => list(&boards),
        })?;
    }
    Ok(Verdict::Ok)
}

fn json(board: &Board) -> BoardJson {
    let figures = board.every_figure().into_iter();
    let kernel = |geometry: Geometry| {
        let most = max_cus(board, &geometry);
        KernelJson {
            geometry,
            unknown: most.as_ref().err().cloned(),
            most: most.ok(),
        }
    };
    BoardJson {
        name: board.name.clone(),
        title: board.title.clone(),
        memory: board.extras.memory.as_ref().map(|m| m.kind.clone()),
        link: board.extras.link_kind.clone(),
        figures: figures
            .map(|(table, key, figure)| FigureJson {
                key: format!("{table}.{key}"),
                figure: figure.clone(),
            })
            .collect(),
        compute_units: Geometry::standard().into_iter().map(kernel).collect(),
    }
}
