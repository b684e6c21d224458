//! Examples at the end of each command's help. A test parses every one of them.

use clap::Command;

/// What an example does, and its command line.
type Example = (&'static str, &'static str);

/// Examples by command; those of a command below another have both names.
const EXAMPLES: &[(&str, &[Example])] = &[
    (
        "",
        &[
            ("Everything, on the small model inside the program", "tercet flow --out runs/demo"),
            ("Which layers of a model are worth moving to a card", "tercet select --model DIR --board u55c"),
            ("Text, with all layers on the device model", "tercet run --prompt 'Once upon a time' --max-tokens 40 --offload all"),
        ],
    ),
    (
        "analyze",
        &[
            ("What bounds each operator of the 2B-4T shape on two devices", "tercet analyze --preset bitnet-2b-4t --device a100,u55c"),
            ("A long prompt of four sequences, as JSON", "tercet analyze --config config.json --batch 4 --prompt 2048 --json"),
            ("This machine, measured now", "tercet analyze --model DIR --device cpu"),
        ],
    ),
    (
        "profile",
        &[
            ("Into a file that the other commands take", "tercet profile --model DIR --out profile.json"),
            ("Every linear and every token, as a page", "tercet profile --model DIR --all --tokens --markdown report.md"),
        ],
    ),
    (
        "boards",
        &[
            ("One board, with the source of every figure", "tercet boards u280"),
            ("A start for a board file of one's own", "tercet boards u280 --toml > mine.toml"),
        ],
    ),
    (
        "select",
        &[
            ("From a profile, the best of all ways to dispatch", "tercet select --profile profile.json --board u55c --dispatch best --out plan.toml"),
            ("All boards beside each other", "tercet select --profile profile.json --board all"),
            ("What if a launch took a microsecond", "tercet select --profile profile.json --what-if dispatch_us=1"),
        ],
    ),
    (
        "explore",
        &[
            ("Every kernel on every board", "tercet explore --model DIR --boards all --out exploration"),
            ("Two boards, as a job array of Slurm", "tercet explore --boards u55c,./mine.toml --out exploration --slurm"),
        ],
    ),
    (
        "quantize",
        &[("A dense checkpoint becomes a packed ternary one", "tercet quantize --model DENSE_DIR --out TERNARY_DIR")],
    ),
    (
        "emit",
        &[
            ("The default kernel", "tercet emit --out kernel"),
            ("Which kernels there are", "tercet emit --list"),
        ],
    ),
    (
        "simulate",
        &[
            ("A product in Verilator, with a waveform", "tercet simulate --rows 2560 --k 6912 --trace wave.fst"),
            ("Three compute units behind HBM, on the device model", "tercet simulate --rows 6912 --k 2560 --device model --cus 3 --mode ring --memory hbm"),
        ],
    ),
    (
        "run",
        &[
            ("On the CPU", "tercet run --prompt 'Once upon a time' --max-tokens 40"),
            ("With the layers of a plan on the device model, for `compare`", "tercet run --prompt 'Once upon a time' --max-tokens 40 --offload plan.toml --device model --out runs"),
            ("A talk", "tercet run --model DIR --chat --system 'Answer in one sentence.'"),
        ],
    ),
    ("logits", &[("Of three tokens", "tercet logits --tokens 1,2,3 --out logits.safetensors")]),
    ("perplexity", &[("Windows that overlap by half", "tercet perplexity --model DIR valid.txt --context 512 --stride 256")]),
    (
        "compare",
        &[
            ("The runs of a folder", "tercet compare runs/mine"),
            (
                "A page for a browser, and a trace for Perfetto",
                "tercet compare runs/mine --html report.html --trace trace.json",
            ),
        ],
    ),
    (
        "flow",
        &[
            ("On the device model, which needs no Verilator", "tercet flow --model DIR --device model --out runs/mine"),
            ("For another card, from the beginning", "tercet flow --board u280 --out runs/mine --force"),
        ],
    ),
    (
        "bench",
        &[
            ("One thread and two, a row each", "tercet bench --model DIR --threads 1,2 --prefill 128 --decode 32"),
            ("For a spreadsheet, and nothing on stderr", "tercet bench --csv --quiet > bench.csv"),
        ],
    ),
    (
        "doctor",
        &[
            ("Tools and cards of this machine", "tercet doctor"),
            ("A card, and a board file with its link as measured", "tercet doctor --device xrt --xclbin FILE --board u55c --out mine.toml"),
        ],
    ),
    (
        "synth",
        &[
            ("The shape of BitNet b1.58 2B-4T, 1.2 GB", "tercet synth --out synth-2b-4t"),
            ("Something small", "tercet synth --shape tiny --layers 2 --out small"),
        ],
    ),
    ("validate-published", &[("As a page and as data", "tercet validate-published --out validation")]),
    (
        "serial-server",
        &[("On a bad line, with a reset", "tercet serial-server --flipped 50 --lost 50 --reset-at 60000")],
    ),
    ("bitstream", &[("Whether the committed ones are those of these sources", "tercet bitstream verify")]),
    ("bitstream verify", &[("As JSON", "tercet bitstream verify --json")]),
    ("xclbin", &[("What an image holds", "tercet xclbin inspect FILE")]),
    ("xclbin build", &[("Two compute units, for XRT's emulation", "tercet xclbin build --cus 2 --out emulation.xclbin")]),
    ("xclbin inspect", &[("As JSON", "tercet xclbin inspect FILE --json")]),
    ("xclbin package", &[("Four compute units for one card", "tercet xclbin package --board u55c --cus 4 --out alveo")]),
    ("completions", &[("For this shell only", "tercet completions bash > tercet.bash")]),
    (
        "man",
        &[
            ("Read it", "tercet man | man -l -"),
            ("Pages of all commands", "tercet man --out ~/.local/share/man/man1"),
        ],
    ),
    (
        "schema",
        &[
            ("Which files and outputs there are", "tercet schema"),
            ("That of profile.json", "tercet schema profile > profile.schema.json"),
        ],
    ),
    ("device-server", &[("The card of an emulated run", "tercet device-server --geometry 512-b3 --socket /tmp/card")]),
];

/// The command line with examples.
pub fn added(command: Command) -> Command {
    EXAMPLES.iter().fold(command, |command, (path, examples)| {
        let mut names: Vec<&str> = path.split(' ').filter(|n| !n.is_empty()).collect();
        names.reverse();
        at(command, names, examples)
    })
}

/// Adds `examples` to the command that `names` lead to, the last one first; not if this machine has no such command.
fn at(command: Command, mut names: Vec<&str>, examples: &[Example]) -> Command {
    match names.pop() {
        None => command.after_help(text(examples)),
        Some(name) if command.find_subcommand(name).is_some() => {
            command.mut_subcommand(name, |below| at(below, names, examples))
        }
        Some(_) => command,
    }
}

fn text(examples: &[Example]) -> String {
    let head = *clap::builder::Styles::styled().get_header();
    let mut text = format!("{head}Examples:{head:#}");
    for (what, line) in examples {
        text += &format!("\n  # {what}\n  {line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Command lines of the examples in a help text.
    fn examples(command: &Command) -> Vec<String> {
        let help = command.get_after_help().map(|h| h.to_string());
        let help = help.unwrap_or_default();
        let lines = help.lines().filter_map(|l| l.strip_prefix("  tercet "));
        lines.map(String::from).collect()
    }

    fn check(command: &Command, whole: &Command, seen: &mut usize) {
        for below in command.get_subcommands().filter(|c| !c.is_hide_set()) {
            check(below, whole, seen);
        }
        let examples = examples(command);
        assert!(!examples.is_empty(), "{}", command.get_name());
        for line in examples {
            let line = line.split(['>', '<', '|']).next().unwrap().trim();
            let words = shlex::split(line).unwrap();
            let words = std::iter::once("tercet".to_string()).chain(words);
            let parsed = whole.clone().try_get_matches_from(words);
            if let Err(e) = parsed {
                panic!("tercet {line}: {e}");
            }
            *seen += 1;
        }
    }

    #[test]
    fn every_command_has_examples_and_every_example_parses() {
        let whole = super::super::command();
        let mut seen = 0;
        check(&whole, &whole, &mut seen);
        assert!(seen > 30, "{seen}");
    }

    #[test]
    fn examples_are_of_commands_that_there_are() {
        let whole = super::super::command();
        for (path, _) in EXAMPLES {
            let mut names = path.split(' ').filter(|n| !n.is_empty());
            let found = names.try_fold(&whole, |c, name| c.find_subcommand(name));
            assert!(found.is_some() || cfg!(not(unix)), "{path}");
        }
    }
}
