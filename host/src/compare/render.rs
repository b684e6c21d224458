//! The comparison for people: one set of tables, for the terminal and for Markdown.

use std::fmt::Write;

use super::{Comparison, Hybrid};
use crate::table::{table, text, Style};
use crate::units::Seconds;

/// Tables for the terminal.
pub fn terminal(c: &Comparison) -> String {
    render(c, Style::Terminal)
}

/// `comparison.md`.
pub fn markdown(c: &Comparison) -> String {
    format!(
        "# CPU only and hybrid, end to end\n\n{}",
        render(c, Style::Markdown)
    )
}

fn render(c: &Comparison, style: Style) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{}: prompt of {} tokens, {} tokens generated\n",
        c.model, c.prompt_tokens, c.tokens
    );
    out.push_str(&totals(c, style));
    for h in &c.hybrids {
        let _ = writeln!(out, "\nOne decode token, {}:\n", title(h));
        out.push_str(&stages(c, h, style));
    }
    if let Some(h) = c.hybrids.first() {
        let _ = writeln!(out, "\nFigures of the {}:\n", h.board.title);
        out.push_str(&figures(h, style));
    }
    out.push_str(
        "\nmeasured: on this machine. cycle-accurate, modelled: cycles counted on the RTL, or by the \
         device model;\nover the clock above, plus what the memory port lacks against a beat a cycle. \
         projected: holds an assumed\nfigure. Simulation wall time enters nowhere.\n\n",
    );
    let _ = writeln!(out, "{}", c.conclusion);
    out
}

fn figures(h: &Hybrid, style: Style) -> String {
    let mut t = table(style, &["figure", "value", "basis", "source"], &[1]);
    for (key, f) in h.board.figures() {
        t.add_row([key, &f.value.to_string(), &f.basis.to_string(), &f.source]);
    }
    text(&t)
}

fn title(h: &Hybrid) -> String {
    format!(
        "{} layers ({}) on a {} kernel at {} MHz, {}, device `{}`",
        h.layers, h.offload, h.geometry, h.board.clock_mhz.value, h.board.title, h.device
    )
}

fn totals(c: &Comparison, style: Style) -> String {
    let mut head = vec!["".to_string(), format!("CPU only ({})", c.cpu.tier)];
    head.extend(
        c.hybrids
            .iter()
            .map(|h| format!("{} on {} ({})", h.offload, h.device, h.totals.tier)),
    );
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let numbers: Vec<usize> = (1..head.len()).collect();
    let mut t = table(style, &head, &numbers);
    let mut row = |label: &str, cpu: String, of: &dyn Fn(&Hybrid) -> String| {
        let mut cells = vec![label.to_string(), cpu];
        cells.extend(c.hybrids.iter().map(of));
        t.add_row(cells);
    };
    let ms = |s: Seconds| format!("{:.3}", s.ms());
    let per_token = |v: u64| {
        // The prompt and every token after the first went through the device.
        let positions = c.prompt_tokens + c.tokens.saturating_sub(1);
        format!("{:.0}", v as f64 / positions.max(1) as f64)
    };
    row("prefill, ms", ms(c.cpu.prefill_s), &|h| {
        ms(h.totals.prefill_s)
    });
    row("decode, ms per token", ms(c.cpu.decode_s), &|h| {
        ms(h.totals.decode_s)
    });
    row(
        "decode, tokens/s",
        format!("{:.1}", c.cpu.decode_tokens_per_s),
        &|h| format!("{:.1}", h.totals.decode_tokens_per_s),
    );
    row("against CPU only", "1.00x".to_string(), &|h| {
        format!("{:.2}x", h.speedup)
    });
    row(
        "tokens identical",
        "".to_string(),
        &|h| match h.first_difference {
            None => "yes".to_string(),
            Some(at) => format!("NO, from token {at}"),
        },
    );
    row("device cycles per token", "".to_string(), &|h| {
        per_token(h.usage.cycles.0)
    });
    row("bytes to device per token", "".to_string(), &|h| {
        per_token(h.usage.bytes_to.0)
    });
    row("bytes from device per token", "".to_string(), &|h| {
        per_token(h.usage.bytes_from.0)
    });
    row("launches in all", "".to_string(), &|h| {
        h.usage.launches.to_string()
    });
    text(&t)
}

fn stages(c: &Comparison, h: &Hybrid, style: Style) -> String {
    let kernel = format!("kernel ({})", h.cycles_tier);
    let link = format!("launch + link ({})", h.board.link_tier());
    let head = [
        "stage",
        "CPU only (measured)",
        "host (measured)",
        &kernel,
        &link,
        "hybrid (projected)",
    ];
    let mut t = table(style, &head, &[1, 2, 3, 4, 5]);
    let show = |s: Seconds| {
        if s == Seconds::default() {
            "-".to_string()
        } else {
            s.to_string()
        }
    };
    let mut listed = Seconds::default();
    for s in &h.decode_stages {
        listed += s.cpu_s;
        let name = serde_json::to_value(s.stage).expect("a unit variant");
        t.add_row([
            name.as_str().unwrap_or_default().to_string(),
            show(s.cpu_s),
            show(s.host_s),
            show(s.device_s.compute),
            show(s.device_s.dispatch + s.device_s.link()),
            show(s.hybrid_s),
        ]);
    }
    let other = c.cpu.decode_s - listed;
    t.add_row([
        "between stages",
        &other.to_string(),
        &other.to_string(),
        "-",
        "-",
        &other.to_string(),
    ]);
    let d = h.decode_device_s;
    t.add_row([
        "all".to_string(),
        c.cpu.decode_s.to_string(),
        (h.totals.decode_s - d.total()).to_string(),
        show(d.compute),
        show(d.dispatch + d.link()),
        h.totals.decode_s.to_string(),
    ]);
    text(&t)
}
