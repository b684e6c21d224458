//! The programs that building a kernel needs.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use crate::error::SimError;

/// A program, and how to get it on Debian and Ubuntu.
pub struct Tool {
    name: &'static str,
    install: &'static str,
}

/// Verilog to C++.
pub const VERILATOR: Tool = Tool {
    name: "verilator",
    install: "apt-get install verilator g++ make",
};

/// C++ to machine code.
pub const CXX: Tool = Tool {
    name: "g++",
    install: "apt-get install verilator g++ make",
};

/// Runs the compiler on the files that Verilator wrote.
pub const MAKE: Tool = Tool {
    name: "make",
    install: "apt-get install verilator g++ make",
};

/// Oldest Verilator that takes the options of a build.
const OLDEST_VERILATOR: (u32, u32) = (5, 0);

/// Variables through which a caller's own build, say a `make` that runs us, would get into ours.
const FOREIGN: [&str; 16] = [
    "MAKEFLAGS",
    "MFLAGS",
    "GNUMAKEFLAGS",
    "MAKEOVERRIDES",
    "MAKEFILES",
    "MAKELEVEL",
    "CFLAGS",
    "CXXFLAGS",
    "CPPFLAGS",
    "LDFLAGS",
    "LDLIBS",
    "CC",
    "CXX",
    "LINK",
    "AR",
    "OBJCACHE",
];

/// What a program did.
pub struct Outcome {
    /// Whether it ended with status 0.
    pub success: bool,
    /// How it ended: `exited with status 3`, `was killed by signal 9 (SIGKILL)`.
    pub end: String,
    /// Standard output, then standard error.
    pub text: String,
}

impl Tool {
    /// The first line of `--version`.
    pub fn version(&self) -> Result<String, SimError> {
        let outcome = run(self, ["--version"], Path::new("."))?;
        let line = outcome.text.lines().next().unwrap_or_default();
        if outcome.success && !line.is_empty() {
            Ok(line.to_string())
        } else {
            Err(self.fails("--version", &outcome))
        }
    }

    /// The tool is there and does not work.
    pub fn fails(&self, argument: &'static str, outcome: &Outcome) -> SimError {
        let mut lines = outcome.text.lines().rev();
        let last = lines.find(|line| !line.trim().is_empty());
        SimError::ToolFails {
            tool: self.name,
            argument,
            end: outcome.end.clone(),
            last: last.unwrap_or("(no output)").trim().to_string(),
        }
    }

    fn missing(&self) -> SimError {
        SimError::MissingTool {
            tool: self.name,
            install: self.install,
        }
    }
}

/// The version line of the installed Verilator, which is recent enough.
pub fn verilator_version() -> Result<String, SimError> {
    let line = VERILATOR.version()?;
    match release(&line) {
        Some(found) if found >= OLDEST_VERILATOR => Ok(line),
        _ => Err(SimError::OldTool {
            tool: VERILATOR.name,
            found: line,
            oldest: format!("{}.{:03}", OLDEST_VERILATOR.0, OLDEST_VERILATOR.1),
        }),
    }
}

/// `(5, 6)` of `Verilator 5.006 2023-01-22 rev ...`.
fn release(line: &str) -> Option<(u32, u32)> {
    let (major, minor) = line.split_whitespace().nth(1)?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The zlib headers, which Verilator's FST writer includes.
pub struct Zlib;

/// See [`Zlib`].
pub const ZLIB: Zlib = Zlib;

impl Zlib {
    /// Whether the compiler finds the header.
    pub fn check(&self) -> Result<(), SimError> {
        let arguments = [
            "-x",
            "c++",
            "-fsyntax-only",
            "-include",
            "zlib.h",
            "/dev/null",
        ];
        if run(&CXX, arguments, Path::new("."))?.success {
            Ok(())
        } else {
            Err(SimError::MissingTool {
                tool: "zlib.h",
                install: "apt-get install zlib1g-dev",
            })
        }
    }
}

/// Runs a tool in `folder` and waits for it.
pub fn run<I, S>(tool: &Tool, arguments: I, folder: &Path) -> Result<Outcome, SimError>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut command = Command::new(tool.name);
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        // The messages go into errors and are searched for: one language.
        .env("LC_ALL", "C");
    for variable in FOREIGN {
        command.env_remove(variable);
    }
    let output = command.output().map_err(|source| match source.kind() {
        ErrorKind::NotFound => tool.missing(),
        _ => SimError::Tool {
            tool: tool.name,
            source,
        },
    })?;
    Ok(Outcome {
        success: output.status.success(),
        end: end(output.status),
        text: format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
    })
}

/// How a program ended, in words.
fn end(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => {
            let name = match signal {
                1 => " (SIGHUP)",
                2 => " (SIGINT)",
                6 => " (SIGABRT)",
                9 => " (SIGKILL)",
                11 => " (SIGSEGV)",
                15 => " (SIGTERM)",
                _ => "",
            };
            format!("was killed by signal {signal}{name}")
        }
        (None, None) => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_in_words() {
        let sh = Tool {
            name: "sh",
            install: "",
        };
        let outcome = |script| run(&sh, ["-c", script], Path::new(".")).unwrap();
        assert_eq!(outcome("exit 3").end, "exited with status 3");
        assert_eq!(
            outcome("kill -9 $$").end,
            "was killed by signal 9 (SIGKILL)"
        );
        assert!(outcome("true").success);
        let text = sh
            .fails("-c", &outcome("echo a; echo why >&2; echo; exit 3"))
            .to_string();
        assert!(text.contains("exited with status 3: why"), "{text}");
    }

    #[test]
    fn releases_are_read_from_the_version_line() {
        assert_eq!(release("Verilator 5.006 2023-01-22 rev x"), Some((5, 6)));
        assert_eq!(release("Verilator 4.228 2022-10-01"), Some((4, 228)));
        assert_eq!(release("Verilator"), None);
        assert!(release("Verilator 4.228").unwrap() < OLDEST_VERILATOR);
    }

    #[test]
    fn a_missing_tool_is_named_with_its_package() {
        let tool = Tool {
            name: "no-such-verilator",
            install: "apt-get install verilator",
        };
        let message = tool.version().unwrap_err().to_string();
        assert!(message.contains("`no-such-verilator`"), "{message}");
        assert!(message.contains("apt-get install verilator"), "{message}");
    }
}
