//! AMD cards on the PCIe bus, out of sysfs.

use std::fs;
use std::path::Path;

use super::{Check, State};

/// PCI vendor of Xilinx cards, now AMD's.
const VENDOR: &str = "0x10ee";

/// Every card: whether a driver has it, and whether its link is as wide and fast as it could be.
pub fn checks(root: &Path) -> Vec<Check> {
    let folder = root.join("sys/bus/pci/devices");
    let mut devices: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| read(path, "vendor").is_some_and(|vendor| vendor == VENDOR))
        .collect();
    devices.sort();
    if devices.is_empty() {
        let none = Check::new("cards", State::Note, "no AMD FPGA card on the PCIe bus");
        return vec![none.advise("xrt-emu and xrt-sim work without one")];
    }
    devices.iter().flat_map(|path| card(path)).collect()
}

fn read(device: &Path, file: &str) -> Option<String> {
    let text = fs::read_to_string(device.join(file)).ok()?;
    Some(text.trim().to_string())
}

fn card(device: &Path) -> Vec<Check> {
    let place = device.file_name().unwrap_or_default().to_string_lossy();
    let id = read(device, "device").unwrap_or_default();
    let driver = fs::read_link(device.join("driver")).ok();
    let driver = driver.and_then(|d| Some(d.file_name()?.to_string_lossy().into_owned()));
    let name = format!("card {place}");
    let driver = match driver {
        Some(driver) => Check::new(
            name.clone(),
            State::Ok,
            format!("device {id}, driver {driver}"),
        ),
        None => Check::new(
            name.clone(),
            State::Warning,
            format!("device {id}, no driver has it"),
        )
        .advise("XRT's driver is not loaded (modprobe xocl), or not for this card"),
    };
    vec![driver, link(device, format!("{name} link"))]
}

/// Compares what the link does with what it could.
fn link(device: &Path, name: String) -> Check {
    let figures = [
        "current_link_width",
        "max_link_width",
        "current_link_speed",
        "max_link_speed",
    ];
    let [Some(width), Some(most), Some(speed), Some(fastest)] = figures.map(|f| read(device, f))
    else {
        return Check::new(name, State::Note, "the system does not say");
    };
    let number = |text: &str| -> f64 {
        let digits = text.split(|c: char| !c.is_ascii_digit() && c != '.').next();
        digits.and_then(|d| d.parse().ok()).unwrap_or(0.0)
    };
    let found = format!("x{width} of x{most} at {speed} of {fastest}");
    if number(&width) < number(&most) || number(&speed) < number(&fastest) {
        return Check::new(name, State::Warning, format!("narrow: {found}")).advise(
            "transfers take longer than they could: look at the slot, its wiring and the BIOS",
        );
    }
    Check::new(name, State::Ok, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(root: &Path, width: &str, speed: &str) {
        let device = root.join("sys/bus/pci/devices/0000:65:00.1");
        fs::create_dir_all(&device).unwrap();
        for (file, text) in [
            ("vendor", "0x10ee\n"),
            ("device", "0x505d\n"),
            ("current_link_width", width),
            ("max_link_width", "16\n"),
            ("current_link_speed", speed),
            ("max_link_speed", "8.0 GT/s PCIe\n"),
        ] {
            fs::write(device.join(file), text).unwrap();
        }
    }

    #[test]
    fn a_narrow_or_slow_link_is_told() {
        for (width, speed, state) in [
            ("16\n", "8.0 GT/s PCIe\n", State::Ok),
            ("4\n", "8.0 GT/s PCIe\n", State::Warning),
            ("16\n", "2.5 GT/s PCIe\n", State::Warning),
        ] {
            let root = tempfile::tempdir().unwrap();
            card(root.path(), width, speed);
            let checks = checks(root.path());
            assert_eq!(checks.len(), 2);
            assert_eq!(checks[0].state, State::Warning, "no driver");
            assert_eq!(checks[1].state, state, "{checks:?}");
        }
    }

    #[test]
    fn other_devices_are_no_cards() {
        let root = tempfile::tempdir().unwrap();
        let device = root.path().join("sys/bus/pci/devices/0000:00:01.0");
        fs::create_dir_all(&device).unwrap();
        fs::write(device.join("vendor"), "0x8086\n").unwrap();
        assert_eq!(checks(root.path())[0].state, State::Note);
        assert_eq!(checks(Path::new("/nowhere"))[0].state, State::Note);
    }
}
