//! What is removed from the cache before a build: what interrupted builds left behind, and kernels
//! and logs that nobody has used for long.
//!
//! Nothing here fails: what cannot be removed stays until the next build.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::cache::MANIFEST;

const HOUR: Duration = Duration::from_secs(3600);

/// Age at which the folder of a build whose process is gone is removed.
const ABANDONED_AFTER: Duration = HOUR;

/// Age at which the folder of a build is removed even if a process has its number: no build takes
/// so long, and numbers come round.
const STUCK_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Time without use after which a kernel, or the log of a failed build, is removed.
const UNUSED_AFTER: Duration = Duration::from_secs(60 * 24 * 3600);

/// Most kernels that stay; those used last do.
const MOST_KERNELS: usize = 64;

/// Removes build folders in `folder` whose build was interrupted. Their names are `prefix`, the
/// number of the process, `-` and anything.
pub fn remove_abandoned(folder: &Path, prefix: &str) {
    for (path, name, metadata) in entries(folder) {
        let Some(rest) = name.strip_prefix(prefix) else {
            continue;
        };
        let process = rest.split_once('-').map_or(rest, |(process, _)| process);
        let old = age(&metadata);
        if old > STUCK_AFTER || old > ABANDONED_AFTER && !is_running(process) {
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

/// [`remove_abandoned`] whatever the age, for folders that only processes of this machine write.
pub fn remove_abandoned_now(folder: &Path, prefix: &str) {
    for (path, name, metadata) in entries(folder) {
        let process = name
            .strip_prefix(prefix)
            .and_then(|rest| rest.split_once('-'));
        if let Some((process, _)) = process {
            let ours = metadata.is_dir() && process.parse::<u32>().is_ok();
            if ours && !is_running(process) {
                let _ = std::fs::remove_dir_all(path);
            }
        }
    }
}

/// Removes kernels and logs that have not been used for long. `spared` is the key of a kernel that
/// stays in any case.
pub fn remove_unused(kernels: &Path, spared: &str) {
    let mut kept = Vec::new();
    for (path, name, metadata) in entries(kernels) {
        let key = name.strip_suffix(".log").unwrap_or(&name);
        if key == spared || key.len() != 64 || !key.bytes().all(|b| b.is_ascii_hexdigit()) {
            continue;
        }
        if metadata.is_dir() {
            // The manifest is touched at each use; without one, the kernel is incomplete.
            let used = std::fs::metadata(path.join(MANIFEST)).unwrap_or(metadata);
            kept.push((age(&used), path));
        } else if age(&metadata) > UNUSED_AFTER {
            let _ = std::fs::remove_file(path);
        }
    }
    kept.sort();
    for (i, (unused, path)) in kept.iter().enumerate() {
        // The spared one counts.
        if i + 1 >= MOST_KERNELS || *unused > UNUSED_AFTER {
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = (PathBuf, String, Metadata)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        Some((entry.path(), name, entry.metadata().ok()?))
    })
}

/// Time since the last change; none if that lies in the future.
fn age(metadata: &Metadata) -> Duration {
    let changed = metadata.modified().unwrap_or_else(|_| SystemTime::now());
    changed.elapsed().unwrap_or_default()
}

/// Whether a process of this number runs. Where that cannot be told, none does.
fn is_running(process: &str) -> bool {
    process.parse::<u32>().is_ok() && Path::new("/proc").join(process).exists()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    fn set_age(path: &Path, age: Duration) {
        let changed = SystemTime::now() - age;
        File::open(path).unwrap().set_modified(changed).unwrap();
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = entries(folder).map(|(_, name, _)| name).collect();
        names.sort();
        names
    }

    #[test]
    fn builds_of_processes_that_are_gone_are_removed_after_an_hour() {
        let home = tempfile::tempdir().unwrap();
        let us = std::process::id();
        let running = format!(".build-{us}-old");
        for (name, hours) in [
            (".build-4294967295-new", 0),
            (".build-4294967295-old", 2),
            (".build-abcdef", 2),
            (running.as_str(), 2),
            (&format!(".build-{us}-stuck"), 48),
            ("other", 48),
        ] {
            let folder = home.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("object.o"), "x").unwrap();
            set_age(&folder, HOUR * hours);
        }
        remove_abandoned(home.path(), ".build-");
        let mut expected = [".build-4294967295-new", &running, "other"];
        expected.sort();
        assert_eq!(names(home.path()), expected);
    }

    #[test]
    fn kernels_stay_while_they_are_used() {
        let home = tempfile::tempdir().unwrap();
        let key = |i: usize| format!("{i:064x}");
        let day = HOUR * 24;
        for i in 0..70 {
            let folder = home.path().join(key(i));
            std::fs::create_dir(&folder).unwrap();
            let manifest = folder.join(MANIFEST);
            std::fs::write(&manifest, "").unwrap();
            // The higher, the longer unused; three of them for very long.
            let days = if i < 3 { 61 } else { i as u32 / 2 };
            set_age(&manifest, day * days);
        }
        for (i, days) in [(100, 59), (101, 61)] {
            let log = home.path().join(key(i) + ".log");
            std::fs::write(&log, "").unwrap();
            set_age(&log, day * days);
        }
        remove_unused(home.path(), &key(0));
        let mut expected = vec![key(0), key(100) + ".log"];
        expected.extend((3..66).map(key));
        expected.sort();
        assert_eq!(names(home.path()), expected);
    }
}
