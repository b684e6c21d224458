//! The Pareto front: points that no other one is better than.
//!
//! Tokens a second are to be many, look-up tables few, the board's energy for a token little. A point is dominated
//! by one that is as good in all of these and better in one. Energy is compared between points that both have it:
//! a board whose power nobody published is not taken to need none, nor very much. Points whose look-up tables are
//! not known, and those that do not fit, are on no front.

use std::collections::BTreeMap;

use super::{Fits, Point};

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Objectives {
    tokens_per_s: f64,
    lut: u64,
    energy_j: Option<f64>,
}

impl Objectives {
    fn of(point: &Point) -> Option<Self> {
        let fits = point.fits != Fits::No;
        Some(Objectives {
            tokens_per_s: point.tokens_per_s.filter(|_| fits)?,
            lut: point.lut?,
            energy_j: point.energy_j,
        })
    }

    /// As good in all, better in one. There are no circles: the first two are always compared, so points of a circle
    /// would be equal in both, and then all of them have an energy.
    fn dominates(&self, other: &Self) -> bool {
        let energies = self.energy_j.zip(other.energy_j);
        let as_good = self.tokens_per_s >= other.tokens_per_s
            && self.lut <= other.lut
            && energies.is_none_or(|(a, b)| a <= b);
        let better = self.tokens_per_s > other.tokens_per_s
            || self.lut < other.lut
            || energies.is_some_and(|(a, b)| a < b);
        as_good && better
    }
}

/// Marks the points on the front of their board and on that of all boards. The CPU alone competes on every board.
pub fn mark(points: &mut [Point]) {
    let mut boards: BTreeMap<Option<String>, Vec<usize>> = BTreeMap::new();
    for (i, point) in points.iter().enumerate() {
        boards.entry(point.board.clone()).or_default().push(i);
    }
    let cpu = boards.get(&None).cloned().unwrap_or_default();
    let everything: Vec<usize> = (0..points.len()).collect();
    for i in front(points, &everything) {
        points[i].on_front_of_all = true;
    }
    for (board, own) in &boards {
        let competing = match board {
            Some(_) => [&cpu[..], own].concat(),
            None => own.clone(),
        };
        for i in front(points, &competing) {
            points[i].on_front_of_board = true;
        }
    }
}

/// Those of the points `among` that none of them dominates.
fn front(points: &[Point], among: &[usize]) -> Vec<usize> {
    let of = |i: &usize| Some((*i, Objectives::of(&points[*i])?));
    let known: Vec<(usize, Objectives)> = among.iter().filter_map(of).collect();
    let stays = |a: &Objectives| !known.iter().any(|(_, b)| b.dominates(a));
    let on_front = known.iter().filter(|(_, a)| stays(a));
    on_front.map(|(i, _)| *i).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::point::tests::point;

    fn fronts(points: &mut [Point]) -> (Vec<bool>, Vec<bool>) {
        mark(points);
        let of = |f: fn(&Point) -> bool| points.iter().map(f).collect();
        (of(|p| p.on_front_of_board), of(|p| p.on_front_of_all))
    }

    #[test]
    fn better_in_one_and_as_good_in_all_wins() {
        let mut points = [
            point("", 10.0, 0, None),
            point("a", 20.0, 100, None),
            point("a", 20.0, 200, None), // more logic
            point("a", 19.0, 100, None), // slower
            point("a", 30.0, 200, None),
            point("a", 30.0, 200, None), // its equal
            point("b", 15.0, 150, None), // worse than a's
            point("b", 10.0, 50, None),  // no better than the CPU
        ];
        let (board, all) = fronts(&mut points);
        assert_eq!(board, [true, true, false, false, true, true, true, false]);
        assert_eq!(all, [true, true, false, false, true, true, false, false]);
    }

    #[test]
    fn energy_counts_where_both_have_it() {
        let mut points = [
            point("a", 20.0, 100, Some(1.0)),
            point("a", 19.0, 110, Some(0.5)), // less energy
            point("a", 19.0, 110, Some(1.5)),
            point("b", 18.0, 120, None), // unknown: no excuse
        ];
        let (board, all) = fronts(&mut points);
        assert_eq!(board, [true, true, false, true]);
        assert_eq!(all, [true, true, false, false]);
    }

    #[test]
    fn what_does_not_fit_or_is_not_known_is_on_no_front() {
        let mut points = [
            point("a", 20.0, 100, None),
            point("a", 40.0, 50, None),
            point("a", 50.0, 50, None),
        ];
        points[1].fits = Fits::No;
        points[2].lut = None;
        let (board, all) = fronts(&mut points);
        assert_eq!(board, [true, false, false]);
        assert_eq!(all, board);
    }

    #[test]
    fn the_front_is_what_trying_all_pairs_says() {
        // Small values, so that there are ties.
        let mut state = 1u64;
        let mut next = |n: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
            (state >> 33) % n
        };
        for _ in 0..200 {
            let mut points: Vec<Point> = (0..12)
                .map(|_| {
                    let energy = [None, Some(1.0), Some(2.0)][next(3) as usize];
                    point("a", next(4) as f64, next(4), energy)
                })
                .collect();
            mark(&mut points);
            assert!(points.iter().any(|p| p.on_front_of_all));
            for a in &points {
                let beaten = points.iter().any(|b| {
                    let energy = match (a.energy_j, b.energy_j) {
                        (Some(a), Some(b)) => a.total_cmp(&b),
                        _ => std::cmp::Ordering::Equal,
                    };
                    let speed = b.tokens_per_s.partial_cmp(&a.tokens_per_s).unwrap();
                    let each = [speed, a.lut.cmp(&b.lut), energy];
                    each.iter().all(|o| o.is_ge()) && each.iter().any(|o| o.is_gt())
                });
                assert_eq!(a.on_front_of_all, !beaten, "{a:?} of {points:#?}");
            }
        }
    }
}
