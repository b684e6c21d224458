//! The documents that count: parameters and memory.

use std::path::Path;

use super::{operator, preset, row, weights, Row};
use crate::analyze::config::ModelConfig;
use crate::analyze::render::numbers::{binary, bytes, grouped, percent, scaled};
use crate::analyze::report::Analysis;
use crate::analyze::tensors::Part;
use crate::analyze::{analyze_model, Model, Options};
use crate::executor::Phase;

const A: &str = "A. model report";
const B: &str = "B. parameters and memory";
const D: &str = "D. parameter counting guide";

pub fn model_report() -> Vec<Row> {
    let a = preset(
        "bytetransformer-155m",
        Options {
            prompt: Some(2047),
            generate: Some(1),
            ..Options::default()
        },
    );
    let (p, m) = (&a.parameters.by_type, &a.memory);
    let kv = m
        .kv_cache
        .table
        .iter()
        .find(|r| (r.batch, r.length) == (1, 2048));
    let shares = [Part::Attention, Part::Mlp, Part::Norm, Part::LmHead]
        .map(|part| token_flops(&a, Some(part)));
    let all = token_flops(&a, None);
    let of_layer = |name: &str| {
        2 * a
            .parameters
            .linears
            .kinds
            .iter()
            .find(|k| k.name == name)
            .map_or(0, |k| k.parameters)
    };
    let mlp_of_layer = of_layer("gate_proj") + of_layer("up_proj") + of_layer("down_proj");
    vec![
        row(A, "embedding", "24,576,000", grouped(p.embedding), ""),
        row(A, "attention", "21,233,664", grouped(p.attention), ""),
        row(A, "mlp", "84,934,656", grouped(p.mlp), ""),
        row(A, "norm", "19,200", grouped(p.norm), ""),
        row(A, "lm_head", "24,576,000", grouped(p.lm_head), ""),
        row(
            A,
            "total",
            "155,358,240",
            grouped(a.parameters.total),
            &format!(
                "{} of them, {} a layer, are in no part of the report: an unclassified row keeps them",
                grouped(p.unclassified),
                grouped(p.unclassified / a.model.layers)
            ),
        ),
        row(A, "parameters in f32", "592.64 MiB", binary(weights(&a, 32.0)), ""),
        row(A, "KV cache, 16 bit, 2048 tokens", "36.00 MiB", kv.map_or(String::new(), |r| binary(r.bytes)), ""),
        row(
            A,
            "12 bool causal masks",
            "48.00 MiB",
            m.causal_mask_bytes.map_or(String::new(), binary),
            "only where an implementation stores them",
        ),
        row(A, "gradients", "592.64 MiB", binary(m.training.gradient_bytes), ""),
        // 1185.29 MiB stays in MiB in the document.
        row(
            A,
            "Adam's state, twice the gradients",
            "1185.29 MiB",
            format!("{:.2} MiB", m.training.optimizer_bytes as f64 / (1u64 << 20) as f64),
            "",
        ),
        row(
            A,
            "shares of the FLOPs, summed",
            "28 %",
            format!("{:.0} %", 100.0 * (shares.iter().sum::<f64>() + token_flops(&a, Some(Part::Embedding))) / all),
            &format!(
                "wrong: attention and MLP count one layer of 12. Of a token at context 2048: attention {}, mlp {}, norm {}, \
                 lm_head {}",
                percent(shares[0] / all),
                percent(shares[1] / all),
                percent(shares[2] / all),
                percent(shares[3] / all)
            ),
        ),
        row(
            A,
            "MLP of a layer, FLOPs a token",
            &scaled((mlp_of_layer - of_layer("gate_proj")) as f64, "FLOP"),
            scaled(mlp_of_layer as f64, "FLOP"),
            "wrong: counts two of three matrices",
        ),
        row(
            A,
            "lm_head, FLOPs a token",
            &scaled(p.lm_head as f64, "FLOP"),
            scaled(operator(&a, Phase::Decode, "lm_head").flops as f64, "FLOP"),
            "wrong: counts multiply-adds where other rows count FLOPs",
        ),
    ]
}

pub fn memory_report() -> Vec<Row> {
    let a = preset("qwen3-8b-mha", Options::default());
    let real = preset("qwen3-8b", Options::default());
    let p = &a.parameters;
    let block = p.blocks[0].by_type;
    let sizes = |a: &Analysis| {
        let m = &a.model;
        format!(
            "{} layers, {} kv heads, FFN {}, vocabulary {}",
            m.layers, m.kv_heads, m.ffn, m.vocab
        )
    };
    let device = a.comparison.iter().find(|c| c.unit == "bytes");
    let (measured, why) = device.map_or((0, ""), |c| {
        (c.measured.unwrap_or_default(), c.why.as_str())
    });
    vec![
        row(
            B,
            "embedding",
            "622,854,144",
            grouped(p.by_type.embedding),
            "",
        ),
        row(B, "lm_head", "622,854,144", grouped(p.by_type.lm_head), ""),
        row(
            B,
            "attention of a layer",
            "67,108,864",
            grouped(block.attention),
            "",
        ),
        row(B, "MLP of a layer", "135,266,304", grouped(block.mlp), ""),
        row(
            B,
            "total, measured in the loaded model",
            "7,721,988,096",
            grouped(p.total),
            "with 256 of q_norm and k_norm a layer",
        ),
        row(
            B,
            "weights in 16 bit",
            "14.38 GiB",
            binary(weights(&a, 16.0)),
            "",
        ),
        row(
            B,
            "device memory, measured",
            "14.88 GiB",
            binary(measured),
            &format!(
                "{} more than the weights: {why}",
                binary(measured.saturating_sub(weights(&a, 16.0)))
            ),
        ),
        row(
            B,
            "norm parameters of a layer",
            "16,384",
            grouped(block.norm),
            "wrong: two norms of 4,096 and q_norm and k_norm of 128 each",
        ),
        row(
            B,
            "total, theory",
            "7,722,242,048",
            grouped(p.total),
            "wrong: 32 x 7,936 norm parameters too many",
        ),
        row(
            B,
            "sizes of Qwen3-8B",
            &sizes(&a),
            sizes(&real),
            &format!(
                "wrong: another model's; the published one has {} parameters",
                grouped(real.parameters.total)
            ),
        ),
    ]
}

pub fn counting_guide() -> Vec<Row> {
    let json = br#"{"model_type": "llama", "hidden_size": 4096, "vocab_size": 32000, "num_hidden_layers": 32,
        "intermediate_size": 14336, "num_attention_heads": 32}"#;
    let config = ModelConfig::parse(Path::new("config.json"), json).expect("sizes of a model");
    let model = Model {
        name: String::new(),
        source: String::new(),
        config,
        stored: None,
        reported: None,
    };
    let plain = analyze_model(&model, &Options::default()).expect("sizes of a model");
    let mistral = preset("mistral-7b", Options::default());
    let qwen = preset("qwen2.5-3b", Options::default());
    let m = &mistral.model;
    let group = m.heads / m.kv_heads;
    let h2 = m.hidden * m.hidden;
    vec![
        row(
            D,
            "H 4096, V 32000, L 32, FFN 14336, no GQA, without norms",
            "8,046,772,224",
            grouped(plain.parameters.total - plain.parameters.by_type.norm),
            &format!("{} with norms", grouped(plain.parameters.total)),
        ),
        row(
            D,
            "Mistral 7B",
            "7,241,732,096",
            grouped(mistral.parameters.total),
            "including norms",
        ),
        row(
            D,
            "attention of a layer, H^2 (2 + 2 / group size), Mistral 7B",
            &grouped(2 * h2 + 2 * h2 / group),
            grouped(mistral.parameters.blocks[0].by_type.attention),
            "",
        ),
        row(
            D,
            "Qwen2.5-3B",
            "3,085,938,688",
            grouped(qwen.parameters.total),
            "with q, k and v biases, tied",
        ),
        row(
            D,
            "151936 x 2048",
            "311,205,888",
            grouped(qwen.parameters.by_type.embedding),
            "wrong: the product",
        ),
        row(
            D,
            "group size of Qwen2.5-3B",
            "2",
            (qwen.model.heads / qwen.model.kv_heads).to_string(),
            "wrong: 2 is the number of kv heads",
        ),
        row(
            D,
            "16-bit weights of Mistral 7B",
            "MB and MiB mixed",
            format!(
                "{} = {}",
                bytes(weights(&mistral, 16.0)),
                binary(weights(&mistral, 16.0))
            ),
            "wrong: units of 10^6 and 2^20 under one name",
        ),
    ]
}

/// FLOPs of a decoded token in the operators of one part, or of all.
fn token_flops(a: &Analysis, part: Option<Part>) -> f64 {
    let operators = a.operators.iter().filter(|op| op.phase == Phase::Decode);
    operators
        .filter(|op| part.is_none_or(|p| op.part == p))
        .map(|op| op.flops as f64 * op.calls as f64)
        .sum()
}
