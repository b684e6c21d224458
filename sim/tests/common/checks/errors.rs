//! Errors of single commands: which code, and what has been written by then.

use rand::rngs::StdRng;
use rand::SeedableRng;
use tercet_contract::error_code::ErrorCode;
use tercet_contract::geometry::MAX_ROWS;
use tercet_contract::Command;
use tercet_sim::{Fault, Kernel, Memory, Response};

use crate::common::job::{Job, Product};

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
    job.check_failed(kernel, 1);
    spoilt(kernel, |_| ()).must_succeed(kernel);
}

/// Every check of the command record.
pub fn bad_commands(kernel: &mut dyn Kernel) {
    let words = kernel.geometry().activation_words() as u16;
    let max_k = kernel.geometry().max_k() as u16;
    let batch = kernel.geometry().batch() as u8;
    type Spoil<'a> = &'a dyn Fn(&mut Command);
    let table: &[(ErrorCode, Spoil)] = &[
        (ErrorCode::BadOpcode, &|c| c.opcode = 0),
        (ErrorCode::BadOpcode, &|c| c.opcode = 0x81),
        (ErrorCode::BadFlags, &|c| c.flags = 4),
        (ErrorCode::BadFlags, &|c| c.flags = 0x81),
        // The list has loaded activations, but of another K, or of fewer vectors.
        (ErrorCode::BadFlags, &|c| (c.flags, c.k) = (1, c.k - 1)),
        (ErrorCode::BadFlags, &|c| (c.flags, c.k) = (1, 0)),
        (ErrorCode::BadFlags, &|c| (c.flags, c.vectors) = (1, 2)),
        (ErrorCode::BadRows, &|c| c.rows = 0),
        (ErrorCode::BadRows, &|c| c.rows = MAX_ROWS as u32 + 1),
        (ErrorCode::BadRows, &|c| c.rows |= 1 << 31),
        (ErrorCode::BadK, &|c| c.k = 0),
        (ErrorCode::BadK, &|c| c.k = max_k + 1),
        (ErrorCode::BadK, &|c| c.k = u16::MAX),
        (ErrorCode::BadK, &|c| c.row_beats = 0),
        (ErrorCode::BadK, &|c| c.row_beats = words + 1),
        (ErrorCode::BadK, &|c| c.row_beats |= 1 << 15),
        (ErrorCode::BadVectors, &|c| c.vectors = 0),
        (ErrorCode::BadVectors, &|c| c.vectors = batch + 1),
        (ErrorCode::BadVectors, &|c| c.vectors = 129),
        (ErrorCode::BadDigits, &|c| c.digits = 0),
        (ErrorCode::BadDigits, &|c| c.digits = 6),
        (ErrorCode::BadDigits, &|c| c.digits = 129),
        (ErrorCode::BadAddress, &|c| c.weights += 1),
        (ErrorCode::BadAddress, &|c| c.activations += 32),
        (ErrorCode::BadAddress, &|c| c.results += 4),
        (ErrorCode::BadAddress, &|c| c.weights |= 1 << 48),
        (ErrorCode::BadAddress, &|c| c.activations |= 1 << 48),
        (ErrorCode::BadAddress, &|c| c.results |= 1 << 63),
        (ErrorCode::BadAddress, &|c| {
            (c.flags, c.runs, c.run_list) = (2, 1, 8)
        }),
        (ErrorCode::BadAddress, &|c| {
            (c.flags, c.runs, c.run_list) = (2, 1, 1 << 48)
        }),
        (ErrorCode::BadLength, &|c| c.weight_beats -= 1),
        (ErrorCode::BadLength, &|c| c.weight_beats += 1),
        (ErrorCode::BadLength, &|c| c.digits = 2),
        (ErrorCode::BadLength, &|c| c.flags = 2),
        // Several faults: the first of the documented order is reported.
        (ErrorCode::BadFlags, &|c| (c.flags, c.vectors) = (4, 9)),
        (ErrorCode::BadVectors, &|c| (c.digits, c.vectors) = (0, 9)),
        (ErrorCode::BadDigits, &|c| (c.rows, c.digits) = (0, 9)),
        (ErrorCode::BadRows, &|c| {
            (c.rows, c.k, c.results) = (0, 0, 1)
        }),
        (ErrorCode::BadK, &|c| (c.k, c.results) = (0, 1)),
        (ErrorCode::BadAddress, &|c| {
            (c.weight_beats, c.results) = (0, 1)
        }),
    ];
    for (expected, spoil) in table {
        let job = spoilt(kernel, spoil);
        must_fail(kernel, &job, *expected);
    }
}

/// The same checks for a command that comes through the registers.
pub fn bad_immediate_commands(kernel: &mut dyn Kernel) {
    type Spoil = fn(&mut Command);
    let table: &[(ErrorCode, Spoil)] = &[
        (ErrorCode::BadOpcode, |c| c.opcode = 0),
        (ErrorCode::BadFlags, |c| c.flags = 1),
        (ErrorCode::BadDigits, |c| c.digits = 0),
        (ErrorCode::BadAddress, |c| c.results += 4),
        (ErrorCode::BadLength, |c| c.weight_beats += 1),
        (ErrorCode::ActivationRead, |c| c.activations = 1 << 30),
        (ErrorCode::WeightRead, |c| c.weights = 1 << 30),
        (ErrorCode::ResultWrite, |c| c.results = 1 << 30),
    ];
    for (expected, spoil) in table {
        let mut job = spoilt(kernel, |_| ());
        job.immediate = true;
        spoil(&mut job.commands[0]);
        let counters = job.launch(kernel);
        assert_eq!(counters.error, Some((*expected, 0)));
        assert_eq!(counters.commands_done, 0);
        job.check_failed(kernel, 0);
        spoilt(kernel, |_| ()).must_succeed(kernel);
    }
}

/// A command that says it has no weight beats: nothing is read for it.
pub fn no_weight_beats(kernel: &mut dyn Kernel) {
    let job = spoilt(kernel, |c| c.weight_beats = 0);
    must_fail(kernel, &job, ErrorCode::BadLength);
}

/// `row_beats` that is not what K needs would meet the wrong activations.
pub fn row_beats_that_k_does_not_need(kernel: &mut dyn Kernel) {
    for change in [-1i16, 1] {
        let job = spoilt(kernel, |c| {
            c.row_beats = c.row_beats.wrapping_add_signed(change);
            c.weight_beats = c.rows * u32::from(c.row_beats);
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
            (
                Memory::Data,
                c.results,
                g.result_bytes(900) as u64,
                ErrorCode::ResultWrite,
            ),
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

/// Run lists that name too few or too many beats, or cannot be read.
pub fn bad_run_lists(kernel: &mut dyn Kernel) {
    let g = kernel.geometry();
    let mut rng = StdRng::seed_from_u64(9);
    let k = g.lanes() + 1;
    let mut products: Vec<Product> = [10, 60, 10]
        .map(|n| Product::random(&mut rng, n, k))
        .to_vec();
    // No row follows another, so that the list is long.
    products[1].rows = Some((0..60).rev().collect());
    type Spoil = fn(&mut Command);
    let lengths: [Spoil; 4] = [
        |c| c.runs = 1,
        |c| c.runs -= 20,
        // The list and the rows do not agree.
        |c| c.weight_beats -= 1,
        |c| (c.rows, c.weight_beats) = (59, c.weight_beats - u32::from(c.row_beats) + 1),
    ];
    for spoil in lengths {
        let mut job = Job::new(&g, products.clone(), 64);
        spoil(&mut job.commands[1]);
        must_fail(kernel, &job, ErrorCode::BadLength);
    }
    let job = Job::new(&g, products.clone(), 64);
    let c = job.commands[1];
    for place in [0, 200, 8 * 59] {
        let fault = Fault {
            offset: c.run_list + place,
            bytes: 1,
            response: Response::SlaveError,
        };
        kernel.inject(Memory::Data, fault);
        must_fail(kernel, &job, ErrorCode::CommandRead);
    }
    for row in [0, 31, 59] {
        let fault = Fault {
            offset: c.weights + g.matrix_bytes(row, k) as u64,
            bytes: 1,
            response: Response::SlaveError,
        };
        kernel.inject(Memory::Weights, fault);
        must_fail(kernel, &job, ErrorCode::WeightRead);
    }
}

/// Buffers where there is no memory.
pub fn buffers_outside_memory(kernel: &mut dyn Kernel) {
    type Spoil = fn(&mut Command);
    let table: &[(ErrorCode, Spoil)] = &[
        (ErrorCode::ActivationRead, |c| c.activations = 1 << 30),
        (ErrorCode::WeightRead, |c| c.weights = 1 << 30),
        (ErrorCode::ResultWrite, |c| c.results = 1 << 30),
        // Below the base: addresses wrap around at 2^48.
        (ErrorCode::WeightRead, |c| c.weights = (1 << 48) - 64),
        (ErrorCode::CommandRead, |c| {
            (c.flags, c.runs, c.run_list) = (2, 1, 1 << 30)
        }),
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
    let counters = kernel.launch(1 << 48, 2).unwrap();
    assert_eq!(counters.error, Some((ErrorCode::BadAddress, 0)));
    let counters = kernel
        .launch_immediate(&job.commands[0], 1 << 48, 1)
        .unwrap();
    assert_eq!(counters.error, Some((ErrorCode::BadAddress, 0)));
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
            g.result_bytes(c.rows as usize),
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
