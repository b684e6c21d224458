//! Memory of a card.

use std::ffi::c_int;
use std::sync::Arc;

use super::{check, handle, Functions, Handle, Kernel, XrtError};

/// Flag of a buffer that stays in host memory (`XCL_BO_FLAGS_HOST_ONLY`).
const HOST_ONLY: u64 = 1 << 29;

/// Directions of a transfer (`xclBOSyncDirection`).
const TO_DEVICE: c_int = 0;
const FROM_DEVICE: c_int = 1;

/// Memory of a card with its shadow in the host's.
pub struct Buffer {
    kernel: Arc<Kernel>,
    pub(super) handle: Handle,
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
