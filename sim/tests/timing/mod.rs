//! Random commands, run on the RTL and asked of the cycle model.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tercet_contract::command::{Run, COMMAND_BYTES};
use tercet_contract::layout::align;
use tercet_contract::{Command, Geometry};
use tercet_sim::cycles::Planned;
use tercet_sim::memory::{DdrParameters, HbmParameters, MemoryModel};
use tercet_sim::{
    Counters, Kernel, Memory, MemoryTiming, ModelKernel, Ring, RtlKernel, SimError, StallPercent,
};

/// Bytes of the weights memory; what stands there does not matter.
const WEIGHTS_BYTES: usize = 1 << 20;
/// Places in the data memory: records, completion word, run lists, activations, results.
const RECORDS: u64 = 0;
const COMPLETION: u64 = 4096;
const RUN_LISTS: u64 = 8192;
const ACTIVATIONS: u64 = 1 << 16;
const RESULTS: u64 = 1 << 18;
const DATA_BYTES: usize = 1 << 20;

/// How much to try.
#[derive(Clone, Copy)]
pub struct Sweep {
    seed: u64,
    lists: usize,
    most_beats: usize,
}

impl Sweep {
    pub fn new(seed: u64, lists: usize, most_beats: usize) -> Self {
        Sweep {
            seed,
            lists,
            most_beats,
        }
    }
}

pub fn geometry(name: &str) -> Geometry {
    name.parse().expect("a supported geometry")
}

/// Memories of every kind.
pub fn memories() -> Vec<MemoryTiming> {
    let fixed = MemoryTiming::fixed;
    let stalling = |seed, percent, latency| MemoryTiming {
        stall_seed: Some(seed),
        stall_percent: StallPercent::all(percent),
        ..fixed(latency)
    };
    let of = |model| MemoryTiming { model, ..fixed(1) };
    vec![
        fixed(1),
        fixed(40),
        fixed(128),
        fixed(170),
        stalling(1, 25, 20),
        stalling(2, 70, 3),
        stalling(3, 10, 128),
        MemoryTiming {
            ready_after_valid: true,
            ..fixed(30)
        },
        MemoryTiming {
            ready_after_valid: true,
            ..stalling(4, 30, 60)
        },
        of(MemoryModel::Hbm(HbmParameters::at(300))),
        of(MemoryModel::Ddr(DdrParameters::at(300))),
        MemoryTiming {
            model: MemoryModel::Hbm(HbmParameters::at(450)),
            ..stalling(5, 20, 1)
        },
    ]
}

/// Opens the kernel, or says loudly that nothing is tested; CI forbids that.
pub fn open(geometry: &Geometry, timing: MemoryTiming) -> Option<RtlKernel> {
    match RtlKernel::open(geometry, timing, None) {
        Ok(kernel) => Some(kernel),
        Err(error @ SimError::MissingTool { .. }) if std::env::var_os("CI").is_none() => {
            eprintln!("SKIPPED, NOT TESTED: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// One command with its run list, at random.
fn command(
    g: &Geometry,
    rng: &mut StdRng,
    most_beats: usize,
    whole_rows: bool,
    keep: Option<(usize, usize)>,
) -> Planned {
    let most_k = (6 * g.lanes()).min(g.max_k());
    let (k, loaded) = keep.unwrap_or_else(|| {
        let k = match whole_rows {
            true => g.lanes() * rng.random_range(1..=6),
            false => rng.random_range(1..=most_k),
        };
        (k, rng.random_range(1..=g.batch()))
    });
    let vectors = match keep {
        Some(_) => rng.random_range(1..=loaded),
        None => loaded,
    };
    let digits = [1, 1, 1, 2, 3, 5][rng.random_range(0..6)];
    let most = (most_beats / g.row_beats(k) / digits).max(1);
    let rows = match rng.random_bool(0.3) {
        true => rng.random_range(1..=most.min(5)),
        false => rng.random_range(1..=most),
    };
    let place = |rng: &mut StdRng, places: u64| 64 * rng.random_range(0..places);
    let command = Command::gemv(
        g,
        rows,
        k,
        place(rng, 100),
        ACTIVATIONS + place(rng, 100),
        RESULTS + place(rng, 100),
    )
    .and_then(|c| c.with_vectors(g, vectors))
    .and_then(|c| c.with_digits(digits))
    .expect("within limits");
    let mut planned = Planned {
        command,
        record: None,
        runs: Vec::new(),
    };
    if keep.is_some() {
        planned.command = planned.command.keep_activations();
    }
    if rng.random_bool(0.3) {
        let row_beats = command.weight_beats / command.rows;
        for _ in 0..rows {
            let first_beat = rng.random_range(0..100) * row_beats;
            match planned.runs.last_mut() {
                Some(run) if rng.random_bool(0.4) => run.beats += row_beats,
                _ => planned.runs.push(Run {
                    first_beat,
                    beats: row_beats,
                }),
            }
            if rng.random_bool(0.1) {
                planned.runs.push(Run {
                    first_beat: 7,
                    beats: 0,
                });
            }
        }
        for _ in 0..rng.random_range(0..5) {
            planned.runs.push(Run {
                first_beat: 3,
                beats: 9,
            });
        }
    }
    planned
}

/// A queue of commands; run lists are placed.
fn queue(g: &Geometry, rng: &mut StdRng, most_beats: usize, whole_rows: bool) -> Vec<Planned> {
    let mut queue: Vec<Planned> = Vec::new();
    let mut at = RUN_LISTS;
    for _ in 0..rng.random_range(1..=7) {
        let keep = queue.last().filter(|_| rng.random_bool(0.5)).map(|last| {
            let loaded = queue.iter().rev().find(|p| !p.command.keeps_activations());
            let vectors = loaded.map_or(1, |p| p.command.vectors.into());
            (usize::from(last.command.k), vectors)
        });
        let mut planned = command(g, rng, most_beats, whole_rows, keep);
        if !planned.runs.is_empty() {
            planned.command = planned
                .command
                .with_run_list(at, planned.runs.len())
                .expect("an aligned list");
            at += align(8 * planned.runs.len()) as u64;
            assert!(at < ACTIVATIONS, "run lists fit");
        }
        queue.push(planned);
    }
    queue
}

/// The RTL and the model with the same bytes in their memories.
struct Pair {
    rtl: RtlKernel,
    model: ModelKernel,
    /// Results are defined: no weight lies behind the end of its row, where activations are what they were.
    same_results: bool,
}

impl Pair {
    fn write(&mut self, memory: Memory, at: u64, bytes: &[u8]) {
        for kernel in [&mut self.rtl as &mut dyn Kernel, &mut self.model] {
            kernel.write(memory, at, bytes).expect("within the memory");
        }
    }

    /// Does the same with both, and compares all that can be seen.
    fn compare(
        &mut self,
        what: &str,
        context: &str,
        run: impl Fn(&mut dyn Kernel) -> Result<Counters, SimError>,
    ) {
        let of_rtl = run(&mut self.rtl).unwrap_or_else(|e| panic!("{what}, {context}: {e}"));
        let of_model = run(&mut self.model).unwrap_or_else(|e| panic!("{what}, {context}: {e}"));
        assert_eq!(of_rtl.error, None, "{what}, {context}");
        assert_eq!(of_model, of_rtl, "{what}, {context}");
        assert_eq!(
            self.model.timeline(),
            self.rtl.timeline(),
            "{what}, {context}"
        );
        let mut bytes = [vec![0; DATA_BYTES], vec![0; DATA_BYTES]];
        self.rtl
            .read(Memory::Data, 0, &mut bytes[0])
            .expect("the memory");
        self.model
            .read(Memory::Data, 0, &mut bytes[1])
            .expect("the memory");
        if self.same_results {
            let differs = (0..DATA_BYTES).find(|&i| bytes[0][i] != bytes[1][i]);
            assert_eq!(differs, None, "first byte that differs, {what}, {context}");
        } else {
            self.model
                .write(Memory::Data, 0, &bytes[0])
                .expect("the memory");
        }
    }
}

/// Runs random queues as a list, with the first command in the registers, and through a ring.
pub fn check(g: &Geometry, timing: MemoryTiming, sweep: Sweep) {
    let Some(rtl) = open(g, timing) else {
        return;
    };
    let model = ModelKernel::new(g, timing);
    let mut pair = Pair {
        rtl,
        model,
        same_results: true,
    };
    let mut rng = StdRng::seed_from_u64(sweep.seed);
    for (memory, size) in [(Memory::Weights, WEIGHTS_BYTES), (Memory::Data, DATA_BYTES)] {
        pair.rtl.resize(memory, size).expect("memory");
        pair.model.resize(memory, size).expect("memory");
        let mut bytes = vec![0; size];
        rng.fill(&mut bytes[..]);
        pair.write(memory, 0, &bytes);
    }
    for list in 0..sweep.lists {
        let whole_rows = list % 2 == 0;
        pair.same_results = whole_rows;
        let queue = queue(g, &mut rng, sweep.most_beats, whole_rows);
        for planned in &queue {
            let bytes: Vec<u8> = planned.runs.iter().flat_map(|r| r.to_bytes()).collect();
            pair.write(Memory::Data, planned.command.run_list, &bytes);
        }
        let count = queue.len() as u32;
        let ring = Ring {
            records: RECORDS,
            entries: rng.random_range(count + 1..60),
            completion: COMPLETION,
        };
        let at = |i: usize| RECORDS + (i * COMMAND_BYTES) as u64;
        for (i, planned) in queue.iter().enumerate() {
            pair.write(Memory::Data, at(i), &planned.command.to_bytes());
        }
        pair.write(Memory::Data, at(queue.len()), &Command::stop().to_bytes());
        let shapes: Vec<String> = queue
            .iter()
            .map(|p| format!("{:?} runs {}", p.command, p.runs.len()))
            .collect();
        let context = format!("{g}, {timing:?}, list {list}: {shapes:#?}");

        pair.compare("list", &context, |k| k.launch(RECORDS, count));
        pair.compare("immediate", &context, |k| {
            k.launch_immediate(&queue[0].command, RECORDS, count)
        });
        pair.compare("list and STOP", &context, |k| k.launch(RECORDS, count + 1));
        for stops in [0, 1] {
            pair.write(Memory::Data, COMPLETION, &[0; 4]);
            pair.compare("ring", &context, |k| {
                k.ring_start(ring)?;
                k.ring_dispatch(count + stops)
            });
        }
        // In two dispatches, the second of which finds an empty ring.
        let first = rng.random_range(1..=count);
        pair.write(Memory::Data, COMPLETION, &[0; 4]);
        pair.compare("first dispatch", &context, |k| {
            k.ring_start(ring)?;
            k.ring_dispatch(first)
        });
        pair.compare("second dispatch", &context, |k| k.ring_dispatch(count + 1));
    }
}
