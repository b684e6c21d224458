//! The kernel behind XRT: is it the one of the image, at the image's clock, and does it compute; what does its link
//! cost.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tercet_contract::layout::{align, pack_matrix};
use tercet_contract::registers::geometry_of_words;
use tercet_contract::{Command, Geometry};
use tercet_xclbin::Xclbin;

use super::{Check, State};
use crate::device::xrt::message::Identity;
use crate::device::xrt::{check_identity, HostError, Target, XrtDevice, XrtOptions};
use crate::device::{Device, DeviceError};
use crate::tier::Tier;
use crate::units::Seconds;

/// How far the clock may be from the image's, as a share of it, beyond what its readings leave open.
const CLOCK_TOLERANCE: f64 = 0.05;

/// Products computed on each compute unit, rows by columns: less than a beat, more than one, several chunks.
const PRODUCTS: [(usize, usize); 3] = [(1, 1), (37, 300), (64, 640)];

/// Bytes of a small transfer.
const SMALL_BYTES: usize = 4096;

/// Bytes of a large transfer: on a card, and in emulation, where data goes through a socket.
const LARGE_BYTES: [usize; 2] = [16 << 20, 1 << 20];

/// Repetitions behind each time.
pub const REPETITIONS: u32 = 20;

/// What the link costs: medians. The process that calls XRT times its calls; the way to that process is apart. A board
/// behind a serial port has no such process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// `xrt`, `xrt-emu`, `xrt-sim` or `serial`.
    pub device: String,
    /// Whether a card or a board answered, and not a simulation.
    pub is_of_a_card: bool,
    /// Evidence.
    pub tier: Tier,
    /// A launch of nothing, or next to nothing, from call to done.
    pub dispatch_s: Seconds,
    /// A request to the process that calls XRT, and its answer, without XRT: comes on top of every launch, doorbell
    /// and reading of results.
    pub request_s: Seconds,
    /// A small transfer to the device: 4096 bytes through XRT, 16 over a serial line.
    pub transfer_to_s: Seconds,
    /// The same from the device.
    pub transfer_from_s: Seconds,
    /// Bandwidth of a large transfer to the device, without the cost of a small one; bytes a second.
    pub to_device_bytes_per_s: f64,
    /// The same from the device.
    pub from_device_bytes_per_s: f64,
    /// Clock of the kernel in Hz, counted by its UPTIME register.
    pub clock_hz: f64,
}

/// Opens the device and looks at every compute unit of its image.
pub fn checks(options: &XrtOptions, image: Option<&Xclbin>) -> (Vec<Check>, Option<Link>) {
    let name = format!("device {}", options.target.name());
    let units = image.map_or(1, |image| image.contents().compute_units.len().max(1));
    let opened = match (&options.xclbin, &options.target) {
        (None, Target::Card(_)) => Err(HostError::Refused(
            "a card needs an image: --xclbin FILE".to_string(),
        )),
        (None, _) => XrtDevice::open_emulated(options, &Geometry::DEFAULT, 1),
        (Some(_), _) => XrtDevice::open_any(options, units),
    };
    let mut devices = match opened {
        Ok(devices) => devices,
        Err(e) => return (vec![Check::new(name, State::Failed, e.to_string())], None),
    };
    let mut checks = vec![Check::new(
        name,
        State::Ok,
        format!("open, with {} compute units", devices.len()),
    )];
    for (unit, device) in devices.iter_mut().enumerate() {
        checks.extend(unit_checks(unit, device, image));
    }
    if checks.iter().any(|c| c.state == State::Failed) {
        return (checks, None);
    }
    match link(options, &mut devices[0]) {
        Ok(link) => (checks, Some(link)),
        Err(e) => {
            checks.push(Check::new("link", State::Failed, e.to_string()));
            (checks, None)
        }
    }
}

fn unit_checks(unit: usize, device: &mut XrtDevice, image: Option<&Xclbin>) -> Vec<Check> {
    let identity = device.identity();
    let claimed = image.and_then(|image| image.contents().geometry());
    let found = geometry_of_words(identity.geometry, identity.max_k);
    let geometry = claimed.or(found).unwrap_or(Geometry::DEFAULT);
    let name = format!("unit {unit} kernel");
    let mut checks = vec![match check_identity(&identity, &geometry) {
        Ok(()) => Check::new(name, State::Ok, format!("geometry {geometry}")),
        Err(e) => Check::new(name, State::Failed, e.to_string())
            .advise("load the image that was built for this kernel"),
    }];
    checks.push(clock(unit, &identity, image));
    if checks[0].state == State::Ok {
        let seed = unit as u64 + 1;
        let name = format!("unit {unit} products");
        checks.push(products(name, seed, device, &geometry));
    }
    checks
}

/// The counted clock against that of the image.
fn clock(unit: usize, identity: &Identity, image: Option<&Xclbin>) -> Check {
    let name = format!("unit {unit} clock");
    let (least, most) = (identity.clock_hz_least / 1e6, identity.clock_hz_most / 1e6);
    let counted = format!("{least:.1} to {most:.1} MHz (measured)");
    let Some(claimed) = image.and_then(|image| image.contents().clock_mhz()) else {
        return Check::new(
            name,
            State::Note,
            format!("{counted}; the image names none"),
        );
    };
    let found = format!("{counted}, the image says {claimed}");
    let claimed = f64::from(claimed);
    let allowed = claimed * (1.0 - CLOCK_TOLERANCE)..=claimed * (1.0 + CLOCK_TOLERANCE);
    if least <= *allowed.end() && most >= *allowed.start() {
        return Check::new(name, State::Ok, found);
    }
    Check::new(name, State::Failed, found).advise(
        "the kernel does not run at the clock it was built for: look at the platform's clock scaling, power and \
         temperature",
    )
}

/// Known products, bit for bit.
pub(super) fn products(
    name: String,
    seed: u64,
    device: &mut dyn Device,
    geometry: &Geometry,
) -> Check {
    let mut rng = StdRng::seed_from_u64(seed);
    for (n, k) in PRODUCTS {
        let shape = format!("{n}x{k}");
        let weights: Vec<i8> = (0..n * k).map(|_| rng.random_range(-1..=1)).collect();
        let x: Vec<i8> = (0..k).map(|_| rng.random()).collect();
        let sums = match product(device, geometry, &weights, &x) {
            Ok(sums) => sums,
            Err(e) => return Check::new(name, State::Failed, format!("{shape}: {e}")),
        };
        let row = |w: &[i8]| -> i32 {
            let products = w.iter().zip(&x);
            products.map(|(w, x)| i32::from(*w) * i32::from(*x)).sum()
        };
        let want: Vec<i32> = weights.chunks_exact(k).map(row).collect();
        if sums == want {
            continue;
        }
        let wrong = sums.iter().zip(&want).filter(|(a, b)| a != b).count();
        if sums.iter().all(|s| *s == 0) {
            return Check::new(name, State::Failed, format!("{shape}: all results are zero")).advise(
                "weights do not arrive: look at the memory bank of `weights`, and at errors on the bus",
            );
        }
        let found = format!("{shape}: {wrong} of {n} results are wrong");
        return Check::new(name, State::Failed, found).advise(
            "the kernel does not compute what its contract says: timing not met, or another build",
        );
    }
    Check::new(name, State::Ok, "known products agree bit for bit")
}

/// `y = W x` on the device, through a launch.
fn product(
    device: &mut dyn Device,
    geometry: &Geometry,
    weights: &[i8],
    x: &[i8],
) -> Result<Vec<i32>, DeviceError> {
    let (k, n) = (x.len(), weights.len() / x.len());
    let results = align(geometry.vector_stride(k));
    let stride = 4 * geometry.batch();
    let mut data = vec![0; results + align(geometry.result_bytes(n))];
    for (byte, code) in data.iter_mut().zip(x) {
        *byte = *code as u8;
    }
    // What a kernel that writes nothing leaves must not look like a result.
    data[results..].fill(0xa5);
    let layer = |source| DeviceError::Layer {
        layer: crate::model::LinearId {
            block: 0,
            kind: crate::model::LinearKind::Q,
        },
        source,
    };
    let command = Command::gemv(geometry, n, k, 0, 0, results as u64).map_err(layer)?;
    device.load(&pack_matrix(geometry, n, k, weights), &data)?;
    device.launch(&command, 0, 1)?;
    let mut bytes = vec![0; n * stride];
    device.read(results as u64, &mut bytes)?;
    let rows = bytes.chunks_exact(stride);
    Ok(rows
        .map(|row| i32::from_le_bytes([row[0], row[1], row[2], row[3]]))
        .collect())
}

fn link(options: &XrtOptions, device: &mut XrtDevice) -> Result<Link, HostError> {
    let large = match options.target {
        Target::Card(_) => LARGE_BYTES[0],
        _ => LARGE_BYTES[1],
    };
    let request = median(device.probe_requests(REPETITIONS)?);
    let small = device.probe(SMALL_BYTES, REPETITIONS)?.map(median);
    let big = device.probe(large, REPETITIONS)?.map(median);
    let rate = |i: usize| {
        let seconds = (big[i] - small[i]).max(f64::MIN_POSITIVE);
        (large - SMALL_BYTES) as f64 / seconds
    };
    Ok(Link {
        device: options.target.name().to_string(),
        is_of_a_card: matches!(options.target, Target::Card(_)),
        tier: Tier::Measured,
        dispatch_s: Seconds(small[2]),
        request_s: Seconds(request),
        transfer_to_s: Seconds(small[0]),
        transfer_from_s: Seconds(small[1]),
        to_device_bytes_per_s: rate(0),
        from_device_bytes_per_s: rate(1),
        clock_hz: device.identity().clock_hz(),
    })
}

/// The middle one.
pub(super) fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(0.0)
}
