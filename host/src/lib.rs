//! Tercet: which layers of a BitNet b1.58 model are worth moving to an FPGA, and what that costs
//! and gains.
//!
//! The modules, in the order data flows through them:
//!
//! | module | what it does |
//! |---|---|
//! | [`checkpoint`] | opens a Hugging Face folder (or the embedded model), checks every tensor |
//! | [`weight_cache`], [`mapped`] | packed weights kept between runs; files in memory |
//! | [`embedded`] | the tiny trained model inside the binary |
//! | [`model`] | weights, and the one forward pass |
//! | [`kernel`] | ternary and dense matrix products on the CPU |
//! | [`executor`] | who computes the linears: the trait, and the CPU |
//! | [`tokenizer`] | text to ids and back, chat template |
//! | [`sample`], [`generate`] | logits to tokens |
//! | [`conversation`] | a chat that reads only what is new |
//! | [`evaluate`] | logits of given tokens, their loss |
//! | [`perplexity`] | how well a model predicts a text |
//! | [`atomic`] | files that appear whole or not at all |
//! | [`quantize`] | dense checkpoint to packed ternary checkpoint |
//! | [`synth`] | a random checkpoint of any shape |
//! | [`analyze`] | parameters, memory, FLOPs and roofline, from sizes alone |
//! | [`profile`], [`system`] | where the CPU's time goes, and on which machine |
//! | [`mod@bench`] | tokens a second, and how near they come to what memory can deliver |
//! | [`board`], [`time_model`] | what a card and its link cost in time |
//! | [`select`], [`plan`] | which layers are worth moving, as a file to edit |
//! | [`mod@explore`] | every kernel on every board, the Pareto front of them |
//! | [`identity`] | whether a profile or a plan belongs to the model at hand |
//! | [`emit`], [`simulate`] | the kernel as Verilog; one product on the simulated kernel |
//! | [`device`] | weights, commands and results on a device |
//! | [`bitstream`] | whether bitstreams are what their manifests say |
//! | [`doctor`] | whether this machine is fit for one |
//! | [`run`], [`compare`] | text with layers on a device; CPU only against hybrid |
//! | [`flow`] | all of it, resumable |
//! | [`schema`] | JSON Schemas of every file and output |
//! | [`validate`] | published hardware beside our model |
//! | [`artefact`], [`toml_file`], [`table`], [`tier`], [`units`], [`suggest`] | files, tables, evidence, units, misspelled names |
//!
//! Shapes throughout: `W: [N, K]` (N = out_features, K = in_features), `x: [T, K]`, `y: [T, N]`,
//! all row-major.

pub mod analyze;
pub mod artefact;
pub mod atomic;
pub mod bench;
pub mod bitstream;
pub mod board;
mod chat;
pub mod checkpoint;
pub mod compare;
pub mod conversation;
pub mod device;
pub mod doctor;
pub mod embedded;
pub mod emit;
pub mod evaluate;
pub mod executor;
pub mod explore;
pub mod flow;
pub mod generate;
pub mod identity;
pub mod kernel;
pub mod mapped;
pub mod model;
pub mod perplexity;
pub mod picture;
pub mod plan;
pub mod profile;
pub mod quantize;
pub mod report;
pub mod run;
pub mod sample;
pub mod schema;
pub mod select;
pub mod simulate;
pub mod suggest;
pub mod synth;
pub mod system;
pub mod table;
pub mod tier;
pub mod time_model;
pub mod tokenizer;
pub mod toml_file;
pub mod units;
pub mod validate;
pub mod weight_cache;
