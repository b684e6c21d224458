//! Parameters by part of the model, block by block, and what is linear.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::config::ModelConfig;
use super::error::{fits, AnalyzeError};
use super::tensors::{Part, TensorSpec};

/// Parameters of each part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ByType {
    /// Input embedding.
    pub embedding: u64,
    /// q, k, v and o with their biases.
    pub attention: u64,
    /// Matrices of the MLP with their biases.
    pub mlp: u64,
    /// Gains and biases of all norms.
    pub norm: u64,
    /// Output head; 0 if it is the embedding.
    pub lm_head: u64,
    /// What belongs to none of these.
    pub unclassified: u64,
}

impl ByType {
    /// Those of one part.
    pub fn get(&self, part: Part) -> u64 {
        match part {
            Part::Embedding => self.embedding,
            Part::Attention => self.attention,
            Part::Mlp => self.mlp,
            Part::Norm => self.norm,
            Part::LmHead => self.lm_head,
            Part::Unclassified => self.unclassified,
        }
    }

    /// Adds parameters to a part.
    pub fn add(&mut self, part: Part, parameters: u128) -> Result<(), AnalyzeError> {
        let sum = fits(part.as_str(), u128::from(self.get(part)) + parameters)?;
        *match part {
            Part::Embedding => &mut self.embedding,
            Part::Attention => &mut self.attention,
            Part::Mlp => &mut self.mlp,
            Part::Norm => &mut self.norm,
            Part::LmHead => &mut self.lm_head,
            Part::Unclassified => &mut self.unclassified,
        } = sum;
        Ok(())
    }

    /// All of them.
    pub fn total(&self) -> Result<u64, AnalyzeError> {
        let sum = Part::ALL.iter().map(|p| u128::from(self.get(*p))).sum();
        fits("parameters", sum)
    }
}

/// Blocks with the same number of parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Blocks {
    /// First block.
    pub first: u64,
    /// Last block.
    pub last: u64,
    /// Parameters of each.
    pub parameters: u64,
    /// The same by part.
    pub by_type: ByType,
}

/// Linears of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinearKind {
    /// `q_proj`.
    pub name: String,
    /// Out features.
    pub n: u64,
    /// In features.
    pub k: u64,
    /// How many there are.
    pub count: u64,
    /// Weights of each.
    pub parameters: u64,
    /// Whether they are ternary.
    pub ternary: bool,
}

/// Linears of the blocks and the output head, which may be the embedding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Linears {
    /// How many there are.
    pub count: u64,
    /// Weights of all, the head's included even if it is tied.
    pub parameters: u64,
    /// Of these, ternary ones.
    pub ternary_parameters: u64,
    /// Each kind.
    pub kinds: Vec<LinearKind>,
}

/// Parameters of a model. Every figure is exact: counted, not measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// All of them.
    pub total: u64,
    /// By part.
    pub by_type: ByType,
    /// Block by block, equal ones together.
    pub blocks: Vec<Blocks>,
    /// Linears and head.
    pub linears: Linears,
    /// Scales beside ternary weights, one a matrix: buffers, not parameters, and not in the total.
    pub weight_scales: u64,
}

/// Sums of the tensors that a configuration implies.
pub fn by_type(tensors: &[TensorSpec]) -> Result<ByType, AnalyzeError> {
    let mut sums = ByType::default();
    for t in tensors {
        sums.add(t.part, t.total())?;
    }
    Ok(sums)
}

/// Every block as the configuration implies it.
pub fn blocks(c: &ModelConfig, tensors: &[TensorSpec]) -> Result<Vec<Blocks>, AnalyzeError> {
    let mut one = ByType::default();
    for t in tensors.iter().filter(|t| t.name.starts_with("layers.")) {
        one.add(t.part, t.elements())?;
    }
    Ok(vec![Blocks {
        first: 0,
        last: c.layers - 1,
        parameters: one.total()?,
        by_type: one,
    }])
}

/// Linears of the blocks and the head.
pub fn linears(c: &ModelConfig, tensors: &[TensorSpec]) -> Result<Linears, AnalyzeError> {
    let mut kinds = Vec::new();
    for t in tensors.iter().filter(|t| t.linear) {
        kinds.push(LinearKind {
            name: t.module().to_string(),
            n: t.rows,
            k: t.columns.unwrap_or(1),
            count: t.count,
            parameters: fits(&t.name, t.elements())?,
            ternary: c.ternary,
        });
    }
    kinds.push(LinearKind {
        name: "lm_head".to_string(),
        n: c.vocab,
        k: c.hidden,
        count: 1,
        parameters: fits("lm_head", u128::from(c.vocab) * u128::from(c.hidden))?,
        ternary: false,
    });
    let sum = |kinds: &mut dyn Iterator<Item = &LinearKind>| -> u128 {
        kinds
            .map(|k| u128::from(k.parameters) * u128::from(k.count))
            .sum()
    };
    Ok(Linears {
        count: kinds.iter().map(|k| k.count).sum(),
        parameters: fits("weights of all linears", sum(&mut kinds.iter()))?,
        ternary_parameters: fits(
            "ternary weights",
            sum(&mut kinds.iter().filter(|k| k.ternary)),
        )?,
        kinds,
    })
}
