//! What a `model_type` implies and `config.json` does not say.

/// Biases, norms and form of the MLP in the blocks of a family of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// Whether the MLP has a gate: three matrices instead of two.
    pub gated: bool,
    /// Biases of q, k and v, unless the configuration says otherwise.
    pub qkv_bias: bool,
    /// Bias of o.
    pub o_bias: bool,
    /// Biases of the MLP.
    pub mlp_bias: bool,
    /// Whether norms have a bias besides their gain.
    pub norm_bias: bool,
    /// Norms of queries and keys, one gain of head_dim each.
    pub qk_norm: bool,
    /// BitNet's norms before o and before down.
    pub sub_norms: bool,
    /// Norms of the residual stream in a block.
    pub block_norms: u64,
    /// Whether the embedding is the output head where the configuration is silent.
    pub tied: bool,
}

impl Family {
    const LLAMA: Family = Family {
        gated: true,
        qkv_bias: false,
        o_bias: false,
        mlp_bias: false,
        norm_bias: false,
        qk_norm: false,
        sub_norms: false,
        block_norms: 2,
        tied: false,
    };

    /// The family of a `model_type`; none if it is not known.
    pub fn of(model_type: &str) -> Option<Family> {
        let llama = Family::LLAMA;
        Some(match model_type {
            "llama" | "mistral" | "smollm3" => llama,
            "bitnet" => Family {
                sub_norms: true,
                ..llama
            },
            "qwen2" => Family {
                qkv_bias: true,
                ..llama
            },
            "qwen3" => Family {
                qk_norm: true,
                ..llama
            },
            "gemma" => Family {
                tied: true,
                ..llama
            },
            "gemma2" => Family {
                tied: true,
                block_norms: 4,
                ..llama
            },
            "gemma3" | "gemma3_text" => Family {
                tied: true,
                block_norms: 4,
                qk_norm: true,
                ..llama
            },
            "starcoder2" => Family {
                gated: false,
                qkv_bias: true,
                o_bias: true,
                mlp_bias: true,
                norm_bias: true,
                tied: true,
                ..llama
            },
            _ => return None,
        })
    }

    /// What is assumed of a family that is not known: Llama's blocks.
    pub fn assumed() -> Family {
        Family::LLAMA
    }
}
