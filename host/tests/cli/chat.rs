//! `tercet run --chat` through pipes, and on a terminal.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::{json, Value};

use crate::support::{checkpoint, ok, refused, tercet, Ended};

/// As the published model's: roles in words, turns that end with a special token.
const TEMPLATE: &str = "{% for m in messages %}{{ m['role'] | capitalize + ': ' + \
    m['content'] | trim + eos_token }}{% endfor %}{{ 'Assistant: ' + bos_token }}";

const CHAT: [&str; 4] = ["run", "--chat", "--model", "checkpoint"];

/// A checkpoint with a chat template, its JSON files edited.
fn talking(dir: &Path, edit: impl Fn(&str, &mut Value)) {
    let copy = checkpoint(dir);
    for name in [
        "config.json",
        "generation_config.json",
        "tokenizer_config.json",
    ] {
        let text = fs::read_to_string(copy.join(name)).unwrap();
        let mut json: Value = serde_json::from_str(&text).unwrap();
        if name == "tokenizer_config.json" {
            json["chat_template"] = TEMPLATE.into();
        }
        edit(name, &mut json);
        fs::write(copy.join(name), json.to_string()).unwrap();
    }
}

/// A chat through pipes.
fn chat(dir: &Path, args: &[&str], input: impl AsRef<[u8]>) -> Ended {
    let mut child = tercet(dir, &[&CHAT[..], args].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A program that refuses does not read on.
    let _ = stdin.write_all(input.as_ref());
    drop(stdin);
    child.wait_with_output().unwrap().into()
}

#[test]
fn a_line_is_a_message_and_stdout_holds_answers_alone() {
    let dir = tempfile::tempdir().unwrap();
    talking(dir.path(), |_, _| {});
    let short = ["--max-tokens", "12"];
    let e = chat(dir.path(), &short, "Who is Ben?\n\nAnd the fox?\r\n");
    assert_eq!(e.code, 0, "{}", e.stderr);
    assert!(!e.stdout.contains("> "), "{}", e.stdout);
    let remarks: Vec<&str> = e.stderr.lines().collect();
    assert_eq!(remarks.len(), 2, "one line an answer: {}", e.stderr);
    for (remark, kept) in remarks.iter().zip([false, true]) {
        assert!(remark.contains("(measured)"), "{remark}");
        assert!(remark.ends_with("of 512 in the context"), "{remark}");
        assert_eq!(!remark.contains(", 0 kept"), kept, "{remark}");
    }

    // The same messages, however they come, have the same answers.
    let first = [&short[..], &["--prompt", "Who is Ben?"]].concat();
    let prompted = chat(dir.path(), &first, "And the fox?");
    assert_eq!(prompted.stdout, e.stdout, "{}", prompted.stderr);
    let threads = [&short[..], &["--threads", "1"]].concat();
    let left = "Who is Ben?\nAnd the fox?\n/exit\nnever read\n";
    assert_eq!(chat(dir.path(), &threads, left).stdout, e.stdout);
}

#[test]
fn a_cleared_conversation_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    talking(dir.path(), |_, _| {});
    let args = ["--max-tokens", "8", "--system", "Foxes are red."];
    let once = chat(dir.path(), &args, "Who is Ben?\n");
    let twice = chat(dir.path(), &args, "Who is Ben?\n/clear\nWho is Ben?\n");
    assert_eq!(twice.stdout, once.stdout.repeat(2), "{}", twice.stderr);
    assert!(twice.stderr.contains("forgotten"), "{}", twice.stderr);
    let again = chat(dir.path(), &args, "Who is Ben?\nWho is Ben?\n");
    assert!(again.stderr.lines().count() == 2 && twice.stderr.lines().count() == 3);
    let help = chat(dir.path(), &args, "/help\n");
    assert_eq!((help.code, help.stdout.as_str()), (0, ""));
    assert!(help.stderr.contains("/clear"), "{}", help.stderr);
}

#[test]
fn sampling_is_the_checkpoint_s_unless_told() {
    let dir = tempfile::tempdir().unwrap();
    talking(dir.path(), |name, json| {
        if name == "generation_config.json" {
            json["do_sample"] = true.into();
            json["temperature"] = 5.0.into();
        }
    });
    let text = |args: &[&str]| {
        let args = [&["--max-tokens", "16"], args].concat();
        let e = chat(dir.path(), &args, "Once upon a time\n");
        assert_eq!(e.code, 0, "{}", e.stderr);
        e.stdout
    };
    let hot = text(&[]);
    assert_eq!(hot, text(&["--temperature", "5", "--seed", "0"]));
    assert_ne!(hot, text(&["--seed", "1"]));
    let greedy = text(&["--temperature", "0"]);
    assert_ne!(hot, greedy);
    assert_eq!(greedy, text(&["--top-k", "1"]));
}

#[test]
fn layers_on_a_device_say_the_same() {
    let dir = tempfile::tempdir().unwrap();
    talking(dir.path(), |_, _| {});
    let (args, said) = (["--max-tokens", "4"], "Who is Ben?\nWhy?\n");
    let cpu = chat(dir.path(), &args, said);
    let device = [&args[..], &["--device", "model"]].concat();
    let device = chat(dir.path(), &device, said);
    assert_eq!(device.stdout, cpu.stdout, "{}", device.stderr);
    for remark in device.stderr.lines() {
        assert!(remark.contains("device cycles (modelled)"), "{remark}");
        assert!(!remark.contains("measured"), "{remark}");
    }
}

#[test]
fn what_cannot_be_answered_ends_a_script() {
    let dir = tempfile::tempdir().unwrap();
    talking(dir.path(), |name, json| {
        if name == "config.json" {
            json["max_position_embeddings"] = 64.into();
        }
        if name != "tokenizer_config.json" {
            json["eos_token_id"] = json!([]);
        }
    });
    let long = "the fox ran ".repeat(30);
    let said = |input: &[u8], parts: &[&str], stdout: bool| {
        let e = chat(dir.path(), &["--max-tokens", "2"], input);
        assert_eq!(e.code, 2, "{}", e.stderr);
        assert_eq!(e.stderr.matches("error: ").count(), 1, "{}", e.stderr);
        assert_eq!(!e.stdout.is_empty(), stdout, "{}", e.stdout);
        for part in parts {
            assert!(e.stderr.contains(part), "{part} in {}", e.stderr);
        }
    };
    let full = format!("{long}\nHello\n");
    said(full.as_bytes(), &["expected at most 64", "shorten"], false);
    let later = format!("Hello\n{long}\n");
    said(later.as_bytes(), &["at most 64", "; /clear forgets"], true);
    said(b"/quit\n", &["line 1: unknown command /quit"], false);
    said(
        b"Hello\n\xff\xfe\n",
        &["line 2 of stdin is not UTF-8"],
        true,
    );
}

#[test]
fn an_answer_ends_where_the_context_does() {
    let dir = tempfile::tempdir().unwrap();
    talking(dir.path(), |name, json| {
        if name == "config.json" {
            json["max_position_embeddings"] = 32.into();
        }
    });
    let e = chat(dir.path(), &[], "Hello\n/clear\nHello\n");
    assert_eq!(e.code, 0, "{}", e.stderr);
    let told = "the context of 32 tokens is full, so the answer ends here; /clear begins anew";
    assert_eq!(e.stderr.matches(told).count(), 2, "{}", e.stderr);
    assert!(e.stderr.contains("32 of 32 in the context"), "{}", e.stderr);
}

#[test]
fn misuse_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let none = refused(dir.path(), &["run", "--chat"]);
    for part in ["--chat", "chat_template.jinja", "tokenizer_config.json"] {
        assert!(none.contains(part), "{part} in {none}");
    }
    talking(dir.path(), |_, _| {});
    let refused = |args: &[&str]| refused(dir.path(), &[&CHAT[..], args].concat());
    assert!(refused(&["--max-tokens", "0"]).contains("at least 1"));
    assert!(refused(&["--temperature", "-1"]).contains("temperature -1"));
    for args in [&["--json"][..], &["--out", "x"], &["--force"]] {
        assert!(refused(args).contains("cannot be used with"), "{args:?}");
    }
    let alone = ["run", "--max-tokens", "1", "--system", "x"];
    assert!(crate::support::refused(dir.path(), &alone).contains("--chat"));
    fs::write(
        dir.path().join("checkpoint/chat_template.jinja"),
        "{{ raise_exception('no system message here') }}",
    )
    .unwrap();
    assert!(refused(&["--system", "x"]).contains("no system message here"));
    assert!(ok(dir.path(), &["run", "--help"]).contains("--chat"));
}

#[test]
fn a_reader_that_goes_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    talking(dir.path(), |_, _| {});
    let mut child = tercet(dir.path(), &CHAT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"Hello\n").unwrap();
    let ended = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && stderr.is_empty(), "{stderr}");
}

#[cfg(target_os = "linux")]
mod terminal {
    use std::fs::File;
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Child, Command};

    use rustix::pty::{grantpt, openpt, ptsname, unlockpt, OpenptFlags};

    use super::*;

    /// A chat whose stdin is a terminal, and the other end of it. Answers never end by themselves.
    fn endless(dir: &Path) -> (Child, File) {
        talking(dir, |name, json| {
            if name == "config.json" {
                json["max_position_embeddings"] = 1_000_000.into();
            }
            if name != "tokenizer_config.json" {
                json["eos_token_id"] = json!([]);
            } else {
                json["chat_template"] = "{{ messages[-1].content }}".into();
            }
        });
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = File::open(name.to_str().unwrap()).unwrap();
        let child = tercet(dir, &[&CHAT[..], &["--threads", "1"]].concat())
            .stdin(slave)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        (child, File::from(master))
    }

    fn ctrl_c(child: &Child) {
        let sent = Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Reads stderr up to a line with `part`.
    fn wait_for(stderr: &mut impl BufRead, part: &str) {
        let mut line = String::new();
        while !line.contains(part) {
            line.clear();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "no {part}");
        }
    }

    #[test]
    fn ctrl_c_ends_the_answer_and_then_the_program() {
        let dir = tempfile::tempdir().unwrap();
        let (mut child, mut terminal) = endless(dir.path());
        let mut stdout = child.stdout.take().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut first = [0];
        for message in ["Once upon a time\n", "Then the fox came\n"] {
            terminal.write_all(message.as_bytes()).unwrap();
            stdout.read_exact(&mut first).unwrap();
            // The end of the line of the answer before.
            while first == [b'\n'] {
                stdout.read_exact(&mut first).unwrap();
            }
            ctrl_c(&child);
            let mut answer = Vec::new();
            while first != [b'\n'] {
                answer.push(first[0]);
                stdout.read_exact(&mut first).unwrap();
            }
            assert!(!answer.is_empty());
            wait_for(&mut stderr, "interrupted; Ctrl-C again leaves");
        }
        ctrl_c(&child);
        let ended = child.wait().unwrap();
        assert_eq!(ended.code(), Some(0));
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }

    #[test]
    fn a_mistake_is_told_and_the_chat_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let (mut child, mut terminal) = endless(dir.path());
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        terminal.write_all(b"/nonsense\n").unwrap();
        wait_for(&mut stderr, "error: line 1: unknown command /nonsense");
        ctrl_c(&child);
        wait_for(&mut stderr, "Ctrl-C again, or Ctrl-D, leaves");
        // Ctrl-D
        terminal.write_all(b"\x04").unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}
