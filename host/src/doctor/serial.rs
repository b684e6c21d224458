//! A board behind a serial port: does it answer, is its kernel ours and at its clock, does it compute, what does
//! its line cost.

use std::time::Duration;

use super::kernel::{median, products, Link, REPETITIONS};
use super::{Check, State};
use crate::device::serial::{SerialDevice, SerialError, SerialOptions, CLOCK_HZ, GEOMETRY};
use crate::device::Device;
use crate::tier::Tier;
use crate::units::{Bytes, Seconds};

/// Time over which the clock is counted.
const CLOCK_TIME: Duration = Duration::from_millis(500);

/// How far the clock may be from the board's, as a share of it: the line itself fails beyond.
const CLOCK_TOLERANCE: f64 = 0.02;

/// Bytes of a small transfer, one request, and of a large one, two.
const TRANSFERS: [usize; 2] = [16, 2 << 10];

/// Opens the board and looks at it.
pub fn checks(options: &SerialOptions) -> (Vec<Check>, Option<Link>) {
    let name = format!("device serial:{}", options.path.display());
    let geometry = GEOMETRY.parse().expect("a geometry");
    let mut device = match SerialDevice::open(options, &geometry) {
        Ok(device) => device,
        Err(e) => return (vec![Check::new(name, State::Failed, e.to_string())], None),
    };
    let identity = device.identity();
    let (weights, data) = (Bytes(identity.weights.into()), Bytes(identity.data.into()));
    let mut checks = vec![
        Check::new(
            name,
            State::Ok,
            format!("a session, {weights} of weights, {data} of data"),
        ),
        Check::new("board kernel", State::Ok, format!("geometry {geometry}")),
        products("board products".to_string(), 1, &mut device, &geometry),
    ];
    let link = clock(&mut device)
        .and_then(|(check, clock_hz)| {
            checks.push(check);
            link(&mut device, clock_hz)
        })
        .map_err(|e| checks.push(Check::new("line", State::Failed, e.to_string())));
    if link.is_ok() {
        checks.push(line(&device));
    }
    let failed = checks.iter().any(|c| c.state == State::Failed);
    (checks, link.ok().filter(|_| !failed))
}

/// The counted clock against that of the bitstream; the check, and the clock in Hz, which is the bitstream's in a
/// simulation.
fn clock(device: &mut SerialDevice) -> Result<(Check, f64), SerialError> {
    let [least, most] = device.clock_hz(CLOCK_TIME)?;
    let counted = format!("{:.2} to {:.2} MHz (measured)", least / 1e6, most / 1e6);
    let clock_hz = f64::from(CLOCK_HZ);
    let name = "board clock";
    if device.is_simulated() {
        let found = format!("{counted}: how fast the simulation is");
        return Ok((Check::new(name, State::Note, found), clock_hz));
    }
    let check = if least <= clock_hz * (1.0 + CLOCK_TOLERANCE)
        && most >= clock_hz * (1.0 - CLOCK_TOLERANCE)
    {
        let found = format!("{counted}, the bitstream wants {}", clock_hz / 1e6);
        Check::new(name, State::Ok, found)
    } else {
        Check::new(name, State::Failed, counted)
            .advise("the board's clock is not that of the bitstream: is it made for this board?")
    };
    Ok((check, (least + most) / 2.0))
}

fn link(device: &mut SerialDevice, clock_hz: f64) -> Result<Link, SerialError> {
    let small = device.probe(TRANSFERS[0], REPETITIONS)?.map(median);
    let large = device.probe(TRANSFERS[1], REPETITIONS)?.map(median);
    let rate = |i: usize| {
        let seconds = (large[i] - small[i]).max(f64::MIN_POSITIVE);
        (TRANSFERS[1] - TRANSFERS[0]) as f64 / seconds
    };
    Ok(Link {
        device: "serial".to_string(),
        is_of_a_card: !device.is_simulated(),
        tier: Tier::Measured,
        dispatch_s: Seconds(small[2]),
        request_s: Seconds(0.0),
        transfer_to_s: Seconds(small[0]),
        transfer_from_s: Seconds(small[1]),
        to_device_bytes_per_s: rate(0),
        from_device_bytes_per_s: rate(1),
        clock_hz,
    })
}

/// Whether everything went through at the first attempt.
fn line(device: &SerialDevice) -> Check {
    let counts = device.counts();
    let (requests, retries, damaged) = (counts.requests, counts.retries, counts.damaged);
    let found = format!("{requests} requests, {retries} sent again, {damaged} damaged frames came");
    match retries + damaged {
        0 => Check::new("line", State::Ok, found),
        _ => Check::new("line", State::Warning, found).advise(
            "results are right all the same; look at cable, hub and how busy this machine is",
        ),
    }
}
