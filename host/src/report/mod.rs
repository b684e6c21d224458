//! The report people read: one page with pictures, from what a run folder holds.
//!
//! Everything comes from the artefacts of the folder; nothing is measured or computed anew but the ranking, which the
//! profile and the plan's kernel determine. What a folder lacks is left out, and the page says which command makes it.
//!
//! | module | what it is |
//! |---|---|
//! | `sources` | what the folder holds |
//! | `analysis_figures` | pictures of an analysis alone |
//! | `figures` | the pictures, each with a caption that says what to see |
//! | `steps` | from theory to the measured token, step by step |
//! | `views` | the tables |
//! | `page`, `markdown` | `report.html`, which needs nothing but a browser, and `report.md` |

mod analysis_figures;
mod figures;
mod markdown;
mod page;
mod sources;
mod steps;
mod views;

use std::path::Path;

use crate::artefact::{write_bytes, ArtefactError, Overwrite};
use crate::compare::{CompareError, Comparison};
use crate::picture::{png, svg, PictureError};
use crate::select::SelectError;

pub use analysis_figures::analysis_figures;
pub use figures::{figures, Drawing, Figure};
pub use markdown::markdown;
pub use page::html;
pub use sources::Sources;

/// Folder of the pictures, beside the report.
pub const PICTURES: &str = "pictures";

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The runs cannot be compared.
    #[error(transparent)]
    Compare(#[from] CompareError),
    /// A file cannot be read or written.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
    /// The layers cannot be ranked.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// A picture cannot be drawn.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// The page cannot be put together.
    #[error("the page cannot be put together: {0}")]
    Template(#[from] minijinja::Error),
}

/// A report with its pictures drawn.
pub struct Report {
    sources: Sources,
    figures: Vec<Figure>,
}

impl Report {
    /// The report of a run folder, of the runs that `comparison` compares.
    pub fn of(folder: &Path, comparison: Comparison) -> Result<Report, ReportError> {
        let sources = Sources::gather(folder, comparison)?;
        let figures = figures(&sources);
        Ok(Report { sources, figures })
    }

    /// Writes the page.
    pub fn write_html(&self, path: &Path) -> Result<(), ReportError> {
        let text = html(&self.sources, &self.figures)?;
        Ok(write_bytes(path, text.as_bytes(), Overwrite::Replace)?)
    }

    /// Writes the report as Markdown, and its pictures as SVG and PNG into a folder beside it.
    pub fn write_markdown(&self, path: &Path) -> Result<(), ReportError> {
        let beside = path.parent().unwrap_or(Path::new("")).join(PICTURES);
        write_pictures(&self.figures, &beside)?;
        let text = markdown(&self.sources, &self.figures);
        Ok(write_bytes(path, text.as_bytes(), Overwrite::Replace)?)
    }
}

/// Writes each picture as SVG and PNG into `folder`, which is made if it is not there.
pub fn write_pictures(figures: &[Figure], folder: &Path) -> Result<(), ReportError> {
    crate::artefact::create_folder(folder)?;
    for figure in figures {
        let file = |extension: &str| folder.join(format!("{}.{extension}", figure.name));
        let text = svg(&figure.drawing)?;
        write_bytes(&file("svg"), text.as_bytes(), Overwrite::Replace)?;
        write_bytes(&file("png"), &png(&figure.drawing)?, Overwrite::Replace)?;
    }
    Ok(())
}
