//! Names of linears and of the groups that share one input.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{json_schema, JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One of the seven ternary linears of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LinearKind {
    /// Query projection: hidden to heads x head_dim.
    Q,
    /// Key projection: hidden to kv heads x head_dim.
    K,
    /// Value projection: hidden to kv heads x head_dim.
    V,
    /// Output projection: heads x head_dim to hidden.
    O,
    /// Gate of the MLP: hidden to intermediate.
    Gate,
    /// Up projection of the MLP: hidden to intermediate.
    Up,
    /// Down projection of the MLP: intermediate to hidden.
    Down,
}

impl LinearKind {
    /// Every kind, in the order a block computes them.
    pub const ALL: [LinearKind; 7] = [
        LinearKind::Q,
        LinearKind::K,
        LinearKind::V,
        LinearKind::O,
        LinearKind::Gate,
        LinearKind::Up,
        LinearKind::Down,
    ];

    /// Module path inside a block, as in checkpoints.
    pub const fn as_str(self) -> &'static str {
        match self {
            LinearKind::Q => "self_attn.q_proj",
            LinearKind::K => "self_attn.k_proj",
            LinearKind::V => "self_attn.v_proj",
            LinearKind::O => "self_attn.o_proj",
            LinearKind::Gate => "mlp.gate_proj",
            LinearKind::Up => "mlp.up_proj",
            LinearKind::Down => "mlp.down_proj",
        }
    }

    /// The group this linear is computed in.
    pub const fn group(self) -> GroupKind {
        match self {
            LinearKind::Q | LinearKind::K | LinearKind::V => GroupKind::Qkv,
            LinearKind::O => GroupKind::O,
            LinearKind::Gate | LinearKind::Up => GroupKind::GateUp,
            LinearKind::Down => GroupKind::Down,
        }
    }
}

impl fmt::Display for LinearKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One linear of the model; written `layers.3.mlp.up_proj`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinearId {
    /// Index of the block, from 0.
    pub block: usize,
    /// Which linear of the block.
    pub kind: LinearKind,
}

impl LinearId {
    /// Name of its weight in a checkpoint: `model.layers.3.mlp.up_proj.weight`.
    pub fn weight_name(self) -> String {
        format!("model.{self}.weight")
    }

    /// The group it is computed in.
    pub fn group(self) -> GroupId {
        GroupId {
            block: self.block,
            kind: self.kind.group(),
        }
    }
}

impl fmt::Display for LinearId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "layers.{}.{}", self.block, self.kind)
    }
}

/// A name that is no linear's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("linear `{0}`: expected layers.<n>.self_attn.{{q,k,v,o}}_proj or layers.<n>.mlp.{{gate,up,down}}_proj")]
pub struct LinearIdError(String);

impl FromStr for LinearId {
    type Err = LinearIdError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let error = || LinearIdError(s.to_string());
        let rest = s.strip_prefix("layers.").ok_or_else(error)?;
        let (block, kind) = rest.split_once('.').ok_or_else(error)?;
        Ok(LinearId {
            block: block.parse().map_err(|_| error())?,
            kind: LinearKind::ALL
                .into_iter()
                .find(|k| k.as_str() == kind)
                .ok_or_else(error)?,
        })
    }
}

impl JsonSchema for LinearId {
    fn schema_name() -> Cow<'static, str> {
        "LinearId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A linear by name, for example layers.3.mlp.up_proj.",
            "type": "string",
            "pattern": "^layers\\.[0-9]+\\.(self_attn\\.(q|k|v|o)_proj|mlp\\.(gate|up|down)_proj)$",
        })
    }
}

impl Serialize for LinearId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LinearId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Linears of a block that share one input and are computed together.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum GroupKind {
    /// q, k and v.
    Qkv,
    /// o.
    O,
    /// gate and up.
    GateUp,
    /// down.
    Down,
}

impl GroupKind {
    /// Every group, in the order a block computes them.
    pub const ALL: [GroupKind; 4] = [
        GroupKind::Qkv,
        GroupKind::O,
        GroupKind::GateUp,
        GroupKind::Down,
    ];

    /// Its linears, in the order of their outputs.
    pub const fn linears(self) -> &'static [LinearKind] {
        match self {
            GroupKind::Qkv => &[LinearKind::Q, LinearKind::K, LinearKind::V],
            GroupKind::O => &[LinearKind::O],
            GroupKind::GateUp => &[LinearKind::Gate, LinearKind::Up],
            GroupKind::Down => &[LinearKind::Down],
        }
    }
}

/// One group of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId {
    /// Index of the block, from 0.
    pub block: usize,
    /// Which group of the block.
    pub kind: GroupKind,
}

impl GroupId {
    /// Kinds of its linears, in the order of their outputs.
    pub const fn linears(self) -> &'static [LinearKind] {
        self.kind.linears()
    }

    /// Its linears, in the order of their outputs.
    pub fn linear_ids(self) -> impl Iterator<Item = LinearId> {
        self.linears().iter().map(move |&kind| LinearId {
            block: self.block,
            kind,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for kind in LinearKind::ALL {
            let id = LinearId { block: 12, kind };
            assert_eq!(id.to_string().parse(), Ok(id));
            assert!(id.group().linear_ids().any(|l| l == id));
        }
        assert_eq!(
            "layers.3.mlp.up_proj"
                .parse::<LinearId>()
                .unwrap()
                .weight_name(),
            "model.layers.3.mlp.up_proj.weight"
        );
    }

    #[test]
    fn other_names_are_refused() {
        for name in [
            "",
            "lm_head",
            "layers.x.mlp.up_proj",
            "layers.1.mlp",
            "layers.-1.mlp.up_proj",
        ] {
            assert!(name.parse::<LinearId>().is_err(), "{name}");
        }
    }
}
