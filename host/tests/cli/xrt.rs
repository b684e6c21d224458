//! Layers behind XRT: through the real library in hardware emulation, and through our own in its place. The same
//! tokens as on the CPU, whatever happens to the device.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{end, json, tercet};

/// Whether a device can be tried here; CI must not go without.
fn has_all(device: &str) -> bool {
    let verilator = Command::new("verilator").arg("--version").output().is_ok();
    let library = [
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib64",
        "/opt/xilinx/xrt/lib",
    ]
    .iter()
    .any(|folder| Path::new(folder).join("libxrt_coreutil.so.2").exists());
    if verilator && (library || device != "xrt-emu") {
        return true;
    }
    // Debian has XRT for this architecture alone.
    assert!(
        std::env::var_os("CI").is_none() || !cfg!(target_arch = "x86_64"),
        "CI must not skip this: install verilator and libxrt1"
    );
    eprintln!("SKIPPED: verilator or libxrt1 is not installed");
    false
}

const RUN: [&str; 6] = [
    "run",
    "--prompt",
    "Once upon a time",
    "--max-tokens",
    "2",
    "--json",
];

fn run(dir: &Path, more: &str) -> Value {
    let more: Vec<&str> = more.split_whitespace().collect();
    json(dir, &[&RUN[..], &more].concat())
}

/// Folders and sockets that runs of a process group may have left; those of other tests come and go.
fn left_behind(of: u32) -> Vec<PathBuf> {
    let folders = std::fs::read_dir("/tmp").unwrap().flatten();
    let ours = folders.map(|e| e.path()).filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let owner = path.join("owner");
        name.starts_with("tercet-xrt-")
            && std::fs::read_to_string(owner).is_ok_and(|text| text.trim() == of.to_string())
    });
    ours.collect()
}

fn same_tokens_with_every_layer(device: &str) {
    if !has_all(device) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let cpu = run(dir.path(), "");
    let rtl = run(dir.path(), "--device rtl --geometry 128-b3");
    for more in ["--mode launch", "--mode ring", "--mode ring --cus 2"] {
        let device = format!("--device {device} --geometry 128-b3 --on-fault stop {more}");
        let xrt = run(dir.path(), &device);
        assert_eq!(xrt["tokens"], cpu["tokens"], "{more}");
        assert_eq!(xrt["device"]["tier"], "cycle-accurate");
        assert_eq!(xrt["device"]["fault"], Value::Null);
        assert_eq!(xrt["device"]["layers"], rtl["device"]["layers"]);
        assert_eq!(xrt["device"]["weight_beats"], rtl["device"]["weight_beats"]);
    }
}

#[test]
fn tokens_are_the_same_through_the_real_xrt() {
    same_tokens_with_every_layer("xrt-emu");
}

#[test]
fn tokens_are_the_same_through_our_own_library() {
    same_tokens_with_every_layer("xrt-sim");
}

#[test]
fn a_card_that_dies_at_any_moment_costs_no_token() {
    if !has_all("xrt-emu") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let cpu = run(dir.path(), "");
    // From before the image is loaded to the middle of the text.
    for requests in [0, 1, 3, 10, 40, 100, 300, 700, 1500, 3000] {
        let more = format!(
            "--device xrt-emu --geometry 128-b3 --card-arg --fault-dies-after --card-arg {requests}"
        );
        let start = Instant::now();
        let survived = run(dir.path(), &more);
        assert_eq!(survived["tokens"], cpu["tokens"], "{requests}");
        let fault = &survived["device"]["fault"];
        assert!(fault["error"].is_string(), "{requests}: {survived}");
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "{requests}: waited too long"
        );
    }
    // And told as an error where that is asked for.
    let stop = "--device xrt-emu --geometry 128-b3 --on-fault stop --card-arg --fault-dies-after --card-arg 300";
    let args: Vec<&str> = RUN.into_iter().chain(stop.split_whitespace()).collect();
    let ended = end(dir.path(), &args);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("the emulated card ended"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_kernel_that_never_ends_costs_no_token() {
    if !has_all("xrt-emu") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let cpu = run(dir.path(), "");
    for mode in ["launch", "ring"] {
        let more = format!(
            "--device xrt-emu --geometry 128-b3 --mode {mode} --device-timeout 2 \
             --card-arg --fault --card-arg weights-hang@100"
        );
        let survived = run(dir.path(), &more);
        assert_eq!(survived["tokens"], cpu["tokens"]);
        let error = survived["device"]["fault"]["error"].to_string();
        assert!(error.contains("did not end within 2."), "{error}");
    }
}

#[test]
fn what_cannot_be_is_refused_before_a_card_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("one.xclbin");
    let image = image.to_str().unwrap();
    let build = ["xclbin", "build", "--geometry", "128-b3", "--out", image];
    assert_eq!(end(dir.path(), &build).code, 0);
    let library = if Path::new("/usr/lib/x86_64-linux-gnu/libm.so.6").exists() {
        "/usr/lib/x86_64-linux-gnu/libm.so.6"
    } else {
        "/usr/lib/libm.so.6"
    };
    let with_image = format!("--xclbin {image} --geometry 128-b3 --xrt-library {library}");
    for (more, told) in [
        ("--cus 33".to_string(), "at most 32"),
        (format!("--cus 2 {with_image}"), "expected at least 2"),
        ("--device-timeout 1e19".to_string(), "at most 604800"),
        ("--device-timeout 0".to_string(), "above 0"),
        ("--trace wave.fst".to_string(), "--device rtl"),
    ] {
        let more = format!("--device xrt-emu {more}");
        let args: Vec<&str> = RUN.into_iter().chain(more.split_whitespace()).collect();
        let refused = end(dir.path(), &args);
        assert_eq!(refused.code, 2, "{more}: {}", refused.stderr);
        assert!(refused.stderr.contains(told), "{more}: {}", refused.stderr);
    }
}

#[test]
fn wrong_results_are_found_by_the_check() {
    if !has_all("xrt-emu") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let cpu = run(dir.path(), "");
    let zeros = "--device xrt-emu --geometry 128-b3 --card-arg --fault-zero-results";
    let survived = run(dir.path(), zeros);
    assert_eq!(survived["tokens"], cpu["tokens"]);
    let error = survived["device"]["fault"]["error"].to_string();
    assert!(error.contains("kernel computed"), "{error}");

    // An error register that is set.
    let bus = "--device xrt-emu --geometry 128-b3 --card-arg --fault --card-arg weights-slverr@100";
    let survived = run(dir.path(), bus);
    assert_eq!(survived["tokens"], cpu["tokens"]);
    let error = survived["device"]["fault"]["error"].to_string();
    assert!(error.contains("bus error while reading weights"), "{error}");
}

#[test]
fn nothing_is_left_behind_by_a_run_that_is_killed() {
    // The last file to appear before the first product.
    for (device, last) in [("xrt-emu", "card.log"), ("xrt-sim", "worker.log")] {
        if has_all(device) {
            nothing_is_left_behind(device, last);
        }
    }
}

fn nothing_is_left_behind(device: &str, last: &str) {
    let dir = tempfile::tempdir().unwrap();
    let long = format!(
        "run --prompt the --max-tokens 400 --device {device} --mode ring --geometry 128-b3"
    );
    let long: Vec<&str> = long.split_whitespace().collect();
    let mut child = tercet(dir.path(), &long)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let id = child.id();
    let start = Instant::now();
    let has_begun = || left_behind(id).iter().any(|f| f.join(last).exists());
    while !has_begun() {
        assert!(start.elapsed() < Duration::from_secs(300), "it never began");
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let start = Instant::now();
    while !left_behind(id).is_empty() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "a folder is left"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn the_doctor_names_what_is_wrong() {
    if !has_all("xrt-emu") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("card.xclbin");
    let image = image.to_str().unwrap();
    let build = ["xclbin", "build", "--geometry", "128-b3", "--out", image];
    assert_eq!(end(dir.path(), &build).code, 0);
    let doctor = |more: &[&str]| {
        let args = [&["doctor", "--device", "xrt-emu", "--xclbin", image], more].concat();
        end(dir.path(), &args)
    };
    let board = dir.path().join("measured.toml");
    let board = board.to_str().unwrap();
    let healthy = doctor(&["--out", board]);
    assert_eq!(healthy.code, 0, "{}{}", healthy.stdout, healthy.stderr);
    assert!(healthy.stdout.contains("known products agree bit for bit"));
    assert!(healthy.stdout.contains("a card (published)"));
    // The board file can be used at once.
    let run = [
        "run",
        "--device",
        "model",
        "--max-tokens",
        "1",
        "--board",
        board,
    ];
    assert_eq!(end(dir.path(), &run).code, 0);
    // And says of the costs of a simulation that they are assumed, not measured on a card.
    let text = std::fs::read_to_string(board).unwrap();
    assert!(text.contains("wall time of a simulation"), "{text}");
    assert!(!text.contains("basis = \"measured\""), "{text}");

    for (fault, told) in [
        (
            &["--fault-geometry", "128-b2"][..],
            "a kernel of another geometry",
        ),
        (
            &["--fault-clock", "0.5"],
            "does not run at the clock it was built for",
        ),
        (&["--fault-zero-results"], "results"),
    ] {
        let arguments: Vec<&str> = fault.iter().flat_map(|a| ["--card-arg", a]).collect();
        let ill = doctor(&arguments);
        assert_eq!(ill.code, 1, "{fault:?}: {}{}", ill.stdout, ill.stderr);
        assert!(ill.stdout.contains(told), "{fault:?}: {}", ill.stdout);
    }
    // No image at all, an image of something else, no XRT.
    std::fs::write(dir.path().join("wrong.xclbin"), b"no image").unwrap();
    let wrong = dir.path().join("wrong.xclbin");
    let wrong = end(
        dir.path(),
        &[
            "doctor",
            "--device",
            "xrt-emu",
            "--xclbin",
            wrong.to_str().unwrap(),
        ],
    );
    assert_eq!(wrong.code, 1);
    assert!(wrong.stdout.contains("FAILED"), "{}", wrong.stdout);
    let nowhere = doctor(&["--xrt-library", "/nowhere/libxrt_coreutil.so.2"]);
    assert_eq!(nowhere.code, 1);
    assert!(nowhere.stdout.contains("/nowhere"), "{}", nowhere.stdout);
}
