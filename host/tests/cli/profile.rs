//! `tercet profile` on the embedded model.

use std::fs;

use crate::support::{json, ok, refused};

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[test]
fn the_report_has_every_part() {
    let dir = tempfile::tempdir().unwrap();
    let args = "profile --rounds 2 --max-tokens 3 --top 2 --all --tokens --markdown report.md";
    let text = ok(dir.path(), &words(args));
    for part in [
        "measured on this machine",
        "normalised",
        "RSS",
        "the 2 slowest of 43",
        "All 43 linears",
        "layers.5.mlp.down_proj",
        "lm_head",
        "Tokens of a round",
        "What profiling costs",
        "1.6 bit",
        "tercet select --profile",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let page = fs::read_to_string(dir.path().join("report.md")).unwrap();
    assert!(page.contains("## Offload advice") && page.contains("| lm_head"));
    let e = refused(dir.path(), &words(args));
    assert!(
        e.contains("report.md") && e.contains("--force"),
        "before measuring: {e}"
    );
}

#[test]
fn how_the_cpu_computed_is_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let args = "profile --rounds 2 --max-tokens 3 --threads 1 --kernel scalar --lm-head int8 --sparsity off --json";
    let p = json(dir.path(), &words(args));
    let cpu = &p["cpu"];
    assert_eq!(cpu["threads"], 1);
    assert_eq!(cpu["kernel"], "scalar");
    assert_eq!(cpu["lm_head"], "int8");
    assert_eq!(cpu["sparsity"], false);
    assert_eq!((&p["tier"], &p["version"]), (&"measured".into(), &2.into()));

    let heads = p["lm_head"].as_array().unwrap();
    assert_eq!(heads.len(), 2);
    for (head, calls) in heads.iter().zip([2, 4]) {
        assert_eq!((&head["n"], &head["k"]), (&1024.into(), &256.into()));
        assert_eq!(head["times"]["calls"], calls);
        let bytes = head["weight_bytes"].as_u64().unwrap();
        assert!(
            (1024 * 256..2 * 1024 * 256).contains(&bytes),
            "int8: {bytes}"
        );
    }
    assert_eq!(p["sizes"][4]["head_bytes"], 1024 * 256);
    assert_eq!(p["tokens"].as_array().unwrap().len(), 3);
    assert_eq!(p["overhead"][1]["passes"], 2);
    assert!(p["clock"]["before_hz"].as_f64().unwrap() > 0.0);

    let plain = json(
        dir.path(),
        &words("profile --rounds 1 --max-tokens 2 --no-overhead --json"),
    );
    assert_eq!(plain["overhead"].as_array().unwrap().len(), 0);
    assert_eq!(plain["cpu"]["lm_head"], "stored");
}

#[test]
fn a_screened_head_reads_less_and_chooses_the_same_tokens() {
    let dir = tempfile::tempdir().unwrap();
    let ids = |head: &str| {
        let args =
            format!("profile --rounds 1 --max-tokens 8 --no-overhead --json --lm-head {head}");
        let p = json(dir.path(), &words(&args));
        let tokens = p["tokens"].as_array().unwrap();
        let ids: Vec<_> = tokens.iter().map(|t| t["id"].clone()).collect();
        (ids, p["lm_head"][1]["weight_bytes"].as_u64().unwrap())
    };
    let (stored, screened) = (ids("bf16"), ids("screen"));
    assert_eq!(stored.0, screened.0);
    assert_eq!(stored.1, 2 * 1024 * 256);
    assert!(screened.1 < stored.1, "{} bytes", screened.1);
}

#[test]
fn a_full_context_ends_a_round_early() {
    let dir = tempfile::tempdir().unwrap();
    let prompt = "Once upon a time, ".repeat(80);
    let args = "profile --rounds 1 --max-tokens 1000000 --no-overhead --json --prompt";
    let p = json(dir.path(), &[&words(args)[..], &[&prompt]].concat());
    let (prompt, tokens) = (&p["prompt_tokens"], &p["generated_tokens"]);
    assert_eq!(
        prompt.as_u64().unwrap() + tokens.as_u64().unwrap(),
        512 + 1,
        "the last token is not read any more"
    );
}

#[test]
fn profiles_of_the_first_version_are_to_be_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let text = r#"{"schema": "tercet.profile", "version": 1, "model": "m"}"#;
    fs::write(dir.path().join("old.json"), text).unwrap();
    let e = refused(dir.path(), &["select", "--profile", "old.json"]);
    assert!(
        e.contains("version 1") && e.contains("run `tercet profile` again"),
        "{e}"
    );
}
