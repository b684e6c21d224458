//! What a board file may say besides the costs of time: memory, logic, power, price.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Figure;

/// Optional parts of a board.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Extras {
    /// Channels and capacity of the memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// Kind of the link, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_kind: Option<String>,
    /// Logic of the part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Power of the board.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<Power>,
    /// Price of the board in USD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_usd: Option<Figure>,
}

/// Memory of a board.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Memory {
    /// `hbm`, `ddr4`, ..
    pub kind: String,
    /// Paths that deliver the port's bandwidth each at the same time.
    pub channels: Figure,
    /// Ports that kernels can have in all; none if an interconnect shares them.
    pub ports: Option<Figure>,
    /// Peak bandwidth of all channels in GB/s.
    pub peak_gb_s: Figure,
    /// Read bandwidth of all channels in a benchmark, in GB/s.
    pub measured_gb_s: Option<Figure>,
    /// Capacity in units of 1e9 bytes.
    pub capacity_gb: Figure,
}

/// Whose synthesis table holds for a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Kernels were synthesised for it.
    UltrascalePlus,
    /// Taken to need what UltraScale+ needs: the same LUT6 and 36 kbit block RAM.
    Versal,
    /// Placed and routed; a DP16KD counts as half a BRAM36.
    Ecp5,
}

impl Family {
    /// As board files have it.
    pub fn name(self) -> &'static str {
        match self {
            Family::UltrascalePlus => "ultrascale-plus",
            Family::Versal => "versal",
            Family::Ecp5 => "ecp5",
        }
    }
}

/// One value for each kind of logic.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Amounts<T> {
    /// Look-up tables.
    pub lut: T,
    /// Flip-flops.
    pub ff: T,
    /// Block RAM of 36 kbit.
    pub bram36: T,
    /// UltraRAM of 288 kbit.
    pub uram: T,
    /// Multipliers.
    pub dsp: T,
}

impl<T> Amounts<T> {
    /// Every value with its name, in the order of the file.
    pub fn each(&self) -> [(&'static str, &T); 5] {
        [
            ("lut", &self.lut),
            ("ff", &self.ff),
            ("bram36", &self.bram36),
            ("uram", &self.uram),
            ("dsp", &self.dsp),
        ]
    }

    /// The same kinds with other values.
    pub fn map<U, E>(
        self,
        mut f: impl FnMut(&'static str, T) -> Result<U, E>,
    ) -> Result<Amounts<U>, E> {
        Ok(Amounts {
            lut: f("lut", self.lut)?,
            ff: f("ff", self.ff)?,
            bram36: f("bram36", self.bram36)?,
            uram: f("uram", self.uram)?,
            dsp: f("dsp", self.dsp)?,
        })
    }
}

/// Logic of a part and what of it a design may use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Resources {
    /// Whose synthesis table holds.
    pub family: Family,
    /// The whole part.
    pub device: Amounts<Figure>,
    /// What the shell takes of it.
    pub shell: Amounts<Figure>,
    /// Share of the part, shell included, up to which designs still close timing, in percent.
    pub limit_percent: Amounts<Figure>,
}

impl Resources {
    /// What kernels can have: the limit's share of the part, less the shell; never below 0.
    pub fn usable(&self) -> Amounts<f64> {
        let of = |part: fn(&Amounts<Figure>) -> &Figure| {
            let share = part(&self.device).value * part(&self.limit_percent).value / 100.0;
            (share - part(&self.shell).value).max(0.0).floor()
        };
        Amounts {
            lut: of(|a| &a.lut),
            ff: of(|a| &a.ff),
            bram36: of(|a| &a.bram36),
            uram: of(|a| &a.uram),
            dsp: of(|a| &a.dsp),
        }
    }

    /// Bytes that block RAM and UltraRAM outside the shell hold.
    pub fn on_chip_bytes(&self) -> f64 {
        let free = |a: &Figure, b: &Figure| a.value - b.value;
        let bram = free(&self.device.bram36, &self.shell.bram36) * 36.0 * 1024.0;
        let uram = free(&self.device.uram, &self.shell.uram) * 288.0 * 1024.0;
        (bram + uram) / 8.0
    }
}

/// Power of a board in W.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Power {
    /// Configured, doing nothing.
    pub idle_w: Option<Figure>,
    /// Running a ternary model.
    pub active_w: Option<Figure>,
    /// The most that the board may draw.
    pub max_w: Option<Figure>,
}
