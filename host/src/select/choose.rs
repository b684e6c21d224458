//! The best choice for each group, and for all of them together.
//!
//! **A group** has at most three layers. Its choices are every subset of whole layers, and with each subset a split of
//! one further layer: its first rows on the device, in multiples of [`SPLIT_ROWS`], the others on the CPU. All of them
//! are looked at, but for splits that cannot be best: the device's time grows with its rows and the CPU's shrinks, so
//! the best split of a layer is one of the two beside the place where they cross, which bisection finds.
//!
//! Two split layers are not looked at. Layers of a group have the same K, so a row costs the device the same whichever
//! layer it is of; moving rows from one split layer to the other until one of them is whole changes the device's time
//! only by a command less, and the CPU's in favour of one direction. At most the rounding to [`SPLIT_ROWS`] is lost.
//!
//! **All groups.** No term links two groups but for the limits that they share: the board's memory, or a number of
//! layers asked for. Both are tables over what is used of the limit, exact as knapsacks are.

use super::cost::{Choice, GroupCost};
use super::target::Target;
use super::workload::Objective;

/// Rows in whose multiples a layer is split: those that the CPU's kernels take at a time.
pub const SPLIT_ROWS: usize = 64;

/// Parts in whose multiples a layer is split where the board's memory is short.
const SHORT_PARTS: usize = 8;

/// How choices are made.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// What is minimised.
    pub objective: Objective,
    /// Whether layers may be split.
    pub split: bool,
}

/// The choice with the highest gain; nothing on the device if none gains.
pub fn best_choice(group: &GroupCost, target: &Target, rules: &Rules) -> Choice {
    let mut best = (0.0, Choice::NONE);
    let mut consider = |choice: Choice| {
        let gain = group.gain(&choice, target, &rules.objective);
        if gain > best.0 {
            best = (gain, choice);
        }
    };
    let splits = rules.split && !target.alone;
    for whole in group.whole() {
        consider(whole);
        for i in (0..group.layers.len()).filter(|i| splits && whole.rows[*i] == 0) {
            match rules.objective {
                Objective::Time => crossing(group, whole, i, target)
                    .into_iter()
                    .for_each(&mut consider),
                // Energy need not be least where the times cross.
                Objective::Energy { .. } => splits_of(group, whole, i).for_each(&mut consider),
            }
        }
    }
    best.1
}

/// Every split of a layer beside whole ones.
fn splits_of(group: &GroupCost, whole: Choice, layer: usize) -> impl Iterator<Item = Choice> {
    let n = group.layers[layer].n;
    (1..n.div_ceil(SPLIT_ROWS)).map(move |step| whole.with(layer, step * SPLIT_ROWS))
}

/// The split after which the device takes longer than the CPU, and the one before it.
fn crossing(group: &GroupCost, whole: Choice, layer: usize, target: &Target) -> Vec<Choice> {
    let steps = group.layers[layer].n.div_ceil(SPLIT_ROWS);
    let of = |step: usize| whole.with(layer, step * SPLIT_ROWS);
    let device_is_longer = |step: usize| {
        let time = group.time(&of(step), target);
        time.device.total() >= time.cpu
    };
    // Of steps 1 to steps - 1, the first at which the device takes longer; `steps` if none.
    let (mut low, mut high) = (1, steps.max(1));
    while low < high {
        let middle = (low + high) / 2;
        match device_is_longer(middle) {
            true => high = middle,
            false => low = middle + 1,
        }
    }
    let steps = [high.saturating_sub(1), high].into_iter();
    let inner = 1..group.layers[layer].n.div_ceil(SPLIT_ROWS);
    steps.filter(|s| inner.contains(s)).map(of).collect()
}

/// The set of exactly `top` layers with the highest gain, whole ones, as a choice for each group.
///
/// ```text
/// best(0, 0) = 0
/// best(g, n) = max over s of  best(g - 1, n - s) + max over choices of group g with s layers of gain(choice)
/// ```
///
/// # Panics
/// If the groups have fewer layers.
pub fn forced(
    groups: &[GroupCost],
    target: &Target,
    objective: &Objective,
    top: usize,
) -> Vec<Choice> {
    // best[n]: the highest gain of n layers of the groups so far, and the choices that give it.
    let mut best: Vec<Option<(f64, Vec<Choice>)>> = vec![None; top + 1];
    best[0] = Some((0.0, Vec::new()));
    for group in groups {
        let mut next = vec![None; top + 1];
        for choice in group.whole() {
            let gain = group.gain(&choice, target, objective);
            let size = choice.moved();
            for n in size..=top {
                let Some((before, chosen)) = &best[n - size] else {
                    continue;
                };
                let gain = *before + gain;
                let better = next[n].as_ref().is_none_or(|(g, _): &(f64, _)| gain > *g);
                if better {
                    let with = chosen.iter().copied().chain([choice]).collect();
                    next[n] = Some((gain, with));
                }
            }
        }
        best = next;
    }
    let (_, chosen) = best.pop().flatten().expect("that many layers");
    chosen
}

/// A way to use some of a limit.
#[derive(Clone, Copy)]
struct Used {
    bytes: u64,
    gain: f64,
    choice: Choice,
    /// Which of the entries before it goes on here.
    before: usize,
}

/// The choices with the highest gain whose weights fit `capacity` bytes. Layers are split at eighths of their rows.
///
/// Entries of the table that use no less of the limit than another and gain no more are dropped: no best choice goes
/// through them. What is left is few, because a model repeats its shapes.
pub fn within(groups: &[GroupCost], target: &Target, rules: &Rules, capacity: u64) -> Vec<Choice> {
    let start = Used {
        bytes: 0,
        gain: 0.0,
        choice: Choice::NONE,
        before: 0,
    };
    let mut tables = vec![vec![start]];
    for group in groups {
        let options = efficient(
            options(group, target, rules)
                .into_iter()
                .map(|choice| Used {
                    bytes: group.bytes(&choice, target),
                    gain: group.gain(&choice, target, &rules.objective),
                    choice,
                    before: 0,
                })
                .collect(),
        );
        let last = tables.last().expect("the start");
        let mut next = Vec::new();
        for (before, used) in last.iter().enumerate() {
            let fitting = options
                .iter()
                .take_while(|o| used.bytes + o.bytes <= capacity);
            next.extend(fitting.map(|o| Used {
                bytes: used.bytes + o.bytes,
                gain: used.gain + o.gain,
                choice: o.choice,
                before,
            }));
        }
        tables.push(efficient(next));
    }
    // The last entry of a table gains most.
    let mut at = tables.last().map_or(0, |t| t.len() - 1);
    let mut chosen = Vec::new();
    for table in tables[1..].iter().rev() {
        chosen.push(table[at].choice);
        at = table[at].before;
    }
    chosen.reverse();
    chosen
}

/// Choices of a group that are worth a look where memory is short.
fn options(group: &GroupCost, target: &Target, rules: &Rules) -> Vec<Choice> {
    let mut all: Vec<Choice> = group.whole().collect();
    if rules.split && !target.alone {
        for whole in group.whole() {
            for (i, l) in group.layers.iter().enumerate() {
                if whole.rows[i] == 0 {
                    let parts =
                        (1..SHORT_PARTS).map(|p| (l.n * p / SHORT_PARTS) / SPLIT_ROWS * SPLIT_ROWS);
                    all.extend(parts.filter(|r| *r > 0).map(|rows| whole.with(i, rows)));
                }
            }
        }
    }
    all
}

/// Entries of which no other uses as little and gains as much, by bytes.
fn efficient(mut all: Vec<Used>) -> Vec<Used> {
    all.sort_by(|a, b| a.bytes.cmp(&b.bytes).then(b.gain.total_cmp(&a.gain)));
    let mut kept: Vec<Used> = Vec::new();
    for used in all {
        if kept.last().is_none_or(|last| used.gain > last.gain) {
            kept.push(used);
        }
    }
    kept
}
