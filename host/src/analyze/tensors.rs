//! The tensors that a configuration implies, with the names of the Hugging Face layout.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::config::ModelConfig;

/// Which part of a model a parameter belongs to.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Input embedding.
    Embedding,
    /// q, k, v and o with their biases.
    Attention,
    /// Gate, up and down with their biases.
    Mlp,
    /// Gains and biases of norms.
    Norm,
    /// Output head; empty if it is the embedding.
    LmHead,
    /// What belongs to none of these.
    Unclassified,
}

impl Part {
    /// Every part, in the order of tables.
    pub const ALL: [Part; 6] = [
        Part::Embedding,
        Part::Attention,
        Part::Mlp,
        Part::Norm,
        Part::LmHead,
        Part::Unclassified,
    ];

    /// As JSON has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Part::Embedding => "embedding",
            Part::Attention => "attention",
            Part::Mlp => "mlp",
            Part::Norm => "norm",
            Part::LmHead => "lm_head",
            Part::Unclassified => "unclassified",
        }
    }
}

/// Tensors of one name and shape: one, or one a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Name without `model.`; the number of the block is `*`.
    pub name: String,
    /// What it is a part of.
    pub part: Part,
    /// How many there are.
    pub count: u64,
    /// Out features, or the length of a vector.
    pub rows: u64,
    /// In features; none for a vector.
    pub columns: Option<u64>,
    /// Whether it is a linear of a block, which `--bits` is for.
    pub linear: bool,
}

impl TensorSpec {
    /// Parameters of one.
    pub fn elements(&self) -> u128 {
        u128::from(self.rows) * u128::from(self.columns.unwrap_or(1))
    }

    /// Parameters of all.
    pub fn total(&self) -> u128 {
        self.elements() * u128::from(self.count)
    }

    /// `[N, K]` or `[N]`.
    pub fn shape(&self) -> String {
        match self.columns {
            Some(columns) => format!("[{}, {columns}]", self.rows),
            None => format!("[{}]", self.rows),
        }
    }

    /// Last part of the module's path: `q_proj`.
    pub fn module(&self) -> &str {
        let path = self.name.strip_suffix(".weight").unwrap_or(&self.name);
        path.rsplit('.').next().unwrap_or(path)
    }
}

/// Every tensor that holds parameters, in model order.
pub fn tensors(c: &ModelConfig) -> Vec<TensorSpec> {
    let mut list = List::default();
    list.one(
        "embed_tokens.weight",
        Part::Embedding,
        c.vocab,
        Some(c.hidden),
    );
    let f = &c.family;
    let attention = "layers.*.self_attn";
    for (name, rows, columns, bias) in [
        ("q_proj", c.q_width(), c.hidden, f.qkv_bias),
        ("k_proj", c.kv_width(), c.hidden, f.qkv_bias),
        ("v_proj", c.kv_width(), c.hidden, f.qkv_bias),
        ("o_proj", c.hidden, c.q_width(), f.o_bias),
    ] {
        list.linear(
            &format!("{attention}.{name}"),
            Part::Attention,
            c.layers,
            rows,
            columns,
            bias,
        );
    }
    if f.qk_norm {
        for name in ["q_norm", "k_norm"] {
            list.norm(&format!("{attention}.{name}"), c.layers, c.head_dim, false);
        }
    }
    if f.sub_norms {
        list.norm(
            &format!("{attention}.attn_sub_norm"),
            c.layers,
            c.hidden,
            false,
        );
    }
    let mlp: &[(&str, bool)] = match f.gated {
        true => &[("gate_proj", true), ("up_proj", true), ("down_proj", false)],
        false => &[("c_fc", true), ("c_proj", false)],
    };
    for &(name, widens) in mlp {
        let (rows, columns) = match widens {
            true => (c.ffn, c.hidden),
            false => (c.hidden, c.ffn),
        };
        let name = format!("layers.*.mlp.{name}");
        list.linear(&name, Part::Mlp, c.layers, rows, columns, f.mlp_bias);
    }
    if f.sub_norms {
        list.norm("layers.*.mlp.ffn_sub_norm", c.layers, c.ffn, false);
    }
    let norms = [
        "input_layernorm",
        "post_attention_layernorm",
        "pre_feedforward_layernorm",
        "post_feedforward_layernorm",
    ];
    for name in norms.into_iter().take(f.block_norms as usize) {
        list.norm(&format!("layers.*.{name}"), c.layers, c.hidden, f.norm_bias);
    }
    list.norm("norm", 1, c.hidden, f.norm_bias);
    if !c.tied {
        list.one("lm_head.weight", Part::LmHead, c.vocab, Some(c.hidden));
    }
    list.0
}

#[derive(Default)]
struct List(Vec<TensorSpec>);

impl List {
    fn one(&mut self, name: &str, part: Part, rows: u64, columns: Option<u64>) {
        self.0.push(TensorSpec {
            name: name.to_string(),
            part,
            count: 1,
            rows,
            columns,
            linear: false,
        });
    }

    fn linear(&mut self, name: &str, part: Part, count: u64, rows: u64, columns: u64, bias: bool) {
        self.0.push(TensorSpec {
            name: format!("{name}.weight"),
            part,
            count,
            rows,
            columns: Some(columns),
            linear: true,
        });
        if bias {
            self.vector(&format!("{name}.bias"), part, count, rows);
        }
    }

    fn norm(&mut self, name: &str, count: u64, length: u64, bias: bool) {
        self.vector(&format!("{name}.weight"), Part::Norm, count, length);
        if bias {
            self.vector(&format!("{name}.bias"), Part::Norm, count, length);
        }
    }

    fn vector(&mut self, name: &str, part: Part, count: u64, length: u64) {
        self.0.push(TensorSpec {
            name: name.to_string(),
            part,
            count,
            rows: length,
            columns: None,
            linear: false,
        });
    }
}
