//! Threads over the parts of an output, as many as the work is worth.
//!
//! Little work stays with the caller. More is shared with a pool. A forward pass is one task of that pool
//! ([`Threads::install`]), whose other threads look for work as long as it runs: a sleeping thread
//! would take longer to wake than most products take.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use rayon::prelude::*;
use rayon::Yield;

/// Work of one thread below which handing it over costs more than it saves, in estimated ns; to a
/// thread that is awake, inside [`Threads::install`].
const MIN_SHARE_NS: usize = 8_000;

/// The same to a thread that has to be woken.
const MIN_WAKING_SHARE_NS: usize = 40_000;

/// Work of a whole task below which it stays with the caller's thread, in estimated ns.
const MIN_TASK_NS: usize = 400_000;

/// Pieces a thread takes on average: enough to even out threads that are held up.
const PIECES: usize = 8;

/// Looks for work before a helper takes naps: some hundred us, longer than a thread works alone between
/// the products of a token.
const SPINS: u32 = 10_000;

/// A nap of a helper that finds no work.
const NAP: Duration = Duration::from_micros(100);

/// Threads that may always be asked for, however few cores there are.
const ALWAYS_ALLOWED: usize = 64;

/// Threads that may be asked for, for each available core.
const ALLOWED_PER_CORE: usize = 4;

/// Time that some work takes on one core, estimated from the bytes it reads and what it multiplies.
///
/// The rates are those of one AVX-512 core. A slower kernel takes longer than estimated; then fewer
/// threads help than could, and none in vain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Work {
    ns: usize,
}

impl Work {
    /// A product with packed trits: while decoding the weights have to come from memory, and with
    /// many tokens the multiply-adds take longer than that.
    pub fn ternary(weight_bytes: usize, macs: usize) -> Self {
        Work {
            ns: (weight_bytes / 16).max(macs / 256),
        }
    }

    /// A product with dense weights, for one token.
    pub fn dense(weight_bytes: usize) -> Self {
        Work {
            ns: weight_bytes / 16,
        }
    }

    /// A forward pass of some tokens over all weights.
    pub fn pass(weight_bytes: usize, tokens: usize) -> Self {
        Work {
            ns: (weight_bytes / 16).saturating_mul(tokens),
        }
    }

    /// A few operations on each element: norms, activations, quantising.
    pub fn elementwise(elements: usize) -> Self {
        Work { ns: elements / 2 }
    }

    /// Bytes read and written once, most of them in a cache.
    pub fn copy(bytes: usize) -> Self {
        Work { ns: bytes / 16 }
    }

    /// Random bytes to be made.
    pub fn random(bytes: usize) -> Self {
        Work { ns: 2 * bytes }
    }

    /// Multiply-adds of scores and values.
    pub fn attention(macs: usize) -> Self {
        Work { ns: macs / 8 }
    }

    /// Threads that this is worth.
    fn threads(self) -> usize {
        let share = match rayon::current_thread_index() {
            Some(_) => MIN_SHARE_NS,
            None => MIN_WAKING_SHARE_NS,
        };
        (self.ns / share).max(1)
    }
}

/// Why there are no such threads.
#[derive(Debug, thiserror::Error)]
pub enum ThreadsError {
    /// More than could ever help.
    #[error(
        "{threads} threads, expected at most {limit} on {cores} available cores (0: one per core)"
    )]
    TooMany {
        /// Threads asked for.
        threads: usize,
        /// Most that may be asked for.
        limit: usize,
        /// Available cores.
        cores: usize,
    },
    /// The system refused.
    #[error("{threads} threads: {source}")]
    Start {
        /// Threads asked for.
        threads: usize,
        /// What was said.
        source: rayon::ThreadPoolBuildError,
    },
}

/// The caller's thread, or a pool; a clone is a handle on the same threads.
#[derive(Clone)]
pub struct Threads {
    /// None for one thread: the caller's.
    helpers: Option<Arc<rayon::ThreadPool>>,
    count: usize,
}

impl Threads {
    /// `count` threads; 0 for one per available core.
    pub fn new(count: usize) -> Result<Self, ThreadsError> {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        let limit = ALWAYS_ALLOWED.max(ALLOWED_PER_CORE * cores);
        let threads = if count == 0 { cores } else { count };
        if threads > limit {
            return Err(ThreadsError::TooMany {
                threads,
                limit,
                cores,
            });
        }
        let helpers = match threads {
            1 => None,
            _ => {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                Some(Arc::new(
                    pool.map_err(|source| ThreadsError::Start { threads, source })?,
                ))
            }
        };
        Ok(Threads {
            helpers,
            count: threads,
        })
    }

    /// Number of threads.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Runs `task` as one of the threads, while the others stay awake and look for its work: what it
    /// shares out starts at once. Its panics are passed on. A task of little work stays with the caller's
    /// thread.
    pub fn install<R: Send>(&self, work: Work, task: impl FnOnce() -> R + Send) -> R {
        match &self.helpers {
            Some(helpers) if work.ns >= MIN_TASK_NS => helpers.install(|| {
                let pass = Pass {
                    done: AtomicBool::new(false),
                    home: rayon::current_thread_index(),
                };
                pass.run(self.count - 1, task)
            }),
            _ => task(),
        }
    }

    /// Calls `task(i, part)` for every part of `out`, `size` elements each (the last may be shorter), on
    /// as many threads as `work` is worth.
    pub fn for_each_part<T: Send>(
        &self,
        work: Work,
        out: &mut [T],
        size: usize,
        task: impl Fn(usize, &mut [T]) + Sync + Send,
    ) {
        let parts = out.len().div_ceil(size);
        let nothing = &mut vec![(); parts];
        self.for_each_pair(work, (out, size), (nothing, 1), |i, part, _| task(i, part));
    }

    /// Calls `task(i, a, b)` for every part i of two outputs, each with its own size of a part.
    ///
    /// # Panics
    /// If they have different numbers of parts.
    pub fn for_each_pair<A: Send, B: Send>(
        &self,
        work: Work,
        (a, a_size): (&mut [A], usize),
        (b, b_size): (&mut [B], usize),
        task: impl Fn(usize, &mut [A], &mut [B]) + Sync + Send,
    ) {
        let parts = a.len().div_ceil(a_size);
        assert_eq!(parts, b.len().div_ceil(b_size), "parts of both outputs");
        let threads = self.count.min(work.threads()).min(parts);
        let helpers = match &self.helpers {
            Some(helpers) if threads > 1 => helpers,
            _ => {
                let pairs = a.chunks_mut(a_size).zip(b.chunks_mut(b_size));
                for (i, (a, b)) in pairs.enumerate() {
                    task(i, a, b);
                }
                return;
            }
        };
        // Pieces of several parts: less to share out.
        let piece = (parts / (threads * PIECES)).max(1);
        helpers.install(|| {
            a.par_chunks_mut(piece * a_size)
                .zip(b.par_chunks_mut(piece * b_size))
                .enumerate()
                .with_max_len(1) // so that the last pieces can be shared too
                .for_each(|(i, (a, b))| {
                    let pairs = a.chunks_mut(a_size).zip(b.chunks_mut(b_size));
                    for (j, (a, b)) in pairs.enumerate() {
                        task(i * piece + j, a, b);
                    }
                });
        });
    }
}

/// A task under way, as its helpers see it.
struct Pass {
    done: AtomicBool,
    /// Thread of the task.
    home: Option<usize>,
}

impl Pass {
    /// Runs the task beside `helpers` threads that look for its work.
    fn run<R: Send>(&self, helpers: usize, task: impl FnOnce() -> R + Send) -> R {
        /// Ends the pass, also of a task that panics: its helpers would wait for ever.
        struct End<'a>(&'a AtomicBool);

        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Release);
            }
        }

        // Who steals takes the oldest task first, so helpers are at their place before they are needed.
        if helpers > 0 {
            let (result, ()) = rayon::join(|| self.run(helpers - 1, task), || self.help());
            return result;
        }
        let _end = End(&self.done);
        task()
    }

    /// Does what there is to do until the task has ended.
    fn help(&self) {
        // Left to the task's own thread, helping would wait for itself.
        if rayon::current_thread_index() == self.home {
            return;
        }
        let mut idle = 0;
        while !self.done.load(Ordering::Acquire) {
            if rayon::yield_now() == Some(Yield::Executed) {
                idle = 0;
            } else if idle < SPINS {
                idle += 1;
                std::hint::spin_loop();
            } else {
                // The task is busy on its own, or there are more threads than cores.
                std::thread::sleep(NAP);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than enough for every thread.
    const MUCH: Work = Work { ns: usize::MAX };

    #[test]
    fn every_part_is_done_once() {
        for count in [1, 2, 5] {
            let threads = Threads::new(count).unwrap();
            for length in [0, 1, 7, 64, 1000] {
                for size in [1, 3, 64] {
                    let mut out = vec![0; length];
                    threads.for_each_part(MUCH, &mut out, size, |i, part| {
                        for (j, v) in part.iter_mut().enumerate() {
                            *v += i * size + j + 1;
                        }
                    });
                    assert!(out.iter().enumerate().all(|(i, &v)| v == i + 1));
                }
            }
        }
    }

    #[test]
    fn a_task_inside_the_pool_shares_its_work_and_its_panics() {
        for count in [1, 2, 5] {
            let threads = Threads::new(count).unwrap();
            for round in 0..50 {
                let sum = threads.install(MUCH, || {
                    let mut out = vec![0; 100];
                    threads.for_each_part(MUCH, &mut out, 3, |i, part| part.fill(i + round));
                    out.iter().sum::<usize>()
                });
                let want: usize = (0..100).map(|i| i / 3 + round).sum();
                assert_eq!(sum, want);
            }
            let panics =
                std::panic::AssertUnwindSafe(|| threads.install(MUCH, || panic!("as told")));
            assert!(std::panic::catch_unwind(panics).is_err());
            assert_eq!(threads.install(MUCH, || 7), 7);
        }
    }

    #[test]
    fn little_work_stays_with_the_caller() {
        let threads = Threads::new(4).unwrap();
        let caller = std::thread::current().id();
        threads.for_each_part(
            Work::ternary(320 * 320 / 4, 320 * 320),
            &mut [0; 320],
            64,
            |_, _| {
                assert_eq!(std::thread::current().id(), caller);
            },
        );
    }

    #[test]
    fn the_linears_of_a_large_model_are_shared() {
        for work in [
            Work::ternary(2560 * 6912 / 4, 2560 * 6912),
            Work::dense(2 * 128_256 * 2560),
            Work::attention(2 * 2560 * 2048),
        ] {
            assert!(work.threads() >= 2, "{work:?}");
        }
    }

    #[test]
    fn too_many_threads_are_refused() {
        let error = Threads::new(1_000_000).err().unwrap().to_string();
        assert!(
            error.starts_with("1000000 threads, expected at most "),
            "{error}"
        );
    }
}
