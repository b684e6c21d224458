//! Model and device as an analysis names them.

use tercet_contract::Geometry;

use super::device::{Device, Engine, NamedFigure};
use super::memory::Memory;
use super::report::{ComputeUnits, DeviceFacts, ModelFacts};
use super::Model;

/// The sizes of a model, and what its family implies.
pub fn model(model: &Model) -> ModelFacts {
    let c = &model.config;
    let f = &c.family;
    let mut biases = Vec::new();
    for (has, names) in [
        (f.qkv_bias, &["q", "k", "v"][..]),
        (f.o_bias, &["o"]),
        (f.mlp_bias, &["mlp"]),
    ] {
        if has {
            biases.extend(names.iter().map(|n| n.to_string()));
        }
    }
    ModelFacts {
        name: model.name.clone(),
        source: model.source.clone(),
        model_type: c.model_type.clone(),
        layers: c.layers,
        hidden: c.hidden,
        heads: c.heads,
        kv_heads: c.kv_heads,
        head_dim: c.head_dim,
        ffn: c.ffn,
        vocab: c.vocab,
        max_positions: c.max_positions,
        attention: c.attention().to_string(),
        tied: c.tied,
        biases,
        qk_norm: f.qk_norm,
        sub_norms: f.sub_norms,
        gated: f.gated,
        ternary: c.ternary,
    }
}

/// A device and whether the inference fits.
pub fn device(device: &Device, memory: &Memory) -> DeviceFacts {
    let figures = device.figures().into_iter();
    DeviceFacts {
        name: device.name.clone(),
        title: device.title.clone(),
        times_tier: device.tier(),
        peak_flops: device.peak_flops(),
        ridge: device.ridge(),
        sustained_ridge: device.sustained_ridge(),
        fits: device
            .capacity_gb
            .as_ref()
            .map(|f| memory.rank_bytes as f64 <= f.value * 1e9),
        ternary_linears_only: matches!(device.engine, Engine::TernaryKernel { .. }),
        compute_units: match &device.engine {
            Engine::Processor { .. } => None,
            Engine::TernaryKernel {
                channels, most_cus, ..
            } => Some(ComputeUnits {
                assumed: *channels,
                fit: most_cus.map(|most| most as u64),
            }),
        },
        notes: notes(device),
        figures: figures
            .map(|(key, f)| NamedFigure {
                key: key.to_string(),
                value: f.value,
                basis: f.basis,
                source: f.source.clone(),
            })
            .collect(),
    }
}

/// What the times of a device take for granted.
fn notes(device: &Device) -> Vec<String> {
    match &device.engine {
        Engine::Processor { tile, .. } => match tile {
            [1, 1, 1] => Vec::new(),
            [m, n, k] => vec![format!(
                "products are padded to tiles of {m} x {n} x {k} (M, N, K)"
            )],
        },
        Engine::TernaryKernel {
            channels, most_cus, ..
        } => {
            let fit = match most_cus {
                Some(most) if *most as u64 >= *channels => "they fit".to_string(),
                Some(most) => format!("{most} fit, so this is out of reach today"),
                None => "whether they fit is not known".to_string(),
            };
            vec![
                format!(
                    "a bound with a compute unit on each of {channels} memory channels; of {}: {fit}",
                    Geometry::DEFAULT
                ),
                "the kernel takes one vector a pass, so a prompt reads the weights once a token; rows are padded to whole \
                 beats"
                    .to_string(),
            ]
        }
    }
}
