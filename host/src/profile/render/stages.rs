//! The machine, the steps, and the stages of a pass.

use super::page::Page;
use super::{bytes, name, share};
use crate::executor::Phase;
use crate::model::{CacheUse, HeadKind};
use crate::profile::facts::{Step, StepProfile};
use crate::profile::{CallTimes, Profile};
use crate::units::{Bytes, Seconds};

pub fn system(page: &mut Page, profile: &Profile) {
    let (s, cpu, clock) = (&profile.system, &profile.cpu, &profile.clock);
    page.section("System (all times of this report: measured on this machine)");
    let mut t = page.new_table(&["what", "value"], 0..0);
    let cores = match s.physical_cores {
        Some(physical) => format!("{physical} physical, {} logical", s.logical_cores),
        None => format!("{} logical", s.logical_cores),
    };
    let head = match cpu.lm_head {
        HeadKind::Stored => "as stored",
        HeadKind::Int8 => "int8",
        HeadKind::Screened => "screened",
    };
    let sparsity = if cpu.sparsity { "on" } else { "off" };
    let ghz = |hz: f64| format!("{:.2} GHz", hz / 1e9);
    let reported = match s.clock_mhz {
        0 => "the system reports none".to_string(),
        mhz => format!("the system reports {}", ghz(mhz as f64 * 1e6)),
    };
    for (what, value) in [
        ("model", profile.model.clone()),
        ("CPU", s.cpu.clone()),
        ("cores", cores),
        ("instruction sets", s.isa.join(" ")),
        ("memory", s.memory_bytes.to_string()),
        ("system", s.os.clone()),
        (
            "computed with",
            format!(
                "{} threads, kernel {}, lm_head {head}, sparsity {sparsity}",
                cpu.threads, cpu.kernel
            ),
        ),
        (
            "prompt",
            format!(
                "{} tokens, {} generated, {} rounds",
                profile.prompt_tokens, profile.generated_tokens, profile.rounds
            ),
        ),
        (
            "clock",
            format!(
                "{} by a timed chain of dependent additions on one thread ({} before, {} after); {reported}",
                ghz(clock.actual_hz()),
                ghz(clock.before_hz),
                ghz(clock.after_hz)
            ),
        ),
        (
            "normalised time",
            format!(
                "time x {} / {} (the chain's clock, not the system's)",
                ghz(clock.actual_hz()),
                ghz(clock.reference_hz)
            ),
        ),
    ] {
        t.add_row([what.to_string(), value]);
    }
    page.table(&t);
}

fn label(profile: &Profile, step: Step) -> String {
    match step {
        Step::Load => match profile.cpu.weights {
            CacheUse::None => "load: weights packed".to_string(),
            CacheUse::Written => "load: weights packed and kept in the cache".to_string(),
            CacheUse::Read => "load: packed weights out of the cache".to_string(),
        },
        Step::Tokenizer => "tokenizer".to_string(),
        Step::Prefill => format!("first prefill, {} tokens", profile.prompt_tokens),
        Step::Decode => {
            let tokens = profile.generated_tokens.saturating_sub(1);
            format!("first decode, {tokens} tokens")
        }
    }
}

/// How much memory a step took or gave back.
fn change(before: Option<Bytes>, after: Option<Bytes>) -> String {
    match (before, after) {
        (Some(before), Some(after)) if after < before => {
            format!("-{}", Bytes(before.0 - after.0))
        }
        (Some(before), Some(after)) => format!("+{}", Bytes(after.0 - before.0)),
        _ => "n/a".to_string(),
    }
}

pub fn steps(page: &mut Page, profile: &Profile) {
    page.section("Steps up to the end of the first round, all cold");
    let head = ["step", "time", "normalised", "share", "RSS after", "change"];
    let mut t = page.new_table(&head, 1..6);
    let whole: Seconds = profile.steps.iter().map(|s| s.time_s).sum();
    let mut row = |label: String, time: Seconds, before, after| {
        t.add_row([
            label,
            time.to_string(),
            profile.clock.normalised(time).to_string(),
            share(time, whole),
            bytes(after),
            change(before, after),
        ]);
    };
    for s in &profile.steps {
        row(
            label(profile, s.step),
            s.time_s,
            s.rss_before_bytes,
            s.rss_after_bytes,
        );
    }
    let before = |s: &StepProfile| s.rss_before_bytes;
    let after = |s: &StepProfile| s.rss_after_bytes;
    row(
        "total".to_string(),
        whole,
        profile.steps.first().and_then(before),
        profile.steps.last().and_then(after),
    );
    page.table(&t);
}

pub fn passes(page: &mut Page, profile: &Profile, phase: Phase) {
    page.section(&match phase {
        Phase::Prefill => format!("Prefill of {} tokens: stages", profile.prompt_tokens),
        Phase::Decode => "Decode of a token: stages".to_string(),
    });
    let head = [
        "stage",
        "calls",
        "first",
        "min",
        "median",
        "max",
        "normalised",
        "share",
    ];
    let mut t = page.new_table(&head, 1..8);
    let stages = || profile.stages.iter().filter(move |s| s.phase == phase);
    let whole: Seconds = stages().map(|s| s.times.median_s).sum();
    let mut row = |label: String, times: &CallTimes, share: String| {
        t.add_row([
            label,
            times.calls.to_string(),
            times.cold_s.to_string(),
            times.min_s.to_string(),
            times.median_s.to_string(),
            times.max_s.to_string(),
            profile.clock.normalised(times.median_s).to_string(),
            share,
        ]);
    };
    for stage in stages() {
        let part = share(stage.times.median_s, whole);
        row(name(&stage.stage), &stage.times, part);
    }
    for pass in profile.passes.iter().filter(|p| p.phase == phase) {
        row("whole pass".to_string(), &pass.times, String::new());
    }
    page.table(&t);
    page.line("Warm medians, the first call apart; shares are of the sum of the stages' medians.");
}

pub fn overhead(page: &mut Page, profile: &Profile) {
    if profile.overhead.is_empty() {
        return;
    }
    page.section("What profiling costs");
    let head = ["phase", "passes", "without", "profiled", "overhead"];
    let mut t = page.new_table(&head, 1..5);
    for o in &profile.overhead {
        t.add_row([
            name(&o.phase),
            o.passes.to_string(),
            o.plain_s.to_string(),
            o.profiled_s.to_string(),
            format!("{:+.2} %", 100.0 * o.share()),
        ]);
    }
    page.table(&t);
    page.line(
        "Medians of the same passes, in turn with and without a clock, round by round; the overhead is the median of the \
         differences pass by pass. Few passes or a busy machine give noise, which can be negative.",
    );
}

/// Counters of the processor, a pass.
pub fn counters(page: &mut Page, profile: &Profile) {
    page.section("Hardware counters");
    if let Some(why) = &profile.counters.unavailable {
        page.line(&format!("None: {why}."));
        return;
    }
    let head = [
        "phase",
        "cycles a pass",
        "instructions a pass",
        "instructions a cycle",
        "cache misses a pass",
    ];
    let mut t = page.new_table(&head, 1..5);
    for phase in [Phase::Prefill, Phase::Decode] {
        let Some(counts) = profile.counters.of(phase) else {
            continue;
        };
        let passes = match phase {
            Phase::Prefill => profile.rounds,
            Phase::Decode => profile.rounds * profile.generated_tokens.saturating_sub(1),
        };
        let each = |count: u64| (count / passes.max(1) as u64).to_string();
        t.add_row([
            name(&phase),
            each(counts.cycles),
            each(counts.instructions),
            format!(
                "{:.2}",
                counts.instructions as f64 / counts.cycles.max(1) as f64
            ),
            counts.cache_misses.map_or("-".to_string(), each),
        ]);
    }
    page.table(&t);
    page.line("All threads, in user mode (measured).");
}
