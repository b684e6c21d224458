//! The C API of XRT, loaded at run time.
//!
//! The only file with its signatures. Everything above it is safe: a handle is owned by one value, which
//! gives it back when it is dropped, and every return code becomes an error that names the call.

use std::ffi::{c_char, c_int, c_uint, c_void, CString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use libloading::{Library, Symbol};
use serde::{Deserialize, Serialize};

/// Why XRT did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum XrtError {
    /// There is no such library, or it does not load.
    #[error("XRT cannot be loaded from {}: {reason}", path.display())]
    Library {
        /// What was tried.
        path: PathBuf,
        /// What the loader said.
        reason: String,
    },
    /// The library lacks a function.
    #[error("{}: no function `{name}`: expected XRT 2.13 or later", path.display())]
    Symbol {
        /// The library.
        path: PathBuf,
        /// The function.
        name: &'static str,
    },
    /// A call returned an error code.
    #[error("{call} failed with code {code}{}", meaning(*code))]
    Code {
        /// Function and what it was called with.
        call: String,
        /// What it returned.
        code: i32,
    },
    /// A call that makes a handle made none.
    #[error("{call} gave no handle{hint}")]
    NoHandle {
        /// Function and what it was called with.
        call: String,
        /// What usually causes it, with a leading `: `.
        hint: &'static str,
    },
    /// A name with a zero byte.
    #[error("{0:?}: a zero byte in a name")]
    Name(PathBuf),
    /// More bytes than the buffer has.
    #[error("{bytes} bytes at {offset} of a buffer of {size} bytes")]
    Range {
        /// First byte.
        offset: usize,
        /// How many.
        bytes: usize,
        /// Bytes of the buffer.
        size: usize,
    },
}

/// ` (Invalid argument)` of a negative errno.
fn meaning(code: i32) -> String {
    match code {
        i32::MIN..0 => {
            let e = std::io::Error::from_raw_os_error(code.saturating_neg());
            format!(" ({e})")
        }
        _ => String::new(),
    }
}

type Handle = *mut c_void;

macro_rules! functions {
    ($($field:ident: $name:literal, fn($($argument:ty),* $(; $variadic:tt)?) $(-> $result:ty)?;)*) => {
        /// Functions of the library.
        struct Functions {
            $($field: unsafe extern "C" fn($($argument),* $(, $variadic)?) $(-> $result)?,)*
        }

        // The reason is given below; clippy does not see it inside a macro.
        #[allow(clippy::undocumented_unsafe_blocks)]
        impl Functions {
            fn load(library: &Library, path: &Path) -> Result<Self, XrtError> {
                Ok(Functions {
                    $($field: {
                        // SAFETY: the signature is that of xrt.h, unchanged since XRT 2.8. The pointer is
                        // used only as long as `Xrt` holds the library.
                        let symbol: Result<Symbol<unsafe extern "C" fn($($argument),* $(, $variadic)?) $(-> $result)?>, _> =
                            unsafe { library.get(concat!($name, "\0").as_bytes()) };
                        *symbol.map_err(|_| XrtError::Symbol { path: path.to_path_buf(), name: $name })?
                    },)*
                })
            }
        }
    };
}

functions! {
    device_open: "xrtDeviceOpen", fn(c_uint) -> Handle;
    device_close: "xrtDeviceClose", fn(Handle) -> c_int;
    load_xclbin: "xrtDeviceLoadXclbinFile", fn(Handle, *const c_char) -> c_int;
    xclbin_uuid: "xrtDeviceGetXclbinUUID", fn(Handle, *mut u8) -> c_int;
    kernel_open: "xrtPLKernelOpenExclusive", fn(Handle, *const u8, *const c_char) -> Handle;
    kernel_close: "xrtKernelClose", fn(Handle) -> c_int;
    group_id: "xrtKernelArgGroupId", fn(Handle, c_int) -> c_int;
    argument_offset: "xrtKernelArgOffset", fn(Handle, c_int) -> u32;
    read_register: "xrtKernelReadRegister", fn(Handle, u32, *mut u32) -> c_int;
    write_register: "xrtKernelWriteRegister", fn(Handle, u32, u32) -> c_int;
    buffer_alloc: "xrtBOAlloc", fn(Handle, usize, u64, u32) -> Handle;
    buffer_free: "xrtBOFree", fn(Handle) -> c_int;
    buffer_address: "xrtBOAddress", fn(Handle) -> u64;
    buffer_sync: "xrtBOSync", fn(Handle, c_int, usize, usize) -> c_int;
    buffer_write: "xrtBOWrite", fn(Handle, *const c_void, usize, usize) -> c_int;
    buffer_read: "xrtBORead", fn(Handle, *mut c_void, usize, usize) -> c_int;
    run_open: "xrtRunOpen", fn(Handle) -> Handle;
    run_set: "xrtRunSetArg", fn(Handle, c_int; ...) -> c_int;
    run_start: "xrtRunStart", fn(Handle) -> c_int;
    run_state: "xrtRunState", fn(Handle) -> c_int;
    run_close: "xrtRunClose", fn(Handle) -> c_int;
}

/// State of a run that has ended well (`ERT_CMD_STATE_COMPLETED`).
pub const COMPLETED: i32 = 4;

/// States of a run that has not ended yet: new, queued, running, submitted (`ert_cmd_state`).
const UNDER_WAY: [i32; 4] = [1, 2, 3, 7];

/// Flag of a buffer that stays in host memory (`XCL_BO_FLAGS_HOST_ONLY`).
const HOST_ONLY: u64 = 1 << 29;

/// Directions of a transfer (`xclBOSyncDirection`).
const TO_DEVICE: c_int = 0;
const FROM_DEVICE: c_int = 1;

/// `xrtDeviceOpenByBDF`, which our own library has no use for.
const OPEN_BY_BDF: &str = "xrtDeviceOpenByBDF";
type OpenByBdf = unsafe extern "C" fn(*const c_char) -> Handle;

/// The library.
pub struct Xrt {
    functions: Functions,
    /// Opens a card by its place on the bus.
    open_by_bdf: Option<OpenByBdf>,
    path: PathBuf,
    /// Holds the code of the functions in memory.
    _library: Library,
}

impl Xrt {
    /// Loads the library at a path, or by its name from where the system keeps libraries.
    pub fn load(path: &Path) -> Result<Arc<Self>, XrtError> {
        // SAFETY: the library is XRT's, or our own with the same functions; both are made to be loaded at
        // run time.
        let library = unsafe { Library::new(path) }.map_err(|e| XrtError::Library {
            path: path.to_path_buf(),
            reason: e.to_string(),
        })?;
        // SAFETY: the signature is that of xrt_device.h; the pointer is used only as long as the library is held.
        let open_by_bdf = unsafe { library.get::<OpenByBdf>(OPEN_BY_BDF.as_bytes()) };
        Ok(Arc::new(Xrt {
            open_by_bdf: open_by_bdf.ok().map(|symbol| *symbol),
            path: path.to_path_buf(),
            functions: Functions::load(&library, path)?,
            _library: library,
        }))
    }
}

/// Ok if a call returned 0.
fn check(code: c_int, call: impl FnOnce() -> String) -> Result<(), XrtError> {
    match code {
        0 => Ok(()),
        code => Err(XrtError::Code { call: call(), code }),
    }
}

fn handle(handle: Handle, call: String, hint: &'static str) -> Result<Handle, XrtError> {
    match handle.is_null() {
        false => Ok(handle),
        true => Err(XrtError::NoHandle { call, hint }),
    }
}

fn c_string(text: &str) -> Result<CString, XrtError> {
    CString::new(text).map_err(|_| XrtError::Name(text.into()))
}

/// Which card of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CardId {
    /// By its number, from 0.
    Index(u32),
    /// By its place on the bus: `0000:65:00.1`.
    Bdf(String),
}

impl fmt::Display for CardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CardId::Index(index) => write!(f, "{index}"),
            CardId::Bdf(bdf) => f.write_str(bdf),
        }
    }
}

impl FromStr for CardId {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        if let Ok(index) = s.parse() {
            return Ok(CardId::Index(index));
        }
        let is_bdf = s.contains(':')
            && s.chars()
                .all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '.'));
        match is_bdf {
            true => Ok(CardId::Bdf(s.to_string())),
            false => Err(format!(
                "card `{s}`: expected a number from 0 or a place on the bus such as 0000:65:00.1"
            )),
        }
    }
}

/// An open card.
pub struct Card {
    xrt: Arc<Xrt>,
    handle: Handle,
    uuid: [u8; 16],
}

// SAFETY: XRT's handles may be used from any thread; each call locks what it shares.
unsafe impl Send for Card {}
// SAFETY: as above.
unsafe impl Sync for Card {}

impl Card {
    /// Opens a card and loads an image onto it.
    pub fn open(xrt: &Arc<Xrt>, id: &CardId, xclbin: &Path) -> Result<Arc<Self>, XrtError> {
        let f = &xrt.functions;
        let opened = match id {
            // SAFETY: no pointer is passed.
            CardId::Index(index) => unsafe { (f.device_open)(*index) },
            CardId::Bdf(bdf) => {
                let bdf = c_string(bdf)?;
                let open = xrt.open_by_bdf.ok_or_else(|| XrtError::Symbol {
                    path: xrt.path.clone(),
                    name: OPEN_BY_BDF,
                })?;
                // SAFETY: the text ends with a zero byte.
                unsafe { open(bdf.as_ptr()) }
            }
        };
        let opened = handle(
            opened,
            format!("opening card {id}"),
            ": there is no such card, or its driver is not loaded",
        )?;
        let mut card = Card {
            xrt: xrt.clone(),
            handle: opened,
            uuid: [0; 16],
        };
        let path = xclbin
            .to_str()
            .ok_or_else(|| XrtError::Name(xclbin.into()))?;
        let name = c_string(path)?;
        // SAFETY: the handle is open, and the name ends with a zero byte.
        let code = unsafe { (f.load_xclbin)(card.handle, name.as_ptr()) };
        check(code, || format!("xrtDeviceLoadXclbinFile({path})"))?;
        // SAFETY: the handle is open, and the UUID has room for its 16 bytes.
        let code = unsafe { (f.xclbin_uuid)(card.handle, card.uuid.as_mut_ptr()) };
        check(code, || "xrtDeviceGetXclbinUUID".to_string())?;
        Ok(Arc::new(card))
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        // SAFETY: the handle is open and closed only here. There is nobody to tell of an error.
        unsafe { (self.xrt.functions.device_close)(self.handle) };
    }
}

/// A compute unit of a card, for this process alone, so that its registers may be read.
pub struct Kernel {
    card: Arc<Card>,
    handle: Handle,
    name: String,
}

// SAFETY: as for `Card`.
unsafe impl Send for Kernel {}
// SAFETY: as for `Card`.
unsafe impl Sync for Kernel {}

impl Kernel {
    /// Opens the unit that is named as in the image: `kernel:{kernel_1}`.
    pub fn open(card: &Arc<Card>, name: &str) -> Result<Arc<Self>, XrtError> {
        let c_name = c_string(name)?;
        let f = &card.xrt.functions;
        // SAFETY: the card is open, its UUID has 16 bytes, and the name ends with a zero byte.
        let opened = unsafe { (f.kernel_open)(card.handle, card.uuid.as_ptr(), c_name.as_ptr()) };
        let opened = handle(
            opened,
            format!("xrtPLKernelOpenExclusive({name})"),
            ": the image has no such compute unit, or another process has it",
        )?;
        Ok(Arc::new(Kernel {
            card: card.clone(),
            handle: opened,
            name: name.to_string(),
        }))
    }

    /// Memory group of a buffer argument.
    fn group(&self, argument: u32) -> Result<u32, XrtError> {
        // SAFETY: the handle is open.
        let group = unsafe { (self.card.xrt.functions.group_id)(self.handle, argument as c_int) };
        u32::try_from(group).map_err(|_| XrtError::Code {
            call: format!("xrtKernelArgGroupId({}, {argument})", self.name),
            code: group,
        })
    }

    /// Register offset of an argument.
    pub fn argument_offset(&self, argument: u32) -> u32 {
        // SAFETY: the handle is open.
        unsafe { (self.card.xrt.functions.argument_offset)(self.handle, argument as c_int) }
    }

    /// Reads a register.
    pub fn read(&self, offset: u32) -> Result<u32, XrtError> {
        let mut value = 0;
        // SAFETY: the handle is open, and there is room for the value.
        let code =
            unsafe { (self.card.xrt.functions.read_register)(self.handle, offset, &mut value) };
        check(code, || {
            format!("xrtKernelReadRegister({}, {offset:#05x})", self.name)
        })?;
        Ok(value)
    }

    /// Writes a register.
    pub fn write(&self, offset: u32, value: u32) -> Result<(), XrtError> {
        // SAFETY: the handle is open.
        let code = unsafe { (self.card.xrt.functions.write_register)(self.handle, offset, value) };
        check(code, || {
            format!("xrtKernelWriteRegister({}, {offset:#05x})", self.name)
        })
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        // SAFETY: the handle is open and closed only here.
        unsafe { (self.card.xrt.functions.kernel_close)(self.handle) };
    }
}

/// Memory of a card with its shadow in the host's.
pub struct Buffer {
    kernel: Arc<Kernel>,
    handle: Handle,
    size: usize,
}

// SAFETY: as for `Card`; a buffer is used through `&mut` or `&` of one owner.
unsafe impl Send for Buffer {}

impl Buffer {
    /// Memory for a buffer argument of a kernel, in a bank that the kernel reaches.
    pub fn new(
        kernel: &Arc<Kernel>,
        argument: u32,
        size: usize,
        host_only: bool,
    ) -> Result<Self, XrtError> {
        let group = kernel.group(argument)?;
        let flags = if host_only { HOST_ONLY } else { 0 };
        let card = &kernel.card;
        // SAFETY: the card is open.
        let made = unsafe { (card.xrt.functions.buffer_alloc)(card.handle, size, flags, group) };
        let made = handle(
            made,
            format!("xrtBOAlloc({size} bytes in group {group})"),
            ": the bank may be too small",
        )?;
        Ok(Buffer {
            kernel: kernel.clone(),
            handle: made,
            size,
        })
    }

    /// Address on the card's bus.
    pub fn address(&self) -> u64 {
        // SAFETY: the handle is open.
        unsafe { (self.functions().buffer_address)(self.handle) }
    }

    /// Writes bytes and transfers them to the card.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) -> Result<(), XrtError> {
        self.check_range(offset, bytes.len())?;
        let f = self.functions();
        // SAFETY: the handle is open and has room for the bytes (checked).
        let code =
            unsafe { (f.buffer_write)(self.handle, bytes.as_ptr().cast(), bytes.len(), offset) };
        check(code, || format!("xrtBOWrite({} bytes)", bytes.len()))?;
        self.sync(TO_DEVICE, offset, bytes.len())
    }

    /// Transfers bytes from the card and reads them.
    pub fn read(&mut self, offset: usize, bytes: &mut [u8]) -> Result<(), XrtError> {
        self.check_range(offset, bytes.len())?;
        self.sync(FROM_DEVICE, offset, bytes.len())?;
        let f = self.functions();
        // SAFETY: the handle is open and has the bytes (checked).
        let code =
            unsafe { (f.buffer_read)(self.handle, bytes.as_mut_ptr().cast(), bytes.len(), offset) };
        check(code, || format!("xrtBORead({} bytes)", bytes.len()))
    }

    fn sync(&self, direction: c_int, offset: usize, bytes: usize) -> Result<(), XrtError> {
        // SAFETY: the handle is open, and the range is within the buffer (the callers' check).
        let code = unsafe { (self.functions().buffer_sync)(self.handle, direction, bytes, offset) };
        check(code, || match direction {
            TO_DEVICE => format!("xrtBOSync(to the card, {bytes} bytes)"),
            _ => format!("xrtBOSync(from the card, {bytes} bytes)"),
        })
    }

    fn check_range(&self, offset: usize, bytes: usize) -> Result<(), XrtError> {
        match offset.checked_add(bytes) {
            Some(end) if end <= self.size => Ok(()),
            _ => Err(XrtError::Range {
                offset,
                bytes,
                size: self.size,
            }),
        }
    }

    fn functions(&self) -> &Functions {
        &self.kernel.card.xrt.functions
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the handle is open and freed only here.
        unsafe { (self.functions().buffer_free)(self.handle) };
    }
}

/// A command of a kernel, reused from launch to launch.
pub struct Run {
    kernel: Arc<Kernel>,
    handle: Handle,
}

// SAFETY: as for `Buffer`.
unsafe impl Send for Run {}

impl Run {
    /// A run without arguments.
    pub fn new(kernel: &Arc<Kernel>) -> Result<Self, XrtError> {
        // SAFETY: the kernel is open.
        let opened = unsafe { (kernel.card.xrt.functions.run_open)(kernel.handle) };
        let opened = handle(opened, format!("xrtRunOpen({})", kernel.name), "")?;
        Ok(Run {
            kernel: kernel.clone(),
            handle: opened,
        })
    }

    /// Sets a buffer argument.
    pub fn set_buffer(&mut self, argument: u32, buffer: &Buffer) -> Result<(), XrtError> {
        // SAFETY: run and buffer are open; XRT takes a handle for an argument that is a pointer.
        let code =
            unsafe { (self.functions().run_set)(self.handle, argument as c_int, buffer.handle) };
        self.check_set(code, argument)
    }

    /// Sets an argument of 64 bits.
    pub fn set_u64(&mut self, argument: u32, value: u64) -> Result<(), XrtError> {
        // SAFETY: the run is open; the argument's size in the image is eight bytes (the contract's check).
        let code = unsafe { (self.functions().run_set)(self.handle, argument as c_int, value) };
        self.check_set(code, argument)
    }

    /// Sets an argument of 32 bits.
    pub fn set_u32(&mut self, argument: u32, value: u32) -> Result<(), XrtError> {
        // SAFETY: as above, with four bytes.
        let code = unsafe { (self.functions().run_set)(self.handle, argument as c_int, value) };
        self.check_set(code, argument)
    }

    fn check_set(&self, code: c_int, argument: u32) -> Result<(), XrtError> {
        check(code, || format!("xrtRunSetArg({argument})"))
    }

    /// Starts the kernel with these arguments.
    pub fn start(&mut self) -> Result<(), XrtError> {
        // SAFETY: the run is open.
        let code = unsafe { (self.functions().run_start)(self.handle) };
        check(code, || "xrtRunStart".to_string())
    }

    /// Whether the run has ended well. Waiting is left to the caller: in hardware emulation XRT 2.13 waits for
    /// ever, whatever time it is given.
    pub fn is_done(&mut self) -> Result<bool, XrtError> {
        // SAFETY: the run is open.
        let code = unsafe { (self.functions().run_state)(self.handle) };
        self.ended(code)
    }

    fn ended(&self, state: i32) -> Result<bool, XrtError> {
        match state {
            COMPLETED => Ok(true),
            state if UNDER_WAY.contains(&state) => Ok(false),
            code => Err(XrtError::Code {
                call: format!("a run of {} (state)", self.kernel.name),
                code,
            }),
        }
    }

    fn functions(&self) -> &Functions {
        &self.kernel.card.xrt.functions
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // SAFETY: the handle is open and closed only here.
        unsafe { (self.functions().run_close)(self.handle) };
    }
}

/// A name that XRT has for a compute unit.
pub fn unit_name(kernel: &str, unit: usize) -> String {
    format!("{kernel}:{{{kernel}_{}}}", unit + 1)
}
