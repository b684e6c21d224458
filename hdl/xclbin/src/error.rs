//! Why an image is not read or not written.

use std::io;
use std::path::PathBuf;

/// Why bytes are no image.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system refused.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
    /// A folder or a device.
    #[error("{} is no ordinary file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Larger than any image.
    #[error("{bytes} bytes: expected at most {limit}, the largest image that is read")]
    TooLarge {
        /// Bytes of the file.
        bytes: u64,
        /// The most that is read.
        limit: u64,
    },
    /// It does not open as images do.
    #[error("no xclbin: it opens with {found:02x?}, expected \"xclbin2\" and a zero byte")]
    Magic {
        /// The first bytes.
        found: Vec<u8>,
    },
    /// It ends inside its header or section table.
    #[error("the file ends after {found} bytes, expected {expected} for {what}; is it a part of an image?")]
    Truncated {
        /// What does not fit.
        what: &'static str,
        /// Bytes it needs, from the start of the file.
        expected: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// The header gives another length than the file has.
    #[error("the header says {header} bytes, the file has {found}; is it a part of an image?")]
    Length {
        /// Bytes by the header.
        header: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// A section lies outside the file.
    #[error("section {section}: {size} bytes from {offset} do not lie in a file of {file}")]
    SectionRange {
        /// The section.
        section: String,
        /// Where it begins.
        offset: u64,
        /// Its bytes.
        size: u64,
        /// Bytes of the file.
        file: u64,
    },
    /// A section has another number of records than it says.
    #[error("section {section}: {found} bytes, too short for its {count} records")]
    Count {
        /// The section.
        section: &'static str,
        /// Records by its head.
        count: i64,
        /// Its bytes.
        found: usize,
    },
    /// More of something than any image has.
    #[error("{found} {what}: expected at most {limit}")]
    TooMany {
        /// What.
        what: &'static str,
        /// How many.
        found: usize,
        /// The most.
        limit: usize,
    },
    /// A connection names a compute unit or a memory that is not there.
    #[error("a connection names {what} {index}: there are {there}")]
    Index {
        /// `compute unit` or `memory`.
        what: &'static str,
        /// Its index.
        index: i32,
        /// How many there are.
        there: usize,
    },
    /// The XML of the kernels cannot be understood.
    #[error("section EMBEDDED_METADATA: {0}")]
    Metadata(String),
    /// The key-values cannot be understood.
    #[error("section KEYVALUE_METADATA: {0}")]
    KeyValues(String),
}

/// Why an image is not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A text is longer than its field, or has a zero byte.
    #[error("{what} {text:?}: expected at most {limit} bytes, none of them zero")]
    Text {
        /// What it names.
        what: &'static str,
        /// The text.
        text: String,
        /// Bytes that fit.
        limit: usize,
    },
    /// More or fewer compute units than an emulated card has room for.
    #[error("{found} compute units: expected 1 to {limit}")]
    ComputeUnits {
        /// How many were asked for.
        found: usize,
        /// The most.
        limit: usize,
    },
    /// A clock that is not a whole number of MHz in its field.
    #[error("a clock of {hz} Hz: expected 1 to 65535 MHz")]
    Clock {
        /// The clock asked for.
        hz: f64,
    },
    /// A memory whose size has no place in its field.
    #[error("memory {tag}: {bytes} bytes, expected whole KiB")]
    MemorySize {
        /// The memory.
        tag: String,
        /// Its bytes.
        bytes: u64,
    },
    /// A connection names a memory that is not there.
    #[error("{instance} is connected to memory {index}: there are {there}")]
    Index {
        /// The compute unit.
        instance: String,
        /// Index of the memory.
        index: usize,
        /// How many there are.
        there: usize,
    },
    /// A name has a character that the sections cannot hold.
    #[error("the image could not be read again: {0}")]
    Unreadable(ReadError),
    /// Arguments are not in the order of their ids, or a name has a character that the sections cannot hold.
    #[error("the image would not say what was asked for: arguments out of order, or names with control characters or colons")]
    Changed,
    /// Two compute units of one kernel differ in arguments or ports, for which an image has one table.
    #[error("compute units of {kernel} differ in their arguments or ports")]
    Kernels {
        /// The kernel.
        kernel: String,
    },
    /// The operating system refused.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
}
