//! Commands overlap, and errors are told in their order all the same.

use rand::rngs::StdRng;
use rand::SeedableRng;
use tercet_contract::error_code::ErrorCode;
use tercet_contract::Command;
use tercet_sim::{Fault, Kernel, Memory, Response};

use crate::common::job::{Job, Product};

/// Rows of the commands: a small one, a large one, and small ones that the kernel looks at while the
/// large one streams.
const ROWS: [usize; 6] = [3, 90, 20, 5, 20, 20];

fn job(kernel: &dyn Kernel) -> Job {
    let g = kernel.geometry();
    let mut rng = StdRng::seed_from_u64(21);
    let products = ROWS
        .map(|n| Product::random(&mut rng, n, g.lanes() + 1).with_vectors(&mut rng, g.batch()))
        .to_vec();
    Job::new(&g, products, 64)
}

/// Something that is wrong with a command.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    Opcode,
    RecordRead,
    Activations,
    Length,
    FirstWeights,
    LastWeights,
    LastResult,
}

const ALL: [Wrong; 7] = [
    Wrong::Opcode,
    Wrong::RecordRead,
    Wrong::Activations,
    Wrong::Length,
    Wrong::FirstWeights,
    Wrong::LastWeights,
    Wrong::LastResult,
];

impl Wrong {
    /// Makes command `i` of the job wrong, and tells the code.
    fn apply(self, kernel: &mut dyn Kernel, job: &mut Job, i: usize) -> ErrorCode {
        let g = kernel.geometry();
        let c: &mut Command = &mut job.commands[i];
        let weights = c.weights + u64::from(c.weight_beats) * g.beat_bytes() as u64 - 1;
        let results = c.results + g.result_bytes(c.rows as usize) as u64 - 1;
        let (memory, offset, code) = match self {
            Wrong::Opcode => {
                c.opcode = 9;
                return ErrorCode::BadOpcode;
            }
            Wrong::Length => {
                c.weight_beats += 1;
                return ErrorCode::BadLength;
            }
            Wrong::RecordRead => {
                let record = job.list + 64 * i as u64;
                (Memory::Data, record, ErrorCode::CommandRead)
            }
            Wrong::Activations => (Memory::Data, c.activations, ErrorCode::ActivationRead),
            Wrong::FirstWeights => (Memory::Weights, c.weights, ErrorCode::WeightRead),
            Wrong::LastWeights => (Memory::Weights, weights, ErrorCode::WeightRead),
            Wrong::LastResult => (Memory::Data, results, ErrorCode::ResultWrite),
        };
        let fault = Fault {
            offset,
            bytes: 1,
            response: Response::SlaveError,
        };
        kernel.inject(memory, fault);
        code
    }
}

/// Launches: command `i` must be told, and be the first that is not complete.
fn must_tell(kernel: &mut dyn Kernel, job: &Job, i: usize, code: ErrorCode, what: &str) {
    let counters = job.launch(kernel);
    assert_eq!(counters.error, Some((code, i as u32)), "{what}");
    assert_eq!(counters.commands_done as usize, i, "{what}");
    kernel.clear_faults();
    job.check_failed(kernel, i);
}

/// Two commands are wrong: the first of the list is told, whichever the kernel meets first.
pub fn the_first_error_of_a_list_is_told(kernel: &mut dyn Kernel) {
    for first in ALL {
        for second in ALL {
            for (a, b) in [(1, 2), (1, 4)] {
                let mut job = job(kernel);
                let code = first.apply(kernel, &mut job, a);
                second.apply(kernel, &mut job, b);
                must_tell(
                    kernel,
                    &job,
                    a,
                    code,
                    &format!("{first:?} {a}, {second:?} {b}"),
                );
            }
        }
    }
    job(kernel).must_succeed(kernel);
}

/// One command is wrong: those before it are complete, however early it is found.
pub fn commands_before_an_error_are_complete(kernel: &mut dyn Kernel) {
    for wrong in ALL {
        for i in 0..ROWS.len() {
            let mut job = job(kernel);
            let code = wrong.apply(kernel, &mut job, i);
            must_tell(kernel, &job, i, code, &format!("{wrong:?} {i}"));
        }
    }
    job(kernel).must_succeed(kernel);
}
