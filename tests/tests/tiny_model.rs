//! The embedded trained model: loss, text, and what the expectations beside it say.
//!
//! Its logits are not compared: a difference of one ulp flips int8 codes, so that even two modes of the
//! reference implementation differ by 0.2. The loss is.

mod common;

use std::ops::ControlFlow;

use common::{json_ids, tiny, Expected};
use tercet::checkpoint::Source;
use tercet::evaluate;
use tercet::executor::CpuExecutor;
use tercet::generate::{generate, GenerateOptions, Sampling, StopReason};
use tercet::model::Model;
use tercet::tokenizer::Tokenizer;

#[test]
fn held_out_loss() {
    let expected = Expected::read(&tiny().join("expected.safetensors"));
    let model = Model::load(&Source::Embedded).unwrap();
    let ids = expected.ids("window.ids");
    let mut executor = CpuExecutor::new(2).unwrap();
    let losses = evaluate::token_losses(&model, &mut executor, &ids).unwrap();
    let want = expected.floats("f32.window.nll");
    assert_eq!(losses.len(), want.len());
    let mean = losses.iter().sum::<f64>() / losses.len() as f64;
    let want = want.iter().map(|&l| f64::from(l)).sum::<f64>() / want.len() as f64;
    assert!((mean - want).abs() < 1e-3, "loss {mean}, reference {want}");
}

#[test]
fn a_story() {
    let (model, source) = (Model::load(&Source::Embedded).unwrap(), Source::Embedded);
    let tokenizer = Tokenizer::load(&source).unwrap();
    let prompt = tokenizer.encode("Once upon a time").unwrap();
    assert_eq!(prompt, json_ids(&tiny(), "/input_ids"));
    let options = GenerateOptions {
        max_tokens: 200,
        sampling: Sampling::GREEDY,
        stop_ids: model.stop_ids().to_vec(),
    };
    let mut executor = CpuExecutor::new(1).unwrap();
    let mut stream = tokenizer.stream();
    let mut text = String::new();
    let generated = generate(&model, &mut executor, &prompt, &options, &mut |t| {
        text.push_str(&stream.push(t).unwrap());
        ControlFlow::Continue(())
    })
    .unwrap();
    text.push_str(&stream.finish().unwrap());
    assert_eq!(generated.stop_reason, StopReason::StopToken);
    assert_eq!(text, tokenizer.decode(&generated.tokens).unwrap());
    // The reference's own modes part at token 36; until then the leads are clear.
    assert_eq!(
        generated.tokens[..35],
        json_ids(&tiny(), "/f32/greedy")[..35]
    );
    assert!(
        text.starts_with(", there was a small boy named Ben."),
        "{text}"
    );
}
