//! Parameters and memory as tables.

use std::fmt::Write;

use super::numbers::{binary, both, bytes, grouped, percent, scaled};
use crate::analyze::report::Analysis;
use crate::analyze::tensors::Part;
use crate::table::{table, text, Style};

/// By part, by block, and the linears.
pub fn parameters(a: &Analysis) -> String {
    let p = &a.parameters;
    let share = |n: u64| percent(n as f64 / p.total.max(1) as f64);
    let mut rows = table(
        Style::Terminal,
        &["part", "parameters", "share", "of a block"],
        &[1, 2, 3],
    );
    for part in Part::ALL {
        let n = p.by_type.get(part);
        let tied = part == Part::LmHead && a.model.tied && n == 0;
        if n == 0 && !tied {
            continue;
        }
        let block = p.blocks.first().map_or(0, |b| b.by_type.get(part));
        rows.add_row([
            part.as_str().to_string(),
            if tied { "tied".to_string() } else { grouped(n) },
            share(n),
            if block == 0 {
                String::new()
            } else {
                grouped(block)
            },
        ]);
    }
    rows.add_row([
        "total".to_string(),
        grouped(p.total),
        share(p.total),
        String::new(),
    ]);
    let mut out = format!("## Parameters ({})\n\n{}", a.counts_tier, text(&rows));
    for b in &p.blocks {
        let (first, last) = (b.first, b.last);
        let which = match first == last {
            true => format!("block {first} has"),
            false => format!("blocks {first} to {last} have"),
        };
        let each = if first == last { "" } else { " each" };
        let _ = writeln!(out, "{which} {} parameters{each}", grouped(b.parameters));
    }
    let m = &a.model;
    if m.kv_heads < m.heads {
        let widths = (m.heads - m.kv_heads) * m.head_dim;
        let saved = 2.0 * m.layers as f64 * m.hidden as f64 * widths as f64;
        let _ = writeln!(
            out,
            "with a kv head for every query head (MHA) k and v would have {} more",
            scaled(saved, "")
        );
    }
    if p.weight_scales > 0 {
        let _ = writeln!(
            out,
            "besides {} weight scales, one a ternary matrix (not parameters)",
            p.weight_scales
        );
    }
    out.push('\n');
    out + &linears(a)
}

fn linears(a: &Analysis) -> String {
    let l = &a.parameters.linears;
    let head = [
        "linear",
        "N",
        "K",
        "count",
        "weights of one",
        "weights of all",
        "share",
        "form",
    ];
    let mut rows = table(Style::Terminal, &head, &[1, 2, 3, 4, 5, 6]);
    for kind in &l.kinds {
        let all = kind.parameters as f64 * kind.count as f64;
        let tied = kind.name == "lm_head" && a.model.tied;
        rows.add_row([
            kind.name.clone(),
            kind.n.to_string(),
            kind.k.to_string(),
            kind.count.to_string(),
            grouped(kind.parameters),
            grouped(kind.parameters.saturating_mul(kind.count)),
            percent(all / l.parameters.max(1) as f64),
            match (kind.ternary, tied) {
                (true, _) => "ternary".to_string(),
                (false, true) => "dense, the embedding".to_string(),
                (false, false) => "dense".to_string(),
            },
        ]);
    }
    let ternary = match l.ternary_parameters {
        0 => String::new(),
        n => format!(", of which {} are ternary", grouped(n)),
    };
    format!(
        "{}{} linears with {} weights{ternary}\n",
        text(&rows),
        l.count,
        grouped(l.parameters)
    )
}

/// Theory, headers, measurements and reasons.
pub fn comparison(a: &Analysis) -> String {
    let head = ["what", "theory", "checkpoint", "measured", "difference"];
    let mut rows = table(Style::Terminal, &head, &[1, 2, 3, 4]);
    let mut why = String::new();
    for c in &a.comparison {
        let value = |v: u64| match c.unit.as_str() {
            "bytes" => format!("{} = {}", bytes(v), binary(v)),
            _ => grouped(v),
        };
        let known = c.measured.or(c.checkpoint).unwrap_or(c.theory);
        let difference = i128::from(known) - i128::from(c.theory);
        let sign = if difference < 0 { "-" } else { "+" };
        let amount = difference.unsigned_abs() as u64;
        rows.add_row([
            c.what.clone(),
            value(c.theory),
            c.checkpoint.map_or(String::new(), value),
            c.measured.map_or(String::new(), value),
            match (difference, c.unit.as_str()) {
                (0, _) => "0".to_string(),
                (_, "bytes") => format!("{sign}{}", bytes(amount)),
                _ => format!("{sign}{}", grouped(amount)),
            },
        ]);
        if !c.why.is_empty() {
            let _ = writeln!(why, "- {}: {}", c.what, c.why);
        }
    }
    format!("## Theory, checkpoint, measurement\n\n{}{why}", text(&rows))
}

/// Weights, cache, activations, training.
pub fn memory(a: &Analysis) -> String {
    let m = &a.memory;
    let mut out = format!(
        "## Memory ({})\n\nkB, MB, GB are powers of 1000; KiB, MiB, GiB are powers of 1024\n\n",
        a.counts_tier
    );
    let head = [
        "linears",
        "bytes of the linears",
        "all other weights",
        "weights",
        "powers of 1024",
    ];
    let mut rows = table(Style::Terminal, &head, &[1, 2, 3, 4]);
    for f in &m.weights {
        rows.add_row([
            format!("{} bit", f.bits),
            bytes(f.linear_bytes),
            bytes(f.other_bytes),
            bytes(f.bytes),
            binary(f.bytes),
        ]);
    }
    out += &text(&rows);
    out += "embedding, head, norms and biases stay at 16 bit where the linears are smaller\n\n";
    out += &kv_cache(a);
    out.push('\n');
    out += &sums(a);
    if let (Some(masks), Some(p)) = (m.causal_mask_bytes, a.model.max_positions) {
        let _ = writeln!(
            out,
            "not in these sums: scores of a block, if attention stored them, {}; a bool mask of {p} x {p} in each \
             block, where an implementation stores such, {}",
            both(m.activations.stored_scores_bytes),
            both(masks)
        );
    }
    out
}

/// Inference and training, item by item.
fn sums(a: &Analysis) -> String {
    let (m, x, t) = (&a.memory, &a.memory.activations, &a.memory.training);
    let mut rows = table(
        Style::Terminal,
        &["inference", "bytes", "powers of 1024"],
        &[1, 2],
    );
    let mut row = |what: &str, n: u64| {
        rows.add_row([what.to_string(), bytes(n), binary(n)]);
    };
    row("weights", m.weight_bytes);
    row("KV cache at the end", m.kv_cache.end_bytes);
    row(
        "activations of the prompt (estimate): residual",
        x.residual_bytes,
    );
    row("  widest moment of a block", x.block_bytes);
    row("  logits, f32", x.logits_bytes);
    row("together", m.inference_bytes);
    if a.workload.tp > 1 {
        row("one rank", m.rank_bytes);
    }
    let mut training = table(
        Style::Terminal,
        &[
            "training in f32 with Adam, without activations",
            "bytes",
            "powers of 1024",
        ],
        &[1, 2],
    );
    for (what, n) in [
        ("weights", t.weight_bytes),
        ("gradients", t.gradient_bytes),
        ("optimizer", t.optimizer_bytes),
        ("together", t.bytes),
    ] {
        training.add_row([what.to_string(), bytes(n), binary(n)]);
    }
    text(&rows) + "\n" + &text(&training)
}

fn kv_cache(a: &Analysis) -> String {
    let kv = &a.memory.kv_cache;
    let mut out = format!("KV cache, 16 bit: {} a token", both(kv.token_bytes));
    if kv.token_bytes != kv.token_bytes_as_mha {
        let _ = write!(
            out,
            "; {} with a kv head for every query head, {:.4} times as much",
            bytes(kv.token_bytes_as_mha),
            kv.token_bytes_as_mha as f64 / kv.token_bytes.max(1) as f64
        );
    }
    let _ = writeln!(
        out,
        "; this batch after the prompt {} ({} a block)",
        both(kv.prompt_bytes),
        bytes(kv.prompt_block_bytes)
    );
    let mut batches: Vec<u64> = kv.table.iter().map(|row| row.batch).collect();
    batches.sort_unstable();
    batches.dedup();
    let head: Vec<String> = std::iter::once("length".to_string())
        .chain(batches.iter().map(|b| format!("batch {b}")))
        .collect();
    let names: Vec<&str> = head.iter().map(String::as_str).collect();
    let numbers: Vec<usize> = (0..names.len()).collect();
    let mut rows = table(Style::Terminal, &names, &numbers);
    for line in kv.table.chunks(batches.len()) {
        let length = line.first().map_or(0, |row| row.length);
        let cells = line.iter().map(|row| both(row.bytes));
        rows.add_row(std::iter::once(grouped(length)).chain(cells));
    }
    out + &text(&rows)
}
