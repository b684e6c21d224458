use super::*;
use crate::checkpoint::Source;
use crate::model::LoadOptions;
use crate::profile::facts::Overhead;
use crate::profile::{by_type, ModuleType, ProfileConfig};

/// A profile of the embedded model with an overhead of 2 % in a decode.
fn profile() -> Profile {
    let config = ProfileConfig {
        max_tokens: 3,
        rounds: 2,
        overhead: true,
        ..ProfileConfig::default()
    };
    let load = LoadOptions::default();
    let mut p = Profile::measure(&Source::Embedded, &load, &config, &mut |_, _| {}).unwrap();
    p.overhead[1] = Overhead {
        phase: Phase::Decode,
        passes: 2,
        plain_s: Seconds(1.0),
        profiled_s: Seconds(1.02),
        difference_s: None,
    };
    p
}

#[test]
fn every_section_is_there_and_prefill_apart_from_decode() {
    let p = profile();
    let everything = Report {
        top: 3,
        all: true,
        tokens: true,
        ..Report::default()
    };
    let text = render(&p, &everything);
    for part in [
        "System",
        "normalised time",
        "Steps up to",
        "Prefill of",
        "Decode of a token",
        "Linears by type, prefill",
        "Linears by type, decode",
        "the 3 slowest of 43",
        "All 43 linears",
        "Times of a token",
        "Tokens of a round",
        "token 2",
        "What profiling costs",
        "+2.00 %",
        "What quantization gains",
        "Offload advice",
        "tercet select",
        "lm_head",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("NaN") && !text.contains("inf "), "{text}");
    let short = render(&p, &Report::default());
    assert!(!short.contains("Tokens of a round") && !short.contains("All 43 linears"));

    let page = render(
        &p,
        &Report {
            style: Style::Markdown,
            ..everything
        },
    );
    assert!(page.starts_with("## System") && page.contains("| lm_head "));
    let tables = page.lines().filter(|l| l.starts_with("|--")).count();
    assert!(tables >= 12, "{page}");
}

#[test]
fn types_hold_every_linear_once() {
    let p = profile();
    for phase in [Phase::Prefill, Phase::Decode] {
        let types = by_type(&p, phase);
        assert_eq!(types.len(), 8);
        let calls = if phase == Phase::Prefill { 2 } else { 4 };
        for t in &types {
            let linears = if t.module == ModuleType::LmHead { 1 } else { 6 };
            assert_eq!((t.linears, t.calls), (linears, linears * calls), "{t:?}");
            assert!(t.weight_bytes.0 > 0 && t.gb_s() >= 0.0);
        }
    }
    let q = by_type(&p, Phase::Decode)[0];
    let of_q = p
        .linears(Phase::Decode)
        .filter(|l| l.layer.kind as usize == 0);
    assert_eq!(q.pass, of_q.map(|l| l.times.median_s).sum());
}

#[test]
fn steps_tokens_and_memory_follow_the_first_round() {
    let p = profile();
    assert_eq!(p.steps.len(), 4);
    let places: Vec<usize> = p.tokens.iter().map(|t| t.index).collect();
    assert_eq!(places, [0, 1, 2]);
    assert!(p.tokens.iter().all(|t| t.times.calls == 2));
    assert_eq!(p.tokens[0].phase, Phase::Prefill);
    assert_eq!(p.memory.len(), 4 + 3 + 2);
    assert_eq!(p.overhead[0].passes, 1, "the first round does not count");
    assert!(p.memory.is_sorted_by_key(|s| s.time_s));
    for l in &p.linears {
        assert!(
            l.rescale_s.0 >= 0.0 && l.movable() <= l.times.median_s,
            "{l:?}"
        );
    }
    for g in &p.groups {
        assert!(g.times.min_s >= g.rescale_s, "{g:?}");
    }
}
