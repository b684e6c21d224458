//! From theory to the token: what each step adds.

use crate::compare::Hybrid;
use crate::picture::waterfall::Step;
use crate::profile::Profile;
use crate::run::RunReport;
use crate::tier::Tier;
use crate::units::Seconds;

/// The steps of one decode token of a run with a device; without a profile, which knows the shapes, theory is left out.
///
/// ```text
/// theory    weights / lanes of all units / clock
/// padding   rows in whole beats
/// starved, blocked, other      cycles that carry no weight beat, as the device counts them
/// memory    what the memory port lacks against a beat a cycle
/// ```
///
/// Counters are of the whole run: the parts of a decode token have the same shares of its cycles.
pub fn steps(
    hybrid: &Hybrid,
    run: &RunReport,
    profile: Option<&Profile>,
    cpu: Seconds,
) -> Vec<Step> {
    let period = 1.0 / hybrid.board.clock_hz();
    let tiers = &hybrid.decode_tiers;
    let cycles: f64 = hybrid
        .decode_stages
        .iter()
        .map(|s| s.device_cycles.0 as f64)
        .sum();
    let all = hybrid.usage.cycles.0 as f64 * hybrid.cus as f64;
    let share = |counted: u64| if all > 0.0 { counted as f64 / all } else { 0.0 };
    let beats = cycles * hybrid.efficiency * period;
    let mut steps = Vec::new();
    let mut add = |name: &str, s: f64, sum: bool, tier: Tier| {
        let shown = match s < 0.0 {
            true => format!("-{}", Seconds(-s)),
            false => Seconds(s).to_string(),
        };
        steps.push(Step {
            name: name.to_string(),
            adds: s,
            sum,
            label: format!("{shown} ({tier})"),
        });
    };
    let kernel = tiers.kernel;
    if let Some(theory) = theory(hybrid, run, profile) {
        let theory = theory * period;
        add("weights over all lanes", theory, false, kernel);
        add(
            "rows in whole beats",
            (beats - theory).max(0.0),
            false,
            kernel,
        );
    } else {
        add("weight beats", beats, false, kernel);
    }
    for (name, counted) in [
        ("starved of weights", hybrid.starved_cycles),
        ("blocked by results", hybrid.blocked_cycles),
        ("fetch, fill, drain, slowest unit", hybrid.other_cycles),
    ] {
        add(name, cycles * share(counted) * period, false, kernel);
    }
    let device = &hybrid.decode_device_s;
    add(
        "slower memory port",
        (device.compute.0 - cycles * period).max(0.0),
        false,
        kernel,
    );
    add("kernel", device.compute.0, true, kernel);
    add("dispatch", device.dispatch.0, false, tiers.launch_and_link);
    add("link", device.link().0, false, tiers.launch_and_link);
    add("device", device.total().0, true, tiers.hybrid);
    add("host", run.timing.decode.host_s.0, false, tiers.host);
    if hybrid.decode_overlap_s.0 > 0.0 {
        add(
            "side by side",
            -hybrid.decode_overlap_s.0,
            false,
            tiers.hybrid,
        );
    }
    add(
        "token with the device",
        hybrid.totals.decode_s.0,
        true,
        tiers.hybrid,
    );
    add("token on the CPU alone", cpu.0, true, tiers.cpu);
    steps
}

/// Cycles that the weights on the device take with all lanes of all units busy.
fn theory(hybrid: &Hybrid, run: &RunReport, profile: Option<&Profile>) -> Option<f64> {
    let shape = |layer| {
        let linears = &profile?.linears;
        linears
            .iter()
            .find(|l| l.layer == layer)
            .map(|l| (l.n, l.k))
    };
    let mut weights = 0;
    for layer in &run.device.layers {
        let (n, k) = shape(*layer)?;
        weights += run.device.split.get(layer).copied().unwrap_or(n) * k;
    }
    Some(weights as f64 / (hybrid.geometry.lanes() * hybrid.cus) as f64)
}
