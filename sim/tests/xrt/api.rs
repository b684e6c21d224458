//! The calls of XRT that the tests make, by name from a library.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::path::Path;

use libloading::Library;

pub type Handle = *mut c_void;

/// State of a run that has ended well.
pub const COMPLETED: c_int = 4;

macro_rules! api {
    ($($field:ident = $name:literal: fn($($argument:ty),*) -> $result:ty;)*) => {
        /// XRT's functions.
        pub struct Xrt {
            $(pub $field: unsafe extern "C" fn($($argument),*) -> $result,)*
            pub run_set_arg: unsafe extern "C" fn(Handle, c_int, ...) -> c_int,
        }

        impl Xrt {
            /// Loads the library for the rest of the process.
            pub fn load(path: &Path) -> Self {
                // SAFETY: XRT's constructors only read the environment, and no other thread writes it.
                let library = unsafe { Library::new(path) };
                let library = Box::leak(Box::new(library.unwrap_or_else(|e| panic!("{e}"))));
                Xrt {
                    // SAFETY: the types are those of XRT's headers, and the library stays.
                    $($field: *unsafe { library.get($name) }.expect("a function of XRT"),)*
                    // SAFETY: as above.
                    run_set_arg: *unsafe { library.get(b"xrtRunSetArg") }.expect("xrtRunSetArg"),
                }
            }
        }
    };
}

api! {
    device_open = b"xrtDeviceOpen": fn(c_uint) -> Handle;
    device_close = b"xrtDeviceClose": fn(Handle) -> c_int;
    load_xclbin = b"xrtDeviceLoadXclbinFile": fn(Handle, *const c_char) -> c_int;
    uuid = b"xrtDeviceGetXclbinUUID": fn(Handle, *mut u8) -> c_int;
    kernel_open = b"xrtPLKernelOpen": fn(Handle, *const u8, *const c_char) -> Handle;
    kernel_open_exclusive = b"xrtPLKernelOpenExclusive": fn(Handle, *const u8, *const c_char) -> Handle;
    kernel_close = b"xrtKernelClose": fn(Handle) -> c_int;
    group_id = b"xrtKernelArgGroupId": fn(Handle, c_int) -> c_int;
    arg_offset = b"xrtKernelArgOffset": fn(Handle, c_int) -> u32;
    read_register = b"xrtKernelReadRegister": fn(Handle, u32, *mut u32) -> c_int;
    write_register = b"xrtKernelWriteRegister": fn(Handle, u32, u32) -> c_int;
    bo_alloc = b"xrtBOAlloc": fn(Handle, usize, u64, c_uint) -> Handle;
    bo_free = b"xrtBOFree": fn(Handle) -> c_int;
    bo_address = b"xrtBOAddress": fn(Handle) -> u64;
    bo_map = b"xrtBOMap": fn(Handle) -> *mut c_void;
    bo_sync = b"xrtBOSync": fn(Handle, c_int, usize, usize) -> c_int;
    run_open = b"xrtRunOpen": fn(Handle) -> Handle;
    run_start = b"xrtRunStart": fn(Handle) -> c_int;
    run_wait_for = b"xrtRunWaitFor": fn(Handle, c_uint) -> c_int;
    run_state = b"xrtRunState": fn(Handle) -> c_int;
    run_close = b"xrtRunClose": fn(Handle) -> c_int;
}
