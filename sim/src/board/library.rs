//! A Verilated board loaded from its shared library, behind one safe call a clock cycle.

use std::ffi::{c_char, c_int, CStr};
use std::path::Path;
use std::ptr::NonNull;

use libloading::{Library, Symbol};

use crate::error::SimError;

/// `Board` of shim.cpp; only ever behind a pointer.
#[repr(C)]
struct Opaque {
    _private: [u8; 0],
}

/// The pins of the board but its clock; `Pins` of shim.cpp.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct BoardPins {
    /// The button, high when pressed.
    pub reset: bool,
    /// Serial line to the board.
    pub rx: bool,
    /// Serial line from the board.
    pub tx: bool,
}

impl Default for BoardPins {
    /// Nothing pressed, lines at rest.
    fn default() -> Self {
        BoardPins {
            reset: false,
            rx: true,
            tx: true,
        }
    }
}

type OpenFn = unsafe extern "C" fn() -> *mut Opaque;
type StepFn = unsafe extern "C" fn(*mut Opaque, *mut BoardPins) -> c_int;
type MessageFn = unsafe extern "C" fn(*const Opaque) -> *const c_char;
type CloseFn = unsafe extern "C" fn(*mut Opaque);

/// One instance of a Verilated board.
pub struct BoardSimulation {
    board: NonNull<Opaque>,
    step: StepFn,
    message: MessageFn,
    close: CloseFn,
    /// Holds the code of the functions above in memory; dropped after `close` has run.
    _library: Library,
}

// SAFETY: a board has a VerilatedContext of its own and keeps no thread-local state between calls;
// `&mut self` on every call keeps it to one thread at a time.
unsafe impl Send for BoardSimulation {}

impl BoardSimulation {
    /// Loads a library built from `shim.cpp`, and makes one board.
    pub fn open(path: &Path) -> Result<Self, SimError> {
        let failed = |reason: String| SimError::Load {
            path: path.to_path_buf(),
            reason,
        };
        let loading = |e: libloading::Error| failed(e.to_string());
        // SAFETY: the library comes from our own build of Verilated code and shim.cpp, whose
        // initialisers touch nothing outside themselves.
        let library = unsafe { Library::new(path) }.map_err(loading)?;
        // SAFETY: the signatures are those of shim.cpp, whose text is part of the library's cache
        // key; the symbols are copied to plain function pointers, which `_library` outlives.
        let (open, step, message, close) = unsafe {
            let open: Symbol<OpenFn> = library.get(b"tercet_board_open\0").map_err(loading)?;
            let step: Symbol<StepFn> = library.get(b"tercet_board_step\0").map_err(loading)?;
            let message: Symbol<MessageFn> =
                library.get(b"tercet_board_message\0").map_err(loading)?;
            let close: Symbol<CloseFn> = library.get(b"tercet_board_close\0").map_err(loading)?;
            (*open, *step, *message, *close)
        };
        // SAFETY: the function takes nothing.
        let board = NonNull::new(unsafe { open() })
            .ok_or_else(|| failed("the board could not be made".to_string()))?;
        Ok(BoardSimulation {
            board,
            step,
            message,
            close,
            _library: library,
        })
    }

    /// One clock cycle: applies `reset` and `rx`, sets `tx` as it stands just before the rising edge. The error is
    /// what Verilator says when the model stops itself.
    pub fn step(&mut self, pins: &mut BoardPins) -> Result<(), String> {
        // SAFETY: the board is alive until drop, and `BoardPins` has the layout of the shim's struct of three
        // bools. The shim writes `tx` from a 1-bit signal, so it stays a valid bool.
        let status = unsafe { (self.step)(self.board.as_ptr(), pins) };
        if status == 0 {
            return Ok(());
        }
        // SAFETY: the shim returns a C string that lives until its next call; it is copied here.
        let message = unsafe { CStr::from_ptr((self.message)(self.board.as_ptr())) };
        Err(message.to_string_lossy().into_owned())
    }
}

impl Drop for BoardSimulation {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `open` and is closed once, here, before the library goes.
        unsafe { (self.close)(self.board.as_ptr()) }
    }
}
