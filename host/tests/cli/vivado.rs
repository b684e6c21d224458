//! `scripts/synth-xilinx --vivado`, with Vivado replaced by Tcl that records how it is called.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::Ended;

/// Stands for `vivado -mode batch .. -source SCRIPT -tclargs ..`.
const VIVADO: &str = r#"#!/usr/bin/env tclsh
set script [lindex $argv [lsearch $argv -source]+1]
set argv [lrange $argv [lsearch $argv -tclargs]+1 end]
set calls [open calls w]
proc version {option} { return 2023.2 }
proc unknown {args} {
    puts $::calls $args
    switch -- [lindex $args 0] {
        report_utilization { file copy $::env(REPORT) [lindex $args 2] }
        report_timing_summary - write_checkpoint { close [open [lindex $args end] w] }
        get_property { return -0.125 }
        default { return "[lindex $args 0]_result" }
    }
}
source $script
"#;

/// Rows as Vivado 2023 writes them.
const REPORT: &str = "\
+----------------------------+------+-------+------------+-----------+-------+
|          Site Type         | Used | Fixed | Prohibited | Available | Util% |
+----------------------------+------+-------+------------+-----------+-------+
| CLB LUTs*                  | 3301 |     0 |          0 |   1303680 |  0.25 |
|   LUT as Logic             | 3213 |     0 |          0 |   1303680 |  0.25 |
| CLB Registers              | 5600 |     0 |          0 |   2607360 |  0.21 |
| Block RAM Tile             | 12.5 |     0 |          0 |      2016 |  0.62 |
| URAM                       |    0 |     0 |          0 |       960 |  0.00 |
| DSPs                       |    0 |     0 |          0 |      9024 |  0.00 |
+----------------------------+------+-------+------------+-----------+-------+
";

/// Whether a program can be run; where `CI` is set it has to be.
fn available(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output()
        .is_ok_and(|out| out.status.success());
    assert!(
        found || std::env::var_os("CI").is_none(),
        "{program} is missing"
    );
    if !found {
        eprintln!("NOT TESTED: {program} is missing");
    }
    found
}

/// A folder with the stand-in; `None` if it cannot be run.
fn folder() -> Option<(tempfile::TempDir, PathBuf)> {
    if !available("tclsh") || !available("python3") {
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let tools = dir.path().join("tools");
    fs::create_dir(&tools).unwrap();
    let vivado = tools.join("vivado");
    fs::write(&vivado, VIVADO).unwrap();
    fs::set_permissions(&vivado, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(dir.path().join("report"), REPORT).unwrap();
    Some((dir, tools))
}

fn synth(dir: &Path, path: &str, args: &[&str]) -> Ended {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new("python3");
    command
        .args(["-B", "scripts/resource_tables", "--vivado"])
        .arg(dir.join("out"))
        .args(args)
        .current_dir(top)
        .env("PATH", path)
        .env("TERCET", env!("CARGO_BIN_EXE_tercet"))
        .env("REPORT", dir.join("report"));
    command.output().unwrap().into()
}

fn path_with(tools: &Path) -> String {
    format!("{}:{}", tools.display(), std::env::var("PATH").unwrap())
}

#[test]
fn a_kernel_goes_through_vivado_out_of_context() {
    let Some((dir, tools)) = folder() else { return };
    let e = synth(dir.path(), &path_with(&tools), &["128-b2"]);
    assert_eq!(e.code, 0, "{}", e.stderr);
    let out = dir.path().join("out");
    let table = fs::read_to_string(out.join("vivado.csv")).unwrap();
    let row = "128-b2,xcu55c-fsvh2892-2L-e,250,3301,5600,12.5,0,0,-0.125,242.4,vivado 2023.2";
    assert_eq!(table.lines().nth(1), Some(row));
    // Slack below 0 is said, and yosys' count stands beside Vivado's.
    assert!(
        e.stderr.contains("timing at 250 MHz NOT met"),
        "{}",
        e.stderr
    );
    assert!(e.stderr.contains("LUT 3301 (yosys 3615)"), "{}", e.stderr);
    let folder = out.join("128-b2");
    let clock = fs::read_to_string(folder.join("clock.xdc")).unwrap();
    assert_eq!(
        clock,
        "create_clock -name ap_clk -period 4.000 [get_ports ap_clk]\n"
    );
    let verilog = fs::read_to_string(folder.join("ternary_gemv.v")).unwrap();
    assert!(verilog.starts_with("// ternary_gemv 128-b2"));
    let calls = fs::read_to_string(folder.join("calls")).unwrap();
    let steps: Vec<&str> = calls
        .lines()
        .map(|c| c.split(' ').next().unwrap())
        .collect();
    let order = [
        "read_verilog",
        "read_xdc",
        "synth_design",
        "opt_design",
        "place_design",
        "phys_opt_design",
        "route_design",
        "report_utilization",
        "report_timing_summary",
        "all_registers",
        "all_registers",
        "get_timing_paths",
        "get_property",
        "write_checkpoint",
    ];
    assert_eq!(steps, order);
    let has = |call: &str| assert!(calls.contains(call), "{call}\n{calls}");
    has("synth_design -mode out_of_context -top ternary_gemv -part xcu55c-fsvh2892-2L-e\n");
    has("read_xdc -mode out_of_context ./clock.xdc\n");
}

#[test]
fn what_stands_in_the_way_is_told() {
    let Some((dir, tools)) = folder() else { return };
    let d = dir.path();
    let path = path_with(&tools);
    for (path, args, part) in [
        (
            &std::env::var("PATH").unwrap(),
            &["128-b2"][..],
            "vivado is not on the PATH",
        ),
        (&path, &[], "name the kernels"),
        (&path, &["128-b9"], "no kernel `128-b9`"),
        (
            &path,
            &["--clock-mhz", "-1", "128-b2"],
            "expected more than 0",
        ),
    ] {
        let e = synth(d, path, args);
        assert!(e.code == 2 && e.stderr.contains(part), "{}", e.stderr);
        assert!(!e.stderr.contains("Traceback"), "{}", e.stderr);
    }
    fs::write(d.join("report"), REPORT.replace("CLB LUTs", "Slice LUTs")).unwrap();
    let e = synth(d, &path, &["128-b2"]);
    assert!(
        e.code == 2 && e.stderr.contains("no row `CLB LUTs`"),
        "{}",
        e.stderr
    );
    fs::write(
        d.join("tools/vivado"),
        "#!/bin/sh\necho no licence; exit 1\n",
    )
    .unwrap();
    let e = synth(d, &path, &["128-b3"]);
    assert!(
        e.code == 2 && e.stderr.contains("no licence"),
        "{}",
        e.stderr
    );
}
