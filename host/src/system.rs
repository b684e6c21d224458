//! Facts about the machine that a measurement was made on, its disk and its memory.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use crate::units::Bytes;

/// Instruction set extensions that decide how fast a CPU multiplies, as Linux names them.
const ISA_FLAGS: [&str; 14] = [
    "sse4_2",
    "avx",
    "avx2",
    "fma",
    "f16c",
    "avx512f",
    "avx512bw",
    "avx512vl",
    "avx512_vnni",
    "avx_vnni",
    "amx_int8",
    "asimd",
    "asimddp",
    "sve",
];

/// The machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SystemFacts {
    /// CPU model, as the system names it.
    pub cpu: String,
    /// Physical cores, where the system tells.
    pub physical_cores: Option<usize>,
    /// Logical cores that this process may use.
    pub logical_cores: usize,
    /// Clock in MHz when it was read; 0 if unknown.
    pub clock_mhz: u64,
    /// Instruction set extensions that matter here.
    pub isa: Vec<String>,
    /// Main memory.
    pub memory_bytes: Bytes,
    /// Operating system and version.
    pub os: String,
}

impl SystemFacts {
    /// Reads the facts of this machine.
    pub fn read() -> Self {
        let system = System::new_with_specifics(
            RefreshKind::nothing()
                .with_cpu(CpuRefreshKind::nothing().with_frequency())
                .with_memory(MemoryRefreshKind::nothing().with_ram()),
        );
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = system.cpus().first();
        let brand = cpu.map_or(String::new(), |c| c.brand().trim().to_string());
        SystemFacts {
            cpu: if brand.is_empty() {
                "unknown".to_string()
            } else {
                brand
            },
            physical_cores: System::physical_core_count(),
            logical_cores: std::thread::available_parallelism().map_or(1, usize::from),
            clock_mhz: cpu.map_or(0, sysinfo::Cpu::frequency),
            isa: isa_flags(&cpuinfo),
            memory_bytes: Bytes(system.total_memory()),
            os: System::long_os_version().unwrap_or_else(|| std::env::consts::OS.to_string()),
        }
    }
}

/// Last-level caches of this machine together; none where the system does not tell.
pub fn last_level_cache_bytes() -> Option<Bytes> {
    let mut seen = BTreeSet::new();
    let mut total = Bytes(0);
    for cpu in fs::read_dir("/sys/devices/system/cpu").ok()?.flatten() {
        let caches = fs::read_dir(cpu.path().join("cache")).into_iter().flatten();
        let read = |cache: &Path, name| fs::read_to_string(cache.join(name)).ok();
        let last = caches.flatten().filter_map(|cache| {
            let cache = cache.path();
            let level: u32 = read(&cache, "level")?.trim().parse().ok()?;
            let bytes = cache_size(&read(&cache, "size")?)?;
            Some((level, read(&cache, "shared_cpu_list")?, bytes))
        });
        // CPUs that share a cache name the same CPUs.
        if let Some((_, cpus, bytes)) = last.max_by_key(|&(level, ..)| level) {
            if seen.insert(cpus) {
                total += bytes;
            }
        }
    }
    (total.0 > 0).then_some(total)
}

/// A size such as `32768K`.
fn cache_size(text: &str) -> Option<Bytes> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let unit = match unit {
        "K" => 1 << 10,
        "M" => 1 << 20,
        _ => return None,
    };
    Some(Bytes(number.parse::<u64>().ok()?.checked_mul(unit)?))
}

/// Known flags of the first CPU in a `/proc/cpuinfo`.
fn isa_flags(cpuinfo: &str) -> Vec<String> {
    let line = cpuinfo
        .lines()
        .find(|l| l.starts_with("flags") || l.starts_with("Features"))
        .unwrap_or_default();
    let present: Vec<&str> = line.split_whitespace().collect();
    ISA_FLAGS
        .iter()
        .filter(|f| present.contains(f))
        .map(|f| f.to_string())
        .collect()
}

/// Bytes free on the disk where `path` will be, if the system tells.
#[cfg(unix)]
pub fn free_bytes(path: &Path) -> Option<u64> {
    let absolute = std::path::absolute(path).ok()?;
    let there = absolute.ancestors().find(|p| p.exists())?;
    let disk = rustix::fs::statvfs(there).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

/// Bytes free on the disk where `path` will be, if the system tells.
#[cfg(not(unix))]
pub fn free_bytes(_path: &Path) -> Option<u64> {
    None
}

/// Most memory that this process has had resident so far, mapped files included; none where the system does
/// not tell.
pub fn peak_rss() -> Option<Bytes> {
    peak_of(&fs::read_to_string("/proc/self/status").ok()?)
}

/// `VmHWM` of a `/proc/<process>/status`, which counts in KiB.
fn peak_of(status: &str) -> Option<Bytes> {
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(Bytes(kib * 1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_whole_words() {
        let text = "model name : x\nflags\t\t: fpu avx2 avx512f_not fma\n";
        assert_eq!(isa_flags(text), ["avx2", "fma"]);
        assert!(isa_flags("").is_empty());
    }

    #[test]
    fn the_peak_is_in_bytes() {
        assert_eq!(
            peak_of("VmPeak: 9 kB\nVmHWM:\t   12 kB\n"),
            Some(Bytes(12 << 10))
        );
        assert_eq!(peak_of("VmPeak: 9 kB\n"), None);
        assert!(peak_rss().is_none_or(|peak| peak.0 > 0));
    }

    #[test]
    fn sizes_come_with_a_unit() {
        assert_eq!(cache_size("32768K\n"), Some(Bytes(32 << 20)));
        assert_eq!(cache_size("4M"), Some(Bytes(4 << 20)));
        assert_eq!((cache_size("12"), cache_size("K")), (None, None));
    }

    #[test]
    fn this_machine_has_memory_and_a_core() {
        let facts = SystemFacts::read();
        assert!(facts.logical_cores > 0 && facts.memory_bytes.0 > 0);
    }
}
