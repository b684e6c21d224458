use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::model::{GroupId, GroupKind};

fn group(block: usize, kind: GroupKind, cpu_us: impl Fn() -> f64, rng_n: usize) -> GroupCost {
    let id = GroupId { block, kind };
    let layer = |layer| LayerCost {
        layer,
        n: rng_n,
        k: 2560,
        cpu: Seconds::from_us(cpu_us()),
    };
    GroupCost {
        id,
        layers: id.linear_ids().map(layer).collect(),
    }
}

/// Every choice for all groups at once, the slow way.
fn brute_force(groups: &[GroupCost], geometry: &Geometry, board: &Board) -> f64 {
    let Some((first, rest)) = groups.split_first() else {
        return 0.0;
    };
    let of = |s| first.gain(s, geometry, board).0 + brute_force(rest, geometry, board);
    first.subsets().map(of).fold(f64::NEG_INFINITY, f64::max)
}

#[test]
fn the_choice_is_the_optimum_of_the_model() {
    let board = Board::find("u55c").unwrap();
    let mut moved = 0;
    for seed in 0..50 {
        let rng = std::cell::RefCell::new(StdRng::seed_from_u64(seed));
        let groups: Vec<GroupCost> = GroupKind::ALL
            .into_iter()
            .map(|kind| {
                let n = rng.borrow_mut().random_range(64..8192);
                group(0, kind, || rng.borrow_mut().random_range(1.0..600.0), n)
            })
            .collect();
        let (geometry, chosen) = best_geometry(&groups, &board, None);
        let gain: f64 = groups
            .iter()
            .zip(&chosen)
            .map(|(g, s)| g.gain(*s, &geometry, &board).0)
            .sum();
        let best = Geometry::all()
            .iter()
            .map(|g| brute_force(&groups, g, &board))
            .fold(f64::NEG_INFINITY, f64::max);
        assert!(
            (gain - best).abs() < 1e-12,
            "seed {seed}: {gain} against {best}"
        );
        moved += chosen.iter().filter(|s| **s != 0).count();
    }
    assert!(moved > 20, "the instances must not be all trivial: {moved}");
}

#[test]
fn layers_that_lose_alone_can_win_together() {
    // 75 us of launch against 70 us of each layer.
    let board = Board::find("u55c").unwrap();
    let g = group(0, GroupKind::GateUp, || 70.0, 256);
    let geometry = Geometry::DEFAULT;
    assert!(g.gain(0b01, &geometry, &board) < Seconds(0.0));
    assert_eq!(best_subset(&g, &geometry, &board), 0b11);
}

#[test]
fn fast_layers_stay_and_the_reason_says_why() {
    let board = Board::find("u55c").unwrap();
    let g = group(0, GroupKind::Qkv, || 5.0, 256);
    assert_eq!(best_subset(&g, &Geometry::DEFAULT, &board), 0);
    let layer = rank(&g, 0, 0, &Geometry::DEFAULT, &board);
    assert!(!layer.offload && layer.gain < Seconds(0.0));
    assert!(
        layer.reason.contains("more than the CPU's 5.00 us"),
        "{}",
        layer.reason
    );
}

#[test]
fn forcing_takes_the_best_layers() {
    let board = Board::find("u55c").unwrap();
    let groups = [
        group(0, GroupKind::O, || 5.0, 256),
        group(0, GroupKind::Down, || 50.0, 256),
    ];
    let chosen = forced(&groups, &Geometry::DEFAULT, &board, 1).unwrap();
    assert_eq!(chosen, [0, 1]);
    assert!(forced(&groups, &Geometry::DEFAULT, &board, 3).is_err());
}
