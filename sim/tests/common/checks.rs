//! The checks. Each leaves the kernel fit for another launch.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tercet_contract::error_code::ErrorCode;
use tercet_contract::geometry::MAX_ROWS;
use tercet_contract::Command;
use tercet_sim::{simulate_gemv, Fault, Kernel, Memory, Response, SimError};

use super::job::{Job, Product};

/// Shapes around every edge: of a beat, of a RAM word, of a result beat, of a 4 KiB page.
pub fn random_shapes(kernel: &mut dyn Kernel) {
    let g = kernel.geometry();
    let lanes = g.lanes();
    let mut rng = StdRng::seed_from_u64(1);
    let mut shapes = vec![
        (1, 1),
        (1, lanes - 1),
        (2, lanes),
        (3, lanes + 1),
        (g.beat_bytes() / 4, 7),
        (g.beat_bytes() / 4 + 1, g.beat_bytes() + 1),
        (1100, 5),
        (2, g.max_k()),
    ];
    shapes.extend((0..4).map(|_| (rng.random_range(1..40), rng.random_range(1..4 * lanes))));
    for (seed, (n, k)) in shapes.into_iter().enumerate() {
        let run = simulate_gemv(kernel, n, k, seed as u64).unwrap_or_else(|e| panic!("{e}"));
        assert!(run.matches_reference, "seed {seed}: {run:?}");
        assert_eq!(run.counters.weight_beats as usize, n * g.row_beats(k));
    }
}

/// The largest sums of both signs, and nothing at all.
pub fn extreme_values(kernel: &mut dyn Kernel) {
    let g = kernel.geometry();
    let k = g.max_k();
    let products = [
        (-1, -128),
        (1, -128),
        (-1, 127),
        (1, 127),
        (0, -128),
        (1, 0),
        (-1, 0),
    ]
    .map(|(w, x)| Product::constant(2, k, w, x))
    .to_vec();
    assert_eq!(products[0].expected()[0], 128 * k as i32);
    Job::new(&g, products, 0).must_succeed(kernel);
}

/// Rows that are all -1, 0 or 1 next to each other: nothing leaks from row to row.
pub fn rows_do_not_mix(kernel: &mut dyn Kernel) {
    let g = kernel.geometry();
    let (n, k) = (37, 2 * g.lanes() - 3);
    let mut rng = StdRng::seed_from_u64(2);
    let mut product = Product::random(&mut rng, n, k);
    for (row, trits) in product.trits.chunks_mut(k).enumerate() {
        trits.fill((row % 3) as i8 - 1);
    }
    Job::new(&g, vec![product], 64).must_succeed(kernel);
}

/// Lists whose commands share activations, with loads between; K changes from load to load, so that
/// old activations lie behind short ones.
pub fn kept_activations(kernel: &mut dyn Kernel) {
    let g = kernel.geometry();
    let mut rng = StdRng::seed_from_u64(3);
    let mut products = Vec::new();
    for (k, sharers) in [(3 * g.lanes() + 1, 3), (5, 2), (g.lanes() + 2, 1)] {
        let first = Product::random(&mut rng, 6, k);
        let x = first.x.clone();
        products.push(first);
        for n in 0..sharers {
            let mut sharer = Product::random(&mut rng, 1 + 9 * n, k);
            sharer.x = x.clone();
            sharer.keep = true;
            products.push(sharer);
        }
    }
    Job::new(&g, products, 0).must_succeed(kernel);
}

/// Buffers that begin everywhere relative to a 4 KiB page, and cross several.
pub fn buffers_around_page_edges(kernel: &mut dyn Kernel) {
    let g = kernel.geometry();
    let mut rng = StdRng::seed_from_u64(4);
    for gap in [64, 960, 4032, 4096 - 128] {
        let k = 4200.max(3 * g.lanes());
        let products = vec![
            Product::random(&mut rng, 3, k),
            Product::random(&mut rng, 1300, 9),
        ];
        Job::new(&g, products, gap).must_succeed(kernel);
    }
}

/// A long list of small commands.
pub fn long_lists(kernel: &mut dyn Kernel) {
    let g = kernel.geometry();
    let mut rng = StdRng::seed_from_u64(5);
    let products = (0..40)
        .map(|i| Product::random(&mut rng, 1 + i % 5, 1 + 13 * i))
        .collect();
    Job::new(&g, products, 0).must_succeed(kernel);
}

/// Nothing to do is done at once; a list that cannot be is refused before it reaches the kernel.
pub fn empty_and_impossible_lists(kernel: &mut dyn Kernel) {
    let counters = kernel.launch(0, 0).unwrap();
    assert_eq!(
        (
            counters.commands_done,
            counters.weight_beats,
            counters.error
        ),
        (0, 0, None)
    );
    assert!(matches!(
        kernel.launch(4, 1),
        Err(SimError::ListAlignment { list: 4 })
    ));
}

/// Three commands, the second of them spoilt.
fn spoilt(kernel: &mut dyn Kernel, spoil: impl FnOnce(&mut Command)) -> Job {
    let g = kernel.geometry();
    let mut rng = StdRng::seed_from_u64(6);
    let products = (0..3)
        .map(|_| Product::random(&mut rng, 20, g.lanes() + 1))
        .collect();
    let mut job = Job::new(&g, products, 0);
    spoil(&mut job.commands[1]);
    job
}

/// Launches a spoilt job: the error names the second command, the first is complete, the third has
/// not begun, and the kernel works again afterwards.
fn must_fail(kernel: &mut dyn Kernel, job: &Job, expected: ErrorCode) {
    let counters = job.launch(kernel);
    assert_eq!(counters.error, Some((expected, 1)), "{:?}", job.commands[1]);
    assert_eq!(counters.commands_done, 1);
    kernel.clear_faults();
    if job.commands[1].results < 1 << 20 {
        job.check_memory(kernel, 1);
    }
    spoilt(kernel, |_| ()).must_succeed(kernel);
}

/// Every check of the command record.
pub fn bad_commands(kernel: &mut dyn Kernel) {
    let words = kernel.geometry().activation_words() as u32;
    let max_k = kernel.geometry().max_k() as u32;
    type Spoil<'a> = &'a dyn Fn(&mut Command);
    let table: &[(ErrorCode, Spoil)] = &[
        (ErrorCode::BadOpcode, &|c| c.opcode = 0),
        (ErrorCode::BadOpcode, &|c| c.opcode = 0x81),
        (ErrorCode::BadFlags, &|c| c.flags = 2),
        (ErrorCode::BadFlags, &|c| c.flags = 0x81),
        // The list has loaded activations, but of another K.
        (ErrorCode::BadFlags, &|c| (c.flags, c.k) = (1, c.k - 1)),
        (ErrorCode::BadRows, &|c| c.rows = 0),
        (ErrorCode::BadRows, &|c| c.rows = MAX_ROWS as u32 + 1),
        (ErrorCode::BadRows, &|c| c.rows |= 1 << 31),
        (ErrorCode::BadK, &|c| c.k = 0),
        (ErrorCode::BadK, &|c| c.k = max_k + 1),
        (ErrorCode::BadK, &|c| c.k |= 1 << 31),
        (ErrorCode::BadK, &|c| c.row_beats = 0),
        (ErrorCode::BadK, &|c| c.row_beats = words + 1),
        (ErrorCode::BadVectors, &|c| c.vectors = 0),
        (ErrorCode::BadVectors, &|c| c.vectors = 2),
        (ErrorCode::BadAlignment, &|c| c.weights += 1),
        (ErrorCode::BadAlignment, &|c| c.activations += 32),
        (ErrorCode::BadAlignment, &|c| c.results += 4),
        (ErrorCode::BadLength, &|c| c.weight_beats -= 1),
        (ErrorCode::BadLength, &|c| c.weight_beats += 1),
        // Several faults: the first of the documented order is reported.
        (ErrorCode::BadVectors, &|c| (c.rows, c.vectors) = (0, 9)),
        (ErrorCode::BadFlags, &|c| (c.flags, c.vectors) = (4, 9)),
        (ErrorCode::BadRows, &|c| {
            (c.rows, c.k, c.results) = (0, 0, 1)
        }),
        (ErrorCode::BadK, &|c| (c.k, c.results) = (0, 1)),
    ];
    for (expected, spoil) in table {
        let job = spoilt(kernel, spoil);
        must_fail(kernel, &job, *expected);
    }
}

/// A command that says it has no weight beats: nothing is read for it.
pub fn no_weight_beats(kernel: &mut dyn Kernel) {
    let job = spoilt(kernel, |c| c.weight_beats = 0);
    must_fail(kernel, &job, ErrorCode::BadLength);
}

/// `row_beats` that is not what K needs would meet the wrong activations.
pub fn row_beats_that_k_does_not_need(kernel: &mut dyn Kernel) {
    for change in [-1i32, 1] {
        let job = spoilt(kernel, |c| {
            c.row_beats = c.row_beats.wrapping_add_signed(change);
            c.weight_beats = c.rows * c.row_beats;
        });
        must_fail(kernel, &job, ErrorCode::BadK);
    }
}

/// Errors in the middle of a command with requests still to come and results on their way.
pub fn large_commands_stopped_early(kernel: &mut dyn Kernel) {
    let g = kernel.geometry();
    let mut rng = StdRng::seed_from_u64(8);
    let k = g.lanes() + 1;
    let products: Vec<Product> = [20, 900, 20]
        .map(|n| Product::random(&mut rng, n, k))
        .to_vec();
    let large = |spoil: &dyn Fn(&mut Command)| {
        let mut job = Job::new(&g, products.clone(), 0);
        spoil(&mut job.commands[1]);
        job
    };
    type Spoil = fn(&mut Command);
    let lengths: [Spoil; 4] = [
        |c| c.weight_beats = 1,
        |c| c.weight_beats -= 400,
        |c| c.weight_beats += 1,
        // Runs beyond the memory: the length is what is reported, however far the reads were ahead.
        |c| c.weight_beats += 4000,
    ];
    for spoil in lengths {
        must_fail(kernel, &large(&spoil), ErrorCode::BadLength);
    }
    let job = large(&|_| ());
    let c = job.commands[1];
    let weights = g.matrix_bytes(c.rows as usize, k) as u64;
    for tenth in [0, 3, 5, 9] {
        for (memory, at, bytes, expected) in [
            (Memory::Weights, c.weights, weights, ErrorCode::WeightRead),
            (Memory::Data, c.results, 4 * 900, ErrorCode::ResultWrite),
        ] {
            let fault = Fault {
                offset: at + bytes * tenth / 10,
                bytes: 1,
                response: Response::SlaveError,
            };
            kernel.inject(memory, fault);
            must_fail(kernel, &job, expected);
        }
    }
}

/// Activations that an earlier list has loaded are not kept for the next.
pub fn activations_of_an_earlier_list(kernel: &mut dyn Kernel) {
    let job = spoilt(kernel, |_| ());
    job.must_succeed(kernel);
    let mut rng = StdRng::seed_from_u64(7);
    let (n, k) = (job.products[2].n, job.products[2].k);
    let mut product = Product::random(&mut rng, n, k);
    product.keep = true;
    let counters = Job::new(&kernel.geometry(), vec![product], 0).launch(kernel);
    assert_eq!(counters.error, Some((ErrorCode::BadFlags, 0)));
}

/// Buffers where there is no memory.
pub fn buffers_outside_memory(kernel: &mut dyn Kernel) {
    type Spoil = fn(&mut Command);
    let table: &[(ErrorCode, Spoil)] = &[
        (ErrorCode::ActivationRead, |c| c.activations = 1 << 30),
        (ErrorCode::WeightRead, |c| c.weights = 1 << 30),
        (ErrorCode::ResultWrite, |c| c.results = 1 << 30),
        // Below the base: offsets wrap around as addresses do.
        (ErrorCode::WeightRead, |c| c.weights = 0u64.wrapping_sub(64)),
    ];
    for (expected, spoil) in table {
        let job = spoilt(kernel, spoil);
        must_fail(kernel, &job, *expected);
    }
}

/// A list that runs off the end of the data memory.
pub fn lists_outside_memory(kernel: &mut dyn Kernel) {
    let job = spoilt(kernel, |_| ());
    job.load(kernel);
    let counters = kernel.launch(1 << 30, 2).unwrap();
    assert_eq!(counters.error, Some((ErrorCode::CommandRead, 0)));
    assert_eq!(counters.commands_done, 0);
    job.must_succeed(kernel);
}

/// SLVERR and DECERR at the first, a middle and the last line of each buffer.
pub fn injected_faults(kernel: &mut dyn Kernel) {
    let g = kernel.geometry();
    let job = spoilt(kernel, |_| ());
    let c = job.commands[1];
    let table = [
        (Memory::Data, job.list + 64, 64, ErrorCode::CommandRead),
        (
            Memory::Data,
            c.activations,
            c.k as usize,
            ErrorCode::ActivationRead,
        ),
        (
            Memory::Weights,
            c.weights,
            g.matrix_bytes(c.rows as usize, c.k as usize),
            ErrorCode::WeightRead,
        ),
        (
            Memory::Data,
            c.results,
            4 * c.rows as usize,
            ErrorCode::ResultWrite,
        ),
    ];
    for (memory, at, bytes, expected) in table {
        for place in [0, bytes / 2, bytes - 1] {
            for response in [Response::SlaveError, Response::DecodeError] {
                let fault = Fault {
                    offset: at + place as u64,
                    bytes: 1,
                    response,
                };
                kernel.inject(memory, fault);
                must_fail(kernel, &job, expected);
            }
        }
    }
}
