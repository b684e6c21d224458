//! An open card.

use std::path::Path;
use std::sync::Arc;

use super::{c_string, check, handle, Handle, Xrt, XrtError, OPEN_BY_BDF};
use crate::device::xrt::CardId;

/// An open card.
pub struct Card {
    pub(super) xrt: Arc<Xrt>,
    pub(super) handle: Handle,
    pub(super) uuid: [u8; 16],
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
