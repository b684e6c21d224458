//! The C API of XRT, loaded at run time.
//!
//! | module | concern |
//! |---|---|
//! | [`card`] | an open card |
//! | [`kernel`] | a compute unit and its registers |
//! | [`buffer`] | memory of a card |
//! | [`run`] | launches |
//! | [`error`] | what a call returned |
//!
//! Signatures stand here and nowhere else. Everything above these modules is safe: a handle is owned by one value,
//! which gives it back when it is dropped, and every return code becomes an error that names the call.

pub mod buffer;
pub mod card;
pub mod error;
pub mod kernel;
pub mod run;

use std::ffi::{c_char, c_int, c_uint, c_void, CString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libloading::{Library, Symbol};

pub use buffer::Buffer;
pub use card::Card;
pub use error::XrtError;
pub use kernel::{unit_name, Kernel};
pub use run::Run;

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
