//! Tokens: statistics and list; memory over time.

use super::page::Page;
use super::{bytes, name};
use crate::executor::Phase;
use crate::profile::{Moment, Profile};

pub fn statistics(page: &mut Page, profile: &Profile) {
    page.section("Times of a token, whole passes");
    let head = [
        "phase", "calls", "first", "min", "max", "mean", "sd", "median", "p95", "tokens/s",
    ];
    let mut t = page.new_table(&head, 1..10);
    for pass in &profile.passes {
        let times = &pass.times;
        let tokens = match pass.phase {
            Phase::Prefill => profile.prompt_tokens,
            Phase::Decode => 1,
        };
        let mut cells = vec![name(&pass.phase), times.calls.to_string()];
        let columns = [
            times.cold_s,
            times.min_s,
            times.max_s,
            times.mean_s,
            times.sd_s,
            times.median_s,
            times.p95_s,
        ];
        cells.extend(columns.map(|s| s.to_string()));
        cells.push(format!("{:.2}", tokens as f64 / times.median_s.0));
        t.add_row(cells);
    }
    page.table(&t);
    page.line("All but `first` are of the warm passes, tokens/s of their median.");
}

pub fn list(page: &mut Page, profile: &Profile) {
    page.section("Tokens of a round");
    let head = [
        "index",
        "id",
        "phase",
        "first round",
        "median",
        "normalised",
        "RSS",
        "text",
    ];
    let mut t = page.new_table(&head, 0..7);
    for token in &profile.tokens {
        t.add_row([
            token.index.to_string(),
            token.id.to_string(),
            name(&token.phase),
            token.times.cold_s.to_string(),
            token.times.median_s.to_string(),
            profile.clock.normalised(token.times.median_s).to_string(),
            bytes(token.rss_bytes),
            page.quoted(&token.text),
        ]);
    }
    page.table(&t);
    page.line("Medians are of the rounds after the first; RSS as it was in the first.");
}

/// Ends of steps and rounds; all of the timeline if `every`.
pub fn memory(page: &mut Page, profile: &Profile, every: bool) {
    page.section("Memory");
    let head = ["after", "at", "RSS", "virtual", "system used"];
    let mut t = page.new_table(&head, 1..5);
    let last_token = profile.generated_tokens.saturating_sub(1);
    let last_round = profile.rounds.saturating_sub(1);
    for sample in &profile.memory {
        let (label, shown) = match sample.after {
            Moment::Start => ("(start)".to_string(), true),
            Moment::Load => ("load".to_string(), true),
            Moment::Tokenizer => ("tokenizer".to_string(), true),
            Moment::Threads => ("threads".to_string(), true),
            Moment::Token(0) => ("token 0 (prefill)".to_string(), true),
            Moment::Token(i) => (format!("token {i}"), i == last_token),
            Moment::Round(i) => (format!("round {i}"), i == 0 || i == last_round),
        };
        if shown || every {
            t.add_row([
                label,
                sample.time_s.to_string(),
                bytes(sample.memory.rss_bytes),
                bytes(sample.memory.virtual_bytes),
                bytes(sample.memory.system_used_bytes),
            ]);
        }
    }
    page.table(&t);
    let highest = profile.memory.iter().filter_map(|s| s.memory.rss_bytes);
    page.line(&format!(
        "Highest RSS seen: {} (pages of mapped files that were touched count). System used: total less available.",
        bytes(highest.max())
    ));
}
