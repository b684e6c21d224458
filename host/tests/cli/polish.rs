//! What all commands have in common: streams, colours, completions, manual pages, suggestions.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::tempdir;

use crate::support::{end, names, ok, refused, tercet};

/// Whether a tool of that name starts; says so if not.
fn is_there(tool: &str) -> bool {
    let there = Command::new(tool).arg("--version").output().is_ok();
    if !there {
        eprintln!("SKIPPED: no {tool}");
    }
    there
}

#[test]
fn completions_are_valid_scripts() {
    let dir = tempdir().unwrap();
    for (shell, check) in [
        ("bash", Some(["bash", "-n"])),
        ("zsh", Some(["zsh", "-n"])),
        ("fish", Some(["fish", "--no-execute"])),
        ("powershell", None),
        ("elvish", None),
    ] {
        let script = ok(dir.path(), &["completions", shell]);
        for word in ["perplexity", "completions", "dispatch", "quiet"] {
            assert!(script.contains(word), "{shell}: no {word}");
        }
        let Some([program, option]) = check.filter(|[program, _]| is_there(program)) else {
            continue;
        };
        let file = dir.path().join(shell);
        fs::write(&file, script).unwrap();
        let output = Command::new(program)
            .arg(option)
            .arg(&file)
            .output()
            .unwrap();
        assert!(output.status.success(), "{shell}: {output:?}");
    }
    let message = refused(dir.path(), &["completions", "fsh"]);
    assert!(message.contains("'fish'"), "{message}");
}

#[test]
fn bash_completes_commands_and_options() {
    if !is_there("bash") {
        return;
    }
    let dir = tempdir().unwrap();
    fs::write(
        dir.path().join("t.bash"),
        ok(dir.path(), &["completions", "bash"]),
    )
    .unwrap();
    let complete = |words: &str| {
        let script = format!(
            "source t.bash; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); \
             _tercet tercet \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; echo \"${{COMPREPLY[@]}}\""
        );
        let shell = Command::new("bash")
            .args(["-c", &script])
            .current_dir(dir.path())
            .output()
            .unwrap();
        String::from_utf8(shell.stdout).unwrap()
    };
    assert_eq!(complete("tercet perp"), "perplexity\n");
    assert_eq!(complete("tercet select --disp"), "--dispatch\n");
}

#[test]
fn every_command_has_a_page_that_renders() {
    let dir = tempdir().unwrap();
    let page = ok(dir.path(), &["man"]);
    assert!(page.contains(".TH tercet 1"), "{page}");
    let written = ok(dir.path(), &["man", "--out", "man1"]);
    let folder = dir.path().join("man1");
    let pages = names(&folder);
    assert_eq!(written.lines().count(), pages.len());
    for name in [
        "tercet.1",
        "tercet-run.1",
        "tercet-xclbin-build.1",
        "tercet-man.1",
    ] {
        assert!(pages.iter().any(|p| p == name), "{name}: {pages:?}");
    }
    assert!(!pages.iter().any(|p| p.contains("worker")), "{pages:?}");
    for page in &pages {
        let file = folder.join(page);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains("\n.TH tercet"), "{page}");
        assert!(text.contains("\n.SH EXAMPLES\n  # "), "{page}");
    }
    if is_there("groff") {
        for page in &pages {
            let groff = Command::new("groff")
                .args(["-man", "-Tascii", "-ww"])
                .arg(folder.join(page))
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&groff.stdout).to_uppercase();
            assert!(
                groff.status.success() && text.contains("TERCET") && groff.stderr.is_empty(),
                "{page}: {groff:?}"
            );
        }
    }
    let message = refused(dir.path(), &["man", "--out", "man1"]);
    assert!(message.contains("--force"), "{message}");
    ok(dir.path(), &["man", "--out", "man1", "--force"]);
}

#[test]
fn help_shows_examples() {
    let dir = tempdir().unwrap();
    for args in [
        &["--help"][..],
        &["select", "--help"],
        &["select", "-h"],
        &["xclbin", "build", "--help"],
    ] {
        let help = ok(dir.path(), args);
        assert!(help.contains("Examples:\n"), "{help}");
        assert!(help.contains("\n  tercet "), "{help}");
    }
}

#[test]
fn quiet_says_nothing_but_errors() {
    let dir = tempdir().unwrap();
    let run = ["run", "--prompt", "Once", "--max-tokens", "2"];
    let loud = end(dir.path(), &run);
    assert!(loud.stderr.contains("2 tokens"), "{}", loud.stderr);
    for quiet in [&["-q"][..], &["--quiet"]] {
        let e = end(dir.path(), &[&run[..], quiet].concat());
        assert_eq!((e.code, e.stderr.as_str()), (0, ""));
        assert_eq!(e.stdout, loud.stdout, "the result is the same");
    }
    let flow = [
        "flow",
        "--quiet",
        "--device",
        "model",
        "--rounds",
        "1",
        "--max-tokens",
        "2",
        "--out",
        "runs",
    ];
    let e = end(dir.path(), &flow);
    assert_eq!((e.code, e.stderr.as_str()), (0, ""));
    assert!(e.stdout.contains("Artefacts: runs"), "{}", e.stdout);
    let e = end(
        dir.path(),
        &[
            "--quiet",
            "select",
            "--profile",
            "runs/profile.json",
            "--json",
        ],
    );
    assert_eq!((e.code, e.stderr.as_str()), (0, ""));
    let message = refused(dir.path(), &["boards", "u999", "--quiet"]);
    assert!(message.starts_with("error: board `u999`"), "{message}");
    // A check that fails is told, too.
    let image = dir.path().join("bad.xclbin");
    ok(
        dir.path(),
        &["xclbin", "build", "--out", "bad.xclbin", "-q"],
    );
    assert!(image.exists());
}

/// What the program writes to a pseudo terminal.
fn on_a_terminal(dir: &Path, args: &str, variables: &[(&str, &str)]) -> Option<String> {
    if !cfg!(target_os = "linux") || !is_there("script") {
        return None;
    }
    let line = format!("{} {args}", env!("CARGO_BIN_EXE_tercet"));
    let mut script = Command::new("script");
    script
        .args(["-q", "-e", "-c", &line, "/dev/null"])
        .current_dir(dir);
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"] {
        script.env_remove(name);
    }
    script.env("TERM", "xterm").envs(variables.iter().copied());
    let output = script.output().unwrap();
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn colours_are_for_terminals() {
    const ESCAPE: char = '\x1b';
    let dir = tempdir().unwrap();
    let boards = |args: &[&str], variable: Option<(&str, &str)>| {
        let mut command = tercet(dir.path(), &[&["boards"], args].concat());
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        let output = command.envs(variable).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let plain = boards(&[], None);
    assert!(!plain.contains(ESCAPE), "a pipe");
    assert!(!boards(&["--color", "never"], Some(("CLICOLOR_FORCE", "1"))).contains(ESCAPE));
    assert!(boards(&["--color", "always"], None).contains(ESCAPE));
    assert!(boards(&["--color", "always"], Some(("NO_COLOR", "1"))).contains(ESCAPE));
    assert!(boards(&[], Some(("CLICOLOR_FORCE", "1"))).contains(ESCAPE));
    assert!(
        !boards(&["--json", "--color", "always"], None).contains(ESCAPE),
        "JSON never has"
    );
    let message = refused(dir.path(), &["boards", "--color", "green"]);
    assert!(message.contains("auto"), "{message}");

    let Some(coloured) = on_a_terminal(dir.path(), "boards", &[]) else {
        return;
    };
    assert!(coloured.contains(ESCAPE), "{coloured:?}");
    for (args, variables) in [
        ("boards", &[("NO_COLOR", "1")][..]),
        (
            "boards --color auto",
            &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")],
        ),
        ("boards --color=never", &[]),
        ("boards", &[("TERM", "dumb")]),
    ] {
        let seen = on_a_terminal(dir.path(), args, variables).unwrap();
        assert_eq!(seen.replace("\r\n", "\n"), plain, "{args} {variables:?}");
    }
    for args in ["boards u999", "nothing", "--help"] {
        let coloured = on_a_terminal(dir.path(), args, &[]).unwrap();
        assert!(coloured.contains(ESCAPE), "{args}: {coloured:?}");
        let plain = on_a_terminal(dir.path(), args, &[("NO_COLOR", "1")]).unwrap();
        assert!(!plain.contains(ESCAPE), "{args}: {plain:?}");
        let always = on_a_terminal(
            dir.path(),
            &format!("--color always {args}"),
            &[("NO_COLOR", "1")],
        );
        assert!(always.unwrap().contains(ESCAPE), "{args}");
    }
}

#[test]
fn misspelled_names_are_answered_with_the_right_ones() {
    let dir = tempdir().unwrap();
    let plan = dir.path().join("plan.toml");
    fs::write(
        &plan,
        "schema = \"tercet.plan/1\"\nboard = \"u55c\"\ngeometry = \"512-b3\"\n\
         layers = [{ name = \"layers.0.mlp.donw_proj\", offload = true }]\n",
    )
    .unwrap();
    let run = ["run", "--max-tokens", "1"];
    let with = |more: &[&'static str]| [&run[..], more].concat();
    for (args, suggestion) in [
        (vec!["boards", "u28O"], "did you mean `u280`?"),
        (
            with(&["--offload", "all", "--board", "u55"]),
            "did you mean `u55c`?",
        ),
        (
            with(&["--offload", "all", "--geometry", "521-b3"]),
            "did you mean `512-b3`?",
        ),
        (
            with(&["--offload", "all", "--device", "modle"]),
            "did you mean `model`?",
        ),
        (with(&["--kernel", "avx-2"]), "did you mean `avx2`?"),
        (
            with(&["--offload", "plan.toml"]),
            "did you mean `layers.0.mlp.down_proj`?",
        ),
        (
            vec!["analyze", "--preset", "mistral7b"],
            "did you mean `mistral-7b`?",
        ),
        (vec!["analyze", "--device", "a10"], "did you mean `a100`?"),
        (
            vec!["xclbin", "package", "--board", "u25", "--out", "o"],
            "did you mean `u250`?",
        ),
        (vec!["selct"], "a similar subcommand exists: 'select'"),
        (
            vec!["boards", "--jsn"],
            "a similar argument exists: '--json'",
        ),
        (
            vec!["simulate", "--rows", "1", "--k", "1", "--memory", "hbn"],
            "a similar value exists: 'hbm'",
        ),
    ] {
        let message = refused(dir.path(), &args);
        assert!(message.contains(suggestion), "{args:?}: {message}");
    }
    let message = refused(dir.path(), &["boards", "vu9p"]);
    assert!(!message.contains("did you mean"), "{message}");
}
