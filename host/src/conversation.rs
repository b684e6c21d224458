//! A conversation: messages, the model's answers, and a session that is kept between them.
//!
//! Every turn renders the whole conversation through the chat template and compares its ids with those
//! the session holds. The longest common prefix stays, the session goes back to it
//! ([`Session::truncate`]), and only what follows is read. So a template that rewrites what was said
//! costs time and never correctness.
//!
//! A tokenizer may split the text of an answer otherwise than the model wrote it: after `Assistant: `,
//! whose space is a token, the model writes `Once`, while the text of both has the token ` Once`. So
//! if the template gives back the text of the last turn as it was, up to the token that ends it, the
//! ids of that turn are taken as they were, too.

use std::ops::ControlFlow;
use std::time::Instant;

use crate::checkpoint::GenerationConfig;
use crate::executor::{Executor, Phase, Stage};
use crate::generate::StopReason;
use crate::model::{ForwardError, LogitRows, Model, Session};
use crate::sample::{SampleError, Sampler, Sampling};
use crate::tokenizer::{Message, TextStream, Tokenizer, TokenizerError};
use crate::units::Seconds;

/// Tokens read between two looks at whether the caller wants an end.
const READ_TOKENS: usize = 64;

/// How a conversation goes.
#[derive(Clone, Debug, PartialEq)]
pub struct ConversationOptions {
    /// What the model is told before the first message.
    pub system: Option<String>,
    /// How a token is chosen; the random numbers go on from answer to answer.
    pub sampling: Sampling,
    /// Most tokens of an answer, at least 1; none for as many as the context holds.
    pub max_tokens: Option<usize>,
}

/// An answer, and what it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Its text, as far as it got.
    pub text: String,
    /// Tokens of the answer, without the stop token.
    pub tokens: usize,
    /// Why it ended.
    pub stop_reason: StopReason,
    /// Tokens of the conversation that the session still held.
    pub kept_tokens: usize,
    /// Tokens of the conversation that were read for this answer.
    pub read_tokens: usize,
    /// Wall time from the message to the first token.
    pub read_s: Seconds,
    /// Passes after that, one token each.
    pub decode_passes: usize,
    /// Wall time of all of them.
    pub decode_s: Seconds,
}

/// Why a message got no answer, or no whole one; it is then no part of the conversation.
#[derive(Debug, thiserror::Error)]
pub enum ConversationError {
    /// No template, one that refuses the conversation, or a text that cannot be encoded.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The template renders nothing.
    #[error("the chat template makes no tokens of the conversation, expected at least one")]
    EmptyPrompt,
    /// The conversation does not fit.
    #[error(
        "the conversation has {tokens} tokens with this message, expected at most {context} \
         (max_position_embeddings)"
    )]
    ContextFull {
        /// Tokens of the conversation and the message.
        tokens: usize,
        /// The model's longest context.
        context: usize,
    },
    /// Answers of no tokens were asked for.
    #[error("answers of at most 0 tokens, expected at least 1")]
    NoTokens,
    /// The forward pass failed.
    #[error(transparent)]
    Forward(#[from] ForwardError),
    /// No token could be chosen.
    #[error(transparent)]
    Sample(#[from] SampleError),
}

impl ConversationError {
    /// Whether only the message is at fault, so that another one may be answered.
    pub fn is_about_message(&self) -> bool {
        match self {
            Self::Tokenizer(_) | Self::EmptyPrompt | Self::ContextFull { .. } => true,
            Self::Forward(e) => !matches!(e, ForwardError::Executor(_)),
            Self::NoTokens | Self::Sample(_) => false,
        }
    }
}

/// A conversation up to the end of an answer.
struct Turn {
    /// As the template renders it.
    text: String,
    /// Its ids, those of the answer as the model wrote them.
    ids: Vec<u32>,
}

/// A conversation in progress.
pub struct Conversation<'m> {
    model: &'m Model,
    tokenizer: &'m Tokenizer,
    session: Session<'m>,
    /// Ids that the session has read, in order.
    held: Vec<u32>,
    /// The system message if there is one, then messages and answers in turn.
    messages: Vec<Message>,
    last: Option<Turn>,
    /// The special token after an answer, as the template writes it.
    end_of_turn: Option<String>,
    sampler: Sampler,
    stop_ids: Vec<u32>,
    max_tokens: Option<usize>,
}

impl<'m> Conversation<'m> {
    /// A conversation without messages. The template is tried, so that one that refuses a system
    /// message does so here.
    pub fn new(
        model: &'m Model,
        tokenizer: &'m Tokenizer,
        options: &ConversationOptions,
    ) -> Result<Self, ConversationError> {
        if options.max_tokens == Some(0) {
            return Err(ConversationError::NoTokens);
        }
        let system = options.system.iter().map(|text| message("system", text));
        let mut messages: Vec<Message> = system.collect();
        messages.push(message("user", "Hello"));
        tokenizer.render_chat(&messages)?;
        messages.pop();
        let mut stop_ids = model.stop_ids().to_vec();
        let end_of_turn = tokenizer.end_of_turn();
        stop_ids.extend(end_of_turn);
        Ok(Conversation {
            model,
            tokenizer,
            session: Session::new(model),
            held: Vec::new(),
            messages,
            last: None,
            end_of_turn: end_of_turn.and_then(|id| tokenizer.token(id)),
            sampler: Sampler::new(&options.sampling)?,
            stop_ids,
            max_tokens: options.max_tokens,
        })
    }

    /// Tokens that the session holds.
    pub fn held_tokens(&self) -> usize {
        self.held.len()
    }

    /// Whether nothing has been said yet, but for the system message.
    pub fn is_empty(&self) -> bool {
        self.messages.iter().all(|m| m.role == "system")
    }

    /// Forgets everything but the system message.
    pub fn clear(&mut self) {
        self.messages.retain(|m| m.role == "system");
        self.last = None;
    }

    /// Answers a message. `on_text` gets the answer as it appears, in whole characters, and is also
    /// called with nothing while the message is read; it may break off.
    ///
    /// An answer that was broken off stays as far as it got; a message without a single token of
    /// answer is withdrawn.
    pub fn answer(
        &mut self,
        executor: &mut dyn Executor,
        content: &str,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Answer, ConversationError> {
        self.messages.push(message("user", content));
        let answered = self.answer_last(executor, on_text);
        match &answered {
            Ok(a) if a.tokens > 0 || a.stop_reason != StopReason::Cancelled => {
                self.messages.push(message("assistant", &a.text));
            }
            _ => drop(self.messages.pop()),
        }
        answered
    }

    fn answer_last(
        &mut self,
        executor: &mut dyn Executor,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Answer, ConversationError> {
        let Turn {
            text,
            ids: mut prompt,
        } = self.prompt()?;
        let context = self.model.config().max_position_embeddings;
        if prompt.is_empty() {
            return Err(ConversationError::EmptyPrompt);
        }
        if prompt.len() > context {
            let tokens = prompt.len();
            return Err(ConversationError::ContextFull { tokens, context });
        }
        // The last token is read in any case: its logits are wanted.
        let kept = common_prefix(&self.held, &prompt).min(prompt.len() - 1);
        self.session.truncate(kept);
        self.held.truncate(kept);

        let start = Instant::now();
        let first = self.read(executor, &prompt[kept..], on_text)?;
        let read_s = start.elapsed().into();
        let mut writing = Writing {
            stream: self.tokenizer.stream(),
            text: String::new(),
            ids: Vec::new(),
        };
        let (start, mut decode_passes) = (Instant::now(), 0);
        let mut next = first;
        let stop_reason = loop {
            let Some(token) = next else {
                break StopReason::Cancelled;
            };
            if self.stop_ids.contains(&token) {
                break StopReason::StopToken;
            }
            if writing.push(token, on_text)?.is_break() {
                break StopReason::Cancelled;
            }
            if Some(writing.ids.len()) == self.max_tokens {
                break StopReason::MaxTokens;
            }
            if self.session.room() == 0 {
                break StopReason::ContextFull;
            }
            next = Some(self.step(executor, Phase::Decode, &[token])?);
            decode_passes += 1;
        };
        let decode_s = start.elapsed().into();
        let (answer, ids) = writing.finish(on_text)?;
        let (tokens, read_tokens) = (ids.len(), self.held.len() - kept - decode_passes);
        if stop_reason != StopReason::Cancelled || tokens > 0 {
            // Special tokens are not in the text.
            let as_shown = !ids.iter().any(|&id| self.tokenizer.is_special(id));
            prompt.extend(ids);
            self.last = as_shown.then(|| Turn {
                text: text + &answer,
                ids: prompt,
            });
        }
        Ok(Answer {
            text: answer,
            tokens,
            stop_reason,
            kept_tokens: kept,
            read_tokens,
            read_s,
            decode_passes,
            decode_s,
        })
    }

    /// The conversation as text and ids, ready for an answer.
    fn prompt(&self) -> Result<Turn, TokenizerError> {
        let text = self.tokenizer.render_chat(&self.messages)?;
        let last = self.last.as_ref().zip(self.end_of_turn.as_ref());
        let rest = last.and_then(|(last, end)| {
            let rest = text.strip_prefix(&last.text)?;
            rest.starts_with(end).then_some((&last.ids, rest))
        });
        let ids = match rest {
            Some((ids, rest)) => [&ids[..], &self.tokenizer.encode_plain(rest)?].concat(),
            None => self.tokenizer.encode_plain(&text)?,
        };
        Ok(Turn { text, ids })
    }

    /// Reads tokens, at least one, and chooses the one that follows; none if the caller broke off.
    fn read(
        &mut self,
        executor: &mut dyn Executor,
        tokens: &[u32],
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Option<u32>, ConversationError> {
        let (before, last) = tokens.split_at((tokens.len() - 1) / READ_TOKENS * READ_TOKENS);
        for chunk in before.chunks(READ_TOKENS) {
            self.session
                .forward(executor, Phase::Prefill, chunk, LogitRows::Last)?;
            self.held.extend(chunk);
            if on_text("").is_break() {
                return Ok(None);
            }
        }
        self.step(executor, Phase::Prefill, last).map(Some)
    }

    /// Reads tokens and chooses the one that follows.
    fn step(
        &mut self,
        executor: &mut dyn Executor,
        phase: Phase,
        tokens: &[u32],
    ) -> Result<u32, ConversationError> {
        let rows = self.sampler.top().map_or(LogitRows::Last, LogitRows::Top);
        let logits = self.session.forward(executor, phase, tokens, rows)?;
        self.held.extend(tokens);
        executor.begin(Stage::Sample, None, phase);
        let token = self.sampler.choose(logits)?;
        executor.end(Stage::Sample, None, phase);
        Ok(token)
    }
}

/// An answer as it is written.
struct Writing<'t> {
    stream: TextStream<'t>,
    text: String,
    ids: Vec<u32>,
}

impl Writing<'_> {
    /// One more token.
    fn push(
        &mut self,
        token: u32,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, TokenizerError> {
        let text = self.stream.push(token)?;
        self.ids.push(token);
        self.text.push_str(&text);
        Ok(on_text(&text))
    }

    /// The whole text and its ids; what never became a character is shown last.
    fn finish(
        mut self,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<(String, Vec<u32>), TokenizerError> {
        let rest = self.stream.finish()?;
        if !rest.is_empty() {
            // There is nothing left to break off.
            let _ = on_text(&rest);
            self.text.push_str(&rest);
        }
        Ok((self.text, self.ids))
    }
}

/// Settings of a chat that win over the checkpoint's; none where nothing was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SamplingWishes {
    /// See [`Sampling::temperature`].
    pub temperature: Option<f32>,
    /// See [`Sampling::top_k`].
    pub top_k: Option<usize>,
    /// See [`Sampling::top_p`].
    pub top_p: Option<f32>,
    /// See [`Sampling::seed`].
    pub seed: u64,
}

impl SamplingWishes {
    /// What was asked for, and for the rest what `generation_config.json` says: greedy unless its
    /// `do_sample` is true, temperature 1 if it samples without one.
    pub fn resolve(&self, config: &GenerationConfig) -> Sampling {
        let temperature = match (config.do_sample, config.temperature) {
            (false, _) => 0.0,
            (true, temperature) => temperature.unwrap_or(1.0) as f32,
        };
        Sampling {
            temperature: self.temperature.unwrap_or(temperature),
            top_k: self.top_k.or(config.top_k),
            top_p: self.top_p.or(config.top_p.map(|p| p as f32)),
            seed: self.seed,
        }
    }
}

fn message(role: &str, content: &str) -> Message {
    Message {
        role: role.to_string(),
        content: content.to_string(),
    }
}

/// Length of the longest prefix that both have.
fn common_prefix(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests;
