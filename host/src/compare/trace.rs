//! A token of each run as a trace for `chrome://tracing` and Perfetto: the Trace Event Format, complete events.
//!
//! A run is a process; its threads are the host, and the device where there is one. The host's times are measured, the
//! device's computed, so the axis is that of the report, not of a clock: stages follow each other as long as they take,
//! and what both do at the same time is beside each other.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{json, Value};

use super::{hybrid_reports, stage_name, CompareError, BASELINE_FILE};
use crate::artefact::{read_json, ArtefactError};
use crate::run::{RunReport, TimelineEvent};
use crate::time_model::DeviceTime;
use crate::units::Seconds;

/// Thread of the host, and of the device.
const HOST: u32 = 1;
const DEVICE: u32 = 2;

/// A file of the Trace Event Format.
#[derive(Debug, Serialize)]
pub struct Trace {
    /// Complete events (`X`), and names of processes and threads (`M`).
    #[serde(rename = "traceEvents")]
    pub events: Vec<Value>,
    /// Unit that a viewer shows.
    #[serde(rename = "displayTimeUnit")]
    pub unit: &'static str,
}

/// One decode token of each run whose report is in `folder`.
pub fn trace_folder(folder: &Path) -> Result<Trace, CompareError> {
    let mut paths = vec![folder.join(BASELINE_FILE)];
    paths.extend(hybrid_reports(folder)?);
    Ok(trace_files(&paths)?)
}

/// One decode token of each run, of their reports.
pub fn trace_files(paths: &[PathBuf]) -> Result<Trace, ArtefactError> {
    let runs = paths.iter().map(|p| read_json::<RunReport>(p));
    let runs = runs.collect::<Result<Vec<_>, _>>()?;
    Ok(trace(&runs.iter().collect::<Vec<_>>()))
}

/// One decode token of each run.
pub fn trace(runs: &[&RunReport]) -> Trace {
    let mut events = Vec::new();
    for (i, run) in runs.iter().enumerate() {
        let pid = i as u32 + 1;
        let device = &run.device;
        let name = match device.tier {
            None => "CPU only".to_string(),
            Some(tier) => format!(
                "{} layers on {} of the {}, cycles {tier}",
                device.layers.len(),
                device.dispatching(),
                device.board.title
            ),
        };
        events.push(named("process_name", pid, HOST, &name));
        events.push(named("thread_name", pid, HOST, "host (measured)"));
        if device.tier.is_some() {
            let name = format!("device ({})", run.timing.tier);
            events.push(named("thread_name", pid, DEVICE, &name));
        }
        for slice in slices(&run.timeline) {
            events.push(slice.event(pid));
        }
    }
    Trace { events, unit: "ns" }
}

fn named(what: &str, pid: u32, tid: u32, name: &str) -> Value {
    json!({ "name": what, "ph": "M", "pid": pid, "tid": tid, "args": { "name": name } })
}

/// Something that is done from `start` on.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// What it is.
    pub name: String,
    /// Stage and block.
    pub stage: String,
    /// Which block; none outside the blocks.
    pub block: Option<usize>,
    /// Whether the device does it.
    pub on_device: bool,
    /// From the beginning of the token.
    pub start: Seconds,
    /// How long.
    pub time: Seconds,
}

impl Slice {
    fn event(&self, pid: u32) -> Value {
        json!({
            "name": self.name,
            "cat": self.stage,
            "ph": "X",
            "ts": self.start.us(),
            "dur": self.time.us(),
            "pid": pid,
            "tid": if self.on_device { DEVICE } else { HOST },
            "args": { "stage": self.stage, "block": self.block },
        })
    }
}

/// What host and device do in a pass, one stage after the other. Beside a device the host has its own rows first, and
/// then what needs the device's results.
pub fn slices(timeline: &[TimelineEvent]) -> Vec<Slice> {
    let mut all = Vec::new();
    let mut now = Seconds::default();
    for event in timeline {
        let stage = stage_name(event.stage);
        let mut add = |name: &str, on_device, start, time: Seconds| {
            if time.0 > 0.0 {
                all.push(Slice {
                    name: name.to_string(),
                    stage: stage.clone(),
                    block: event.block,
                    on_device,
                    start,
                    time,
                });
            }
        };
        let device = event.device_s.total();
        let beside = event.overlap_s;
        add(&stage, false, now, beside);
        let mut at = now;
        for (name, time) in parts(&event.device_s) {
            add(name, true, at, time);
            at += time;
        }
        let rest = event.host_s - beside;
        add(&stage, false, now + device, rest);
        now += device + rest;
    }
    all
}

/// The parts of a device's time, in their order.
fn parts(time: &DeviceTime) -> [(&'static str, Seconds); 4] {
    [
        ("to the device", time.link_to),
        ("dispatch", time.dispatch),
        ("kernel", time.compute),
        ("from the device", time.link_from),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::Stage;

    #[test]
    fn what_is_side_by_side_stands_side_by_side() {
        let us = Seconds::from_us;
        let event = |stage, host, overlap, kernel| TimelineEvent {
            stage,
            block: Some(3),
            host_s: us(host),
            device_s: DeviceTime {
                compute: us(kernel),
                dispatch: us(1.0),
                ..DeviceTime::default()
            },
            overlap_s: us(overlap),
        };
        let mut norm = event(Stage::MlpNorm, 2.0, 0.0, 0.0);
        norm.device_s = DeviceTime::default();
        let slices = slices(&[norm, event(Stage::GateUp, 10.0, 6.0, 8.0)]);
        let found: Vec<(&str, bool, f64, f64)> = slices
            .iter()
            .map(|s| {
                (
                    s.name.as_str(),
                    s.on_device,
                    s.start.us().round(),
                    s.time.us().round(),
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                ("mlp_norm", false, 0.0, 2.0),
                ("gate_up", false, 2.0, 6.0),
                ("dispatch", true, 2.0, 1.0),
                ("kernel", true, 3.0, 8.0),
                ("gate_up", false, 11.0, 4.0),
            ]
        );
    }
}
