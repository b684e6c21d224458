//! `tercet run --chat`: messages from stdin, answers to stdout, everything else to stderr.
//!
//! On a terminal an answer may be interrupted and a mistake is told; from a pipe every line is a
//! message, and the first that cannot be answered ends the program, so that answers never shift.

use std::io::{stderr, IsTerminal, Write};
use std::ops::ControlFlow;

use anyhow::{anyhow, bail, Context};
use tercet::conversation::{
    Answer, Conversation, ConversationError, ConversationOptions, SamplingWishes,
};
use tercet::executor::hybrid::{DeviceFault, HybridExecutor, OnFault};
use tercet::executor::{CpuExecutor, CpuOptions, Executor};
use tercet::generate::StopReason;
use tercet::model::Model;
use tercet::run::Placement;
use tercet::tokenizer::{Tokenizer, TokenizerError};

use super::messages::{Event, Messages};
use super::output::{announce_build, counted, is_quiet, note, print, problem, tell};
use super::run::{fault_text, placement, Args};
use super::Verdict;

const HELP: &str = "\
/help   this list
/clear  forget the conversation, but for --system
/exit   leave, as Ctrl-D does
Ctrl-C ends an answer. A message that begins with / is written with two: //";

/// What a line means.
#[derive(Debug, PartialEq)]
enum Command<'a> {
    /// Nothing.
    Nothing,
    Help,
    Clear,
    Exit,
    /// Something for the model.
    Message(&'a str),
    /// A slash and something else.
    Unknown(&'a str),
}

impl<'a> Command<'a> {
    fn parse(line: &'a str) -> Self {
        let line = line.trim();
        match line.strip_prefix('/') {
            None if line.is_empty() => Command::Nothing,
            None => Command::Message(line),
            Some("help") => Command::Help,
            Some("clear") => Command::Clear,
            Some("exit") => Command::Exit,
            Some(rest) if rest.starts_with('/') => Command::Message(rest),
            Some(_) => Command::Unknown(line),
        }
    }
}

/// The executor of a chat.
enum Compute {
    Cpu(Box<CpuExecutor>),
    Device(Box<HybridExecutor>),
}

impl Compute {
    /// Opens what the placement says.
    fn open(placement: &Placement, model: &Model, options: CpuOptions) -> anyhow::Result<Self> {
        if placement.device.is_verilated() && !placement.layers.is_empty() {
            announce_build(&placement.geometry, placement.trace.is_some())?;
        }
        let cpu = CpuExecutor::with_options(options)?;
        let faults = placement.faults;
        let session = match placement.open(model) {
            Err(e) if faults.on_fault == OnFault::Cpu && e.is_of_a_card() => {
                note(fault_text(&DeviceFault::at_start(&e)));
                None
            }
            opened => opened?,
        };
        Ok(match session {
            None => Compute::Cpu(Box::new(cpu)),
            session => {
                let hybrid = HybridExecutor::with_faults(cpu, session, faults, None);
                Compute::Device(Box::new(hybrid))
            }
        })
    }

    fn executor(&mut self) -> &mut dyn Executor {
        match self {
            Compute::Cpu(cpu) => cpu.as_mut(),
            Compute::Device(hybrid) => hybrid.as_mut(),
        }
    }

    /// Cycles of the device so far, with their tier; none on the CPU.
    fn cycles(&self) -> Option<(u64, String)> {
        let Compute::Device(hybrid) = self else {
            return None;
        };
        let session = hybrid.session()?;
        Some((
            session.usage().cycles.0,
            session.device().tier().to_string(),
        ))
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        if let Compute::Device(hybrid) = self {
            hybrid.finish_or_note()?;
            if let Some(fault) = hybrid.fault() {
                note(fault_text(fault));
            }
        }
        Ok(())
    }
}

pub fn run(args: &Args) -> anyhow::Result<Verdict> {
    let source = args.model.source();
    let tokenizer = Tokenizer::load(&source)?;
    if !tokenizer.has_chat_template() {
        let model = source.to_string();
        let missing = TokenizerError::NoTemplate { model };
        bail!("--chat: {missing}; without --chat the model continues a text");
    }
    let model = args.model.load(args.cpu.load())?;
    let options = ConversationOptions {
        system: args.system.clone(),
        sampling: SamplingWishes {
            temperature: args.temperature,
            top_k: args.top_k,
            top_p: args.top_p,
            seed: args.seed,
        }
        .resolve(model.generation_config()),
        max_tokens: args.max_tokens,
    };
    if options.sampling.temperature == 0.0 && (args.top_k.is_some() || args.top_p.is_some()) {
        note("--top-k and --top-p have no effect at temperature 0; add --temperature");
    }
    let conversation = Conversation::new(&model, &tokenizer, &options).context("--chat")?;
    let placement = placement(args, &source, &model)?;
    let mut chat = Chat {
        conversation,
        compute: Compute::open(&placement, &model, args.cpu.options()?)?,
        context: model.config().max_position_embeddings,
        messages: Messages::open()?,
    };
    chat.run(&args.prompt)?;
    chat.compute.finish()?;
    Ok(Verdict::Ok)
}

struct Chat<'m> {
    conversation: Conversation<'m>,
    compute: Compute,
    /// The model's longest context.
    context: usize,
    messages: Messages,
}

impl Chat<'_> {
    /// Answers `first`, if it is not empty, and then every line.
    fn run(&mut self, first: &str) -> anyhow::Result<()> {
        // Whether a Ctrl-C has come since the last line: the next one leaves.
        let mut interrupted = false;
        if self.messages.is_terminal() {
            note("/help lists the commands, Ctrl-D leaves");
        }
        if !first.trim().is_empty() {
            self.mark(&format!("> {first}\n"));
            interrupted = self.answer(first)?;
        }
        let mut line_number = 0;
        loop {
            self.mark("> ");
            let line = match self.messages.next() {
                Event::Line(line) => line,
                Event::Interrupt if interrupted => break,
                Event::Interrupt => {
                    interrupted = true;
                    note("\nCtrl-C again, or Ctrl-D, leaves");
                    continue;
                }
                Event::End => break,
                Event::NotUtf8 => {
                    line_number += 1;
                    self.wrong(anyhow!("line {line_number} of stdin is not UTF-8"))?;
                    continue;
                }
                Event::Failed(e) => return Err(e).context("cannot read stdin"),
            };
            line_number += 1;
            interrupted = false;
            match Command::parse(&line) {
                Command::Nothing => {}
                Command::Help => tell(HELP),
                Command::Clear => {
                    self.conversation.clear();
                    note("the conversation is forgotten");
                }
                Command::Exit => return Ok(()),
                Command::Message(text) => interrupted = self.answer(text)?,
                Command::Unknown(command) => self.wrong(anyhow!(
                    "line {line_number}: unknown command {command}: /help lists them, \
                     // begins a message with a slash"
                ))?,
            }
        }
        if self.messages.is_terminal() {
            note("");
        }
        Ok(())
    }

    /// Answers a message on stdout; whether it was interrupted.
    fn answer(&mut self, message: &str) -> anyhow::Result<bool> {
        let turn = self.messages.turn();
        let before = self.compute.cycles();
        let mut failed: Option<anyhow::Error> = None;
        turn.begin_answer();
        let answered = self
            .conversation
            .answer(self.compute.executor(), message, &mut |text| {
                if let Err(e) = print(text) {
                    failed = Some(e.into());
                }
                match failed.is_some() || turn.is_stopped() {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            });
        turn.end_answer();
        if let Some(e) = failed {
            return Err(e);
        }
        let answer = match answered {
            Ok(answer) => answer,
            Err(e) if e.is_about_message() => {
                let hint = self.hint(&e);
                self.wrong(anyhow!("{e}{hint}"))?;
                return Ok(false);
            }
            Err(e) => return Err(e.into()),
        };
        print("\n")?;
        note(self.statistics(&answer, before));
        match answer.stop_reason {
            StopReason::ContextFull => note(format_args!(
                "the context of {} tokens is full, so the answer ends here; /clear begins anew",
                self.context
            )),
            StopReason::Cancelled if answer.tokens == 0 => {
                note("interrupted: the message is withdrawn; Ctrl-C again leaves");
            }
            StopReason::Cancelled => note("interrupted; Ctrl-C again leaves"),
            StopReason::MaxTokens | StopReason::StopToken => {}
        }
        Ok(answer.stop_reason == StopReason::Cancelled)
    }

    /// What can be done about a message that was not answered.
    fn hint(&self, error: &ConversationError) -> &'static str {
        match error {
            ConversationError::ContextFull { .. } if self.conversation.is_empty() => {
                "; shorten the message"
            }
            ConversationError::ContextFull { .. } => "; /clear forgets what was said before",
            _ => "",
        }
    }

    /// Tells a mistake to a person; an error if there is none.
    fn wrong(&self, error: anyhow::Error) -> anyhow::Result<()> {
        if !self.messages.is_terminal() {
            return Err(error);
        }
        problem("error", error);
        Ok(())
    }

    /// Shows where a message begins; on a terminal only, and on stderr, so that stdout holds answers
    /// and nothing else.
    fn mark(&self, text: &str) {
        if self.messages.is_terminal() && stderr().is_terminal() && !is_quiet() {
            let mut out = stderr().lock();
            // As with remarks, there is nobody to tell.
            let _ = write!(out, "{text}").and_then(|()| out.flush());
        }
    }

    /// What an answer took. Beside a simulated device no wall time means anything, so cycles stand for
    /// it: those since `before`.
    fn statistics(&self, a: &Answer, before: Option<(u64, String)>) -> String {
        let mut text = counted(a.tokens, "token");
        let read = format!("{} read", counted(a.read_tokens, "token"));
        match (self.compute.cycles(), before) {
            (Some((cycles, tier)), Some((earlier, _))) => {
                text += &format!("; {read}, {} kept", a.kept_tokens);
                text += &format!("; {} device cycles ({tier})", cycles - earlier);
            }
            _ => {
                if a.decode_passes > 0 {
                    let rate = a.decode_passes as f64 / a.decode_s.0;
                    text += &format!(", {rate:.1} tokens/s");
                }
                text += &format!(
                    "; {read} in {}, {} kept (measured)",
                    a.read_s, a.kept_tokens
                );
            }
        }
        let held = self.conversation.held_tokens();
        text + &format!("; {held} of {} in the context", self.context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_command_or_a_message() {
        for (line, command) in [
            ("", Command::Nothing),
            (" \t", Command::Nothing),
            ("/help", Command::Help),
            (" /clear ", Command::Clear),
            ("/exit", Command::Exit),
            ("/quit now", Command::Unknown("/quit now")),
            ("/", Command::Unknown("/")),
            ("//etc is a folder", Command::Message("/etc is a folder")),
            (" Hello there. ", Command::Message("Hello there.")),
        ] {
            assert_eq!(Command::parse(line), command, "{line:?}");
        }
    }
}
