//! Writing to stdout, where the reader may have gone, and to stderr.

use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;
use tercet_contract::Geometry;
use tercet_sim::SimError;

/// Writes text to stdout and flushes it.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes a line to stderr. A line that cannot be written is lost: there is nobody to tell, and the
/// work itself does not depend on it.
pub fn note(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes remarks to stderr.
pub fn remarks(texts: &[String]) {
    for text in texts {
        note(text);
    }
}

/// Says that the Verilated kernel must be built first, if it must: that takes a while, in silence.
pub fn announce_build(geometry: &Geometry, trace: bool) -> Result<(), SimError> {
    if !tercet_sim::is_built(geometry, trace)? {
        note(format_args!(
            "building the Verilated kernel {geometry}, once on this machine (up to a minute)"
        ));
    }
    Ok(())
}

/// A number and what it counts: `1 layer`, `2 layers`.
pub fn counted(number: usize, what: &str) -> String {
    let plural = match number {
        1 => "",
        _ if what.ends_with("ch") => "es",
        _ => "s",
    };
    format!("{number} {what}{plural}")
}

/// Writes a value as indented JSON and a line break.
pub fn print_json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(print(&text)?)
}

/// Whether an error only says that nobody reads the output any more.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}
