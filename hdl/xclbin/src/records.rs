//! Sections that are tables of fixed-size records: a count, then the records.
//!
//! | section | head | record | fields of a record: offset, type |
//! |---|---|---|---|
//! | memory topology | i32, 4 bytes of padding | 40 | 0 kind u8, 1 used u8, 8 size in KiB u64, 16 base u64, 24 tag 16 bytes |
//! | connectivity | i32 | 12 | 0 argument i32, 4 place in the IP layout i32, 8 place of the memory i32 |
//! | IP layout | i32, 4 bytes of padding | 80 | 0 kind u32, 4 properties u32, 8 base u64, 16 `kernel:instance` 64 bytes |
//! | clocks | i16 | 136 | 0 MHz u16, 2 kind u8, 8 name 128 bytes |

use crate::axlf::check_text;
use crate::bytes::{put, text, u16_at, u32_at, u64_at};
use crate::contents::{Clock, ClockKind, Control, Memory, MemoryKind};
use crate::error::{ReadError, WriteError};

const MEMORY: Table = Table::new("MEM_TOPOLOGY", 4, 8, 40);
const CONNECTION: Table = Table::new("CONNECTIVITY", 4, 4, 12);
const IP: Table = Table::new("IP_LAYOUT", 4, 8, 80);
const CLOCK: Table = Table::new("CLOCK_FREQ_TOPOLOGY", 2, 2, 136);

const TAG_BYTES: usize = 16;
const IP_NAME_BYTES: usize = 64;
const CLOCK_NAME_BYTES: usize = 128;

/// Kind of an IP that is a kernel.
const IP_KERNEL: u32 = 1;

/// IPs that are read at most; XRT knows 128 compute units.
const MAX_IPS: usize = 1024;

/// Where the kind of control stands in the properties of a kernel.
const CONTROL_SHIFT: u32 = 8;

/// An entry of the IP layout that is a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ip {
    pub kernel: String,
    pub instance: String,
    pub base: u64,
    pub control: Control,
}

/// An entry of the connectivity, as it stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawConnection {
    pub argument: i32,
    pub ip: i32,
    pub memory: i32,
}

struct Table {
    section: &'static str,
    count_bytes: usize,
    head_bytes: usize,
    record_bytes: usize,
}

impl Table {
    const fn new(
        section: &'static str,
        count_bytes: usize,
        head_bytes: usize,
        record_bytes: usize,
    ) -> Self {
        Table {
            section,
            count_bytes,
            head_bytes,
            record_bytes,
        }
    }

    /// The records; their number is checked against the bytes that are there.
    fn records<'a>(&self, data: &'a [u8]) -> Result<impl Iterator<Item = &'a [u8]>, ReadError> {
        let error = |count| ReadError::Count {
            section: self.section,
            count,
            found: data.len(),
        };
        let count = match (data.len() >= self.count_bytes, self.count_bytes) {
            (false, _) => return Err(error(0)),
            (true, 2) => i64::from(u16_at(data, 0) as i16),
            (true, _) => i64::from(u32_at(data, 0) as i32),
        };
        let body = data.get(self.head_bytes..).unwrap_or_default();
        match usize::try_from(count) {
            Ok(wanted) if wanted <= body.len() / self.record_bytes => {
                Ok(body.chunks_exact(self.record_bytes).take(wanted))
            }
            _ => Err(error(count)),
        }
    }

    /// A section of `count` zeroed records, filled one after the other.
    fn write<T>(
        &self,
        items: &[T],
        mut fill: impl FnMut(&T, &mut [u8]) -> Result<(), WriteError>,
    ) -> Result<Vec<u8>, WriteError> {
        let mut data = vec![0; self.head_bytes + self.record_bytes * items.len()];
        let count = (items.len() as u32).to_le_bytes();
        put(&mut data, 0, &count[..self.count_bytes]);
        let records = data[self.head_bytes..].chunks_exact_mut(self.record_bytes);
        for (item, record) in items.iter().zip(records) {
            fill(item, record)?;
        }
        Ok(data)
    }
}

/// Reads a memory topology.
pub fn read_memories(data: &[u8]) -> Result<Vec<Memory>, ReadError> {
    let memory = |r: &[u8]| Memory {
        kind: MemoryKind::from_code(r[0]),
        used: r[1] != 0,
        // A stream has a number of its own kind here, which may not be a size.
        bytes: u64_at(r, 8).saturating_mul(1024),
        base: u64_at(r, 16),
        tag: text(&r[24..24 + TAG_BYTES]),
    };
    Ok(MEMORY.records(data)?.map(memory).collect())
}

/// Writes a memory topology.
pub fn write_memories(memories: &[Memory]) -> Result<Vec<u8>, WriteError> {
    MEMORY.write(memories, |memory, r| {
        check_text("memory", &memory.tag, TAG_BYTES)?;
        if !memory.bytes.is_multiple_of(1024) {
            return Err(WriteError::MemorySize {
                tag: memory.tag.clone(),
                bytes: memory.bytes,
            });
        }
        r[0] = memory.kind.code();
        r[1] = u8::from(memory.used);
        put(r, 8, &(memory.bytes / 1024).to_le_bytes());
        put(r, 16, &memory.base.to_le_bytes());
        put(r, 24, memory.tag.as_bytes());
        Ok(())
    })
}

/// Reads a connectivity.
pub fn read_connections(data: &[u8]) -> Result<Vec<RawConnection>, ReadError> {
    let connection = |r: &[u8]| RawConnection {
        argument: u32_at(r, 0) as i32,
        ip: u32_at(r, 4) as i32,
        memory: u32_at(r, 8) as i32,
    };
    Ok(CONNECTION.records(data)?.map(connection).collect())
}

/// Writes a connectivity.
pub fn write_connections(connections: &[RawConnection]) -> Result<Vec<u8>, WriteError> {
    CONNECTION.write(connections, |c, r| {
        put(r, 0, &c.argument.to_le_bytes());
        put(r, 4, &c.ip.to_le_bytes());
        put(r, 8, &c.memory.to_le_bytes());
        Ok(())
    })
}

/// Reads an IP layout. Its places are what connections name, so what is no kernel keeps its place as `None`.
pub fn read_ips(data: &[u8]) -> Result<Vec<Option<Ip>>, ReadError> {
    let ip = |r: &[u8]| {
        let name = text(&r[16..16 + IP_NAME_BYTES]);
        let (kernel, instance) = name.split_once(':').unwrap_or((&name, ""));
        (u32_at(r, 0) == IP_KERNEL).then(|| Ip {
            kernel: kernel.to_string(),
            instance: instance.to_string(),
            base: u64_at(r, 8),
            control: Control::from_code((u32_at(r, 4) >> CONTROL_SHIFT) as u8),
        })
    };
    let ips: Vec<_> = IP.records(data)?.map(ip).collect();
    match ips.len() <= MAX_IPS {
        true => Ok(ips),
        false => Err(ReadError::TooMany {
            what: "IPs",
            found: ips.len(),
            limit: MAX_IPS,
        }),
    }
}

/// Writes an IP layout.
///
/// Interrupts stay off in the properties: nothing of an emulated card raises one.
pub fn write_ips(ips: &[Ip]) -> Result<Vec<u8>, WriteError> {
    IP.write(ips, |ip, r| {
        let name = format!("{}:{}", ip.kernel, ip.instance);
        check_text("compute unit", &name, IP_NAME_BYTES)?;
        let properties = u32::from(ip.control.code()) << CONTROL_SHIFT;
        put(r, 0, &IP_KERNEL.to_le_bytes());
        put(r, 4, &properties.to_le_bytes());
        put(r, 8, &ip.base.to_le_bytes());
        put(r, 16, name.as_bytes());
        Ok(())
    })
}

/// Reads the clocks.
pub fn read_clocks(data: &[u8]) -> Result<Vec<Clock>, ReadError> {
    let clock = |r: &[u8]| Clock {
        mhz: u16_at(r, 0),
        kind: ClockKind::from_code(r[2]),
        name: text(&r[8..8 + CLOCK_NAME_BYTES]),
    };
    Ok(CLOCK.records(data)?.map(clock).collect())
}

/// Writes the clocks.
pub fn write_clocks(clocks: &[Clock]) -> Result<Vec<u8>, WriteError> {
    CLOCK.write(clocks, |clock, r| {
        check_text("clock", &clock.name, CLOCK_NAME_BYTES)?;
        put(r, 0, &clock.mhz.to_le_bytes());
        r[2] = clock.kind.code();
        put(r, 8, clock.name.as_bytes());
        Ok(())
    })
}
