//! Board files: tables as they stand in the file, ranges that catch a wrong unit, and the way back to text.

use std::fmt::Write;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::{
    Amounts, AssumedFigure, Basis, Board, Extras, Family, Figure, Memory, Power, Resources,
    NEXT_DOORBELL, NEXT_LAUNCH, RING_DISPATCH,
};
use crate::toml_file::{TomlError, TomlFile};

/// Longest time of a launch or transfer in us: a serial line on a busy machine.
const LONGEST_US: f64 = 1e7;

/// Schemas that board files name; files are written with the last one.
const SCHEMAS: [&str; 2] = ["tercet.board/1", "tercet.board/2"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BoardFile {
    schema: Spanned<String>,
    name: String,
    title: String,
    kernel: KernelTable,
    memory: MemoryTable,
    link: LinkTable,
    resources: Option<Spanned<ResourcesTable>>,
    power: Option<PowerTable>,
    price: Option<PriceTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KernelTable {
    clock_mhz: RawFigure,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemoryTable {
    port_gb_s: RawFigure,
    read_latency_ns: RawFigure,
    kind: Option<Spanned<String>>,
    channels: Option<RawFigure>,
    ports: Option<RawFigure>,
    peak_gb_s: Option<RawFigure>,
    measured_gb_s: Option<RawFigure>,
    capacity_gb: Option<RawFigure>,
}

/// What schema 2 adds to `[memory]`. Not a flattened table: serde would lose the lines.
struct MoreMemory {
    kind: Option<Spanned<String>>,
    channels: Option<RawFigure>,
    ports: Option<RawFigure>,
    peak_gb_s: Option<RawFigure>,
    measured_gb_s: Option<RawFigure>,
    capacity_gb: Option<RawFigure>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkTable {
    kind: Option<String>,
    dispatch_us: RawFigure,
    next_launch_us: Option<RawFigure>,
    ring_dispatch_us: Option<RawFigure>,
    next_doorbell_us: Option<RawFigure>,
    transfer_us: RawFigure,
    to_device_gb_s: RawFigure,
    from_device_gb_s: RawFigure,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResourcesTable {
    family: Family,
    device: Amounts<RawFigure>,
    shell: Amounts<RawFigure>,
    limit_percent: Amounts<RawFigure>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PowerTable {
    idle_w: Option<RawFigure>,
    active_w: Option<RawFigure>,
    max_w: Option<RawFigure>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceTable {
    usd: RawFigure,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFigure {
    value: Spanned<f64>,
    basis: Basis,
    source: Spanned<String>,
}

impl Board {
    /// Parses a board file; `file` is its name for errors.
    pub fn parse(file: &str, text: &str) -> Result<Board, TomlError> {
        let toml = TomlFile::new(file, text);
        let raw: BoardFile = toml.parse()?;
        let schema = raw.schema.get_ref().as_str();
        if !SCHEMAS.contains(&schema) {
            let message = format!("schema {schema:?}: expected {:?}", SCHEMAS[1]);
            return Err(toml.error(raw.schema.span(), message));
        }
        if let (true, Some(resources)) = (schema == SCHEMAS[0], &raw.resources) {
            let message = format!("[resources]: a table of schema {:?}", SCHEMAS[1]);
            return Err(toml.error(resources.span(), message));
        }
        let check = Check { toml: &toml };
        let MemoryTable {
            port_gb_s,
            read_latency_ns,
            kind,
            channels,
            ports,
            peak_gb_s,
            measured_gb_s,
            capacity_gb,
        } = raw.memory;
        let more = MoreMemory {
            kind,
            channels,
            ports,
            peak_gb_s,
            measured_gb_s,
            capacity_gb,
        };
        let port = Place::of(&port_gb_s);
        let port_gb_s = check.figure("port_gb_s", port_gb_s, 0.01, 2000.0)?;
        let read_latency_ns = check.figure("read_latency_ns", read_latency_ns, 0.0, 10_000.0)?;
        let extras = Extras {
            memory: check.memory(more, port)?,
            link_kind: raw.link.kind.clone(),
            resources: raw
                .resources
                .map(|r| check.resources(r.into_inner()))
                .transpose()?,
            power: raw.power.map(|p| check.power(p)).transpose()?,
            price_usd: check.option("usd", raw.price.map(|p| p.usd), 0.01, 1e6)?,
        };
        let link = raw.link;
        let figure = |key, raw, low, high| check.figure(key, raw, low, high);
        Ok(Board {
            clock_mhz: figure("clock_mhz", raw.kernel.clock_mhz, 1.0, 2000.0)?,
            port_gb_s,
            read_latency_ns,
            dispatch_us: figure("dispatch_us", link.dispatch_us, 0.0, LONGEST_US)?,
            next_launch_us: check.or_assumed(
                "next_launch_us",
                link.next_launch_us,
                &NEXT_LAUNCH,
            )?,
            ring_dispatch_us: check.or_assumed(
                "ring_dispatch_us",
                link.ring_dispatch_us,
                &RING_DISPATCH,
            )?,
            next_doorbell_us: check.or_assumed(
                "next_doorbell_us",
                link.next_doorbell_us,
                &NEXT_DOORBELL,
            )?,
            transfer_us: figure("transfer_us", link.transfer_us, 0.0, LONGEST_US)?,
            to_device_gb_s: figure("to_device_gb_s", link.to_device_gb_s, 1e-7, 1000.0)?,
            from_device_gb_s: figure("from_device_gb_s", link.from_device_gb_s, 1e-7, 1000.0)?,
            name: raw.name,
            title: raw.title,
            extras,
        })
    }

    /// The board as a board file.
    pub fn to_toml(&self) -> String {
        let text = |text: &str| toml::Value::from(text).to_string();
        let mut out = format!(
            "schema = {}\nname = {}\ntitle = {}\n",
            text(SCHEMAS[1]),
            text(&self.name),
            text(&self.title)
        );
        let mut table = "";
        for (within, key, f) in self.every_figure() {
            if within != table {
                out += &self.head(within);
                table = within;
            }
            let (value, source) = (toml::Value::from(f.value), text(&f.source));
            let _ = writeln!(
                out,
                "{key} = {{ value = {value}, basis = \"{}\", source = {source} }}",
                f.basis
            );
        }
        out
    }

    /// The line that opens a table, with the keys that are words.
    fn head(&self, table: &str) -> String {
        let open = |table: &str, key: &str, word: Option<&str>| {
            let word = word.map(|w| format!("{key} = {}\n", toml::Value::from(w)));
            format!("\n[{table}]\n{}", word.unwrap_or_default())
        };
        let kind = match table {
            "memory" => self.extras.memory.as_ref().map(|m| m.kind.as_str()),
            "link" => self.extras.link_kind.as_deref(),
            _ => None,
        };
        let family = match (table, &self.extras.resources) {
            ("resources.device", Some(r)) => open("resources", "family", Some(r.family.name())),
            _ => String::new(),
        };
        family + &open(table, "kind", kind)
    }
}

/// Turns figures of the file into figures of the board, or says what is wrong and where.
struct Check<'a> {
    toml: &'a TomlFile<'a>,
}

impl Check<'_> {
    /// Ranges are wide; they are there to catch a figure in the wrong unit.
    fn figure(&self, key: &str, raw: RawFigure, low: f64, high: f64) -> Result<Figure, TomlError> {
        let value = *raw.value.get_ref();
        if !(low..=high).contains(&value) {
            let message = format!("{key} = {value}: expected {low} to {high}; is the unit right?");
            return Err(self.toml.error(raw.value.span(), message));
        }
        if raw.source.get_ref().trim().is_empty() {
            let message = format!("{key}: the source is empty; say where the figure comes from");
            return Err(self.toml.error(raw.source.span(), message));
        }
        Ok(Figure {
            value,
            basis: raw.basis,
            source: raw.source.into_inner(),
        })
    }

    fn option(
        &self,
        key: &str,
        raw: Option<RawFigure>,
        low: f64,
        high: f64,
    ) -> Result<Option<Figure>, TomlError> {
        raw.map(|raw| self.figure(key, raw, low, high)).transpose()
    }

    fn or_assumed(
        &self,
        key: &str,
        raw: Option<RawFigure>,
        assumed: &AssumedFigure,
    ) -> Result<Figure, TomlError> {
        let assumed = Figure {
            value: assumed.us,
            basis: Basis::Assumed,
            source: assumed.source.to_string(),
        };
        Ok(self.option(key, raw, 0.0, LONGEST_US)?.unwrap_or(assumed))
    }

    /// The optional part of `[memory]`: none of it, or all but ports and the measured bandwidth.
    fn memory(&self, raw: MoreMemory, port: Place) -> Result<Option<Memory>, TomlError> {
        let Some(kind) = raw.kind else {
            let extra = [
                ("channels", &raw.channels),
                ("ports", &raw.ports),
                ("peak_gb_s", &raw.peak_gb_s),
                ("measured_gb_s", &raw.measured_gb_s),
                ("capacity_gb", &raw.capacity_gb),
            ];
            return match extra
                .into_iter()
                .find_map(|(key, f)| Some((key, f.as_ref()?)))
            {
                None => Ok(None),
                Some((key, f)) => Err(self.missing("kind", key, &f.value)),
            };
        };
        let (Some(channels), Some(peak), Some(capacity)) =
            (raw.channels, raw.peak_gb_s, raw.capacity_gb)
        else {
            let message = "memory with a kind: channels, peak_gb_s and capacity_gb belong to it";
            return Err(self.toml.error(kind.span(), message.to_string()));
        };
        let measured_at = raw.measured_gb_s.as_ref().map(|f| f.value.span());
        let memory = Memory {
            kind: kind.into_inner(),
            channels: self.whole("channels", channels, 1.0, 1024.0)?,
            ports: raw
                .ports
                .map(|f| self.whole("ports", f, 1.0, 1024.0))
                .transpose()?,
            peak_gb_s: self.figure("peak_gb_s", peak, 0.01, 10_000.0)?,
            measured_gb_s: self.option("measured_gb_s", raw.measured_gb_s, 0.01, 10_000.0)?,
            capacity_gb: self.figure("capacity_gb", capacity, 0.0001, 10_000.0)?,
        };
        let peak = memory.peak_gb_s.value;
        if let (Some(measured), Some(at)) = (&memory.measured_gb_s, measured_at) {
            if measured.value > peak {
                let message = format!(
                    "measured_gb_s = {}: above the peak of {peak} GB/s",
                    measured.value
                );
                return Err(self.toml.error(at, message));
            }
        }
        let of_channel = peak / memory.channels.value;
        if port.value > of_channel {
            let message = format!(
                "port_gb_s = {}: above the {of_channel} GB/s that one of {} channels peaks at",
                port.value, memory.channels.value
            );
            return Err(self.toml.error(port.at, message));
        }
        Ok(Some(memory))
    }

    fn missing(&self, what: &str, beside: &str, at: &Spanned<f64>) -> TomlError {
        let message = format!("missing field `{what}`, which belongs to `{beside}`");
        self.toml.error(at.span(), message)
    }

    fn whole(&self, key: &str, raw: RawFigure, low: f64, high: f64) -> Result<Figure, TomlError> {
        let (value, at) = (*raw.value.get_ref(), raw.value.span());
        if value.fract() != 0.0 {
            let message = format!("{key} = {value}: expected a whole number");
            return Err(self.toml.error(at, message));
        }
        self.figure(key, raw, low, high)
    }

    fn resources(&self, raw: ResourcesTable) -> Result<Resources, TomlError> {
        let used: Vec<Place> = raw.shell.each().map(|(_, f)| Place::of(f)).into();
        let amount = |key: &str, f| self.figure(key, f, 0.0, 1e8);
        let resources = Resources {
            family: raw.family,
            device: raw.device.map(amount)?,
            shell: raw.shell.map(amount)?,
            // A share of 0.7 would be a unit mistaken.
            limit_percent: raw
                .limit_percent
                .map(|key, f| self.figure(key, f, 5.0, 100.0))?,
        };
        for ((key, there), used) in resources.device.each().into_iter().zip(used) {
            if used.value > there.value {
                let message = format!(
                    "{key} = {}: the shell takes more than the {} of the device",
                    used.value, there.value
                );
                return Err(self.toml.error(used.at, message));
            }
        }
        Ok(resources)
    }

    fn power(&self, raw: PowerTable) -> Result<Power, TomlError> {
        let w = |key, f| self.option(key, f, 0.001, 2000.0);
        Ok(Power {
            idle_w: w("idle_w", raw.idle_w)?,
            active_w: w("active_w", raw.active_w)?,
            max_w: w("max_w", raw.max_w)?,
        })
    }
}

/// A value and where it stands.
struct Place {
    value: f64,
    at: Range<usize>,
}

impl Place {
    fn of(raw: &RawFigure) -> Place {
        Place {
            value: *raw.value.get_ref(),
            at: raw.value.span(),
        }
    }
}
