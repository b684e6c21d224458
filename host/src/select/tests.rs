use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::device::Mode;
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

fn target(board: &Board) -> Target<'_> {
    Target::new(board, Geometry::DEFAULT, Dispatching::SINGLE)
}

/// Every choice for all groups at once, the slow way.
fn brute_force(groups: &[GroupCost], target: &Target) -> f64 {
    let Some((first, rest)) = groups.split_first() else {
        return 0.0;
    };
    let of = |s| first.gain(s, target).0 + brute_force(rest, target);
    first.subsets().map(of).fold(f64::NEG_INFINITY, f64::max)
}

#[test]
fn the_choice_is_the_optimum_of_the_model() {
    let board = Board::find("u55c").unwrap();
    let mut moved = 0;
    for seed in 0..12 {
        let rng = std::cell::RefCell::new(StdRng::seed_from_u64(seed));
        let groups: Vec<GroupCost> = GroupKind::ALL
            .into_iter()
            .map(|kind| {
                let n = rng.borrow_mut().random_range(64..8192);
                group(0, kind, || rng.borrow_mut().random_range(1.0..600.0), n)
            })
            .collect();
        let (target, chosen) = best_target(
            &groups,
            &board,
            &SelectConfig::default(),
            Geometry::standard(),
        );
        let gain: f64 = groups
            .iter()
            .zip(&chosen)
            .map(|(g, s)| g.gain(*s, &target).0)
            .sum();
        let best = Geometry::standard()
            .into_iter()
            .map(|g| brute_force(&groups, &Target::new(&board, g, Dispatching::SINGLE)))
            .fold(f64::NEG_INFINITY, f64::max);
        assert!(
            (gain - best).abs() < 1e-12,
            "seed {seed}: {gain} against {best}"
        );
        moved += chosen.iter().filter(|s| **s != 0).count();
    }
    assert!(moved > 5, "the instances must not be all trivial: {moved}");
}

#[test]
fn the_choice_is_the_optimum_of_two_hundred_instances() {
    let boards = ["u50", "u55c", "u280"].map(|name| Board::find(name).unwrap());
    let geometries: Vec<Geometry> = Geometry::standard().into_iter().collect();
    let (mut moved, mut stayed) = (0, 0);
    for seed in 0..200 {
        let mut rng = StdRng::seed_from_u64(1000 + seed);
        let board = &boards[rng.random_range(0..boards.len())];
        // Launches from hardly anything to the board's, so that some instances move layers and others do not.
        let share = rng.random_range(0.01..1.0);
        let board = board.with_figure("dispatch_us", |f| crate::board::Figure {
            value: f.value * share,
            ..f.clone()
        });
        let config = SelectConfig {
            geometry: Some(geometries[rng.random_range(0..geometries.len())]),
            force_top: None,
            dispatch: Dispatching {
                mode: [Mode::Launch, Mode::Ring][rng.random_range(0..2)],
                cus: rng.random_range(1..=4),
            },
            alone: rng.random_bool(0.3),
        };
        let groups: Vec<GroupCost> = (0..rng.random_range(1..=4))
            .map(|block| {
                let kind = GroupKind::ALL[rng.random_range(0..4)];
                let n = rng.random_range(64..8192);
                let cpu: Vec<f64> = (0..3).map(|_| rng.random_range(1.0..400.0)).collect();
                let cpu = std::cell::RefCell::new(cpu.into_iter().cycle());
                group(block, kind, || cpu.borrow_mut().next().unwrap(), n)
            })
            .collect();
        let candidates = vec![config.geometry.unwrap()];
        let (target, chosen) = best_target(&groups, &board, &config, candidates);
        let gains = groups
            .iter()
            .zip(&chosen)
            .map(|(g, s)| g.gain(*s, &target).0);
        let (gain, best): (f64, f64) = (gains.sum(), brute_force(&groups, &target));
        assert!(
            (gain - best).abs() < 1e-12,
            "seed {seed}: {gain} against {best}"
        );
        moved += chosen.iter().filter(|s| **s != 0).count();
        stayed += chosen.iter().filter(|s| **s == 0).count();
    }
    assert!(moved > 50 && stayed > 50, "{moved} moved, {stayed} stayed");
}

#[test]
fn linears_alone_cost_a_launch_each() {
    let board = Board::find("u55c").unwrap();
    let g = group(0, GroupKind::GateUp, || 120.0, 256);
    let together = target(&board);
    let mut alone = target(&board);
    alone.alone = true;
    let (a, b) = (g.device(0b11, &alone), g.device(0b11, &together));
    let launch = Seconds::from_us(board.dispatch_us.value);
    assert!((a.dispatch - b.dispatch - launch).0.abs() < 1e-12);
    assert_eq!(g.device(0b01, &alone), g.device(0b01, &together));
}

#[test]
fn layers_that_lose_alone_can_win_together() {
    // 75 us of launch against 70 us of each layer.
    let board = Board::find("u55c").unwrap();
    let g = group(0, GroupKind::GateUp, || 70.0, 256);
    let target = target(&board);
    assert!(g.gain(0b01, &target) < Seconds(0.0));
    assert_eq!(best_subset(&g, &target), 0b11);
}

#[test]
fn fast_layers_stay_and_the_reason_says_why() {
    let board = Board::find("u55c").unwrap();
    let g = group(0, GroupKind::Qkv, || 5.0, 256);
    let target = target(&board);
    assert_eq!(best_subset(&g, &target), 0);
    let layer = rank(&g, 0, 0, &target);
    assert!(!layer.offload && layer.gain < Seconds(0.0));
    assert!(
        layer.reason.contains("more than the CPU's 5.00 us"),
        "{}",
        layer.reason
    );
}

#[test]
fn forcing_takes_the_best_set() {
    let board = Board::find("u55c").unwrap();
    let groups = [
        group(0, GroupKind::O, || 60.0, 256),
        group(0, GroupKind::Down, || 60.0, 256),
        group(0, GroupKind::Qkv, || 50.0, 256),
    ];
    let target = target(&board);
    let chosen = |top| forced(&groups, &target, top);
    assert_eq!(chosen(0), [0, 0, 0]);
    assert_eq!(chosen(1), [1, 0, 0]);
    // Worse alone, but one launch serves all three.
    assert_eq!(chosen(3), [0, 0, 0b111]);
    assert_eq!(chosen(5), [1, 1, 0b111]);
}

#[test]
fn no_other_set_of_that_size_gains_more() {
    let board = Board::find("u55c").unwrap();
    let target = target(&board);
    for seed in 0..8 {
        let rng = std::cell::RefCell::new(StdRng::seed_from_u64(seed));
        let groups: Vec<GroupCost> = GroupKind::ALL
            .into_iter()
            .map(|kind| {
                let n = rng.borrow_mut().random_range(64..8192);
                group(0, kind, || rng.borrow_mut().random_range(1.0..600.0), n)
            })
            .collect();
        for top in 0..=7 {
            let chosen = forced(&groups, &target, top);
            let gain: f64 = groups
                .iter()
                .zip(&chosen)
                .map(|(g, s)| g.gain(*s, &target).0)
                .sum();
            let best = brute_force_of(&groups, &target, top).unwrap();
            assert!(
                (gain - best).abs() < 1e-12,
                "seed {seed}, {top} layers: {gain} against {best}"
            );
        }
    }
}

/// Every choice of `top` layers, the slow way; none if there are not as many.
fn brute_force_of(groups: &[GroupCost], target: &Target, top: usize) -> Option<f64> {
    let Some((first, rest)) = groups.split_first() else {
        return (top == 0).then_some(0.0);
    };
    let of = |s: Subset| {
        let left = top.checked_sub(s.count_ones() as usize)?;
        let others = brute_force_of(rest, target, left)?;
        Some(first.gain(s, target).0 + others)
    };
    first.subsets().filter_map(of).max_by(f64::total_cmp)
}

#[test]
fn units_share_the_rows_and_rings_cost_less() {
    let board = Board::find("u55c").unwrap();
    let g = group(0, GroupKind::GateUp, || 70.0, 2561);
    let usage = |mode, cus| {
        let target = Target::new(&board, Geometry::DEFAULT, Dispatching { mode, cus });
        let layers: Vec<_> = g.of(0b11).collect();
        (target.usage(&layers), g.device(0b11, &target))
    };
    let (one, _) = usage(Mode::Launch, 1);
    let (three, launches) = usage(Mode::Launch, 3);
    assert_eq!(
        (three.dispatches, three.launches, three.commands),
        (1, 3, 6)
    );
    assert_eq!(three.weight_beats, one.weight_beats);
    assert_eq!(three.slowest_beats, 2 * 854 * 8);
    assert!(three.cycles.0 * 2 < one.cycles.0);
    let (_, ring) = usage(Mode::Ring, 3);
    assert!(ring.dispatch < launches.dispatch);
    // More units than rows: the others stay idle.
    let few = group(0, GroupKind::O, || 70.0, 2);
    let (mode, cus) = (Mode::Launch, 5);
    let target = Target::new(&board, Geometry::DEFAULT, Dispatching { mode, cus });
    let layers: Vec<_> = few.of(1).collect();
    assert_eq!(target.usage(&layers).launches, 2);
}

#[test]
fn kernels_that_do_not_fit_are_not_tried() {
    let with = |name: &str, geometry: Option<&str>, cus| {
        let board = Board::find(name).unwrap();
        let config = SelectConfig {
            geometry: geometry.map(|g| g.parse().unwrap()),
            dispatch: Dispatching {
                mode: Mode::Launch,
                cus,
            },
            ..SelectConfig::default()
        };
        candidates(&board, &config).map_err(|e| e.to_string())
    };
    let kept = with("kv260", None, 4).unwrap();
    assert!(kept.contains(&"128-b3".parse().unwrap()));
    assert!(!kept.contains(&"512-b3-x4".parse().unwrap()));
    // Only what was placed and routed for the part.
    assert_eq!(
        with("ecpix5", None, 1).unwrap(),
        ["128-b2".parse().unwrap()]
    );
    let refused = with("u250", None, 5).unwrap_err();
    assert!(
        refused.contains("memory channels: 5 needed, 4 there; 4 fit"),
        "{refused}"
    );
    let refused = with("kv260", Some("512-b3"), 4).unwrap_err();
    assert!(refused.contains("bram36: 220 needed"), "{refused}");
    assert_eq!(with("u280", Some("512-b3-k32768"), 4).unwrap().len(), 1);
}
