//! An emulated card, access by access: what is refused, and what faults look like to a host.

mod common;

use std::time::Duration;

use common::{geometry, unless_missing};
use tercet_contract::{registers as map, Command, Geometry};
use tercet_sim::{Card, CardConfig, CardError, CardFaults, SimError};
use tercet_xclbin::{control_base, data_base, weights_base, MEMORY_BYTES};

const ROWS: usize = 4;
const K: usize = 64;
const RESULTS: u64 = 4096;

fn small() -> Geometry {
    geometry("128-b2")
}

/// A card of two units, both of which have weights of 1 and activations of 1.
fn card(faults: CardFaults) -> Option<Card> {
    let config = CardConfig {
        faults,
        ..CardConfig::new(small(), 2, 250_000_000)
    };
    let opened: Result<Card, SimError> = match Card::open(&config) {
        Err(CardError::Simulation(error)) => Err(error),
        other => Ok(other.unwrap()),
    };
    unless_missing::<Card>(opened)
}

fn fill(card: &mut Card, cu: usize) {
    let weights = tercet_contract::layout::pack_matrix(&small(), ROWS, K, &[1; ROWS * K]);
    card.write_memory(weights_base(cu), &weights).unwrap();
    card.write_memory(data_base(cu), &[1; 256]).unwrap();
    card.allocate(data_base(cu) + RESULTS, 64).unwrap();
}

fn start(card: &mut Card, cu: usize) {
    let command = Command::gemv(&small(), ROWS, K, 0, 0, RESULTS).unwrap();
    let mut words = vec![
        (map::WEIGHTS, weights_base(cu) as u32),
        (map::WEIGHTS + 4, (weights_base(cu) >> 32) as u32),
        (map::DATA, data_base(cu) as u32),
        (map::DATA + 4, (data_base(cu) >> 32) as u32),
        (map::COUNT, 1),
        (map::MODE, map::MODE_IMMEDIATE),
    ];
    let record = command.to_bytes();
    let command = record.chunks_exact(4).take(map::COMMAND_WORDS as usize);
    words.extend(
        (map::COMMAND..)
            .step_by(4)
            .zip(command.map(|word| u32::from_le_bytes(word.try_into().unwrap()))),
    );
    words.push((map::CTRL, map::CTRL_START));
    for (offset, word) in words {
        let address = control_base(cu) + u64::from(offset);
        card.write_register(address, word).unwrap();
    }
}

fn done(card: &mut Card, cu: usize) -> bool {
    let ctrl = card.read_register(control_base(cu)).unwrap();
    ctrl & map::CTRL_DONE != 0
}

fn results(card: &mut Card, cu: usize) -> [u8; 4 * ROWS] {
    let mut bytes = [0; 4 * ROWS];
    card.read_memory(data_base(cu) + RESULTS, &mut bytes)
        .unwrap();
    bytes
}

fn sums(y: u32) -> Vec<u8> {
    y.to_le_bytes().repeat(ROWS)
}

#[test]
fn every_unit_computes_in_its_own_memories() {
    let Some(mut card) = card(CardFaults::default()) else {
        return;
    };
    for cu in [1, 0] {
        fill(&mut card, cu);
        start(&mut card, cu);
        assert!((0..10).any(|_| done(&mut card, cu)), "unit {cu}");
        assert_eq!(results(&mut card, cu)[..], sums(K as u32), "unit {cu}");
    }
}

#[test]
fn addresses_where_nothing_lies_are_refused() {
    let Some(mut card) = card(CardFaults::default()) else {
        return;
    };
    let mut bytes = [0; 8];
    for address in [
        0,
        weights_base(0) - 4,
        data_base(0) + MEMORY_BYTES - 4,
        data_base(2),
        u64::MAX,
    ] {
        let refused = |result| matches!(result, Err(CardError::Address { .. }));
        assert!(refused(card.write_memory(address, &bytes)), "{address:#x}");
        assert!(
            refused(card.read_memory(address, &mut bytes)),
            "{address:#x}"
        );
        assert!(refused(card.allocate(address, 8)), "{address:#x}");
    }
    assert!(card.allocate(data_base(0), u64::MAX).is_err());
    for address in [
        0,
        control_base(0) + 2,
        control_base(0) + 0x1000,
        control_base(2),
        u64::MAX,
    ] {
        let refused = |error| matches!(error, CardError::Register { .. });
        assert!(
            refused(card.read_register(address).unwrap_err()),
            "{address:#x}"
        );
        assert!(
            refused(card.write_register(address, 1).unwrap_err()),
            "{address:#x}"
        );
    }
}

#[test]
fn a_memory_that_never_answers_leaves_the_unit_not_done() {
    let faults = CardFaults {
        memory: vec!["weights-hang@0".parse().unwrap()],
        ..CardFaults::default()
    };
    let Some(mut card) = card(faults) else { return };
    fill(&mut card, 0);
    start(&mut card, 0);
    assert!((0..50).all(|_| !done(&mut card, 0)));
}

#[test]
fn an_error_of_a_memory_is_told_by_the_kernel() {
    let faults = CardFaults {
        memory: vec!["weights-slverr@0".parse().unwrap()],
        ..CardFaults::default()
    };
    let Some(mut card) = card(faults) else { return };
    fill(&mut card, 0);
    start(&mut card, 0);
    assert!((0..10).any(|_| done(&mut card, 0)));
    let error = card.read_register(control_base(0) + u64::from(map::ERROR));
    assert_eq!(error.unwrap(), 0x12);
}

#[test]
fn results_can_be_zero_kernels_another_and_cards_dead() {
    let faults = CardFaults {
        zero_results: true,
        geometry: Some(geometry("128-b2-x4")),
        ..CardFaults::default()
    };
    let Some(mut other) = card(faults) else {
        return;
    };
    let word = other.read_register(control_base(0) + u64::from(map::GEOMETRY));
    assert_eq!(word.unwrap(), map::geometry_word(&geometry("128-b2-x4")));

    let faults = CardFaults {
        zero_results: true,
        dies_after: Some(40),
        ..CardFaults::default()
    };
    let Some(mut card) = card(faults) else { return };
    fill(&mut card, 0);
    start(&mut card, 0);
    assert!((0..10).any(|_| done(&mut card, 0)));
    assert_eq!(results(&mut card, 0)[..], sums(0));
    assert!((0..40).any(|_| matches!(card.read_register(control_base(0)), Err(CardError::Dead))));
}

#[test]
fn uptime_counts_by_the_wall_clock() {
    let faults = CardFaults {
        clock_factor: Some(0.5),
        ..CardFaults::default()
    };
    let Some(mut card) = card(faults) else { return };
    let mut low = || {
        card.read_register(control_base(0) + u64::from(map::UPTIME))
            .unwrap()
    };
    let before = low();
    std::thread::sleep(Duration::from_millis(10));
    assert!(low().wrapping_sub(before) >= 1_250_000);
}
