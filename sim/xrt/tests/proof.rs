//! The host that computes with the real XRT on the emulated card does so with this library in the place of XRT.
#![cfg(target_os = "linux")]

#[path = "../../tests/xrt/api.rs"]
mod api;
#[path = "../../tests/xrt/proof.rs"]
mod proof;

use std::ffi::c_int;
use std::path::PathBuf;

use tercet_contract::Geometry;
use tercet_xclbin::Xclbin;

/// The library, which Cargo builds beside the tests.
fn library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.with_file_name(format!("{}tercet_xrt_sim.so", std::env::consts::DLL_PREFIX))
}

#[test]
fn a_host_computes_on_the_card() {
    let geometry: Geometry = "128-b2".parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image.xclbin");
    let emulation = Xclbin::emulation(&geometry, 1, 250e6).unwrap();
    emulation.write(&image).unwrap();
    for line in proof::run(&library(), &image) {
        eprintln!("{line}");
    }
}

#[test]
fn bad_handles_are_refused() {
    let xrt = api::Xrt::load(&library());
    for n in [0, 12_345_678] {
        let bad: api::Handle = std::ptr::without_provenance_mut(n);
        let invalid = |code: c_int| assert!(code < 0, "{code}");
        // SAFETY: handles are numbers to this library, and nothing else is passed.
        unsafe {
            invalid((xrt.device_close)(bad));
            invalid((xrt.load_xclbin)(bad, std::ptr::null()));
            invalid((xrt.uuid)(bad, std::ptr::null_mut()));
            invalid((xrt.kernel_close)(bad));
            invalid((xrt.group_id)(bad, 0));
            invalid((xrt.read_register)(bad, 0, std::ptr::null_mut()));
            invalid((xrt.write_register)(bad, 0, 0));
            invalid((xrt.bo_sync)(bad, 0, 1, 0));
            invalid((xrt.bo_free)(bad));
            invalid((xrt.run_start)(bad));
            invalid((xrt.run_set_arg)(bad, 0, 0u32));
            invalid((xrt.run_state)(bad));
            invalid((xrt.run_wait_for)(bad, 10));
            invalid((xrt.run_close)(bad));
            assert!((xrt.kernel_open)(bad, std::ptr::null(), std::ptr::null()).is_null());
            assert!((xrt.kernel_open_exclusive)(bad, std::ptr::null(), c"a".as_ptr()).is_null());
            assert!((xrt.bo_alloc)(bad, 64, 0, 0).is_null());
            assert!((xrt.bo_map)(bad).is_null());
            assert!((xrt.run_open)(bad).is_null());
            assert!((xrt.device_open)(1).is_null());
        }
    }
}
