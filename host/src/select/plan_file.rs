//! The selection as a plan that people read and edit, and `run` executes.

use std::fmt::Write;

use super::Selection;
use crate::plan::SCHEMA;

/// `plan.toml`; `board` is the name or path that finds the board again.
pub fn plan_toml(s: &Selection, board: &str) -> String {
    let quote = |text: &str| toml::Value::String(text.to_string()).to_string();
    let (tier, cpu_tier) = (s.device_tier(), s.cpu_tier());
    let mut out = String::new();
    let _ = writeln!(
        out,
        "# Which layers of the model run on the device. Written by `tercet select`, yours to edit:\n\
         # set `offload` of a layer, then  tercet run --offload plan.toml --device rtl ...\n\
         # Only schema, board, geometry and the layers' name and offload are needed to run (cus 1, mode launch); model, n and k\n\
         # (rows and columns) are checked against the model if they are there.\n\
         #\n\
         # rows       of a layer that is split: its first rows, on the device; the CPU computes the others meanwhile\n\
         # cpu_us     ternary sums of one pass on the CPU, warm median              {cpu_tier}\n\
         # device_us  what the layer adds on the device: launch, link and kernel    {tier}\n\
         #            (kernel cycles modelled, launch and link from the board file)\n\
         # gain_us    what the layer saves of its group's time                      {tier}\n\
         #\n\
         # device_us and gain_us of single layers cannot be summed: the moved layers of a group (q k v, gate up)\n\
         # share one launch and one input. Each row is what this layer adds to what else moves of its group;\n\
         # ms_per_token_hybrid is the whole.\n\
         schema = {}\n\
         model = {}\n\
         decision = {}\n\
         recommended = {}\n\
         board = {}  # {} at {} MHz\n\
         geometry = {}  # bus bits - encoding (b2: 2 bits, b3: 1.6 bits a weight)\n\
         cus = {}  # compute units that share the rows of each layer\n\
         mode = {}  # how commands reach them: launch or ring\n\
         ms_per_token_cpu = {:.4}  # {cpu_tier}\n\
         ms_per_token_hybrid = {:.4}  # {tier}\n\
         layers = [",
        quote(SCHEMA),
        quote(&s.model),
        quote(&s.decision),
        s.recommended,
        quote(board),
        s.board.title,
        s.board.clock_mhz.value,
        quote(&s.geometry.to_string()),
        s.dispatch.cus,
        quote(&s.dispatch.mode.to_string()),
        s.token_cpu.ms(),
        s.token_hybrid.ms(),
    );
    let width = s
        .layers
        .iter()
        .map(|l| l.layer.to_string().len())
        .max()
        .unwrap_or(0)
        + 3;
    for l in &s.layers {
        let name = quote(&l.layer.to_string()) + ",";
        let offload = format!("{},", l.offload);
        let _ = writeln!(
            out,
            "  {{ name = {name:width$} n = {}, k = {}, offload = {offload:6}{} cpu_us = {:.1}, device_us = {:.1}, gain_us = {:.1}, reason = {} }},",
            l.n,
            l.k,
            match l.offload && l.rows < l.n {
                true => format!(" rows = {},", l.rows),
                false => String::new(),
            },
            l.cpu.us(),
            l.device.total().us(),
            l.gain.us(),
            quote(&l.reason),
        );
    }
    let p = &s.predicted;
    let _ = writeln!(
        out,
        "]\n\n\
         # One pass as the model sees it ({tier}), for `tercet compare` to hold against a run of this plan; it is left out\n\
         # of account once another number of rows is moved.\n\
         [predicted]\n\
         pass = {}\n\
         rows = {}\n\
         dispatches = {}\n\
         cycles = {}\n\
         host_ms = {:.6}\n\
         dispatch_ms = {:.6}\n\
         link_to_ms = {:.6}\n\
         compute_ms = {:.6}\n\
         link_from_ms = {:.6}\n\
         overlap_ms = {:.6}",
        quote(&s.workload.to_string()),
        p.rows,
        p.dispatches,
        p.cycles.0,
        p.host.ms(),
        p.device.dispatch.ms(),
        p.device.link_to.ms(),
        p.device.compute.ms(),
        p.device.link_from.ms(),
        p.overlap.ms(),
    );
    out
}

#[cfg(test)]
mod tests {
    use tercet_contract::Geometry;

    use super::*;
    use crate::board::Board;
    use crate::device::{DeviceLayers, Dispatching, Mode, Part};
    use crate::plan::Plan;
    use crate::select::render::render;
    use crate::select::{Predicted, RankedLayer, Workload};
    use crate::time_model::DeviceTime;
    use crate::units::{Cycles, Seconds};

    #[test]
    fn a_written_plan_is_read_back() {
        let layer = |name: &str, rows| RankedLayer {
            layer: name.parse().unwrap(),
            n: 64,
            k: 64,
            offload: rows > 0,
            rows,
            cpu: Seconds::from_us(3.0),
            device: DeviceTime::default(),
            gain: Seconds::from_us(3.0),
            reason: "quoted \"so\"".to_string(),
        };
        let parts = DeviceLayers::from([
            ("layers.1.mlp.up_proj".parse().unwrap(), Part::Whole),
            ("layers.0.mlp.up_proj".parse().unwrap(), Part::First(16)),
        ]);
        let selection = Selection {
            model: "a \"model\"".to_string(),
            board: Board::find("u50").unwrap(),
            geometry: Geometry::DEFAULT,
            dispatch: Dispatching {
                mode: Mode::Ring,
                cus: 2,
            },
            workload: Workload::TOKEN,
            tokens: 1,
            recommended: true,
            decision: "offload 1 of 2 layers".to_string(),
            token_cpu: Seconds(1e-3),
            token_hybrid: Seconds(9e-4),
            predicted: Predicted {
                rows: 80,
                cycles: Cycles(1234),
                host: Seconds(8e-4),
                ..Predicted::default()
            },
            energy: None,
            memory_limited: false,
            layers: vec![
                layer("layers.1.mlp.up_proj", 64),
                layer("layers.0.mlp.up_proj", 16),
                layer("layers.0.self_attn.q_proj", 0),
            ],
            parts: parts.clone(),
            too_large: vec!["layers.1.mlp.down_proj".parse().unwrap()],
            head: None,
        };
        let text = plan_toml(&selection, "u50");
        let plan = Plan::parse("plan.toml", &text, 2).unwrap();
        assert_eq!(plan.board, "u50");
        assert_eq!(plan.geometry, selection.geometry);
        assert_eq!(plan.dispatch, selection.dispatch);
        assert_eq!(plan.layers, parts);
        let predicted = plan.predicted.unwrap();
        assert_eq!((predicted.cycles, predicted.rows), (Cycles(1234), 80));
        assert!((predicted.host.ms() - 0.8).abs() < 1e-6);
        let table = render(&selection, 2);
        assert!(table.contains("2 of 3 layers") && table.contains("16 rows"));
        assert!(table.contains("1 more stay on the CPU") && table.contains("down_proj"));
    }
}
