//! What every mutant is put to. A check that passes returns what the kernel counted, which must be what the
//! kernel without the fault counts.

use rand::rngs::StdRng;
use rand::SeedableRng;
use tercet_contract::error_code::ErrorCode;
use tercet_contract::{Command, Geometry};
use tercet_sim::axi::rules::{Channel, Port};
use tercet_sim::{
    Counters, Fault, Kernel, Memory, MemoryTiming, Response, Ring, RtlKernel, SimError,
    StallPercent,
};

use crate::job::{Job, Product};

/// What a check saw: in a word, and at length.
pub struct Notice {
    pub what: &'static str,
    pub text: String,
}

impl From<SimError> for Notice {
    fn from(error: SimError) -> Self {
        let what = match &error {
            SimError::Protocol(_) => "AXI rule",
            SimError::Hang { .. } => "hang",
            SimError::Build { .. } => "build",
            _ => "simulation",
        };
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default().to_string();
        Notice { what, text: line }
    }
}

/// Counters of each launch of a check.
pub type Counted = Vec<Counters>;

type Check = fn(&mut RtlKernel) -> Result<Counted, Notice>;

/// A check, the memories it runs behind, and its name.
pub struct Named {
    pub name: &'static str,
    pub timing: MemoryTiming,
    pub run: Check,
}

const SLOW_WRITES: &[(Port, Channel, u8)] = &[(Port::Data, Channel::W, 90)];

/// Cheapest and most telling first.
pub fn all() -> Vec<Named> {
    let seeded = |seed, stall_percent| MemoryTiming {
        stall_seed: Some(seed),
        stall_percent,
        ..MemoryTiming::fixed(20)
    };
    let table: [(&'static str, MemoryTiming, Check); 10] = [
        ("products", MemoryTiming::fixed(20), products),
        (
            "products, stalls",
            seeded(1, StallPercent::all(40)),
            products,
        ),
        ("lists", MemoryTiming::fixed(128), lists),
        ("lists, stalls", seeded(2, StallPercent::all(40)), lists),
        (
            "slow writes",
            seeded(3, StallPercent::only(SLOW_WRITES)),
            many_results,
        ),
        ("long vectors", MemoryTiming::fixed(20), long_vectors),
        ("ring", MemoryTiming::fixed(20), ring),
        (
            "completions",
            seeded(4, StallPercent::only(SLOW_WRITES)),
            completions,
        ),
        ("errors", MemoryTiming::fixed(128), errors),
        ("resets", MemoryTiming::fixed(20), resets),
    ];
    table
        .map(|(name, timing, run)| Named { name, timing, run })
        .into()
}

fn seeded(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// Launches a job and compares the memory after it.
fn must_succeed(kernel: &mut RtlKernel, job: &Job) -> Result<Counters, Notice> {
    job.load(kernel)?;
    let counters = kernel.launch(job.list, job.commands.len() as u32)?;
    done(kernel, job, counters, job.commands.len(), None)
}

/// Whether `counters` and the memory are what they must be with `commands` complete.
fn done(
    kernel: &mut RtlKernel,
    job: &Job,
    counters: Counters,
    commands: usize,
    error: Option<(ErrorCode, u32)>,
) -> Result<Counters, Notice> {
    if counters.error != error || counters.commands_done as usize != commands {
        let what = match counters.error == error {
            true => "commands done",
            false => "error code",
        };
        let text = format!(
            "{:?} after {} commands, expected {error:?} after {commands}",
            counters.error, counters.commands_done
        );
        return Err(Notice { what, text });
    }
    match job.difference(kernel, commands, error.is_some())? {
        Some(text) => Err(Notice {
            what: "memory",
            text,
        }),
        None => Ok(counters),
    }
}

/// Single commands: shapes around every edge, digits, vectors, run lists, page edges.
fn products(kernel: &mut RtlKernel) -> Result<Counted, Notice> {
    let g = kernel.geometry();
    let lanes = g.lanes();
    let most = g.batch();
    [
        Product::new(1, 1),
        Product::new(3, lanes - 1).vectors(most),
        Product::new(9, lanes + 1).digits(3),
        Product::new(6, 2 * lanes).digits(5).vectors(most),
        Product::new(33, 3 * lanes - 7).vectors(most),
        Product::new(60, lanes + 5).sparse(),
        Product::new(45, 70).sparse().digits(2).vectors(most),
        Product::new(700, 5),
        Product::new(37, 12 * lanes + 3),
    ]
    .iter()
    .enumerate()
    .map(|(i, product)| {
        let gap = [64, 960, 4032][i % 3];
        let job = Job::new(&g, &mut seeded(i as u64), &[*product], gap);
        must_succeed(kernel, &job)
    })
    .collect()
}

/// Lists of commands that overlap, share activations and differ in size; more than are under way at once.
fn lists(kernel: &mut RtlKernel) -> Result<Counted, Notice> {
    let g = kernel.geometry();
    let most = g.batch();
    let mut products = vec![
        Product::new(300, g.lanes()).vectors(most),
        Product::new(5, g.lanes()).keep(),
        Product::new(8, 3 * g.lanes()).vectors(most),
        Product::new(60, 3 * g.lanes())
            .vectors(most)
            .keep()
            .sparse(),
        Product::new(90, 11).digits(2),
        Product::new(1, 5 * g.lanes() + 1),
    ];
    products.extend((0..12).map(|i| Product::new(1 + i % 3, 8 * g.lanes() + i)));
    products.push(Product::new(40, 30).sparse());
    products.extend((0..12).map(|i| Product::new(2, 4 + i)));
    let job = Job::new(&g, &mut seeded(40), &products, 0);
    Ok(vec![must_succeed(kernel, &job)?])
}

/// More results at once than their FIFO holds.
fn many_results(kernel: &mut RtlKernel) -> Result<Counted, Notice> {
    let g = kernel.geometry();
    let mut products = vec![
        Product::new(900, 9).vectors(g.batch()),
        Product::new(301, 5),
        // Behind a last beat of results that is not full.
        Product::new(700, 5),
    ];
    // Commands that are streamed long before they are written.
    products.extend([Product::new(16, 5).keep(); 30]);
    let job = Job::new(&g, &mut seeded(50), &products, 64);
    Ok(vec![must_succeed(kernel, &job)?])
}

/// Loads that take longer than the weight FIFO takes to fill.
fn long_vectors(kernel: &mut RtlKernel) -> Result<Counted, Notice> {
    let g = kernel.geometry();
    let products = [
        Product::new(7, g.max_k()).vectors(g.batch()),
        Product::new(3, g.max_k() - 1).vectors(g.batch()),
    ];
    let job = Job::new(&g, &mut seeded(60), &products, 0);
    Ok(vec![must_succeed(kernel, &job)?])
}

/// A ring that is filled to the last record, goes round, and ends with STOP; and one that is overrun.
fn ring(kernel: &mut RtlKernel) -> Result<Counted, Notice> {
    let g = kernel.geometry();
    let products: Vec<Product> = (0..8)
        .map(|i| Product::new(2 + 5 * i, 40 + 17 * i).vectors(1 + i % g.batch()))
        .collect();
    let mut job = Job::new(&g, &mut seeded(70), &products, 0);
    job.end_with_stop();
    job.load(kernel)?;
    let ring = Ring {
        records: job.list,
        entries: 4,
        completion: job.data_bytes() as u64,
    };
    // Behind the ring stands no command.
    kernel.write(Memory::Data, job.list + 4 * 64, &[0xff; 4 * 64])?;
    let mut counted = Vec::new();
    kernel.ring_start(ring)?;
    for round in 0..2u32 {
        // The second half of the list goes into the first half's records.
        for i in 0..4 {
            let record = job.commands[4 * round as usize + i].to_bytes();
            kernel.write(Memory::Data, job.list + 64 * i as u64, &record)?;
        }
        if round == 0 {
            counted.push(kernel.ring_dispatch(1)?);
        }
        counted.push(kernel.ring_dispatch(4 * (round + 1))?);
    }
    let last = *counted.last().expect("three dispatches");
    if (last.error, last.commands_done) != (None, 8) {
        let text = format!("{:?} after {} commands", last.error, last.commands_done);
        return Err(Notice { what: "ring", text });
    }
    let records = job.commands[4..].iter().flat_map(|c| c.to_bytes());
    let first = records.collect::<Vec<u8>>();
    let original: Vec<u8> = job.commands.iter().flat_map(|c| c.to_bytes()).collect();
    let mut found = vec![0; first.len()];
    kernel.read(Memory::Data, job.list, &mut found)?;
    if found != first {
        let text = "the records were overwritten".to_string();
        return Err(Notice {
            what: "memory",
            text,
        });
    }
    kernel.write(Memory::Data, job.list, &original)?;
    if let Some(text) = job.difference(kernel, 8, false)? {
        return Err(Notice {
            what: "memory",
            text,
        });
    }

    kernel.ring_start(ring)?;
    let overrun = kernel.ring_dispatch(5)?;
    if overrun.error != Some((ErrorCode::BadRing, 0)) {
        let text = format!("{:?}, expected BadRing of command 0", overrun.error);
        return Err(Notice {
            what: "error code",
            text,
        });
    }
    counted.push(overrun);
    Ok(counted)
}

/// Commands of a ring whose first results come while the completion of the command before stands on the bus.
fn completions(kernel: &mut RtlKernel) -> Result<Counted, Notice> {
    let g = kernel.geometry();
    let k = 8 * g.lanes();
    let mut products = vec![Product::new(3, k).vectors(g.batch())];
    products.extend((0..40).map(|i| Product::new(2 + i % 3, k).digits(1 + i % 5).keep()));
    let mut job = Job::new(&g, &mut seeded(75), &products, 0);
    job.end_with_stop();
    job.load(kernel)?;
    let commands = job.commands.len() as u32;
    kernel.ring_start(Ring {
        records: job.list,
        entries: commands,
        completion: job.data_bytes() as u64,
    })?;
    let counters = kernel.ring_dispatch(commands)?;
    Ok(vec![done(
        kernel,
        &job,
        counters,
        job.commands.len(),
        None,
    )?])
}

/// Three commands, the second of them spoilt.
fn spoilt(g: &Geometry, spoil: &dyn Fn(&mut Command)) -> Job {
    let products = [
        Product::new(200, g.lanes() + 1),
        Product::new(400, g.lanes() + 1),
        Product::new(5, 30),
    ];
    let mut job = Job::new(g, &mut seeded(80), &products, 0);
    spoil(&mut job.commands[1]);
    job
}

/// Bad fields and bus errors of a command in the middle: its code and index, what was before it, and a kernel
/// that works again.
fn errors(kernel: &mut RtlKernel) -> Result<Counted, Notice> {
    let g = kernel.geometry();
    let mut counted = Vec::new();
    type Spoil = fn(&mut Command);
    let table: [(Spoil, ErrorCode); 9] = [
        (|c| c.opcode = 9, ErrorCode::BadOpcode),
        (|c| (c.flags, c.k) = (1, c.k - 1), ErrorCode::BadFlags),
        (|c| c.vectors = 3, ErrorCode::BadVectors),
        (|c| c.digits = 6, ErrorCode::BadDigits),
        (|c| c.rows = 0, ErrorCode::BadRows),
        (|c| c.row_beats += 1, ErrorCode::BadK),
        (|c| c.weights += 32, ErrorCode::BadAddress),
        (|c| c.weight_beats -= 100, ErrorCode::BadLength),
        (|c| c.weight_beats += 1, ErrorCode::BadLength),
    ];
    for (spoil, expected) in table {
        let job = spoilt(&g, &spoil);
        job.load(kernel)?;
        kernel.write(Memory::Data, job.list + 64, &job.commands[1].to_bytes())?;
        let counters = kernel.launch(job.list, 3)?;
        if counters.error != Some((expected, 1)) || counters.commands_done != 1 {
            let found = (counters.error, counters.commands_done);
            let text = format!("{found:?}, expected {expected:?} of command 1");
            return Err(Notice {
                what: "error code",
                text,
            });
        }
        counted.push(counters);
    }
    let job = spoilt(&g, &|_| ());
    let c = job.commands[1];
    let weights = g.matrix_bytes(400, c.k.into()) as u64;
    for (memory, offset, expected) in [
        (Memory::Data, job.list + 64, ErrorCode::CommandRead),
        (Memory::Data, c.activations, ErrorCode::ActivationRead),
        (
            Memory::Data,
            c.activations + u64::from(c.k) - 1,
            ErrorCode::ActivationRead,
        ),
        (
            Memory::Weights,
            c.weights + weights / 3,
            ErrorCode::WeightRead,
        ),
        (
            Memory::Weights,
            c.weights + weights - 1,
            ErrorCode::WeightRead,
        ),
        (Memory::Data, c.results + 400, ErrorCode::ResultWrite),
        (
            Memory::Data,
            c.results + 4 * 399 * g.batch() as u64,
            ErrorCode::ResultWrite,
        ),
    ] {
        let response = Response::SlaveError;
        kernel.inject(
            memory,
            Fault {
                offset,
                bytes: 1,
                response,
            },
        );
        job.load(kernel)?;
        let counters = kernel.launch(job.list, 3)?;
        kernel.clear_faults();
        counted.push(done(kernel, &job, counters, 1, Some((expected, 1)))?);
        counted.push(must_succeed(kernel, &job)?);
    }
    counted.push(stopped_while_loading(kernel)?);
    Ok(counted)
}

/// An error while the activations of the next command are on their way: the kernel waits for them.
fn stopped_while_loading(kernel: &mut RtlKernel) -> Result<Counters, Notice> {
    let g = kernel.geometry();
    let products = [
        Product::new(400, g.lanes()),
        Product::new(1, g.max_k()).vectors(g.batch()),
    ];
    let job = Job::new(&g, &mut seeded(85), &products, 0);
    let fault = Fault {
        offset: job.commands[0].weights + 100,
        bytes: 1,
        response: Response::DecodeError,
    };
    kernel.inject(Memory::Weights, fault);
    job.load(kernel)?;
    let counters = kernel.launch(job.list, 2)?;
    kernel.clear_faults();
    let counters = done(kernel, &job, counters, 0, Some((ErrorCode::WeightRead, 0)))?;
    must_succeed(kernel, &job)?;
    Ok(counters)
}

/// A reset in the middle of a list, at many moments, leaves a kernel like a new one.
fn resets(kernel: &mut RtlKernel) -> Result<Counted, Notice> {
    let g = kernel.geometry();
    let products = [
        Product::new(150, g.lanes()).vectors(g.batch()),
        Product::new(40, 30).digits(2),
        Product::new(60, 90).sparse(),
    ];
    let job = Job::new(&g, &mut seeded(90), &products, 64);
    let mut counted = Vec::new();
    for moment in (20..900).step_by(41) {
        job.load(kernel)?;
        let fault = tercet_sim::TimedFault {
            kind: tercet_sim::FaultKind::Reset,
            cycle: moment,
        };
        kernel.inject_at(fault);
        // Ends as a hang, unless the list was done before.
        match kernel.launch(job.list, products.len() as u32) {
            Ok(_) | Err(SimError::Hang { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        kernel.clear_faults();
        counted.push(must_succeed(kernel, &job)?);
    }
    Ok(counted)
}
