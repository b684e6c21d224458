//! `report.html`: one file that needs nothing but a browser.

use minijinja::{context, AutoEscape, Environment, Value};

use super::figures::Figure;
use super::sources::Sources;
use super::views::views;
use super::ReportError;
use crate::picture::on_page;
use crate::tier::Tier;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// A figure that stands at the top.
#[derive(serde::Serialize)]
struct Card {
    value: String,
    what: String,
    tier: String,
}

/// The page.
pub fn html(sources: &Sources, figures: &[Figure]) -> Result<String, ReportError> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_template("page", PAGE)?;
    let c = &sources.comparison;
    let mut drawn = Vec::new();
    for figure in figures {
        drawn.push(context! {
            name => figure.name,
            heading => figure.heading,
            caption => figure.caption,
            svg => Value::from_safe_string(on_page(&figure.drawing, &figure.caption)?),
        });
    }
    let page = environment.get_template("page")?.render(context! {
        style => Value::from_safe_string(STYLE.to_string()),
        script => Value::from_safe_string(SCRIPT.to_string()),
        version => env!("CARGO_PKG_VERSION"),
        model => c.model,
        conclusion => c.conclusion,
        verdict => if c.conclusion.starts_with("Offload") { "yes" } else { "no" },
        cards => cards(sources),
        system => format!("{}, {} threads", c.system.cpu, c.threads),
        prompt => sources.cpu.prompt,
        text => sources.cpu.text,
        tokens => c.tokens,
        figures => drawn,
        views => views(sources),
        missing => sources.missing,
    })?;
    Ok(page)
}

/// Whether it pays, how much, and how sure that is.
fn cards(sources: &Sources) -> Vec<Card> {
    let c = &sources.comparison;
    let card = |value: String, what: &str, tier: Tier| Card {
        value,
        what: what.to_string(),
        tier: tier.to_string(),
    };
    let mut cards = vec![card(
        format!("{:.1}", c.cpu.decode_tokens_per_s),
        "tokens/s on the CPU alone",
        c.cpu.tier,
    )];
    if let Some((h, _)) = sources.main() {
        let tier = h.totals.tier;
        cards.push(card(
            format!("{:.1}", h.totals.decode_tokens_per_s),
            "tokens/s with the device",
            tier,
        ));
        cards.push(card(format!("{:.2}x", h.speedup), "against the CPU", tier));
        cards.push(Card {
            value: h.layers.to_string(),
            what: format!("layers moved ({})", h.offload),
            tier: format!("{} on the {}", h.dispatching(), h.board.title),
        });
        cards.push(Card {
            value: if c.tokens_identical { "same" } else { "differ" }.to_string(),
            what: "tokens as on the CPU".to_string(),
            tier: format!("{} tokens compared", c.tokens),
        });
    }
    cards
}
