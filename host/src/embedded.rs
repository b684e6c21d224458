//! The tiny trained BitNet inside the binary: 5 M parameters, six blocks, 1024 tokens, packed.
//!
//! It tells short stories; `tests/reference` holds the scripts that made it.

/// Files of the embedded checkpoint folder: (name, content).
const FILES: [(&str, &[u8]); 6] = [
    (
        "config.json",
        include_bytes!("../assets/tiny-bitnet/config.json"),
    ),
    (
        "generation_config.json",
        include_bytes!("../assets/tiny-bitnet/generation_config.json"),
    ),
    (
        "model.safetensors",
        include_bytes!("../assets/tiny-bitnet/model.safetensors"),
    ),
    (
        "special_tokens_map.json",
        include_bytes!("../assets/tiny-bitnet/special_tokens_map.json"),
    ),
    (
        "tokenizer.json",
        include_bytes!("../assets/tiny-bitnet/tokenizer.json"),
    ),
    (
        "tokenizer_config.json",
        include_bytes!("../assets/tiny-bitnet/tokenizer_config.json"),
    ),
];

/// Content of a file of the embedded checkpoint.
pub fn file(name: &str) -> Option<&'static [u8]> {
    FILES.iter().find(|f| f.0 == name).map(|f| f.1)
}

/// Name and content of every file of the embedded checkpoint.
pub fn files() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    FILES.into_iter()
}
