//! The programs that building a kernel needs.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

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

/// What a program did.
pub struct Outcome {
    /// Whether it ended with status 0.
    pub success: bool,
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
            Err(self.missing())
        }
    }

    fn missing(&self) -> SimError {
        SimError::MissingTool {
            tool: self.name,
            install: self.install,
        }
    }
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
    let output = Command::new(tool.name)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        // The messages go into errors and are searched for: one language.
        .env("LC_ALL", "C")
        .output()
        .map_err(|source| match source.kind() {
            ErrorKind::NotFound => tool.missing(),
            _ => SimError::Tool {
                tool: tool.name,
                source,
            },
        })?;
    Ok(Outcome {
        success: output.status.success(),
        text: format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
