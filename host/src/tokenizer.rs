//! Text to token ids and back: `tokenizer.json`, streamed text, chat template.

use crate::chat::ChatTemplate;
use crate::checkpoint::{CheckpointError, Source};

pub use crate::chat::Message;

const FILE: &str = "tokenizer.json";

/// What stands for bytes that are no character yet.
const REPLACEMENT: char = '\u{FFFD}';

/// A text to see what is put around it: no template writes it.
const PROBE: &str = "zqxprobexqz";

/// Why text could not be turned into ids or back.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// A file of the checkpoint is missing or wrong.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The text could not be encoded.
    #[error("text of {bytes} bytes: {reason}")]
    Encode {
        /// Length of the text.
        bytes: usize,
        /// What the tokenizer said.
        reason: String,
    },
    /// The ids could not be decoded.
    #[error("{ids} token ids: {reason}")]
    Decode {
        /// Number of ids.
        ids: usize,
        /// What the tokenizer said.
        reason: String,
    },
    /// There is no chat template.
    #[error("{model}: no chat template in chat_template.jinja or tokenizer_config.json")]
    NoTemplate {
        /// The checkpoint.
        model: String,
    },
    /// The chat template could not be rendered.
    #[error("{file}: chat template: {reason}")]
    Template {
        /// File of the template.
        file: String,
        /// What the template engine said.
        reason: String,
    },
}

/// A tokenizer and the chat template beside it.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    chat: Option<ChatTemplate>,
    model: String,
}

impl Tokenizer {
    /// Loads `tokenizer.json` and the chat template of a checkpoint.
    pub fn load(source: &Source) -> Result<Self, TokenizerError> {
        let json = source.read(FILE)?;
        let inner =
            tokenizers::Tokenizer::from_bytes(&json).map_err(|e| CheckpointError::Format {
                path: source.path(FILE),
                found: e.to_string(),
                expected: "a tokenizer of the tokenizers library".into(),
            })?;
        Ok(Tokenizer {
            inner,
            chat: ChatTemplate::load(source)?,
            model: source.to_string(),
        })
    }

    /// Number of ids, added tokens included.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Ids of a text, with the special tokens the post-processor adds (usually BOS).
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        self.encode_with(text, true)
    }

    /// Ids of a text alone: of special tokens only those that the text itself writes out.
    pub fn encode_plain(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        self.encode_with(text, false)
    }

    /// Ids that [`Tokenizer::encode`] puts before a text; usually BOS, or none.
    pub fn begin_ids(&self) -> Result<Vec<u32>, TokenizerError> {
        let mut ids = self.encode_with(PROBE, true)?;
        let plain = self.encode_with(PROBE, false)?;
        let text = ids.windows(plain.len()).position(|w| w == plain);
        ids.truncate(text.unwrap_or(0));
        Ok(ids)
    }

    /// The special token that the chat template writes after an answer, if it is one; answers end
    /// with it.
    pub fn end_of_turn(&self) -> Option<u32> {
        let message = |role: &str, content: &str| Message {
            role: role.to_string(),
            content: content.to_string(),
        };
        let turn = [message("user", "a"), message("assistant", PROBE)];
        // A template may refuse such a conversation.
        let text = self.render_chat(&turn).ok()?;
        let after = text[text.rfind(PROBE)? + PROBE.len()..].trim_start();
        let tokens = self.inner.get_added_tokens_decoder();
        let written = tokens.iter().filter(|(_, token)| {
            token.special && !token.content.is_empty() && after.starts_with(&token.content)
        });
        let longest = written.max_by_key(|(_, token)| token.content.len());
        longest.map(|(&id, _)| id)
    }

    /// A token as the vocabulary writes it.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// Whether a token is special: [`Tokenizer::decode`] leaves it out.
    pub fn is_special(&self, id: u32) -> bool {
        let token = self.inner.id_to_token(id);
        token.is_some_and(|t| self.inner.get_added_vocabulary().is_special_token(&t))
    }

    /// Text of ids, without special tokens. Ids that no token has, of a model with more rows than
    /// its tokenizer has tokens, stand as numbers: `<1234>`.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        let is_token = |id: u32| self.inner.id_to_token(id).is_some();
        let mut text = String::new();
        for run in ids.chunk_by(|&a, &b| is_token(a) == is_token(b)) {
            if is_token(run[0]) {
                text += &self.decode_tokens(run)?;
            } else {
                text.extend(run.iter().map(|id| format!("<{id}>")));
            }
        }
        Ok(text)
    }

    /// Whether the checkpoint has a chat template.
    pub fn has_chat_template(&self) -> bool {
        self.chat.is_some()
    }

    /// Text of a conversation through the chat template, ready for the assistant's answer.
    pub fn render_chat(&self, messages: &[Message]) -> Result<String, TokenizerError> {
        match &self.chat {
            Some(template) => template.render(messages),
            None => Err(TokenizerError::NoTemplate {
                model: self.model.clone(),
            }),
        }
    }

    /// Ids of a conversation. The template writes the special tokens, so none are added.
    pub fn encode_chat(&self, messages: &[Message]) -> Result<Vec<u32>, TokenizerError> {
        self.encode_with(&self.render_chat(messages)?, false)
    }

    /// Text that appears token by token.
    pub fn stream(&self) -> TextStream<'_> {
        TextStream {
            tokenizer: self,
            ids: Vec::new(),
            shown: 0,
        }
    }

    fn decode_tokens(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        self.inner
            .decode(ids, true)
            .map_err(|e| TokenizerError::Decode {
                ids: ids.len(),
                reason: e.to_string(),
            })
    }

    fn encode_with(&self, text: &str, special: bool) -> Result<Vec<u32>, TokenizerError> {
        match self.inner.encode(text, special) {
            Ok(encoding) => Ok(encoding.get_ids().to_vec()),
            Err(e) => Err(TokenizerError::Encode {
                bytes: text.len(),
                reason: e.to_string(),
            }),
        }
    }
}

/// Incremental detokenisation: text comes out as soon as its characters are whole.
///
/// A token may end within a character, and decoders may treat the first token of a text unlike the
/// others, so the tokens shown last are decoded again together with the waiting ones.
pub struct TextStream<'t> {
    tokenizer: &'t Tokenizer,
    /// Tokens shown last, then tokens waiting.
    ids: Vec<u32>,
    /// How many of `ids` have been shown.
    shown: usize,
}

impl TextStream<'_> {
    /// Takes the next token; returns the text that is certain now, possibly empty.
    pub fn push(&mut self, id: u32) -> Result<String, TokenizerError> {
        self.ids.push(id);
        let text = self.waiting()?;
        if text.is_empty() || text.ends_with(REPLACEMENT) {
            return Ok(String::new());
        }
        self.ids.drain(..self.shown);
        self.shown = self.ids.len();
        Ok(text)
    }

    /// The rest, once no more tokens follow: bytes that never became a character.
    pub fn finish(self) -> Result<String, TokenizerError> {
        self.waiting()
    }

    /// Text of the waiting tokens.
    fn waiting(&self) -> Result<String, TokenizerError> {
        let before = self.tokenizer.decode(&self.ids[..self.shown])?;
        let all = self.tokenizer.decode(&self.ids)?;
        Ok(all.strip_prefix(&before).unwrap_or_default().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokenizer() -> Tokenizer {
        Tokenizer::load(&Source::Embedded).unwrap()
    }

    #[test]
    fn text_comes_back() {
        let t = tokenizer();
        let ids = t.encode("Once upon a time, Ben ran.").unwrap();
        assert_eq!(ids[0], 0, "BOS");
        assert_eq!(t.decode(&ids).unwrap(), "Once upon a time, Ben ran.");
    }

    #[test]
    fn characters_of_several_tokens_appear_whole() {
        let t = tokenizer();
        // Not in the vocabulary: single bytes.
        let text = "a \u{1F98A}\u{1F98A} \u{00E9}\u{4E2D} z";
        let ids = t.encode(text).unwrap();
        assert!(ids.len() > 10, "{ids:?}");
        let mut stream = t.stream();
        let mut seen = String::new();
        for &id in &ids {
            let part = stream.push(id).unwrap();
            assert!(!part.contains(REPLACEMENT));
            seen.push_str(&part);
            assert!(text.starts_with(&seen));
        }
        assert_eq!(seen + &stream.finish().unwrap(), text);
    }

    #[test]
    fn half_a_character_comes_out_at_the_end() {
        let t = tokenizer();
        let ids = t.encode("a\u{1F98A}").unwrap();
        let mut stream = t.stream();
        let mut seen = String::new();
        for &id in &ids[..ids.len() - 1] {
            seen.push_str(&stream.push(id).unwrap());
        }
        assert_eq!(seen, "a");
        assert!(stream.finish().unwrap().contains(REPLACEMENT));
    }

    #[test]
    fn ids_that_no_token_has_stand_as_numbers() {
        let t = tokenizer();
        let mut ids = t.encode("Once upon").unwrap();
        let beyond = t.vocab_size() as u32;
        ids.extend([beyond, u32::MAX]);
        ids.extend(&t.encode(" a time").unwrap()[1..]);
        let text = format!("Once upon<{beyond}><{}> a time", u32::MAX);
        assert_eq!(t.decode(&ids).unwrap(), text);
        let mut stream = t.stream();
        let parts: String = ids.iter().map(|&id| stream.push(id).unwrap()).collect();
        assert_eq!(parts + &stream.finish().unwrap(), text);
    }

    /// The embedded tokenizer with a chat template.
    fn with_template(template: &str) -> Tokenizer {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in crate::embedded::files() {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        std::fs::write(folder.path().join("chat_template.jinja"), template).unwrap();
        Tokenizer::load(&Source::Folder(folder.path().into())).unwrap()
    }

    #[test]
    fn what_begins_a_text_and_what_does_not() {
        let t = tokenizer();
        assert_eq!(t.begin_ids().unwrap(), [0]);
        let (whole, plain) = (t.encode("a b").unwrap(), t.encode_plain("a b").unwrap());
        assert_eq!(whole[1..], plain);
        assert_eq!(t.encode_plain("<|end_of_text|>").unwrap(), [1], "written");
    }

    #[test]
    fn an_answer_ends_with_what_the_template_writes_after_it() {
        let ended = |end: &str| {
            let turns = "{% for m in messages %}{{ m.role }}: {{ m.content }}END{% endfor %}";
            let t = with_template(&(turns.replace("END", end) + "assistant: "));
            t.end_of_turn()
        };
        assert_eq!(ended("<|end_of_text|>"), Some(1));
        assert_eq!(ended(" \n<|end_of_text|>\n"), Some(1));
        assert_eq!(ended("\n\n"), None, "no special token");
        assert_eq!(ended("{{ raise_exception('no') }}"), None);
        assert_eq!(with_template("").end_of_turn(), None);
        assert_eq!(tokenizer().end_of_turn(), None);
    }

    #[test]
    fn a_model_without_template_says_so() {
        let error = tokenizer().encode_chat(&[]).unwrap_err();
        assert!(error.to_string().contains("no chat template"));
    }
}
