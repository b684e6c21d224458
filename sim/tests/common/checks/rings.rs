//! Ring mode: commands are submitted while the kernel runs, and completions told in memory.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tercet_contract::command::OPCODE_STOP;
use tercet_contract::error_code::ErrorCode;
use tercet_sim::{Fault, Kernel, Memory, Response, Ring, SimError};

use super::results::mixed_products;
use crate::common::job::{Job, Product};
use crate::common::ring_feed::RingFeed;

fn no_ring(kernel: &mut dyn Kernel, tail: usize) {
    let dispatched = kernel.ring_dispatch(tail as u32);
    assert!(
        matches!(dispatched, Err(SimError::NoRing)),
        "{dispatched:?}"
    );
}

fn mixed_job(kernel: &dyn Kernel, rng: &mut StdRng, count: usize) -> Job {
    let products = mixed_products(rng, kernel, count);
    Job::new(&kernel.geometry(), products, 64 * rng.random_range(0..20))
}

/// Rings of every small size, with as many commands a dispatch as come, which wrap around and
/// rewrite records of commands that are complete.
pub fn rings_wrap_around(kernel: &mut dyn Kernel) {
    let mut rng = StdRng::seed_from_u64(31);
    for entries in [1, 2, 3, 5, 11] {
        let job = mixed_job(kernel, &mut rng, 12);
        let mut feed = RingFeed::start(&job, kernel, entries);
        while feed.tail() < job.commands.len() {
            let most = (entries as usize).min(job.commands.len() - feed.tail());
            let commands = rng.random_range(0..=most);
            feed.must_submit(kernel, commands);
        }
    }
}

/// A ring that is filled to its last record each time.
pub fn full_rings(kernel: &mut dyn Kernel) {
    let mut rng = StdRng::seed_from_u64(32);
    let job = mixed_job(kernel, &mut rng, 24);
    for entries in [8, 12, 24] {
        let mut feed = RingFeed::start(&job, kernel, entries);
        for _ in 0..24 / entries {
            feed.must_submit(kernel, entries as usize);
        }
    }
}

/// More commands than the ring holds: none of them runs, and the ring has ended.
pub fn overrun_rings(kernel: &mut dyn Kernel) {
    let mut rng = StdRng::seed_from_u64(33);
    let job = mixed_job(kernel, &mut rng, 8);
    for (before, more) in [(0, 5), (3, 5), (4, 0x8000_0000), (2, u32::MAX)] {
        let mut feed = RingFeed::start(&job, kernel, 4);
        feed.must_submit(kernel, before);
        let tail = (before as u32).wrapping_add(more);
        let counters = kernel.ring_dispatch(tail).unwrap();
        assert_eq!(counters.error, Some((ErrorCode::BadRing, before as u32)));
        assert_eq!(counters.commands_done as usize, before);
        assert_eq!(counters.weight_beats, 0);
        feed.check(kernel, before, None);
        no_ring(kernel, before);
    }
    job.must_succeed(kernel);
}

/// An error ends the ring: commands before it count and are complete, none after it has run.
pub fn errors_in_rings(kernel: &mut dyn Kernel) {
    let g = kernel.geometry();
    let mut rng = StdRng::seed_from_u64(34);
    for (place, record) in [(0, true), (2, false), (5, true), (6, false)] {
        let products = (0..8)
            .map(|i| Product::random(&mut rng, 10 + 30 * (i % 3), g.lanes() + i))
            .collect();
        let mut job = Job::new(&g, products, 64);
        let expected = match record {
            true => {
                job.commands[place].opcode = 0;
                ErrorCode::BadOpcode
            }
            false => {
                let fault = Fault {
                    offset: job.commands[place].weights,
                    bytes: 1,
                    response: Response::DecodeError,
                };
                kernel.inject(Memory::Weights, fault);
                ErrorCode::WeightRead
            }
        };
        let mut feed = RingFeed::start(&job, kernel, 4);
        for _ in 0..place / 4 {
            feed.must_submit(kernel, 4);
        }
        let counters = feed.submit(kernel, 4);
        kernel.clear_faults();
        assert_eq!(counters.error, Some((expected, place as u32)));
        assert_eq!(counters.commands_done as usize, place);
        feed.check(kernel, place, Some(place));
        no_ring(kernel, 8);
    }
}

/// STOP ends a ring as a command that counts.
pub fn stops_in_rings(kernel: &mut dyn Kernel) {
    let mut rng = StdRng::seed_from_u64(35);
    for (place, submit) in [(0, 1), (0, 3), (2, 3), (2, 4), (5, 2), (6, 4)] {
        let mut job = mixed_job(kernel, &mut rng, 8);
        job.commands[place].opcode = OPCODE_STOP;
        let mut feed = RingFeed::start(&job, kernel, 4);
        while feed.tail() + submit <= place {
            feed.must_submit(kernel, submit);
        }
        let commands = submit.min(8 - feed.tail());
        let counters = feed.submit(kernel, commands);
        assert_eq!(counters.error, None, "STOP at {place}");
        assert_eq!(counters.commands_done as usize, place + 1);
        feed.check(kernel, place + 1, None);
        no_ring(kernel, 8);
    }
}

/// Launches and other rings take the place of a ring; activations are not kept across a start, but
/// from dispatch to dispatch.
pub fn rings_and_lists_take_turns(kernel: &mut dyn Kernel) {
    let g = kernel.geometry();
    let mut rng = StdRng::seed_from_u64(36);
    no_ring(kernel, 0);
    let first = Product::random(&mut rng, 9, g.lanes() + 2);
    let mut second = Product::random(&mut rng, 30, first.k);
    second.x = first.x.clone();
    second.keep = true;
    let mut job = Job::new(&g, vec![first, second], 0);

    let mut feed = RingFeed::start(&job, kernel, 2);
    feed.must_submit(kernel, 1);
    feed.must_submit(kernel, 1);
    job.must_succeed(kernel);
    no_ring(kernel, 2);

    let mut feed = RingFeed::start(&job, kernel, 2);
    feed.must_submit(kernel, 1);
    let mut feed = RingFeed::start(&job, kernel, 1);
    feed.must_submit(kernel, 1);
    feed.must_submit(kernel, 1);

    let ring = |records, completion| Ring {
        records,
        entries: 2,
        completion,
    };
    for (ring, offset) in [(ring(4, 64), 4), (ring(64, 8), 8)] {
        match kernel.ring_start(ring) {
            Err(SimError::ListAlignment { list }) => assert_eq!(list, offset),
            other => panic!("{other:?}"),
        }
        no_ring(kernel, 0);
    }

    job.commands.swap(0, 1);
    job.products.swap(0, 1);
    let mut feed = RingFeed::start(&job, kernel, 2);
    let counters = feed.submit(kernel, 2);
    assert_eq!(counters.error, Some((ErrorCode::BadFlags, 0)));
    feed.check(kernel, 0, None);
}

/// A ring that begins where no address is, or no memory.
pub fn rings_outside_memory(kernel: &mut dyn Kernel) {
    let mut rng = StdRng::seed_from_u64(37);
    let job = mixed_job(kernel, &mut rng, 2);
    for (records, expected) in [
        (1 << 48, ErrorCode::BadAddress),
        (1 << 30, ErrorCode::CommandRead),
    ] {
        let feed = RingFeed::start(&job, kernel, 2);
        let ring = Ring {
            records,
            entries: 2,
            completion: job.completion,
        };
        kernel.ring_start(ring).unwrap();
        let counters = kernel.ring_dispatch(1).unwrap();
        assert_eq!(counters.error, Some((expected, 0)));
        feed.check(kernel, 0, None);
        no_ring(kernel, 1);
    }
}
