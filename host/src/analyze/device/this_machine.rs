//! This machine's CPU: how fast it reads memory and multiplies, measured now or taken from a profile.

use std::convert::Infallible;
use std::hint::black_box;
use std::time::Instant;

use super::{Device, Engine, THIS_CPU};
use crate::analyze::error::AnalyzeError;
use crate::bench::bandwidth::read_bandwidth;
use crate::board::{Basis, Figure};
use crate::executor::Phase;
use crate::kernel::activations::Activations;
use crate::kernel::matrix::{Order, TernaryMatrix};
use crate::kernel::products::Scratch;
use crate::kernel::threads::Work;
use crate::kernel::{Cpu, Kernel, Loop};
use crate::profile::Profile;
use crate::system::SystemFacts;

/// Rows and columns of the ternary matrix that is multiplied.
const SIZE: usize = 1024;
/// Tokens it is multiplied with: enough for multiplying, not memory, to bound.
const TOKENS: usize = 128;
/// f32 sums of a thread: enough independent ones to hide the latency of an addition.
const LANES: usize = 128;
/// Multiplications and additions of each.
const STEPS: usize = 100_000;
/// Measurements, of which the fastest counts.
const REPETITIONS: usize = 5;

/// This machine, or the one of a profile where it says more.
pub fn device(profile: Option<&Profile>) -> Result<Device, AnalyzeError> {
    let cpu = Cpu::new(0, Kernel::detect())?;
    let threads = cpu.threads();
    let measured = |value: f64, source: String| Figure {
        value,
        basis: Basis::Measured,
        source,
    };
    let of_profile = profile.and_then(rates);
    let (gb_s, int8) = match of_profile {
        Some((gb_s, tops)) => (
            measured(
                gb_s,
                "warm decode of the linears in the profile".to_string(),
            ),
            measured(
                tops,
                "warm prefill of the linears in the profile".to_string(),
            ),
        ),
        None => (
            measured(
                read_bandwidth(&cpu) / 1e9,
                format!("a buffer beyond the caches, read by {threads} threads, best pass"),
            ),
            measured(
                ternary_rate(&cpu) / 1e12,
                format!(
                    "ternary product of {TOKENS} tokens, {threads} threads, best of {REPETITIONS}"
                ),
            ),
        ),
    };
    let f32_tflops = measured(
        f32_rate(&cpu) / 1e12,
        format!("f32 multiplications and additions in registers, {threads} threads, best of {REPETITIONS}"),
    );
    let facts = SystemFacts::read();
    Ok(Device {
        name: THIS_CPU.to_string(),
        title: format!("{} ({threads} threads)", facts.cpu),
        engine: Engine::Processor {
            f16_tflops: f32_tflops.clone(),
            int8_tops: Some(int8),
            f32_tflops,
            tile: [1, 1, 1],
        },
        peak_gb_s: gb_s.clone(),
        sustained_gb_s: gb_s,
        capacity_gb: Some(measured(
            facts.memory_bytes.0 as f64 / 1e9,
            "main memory, as the system tells".to_string(),
        )),
        link_gb_s: None,
    })
}

/// 1e9 bytes/s of decoding and 1e12 operations/s of prefill; none if the profile has no such times.
fn rates(profile: &Profile) -> Option<(f64, f64)> {
    let sum = |phase, of: fn(&crate::profile::facts::LinearProfile) -> f64| -> f64 {
        profile.linears(phase).map(of).sum()
    };
    let bytes = sum(Phase::Decode, |l| l.weight_bytes.0 as f64);
    let reading = sum(Phase::Decode, |l| l.times.median_s.0);
    let macs = sum(Phase::Prefill, |l| l.n as f64 * l.k as f64);
    let multiplying = sum(Phase::Prefill, |l| l.times.median_s.0);
    let operations = 2.0 * macs * profile.prompt_tokens as f64;
    let rates = (bytes / reading / 1e9, operations / multiplying / 1e12);
    let usable = |rate: f64| rate.is_finite() && rate > 0.0;
    (usable(rates.0) && usable(rates.1)).then_some(rates)
}

/// Operations/s of a ternary product with many tokens; a multiply-add is two.
fn ternary_rate(cpu: &Cpu) -> f64 {
    let made = TernaryMatrix::from_codes(Order::Rows, SIZE, SIZE, |row, codes| {
        for (i, code) in codes.iter_mut().enumerate() {
            *code = ((i * 7 + row * 3) % 3) as u8;
        }
        Ok::<(), Infallible>(())
    });
    let w = match made {
        Ok(w) => w,
        Err(never) => match never {},
    };
    let codes: Vec<i8> = (0..TOKENS * SIZE).map(|i| (i % 251) as i8 | 1).collect();
    let x = Activations::from_codes(&codes, SIZE);
    let mut scratch = Scratch::default();
    let mut y = vec![0i32; TOKENS * SIZE];
    let seconds = fastest(|| {
        cpu.ternary(&w, &x, &mut scratch, &mut y, |_, sums, out| {
            out.copy_from_slice(sums);
        });
        black_box(&y);
    });
    2.0 * (SIZE * SIZE * TOKENS) as f64 / seconds
}

/// FLOP/s of f32 multiplications and additions in registers, as wide as the kernel's instructions.
fn f32_rate(cpu: &Cpu) -> f64 {
    let kernel = cpu.kernel();
    let mut sums = vec![1.0f32; LANES * cpu.threads()];
    let flops = 2 * sums.len() * STEPS;
    let work = Work::attention(flops);
    let seconds = fastest(|| {
        cpu.for_each_part(work, &mut sums, LANES, |_, sums| {
            kernel.vectorize(MultiplyAdd { sums });
        });
        black_box(&sums);
    });
    flops as f64 / seconds
}

/// A multiplication and an addition for each element, again and again.
struct MultiplyAdd<'a> {
    sums: &'a mut [f32],
}

impl Loop for MultiplyAdd<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let mut sums = [0.0f32; LANES];
        sums.copy_from_slice(self.sums);
        // Neither grows nor dies out, and the compiler knows neither.
        let (factor, term) = (black_box(0.5f32), black_box(0.5f32));
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = *sum * factor + term;
            }
        }
        self.sums.copy_from_slice(&sums);
    }
}

/// Seconds of the fastest of some calls.
fn fastest(mut task: impl FnMut()) -> f64 {
    let once = |_| {
        let start = Instant::now();
        task();
        start.elapsed().as_secs_f64()
    };
    let times = (0..REPETITIONS).map(once);
    times.fold(f64::INFINITY, f64::min).max(1e-9)
}
