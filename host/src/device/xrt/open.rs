//! From an image to its compute units.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tercet_contract::arguments::DATA;
use tercet_contract::{registers as map, Geometry, CONTRACT_VERSION, KERNEL_NAME};
use tercet_xclbin::{check, Contents, Finding, Xclbin};

use super::device::{runtime, XrtDevice};
use super::error::{unexpected, HostError};
use super::link::WorkerLink;
use super::message::{Identity, Open, Reply, Request};
use super::places::{self, WorkFolder};
use super::process::Processes;
use super::{CardId, Target, XrtOptions};
use crate::device::DeviceError;

/// Clock that the image of an emulated card names.
const EMULATED_CLOCK_HZ: f64 = 300e6;

/// Time that opening a card, with its image, may take.
const OPEN: Duration = Duration::from_secs(120);

impl XrtDevice {
    /// Opens the first `units` compute units of a card, whose kernels must have this geometry. Without an
    /// image, an emulated card of this geometry is made.
    pub fn open(
        options: &XrtOptions,
        geometry: &Geometry,
        units: usize,
    ) -> Result<Vec<XrtDevice>, DeviceError> {
        let open = || {
            let mut units = match &options.xclbin {
                Some(_) => XrtDevice::open_any(options, units)?,
                None => XrtDevice::open_emulated(options, geometry, units)?,
            };
            for unit in &mut units {
                check_identity(&unit.identity, geometry)?;
                unit.geometry = *geometry;
            }
            Ok(units)
        };
        open().map_err(|e| runtime(options.target.name(), e))
    }

    /// Opens an emulated card of a geometry.
    pub fn open_emulated(
        options: &XrtOptions,
        geometry: &Geometry,
        units: usize,
    ) -> Result<Vec<XrtDevice>, HostError> {
        let image = Xclbin::emulation(geometry, units, EMULATED_CLOCK_HZ)?;
        XrtDevice::open_image(options, &image, None, units)
    }

    /// Opens the first `units` compute units of the image, whatever its kernels are.
    pub fn open_any(options: &XrtOptions, units: usize) -> Result<Vec<XrtDevice>, HostError> {
        let xclbin = options.xclbin.as_ref().ok_or_else(|| {
            HostError::Refused("a card needs an image: --xclbin FILE".to_string())
        })?;
        // A file that is no image is told by its reader rather than by XRT.
        let image = Xclbin::read(xclbin)?;
        XrtDevice::open_image(options, &image, Some(xclbin), units)
    }

    /// Opens an image that lies in a file, or is put into one.
    fn open_image(
        options: &XrtOptions,
        image: &Xclbin,
        file: Option<&PathBuf>,
        units: usize,
    ) -> Result<Vec<XrtDevice>, HostError> {
        fits(image, units)?;
        let host_memory = is_data_in_host_memory(image.contents());
        let library = match (&options.library, &options.target) {
            (Some(library), _) => library.clone(),
            (None, Target::InProcess) => places::find_own()?,
            (None, _) => places::find_xrt()?,
        };
        let absolute = |path: &PathBuf| {
            let found = path.canonicalize();
            found.map_err(|source| HostError::Io {
                what: path.display().to_string(),
                source,
            })
        };
        let library = absolute(&library)?;
        // Everything is in one folder, which is removed even if we are killed.
        let folder = WorkFolder::new()?;
        let xclbin = match file {
            Some(file) => absolute(file)?,
            None => {
                let made = folder.path().join("emulation.xclbin");
                image.write(&made)?;
                made
            }
        };
        let (processes, streams) = Processes::start(options, folder, &library, &xclbin, units)?;
        let processes = Arc::new(processes);
        let open = |(unit, stream): (usize, UnixStream)| {
            let mut link = WorkerLink::new(processes.clone(), stream)?;
            let open = Request::Open(Open {
                library: library.clone(),
                xclbin: xclbin.clone(),
                card: match &options.target {
                    Target::Card(card) => card.clone(),
                    _ => CardId::Index(0),
                },
                unit,
                host_memory,
            });
            match link.ask(&open, "opening the card", OPEN)? {
                Reply::Opened(identity) => Ok(XrtDevice {
                    target: options.target.clone(),
                    geometry: Geometry::DEFAULT,
                    identity,
                    link,
                    timeout: options.timeout,
                    ring: None,
                }),
                other => Err(unexpected(&other)),
            }
        };
        streams.into_iter().enumerate().map(open).collect()
    }
}

/// Whether an image has the kernel of the contract, and enough compute units.
fn fits(image: &Xclbin, units: usize) -> Result<(), HostError> {
    let findings = check(image);
    if !findings.is_empty() {
        let all: Vec<_> = findings.iter().map(Finding::to_string).collect();
        return Err(HostError::Unfit(all.join("; ")));
    }
    let all = image.contents().compute_units.iter();
    let found = all.filter(|cu| cu.kernel == KERNEL_NAME).count();
    match units <= found {
        true => Ok(()),
        false => Err(HostError::Unfit(format!(
            "{found} compute units, expected at least {units} (--cus)"
        ))),
    }
}

/// Whether the buffers for commands and results are in the host's memory. Platforms list it whether or not the
/// image uses it.
fn is_data_in_host_memory(contents: &Contents) -> bool {
    let connections = contents.compute_units.iter().flat_map(|cu| &cu.connections);
    connections
        .filter(|c| c.argument == DATA)
        .filter_map(|c| contents.memories.get(c.memory))
        .any(|memory| memory.tag.starts_with("HOST"))
}

/// Whether the registers are those of a kernel of this geometry.
pub fn check_identity(identity: &Identity, geometry: &Geometry) -> Result<(), HostError> {
    let wrong = "the image is of another kernel";
    for (register, found, expected, hint) in [
        ("MAGIC", identity.magic, map::MAGIC_VALUE, wrong),
        (
            "VERSION",
            identity.version,
            CONTRACT_VERSION,
            "the image was built for another version of the contract",
        ),
        (
            "GEOMETRY",
            identity.geometry,
            map::geometry_word(geometry),
            "the image has a kernel of another geometry",
        ),
        (
            "MAX_K",
            identity.max_k,
            geometry.max_k() as u32,
            "the image has a kernel of another longest K",
        ),
    ] {
        if found != expected {
            return Err(HostError::WrongKernel {
                register,
                found,
                expected,
                hint,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_memory_counts_if_the_kernel_uses_it() {
        let image = Xclbin::emulation(&Geometry::DEFAULT, 1, EMULATED_CLOCK_HZ).unwrap();
        let mut contents = image.contents().clone();
        let mut host = contents.memories[0].clone();
        host.tag = "HOST[0]".into();
        host.used = false;
        contents.memories.push(host);
        assert!(!is_data_in_host_memory(&contents));
        for connection in &mut contents.compute_units[0].connections {
            if connection.argument == DATA {
                connection.memory = 2;
            }
        }
        assert!(is_data_in_host_memory(&contents));
    }

    #[test]
    fn an_image_with_too_few_compute_units_is_refused() {
        let image = Xclbin::emulation(&Geometry::DEFAULT, 2, EMULATED_CLOCK_HZ).unwrap();
        assert!(fits(&image, 2).is_ok());
        let error = fits(&image, 3).unwrap_err().to_string();
        assert!(
            error.contains("2 compute units, expected at least 3"),
            "{error}"
        );
    }
}
