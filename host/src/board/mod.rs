//! Boards: what a card and its link cost in time.
//!
//! A board is a TOML file (`host/boards/*.toml`, or the user's own). Each figure says its value, its
//! basis (published for this board, measured on it, or assumed) and its source; units are part
//! of the key. Unknown keys, missing figures and values out of range are errors with a line number.
//!
//! | key | meaning |
//! |---|---|
//! | `kernel.clock_mhz` | clock of the kernel |
//! | `memory.port_gb_s` | read bandwidth of the one memory port that feeds a compute unit, 1e9 bytes/s |
//! | `memory.read_latency_ns` | from read address to first data |
//! | `link.dispatch_us` | host call to start one command list and see it done, without the work itself |
//! | `link.next_launch_us` | a further launch queued behind that one, on another compute unit |
//! | `link.ring_dispatch_us` | doorbell of a ring and the look at its completion count, without the work itself |
//! | `link.next_doorbell_us` | doorbell and look at a further compute unit |
//! | `link.transfer_us` | fixed cost of one buffer transfer in either direction |
//! | `link.to_device_gb_s`, `link.from_device_gb_s` | bandwidth of large transfers |
//!
//! Schema `tercet.board/2` has these besides, all optional but complete where a table is there:
//!
//! | key | meaning |
//! |---|---|
//! | `memory.kind` | `hbm`, `ddr`, .. |
//! | `memory.channels` | paths to memory that deliver `port_gb_s` each at the same time; a compute unit has one for its weights |
//! | `memory.ports` | memory ports that kernels can have in all, two a compute unit; without it an interconnect shares them |
//! | `memory.peak_gb_s`, `memory.measured_gb_s` | of all channels, by data sheet and as read in a benchmark |
//! | `memory.capacity_gb` | 1e9 bytes |
//! | `link.kind` | `pcie-gen3-x16`, .. |
//! | `resources.family` | whose synthesis table holds: `ultrascale-plus`, `versal`, `ecp5` |
//! | `resources.device`, `.shell`, `.limit_percent` | `lut`, `ff`, `bram36`, `uram`, `dsp`: of the part, taken by the shell, and how much of the part may be used |
//! | `power.idle_w`, `.active_w`, `.max_w` | power of the board |
//! | `price.usd` | price of the board |
//!
//! The figures of further launches and of rings may be left out; then those of [`NEXT_LAUNCH`], [`RING_DISPATCH`]
//! and [`NEXT_DOORBELL`] are assumed, and reports say so.

mod built_in;
mod extras;
mod file;
mod fit;
mod footprint;
mod render;

use std::fmt;
use std::fs;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::device::{Dispatching, Mode};
use crate::doctor::kernel::{Link, REPETITIONS};
use crate::suggest::did_you_mean;
use crate::tier::Tier;
use crate::toml_file::TomlError;

pub use built_in::{available, text};
pub use extras::{Amounts, Extras, Family, Memory, Power, Resources};
pub use fit::{fit, max_cus, Fit, MaxCus, Shortage};
pub use footprint::Footprint;
pub use render::{list, page};

/// Name of the board used when none is named.
pub const DEFAULT_BOARD: &str = "u55c";

/// An assumed figure in us and its source.
pub struct AssumedFigure {
    /// The value.
    pub us: f64,
    /// Where it comes from.
    pub source: &'static str,
}

/// `next_launch_us` where a board file has none.
pub const NEXT_LAUNCH: AssumedFigure = AssumedFigure {
    us: 7.642,
    source: "130,861 launches a second when queued back to back: Xilinx/XRT pull request 5429",
};

/// `ring_dispatch_us` where a board file has none.
pub const RING_DISPATCH: AssumedFigure = AssumedFigure {
    us: 3.425,
    source: "half a PCIe round trip of 0.85 us (Virtex-7, Gen3 x8: hackingnasdaq.blogspot.com, PCIe latency, 2014) for the posted doorbell, \
             and one and a half reads of the completion count in device memory at 2 us each (8 bytes from an FPGA's BAR: \
             Intel Software Tuning forum, thread 1242424)",
};

/// `next_doorbell_us` where a board file has none.
pub const NEXT_DOORBELL: AssumedFigure = AssumedFigure {
    us: 2.3,
    source: "0.3 us between posted writes (Intel Software Tuning forum, thread 1186313) and one read of 2 us (thread 1242424)",
};

/// How a figure of a board file is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// Published for this board.
    Published,
    /// Measured on this board by the user.
    Measured,
    /// Taken over from another board, or chosen.
    Assumed,
}

impl Basis {
    /// The evidence that a figure of this basis brings.
    pub fn tier(self) -> Tier {
        match self {
            Basis::Published => Tier::Published,
            Basis::Measured => Tier::Measured,
            Basis::Assumed => Tier::Projected,
        }
    }
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Basis::Published => "published",
            Basis::Measured => "measured",
            Basis::Assumed => "assumed",
        })
    }
}

/// One figure of a board file, in the unit that its key names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// The value.
    pub value: f64,
    /// How it is known.
    pub basis: Basis,
    /// Where it comes from.
    pub source: String,
}

/// A card, its memory and its link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Board {
    /// Short name, as on the command line.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// Clock of the kernel in MHz.
    pub clock_mhz: Figure,
    /// Read bandwidth of the weights port in GB/s.
    pub port_gb_s: Figure,
    /// Read latency of that memory in ns.
    pub read_latency_ns: Figure,
    /// Cost of one launch in us.
    pub dispatch_us: Figure,
    /// Cost of a further launch queued behind one, in us.
    pub next_launch_us: Figure,
    /// Cost of one dispatch through a ring in us.
    pub ring_dispatch_us: Figure,
    /// Cost of the doorbell of a further compute unit in us.
    pub next_doorbell_us: Figure,
    /// Fixed cost of one transfer in us.
    pub transfer_us: Figure,
    /// Bandwidth to the device in GB/s.
    pub to_device_gb_s: Figure,
    /// Bandwidth from the device in GB/s.
    pub from_device_gb_s: Figure,
    /// What else is known: memory, resources, power, price.
    #[serde(flatten)]
    pub extras: Extras,
}

/// Why there is no such board.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// The name is none of the built-in boards.
    #[error(
        "board `{name}`: expected one of {}, or a board file such as ./my-board.toml{}",
        available().join(", "),
        did_you_mean(name, available())
    )]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The file cannot be read.
    #[error("board file {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Reason of the operating system.
        source: std::io::Error,
    },
    /// The file is not a board file.
    #[error("board file {0}")]
    Content(#[from] TomlError),
}

impl Board {
    /// A built-in board by name, or a board file by path (anything with a `/` or ending in `.toml`).
    pub fn find(name: &str) -> Result<Board, BoardError> {
        if let Some(text) = built_in::text(name) {
            return Ok(Self::parse(name, text)?);
        }
        if !name.contains('/') && !name.ends_with(".toml") {
            return Err(BoardError::Unknown {
                name: name.to_string(),
            });
        }
        let text = fs::read_to_string(Path::new(name)).map_err(|source| BoardError::Read {
            path: name.to_string(),
            source,
        })?;
        Ok(Self::parse(name, &text)?)
    }

    /// The board with a link's figures in the place of its own. A ring's costs stay. Those of a simulation are
    /// assumed for the board: nobody has measured it.
    pub fn with_link(&self, link: &Link) -> Board {
        let doctor = format!(
            "tercet doctor --device {}, median of {REPETITIONS}",
            link.device
        );
        let (basis, source) = match link.is_of_a_card {
            true => (Basis::Measured, doctor),
            false => (
                Basis::Assumed,
                format!("{doctor}: wall time of a simulation, which says nothing of a card"),
            ),
        };
        let figure = |value: f64| Figure {
            value,
            basis,
            source: source.clone(),
        };
        Board {
            name: format!("{}-{}", self.name, link.device),
            title: format!("{}, link as seen through {}", self.title, link.device),
            clock_mhz: figure(link.clock_hz / 1e6),
            dispatch_us: figure((link.dispatch_s.0 + link.request_s.0) * 1e6),
            // Transfers from the device are asked for and answered, those to it only sent.
            transfer_us: figure(
                (link.transfer_to_s.0 + link.transfer_from_s.0 + link.request_s.0) / 2.0 * 1e6,
            ),
            to_device_gb_s: figure(link.to_device_bytes_per_s / 1e9),
            from_device_gb_s: figure(link.from_device_bytes_per_s / 1e9),
            ..self.clone()
        }
    }

    /// Clock of the kernel in Hz.
    pub fn clock_hz(&self) -> f64 {
        self.clock_mhz.value * 1e6
    }

    /// Read latency of the weight memory in whole clock cycles, rounded up.
    pub fn latency_cycles(&self) -> u32 {
        (self.read_latency_ns.value * self.clock_mhz.value / 1000.0).ceil() as u32
    }

    /// Evidence behind the times of dispatches and link: the weakest of their figures.
    pub fn link_tier(&self, dispatch: Dispatching) -> Tier {
        let (first, next) = match dispatch.mode {
            Mode::Launch => (&self.dispatch_us, &self.next_launch_us),
            Mode::Ring => (&self.ring_dispatch_us, &self.next_doorbell_us),
        };
        let mut figures = vec![
            first,
            &self.transfer_us,
            &self.to_device_gb_s,
            &self.from_device_gb_s,
        ];
        if dispatch.cus > 1 {
            figures.push(next);
        }
        weakest(&figures)
    }

    /// Evidence behind the time that `cycles` of such evidence take: clock, port and latency go in.
    pub fn kernel_tier(&self, cycles: Tier) -> Tier {
        let figures = [&self.clock_mhz, &self.port_gb_s, &self.read_latency_ns];
        cycles.max(weakest(&figures))
    }

    /// Evidence behind a time that holds kernel, dispatch and link.
    pub fn device_tier(&self, cycles: Tier, dispatch: Dispatching) -> Tier {
        self.kernel_tier(cycles).max(self.link_tier(dispatch))
    }

    /// Every figure with its table and key, in the order of the file.
    pub fn every_figure(&self) -> Vec<(&'static str, &'static str, &Figure)> {
        let mut all = vec![("kernel", "clock_mhz", &self.clock_mhz)];
        if let Some(m) = &self.extras.memory {
            all.push(("memory", "channels", &m.channels));
            all.extend(m.ports.iter().map(|f| ("memory", "ports", f)));
            all.push(("memory", "peak_gb_s", &m.peak_gb_s));
            all.extend(
                m.measured_gb_s
                    .iter()
                    .map(|f| ("memory", "measured_gb_s", f)),
            );
            all.push(("memory", "capacity_gb", &m.capacity_gb));
        }
        let table = |key| match key {
            "port_gb_s" | "read_latency_ns" => "memory",
            _ => "link",
        };
        all.extend(
            self.figures()
                .into_iter()
                .skip(1)
                .map(|(key, f)| (table(key), key, f)),
        );
        if let Some(r) = &self.extras.resources {
            for (table, amounts) in [
                ("resources.device", &r.device),
                ("resources.shell", &r.shell),
                ("resources.limit_percent", &r.limit_percent),
            ] {
                all.extend(amounts.each().map(|(key, f)| (table, key, f)));
            }
        }
        if let Some(p) = &self.extras.power {
            let watts = [
                ("idle_w", &p.idle_w),
                ("active_w", &p.active_w),
                ("max_w", &p.max_w),
            ];
            all.extend(
                watts
                    .iter()
                    .filter_map(|(key, f)| Some(("power", *key, f.as_ref()?))),
            );
        }
        all.extend(self.extras.price_usd.iter().map(|f| ("price", "usd", f)));
        all
    }

    /// The board with one figure changed; as it is if there is none of that key.
    pub fn with_figure(&self, key: &str, change: impl Fn(&Figure) -> Figure) -> Board {
        let mut board = self.clone();
        let figure = match key {
            "clock_mhz" => &mut board.clock_mhz,
            "port_gb_s" => &mut board.port_gb_s,
            "read_latency_ns" => &mut board.read_latency_ns,
            "dispatch_us" => &mut board.dispatch_us,
            "next_launch_us" => &mut board.next_launch_us,
            "ring_dispatch_us" => &mut board.ring_dispatch_us,
            "next_doorbell_us" => &mut board.next_doorbell_us,
            "transfer_us" => &mut board.transfer_us,
            "to_device_gb_s" => &mut board.to_device_gb_s,
            "from_device_gb_s" => &mut board.from_device_gb_s,
            _ => return board,
        };
        *figure = change(figure);
        board
    }

    /// The figures that go into times, with their keys.
    pub fn figures(&self) -> [(&'static str, &Figure); 10] {
        [
            ("clock_mhz", &self.clock_mhz),
            ("port_gb_s", &self.port_gb_s),
            ("read_latency_ns", &self.read_latency_ns),
            ("dispatch_us", &self.dispatch_us),
            ("next_launch_us", &self.next_launch_us),
            ("ring_dispatch_us", &self.ring_dispatch_us),
            ("next_doorbell_us", &self.next_doorbell_us),
            ("transfer_us", &self.transfer_us),
            ("to_device_gb_s", &self.to_device_gb_s),
            ("from_device_gb_s", &self.from_device_gb_s),
        ]
    }
}

/// Evidence behind a time that is computed from these figures.
fn weakest(figures: &[&Figure]) -> Tier {
    let tiers = figures.iter().map(|f| f.basis.tier());
    match tiers.max() {
        None => Tier::Measured,
        // Nobody has published the time itself.
        Some(Tier::Published) => Tier::Projected,
        Some(tier) => tier,
    }
}

#[cfg(test)]
mod tests;
