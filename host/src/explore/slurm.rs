//! An exploration as a job array of Slurm: batch scripts, and their submission.
//!
//! `explore.sbatch` is an array whose tasks compute a part of the shards each; `gather.sbatch` waits for all of them and
//! writes the outputs. Both run this program on the folder, which every node must see under the same path, as it
//! must see the program. Nothing in the scripts depends on where they are submitted but the logs, which go to
//! `logs/` in the folder if that is where they are submitted from.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use schemars::JsonSchema;
use serde::Serialize;

use crate::artefact::{create_folder, write_bytes, ArtefactError, Overwrite};

/// The job array.
pub const ARRAY_SCRIPT: &str = "explore.sbatch";
/// The job that gathers.
pub const GATHER_SCRIPT: &str = "gather.sbatch";
/// Folder of what the jobs print.
const LOGS_FOLDER: &str = "logs";

/// Options of sbatch that would break the array or its order.
const OURS: [&str; 8] = [
    "--array",
    "-a",
    "--dependency",
    "-d",
    "--wrap",
    "--parsable",
    "--chdir",
    "-D",
];

/// What is submitted.
#[derive(Clone, Debug)]
pub struct Jobs {
    /// This program.
    pub program: PathBuf,
    /// The folder of the exploration, absolute.
    pub folder: PathBuf,
    /// Arguments of `tercet explore` within that folder, the part apart.
    pub arguments: Vec<OsString>,
    /// Tasks of the array, at least 1.
    pub tasks: usize,
    /// Options of sbatch for both jobs.
    pub options: Vec<String>,
}

/// What was submitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Submitted {
    /// The array, as sbatch names it: a number, with `;CLUSTER` behind it where there are several.
    pub array: String,
    /// The job that gathers.
    pub gather: String,
}

/// Why nothing was submitted.
#[derive(Debug, thiserror::Error)]
pub enum SlurmError {
    /// An option of sbatch cannot be passed on.
    #[error("--slurm-option {option:?}: {why}")]
    Option {
        /// The option.
        option: String,
        /// Why.
        why: &'static str,
    },
    /// A path cannot stand in a script.
    #[error("{}: a path with a NUL byte", .0.display())]
    Path(PathBuf),
    /// A script cannot be written.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
    /// sbatch cannot be started.
    #[error("cannot run sbatch: {source}; the scripts are written. Where Slurm is: {by_hand}")]
    NoSbatch {
        /// Why.
        source: io::Error,
        /// What to type instead.
        by_hand: String,
    },
    /// sbatch refused a job.
    #[error("sbatch {script}: {why}{after}")]
    Refused {
        /// Its script.
        script: &'static str,
        /// What sbatch printed.
        why: String,
        /// What was submitted before it, or nothing.
        after: String,
    },
}

impl Jobs {
    /// Writes both scripts, in the place of those that were there.
    pub fn write(&self) -> Result<(), SlurmError> {
        self.options.iter().try_for_each(|o| check_option(o))?;
        create_folder(&self.folder.join(LOGS_FOLDER))?;
        let write = |name: &str, script: Vec<u8>| {
            write_bytes(&self.folder.join(name), &script, Overwrite::Replace)
        };
        write(ARRAY_SCRIPT, self.array_script()?)?;
        Ok(write(GATHER_SCRIPT, self.gather_script()?)?)
    }

    /// Submits both.
    pub fn submit(&self) -> Result<Submitted, SlurmError> {
        let array = self.sbatch(&[], ARRAY_SCRIPT, String::new())?;
        let (id, cluster) = match array.split_once(';') {
            Some((id, cluster)) => (id, Some(format!("--clusters={cluster}"))),
            None => (array.as_str(), None),
        };
        let mut options = vec![
            format!("--dependency=afterok:{id}"),
            // Otherwise it would wait for ever for an array that failed.
            "--kill-on-invalid-dep=yes".to_string(),
        ];
        options.extend(cluster);
        let after = format!(
            "; the array is submitted as job {id}, and the folder can be gathered after it: sbatch {GATHER_SCRIPT}"
        );
        let gather = self.sbatch(&options, GATHER_SCRIPT, after)?;
        Ok(Submitted { array, gather })
    }

    /// What to type where Slurm is.
    pub fn by_hand(&self) -> String {
        let folder = quoted(self.folder.as_os_str());
        let folder = folder.unwrap_or_default();
        format!(
            "cd {} && job=$(sbatch --parsable {ARRAY_SCRIPT}) && sbatch --dependency=afterok:\"${{job%%;*}}\" {GATHER_SCRIPT}",
            String::from_utf8_lossy(&folder)
        )
    }

    fn sbatch(
        &self,
        options: &[String],
        script: &'static str,
        after: String,
    ) -> Result<String, SlurmError> {
        let mut command = Command::new("sbatch");
        command
            .current_dir(&self.folder)
            .arg("--parsable")
            .args(options)
            .arg(script);
        let by_hand = self.by_hand();
        let output = command
            .output()
            .map_err(|source| SlurmError::NoSbatch { source, by_hand })?;
        let refused = |why: String| SlurmError::Refused { script, why, after };
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            let why = why.trim().replace('\n', "; ");
            return Err(refused(match why.is_empty() {
                true => output.status.to_string(),
                false => why,
            }));
        }
        let answer = String::from_utf8_lossy(&output.stdout);
        let job = answer.lines().last().unwrap_or_default().trim().to_string();
        let number = job.split(';').next().unwrap_or_default();
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refused(format!(
                "expected the number of a job, found {job:?}"
            )));
        }
        Ok(job)
    }

    fn array_script(&self) -> Result<Vec<u8>, SlurmError> {
        let last = self.tasks - 1;
        let head = format!(
            "#SBATCH --job-name=tercet-explore\n#SBATCH --array=0-{last}\n#SBATCH --output={LOGS_FOLDER}/part-%A-%a.log\n"
        );
        let part = format!("--part \"$SLURM_ARRAY_TASK_ID/{}\"", self.tasks);
        self.script("computes its part of the shards", &head, &part)
    }

    fn gather_script(&self) -> Result<Vec<u8>, SlurmError> {
        let head = format!(
            "#SBATCH --job-name=tercet-gather\n#SBATCH --output={LOGS_FOLDER}/gather-%j.log\n"
        );
        self.script("finds all shards done, and writes the outputs", &head, "")
    }

    fn script(&self, what: &str, head: &str, last: &str) -> Result<Vec<u8>, SlurmError> {
        let mut out = format!(
            "#!/bin/bash\n# Written by `tercet explore --slurm`: {what}.\n{head}#SBATCH --ntasks=1\n"
        )
        .into_bytes();
        for option in &self.options {
            out.extend(format!("#SBATCH {option}\n").bytes());
        }
        out.extend(b"set -euo pipefail\ncd -- ");
        out.extend(quoted(self.folder.as_os_str())?);
        out.extend(b"\nexec ");
        out.extend(quoted(self.program.as_os_str())?);
        out.extend(b" explore");
        for argument in &self.arguments {
            out.push(b' ');
            out.extend(quoted(argument)?);
        }
        out.extend(b" --jobs \"${SLURM_CPUS_PER_TASK:-1}\" ");
        out.extend(last.bytes());
        while out.last() == Some(&b' ') {
            out.pop();
        }
        out.push(b'\n');
        Ok(out)
    }
}

/// A word for the shell.
fn quoted(word: &OsStr) -> Result<Vec<u8>, SlurmError> {
    let quoted = shlex::bytes::try_quote(word.as_bytes());
    let path = || SlurmError::Path(OsString::from_vec(word.as_bytes().to_vec()).into());
    quoted.map(|q| q.into_owned()).map_err(|_| path())
}

fn check_option(option: &str) -> Result<(), SlurmError> {
    let name = option.split(['=', ' ']).next().unwrap_or_default();
    let refused = |why| {
        let option = option.to_string();
        Err(SlurmError::Option { option, why })
    };
    if !option.starts_with('-') {
        return refused("expected an option of sbatch, such as --partition=short");
    }
    if option.chars().any(char::is_control) {
        return refused("expected one line");
    }
    let short =
        |ours: &&str| ours.len() == 2 && !option.starts_with("--") && option.starts_with(*ours);
    if OURS.contains(&name) || OURS.iter().any(short) {
        return refused("this one is set by tercet");
    }
    Ok(())
}

/// Path of the folder for scripts: absolute, without links.
pub fn absolute(folder: &Path) -> Result<PathBuf, ArtefactError> {
    folder.canonicalize().map_err(|source| ArtefactError::Read {
        path: folder.to_path_buf(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs(folder: &str, options: &[&str]) -> Jobs {
        Jobs {
            program: "/opt/it's/tercet".into(),
            folder: folder.into(),
            arguments: ["--out", "a b$(x)"].map(OsString::from).into(),
            tasks: 3,
            options: options.iter().map(|o| o.to_string()).collect(),
        }
    }

    fn text(script: Result<Vec<u8>, SlurmError>) -> String {
        String::from_utf8(script.unwrap()).unwrap()
    }

    #[test]
    fn scripts_say_what_slurm_needs() {
        let jobs = jobs("/tmp/a", &["--partition=short", "-t 10"]);
        let array = text(jobs.array_script());
        assert!(array.starts_with("#!/bin/bash\n"), "{array}");
        for line in [
            "#SBATCH --array=0-2",
            "#SBATCH --partition=short",
            "#SBATCH -t 10",
            "set -euo pipefail",
        ] {
            assert!(array.lines().any(|l| l == line), "{line}: {array}");
        }
        assert!(array.ends_with(" --part \"$SLURM_ARRAY_TASK_ID/3\"\n"));
        let gather = text(jobs.gather_script());
        assert!(
            !gather.contains("--array") && !gather.contains("--part "),
            "{gather}"
        );
        assert!(gather.ends_with("-1}\"\n"), "{gather}");
    }

    #[test]
    fn any_path_is_one_word_of_the_shell() {
        for folder in [
            "/tmp/plain",
            "/tmp/a 'b' \"c\" $(touch x) `y` \\ *",
            "/tmp/new\nline",
        ] {
            let script = text(jobs(folder, &[]).gather_script());
            let commands = script.split_once("pipefail\n").unwrap().1;
            let words = shlex::split(commands).unwrap();
            assert_eq!(words[..3], ["cd", "--", folder]);
            assert_eq!(words[3..6], ["exec", "/opt/it's/tercet", "explore"]);
            assert_eq!(words[6..8], ["--out", "a b$(x)"]);
        }
        jobs("/tmp/a\0b", &[]).gather_script().unwrap_err();
    }

    #[test]
    fn options_that_would_break_the_array_are_refused() {
        for good in [
            "--partition=short",
            "--time 10:00",
            "-p short",
            "--account=a",
        ] {
            check_option(good).unwrap();
        }
        for bad in [
            "--array=0-9",
            "-a0-9",
            "-a 0-9",
            "-d after:1",
            "short",
            "",
            "--x\n#SBATCH -n 5",
        ] {
            assert!(check_option(bad).is_err(), "{bad:?}");
        }
    }
}
