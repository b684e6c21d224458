//! Lines from stdin and Ctrl-C, as one sequence of events.
//!
//! A thread reads stdin, so that a Ctrl-C at the prompt is seen while a line is awaited. On a terminal
//! Ctrl-C ends the answer that is being written and no more; without one, it ends the program as
//! ever. Only SIGINT is taken: `kill` and `timeout` still end the program.

use std::io::{self, stdin, BufRead, IsTerminal};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::sync::Arc;
use std::thread;

use anyhow::Context;

/// Events that wait at most; a pipe is not read further ahead.
const WAITING: usize = 16;

/// What comes in.
pub enum Event {
    /// A line, without its end.
    Line(String),
    /// A line that is not UTF-8.
    NotUtf8,
    /// Ctrl-C while no answer is being written.
    Interrupt,
    /// There is no more: Ctrl-D, or the end of the pipe.
    End,
    /// Stdin cannot be read.
    Failed(io::Error),
}

/// Messages and interruptions.
pub struct Messages {
    events: Receiver<Event>,
    turn: Arc<Turn>,
    terminal: bool,
}

impl Messages {
    /// Begins to read stdin and, on a terminal, to listen for Ctrl-C.
    pub fn open() -> anyhow::Result<Self> {
        let (sender, events) = sync_channel(WAITING);
        let turn = Arc::new(Turn::default());
        let terminal = stdin().is_terminal();
        if terminal {
            listen(sender.clone(), Arc::clone(&turn)).context("cannot listen for Ctrl-C")?;
        }
        thread::spawn(move || read_lines(&mut stdin().lock(), &sender));
        Ok(Messages {
            events,
            turn,
            terminal,
        })
    }

    /// Whether a person types.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Waits for the next event.
    pub fn next(&self) -> Event {
        self.events.recv().unwrap_or(Event::End)
    }

    /// Who is to speak.
    pub fn turn(&self) -> &Turn {
        &self.turn
    }
}

/// Whether an answer is being written, and whether it is to end.
#[derive(Default)]
pub struct Turn(AtomicU8);

impl Turn {
    /// A message is awaited.
    const MESSAGE: u8 = 0;
    /// An answer is being written.
    const ANSWER: u8 = 1;
    /// It is to end.
    const STOP: u8 = 2;

    /// An answer begins.
    pub fn begin_answer(&self) {
        self.0.store(Self::ANSWER, Ordering::SeqCst);
    }

    /// Whether the answer is to end.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::SeqCst) == Self::STOP
    }

    /// The answer has ended.
    pub fn end_answer(&self) {
        self.0.store(Self::MESSAGE, Ordering::SeqCst);
    }

    /// Ctrl-C: true if it is for an answer, however often it comes.
    fn interrupt(&self) -> bool {
        let stop = |turn| (turn != Self::MESSAGE).then_some(Self::STOP);
        self.0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, stop)
            .is_ok()
    }
}

/// Ctrl-C from now on.
fn listen(sender: SyncSender<Event>, turn: Arc<Turn>) -> anyhow::Result<()> {
    let interrupted = move || {
        if !turn.interrupt() {
            // If the queue is full, nobody waits at the prompt.
            let _ = sender.try_send(Event::Interrupt);
        }
    };
    #[cfg(unix)]
    {
        let mut signals =
            signal_hook::iterator::Signals::new([signal_hook::consts::signal::SIGINT])?;
        thread::spawn(move || signals.forever().for_each(|_| interrupted()));
    }
    #[cfg(not(unix))]
    ctrlc::set_handler(interrupted)?;
    Ok(())
}

/// Sends lines until they end or nobody wants them.
fn read_lines(input: &mut dyn BufRead, sender: &SyncSender<Event>) {
    loop {
        let mut line = Vec::new();
        let event = match input.read_until(b'\n', &mut line) {
            Ok(0) => Event::End,
            Ok(_) => match String::from_utf8(line) {
                Ok(line) => Event::Line(line.trim_end_matches(['\n', '\r']).to_string()),
                Err(_) => Event::NotUtf8,
            },
            Err(e) => Event::Failed(e),
        };
        let last = matches!(event, Event::End | Event::Failed(_));
        if sender.send(event).is_err() || last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_without_their_ends_and_then_the_end() {
        let (sender, events) = sync_channel(WAITING);
        let mut input: &[u8] = b"one\r\n\ntw\xc3\xb6\n\xff\xfe\nlast";
        read_lines(&mut input, &sender);
        drop(sender);
        let seen: Vec<String> = events
            .iter()
            .map(|e| match e {
                Event::Line(line) => line,
                Event::NotUtf8 => "not UTF-8".to_string(),
                Event::End => "end".to_string(),
                Event::Interrupt | Event::Failed(_) => unreachable!(),
            })
            .collect();
        assert_eq!(seen, ["one", "", "tw\u{f6}", "not UTF-8", "last", "end"]);
    }

    #[test]
    fn an_interruption_is_for_the_answer_or_for_the_prompt() {
        let turn = Turn::default();
        assert!(!turn.interrupt());
        turn.begin_answer();
        assert!(!turn.is_stopped());
        assert!(turn.interrupt() && turn.interrupt());
        assert!(turn.is_stopped());
        turn.end_answer();
        assert!(!turn.interrupt() && !turn.is_stopped());
    }
}
