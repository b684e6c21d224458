//! A compute unit and its registers.

use std::ffi::c_int;
use std::sync::Arc;

use super::{c_string, check, handle, Card, Handle, XrtError};

/// A compute unit of a card, for this process alone, so that its registers may be read.
pub struct Kernel {
    pub(super) card: Arc<Card>,
    pub(super) handle: Handle,
    pub(super) name: String,
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
    pub(super) fn group(&self, argument: u32) -> Result<u32, XrtError> {
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

/// A name that XRT has for a compute unit.
pub fn unit_name(kernel: &str, unit: usize) -> String {
    format!("{kernel}:{{{kernel}_{}}}", unit + 1)
}
