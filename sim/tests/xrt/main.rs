//! A host makes real XRT calls, and an emulated card computes: the real `libxrt_coreutil`, in hardware emulation, on our
//! device process.
//!
//! XRT ends the process on some errors, and a device that dies hangs it, so host and device are children: this
//! program again, in its ignored tests. Without XRT the test says loudly that nothing was tested; where `CI` is set that
//! is a failure.
#![cfg(target_os = "linux")]

mod api;
mod environment;
mod proof;

use std::path::Path;

use environment::{missing, Emulation};
use tercet_contract::Geometry;
use tercet_sim::server::serve;
use tercet_sim::{Card, CardConfig};
use tercet_xclbin::Xclbin;

/// XRT's emulation sleeps for 10 s at the first wait, for a simulator that starts; this device is there already. The
/// linker is told to export this in place of the C library's (build.rs).
#[no_mangle]
extern "C" fn sleep(_seconds: u32) -> u32 {
    0
}

#[test]
#[ignore = "a child of the other tests"]
fn device() {
    let (image, socket) = environment::of_device();
    let image = Xclbin::read(&image).unwrap();
    let geometry = image.contents().geometry().unwrap();
    let mut card = Card::open(&CardConfig::new(geometry, 1, 250_000_000)).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
    println!("listening");
    let verbose = std::env::var_os("TERCET_XRT_VERBOSE").is_some();
    let end = serve(&listener, &mut card, |call, problem| {
        if verbose {
            eprintln!("call {call}: {problem}");
        }
    });
    println!("{:?}", end.unwrap());
}

#[test]
#[ignore = "a child of the other tests"]
fn host() {
    let (library, image) = environment::of_host();
    for line in proof::run(&library, &image) {
        println!("{line}");
    }
}

#[test]
fn a_host_with_the_real_xrt_computes_on_the_card() {
    let Some(library) = environment::library() else {
        return missing();
    };
    let geometry: Geometry = "128-b2".parse().unwrap();
    let image = Xclbin::emulation(&geometry, 1, 250e6).unwrap();
    let emulation = Emulation::new(&image);
    let _device = emulation.device("device");
    let out = emulation.host("host", Path::new(&library));
    assert!(out.status.success(), "{}", environment::text(&out));
    eprintln!("{}", environment::text(&out));
}
