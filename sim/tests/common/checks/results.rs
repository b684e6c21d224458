//! Results of lists in which nothing is wrong.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tercet_contract::command::OPCODE_STOP;
use tercet_contract::digits::{max_weight, MAX_DIGITS};
use tercet_sim::{simulate_gemv, Kernel, SimError};

use crate::common::job::{Job, Product};

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
    assert_eq!(products[0].expected()[0], [128 * k as i32]);
    Job::new(&g, products, 0).must_succeed(kernel);
}

/// Rows that are all -1, 0 or 1 next to each other: nothing leaks from row to row.
pub fn rows_do_not_mix(kernel: &mut dyn Kernel) {
    let g = kernel.geometry();
    let (n, k) = (37, 2 * g.lanes() - 3);
    let mut rng = StdRng::seed_from_u64(2);
    let mut product = Product::random(&mut rng, n, k);
    for (row, weights) in product.weights.chunks_mut(k).enumerate() {
        weights.fill((row % 3) as i32 - 1);
    }
    Job::new(&g, vec![product], 64).must_succeed(kernel);
}

/// As many vectors as the kernel takes, and fewer: the places of absent ones are left alone.
pub fn batches(kernel: &mut dyn Kernel) {
    let g = kernel.geometry();
    let mut rng = StdRng::seed_from_u64(11);
    let mut products = Vec::new();
    for vectors in 1..=g.batch() {
        for (n, k) in [(1, 3), (21, g.lanes() + 1), (150, 70), (3, 4 * g.lanes())] {
            products.push(Product::random(&mut rng, n, k).with_vectors(&mut rng, vectors));
        }
    }
    Job::new(&g, products, 64).must_succeed(kernel);
}

/// Weights of several trits, at random and at their limits.
pub fn digits(kernel: &mut dyn Kernel) {
    let g = kernel.geometry();
    let mut rng = StdRng::seed_from_u64(12);
    let mut products = Vec::new();
    for digits in 1..=MAX_DIGITS {
        let (batch, most) = (g.batch(), max_weight(digits));
        for (n, k) in [(5, 9), (18, g.lanes()), (2, 2 * g.lanes() + 5)] {
            let product = Product::random(&mut rng, n, k).with_digits(&mut rng, digits);
            products.push(product.with_vectors(&mut rng, batch));
        }
        for (w, x) in [(-most, -128), (most, -128), (most, 127)] {
            let mut product = Product::constant(2, g.lanes() + 1, w, x);
            product.digits = digits;
            products.push(product);
        }
    }
    let mut longest = Product::constant(2, g.max_k(), -121, -128);
    longest.digits = MAX_DIGITS;
    assert_eq!(longest.expected()[0], [121 * 128 * g.max_k() as i32]);
    products.push(longest);
    Job::new(&g, products, 0).must_succeed(kernel);
}

/// Rows in any order and repeated, through lists with empty, cut and surplus runs.
pub fn run_lists(kernel: &mut dyn Kernel) {
    let g = kernel.geometry();
    let mut rng = StdRng::seed_from_u64(13);
    let mut products = Vec::new();
    for (n, k, rows) in [
        (1, 5, 1),
        (30, 3, 40),
        (12, g.lanes() + 1, 7),
        (9, 3 * g.lanes(), 20),
        (300, 10, 200),
    ] {
        let digits = rng.random_range(1..=MAX_DIGITS);
        let vectors = rng.random_range(1..=g.batch());
        for product in [
            Product::random(&mut rng, n, k),
            Product::random(&mut rng, n, k)
                .with_digits(&mut rng, digits)
                .with_vectors(&mut rng, vectors),
        ] {
            products.push(product.with_run_list(&mut rng, rows));
        }
    }
    // Every row, in order, is one run.
    let mut whole = Product::random(&mut rng, 50, g.lanes());
    whole.rows = Some((0..50).collect());
    products.push(whole);
    Job::new(&g, products, 64).must_succeed(kernel);
}

/// Everything at once, with activations kept for fewer vectors than were loaded, in lists whose first
/// command is in memory or in the registers.
pub fn mixed_lists(kernel: &mut dyn Kernel) {
    let g = kernel.geometry();
    for seed in 0..6 {
        let mut rng = StdRng::seed_from_u64(100 + seed);
        let products = mixed_products(&mut rng, kernel, 8);
        let mut job = Job::new(&g, products, 64 * rng.random_range(0..20));
        job.immediate = seed % 2 == 1;
        job.must_succeed(kernel);
    }
}

/// Products of every kind; some keep activations.
pub fn mixed_products(rng: &mut StdRng, kernel: &dyn Kernel, count: usize) -> Vec<Product> {
    let g = kernel.geometry();
    let mut products: Vec<Product> = Vec::new();
    for _ in 0..count {
        let (n, k) = (rng.random_range(1..30), rng.random_range(1..3 * g.lanes()));
        let keep = rng.random_bool(0.3);
        let product = match products.iter().rev().find(|p| !p.keep) {
            Some(loaded) if keep => {
                let mut product = Product::mixed(rng, &g, n, loaded.k);
                let vectors = product.x.len().min(loaded.x.len());
                product.x = loaded.x[..vectors].to_vec();
                product.keep = true;
                product
            }
            _ => Product::mixed(rng, &g, n, k),
        };
        products.push(product);
    }
    products
}

/// The first command through the registers, alone and before others; its record is not read.
pub fn immediate_commands(kernel: &mut dyn Kernel) {
    let g = kernel.geometry();
    let mut rng = StdRng::seed_from_u64(14);
    for count in [1, 2, 5] {
        let products = (0..count)
            .map(|i| {
                let product = Product::random(&mut rng, 7 + i, g.lanes() + i);
                product.with_vectors(&mut rng, g.batch())
            })
            .collect();
        let mut job = Job::new(&g, products, 64);
        job.immediate = true;
        job.must_succeed(kernel);
        // The list after it is read from memory again.
        job.immediate = false;
        job.must_succeed(kernel);
    }
    let command = Job::new(&g, vec![Product::constant(1, 1, 1, 1)], 0).commands[0];
    let counters = kernel.launch_immediate(&command, 0, 0).unwrap();
    assert_eq!((counters.commands_done, counters.error), (0, None));
}

/// STOP ends a list: it counts as a command, and what stands behind it is not looked at.
pub fn stops(kernel: &mut dyn Kernel) {
    let g = kernel.geometry();
    let mut rng = StdRng::seed_from_u64(15);
    for (place, immediate) in [(0, false), (0, true), (3, false), (3, true), (5, false)] {
        let products = mixed_products(&mut rng, kernel, 6);
        let mut job = Job::new(&g, products, 0);
        job.immediate = immediate;
        // Nothing else of its record is looked at either.
        job.commands[place].opcode = OPCODE_STOP;
        job.commands[place].vectors = 77;
        job.commands[place].results = 1;
        for behind in &mut job.commands[place + 1..] {
            behind.opcode = 99;
        }
        let counters = job.launch(kernel);
        assert_eq!(counters.error, None, "STOP at {place}");
        assert_eq!(counters.commands_done as usize, place + 1);
        let beats = job.commands[..place]
            .iter()
            .map(|c| u64::from(c.weight_beats));
        assert_eq!(counters.weight_beats, beats.sum::<u64>());
        job.check_memory(kernel, place);
    }
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
