//! The scripts for Alveo cards: fresh, and run as far as that goes without AMD's tools, which are replaced by commands
//! that only record how they were called.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tercet_contract::arguments::{arguments, ArgumentKind, CONTROL_PORT, DATA_PORT, WEIGHTS_PORT};
use tercet_contract::{Geometry, CONTRACT_VERSION, KERNEL_NAME};
use tercet_xclbin::alveo::{files, Card, CARDS};

/// Tcl that answers in Vivado's place: every unknown command is recorded, and some return what the script goes on with.
const VIVADO: &str = r#"
proc unknown {args} {
    puts "call: $args"
    switch -- [lindex $args 0] {
        ipx::get_user_parameters { return {parameter_a parameter_b} }
        ipx::get_memory_maps { return {guessed_map} }
        ipx::add_register { return "register_[lindex $args 1]" }
        ipx::add_register_parameter { return "[lindex $args 1]_of_[lindex $args 2]" }
        get_property { return "[lindex $args 1]_[lindex $args 2]" }
        default { return "[string map {:: _} [lindex $args 0]]_result" }
    }
}
set argv [lassign $argv script]
source $script
"#;

/// Commands of Vivado that the script may call.
const COMMANDS: [&str; 25] = [
    "create_project",
    "add_files",
    "set_property",
    "get_property",
    "current_fileset",
    "update_compile_order",
    "close_project",
    "package_xo",
    "ipx::package_project",
    "ipx::current_core",
    "ipx::get_user_parameters",
    "ipx::remove_user_parameter",
    "ipx::associate_bus_interfaces",
    "ipx::get_memory_maps",
    "ipx::remove_memory_map",
    "ipx::add_memory_map",
    "ipx::get_bus_interfaces",
    "ipx::add_address_block",
    "ipx::add_register",
    "ipx::add_register_parameter",
    "ipx::create_xgui_files",
    "ipx::update_checksums",
    "ipx::check_integrity",
    "ipx::save_core",
    "ipx::unload_core",
];

fn all_files(geometry: &Geometry) -> Vec<(String, String)> {
    let cards: Vec<&Card> = CARDS.iter().collect();
    files(geometry, &cards, None).unwrap()
}

/// Writes the scripts and an empty kernel.
fn folder(geometry: &Geometry) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in all_files(geometry) {
        fs::write(folder.path().join(name), text).unwrap();
    }
    fs::write(folder.path().join("ternary_gemv.v"), "").unwrap();
    fs::write(folder.path().join("vivado.tcl"), VIVADO).unwrap();
    folder
}

/// Whether a program can be run; where `CI` is set it has to be.
fn available(program: &str, package: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output()
        .is_ok_and(|out| out.status.success());
    let missing = format!("{program} is missing: apt install {package}");
    assert!(found || std::env::var_os("CI").is_none(), "{missing}");
    if !found {
        eprintln!("NOT TESTED: {missing}");
    }
    found
}

fn tcl(folder: &Path, arguments: &[&str]) -> Output {
    Command::new("tclsh")
        .args(["vivado.tcl", "package_kernel.tcl"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// `TERCET_BLESS=1 cargo test -p tercet-xclbin --test alveo` rewrites the files.
#[test]
fn the_committed_scripts_are_fresh() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bitstreams/alveo");
    for (name, text) in all_files(&Geometry::DEFAULT) {
        let path: PathBuf = folder.join(&name);
        if std::env::var_os("TERCET_BLESS").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap();
        assert_eq!(committed, text, "{name}: see this test's comment");
    }
}

#[test]
fn no_mark_is_left() {
    for geometry in Geometry::standard() {
        for (name, text) in all_files(&geometry) {
            let mark = text.split('@').nth(1).unwrap_or_default();
            let capitals = |c: char| c.is_ascii_uppercase() || c == '_';
            assert!(
                mark.is_empty() || !mark.chars().all(capitals),
                "{name} {mark}"
            );
        }
    }
}

#[test]
fn packaging_tells_vivado_the_contract() {
    if !available("tclsh", "tcl") {
        return;
    }
    let folder = folder(&Geometry::DEFAULT);
    let arguments_of_script = [
        "ternary_gemv.v",
        "kernel.xml",
        "out/ternary_gemv.xo",
        "xcu50",
    ];
    let out = tcl(folder.path(), &arguments_of_script);
    assert!(out.status.success(), "{out:?}");
    let text = String::from_utf8(out.stdout).unwrap();
    let calls: Vec<&str> = text
        .lines()
        .filter_map(|l| l.strip_prefix("call: "))
        .collect();
    for call in &calls {
        let command = call.split(' ').next().unwrap();
        assert!(COMMANDS.contains(&command), "{call}");
    }
    let has = |call: &str| assert!(calls.contains(&call), "{call}\n{text}");
    let core = "ipx_current_core_result";
    for port in [CONTROL_PORT, WEIGHTS_PORT, DATA_PORT] {
        has(&format!(
            "ipx::associate_bus_interfaces -busif {port} -clock ap_clk {core}"
        ));
    }
    has(&format!(
        "ipx::associate_bus_interfaces -clock ap_clk -reset ap_rst_n {core}"
    ));
    has(&format!(
        "ipx::remove_user_parameter NAME_parameter_b {core}"
    ));
    has(&format!("ipx::remove_memory_map NAME_guessed_map {core}"));
    for argument in arguments() {
        let name = &argument.name;
        has(&format!(
            "ipx::add_register {name} ipx_add_address_block_result"
        ));
        let offset = format!("{:#05x}", argument.offset);
        has(&format!(
            "set_property address_offset {offset} register_{name}"
        ));
        let bits = 8 * argument.bytes();
        has(&format!("set_property size {bits} register_{name}"));
        let bus = format!("ASSOCIATED_BUSIF_of_register_{name}");
        match argument.kind {
            ArgumentKind::Buffer { port } => has(&format!("set_property value {port} {bus}")),
            ArgumentKind::Scalar { .. } => assert!(!text.contains(&bus), "{bus}"),
        }
    }
    has("set_property address_offset 0x00c register_ISR");
    has(&format!("ipx::check_integrity -kernel {core}"));
    let last = calls.last().unwrap();
    assert!(
        last.starts_with("package_xo -xo_path out/ternary_gemv.xo"),
        "{last}"
    );
    assert!(
        last.ends_with("-kernel_xml kernel.xml -ctrl_protocol ap_ctrl_hs"),
        "{last}"
    );
    let position = |part: &str| calls.iter().position(|c| c.contains(part)).unwrap();
    assert!(position("check_integrity") < position("save_core"));
    assert!(calls[0].starts_with("create_project") && calls[0].ends_with("-part xcu50"));
}

#[test]
fn packaging_refuses_what_it_cannot_read() {
    if !available("tclsh", "tcl") {
        return;
    }
    let folder = folder(&Geometry::DEFAULT);
    for (arguments, part) in [
        (&["ternary_gemv.v"][..], "expected VERILOG KERNEL_XML XO"),
        (&["none.v", "kernel.xml", "a.xo"], "none.v: no such file"),
    ] {
        let out = tcl(folder.path(), arguments);
        let said = String::from_utf8(out.stderr).unwrap();
        assert!(!out.status.success() && said.contains(part), "{said}");
        assert!(!String::from_utf8(out.stdout)
            .unwrap()
            .contains("package_xo"));
    }
}

/// Connections of a connectivity file: instance, argument, memory, first and last channel.
fn connections(text: &str) -> Vec<(String, String, String, usize, usize)> {
    let lines = text.lines().filter_map(|l| l.strip_prefix("sp="));
    let parsed = lines.map(|line| {
        let (port, target) = line.split_once(':').unwrap();
        let (instance, argument) = port.split_once('.').unwrap();
        let (memory, range) = target.strip_suffix(']').unwrap().split_once('[').unwrap();
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        let number = |n: &str| n.parse().unwrap();
        let text = |t: &str| t.to_string();
        (
            text(instance),
            text(argument),
            text(memory),
            number(first),
            number(last),
        )
    });
    parsed.collect()
}

#[test]
fn connectivity_connects_every_buffer_to_channels_that_the_card_has() {
    let is_buffer = |kind| matches!(kind, ArgumentKind::Buffer { .. });
    let all = arguments().into_iter().filter(|a| is_buffer(a.kind));
    let buffers: Vec<String> = all.map(|a| a.name).collect();
    for card in &CARDS {
        for cus in 1..=card.banks {
            let files = files(&Geometry::DEFAULT, &[card], Some(cus)).unwrap();
            let (name, text) = files.last().unwrap();
            assert_eq!(*name, format!("{}.cfg", card.name));
            assert!(text.contains(&format!("\nplatform={}\n", card.platform)));
            let nk = text.lines().find_map(|l| l.strip_prefix("nk=")).unwrap();
            let instances: Vec<&str> = nk.rsplit(':').next().unwrap().split('.').collect();
            assert!(nk.starts_with(&format!("{KERNEL_NAME}:{cus}:")), "{nk}");
            assert_eq!(instances.len(), cus);
            let connections = connections(text);
            assert_eq!(connections.len(), cus * buffers.len());
            for (instance, argument, memory, first, last) in connections {
                assert!(instances.contains(&instance.as_str()), "{instance}");
                assert!(buffers.contains(&argument), "{argument}");
                assert_eq!(memory, card.memory.name());
                assert!(first <= last && last < card.banks, "{} {cus}", card.name);
            }
        }
    }
}

/// Stands for a tool: records its arguments and makes the file that the tool would make.
const TOOL: &str = r#"#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
while [ $# -gt 0 ]; do
    case "$1" in
        -o|--output) echo made > "$2" ;;
        *.xo) [ -e "$1" ] || echo made > "$1" ;;
    esac
    shift
done
"#;

#[test]
fn make_calls_the_tools_in_order_and_names_the_geometry() {
    if !available("make", "make") {
        return;
    }
    let geometry: Geometry = "256-b2-x4".parse().unwrap();
    let folder = folder(&geometry);
    let tools = folder.path().join("tools");
    fs::create_dir(&tools).unwrap();
    for tool in ["vivado", "v++", "xclbinutil", "tercet"] {
        let path = tools.join(tool);
        fs::write(&path, TOOL).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let make = |arguments: &[&str]| {
        let mut make = Command::new("make");
        make.args(arguments).current_dir(folder.path());
        // Were this test run by make, its flags would reach this one.
        make.env_remove("MAKEFLAGS").env_remove("MAKELEVEL");
        make.env("PATH", &path)
            .env("CALLS", folder.path().join("calls"));
        make.output().unwrap()
    };
    let out = make(&["BOARD=u280", "CLOCK_MHZ=300", "check"]);
    assert!(out.status.success(), "{out:?}");
    let calls = fs::read_to_string(folder.path().join("calls")).unwrap();
    let calls: Vec<&str> = calls.lines().collect();
    let image = "ternary_gemv-256-b2-x4-u280.xclbin";
    let xo = "build-u280/ternary_gemv.xo";
    assert_eq!(calls.len(), 4, "{calls:?}");
    assert!(calls[0].starts_with("vivado -mode batch"), "{calls:?}");
    assert!(calls[0].ends_with(&format!("-tclargs ternary_gemv.v kernel.xml {xo}")));
    assert!(calls[1].starts_with("v++ -l -t hw --config u280.cfg --kernel_frequency 300"));
    assert!(calls[1].ends_with(&format!("-o build-u280/linked.xclbin {xo}")));
    let keys = format!("--key-value USER:tercet.geometry:256-b2-x4 --key-value USER:tercet.contract:{CONTRACT_VERSION}");
    assert!(calls[2].starts_with("xclbinutil") && calls[2].ends_with(&keys));
    assert_eq!(calls[3], format!("tercet xclbin inspect {image}"));
    assert!(folder.path().join(image).is_file());

    fs::remove_file(folder.path().join("ternary_gemv.v")).unwrap();
    let out = make(&["-B", "BOARD=u280"]);
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(
        !out.status.success() && said.contains("tercet emit --geometry 256-b2-x4"),
        "{said}"
    );
}
