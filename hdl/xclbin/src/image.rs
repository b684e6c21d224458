//! An image as bytes and file.

use std::borrow::Cow;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use schemars::{json_schema, JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};
use tercet_contract::Geometry;

use crate::axlf::{container, kind, Container, Header};
use crate::contents::{ComputeUnit, Connection, Contents, Mode};
use crate::error::{ReadError, WriteError};
use crate::records::{Ip, RawConnection};
use crate::{emulation, key_values, metadata, records};

/// Largest image that is read: several times those of the largest cards.
pub const MAX_BYTES: u64 = 1 << 30;

/// What stands in for a bitstream where nothing is configured.
const NO_BITSTREAM: &[u8] = b"no bitstream: emulation";

/// Name of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uuid(pub [u8; 16]);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if [4, 6, 8, 10].contains(&i) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl JsonSchema for Uuid {
    fn schema_name() -> Cow<'static, str> {
        "Uuid".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$" })
    }
}

impl Serialize for Uuid {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// An image, and what was read from it. It never changes.
#[derive(Clone, PartialEq, Eq)]
pub struct Xclbin {
    bytes: Vec<u8>,
    uuid: Uuid,
    contents: Contents,
}

impl Xclbin {
    /// The image of an emulated card with `cus` compute units of `geometry` at `clock_hz`.
    pub fn emulation(geometry: &Geometry, cus: usize, clock_hz: f64) -> Result<Self, WriteError> {
        Self::of(emulation::contents(geometry, cus, clock_hz)?)
    }

    /// An image without bitstream that says `contents`. Equal contents give equal bytes; contents that the container
    /// cannot hold as they are, such as arguments that are not in the order of their ids, are refused.
    pub fn of(contents: Contents) -> Result<Self, WriteError> {
        let image = Self::from_bytes(to_bytes(&contents)?).map_err(WriteError::Unreadable)?;
        match image.contents == contents {
            true => Ok(image),
            false => Err(WriteError::Changed),
        }
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let io = |source| ReadError::Io {
            path: path.to_path_buf(),
            source,
        };
        // Before it is opened: opening a pipe would wait for a writer.
        let facts = fs::metadata(path).map_err(io)?;
        if !facts.is_file() {
            return Err(ReadError::NotAFile {
                path: path.to_path_buf(),
            });
        }
        let too_large = |bytes| ReadError::TooLarge {
            bytes,
            limit: MAX_BYTES,
        };
        if facts.len() > MAX_BYTES {
            return Err(too_large(facts.len()));
        }
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(io)?;
        file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(io)?;
        Self::from_bytes(bytes)
    }

    /// Reads bytes. No size that they claim is believed before it is compared with their number.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, ReadError> {
        let container = Container::parse(&bytes)?;
        let contents = contents(&container)?;
        let uuid = Uuid(container.uuid);
        Ok(Xclbin {
            uuid,
            contents,
            bytes,
        })
    }

    /// Writes a file, which appears whole or not at all; an existing one is replaced.
    pub fn write(&self, path: &Path) -> Result<(), WriteError> {
        let write = || -> io::Result<()> {
            let folder = match path.parent() {
                Some(parent) if parent != Path::new("") => parent,
                _ => Path::new("."),
            };
            let mut file = temporary().tempfile_in(folder)?;
            file.write_all(&self.bytes)?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|e| e.error)?;
            Ok(())
        };
        write().map_err(|source| WriteError::Io {
            path: path.to_path_buf(),
            source,
        })
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, given away.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Its uuid.
    pub fn uuid(&self) -> Uuid {
        self.uuid
    }

    /// What it says.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }
}

impl fmt::Debug for Xclbin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Xclbin")
            .field("bytes", &self.bytes.len())
            .field("uuid", &self.uuid)
            .field("contents", &self.contents)
            .finish()
    }
}

/// Temporary names with the permissions that ordinary files get.
fn temporary() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tercet-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder
}

fn contents(container: &Container) -> Result<Contents, ReadError> {
    // XRT takes groups before plain sections, each for itself.
    let either = |group, plain| container.section(group).or(container.section(plain));
    let table = |data: Option<_>| data.unwrap_or_default();
    let memories = match either(kind::GROUP_TOPOLOGY, kind::MEM_TOPOLOGY) {
        None => Vec::new(),
        Some(data) => records::read_memories(data)?,
    };
    let connections = match either(kind::GROUP_CONNECTIVITY, kind::CONNECTIVITY) {
        None => Vec::new(),
        Some(data) => records::read_connections(data)?,
    };
    let ips = match container.section(kind::IP_LAYOUT) {
        None => Vec::new(),
        Some(data) => records::read_ips(data)?,
    };
    let clocks = match container.section(kind::CLOCK_FREQ_TOPOLOGY) {
        None => Vec::new(),
        Some(data) => records::read_clocks(data)?,
    };
    let kernels = match container.section(kind::EMBEDDED_METADATA) {
        None => Vec::new(),
        Some(data) => metadata::read(data)?,
    };
    let mut units = Vec::new();
    let connected = connections_of(&connections, ips.len(), memories.len())?;
    for (ip, connections) in ips.into_iter().zip(connected) {
        let Some(ip) = ip else { continue };
        let kernel = kernels.iter().find(|k| k.name == ip.kernel);
        units.push(ComputeUnit {
            ports: kernel.map(|k| k.ports.clone()).unwrap_or_default(),
            arguments: kernel.map(|k| k.arguments.clone()).unwrap_or_default(),
            connections,
            kernel: ip.kernel,
            instance: ip.instance,
            base: ip.base,
            control: ip.control,
        });
    }
    Ok(Contents {
        platform: container.header.platform.clone(),
        mode: Mode::from_code(container.header.mode),
        timestamp: container.header.timestamp,
        clocks,
        memories,
        compute_units: units,
        key_values: key_values::read(table(container.section(kind::KEYVALUE_METADATA)))?,
    })
}

/// The connections of each place of the IP layout.
fn connections_of(
    connections: &[RawConnection],
    ips: usize,
    memories: usize,
) -> Result<Vec<Vec<Connection>>, ReadError> {
    let place = |what, index: i32, there| match usize::try_from(index) {
        Ok(place) if place < there => Ok(place),
        _ => Err(ReadError::Index { what, index, there }),
    };
    let mut of_ips = vec![Vec::new(); ips];
    for c in connections {
        let ip = place("compute unit", c.ip, ips)?;
        let memory = place("memory", c.memory, memories)?;
        // A negative argument is none of the signature.
        if let Ok(argument) = u32::try_from(c.argument) {
            of_ips[ip].push(Connection { argument, memory });
        }
    }
    Ok(of_ips)
}

fn to_bytes(contents: &Contents) -> Result<Vec<u8>, WriteError> {
    check_kernels(contents)?;
    let memories = records::write_memories(&contents.memories)?;
    let connections = records::write_connections(&raw_connections(contents)?)?;
    let ips: Vec<Ip> = contents.compute_units.iter().map(ip).collect();
    let xml = metadata::write(
        &contents.platform,
        &contents.clocks,
        &contents.compute_units,
    );
    let sections = [
        (kind::BITSTREAM, NO_BITSTREAM.to_vec()),
        (kind::MEM_TOPOLOGY, memories.clone()),
        (kind::IP_LAYOUT, records::write_ips(&ips)?),
        (kind::CONNECTIVITY, connections.clone()),
        (
            kind::CLOCK_FREQ_TOPOLOGY,
            records::write_clocks(&contents.clocks)?,
        ),
        (kind::EMBEDDED_METADATA, xml.into_bytes()),
        (
            kind::KEYVALUE_METADATA,
            key_values::write(&contents.key_values),
        ),
        (kind::GROUP_TOPOLOGY, memories),
        (kind::GROUP_CONNECTIVITY, connections),
    ];
    let header = Header {
        timestamp: contents.timestamp,
        mode: contents.mode.code(),
        platform: contents.platform.clone(),
    };
    container(&header, &sections)
}

fn ip(cu: &ComputeUnit) -> Ip {
    Ip {
        kernel: cu.kernel.clone(),
        instance: cu.instance.clone(),
        base: cu.base,
        control: cu.control,
    }
}

fn raw_connections(contents: &Contents) -> Result<Vec<RawConnection>, WriteError> {
    let there = contents.memories.len();
    let mut all = Vec::new();
    for (place, cu) in contents.compute_units.iter().enumerate() {
        for c in &cu.connections {
            if c.memory >= there {
                return Err(WriteError::Index {
                    instance: cu.instance.clone(),
                    index: c.memory,
                    there,
                });
            }
            all.push(RawConnection {
                argument: c.argument as i32,
                ip: place as i32,
                memory: c.memory as i32,
            });
        }
    }
    Ok(all)
}

/// An image has ports and arguments once for each kernel, not for each instance.
fn check_kernels(contents: &Contents) -> Result<(), WriteError> {
    let units = &contents.compute_units;
    for cu in units {
        let first = units.iter().find(|other| other.kernel == cu.kernel);
        if first.is_some_and(|f| (&f.ports, &f.arguments) != (&cu.ports, &cu.arguments)) {
            return Err(WriteError::Kernels {
                kernel: cu.kernel.clone(),
            });
        }
    }
    Ok(())
}
