//! The documents about time: a CPU profile and a roofline.

use super::{operator, preset, row, Row};
use crate::analyze::render::numbers::{bytes, grouped, percent, scaled, significant, time};
use crate::analyze::report::Operator;
use crate::analyze::Options;
use crate::executor::Phase;

const C: &str = "C. BitNet CPU profile";
const E: &str = "E. roofline note";

pub fn cpu_profile() -> Vec<Row> {
    let a = preset(
        "bitnet-2b-4t",
        Options {
            devices: vec!["ryzen-9700x".to_string()],
            ..Options::default()
        },
    );
    let l = &a.parameters.linears;
    let one = |name: &str| {
        l.kinds
            .iter()
            .find(|k| k.name == name)
            .map_or(0, |k| k.parameters)
    };
    let two_bit = a.memory.weights.iter().find(|f| f.bits == 2.0);
    let ternary = two_bit.map_or(0, |f| f.linear_bytes);
    let head = 2 * one("lm_head");
    let decode = a.phases.iter().find(|p| p.phase == Phase::Decode);
    let rate = decode.and_then(|p| p.tokens_per_s).unwrap_or_default();
    let q = |phase| {
        operator(&a, phase, "qkv_proj")
            .intensity
            .map_or(String::new(), significant)
    };
    vec![
        row(C, "linears", "211", l.count.to_string(), ""),
        row(C, "q_proj", "6,553,600", grouped(one("q_proj")), ""),
        row(C, "k_proj", "1,638,400", grouped(one("k_proj")), ""),
        row(C, "v_proj", "1,638,400", grouped(one("v_proj")), ""),
        row(C, "o_proj", "6,553,600", grouped(one("o_proj")), ""),
        row(C, "gate_proj", "17,694,720", grouped(one("gate_proj")), ""),
        row(C, "up_proj", "17,694,720", grouped(one("up_proj")), ""),
        row(C, "down_proj", "17,694,720", grouped(one("down_proj")), ""),
        row(C, "lm_head", "328,335,360", grouped(one("lm_head")), ""),
        row(C, "weights of all linears", "2,412,380,160", grouped(l.parameters), ""),
        row(C, "ternary weights", "2,084,044,800", grouped(l.ternary_parameters), ""),
        row(
            C,
            "all linears in f32",
            "9202.50 MB",
            format!("{:.2} MiB", 4.0 * l.parameters as f64 / (1u64 << 20) as f64),
            &format!("wrong: the unit; in units of 1000 it is {}", bytes(4 * l.parameters)),
        ),
        row(
            C,
            "all linears quantised",
            "575.16 MB",
            bytes(ternary + head),
            &format!(
                "wrong: the head is not ternary. {} of ternary weights at 2 bit and {} of head at 16; and the unit is MiB",
                bytes(ternary),
                bytes(head)
            ),
        ),
        row(
            C,
            "layers.0.q_proj, share of all linears",
            "7.13 %",
            percent(one("q_proj") as f64 / l.parameters as f64),
            "wrong: its first call carries the warm-up. Tercet's is the share of weights; `tercet profile` ranks by warm medians",
        ),
        row(
            C,
            "one ranking for prefill and decode",
            "q, k, v alike in both",
            format!("{} and {} FLOP/B", q(Phase::Prefill), q(Phase::Decode)),
            "wrong: what bounds a linear differs, so there is a table for each (prompt 512)",
        ),
        row(
            C,
            "decode on a Ryzen 7 9700X, tokens/s",
            "0.76",
            significant(rate),
            "wrong: as a baseline, it was measured in f32 with PyTorch. Tercet's is what the memory allows 2-bit linears and a \
             16-bit head (projected)",
        ),
        row(
            C,
            "advice to offload",
            "by time alone",
            "`tercet select`".to_string(),
            "wrong: launches and the link cost too",
        ),
    ]
}

pub fn roofline_note() -> Vec<Row> {
    let big = preset(
        "llama-2-70b",
        Options {
            batch: Some(16),
            tp: Some(8),
            ..Options::default()
        },
    );
    let seven = preset(
        "llama-2-7b",
        Options {
            batch: Some(8),
            prompt: Some(512),
            ..Options::default()
        },
    );
    let o = operator(&big, Phase::Decode, "o_proj");
    let qkv = operator(&seven, Phase::Prefill, "qkv_proj");
    let qkv_decode = operator(&seven, Phase::Decode, "qkv_proj");
    let kv = &seven.memory.kv_cache;
    let shape = o
        .shape
        .map_or(String::new(), |[m, n, k]| format!("({m}, {n}, {k})"));
    let intensity = |op: &Operator| op.intensity.map_or(String::new(), significant);
    vec![
        row(
            E,
            "o_proj of LLaMA-2 70B, TP 8, batch 16: (M, N, K)",
            "(16, 8192, 1024)",
            shape,
            "",
        ),
        row(E, "its FLOP/B in 16 bit", "15.72", intensity(o), ""),
        row(
            E,
            "ridge of an A100",
            "156.0",
            significant(big.devices[0].ridge),
            "312 TFLOP/s over 2.0 TB/s",
        ),
        row(E, "its bound", "memory", o.bound.as_str().to_string(), ""),
        row(
            E,
            "its time at 1.5 TB/s",
            "11.38 us",
            o.time_s.map_or(String::new(), time),
            "",
        ),
        row(
            E,
            "QKV projection, B 8, S 512, H 4096",
            "412.3 GFLOP",
            scaled(qkv.flops as f64, "FLOP"),
            "",
        ),
        row(E, "its bytes in 16 bit", "234.9 MB", bytes(qkv.bytes), ""),
        row(E, "its FLOP/B", "1755", intensity(qkv), ""),
        row(
            E,
            "KV cache of 32 layers",
            "2.147 GB",
            bytes(kv.prompt_bytes),
            "",
        ),
        row(
            E,
            "KV cache of a layer",
            "67.1 MB",
            format!("{:.1} MB", kv.prompt_block_bytes as f64 / 1e6),
            "",
        ),
        row(
            E,
            "FLOP/B of that projection, as printed",
            "1.84",
            intensity(qkv),
            "wrong: by a factor of 1000",
        ),
        row(
            E,
            "FLOPs of that projection, as printed",
            "412 TFLOP",
            scaled(qkv.flops as f64, "FLOP"),
            "wrong: by a factor of 1000",
        ),
        row(
            E,
            "what bounds it in prefill",
            "memory",
            qkv.bound.as_str().to_string(),
            "wrong: it is the other way round",
        ),
        row(
            E,
            "what bounds it in decode",
            "compute",
            qkv_decode.bound.as_str().to_string(),
            "wrong: it is the other way round",
        ),
        row(
            E,
            "keys and values of a token in a layer",
            &bytes(2 * 2 * seven.model.head_dim),
            bytes(kv.token_bytes / seven.model.layers),
            "wrong: one head counted instead of all kv heads",
        ),
    ]
}
