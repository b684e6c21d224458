//! Tercet: which layers of a BitNet b1.58 model are worth moving to an FPGA, and what that costs
//! and gains.
//!
//! The modules, in the order data flows through them:
//!
//! | module | what it does |
//! |---|---|
//! | [`checkpoint`] | opens a Hugging Face folder (or the embedded model), checks every tensor |
//! | [`embedded`] | the tiny trained model inside the binary |
//! | [`model`] | weights, and the one forward pass |
//! | [`kernel`] | ternary and dense matrix products on the CPU |
//! | [`executor`] | who computes the linears: the trait, and the CPU |
//! | [`tokenizer`] | text to ids and back, chat template |
//! | [`sample`], [`generate`] | logits to tokens |
//! | [`evaluate`] | logits of given tokens, their loss |
//! | [`atomic`] | files that appear whole or not at all |
//! | [`quantize`] | dense checkpoint to packed ternary checkpoint |
//!
//! Shapes throughout: `W: [N, K]` (N = out_features, K = in_features), `x: [T, K]`, `y: [T, N]`,
//! all row-major.

pub mod atomic;
mod chat;
pub mod checkpoint;
pub mod embedded;
pub mod evaluate;
pub mod executor;
pub mod generate;
pub mod kernel;
pub mod model;
pub mod quantize;
pub mod sample;
pub mod tokenizer;
