//! How fast some threads read memory: a buffer far beyond the caches, each thread a part of it.
//!
//! The loop is plain Rust, compiled for the ISA of the kernel, so that loads are as wide as those of the
//! products it is compared with. Pages are of the size that the system gives an ordinary allocation.

use std::hint::black_box;
use std::time::Instant;

use crate::kernel::threads::Work;
use crate::kernel::{Cpu, Kernel, Loop};
use crate::system::{last_level_cache_bytes, SystemFacts};
use crate::units::Bytes;

/// Smallest buffer, as far as memory allows.
const MIN_BYTES: u64 = 1 << 30;

/// The buffer in last-level caches: almost nothing of a pass is still there in the next.
const CACHES: u64 = 4;

/// Part of memory that the buffer may take.
const MEMORY_SHARE: u64 = 8;

/// Passes, of which the fastest counts: others are held up by whatever else runs.
const PASSES: usize = 8;

/// Pieces of each thread's part: enough to even out threads that are held up.
const PIECES: usize = 8;

/// Places a thread reads from in turn. Prefetchers follow several streams, and one alone does not keep
/// enough cache lines on their way.
const STREAMS: usize = 4;

/// Words that pieces are a multiple of: a cache line for each stream.
const WORDS: usize = 8;

/// Memory to read, all of its pages there.
pub struct ReadBuffer {
    words: Vec<u64>,
}

impl ReadBuffer {
    /// About `bytes` bytes, written once by the threads that will read them.
    pub fn new(cpu: &Cpu, bytes: Bytes) -> Self {
        let mut words = vec![0; (bytes.0 / 8) as usize];
        let size = piece(cpu, words.len());
        cpu.for_each_part(Work::copy(8 * words.len()), &mut words, size, |i, words| {
            words.fill(i as u64 + 1)
        });
        ReadBuffer { words }
    }

    /// What a pass reads.
    pub fn bytes(&self) -> Bytes {
        Bytes(8 * self.words.len() as u64)
    }

    /// Reads everything once.
    pub fn read(&mut self, cpu: &Cpu) {
        let (size, kernel) = (piece(cpu, self.words.len()), cpu.kernel());
        let work = Work::copy(8 * self.words.len());
        cpu.for_each_part(work, &mut self.words, size, |_, words| {
            black_box(fold(kernel, words));
        });
    }
}

/// Words of a piece: whole turns of all streams.
fn piece(cpu: &Cpu, words: usize) -> usize {
    let size = words / (cpu.threads() * PIECES);
    size.next_multiple_of(STREAMS * WORDS).max(STREAMS * WORDS)
}

/// Size of a buffer that is far beyond the caches and still small beside the memory.
pub fn buffer_bytes() -> Bytes {
    let caches = last_level_cache_bytes().map_or(0, |cache| CACHES * cache.0);
    let memory = SystemFacts::read().memory_bytes.0;
    Bytes(MIN_BYTES.max(caches).min(memory / MEMORY_SHARE))
}

/// Bytes a second that the threads read together, best of several passes.
pub fn read_bandwidth(cpu: &Cpu) -> f64 {
    let mut buffer = ReadBuffer::new(cpu, buffer_bytes());
    let bytes = buffer.bytes().0;
    let work = Work::copy(bytes as usize);
    let rates = (0..PASSES).map(|_| {
        let start = Instant::now();
        cpu.pool().install(work, || buffer.read(cpu));
        bytes as f64 / start.elapsed().as_secs_f64()
    });
    rates.fold(0.0, f64::max)
}

fn fold(kernel: Kernel, words: &[u64]) -> u64 {
    kernel.vectorize(Fold { words })
}

/// Exclusive or of all words, so that each has to be read.
struct Fold<'a> {
    words: &'a [u64],
}

impl Loop for Fold<'_> {
    type Output = u64;

    #[inline(always)]
    fn run(self) -> u64 {
        let length = self.words.len() / STREAMS;
        let (first, rest) = self.words.split_at(length);
        let (second, rest) = rest.split_at(length);
        let (third, rest) = rest.split_at(length);
        let (fourth, rest) = rest.split_at(length);
        let mut all = [0; STREAMS];
        // The plainest of loops: whatever the compiler inlines, it will vectorise this one.
        for (((a, b), c), d) in first.iter().zip(second).zip(third).zip(fourth) {
            all[0] ^= a;
            all[1] ^= b;
            all[2] ^= c;
            all[3] ^= d;
        }
        rest.iter().chain(&all).fold(0, |all, word| all ^ word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_once() {
        for kernel in Kernel::available() {
            for length in [0, 1, 127, 128, 129, 1000, 4096] {
                let words: Vec<u64> = (0..length).map(|i| i * i * 0x9e37_79b9).collect();
                let all = words.iter().fold(0, |all, word| all ^ word);
                assert_eq!(fold(kernel, &words), all, "{length} words");
            }
        }
    }

    #[test]
    fn buffers_may_be_small() {
        for threads in [1, 2, 5] {
            let cpu = Cpu::new(threads, Kernel::detect()).unwrap();
            for bytes in [0, 8, 100_000] {
                let mut buffer = ReadBuffer::new(&cpu, Bytes(bytes));
                assert_eq!(buffer.bytes(), Bytes(bytes));
                assert!(buffer.words.iter().all(|&word| word > 0));
                buffer.read(&cpu);
            }
        }
    }

    #[test]
    fn the_buffer_is_a_share_of_the_memory() {
        let memory = SystemFacts::read().memory_bytes.0;
        assert!((1..=memory / MEMORY_SHARE).contains(&buffer_bytes().0));
    }
}
