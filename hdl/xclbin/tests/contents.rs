//! What an emulation image says, and what the check finds in images that do not fit.

use std::fs;

use tercet_contract::arguments::arguments;
use tercet_contract::{Geometry, KERNEL_NAME};
use tercet_xclbin::{
    check, control_base, data_base, kernel_xml, weights_base, Contents, Control, MemoryKind, Mode,
    ReadError, Xclbin, CONTRACT_KEY, GEOMETRY_KEY, MEMORY_BYTES,
};

fn image() -> Xclbin {
    Xclbin::emulation(&Geometry::DEFAULT, 2, 250e6).unwrap()
}

#[test]
fn an_emulated_card_is_as_the_address_map_says() {
    let image = image();
    let contents = image.contents();
    assert_eq!(contents.mode, Mode::HardwareEmulation);
    assert_eq!(contents.geometry(), Some(Geometry::DEFAULT));
    assert_eq!(contents.clock_mhz(), Some(250));
    assert_eq!(contents.compute_units.len(), 2);
    for (i, cu) in contents.compute_units.iter().enumerate() {
        assert_eq!(cu.instance, format!("{KERNEL_NAME}_{}", i + 1));
        assert_eq!(cu.base, control_base(i));
        for (argument, base) in [(0, weights_base(i)), (1, data_base(i))] {
            let connection = cu.connections.iter().find(|c| c.argument == argument);
            let memory = &contents.memories[connection.unwrap().memory];
            assert_eq!((memory.base, memory.bytes), (base, MEMORY_BYTES));
            assert_eq!(memory.kind, MemoryKind::Ddr4);
        }
        assert_eq!(cu.connections.len(), 2);
        assert_eq!(cu.arguments.len(), arguments().len());
    }
}

#[test]
fn every_geometry_is_written_read_and_fits() {
    for geometry in Geometry::all() {
        let image = Xclbin::emulation(&geometry, 1, 300e6).unwrap();
        assert_eq!(check(&image), [], "{geometry}");
        let again = Xclbin::from_bytes(image.as_bytes().to_vec()).unwrap();
        assert_eq!(again, image);
        assert_eq!(again.contents().geometry(), Some(geometry));
    }
}

#[test]
fn equal_contents_are_equal_bytes_and_others_have_another_uuid() {
    assert_eq!(image().as_bytes(), image().as_bytes());
    let slower = Xclbin::emulation(&Geometry::DEFAULT, 2, 249e6).unwrap();
    assert_ne!(slower.uuid(), image().uuid());
}

#[test]
fn files_appear_whole_and_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.xclbin");
    image().write(&path).unwrap();
    image().write(&path).unwrap();
    assert_eq!(Xclbin::read(&path).unwrap(), image());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let no_file = Xclbin::read(folder.path()).unwrap_err();
    assert!(matches!(no_file, ReadError::NotAFile { .. }), "{no_file}");
    image()
        .write(&folder.path().join("no/a.xclbin"))
        .unwrap_err();
}

#[test]
fn what_cannot_be_written_is_refused() {
    for (cus, hz) in [(0, 250e6), (33, 250e6), (1, 0.0), (1, 1e12), (1, f64::NAN)] {
        Xclbin::emulation(&Geometry::DEFAULT, cus, hz).unwrap_err();
    }
    let refused = |change: fn(&mut Contents)| {
        let mut contents = image().contents().clone();
        change(&mut contents);
        Xclbin::of(contents).unwrap_err().to_string()
    };
    for (error, part) in [
        (
            refused(|c| c.memories[0].tag = "a name of 16 byt".into()),
            "at most 15 bytes",
        ),
        (refused(|c| c.memories[0].bytes = 1000), "whole KiB"),
        (refused(|c| c.platform = "a\0b".into()), "zero"),
        (
            refused(|c| c.compute_units[0].instance = "\u{1}".into()),
            "could not be read again",
        ),
        (
            refused(|c| c.compute_units[0].connections[0].memory = 9),
            "memory 9",
        ),
        (refused(|c| c.compute_units[0].arguments.clear()), "differ"),
        (
            refused(|c| {
                let reverse = |cu: &mut tercet_xclbin::ComputeUnit| cu.arguments.reverse();
                c.compute_units.iter_mut().for_each(reverse);
            }),
            "out of order",
        ),
    ] {
        assert!(error.contains(part), "{error}");
    }
}

/// Findings of an image that was changed.
fn findings(change: impl Fn(&mut Contents)) -> Vec<String> {
    let mut contents = image().contents().clone();
    change(&mut contents);
    let findings = check(&Xclbin::of(contents).unwrap());
    findings.iter().map(|f| f.to_string()).collect()
}

/// Changes the kernel in every compute unit.
fn kernel(change: impl Fn(&mut tercet_xclbin::ComputeUnit)) -> impl Fn(&mut Contents) {
    move |contents| contents.compute_units.iter_mut().for_each(&change)
}

#[test]
fn each_finding_says_what_was_found_and_expected() {
    let removed = |key: &'static str| move |c: &mut Contents| drop(c.key_values.remove(key));
    let key = |key: &'static str, value: &'static str| {
        move |c: &mut Contents| drop(c.key_values.insert(key.into(), value.into()))
    };
    let unit = "ternary_gemv_1";
    for (found, expected) in [
        (
            findings(removed(GEOMETRY_KEY)),
            "key-value tercet.geometry: found none, expected a geometry such as 512-b3 (xclbinutil --key-value USER:tercet.geometry:512-b3)".to_string(),
        ),
        (
            findings(key(GEOMETRY_KEY, "64-b3")),
            "key-value tercet.geometry: found \"64-b3\", expected a geometry (bus width 64 bits: expected one of [128, 256, 512])".to_string(),
        ),
        (
            findings(key(CONTRACT_KEY, "2")),
            format!("key-value tercet.contract: found 2, expected {}", tercet_contract::CONTRACT_VERSION),
        ),
        (
            findings(kernel(|cu| cu.kernel = "vadd".into())),
            "kernels: found [\"vadd\"], expected ternary_gemv".to_string(),
        ),
        (
            findings(|c| c.compute_units.clear()),
            "kernels: found none, expected ternary_gemv".to_string(),
        ),
        (
            findings(kernel(|cu| cu.arguments[2].offset = 0x2c)),
            "argument 2 of ternary_gemv: offset: found 0x2c, expected 0x28".to_string(),
        ),
        (
            findings(kernel(|cu| cu.arguments[3].bytes = 8)),
            "argument 3 of ternary_gemv: bytes: found 8, expected 4".to_string(),
        ),
        (
            findings(kernel(|cu| cu.arguments[5].buffer = true)),
            "argument 5 of ternary_gemv: kind: found buffer, expected scalar".to_string(),
        ),
        (
            findings(kernel(|cu| cu.arguments[1].port = "m_axi_weights".into())),
            "argument 1 of ternary_gemv: port: found \"m_axi_weights\", expected m_axi_data".to_string(),
        ),
        (
            findings(kernel(|cu| cu.arguments[4].name = "mod".into())),
            "argument 4 of ternary_gemv: name: found mod, expected mode".to_string(),
        ),
        (
            findings(kernel(|cu| cu.ports[1].data_bits = 256)),
            "port m_axi_weights of ternary_gemv: found 256 bits, expected 512 bits".to_string(),
        ),
        (
            findings(kernel(|cu| drop(cu.ports.remove(2)))),
            "port m_axi_data of ternary_gemv: found no such port, expected one".to_string(),
        ),
        (
            findings(|c| c.compute_units[0].connections.truncate(0)),
            format!("memory of weights of {unit}: found none, expected a memory bank (sp= when linking)"),
        ),
        (
            findings(|c| c.memories[1].used = false),
            format!("memory of data of {unit}: found none, expected a memory bank (sp= when linking)"),
        ),
        (
            findings(|c| c.memories[0].bytes = 0),
            "memory weights_0: bytes: found 0, expected more".to_string(),
        ),
        (
            findings(|c| c.memories[0].base += 32),
            "memory weights_0: base: found 0x100000020, expected a multiple of 64".to_string(),
        ),
        (
            findings(|c| c.memories[0].base = 1 << 48),
            "memory weights_0: end: found 0x1000100000000, expected at most 0x1000000000000".to_string(),
        ),
        (
            findings(|c| c.compute_units[0].control = Control::None),
            format!("control of {unit}: found None, expected ap_ctrl_hs"),
        ),
        (
            findings(|c| c.compute_units[0].connections[0].argument = 2),
            format!("argument 2 of {unit}: found memory weights_0, expected no memory: it is a number"),
        ),
    ] {
        assert!(found.contains(&expected), "{expected}\n{found:?}");
        assert!(found.len() <= 2, "{found:?}");
    }
    let two = findings(|c| c.compute_units[1].base = control_base(0));
    assert_eq!(two.len(), 2, "{two:?}");
    let short = findings(kernel(|cu| drop(cu.arguments.pop())));
    assert_eq!(short.len(), 2, "{short:?}");
}

#[test]
fn kernel_xml_is_the_contract() {
    for geometry in Geometry::standard() {
        let xml = kernel_xml(&geometry);
        let document = roxmltree::Document::parse(&xml).unwrap();
        let all = |name: &'static str| document.descendants().filter(move |n| n.has_tag_name(name));
        let kernel = all("kernel").next().unwrap();
        assert_eq!(kernel.attribute("name"), Some(KERNEL_NAME));
        let found: Vec<_> = all("arg")
            .map(|n| {
                ["id", "name", "offset", "size", "type", "addressQualifier"]
                    .map(|a| n.attribute(a).unwrap().to_string())
            })
            .collect();
        let expected: Vec<_> = arguments()
            .iter()
            .map(|a| {
                let buffer = matches!(
                    a.kind,
                    tercet_contract::arguments::ArgumentKind::Buffer { .. }
                );
                [
                    a.id.to_string(),
                    a.name.clone(),
                    format!("{:#x}", a.offset),
                    format!("{:#x}", a.bytes()),
                    a.c_type().to_string(),
                    u8::from(buffer).to_string(),
                ]
            })
            .collect();
        assert_eq!(found, expected);
        let widths: Vec<_> = all("port")
            .map(|n| n.attribute("dataWidth").unwrap())
            .collect();
        let bus = geometry.bus_bits().to_string();
        assert_eq!(widths, ["32", &bus, &bus]);
    }
}
