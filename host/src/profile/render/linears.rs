//! Linears: by type, ranked, and all of them.

use super::page::Page;
use super::{name, share};
use crate::executor::Phase;
use crate::profile::{by_type, CallTimes, Profile};
use crate::units::Seconds;

/// A ternary linear or the head.
struct Linear<'a> {
    name: String,
    n: usize,
    k: usize,
    times: &'a CallTimes,
    gb_s: f64,
}

impl Linear<'_> {
    /// Weights: no linear of a BitNet model has a bias.
    fn parameters(&self) -> usize {
        self.n * self.k
    }
}

/// Every linear of a phase, in the order they are computed.
fn linears(profile: &Profile, phase: Phase) -> Vec<Linear<'_>> {
    let ternary = profile.linears(phase).map(|l| Linear {
        name: l.layer.to_string(),
        n: l.n,
        k: l.k,
        times: &l.times,
        gb_s: l.gb_s,
    });
    let head = profile.head(phase).map(|h| Linear {
        name: "lm_head".to_string(),
        n: h.n,
        k: h.k,
        times: &h.times,
        gb_s: h.gb_s,
    });
    ternary.chain(head).collect()
}

fn sum(linears: &[Linear]) -> Seconds {
    linears.iter().map(|l| l.times.median_s).sum()
}

pub fn types(page: &mut Page, profile: &Profile, phase: Phase) {
    page.section(&format!("Linears by type, {}", name(&phase)));
    let head = [
        "type",
        "linears",
        "calls",
        "total",
        "a pass",
        "normalised",
        "share",
        "GB/s",
    ];
    let mut t = page.new_table(&head, 1..8);
    let types = by_type(profile, phase);
    let whole: Seconds = types.iter().map(|t| t.pass).sum();
    for of in &types {
        t.add_row([
            of.module.as_str().to_string(),
            of.linears.to_string(),
            of.calls.to_string(),
            of.total.to_string(),
            of.pass.to_string(),
            profile.clock.normalised(of.pass).to_string(),
            share(of.pass, whole),
            format!("{:.2}", of.gb_s()),
        ]);
    }
    let calls: usize = types.iter().map(|t| t.calls).sum();
    let linears: usize = types.iter().map(|t| t.linears).sum();
    let bytes: u64 = types.iter().map(|t| t.weight_bytes.0).sum();
    t.add_row([
        "all".to_string(),
        linears.to_string(),
        calls.to_string(),
        types.iter().map(|t| t.total).sum::<Seconds>().to_string(),
        whole.to_string(),
        profile.clock.normalised(whole).to_string(),
        share(whole, whole),
        if whole.0 > 0.0 {
            format!("{:.2}", bytes as f64 / whole.0 / 1e9)
        } else {
            "-".to_string()
        },
    ]);
    page.table(&t);
    page.line(
        "A pass: the sum of the linears' warm medians. Total: every call, the first included. lm_head is dense, not \
         ternary. GB/s are weight bytes over the time of a pass; those of ternary linears count weights that sparsity \
         leaves out.",
    );
}

/// By warm median: the first call would rank whatever ran first.
pub fn ranking(page: &mut Page, profile: &Profile, phase: Phase, top: usize) {
    let mut ranked = linears(profile, phase);
    ranked.sort_by(|a, b| b.times.median_s.0.total_cmp(&a.times.median_s.0));
    let whole = sum(&ranked);
    let all = ranked.len();
    ranked.truncate(if top == 0 { all } else { top });
    page.section(&format!(
        "Linears, {}: the {} slowest of {all} by warm median",
        name(&phase),
        ranked.len()
    ));
    let head = [
        "linear",
        "parameters",
        "calls",
        "total",
        "first",
        "min",
        "median",
        "max",
        "normalised",
        "share",
        "GB/s",
        "of limit",
    ];
    let mut t = page.new_table(&head, 1..12);
    for l in &ranked {
        t.add_row([
            l.name.clone(),
            l.parameters().to_string(),
            l.times.calls.to_string(),
            l.times.total().to_string(),
            l.times.cold_s.to_string(),
            l.times.min_s.to_string(),
            l.times.median_s.to_string(),
            l.times.max_s.to_string(),
            profile.clock.normalised(l.times.median_s).to_string(),
            share(l.times.median_s, whole),
            format!("{:.2}", l.gb_s),
            match profile.bandwidth_gb_s {
                Some(limit) => format!("{:.0} %", 100.0 * l.gb_s / limit),
                None => "-".to_string(),
            },
        ]);
    }
    page.table(&t);
    let pass = profile.pass_median(phase).unwrap_or_default();
    page.line(&format!(
        "All {all} together {whole} of a pass's {pass}; these {}, {} of all.",
        sum(&ranked),
        share(sum(&ranked), whole)
    ));
    if let Some(limit) = profile.bandwidth_gb_s {
        page.line(&format!(
            "Limit: the same threads read memory at {limit:.1} GB/s (measured just after); weights beyond it came out of a cache, \
             or were left out for sparsity."
        ));
    }
}

/// Every linear in model order, with its shape.
pub fn all(page: &mut Page, profile: &Profile) {
    let decode = linears(profile, Phase::Decode);
    let prefill = linears(profile, Phase::Prefill);
    page.section(&format!("All {} linears", prefill.len()));
    let head = [
        "linear",
        "parameters",
        "input",
        "output",
        "prefill calls",
        "total",
        "median",
        "share",
        "decode calls",
        "total",
        "median",
        "share",
    ];
    let mut t = page.new_table(&head, 1..12);
    let (whole_prefill, whole_decode) = (sum(&prefill), sum(&decode));
    let tokens = profile.prompt_tokens;
    for (i, p) in prefill.iter().enumerate() {
        // Of a prompt, only the last token needs logits.
        let shape = |features: usize| match p.name == "lm_head" {
            true => format!("[1, {features}]"),
            false => format!("[{tokens} or 1, {features}]"),
        };
        let mut cells = vec![
            p.name.clone(),
            p.parameters().to_string(),
            shape(p.k),
            shape(p.n),
        ];
        for (l, whole) in [(Some(p), whole_prefill), (decode.get(i), whole_decode)] {
            let Some(l) = l else {
                continue;
            };
            cells.push(l.times.calls.to_string());
            cells.push(l.times.total().to_string());
            cells.push(l.times.median_s.to_string());
            cells.push(share(l.times.median_s, whole));
        }
        t.add_row(cells);
    }
    page.table(&t);
    let parameters = prefill.iter().map(Linear::parameters);
    page.line(&format!(
        "{} parameters in all; shapes are [tokens, features], of a prefill or of a decode.",
        parameters.sum::<usize>()
    ));
}
