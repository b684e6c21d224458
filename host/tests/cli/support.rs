//! Running the program, and broken checkpoints to feed it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The program with `args`, in folder `dir`.
pub fn tercet(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tercet"));
    command.current_dir(dir).args(args);
    if args.contains(&"--model") {
        // Weights of test models are no business of the user's cache. Kernels may come from it.
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
        command.env("XDG_CACHE_HOME", cache);
    }
    command
}

/// What a command printed, and how it ended.
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ended {
    fn from(o: Output) -> Self {
        Ended {
            code: o.status.code().expect("not killed"),
            stdout: String::from_utf8(o.stdout).expect("UTF-8"),
            stderr: String::from_utf8(o.stderr).expect("UTF-8"),
        }
    }
}

/// Runs the program and waits.
pub fn end(dir: &Path, args: &[&str]) -> Ended {
    tercet(dir, args)
        .output()
        .expect("the program starts")
        .into()
}

/// Runs the program, which must succeed; its stdout.
pub fn ok(dir: &Path, args: &[&str]) -> String {
    let e = end(dir, args);
    assert_eq!(e.code, 0, "{args:?}: {}", e.stderr);
    e.stdout
}

/// Runs the program, which must succeed and print JSON.
pub fn json(dir: &Path, args: &[&str]) -> Value {
    let text = ok(dir, args);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{args:?}: {e} in {text}"))
}

/// Runs the program, which must refuse with exit code 2, one `error:` on stderr and nothing on
/// stdout; the message.
pub fn refused(dir: &Path, args: &[&str]) -> String {
    let e = end(dir, args);
    assert_eq!(e.code, 2, "{args:?}: {}{}", e.stdout, e.stderr);
    assert_eq!(e.stdout, "", "{args:?}");
    assert_eq!(
        e.stderr.matches("error: ").count(),
        1,
        "{args:?}: {}",
        e.stderr
    );
    assert!(!e.stderr.contains("panicked"), "{args:?}: {}", e.stderr);
    e.stderr
}

/// Names in a folder, sorted.
pub fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A copy of the embedded checkpoint in a folder that may be broken.
pub fn checkpoint(dir: &Path) -> PathBuf {
    let copy = dir.join("checkpoint");
    fs::create_dir(&copy).unwrap();
    for (name, content) in tercet::embedded::files() {
        fs::write(copy.join(name), content).unwrap();
    }
    copy
}

/// Rewrites the header of the checkpoint's safetensors file.
pub fn edit_header(checkpoint: &Path, edit: impl FnOnce(&mut Value)) {
    let path = checkpoint.join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    edit(&mut header);
    let header = serde_json::to_vec(&header).unwrap();
    let mut edited = (header.len() as u64).to_le_bytes().to_vec();
    edited.extend(header);
    edited.extend(&bytes[8 + length..]);
    fs::write(path, edited).unwrap();
}
