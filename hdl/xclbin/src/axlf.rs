//! The container: header, table of sections, sections.

use sha2::{Digest, Sha256};

use crate::bytes::{array, put, text, u16_at, u32_at, u64_at};
use crate::error::{ReadError, WriteError};

const MAGIC: &[u8; 8] = b"xclbin2\0";

// Offsets in the file, as `xclbin.h` lays `axlf` and `axlf_header` out.
const SIGNATURE_LENGTH: usize = 8;
const RESERVED: std::ops::Range<usize> = 12..40;
const LENGTH: usize = 304;
const TIMESTAMP: usize = 312;
const VERSION: usize = 328;
const MODE: usize = 332;
const PLATFORM: usize = 352;
const PLATFORM_BYTES: usize = 64;
const UUID: usize = 416;
const SECTION_COUNT: usize = 448;
const SECTION_TABLE: usize = 456;

// Offsets in an entry of the table.
const ENTRY_OFFSET: usize = 24;
const ENTRY_SIZE: usize = 32;
const ENTRY_BYTES: usize = 40;

/// Sections begin at multiples of this.
const ALIGNMENT: usize = 8;

/// Sections that XRT takes at most.
const MAX_SECTIONS: u32 = 0x1_0000;

/// Version of the container in the header: patch as two bytes, major, minor.
const CONTAINER_VERSION: [u8; 4] = [0, 0, 2, 13];

/// Kinds of sections.
pub mod kind {
    pub const BITSTREAM: u32 = 0;
    pub const EMBEDDED_METADATA: u32 = 2;
    pub const MEM_TOPOLOGY: u32 = 6;
    pub const CONNECTIVITY: u32 = 7;
    pub const IP_LAYOUT: u32 = 8;
    pub const CLOCK_FREQ_TOPOLOGY: u32 = 11;
    pub const KEYVALUE_METADATA: u32 = 15;
    pub const GROUP_TOPOLOGY: u32 = 26;
    pub const GROUP_CONNECTIVITY: u32 = 27;
}

/// What the header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub timestamp: u64,
    pub mode: u16,
    pub platform: String,
}

/// A container whose header and table were checked: every section lies in `bytes`.
pub struct Container<'a> {
    pub header: Header,
    pub uuid: [u8; 16],
    sections: Vec<(u32, &'a [u8])>,
}

impl<'a> Container<'a> {
    /// Reads header and table.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ReadError> {
        if !bytes.starts_with(MAGIC) {
            let found = bytes.iter().take(MAGIC.len()).copied().collect();
            return Err(ReadError::Magic { found });
        }
        let truncated = |what, expected| ReadError::Truncated {
            what,
            expected,
            found: bytes.len() as u64,
        };
        if bytes.len() < SECTION_TABLE {
            return Err(truncated("the header", SECTION_TABLE as u64));
        }
        let length = u64_at(bytes, LENGTH);
        if length != bytes.len() as u64 {
            return Err(ReadError::Length {
                header: length,
                found: bytes.len() as u64,
            });
        }
        let count = u32_at(bytes, SECTION_COUNT);
        let end = SECTION_TABLE as u64 + u64::from(count) * ENTRY_BYTES as u64;
        if count > MAX_SECTIONS || end > bytes.len() as u64 {
            return Err(truncated("the table of sections", end));
        }
        let table = &bytes[SECTION_TABLE..end as usize];
        let sections = table
            .chunks_exact(ENTRY_BYTES)
            .map(|entry| section(bytes, entry));
        Ok(Container {
            header: Header {
                timestamp: u64_at(bytes, TIMESTAMP),
                mode: u16_at(bytes, MODE),
                platform: text(&bytes[PLATFORM..PLATFORM + PLATFORM_BYTES]),
            },
            uuid: array(bytes, UUID),
            sections: sections.collect::<Result<_, _>>()?,
        })
    }

    /// The first section of a kind, which is the one that XRT takes.
    pub fn section(&self, kind: u32) -> Option<&'a [u8]> {
        let found = self.sections.iter().find(|(k, _)| *k == kind);
        found.map(|(_, data)| *data)
    }
}

/// The bytes of a section.
fn section<'a>(bytes: &'a [u8], entry: &[u8]) -> Result<(u32, &'a [u8]), ReadError> {
    let kind = u32_at(entry, 0);
    let (offset, size) = (u64_at(entry, ENTRY_OFFSET), u64_at(entry, ENTRY_SIZE));
    let range = || {
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(usize::try_from(size).ok()?)?;
        bytes.get(start..end)
    };
    let data = range().ok_or_else(|| ReadError::SectionRange {
        section: kind.to_string(),
        offset,
        size,
        file: bytes.len() as u64,
    })?;
    Ok((kind, data))
}

/// A container with `sections`. The uuid follows from everything else, so equal contents are equal bytes.
pub fn container(header: &Header, sections: &[(u32, Vec<u8>)]) -> Result<Vec<u8>, WriteError> {
    check_text("platform", &header.platform, PLATFORM_BYTES)?;
    let mut bytes = vec![0; SECTION_TABLE + ENTRY_BYTES * sections.len()];
    for (i, (kind, data)) in sections.iter().enumerate() {
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        let entry = SECTION_TABLE + ENTRY_BYTES * i;
        let offset = bytes.len() as u64;
        put(&mut bytes, entry, &kind.to_le_bytes());
        put(&mut bytes, entry + ENTRY_OFFSET, &offset.to_le_bytes());
        let size = data.len() as u64;
        put(&mut bytes, entry + ENTRY_SIZE, &size.to_le_bytes());
        bytes.extend(data);
    }
    let length = bytes.len() as u64;
    put(&mut bytes, 0, MAGIC);
    put(&mut bytes, SIGNATURE_LENGTH, &(-1i32).to_le_bytes());
    bytes[RESERVED].fill(0xff);
    put(&mut bytes, LENGTH, &length.to_le_bytes());
    put(&mut bytes, TIMESTAMP, &header.timestamp.to_le_bytes());
    put(&mut bytes, VERSION, &CONTAINER_VERSION);
    put(&mut bytes, MODE, &header.mode.to_le_bytes());
    put(&mut bytes, PLATFORM, header.platform.as_bytes());
    let count = sections.len() as u32;
    put(&mut bytes, SECTION_COUNT, &count.to_le_bytes());
    let uuid = uuid_of(&bytes);
    put(&mut bytes, UUID, &uuid);
    Ok(bytes)
}

/// A uuid of version 8 (RFC 9562: the maker's own) from a hash of the bytes.
fn uuid_of(bytes: &[u8]) -> [u8; 16] {
    let mut uuid: [u8; 16] = array(&Sha256::digest(bytes), 0);
    uuid[6] = uuid[6] & 0x0f | 0x80;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    uuid
}

/// Whether a text fits a field of `bytes` with its closing zero.
pub fn check_text(what: &'static str, text: &str, bytes: usize) -> Result<(), WriteError> {
    if text.len() < bytes && !text.contains('\0') {
        return Ok(());
    }
    Err(WriteError::Text {
        what,
        text: text.to_string(),
        limit: bytes - 1,
    })
}
