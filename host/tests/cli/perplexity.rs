//! Perplexity of text files.

use std::fs;
use std::path::Path;

use safetensors::SafeTensors;
use serde_json::Value;
use tercet::checkpoint::Source;
use tercet::tokenizer::Tokenizer;

use crate::support::{checkpoint, end, json, names, ok, refused};

const STORY: &str = "Once upon a time, there was a small boy named Ben. He lived in the house by \
    the river. One day Ben was carrying the red mirror of his father.\n";

/// Reference: 513 held-out ids, and the loss of each of the last 512.
fn held_out() -> (Vec<u32>, Vec<f64>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/tiny-bitnet/packed/expected.safetensors");
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let ids = file.tensor("window.ids").unwrap();
    let ids = ids.data().chunks_exact(8);
    let losses = file.tensor("f32.window.nll").unwrap();
    let losses = losses.data().chunks_exact(4);
    (
        ids.map(|b| i64::from_le_bytes(b.try_into().unwrap()) as u32)
            .collect(),
        losses
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()).into())
            .collect(),
    )
}

/// Text whose ids are these, the special tokens written out.
fn text_of(ids: &[u32]) -> String {
    let tokenizer = Tokenizer::load(&Source::Embedded).unwrap();
    let parts = ids.chunk_by(|a, b| *a > 1 && *b > 1).map(|ids| match ids {
        [0] => "<|begin_of_text|>".to_string(),
        [1] => "<|end_of_text|>".to_string(),
        _ => tokenizer.decode(ids).unwrap(),
    });
    let text = parts.collect::<String>();
    assert_eq!(tokenizer.encode_plain(&text).unwrap(), ids);
    text
}

#[test]
fn the_held_out_text_has_the_loss_of_the_reference() {
    let dir = tempfile::tempdir().unwrap();
    let (ids, losses) = held_out();
    // The first id is the begin token, which the window brings along; the last one would be its 513th.
    assert_eq!(ids[0], 0);
    let text = text_of(&ids[1..512]);
    fs::write(dir.path().join("a.txt"), &text).unwrap();
    let report = json(dir.path(), &["perplexity", "a.txt", "--json"]);
    let want = losses[..511].iter().sum::<f64>() / 511.0;
    let nll = report["nll"].as_f64().unwrap();
    assert!((nll - want).abs() < 1e-3, "{nll}, reference {want}");
    assert_eq!(report["schema"], "tercet.perplexity");
    assert_eq!(report["tier"], "measured");
    for (key, number) in [
        ("version", 1),
        ("text_bytes", text.len()),
        ("text_tokens", 511),
        ("counted_tokens", 511),
        ("context", 512),
        ("stride", 511),
        ("windows", 1),
        ("read_tokens", 511),
    ] {
        assert_eq!(report[key], number, "{key}");
    }
    let perplexity = report["perplexity"].as_f64().unwrap();
    assert!((perplexity - nll.exp()).abs() < 1e-9);
}

#[test]
fn windows_cut_the_text_and_overlaps_help() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.txt"), STORY).unwrap();
    let measured = |args: &[&str]| {
        json(
            dir.path(),
            &[&["perplexity", "a.txt", "--json"], args].concat(),
        )
    };
    let whole = measured(&[]);
    let cut = measured(&["--context", "16"]);
    let overlapping = measured(&["--context", "16", "--stride", "3", "--threads", "2"]);
    let nll = |report: &Value| report["nll"].as_f64().unwrap();
    assert!(nll(&whole) < nll(&cut) && nll(&overlapping) < nll(&cut));
    for report in [&whole, &cut, &overlapping] {
        assert_eq!(report["counted_tokens"], report["text_tokens"]);
    }
    assert_eq!(cut["stride"], 15);
    let text = ok(dir.path(), &["perplexity", "a.txt"]);
    for part in [
        "perplexity ",
        "standard error",
        "nats a token",
        "bits a byte",
        "(measured)",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(end(dir.path(), &["perplexity", "a.txt"]).stderr, "");
}

#[test]
fn a_tokenizer_without_begin_token_leaves_the_first_token_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = checkpoint(dir.path()).join("tokenizer.json");
    let mut tokenizer: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    tokenizer["post_processor"] = Value::Null;
    fs::write(path, tokenizer.to_string()).unwrap();
    fs::write(dir.path().join("a.txt"), STORY).unwrap();
    let args = ["perplexity", "--model", "checkpoint", "a.txt", "--json"];
    let report = json(dir.path(), &args);
    assert_eq!(report["begin_tokens"], serde_json::json!([]));
    let (all, counted) = (&report["text_tokens"], &report["counted_tokens"]);
    assert_eq!(all.as_u64().unwrap() - 1, counted.as_u64().unwrap());
}

#[test]
fn bad_texts_and_sizes_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    write("empty.txt", b"");
    write("latin.txt", b"caf\xe9 au lait");
    write("short.txt", b" a");
    write("a.txt", STORY.as_bytes());
    fs::create_dir(dir.path().join("folder")).unwrap();
    for (args, said) in [
        (&["none.txt"][..], "cannot read none.txt: No such file"),
        (&["folder"], "cannot read folder"),
        (&["empty.txt"], "empty.txt: the file is empty"),
        (&["latin.txt"], "latin.txt: byte 3 is no UTF-8"),
        (
            &["short.txt"],
            "short.txt: the text has 1 tokens of which 1 count",
        ),
        (
            &["a.txt", "--context", "513"],
            "context is 513: expected 2 to 512",
        ),
        (
            &["a.txt", "--context", "1"],
            "context is 1: expected 2 to 512",
        ),
        (
            &["a.txt", "--stride", "0"],
            "stride is 0: expected 1 to 512",
        ),
        (&["a.txt", "--stride", "513"], "stride is 513"),
        (&["a.txt", "--model", "none"], "none"),
        (&["a.txt", "--threads", "1000000"], "1000000 threads"),
        (&[], "FILE"),
    ] {
        let e = refused(dir.path(), &[&["perplexity"], args].concat());
        assert!(e.contains(said), "{said} in {e}");
    }
    assert_eq!(names(dir.path()).len(), 5, "nothing is left behind");
}
