//! Launches.

use std::ffi::c_int;
use std::sync::Arc;

use super::{check, handle, Buffer, Functions, Handle, Kernel, XrtError};

/// State of a run that has ended well (`ERT_CMD_STATE_COMPLETED`).
pub const COMPLETED: i32 = 4;

/// States of a run that has not ended yet: new, queued, running, submitted (`ert_cmd_state`).
const UNDER_WAY: [i32; 4] = [1, 2, 3, 7];

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
