//! The rows for people, and for spreadsheets.

use std::fmt::Write;

use super::{BenchReport, BenchRow, Spread};
use crate::table::{table, text, Style};
use crate::units::Bytes;

/// A head of two lines and a table.
pub fn render(report: &BenchReport, style: Style) -> String {
    let (s, shape) = (&report.system, &report.shape);
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{}: {} blocks of {} x {}, vocabulary {}, {} of ternary weights; tercet {}\n\
         {}, {} cores, {}; kernel {}, head {}, sparsity {}, {} repetitions; all {}, bytes counted\n\
         load {} (weight cache: {}), first token after {}, peak memory {}\n",
        report.model,
        shape.blocks,
        shape.hidden,
        shape.intermediate,
        shape.vocab,
        shape.ternary_bytes,
        report.tercet_version,
        s.cpu,
        s.logical_cores,
        s.memory_bytes,
        report.kernel,
        report.head,
        on_off(report.sparsity),
        report.repetitions,
        report.tier,
        report.load_s,
        report.weight_cache,
        report.first_token_s,
        report
            .peak_rss_bytes
            .map_or("unknown".to_string(), |b| b.to_string()),
    );
    let head = [
        "threads",
        "prefill",
        "prefill, tokens/s",
        "context",
        "decode",
        "decode, tokens/s",
        "median",
        "a token reads",
        "memory reads",
        "share",
    ];
    let mut t = table(style, &head, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for row in &report.results {
        t.add_row(cells(row));
    }
    out.push_str(&text(&t));
    out
}

fn cells(row: &BenchRow) -> [String; 10] {
    let none = || "-".to_string();
    let rate =
        |s: Option<Spread>| s.map_or_else(none, |s| format!("{:.2} ± {:.2}", s.mean, s.std_dev));
    let bytes = row.bytes_per_token.map(|b| Bytes(b.round() as u64));
    [
        row.threads.to_string(),
        row.prefill_tokens.to_string(),
        rate(row.prefill),
        row.context_tokens.to_string(),
        row.decode_tokens.to_string(),
        rate(row.decode),
        row.decode.map_or_else(none, |s| format!("{:.2}", s.median)),
        bytes.map_or_else(none, |b| b.to_string()),
        format!("{}/s", Bytes(row.read_bandwidth_bytes_per_s.round() as u64)),
        row.bandwidth_share
            .map_or_else(none, |s| format!("{:.1} %", 100.0 * s)),
    ]
}

const fn on_off(sparsity: bool) -> &'static str {
    if sparsity {
        "on"
    } else {
        "off"
    }
}

/// A line of names, then one for each row; what was not measured is empty.
pub fn csv(report: &BenchReport) -> String {
    let mut out = String::new();
    for (i, row) in report.results.iter().enumerate() {
        let (names, values): (Vec<_>, Vec<_>) = fields(report, row).into_iter().unzip();
        if i == 0 {
            let _ = writeln!(out, "{}", names.join(","));
        }
        let _ = writeln!(out, "{}", values.join(","));
    }
    out
}

fn fields(report: &BenchReport, row: &BenchRow) -> Vec<(String, String)> {
    let number = |v: Option<f64>| v.map_or(String::new(), |v| v.to_string());
    let peak = report
        .peak_rss_bytes
        .map_or(String::new(), |b| b.0.to_string());
    let mut fields = Vec::new();
    let mut field = |name: &str, value: String| fields.push((name.to_string(), quoted(value)));
    field("tercet_version", report.tercet_version.clone());
    field("tier", report.tier.to_string());
    field("model", report.model.clone());
    field("cpu", report.system.cpu.clone());
    field("kernel", report.kernel.clone());
    field("head", report.head.clone());
    field("sparsity", on_off(report.sparsity).to_string());
    field("repetitions", report.repetitions.to_string());
    field("threads", row.threads.to_string());
    field("prefill_tokens", row.prefill_tokens.to_string());
    field("decode_tokens", row.decode_tokens.to_string());
    field("context_tokens", row.context_tokens.to_string());
    for (phase, spread) in [("prefill", row.prefill), ("decode", row.decode)] {
        field(
            &format!("{phase}_tokens_per_s"),
            number(spread.map(|s| s.mean)),
        );
        field(
            &format!("{phase}_std_dev"),
            number(spread.map(|s| s.std_dev)),
        );
        field(&format!("{phase}_min"), number(spread.map(|s| s.min)));
        field(&format!("{phase}_median"), number(spread.map(|s| s.median)));
        field(&format!("{phase}_max"), number(spread.map(|s| s.max)));
    }
    field("weight_bytes_per_token", number(row.weight_bytes_per_token));
    field("kv_bytes_per_token", number(row.kv_bytes_per_token));
    field("bytes_per_token", number(row.bytes_per_token));
    field(
        "read_bandwidth_bytes_per_s",
        row.read_bandwidth_bytes_per_s.to_string(),
    );
    field("bandwidth_share", number(row.bandwidth_share));
    field("weight_cache", report.weight_cache.clone());
    field("load_s", report.load_s.0.to_string());
    field("first_token_s", report.first_token_s.0.to_string());
    field("peak_rss_bytes", peak);
    fields
}

/// A value in quotes if it would be read as several.
fn quoted(value: String) -> String {
    if value.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artefact::{read_json, write_json, Overwrite};
    use crate::bench::ModelShape;
    use crate::system::SystemFacts;
    use crate::tier::Tier;
    use crate::units::Seconds;

    fn report(rows: usize) -> BenchReport {
        let row = BenchRow {
            threads: 2,
            prefill_tokens: 0,
            decode_tokens: 32,
            context_tokens: 8,
            prefill: None,
            prefill_tokens_per_s: None,
            decode: Spread::of(&[9.0, 10.0, 14.0]),
            decode_tokens_per_s: Some(11.0),
            weight_bytes_per_token: Some(5e8),
            kv_bytes_per_token: Some(1e6),
            bytes_per_token: Some(5.01e8),
            read_bandwidth_bytes_per_s: 2e10,
            bandwidth_share: Some(0.27555),
        };
        BenchReport {
            tercet_version: "0.1.0".into(),
            tier: Tier::Measured,
            model: "a,\"b\"".into(),
            shape: ModelShape {
                blocks: 30,
                hidden: 2560,
                intermediate: 6912,
                heads: 20,
                kv_heads: 5,
                vocab: 128_256,
                ternary_weights: 4,
                ternary_bytes: Bytes(1),
            },
            system: SystemFacts::read(),
            kernel: "avx2".into(),
            head: "bf16".into(),
            sparsity: true,
            repetitions: 3,
            seed: 1,
            weight_cache: "read".into(),
            load_s: Seconds(1.5),
            first_token_s: Seconds(1.75),
            peak_rss_bytes: None,
            remarks: Vec::new(),
            only: (rows == 1).then(|| row.clone()),
            results: vec![row; rows],
        }
    }

    #[test]
    fn tables_name_the_tier_and_leave_out_what_was_not_measured() {
        let terminal = render(&report(1), Style::Terminal);
        for part in [
            "30 blocks",
            "all measured",
            "load 1.50 s",
            "unknown",
            "27.6 %",
        ] {
            assert!(terminal.contains(part), "{part} in {terminal}");
        }
        let markdown = render(&report(2), Style::Markdown);
        let rows: Vec<&str> = markdown.lines().filter(|l| l.starts_with('|')).collect();
        assert_eq!(rows.len(), 4, "head, rule, two rows: {markdown}");
        assert!(rows[2].contains("11.00 ± 2.65"), "{markdown}");
        assert!(rows[2].contains("501.00 MB") && rows[2].contains("20.00 GB/s"));
    }

    #[test]
    fn csv_has_as_many_values_as_names() {
        let text = csv(&report(2));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].contains(",\"a,\"\"b\"\"\","), "{text}");
        let plain = lines[1].replace("\"a,\"\"b\"\"\"", "a");
        let plain = plain.replace(&quoted(report(1).system.cpu), "c");
        assert_eq!(plain.split(',').count(), lines[0].split(',').count());
    }

    #[test]
    fn a_single_row_stands_at_the_top_as_well() {
        let dir = tempfile::tempdir().unwrap();
        for rows in [1, 2] {
            let report = report(rows);
            let json = serde_json::to_value(&report).unwrap();
            assert_eq!(json["decode_tokens_per_s"].is_number(), rows == 1);
            assert_eq!(json["decode"]["median"].is_number(), rows == 1);
            assert_eq!(json["results"][0]["bytes_per_token"], 5.01e8);
            let path = dir.path().join(format!("{rows}.json"));
            write_json(&path, &report, Overwrite::Refuse).unwrap();
            assert_eq!(read_json::<BenchReport>(&path).unwrap(), report);
        }
    }
}
