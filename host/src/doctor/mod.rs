//! Is this machine fit for an offload: tools, XRT, cards, image, kernel, link.
//!
//! | module | looks at |
//! |---|---|
//! | [`tools`] | programs that Tercet, or the making of an image, calls |
//! | [`cards`] | AMD cards on the PCIe bus, as Linux knows them |
//! | [`kernel`] | the kernel behind XRT: identity, clock, known products, link |
//! | [`serial`] | a board behind a serial port: the same |
//! | [`published`] | what the link of a card costs, as others have published |
//!
//! What fails silently in the field is looked for by name: a link narrower than the card's, a clock that is not the
//! image's, a kernel of another geometry, results that are all zero.

pub mod cards;
pub mod kernel;
pub mod published;
mod render;
#[cfg(unix)]
pub mod serial;
pub mod tools;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tercet_xclbin::{check, Xclbin};

use crate::artefact::Artefact;
use crate::device::serial::SerialOptions;
use crate::device::xrt::{places, Target, XrtOptions};
use kernel::Link;
use published::Published;

pub use render::text;

/// How a check ended.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// Nothing wrong, and worth knowing: something optional is not there.
    Note,
    /// It works, worse than it could.
    Warning,
    /// It does not work.
    Failed,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// What: `tool verilator`, `card 0000:65:00.1`.
    pub name: String,
    /// How it ended.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do.
    pub advice: Option<String>,
}

impl Check {
    /// A check without advice.
    pub fn new(name: impl Into<String>, state: State, found: impl Into<String>) -> Self {
        Check {
            name: name.into(),
            state,
            found: found.into(),
            advice: None,
        }
    }

    /// With advice.
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// What `tercet doctor` found on this machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Everything that was looked at, in order.
    pub checks: Vec<Check>,
    /// What the link costs, if a device was named and answers; measured.
    pub link: Option<Link>,
    /// What links of cards cost, published; to stand beside `link`.
    #[serde(default)]
    pub published: Vec<Published>,
}

impl Artefact for Report {
    const SCHEMA: &'static str = "tercet.doctor";
    const VERSION: u32 = 1;
}

impl Report {
    /// Names of the checks that failed.
    pub fn failed(&self) -> Vec<&str> {
        let failed = self.checks.iter().filter(|c| c.state == State::Failed);
        failed.map(|c| c.name.as_str()).collect()
    }
}

/// What to look at.
#[derive(Clone, Debug)]
pub struct Examination {
    /// Root of the system's files; `/` but in tests.
    pub root: PathBuf,
    /// The image, if there is one.
    pub xclbin: Option<PathBuf>,
    /// The device, if one is to be tried.
    pub device: Option<Tried>,
}

/// A device that is tried, and how it is reached.
#[derive(Clone, Debug)]
pub enum Tried {
    /// Something behind XRT.
    Xrt(XrtOptions),
    /// A board behind a serial port.
    Serial(SerialOptions),
}

/// Looks at everything.
pub fn examine(what: &Examination) -> Report {
    let mut report = Report {
        checks: tools::checks(),
        link: None,
        published: Vec::new(),
    };
    report.checks.push(xrt(match &what.device {
        Some(Tried::Xrt(options)) => Some(options),
        _ => None,
    }));
    report.checks.extend(cards::checks(&what.root));
    let image = what.xclbin.as_ref().and_then(|path| {
        let (checks, image) = image(path);
        report.checks.extend(checks);
        image
    });
    match &what.device {
        None => {
            report
                .checks
                .push(Check::new("device", State::Note, "none was tried").advise(
                    "name one with --device xrt --xclbin FILE, xrt-emu, xrt-sim or serial:PORT",
                ))
        }
        Some(Tried::Serial(options)) => {
            let (checks, link) = serial::checks(options);
            report.checks.extend(checks);
            report.link = link;
        }
        // What XRT is not to be troubled with.
        Some(_) if what.xclbin.is_some() && image.is_none() => {}
        Some(Tried::Xrt(options)) => {
            let (checks, link) = kernel::checks(options, image.as_ref());
            report.checks.extend(checks);
            if link.is_some() {
                report.published = published::published();
            }
            report.link = link;
        }
    }
    report
}

fn xrt(device: Option<&XrtOptions>) -> Check {
    let own = device.is_some_and(|d| d.target == Target::InProcess);
    let named = device.and_then(|d| d.library.clone());
    let found = match named {
        Some(path) => Ok(path),
        None if own => places::find_own(),
        None => places::find_xrt(),
    };
    let (name, state) = match (own, device.is_some()) {
        (true, _) => ("Tercet's XRT library", State::Failed),
        (false, true) => ("XRT", State::Failed),
        (false, false) => ("XRT", State::Note),
    };
    match found {
        // The file behind the link has the version in its name.
        Ok(path) => match path.canonicalize() {
            Ok(file) => Check::new(name, State::Ok, file.display().to_string()),
            Err(e) => Check::new(name, state, format!("{}: {e}", path.display())),
        },
        Err(e) => Check::new(name, state, e.to_string())
            .advise("needed for a card and for xrt-emu; xrt-sim works without"),
    }
}

fn image(path: &Path) -> (Vec<Check>, Option<Xclbin>) {
    let name = format!("image {}", path.display());
    let image = match Xclbin::read(path) {
        Ok(image) => image,
        Err(e) => {
            let failed = Check::new(name, State::Failed, e.to_string())
                .advise("expected an AXLF container, as v++ and `tercet xclbin build` make them");
            return (vec![failed], None);
        }
    };
    let findings = check(&image);
    let geometry = image.contents().geometry();
    let geometry = geometry.map_or("not named".to_string(), |g| g.to_string());
    let units = image.contents().compute_units.len();
    if findings.is_empty() {
        let found = format!("{units} compute units, geometry {geometry}");
        return (vec![Check::new(name, State::Ok, found)], Some(image));
    }
    let checks = findings
        .iter()
        .map(|finding| {
            Check::new(name.clone(), State::Failed, finding.to_string())
                .advise("this image is not of the kernel that Tercet drives")
        })
        .collect();
    (checks, None)
}
