use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::choose::{best_choice, forced, within, Rules};
use super::*;
use crate::board::Figure;
use crate::device::{Dispatching, Mode, Part};
use crate::model::{GroupId, GroupKind};

const RULES: Rules = Rules {
    objective: Objective::Time,
    split: true,
};

fn group(block: usize, kind: GroupKind, cpu_us: impl Fn() -> f64, n: usize) -> GroupCost {
    let id = GroupId { block, kind };
    let layer = |layer| {
        let cpu = Seconds::from_us(cpu_us());
        LayerCost {
            layer,
            n,
            k: 2560,
            cpu,
            beside: cpu,
        }
    };
    GroupCost {
        id,
        layers: id.linear_ids().map(layer).collect(),
    }
}

fn target(board: &Board) -> Target<'_> {
    Target::new(board, Geometry::DEFAULT, Dispatching::SINGLE)
}

/// Every choice of whole layers, and every split of one further layer.
fn every_choice(group: &GroupCost, splits: bool) -> Vec<Choice> {
    let mut all: Vec<Choice> = group.whole().collect();
    for whole in group.whole().filter(|_| splits) {
        for (i, l) in group.layers.iter().enumerate() {
            if whole.rows[i] == 0 {
                let rows = (SPLIT_ROWS..l.n).step_by(SPLIT_ROWS);
                all.extend(rows.map(|rows| whole.with(i, rows)));
            }
        }
    }
    all
}

/// Every choice for all groups at once, the slow way; `limit` bytes at most.
fn brute_force(groups: &[GroupCost], target: &Target, rules: &Rules, limit: Option<u64>) -> f64 {
    let Some((first, rest)) = groups.split_first() else {
        return 0.0;
    };
    let choices = every_choice(first, rules.split && !target.alone);
    let of = |choice: &Choice| {
        let left = match limit {
            Some(limit) => Some(limit.checked_sub(first.bytes(choice, target))?),
            None => None,
        };
        let others = move || brute_force(rest, target, rules, left);
        Some((first.gain(choice, target, &rules.objective), others))
    };
    match limit {
        // Without a limit the others do not depend on the choice.
        None => {
            let best = choices.iter().filter_map(of).map(|(gain, _)| gain);
            best.fold(f64::NEG_INFINITY, f64::max) + brute_force(rest, target, rules, None)
        }
        Some(_) => {
            let all = choices
                .iter()
                .filter_map(of)
                .map(|(gain, others)| gain + others());
            all.fold(f64::NEG_INFINITY, f64::max)
        }
    }
}

fn gain(groups: &[GroupCost], chosen: &[Choice], target: &Target, objective: &Objective) -> f64 {
    let all = groups.iter().zip(chosen);
    all.map(|(g, c)| g.gain(c, target, objective)).sum()
}

#[test]
fn the_choice_is_the_optimum_of_two_hundred_instances() {
    let boards = ["u50", "u55c", "u280"].map(|name| Board::find(name).unwrap());
    let geometries: Vec<Geometry> = Geometry::standard().into_iter().collect();
    let (mut moved, mut stayed, mut split) = (0, 0, 0);
    for seed in 0..200 {
        let mut rng = StdRng::seed_from_u64(1000 + seed);
        let board = &boards[rng.random_range(0..boards.len())];
        // Launches from hardly anything to the board's, so that some instances move layers and others do not.
        let share = rng.random_range(0.01..1.0);
        let board = board.with_figure("dispatch_us", |f| Figure {
            value: f.value * share,
            ..f.clone()
        });
        let dispatch = Dispatching {
            mode: [Mode::Launch, Mode::Ring][rng.random_range(0..2)],
            cus: rng.random_range(1..=4),
        };
        let geometry = geometries[rng.random_range(0..geometries.len())];
        let target = Target::new(&board, geometry, dispatch)
            .dispatching_alone(rng.random_bool(0.2))
            .with_tokens([1, 1, 1, 3, 20][rng.random_range(0..5)]);
        let objective = match rng.random_bool(0.2) {
            true => Objective::Energy {
                cpu_w: rng.random_range(5.0..150.0),
            },
            false => Objective::Time,
        };
        let rules = Rules {
            objective,
            split: rng.random_bool(0.8),
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
        let chosen: Vec<Choice> = groups
            .iter()
            .map(|g| best_choice(g, &target, &rules))
            .collect();
        let gain = gain(&groups, &chosen, &target, &objective);
        let best = brute_force(&groups, &target, &rules, None);
        assert!(
            (gain - best).abs() < 1e-12,
            "seed {seed}: {gain} against {best}"
        );
        for (group, choice) in groups.iter().zip(&chosen) {
            moved += usize::from(!choice.is_none());
            stayed += usize::from(choice.is_none());
            split += group.parts(*choice).filter(|p| p.1 != Part::Whole).count();
        }
    }
    assert!(
        moved > 50 && stayed > 50 && split > 30,
        "{moved} moved, {stayed} stayed, {split} split"
    );
}

#[test]
fn the_choice_within_a_memory_is_the_optimum() {
    let board = Board::find("u55c").unwrap();
    let rules = Rules {
        split: false,
        ..RULES
    };
    let mut limited = 0;
    for seed in 0..40 {
        let mut rng = StdRng::seed_from_u64(seed);
        let dispatch = Dispatching {
            mode: Mode::Ring,
            cus: rng.random_range(1..=4),
        };
        let target = Target::new(&board, Geometry::DEFAULT, dispatch);
        let groups: Vec<GroupCost> = (0..4)
            .map(|block| {
                let cpu: Vec<f64> = (0..3).map(|_| rng.random_range(40.0..400.0)).collect();
                let cpu = std::cell::RefCell::new(cpu.into_iter().cycle());
                let kind = GroupKind::ALL[rng.random_range(0..4)];
                let n = 64 * rng.random_range(1..60);
                group(block, kind, || cpu.borrow_mut().next().unwrap(), n)
            })
            .collect();
        let all: u64 = groups
            .iter()
            .map(|g| g.bytes(&g.whole().last().unwrap(), &target))
            .sum();
        let capacity = rng.random_range(0..all);
        let chosen = within(&groups, &target, &rules, capacity);
        let bytes: u64 = groups
            .iter()
            .zip(&chosen)
            .map(|(g, c)| g.bytes(c, &target))
            .sum();
        assert!(bytes <= capacity);
        let gain = gain(&groups, &chosen, &target, &rules.objective);
        let best = brute_force(&groups, &target, &rules, Some(capacity));
        assert!(
            (gain - best).abs() < 1e-12,
            "seed {seed}: {gain} against {best}"
        );
        limited +=
            usize::from(chosen.iter().any(|c| !c.is_none()) && chosen.iter().any(Choice::is_none));
        // With splits no less is gained.
        let split = within(&groups, &target, &RULES, capacity);
        let split = self::gain(&groups, &split, &target, &rules.objective);
        assert!(
            split >= gain - 1e-12,
            "seed {seed}: {split} with splits, {gain} without"
        );
    }
    assert!(limited > 10, "{limited}");
}

#[test]
fn a_split_layer_keeps_both_busy() {
    let board = Board::find("u55c")
        .unwrap()
        .with_figure("dispatch_us", |f| Figure {
            value: 1.0,
            ..f.clone()
        });
    let g = group(0, GroupKind::O, || 200.0, 2560);
    let target = target(&board);
    let whole = Rules {
        split: false,
        ..RULES
    };
    let all = best_choice(&g, &target, &whole);
    assert_eq!(all.rows[0], 2560, "the device alone is faster");
    let best = best_choice(&g, &target, &RULES);
    assert!(best.rows[0] > 1280 && best.rows[0] < 2560, "{best:?}");
    let (split, alone) = (g.time(&best, &target), g.time(&all, &target));
    assert!(split.total < alone.total);
    // A step of 64 rows is 5 us of the CPU.
    let apart = (split.device.total() - split.cpu).0.abs();
    assert!(apart < 8e-6, "{split:?}");
    assert!(split.overlap() > Seconds::from_us(50.0));
}

#[test]
fn linears_alone_cost_a_launch_each() {
    let board = Board::find("u55c").unwrap();
    let g = group(0, GroupKind::GateUp, || 120.0, 256);
    let together = target(&board);
    let alone = target(&board).dispatching_alone(true);
    let both = Choice {
        rows: [256, 256, 0],
    };
    let one = Choice { rows: [256, 0, 0] };
    let (a, b) = (
        g.time(&both, &alone).device,
        g.time(&both, &together).device,
    );
    let launch = Seconds::from_us(board.dispatch_us.value);
    assert!((a.dispatch - b.dispatch - launch).0.abs() < 1e-12);
    assert_eq!(g.time(&one, &alone).device, g.time(&one, &together).device);
    assert_eq!(g.time(&one, &alone).overlap(), Seconds::default());
}

#[test]
fn layers_that_lose_alone_can_win_together() {
    // 75 us of launch against 70 us of each layer, waited for.
    let board = Board::find("u55c").unwrap();
    let g = group(0, GroupKind::GateUp, || 70.0, 256);
    let objective = Objective::Time;
    let one = Choice { rows: [256, 0, 0] };
    let alone = target(&board).dispatching_alone(true);
    assert!(g.gain(&one, &alone, &objective) < 0.0);
    assert!(!best_choice(&g, &target(&board), &RULES).is_none());
}

#[test]
fn fast_layers_stay_and_the_reason_says_why() {
    let board = Board::find("u55c").unwrap();
    let g = group(0, GroupKind::Qkv, || 5.0, 256);
    let target = target(&board);
    assert_eq!(best_choice(&g, &target, &RULES), Choice::NONE);
    let layer = rank(&g, 0, &Choice::NONE, &target);
    assert!(!layer.offload && layer.gain < Seconds(0.0));
    assert!(
        layer.reason.contains("more than the CPU's 5.00 us"),
        "{}",
        layer.reason
    );
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
            let chosen = forced(&groups, &target, &Objective::Time, top);
            assert_eq!(chosen.iter().map(Choice::moved).sum::<usize>(), top);
            let gain = gain(&groups, &chosen, &target, &Objective::Time);
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
    let of = |choice: Choice| {
        let left = top.checked_sub(choice.moved())?;
        let others = brute_force_of(rest, target, left)?;
        Some(first.gain(&choice, target, &Objective::Time) + others)
    };
    first.whole().filter_map(of).max_by(f64::total_cmp)
}

#[test]
fn units_share_the_rows_and_rings_cost_less() {
    let board = Board::find("u55c").unwrap();
    let g = group(0, GroupKind::GateUp, || 70.0, 2561);
    let usage = |mode, cus| {
        let target = Target::new(&board, Geometry::DEFAULT, Dispatching { mode, cus });
        let both = Choice {
            rows: [2561, 2561, 0],
        };
        (g.usage(&both, &target), g.time(&both, &target).device)
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
    let (mode, cus) = (Mode::Launch, 5);
    let target = Target::new(&board, Geometry::DEFAULT, Dispatching { mode, cus });
    assert_eq!(target.usage(&[(2, 2560)]).launches, 2);
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
        candidates(&board, &config, 4).map_err(|e| e.to_string())
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
