//! Every fixture gives the reference's hidden states, logits and greedy tokens.

mod common;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use common::{fixture, json_ids, max_difference, model, Expected};
use tercet::checkpoint::Source;
use tercet::evaluate;
use tercet::executor::{CpuExecutor, Executor, ExecutorError, Phase, Tap};
use tercet::generate::{generate, GenerateOptions, Sampling, StopReason};
use tercet::kernel::{Cpu, Kernel};
use tercet::model::{GroupId, LogitRows, Model, Session};

const FIXTURES: [&str; 6] = [
    "a-packed",
    "b-online",
    "c-odd",
    "d-sharded",
    "e-bitlinear",
    "f-unpacked",
];

/// An f32 implementation with integer sums differs from the reference by 2e-5 at most.
const TOLERANCE: f32 = 2e-4;

/// Keeps every intermediate value under the name the fixtures give it.
struct Recorder {
    cpu: CpuExecutor,
    seen: BTreeMap<String, Vec<f32>>,
}

impl Executor for Recorder {
    fn linears(
        &mut self,
        model: &Model,
        group: GroupId,
        phase: Phase,
        x: &[f32],
        y: &mut [&mut [f32]],
    ) -> Result<(), ExecutorError> {
        self.cpu.linears(model, group, phase, x, y)?;
        for (id, y) in group.linear_ids().zip(y) {
            let module = id.kind.as_str().split_once('.').unwrap().1;
            self.seen
                .insert(format!("layer{}.{module}", id.block), y.to_vec());
        }
        Ok(())
    }

    fn lm_head(
        &mut self,
        model: &Model,
        phase: Phase,
        x: &[f32],
        top: Option<usize>,
        logits: &mut [f32],
    ) -> Result<(), ExecutorError> {
        self.cpu.lm_head(model, phase, x, top, logits)
    }

    fn cpu(&self) -> &Cpu {
        self.cpu.cpu()
    }

    fn observe(&mut self, tap: Tap, block: Option<usize>, values: &[f32]) {
        let block = block.unwrap_or_default();
        let name = match tap {
            Tap::Embed => "embed".to_string(),
            Tap::AttentionNorm => format!("layer{block}.input_layernorm"),
            Tap::Heads => format!("layer{block}.attn_sub_norm.in"),
            Tap::AttentionSubNorm => format!("layer{block}.attn_sub_norm"),
            Tap::MlpNorm => format!("layer{block}.post_attention_layernorm"),
            Tap::Gated => format!("layer{block}.ffn_sub_norm.in"),
            Tap::MlpSubNorm => format!("layer{block}.ffn_sub_norm"),
            Tap::Block => format!("layers.{block}"),
            Tap::FinalNorm => "norm".to_string(),
        };
        self.seen.insert(name, values.to_vec());
    }
}

fn greedy(model: &Model, prompt: &[u32], max_tokens: usize) -> Vec<u32> {
    let options = GenerateOptions {
        max_tokens,
        sampling: Sampling::GREEDY,
        stop_ids: Vec::new(),
    };
    let mut executor = CpuExecutor::new(1).unwrap();
    let mut streamed = Vec::new();
    let generated = generate(model, &mut executor, prompt, &options, &mut |t| {
        streamed.push(t);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(generated.tokens, streamed);
    assert_eq!(generated.stop_reason, StopReason::MaxTokens);
    assert_eq!(generated.timing.decode_s.len(), max_tokens - 1);
    generated.tokens
}

#[test]
fn hidden_states_and_logits() {
    for name in FIXTURES {
        let expected = Expected::read(&fixture(name).join("expected.safetensors"));
        let model = model(name);
        let mut recorder = Recorder {
            cpu: CpuExecutor::new(1).unwrap(),
            seen: BTreeMap::new(),
        };
        let ids = expected.ids("input_ids");
        let logits = evaluate::logits(&model, &mut recorder, &ids).unwrap();
        let mut seen = recorder.seen;
        // The fixtures hold the inside of the first block only.
        seen.retain(|name, _| {
            !name.starts_with("layer") || name.starts_with("layers.") || name.starts_with("layer0.")
        });
        seen.insert("logits".into(), logits);
        assert_eq!(seen.len(), 16 + model.config().num_hidden_layers, "{name}");
        for (tensor, values) in &seen {
            let want = expected.floats(&format!("f32.{tensor}"));
            let difference = max_difference(values, &want);
            // Logits are compared as they are; inner values may be thousands (d-sharded's gate).
            let size = match tensor.as_str() {
                "logits" => 1.0,
                _ => want.iter().fold(1.0f32, |m, v| m.max(v.abs())),
            };
            assert!(
                difference < TOLERANCE * size,
                "{name}: {tensor} differs by {difference}"
            );
        }
    }
}

#[test]
fn greedy_tokens() {
    for name in FIXTURES {
        let folder = fixture(name);
        let prompt = json_ids(&folder, "/input_ids");
        let expected = json_ids(&folder, "/greedy_f32");
        assert_eq!(
            greedy(&model(name), &prompt, expected.len()),
            expected,
            "{name}"
        );
    }
}

#[test]
fn packed_unpacked_and_master_give_the_same_tokens() {
    let prompt = json_ids(&fixture("a-packed"), "/input_ids");
    let packed = greedy(&model("a-packed"), &prompt, 40);
    assert_eq!(greedy(&model("f-unpacked"), &prompt, 40), packed);
    assert_eq!(greedy(&model("b-online"), &prompt, 40), packed);
}

#[test]
fn every_kernel_and_thread_count_gives_the_same_bits() {
    for (name, source) in [
        ("c-odd", Source::Folder(fixture("c-odd"))),
        ("embedded", Source::Embedded),
    ] {
        let model = Model::load(&source).unwrap();
        let ids: Vec<u32> = (0..40)
            .map(|i| i * 37 % model.config().vocab_size as u32)
            .collect();
        let run = |threads, kernel| {
            let mut executor = CpuExecutor::with_kernel(threads, kernel).unwrap();
            evaluate::logits(&model, &mut executor, &ids).unwrap()
        };
        let one = run(1, Kernel::detect());
        for kernel in Kernel::available() {
            for threads in [1, 2, 3] {
                assert_eq!(
                    run(threads, kernel),
                    one,
                    "{name}: {} x {threads}",
                    kernel.isa()
                );
            }
        }
    }
}

#[test]
fn prefill_and_decode_give_the_same_bits() {
    let model = Model::load(&Source::Embedded).unwrap();
    // Longer than one chunk of the prefill.
    let ids: Vec<u32> = (0..150).map(|i| i * 53 % 1024).collect();
    let mut executor = CpuExecutor::new(2).unwrap();
    let at_once = evaluate::logits(&model, &mut executor, &ids).unwrap();
    let mut session = Session::new(&model);
    for (id, expected) in ids.iter().zip(at_once.chunks_exact(1024)) {
        let logits = session
            .forward(&mut executor, Phase::Decode, &[*id], LogitRows::Last)
            .unwrap();
        assert_eq!(logits, expected);
    }
}
