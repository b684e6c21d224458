//! The real XRT loads an emulation image (`XCL_EMULATION_MODE=noop`, which needs no device and computes nothing) and
//! gives group ids and register offsets as the image says.
//!
//! XRT ends the process on some errors, so it runs in a child: this program again, in its test `child`. Without XRT's
//! library the test says loudly that nothing was tested; where `CI` is set that is a failure.
// Debian has XRT for x86-64.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod api;

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tercet_contract::Geometry;
use tercet_xclbin::emulation::MAX_CUS;
use tercet_xclbin::{ComputeUnit, Connection, Contents, Xclbin};

/// The image that the child loads.
const IMAGE: &str = "TERCET_XRT_TEST_IMAGE";

/// What opens a line of the child's report.
const LINE: &str = "xrt:";

fn library() -> Option<PathBuf> {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/opt/xilinx/xrt/lib"];
    let library = |folder| Path::new(folder).join(api::LIBRARY);
    folders.map(library).into_iter().find(|path| path.is_file())
}

/// Runs the child on an image in an environment of its own.
fn load(library: &Path, image: &Xclbin, folder: &Path) -> Output {
    let path = folder.join("image.xclbin");
    image.write(&path).unwrap();
    let xrt = folder.join("xrt");
    fs::create_dir(&xrt).unwrap();
    symlink(library.parent().unwrap(), xrt.join("lib")).unwrap();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env("XCL_EMULATION_MODE", "noop")
        .env("XILINX_XRT", &xrt)
        .env("USER", "tercet")
        .env(IMAGE, &path)
        .current_dir(folder)
        // XRT's handler of a fault signals its whole process group.
        .process_group(0)
        .output()
        .unwrap()
}

#[test]
#[ignore = "the child of the other tests"]
fn child() {
    let path = std::env::var_os(IMAGE).expect("the parent names an image");
    let library = library().expect("the parent found it");
    for line in api::report(&library, Path::new(&path)) {
        println!("{LINE}{line}");
    }
}

/// What XRT must say of an image, line by line.
fn expected(image: &Xclbin) -> Vec<String> {
    let mut lines = vec![format!("uuid {}", image.uuid())];
    for cu in &image.contents().compute_units {
        lines.push(format!("cu {}", cu.instance));
        lines.extend(expected_arguments(cu));
        lines.push("run 4".to_string());
    }
    lines
}

fn expected_arguments(cu: &ComputeUnit) -> Vec<String> {
    let arguments = cu.arguments.iter().map(|argument| {
        let of_argument = |c: &&Connection| c.argument == argument.id;
        let group = cu.connections.iter().find(of_argument).map(|c| c.memory);
        let group = group.map_or("none".to_string(), |group| group.to_string());
        format!("{} {group} {:#x}", argument.id, argument.offset)
    });
    arguments.collect()
}

fn report(out: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&out.stdout);
    let lines = text.lines().filter_map(|line| line.split_once(LINE));
    lines.map(|(_, line)| line.to_string()).collect()
}

#[test]
fn xrt_reads_an_image_as_we_do() {
    let Some(library) = library() else {
        let missing = "XRT is missing: apt install libxrt1";
        assert!(std::env::var_os("CI").is_none(), "{missing}");
        eprintln!("NOT TESTED: {missing}");
        return;
    };
    for (geometry, cus) in [("512-b3", 1), ("128-b2-x4-k8192", 3), ("256-b3", MAX_CUS)] {
        let geometry: Geometry = geometry.parse().unwrap();
        let image = Xclbin::emulation(&geometry, cus, 250e6).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let out = load(&library, &image, folder.path());
        let text = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{geometry}: {out:?}\n{text}");
        assert_eq!(report(&out), expected(&image), "{geometry}");
    }
}

#[test]
fn xrt_sees_what_is_changed() {
    let Some(library) = library() else {
        return; // The other test says so.
    };
    let image = Xclbin::emulation(&Geometry::DEFAULT, 2, 250e6).unwrap();
    let mut contents: Contents = image.contents().clone();
    for cu in &mut contents.compute_units {
        cu.arguments[2].offset = 0x2a0;
        cu.connections[0].memory ^= 1;
    }
    let changed = Xclbin::of(contents).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let out = load(&library, &changed, folder.path());
    assert_eq!(report(&out), expected(&changed));
    assert_ne!(expected(&changed), expected(&image));
}
