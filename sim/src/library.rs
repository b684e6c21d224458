//! A Verilated kernel loaded from its shared library, behind one safe call a clock cycle.

use std::ffi::{c_char, c_int, CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;

use libloading::{Library, Symbol};

use crate::error::SimError;
use crate::pins::Pins;

/// `Kernel` of shim.cpp; only ever behind a pointer.
#[repr(C)]
struct Opaque {
    _private: [u8; 0],
}

type StepFn = unsafe extern "C" fn(*mut Opaque, *mut Pins) -> c_int;
type MessageFn = unsafe extern "C" fn(*const Opaque) -> *const c_char;
type WindowFn = unsafe extern "C" fn(*mut Opaque, u64, u64);
type CloseFn = unsafe extern "C" fn(*mut Opaque);

/// One instance of a Verilated kernel.
pub struct Simulation {
    kernel: NonNull<Opaque>,
    step: StepFn,
    message: MessageFn,
    trace_window: WindowFn,
    end_trace: CloseFn,
    close: CloseFn,
    /// Holds the code of the functions above in memory; dropped after `close` has run.
    _library: Library,
}

// SAFETY: a kernel has a VerilatedContext of its own and keeps no thread-local state between calls;
// `&mut self` on every call keeps it to one thread at a time.
unsafe impl Send for Simulation {}

impl Simulation {
    /// Loads a library built from `shim.cpp`, and makes one kernel. `trace` is the waveform file to
    /// write, for a library that was built to write one.
    pub fn open(path: &Path, trace: Option<&Path>) -> Result<Self, SimError> {
        let failed = |reason: String| SimError::Load {
            path: path.to_path_buf(),
            reason,
        };
        let loading = |e: libloading::Error| failed(e.to_string());
        let trace_name = trace
            .map(|t| CString::new(t.as_os_str().as_bytes()))
            .transpose()
            .map_err(|_| trace_error(trace, "the name has a zero byte"))?;

        // SAFETY: the library comes from our own build of Verilated code and shim.cpp, whose
        // initialisers touch nothing outside themselves.
        let library = unsafe { Library::new(path) }.map_err(loading)?;
        // SAFETY: the signatures are those of shim.cpp, whose text is part of the library's cache
        // key; the symbols are copied to plain function pointers, which `_library` outlives.
        let (pins_bytes, open, step, message, trace_window, end_trace, close) = unsafe {
            let pins_bytes: Symbol<unsafe extern "C" fn() -> u64> =
                library.get(b"tercet_pins_bytes\0").map_err(loading)?;
            let open: Symbol<unsafe extern "C" fn(*const c_char) -> *mut Opaque> =
                library.get(b"tercet_open\0").map_err(loading)?;
            let step: Symbol<StepFn> = library.get(b"tercet_step\0").map_err(loading)?;
            let message: Symbol<MessageFn> = library.get(b"tercet_message\0").map_err(loading)?;
            let trace_window: Symbol<WindowFn> =
                library.get(b"tercet_trace_window\0").map_err(loading)?;
            let end_trace: Symbol<CloseFn> = library.get(b"tercet_end_trace\0").map_err(loading)?;
            let close: Symbol<CloseFn> = library.get(b"tercet_close\0").map_err(loading)?;
            (
                *pins_bytes,
                *open,
                *step,
                *message,
                *trace_window,
                *end_trace,
                *close,
            )
        };

        // SAFETY: the function takes nothing and returns a constant.
        let theirs = unsafe { pins_bytes() };
        if theirs != size_of::<Pins>() as u64 {
            let ours = size_of::<Pins>();
            return Err(failed(format!(
                "its pins take {theirs} bytes, expected {ours}"
            )));
        }
        let name = trace_name.as_ref().map_or(std::ptr::null(), |n| n.as_ptr());
        // SAFETY: `name` is null or a C string that lives until the call returns.
        let kernel = NonNull::new(unsafe { open(name) }).ok_or_else(|| match trace {
            Some(_) => trace_error(trace, "cannot be created"),
            None => failed("the kernel could not be made".to_string()),
        })?;
        Ok(Simulation {
            kernel,
            step,
            message,
            trace_window,
            end_trace,
            close,
            _library: library,
        })
    }

    /// One clock cycle: applies `pins.inputs`, sets `pins.outputs` as they stand just before the
    /// rising edge. The error is what Verilator says when the model stops itself.
    pub fn step(&mut self, pins: &mut Pins) -> Result<(), String> {
        // SAFETY: the kernel is alive until drop, and `Pins` has the layout of the shim's struct
        // (size compared in `open`). The shim writes `bool` fields from 1-bit signals, so they stay
        // valid bools.
        let status = unsafe { (self.step)(self.kernel.as_ptr(), pins) };
        if status == 0 {
            return Ok(());
        }
        // SAFETY: the shim returns a C string that lives until its next call; it is copied here.
        let message = unsafe { CStr::from_ptr((self.message)(self.kernel.as_ptr())) };
        Err(message.to_string_lossy().into_owned())
    }

    /// Draws only the cycles from `from` up to, and without, `until`, counted from the first.
    pub fn trace_window(&mut self, from: u64, until: u64) {
        // SAFETY: the kernel is alive until drop, and the call only writes two of its numbers.
        unsafe { (self.trace_window)(self.kernel.as_ptr(), from, until) }
    }

    /// Ends the waveform, if there is one. What is missing in the file is not told.
    pub fn end_trace(&mut self) {
        // SAFETY: the kernel is alive until drop; a second call finds no waveform and does nothing.
        unsafe { (self.end_trace)(self.kernel.as_ptr()) }
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `open` and is closed once, here, before the library goes.
        unsafe { (self.close)(self.kernel.as_ptr()) }
    }
}

fn trace_error(trace: Option<&Path>, reason: &str) -> SimError {
    SimError::Trace {
        path: trace.map(Path::to_path_buf).unwrap_or_default(),
        reason: reason.to_string(),
    }
}
