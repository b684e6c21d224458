//! What to make of it: sizes, and advice on offloading.

use super::page::Page;
use super::share;
use crate::executor::Phase;
use crate::profile::{by_type, ModuleType, Profile};
use crate::units::{Bytes, Seconds};

pub fn sizes(page: &mut Page, profile: &Profile) {
    page.section("What quantization gains (bytes from the shapes)");
    let head = [
        "linears as",
        "linears",
        "lm_head",
        "together",
        "MB (10^6 B)",
        "MiB (2^20 B)",
        "of f32",
    ];
    let mut t = page.new_table(&head, 1..7);
    let f32_bytes = profile.sizes.first().map_or(0, |s| s.total().0);
    for size in &profile.sizes {
        let total = size.total().0 as f64;
        t.add_row([
            size.format.as_str().to_string(),
            size.linears_bytes.to_string(),
            size.head_bytes.to_string(),
            size.total().to_string(),
            format!("{:.2}", total / 1e6),
            format!("{:.2}", total / f64::from(1 << 20)),
            format!("{:.2} %", 100.0 * total / f32_bytes.max(1) as f64),
        ]);
    }
    page.table(&t);
    let packed: u64 = profile
        .linears(Phase::Decode)
        .map(|l| l.weight_bytes.0)
        .sum();
    page.line(&format!(
        "lm_head is not ternary: it counts at its own precision wherever the linears are smaller. The CPU holds the \
         ternary linears in {}, rows padded.",
        Bytes(packed)
    ));
}

/// What could be gained at most, and why that is not what would be gained.
pub fn advice(page: &mut Page, profile: &Profile) {
    page.section("Offload advice");
    page.line(&text(profile));
}

fn text(profile: &Profile) -> String {
    let Some(token) = profile.pass_median(Phase::Decode) else {
        return "There are no decode times to advise from.".to_string();
    };
    let linears: Seconds = profile
        .linears(Phase::Decode)
        .map(|l| l.times.median_s)
        .sum();
    let movable: Seconds = profile.linears(Phase::Decode).map(|l| l.movable()).sum();
    let host: Seconds = profile
        .groups
        .iter()
        .filter(|g| g.phase == Phase::Decode)
        .map(|g| g.times.median_s)
        .sum();
    let slowest = by_type(profile, Phase::Decode)
        .into_iter()
        .filter(|t| t.module != ModuleType::LmHead)
        .max_by(|a, b| a.pass.0.total_cmp(&b.pass.0));
    let slowest = slowest.map_or(String::new(), |t| {
        format!(", most of it in {} ({})", t.module.as_str(), t.pass)
    });
    let head = profile.head(Phase::Decode);
    let head = head.map_or(Seconds::default(), |h| h.times.median_s);
    let left = token - movable;
    format!(
        "A decode token takes {token} (measured, warm), the ternary linears {linears} of it{slowest}. A device that took \
         over all their sums in no time at all would leave {left} a token (projected: a bound, not a forecast). This \
         profile leaves out what decides: the launch and the link to a device, and the device's own time, are in no \
         profile. What stays on the host stays in the bound: quantising and rescaling {host}, and lm_head {head} ({} of \
         the token), which is dense, not ternary, so no kernel of Tercet takes it. First calls are kept apart as cold: \
         they rank whatever runs first. Medians of single linears need not add up to a token. Prefill is another \
         question than decode, and `tercet select` looks at decode: `tercet select --profile FILE --board u55c` sets \
         these times against launch, link and cycles of a board, and says if moving nothing is best.",
        share(head, token)
    )
}
