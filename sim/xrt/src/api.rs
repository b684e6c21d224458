//! The C functions, with the signatures of XRT's headers.
//!
//! 0 or a value where it went well; where not, a negative code of the system, or a null handle. A panic inside becomes
//! such a failure too.
//!
//! `xrtRunSetArg` is variadic in XRT. Rust cannot define such functions; in the calling conventions of Linux on x86-64
//! and AArch64 an integer or pointer is passed to both kinds in the same register, so this one takes it as a number.

#![allow(non_snake_case)] // the names are XRT's
#![allow(missing_docs, clippy::missing_safety_doc)] // what they do and ask for is in XRT's headers

use std::ffi::{c_char, c_int, c_uint, c_void, CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::Path;
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use crate::device::{Devices, Errno, RunState};

/// What the functions pass and take.
pub type Handle = *mut c_void;

static DEVICES: LazyLock<Mutex<Devices>> = LazyLock::new(Mutex::default);

fn with<T>(f: impl FnOnce(&mut Devices) -> Result<T, Errno>) -> Result<T, Errno> {
    let guarded = || f(&mut DEVICES.lock().unwrap_or_else(|e| e.into_inner()));
    catch_unwind(AssertUnwindSafe(guarded)).unwrap_or(Err(Errno::Io))
}

fn number(handle: Handle) -> u64 {
    handle.addr() as u64
}

fn handle(result: Result<u64, Errno>) -> Handle {
    result.map_or(std::ptr::null_mut(), |n| {
        std::ptr::without_provenance_mut(n as usize)
    })
}

fn code(result: Result<(), Errno>) -> c_int {
    result.map_or_else(|e| -(e as c_int), |()| 0)
}

fn state(result: Result<RunState, Errno>) -> c_int {
    result.map_or_else(|e| -(e as c_int), |state| state as c_int)
}

/// The text at a pointer that may be null.
///
/// # Safety
/// It ends with a zero byte and lives through the call.
unsafe fn text<'a>(text: *const c_char) -> Result<&'a CStr, Errno> {
    match text.is_null() {
        true => Err(Errno::Invalid),
        // SAFETY: as required above.
        false => Ok(unsafe { CStr::from_ptr(text) }),
    }
}

#[no_mangle]
pub extern "C" fn xrtDeviceOpen(index: c_uint) -> Handle {
    handle(with(|d| d.open(index)))
}

#[no_mangle]
pub extern "C" fn xrtDeviceClose(device: Handle) -> c_int {
    code(with(|d| d.close(number(device))))
}

#[no_mangle]
pub unsafe extern "C" fn xrtDeviceLoadXclbinFile(device: Handle, path: *const c_char) -> c_int {
    // SAFETY: the caller's, by XRT's headers.
    let path = unsafe { text(path) };
    code(with(|d| {
        let path = Path::new(OsStr::from_bytes(path?.to_bytes()));
        d.load(number(device), path)
    }))
}

#[no_mangle]
pub unsafe extern "C" fn xrtDeviceGetXclbinUUID(device: Handle, out: *mut u8) -> c_int {
    code(with(|d| {
        let uuid = d.uuid(number(device))?;
        if out.is_null() {
            return Err(Errno::Invalid);
        }
        // SAFETY: not null, and the caller has 16 bytes there, by XRT's headers.
        unsafe { out.copy_from_nonoverlapping(uuid.as_ptr(), uuid.len()) };
        Ok(())
    }))
}

/// # Safety
/// As of `xrtPLKernelOpen`.
unsafe fn open_kernel(
    device: Handle,
    uuid: *const u8,
    name: *const c_char,
    exclusive: bool,
) -> Handle {
    // SAFETY: the caller's.
    let name = unsafe { text(name) };
    handle(with(|d| {
        if uuid.is_null() {
            return Err(Errno::Invalid);
        }
        // SAFETY: not null, and 16 bytes by XRT's headers; bytes need no alignment.
        let uuid = unsafe { uuid.cast::<[u8; 16]>().read() };
        let name = name?.to_str().map_err(|_| Errno::NoEntry)?;
        d.kernel(number(device), &uuid, name, exclusive)
    }))
}

#[no_mangle]
pub unsafe extern "C" fn xrtPLKernelOpen(
    device: Handle,
    uuid: *const u8,
    name: *const c_char,
) -> Handle {
    // SAFETY: the caller's, by XRT's headers.
    unsafe { open_kernel(device, uuid, name, false) }
}

#[no_mangle]
pub unsafe extern "C" fn xrtPLKernelOpenExclusive(
    device: Handle,
    uuid: *const u8,
    name: *const c_char,
) -> Handle {
    // SAFETY: the caller's, by XRT's headers.
    unsafe { open_kernel(device, uuid, name, true) }
}

#[no_mangle]
pub extern "C" fn xrtKernelClose(kernel: Handle) -> c_int {
    code(with(|d| d.close(number(kernel))))
}

#[no_mangle]
pub extern "C" fn xrtKernelArgGroupId(kernel: Handle, argument: c_int) -> c_int {
    let group = with(|d| d.group(number(kernel), argument));
    group.map_or_else(|e| -(e as c_int), |group| group as c_int)
}

#[no_mangle]
pub extern "C" fn xrtKernelArgOffset(kernel: Handle, argument: c_int) -> u32 {
    with(|d| d.argument_offset(number(kernel), argument)).unwrap_or(u32::MAX)
}

#[no_mangle]
pub unsafe extern "C" fn xrtKernelReadRegister(
    kernel: Handle,
    offset: u32,
    out: *mut u32,
) -> c_int {
    code(with(|d| {
        if out.is_null() {
            return Err(Errno::Invalid);
        }
        let value = d.read_register(number(kernel), offset)?;
        // SAFETY: not null, and the caller's word by XRT's headers.
        unsafe { out.write(value) };
        Ok(())
    }))
}

#[no_mangle]
pub extern "C" fn xrtKernelWriteRegister(kernel: Handle, offset: u32, value: u32) -> c_int {
    code(with(|d| d.write_register(number(kernel), offset, value)))
}

#[no_mangle]
pub extern "C" fn xrtBOAlloc(device: Handle, bytes: usize, _flags: u64, group: c_uint) -> Handle {
    handle(with(|d| d.allocate(number(device), bytes, group)))
}

#[no_mangle]
pub extern "C" fn xrtBOFree(buffer: Handle) -> c_int {
    code(with(|d| d.close(number(buffer))))
}

#[no_mangle]
pub extern "C" fn xrtBOSize(buffer: Handle) -> usize {
    with(|d| d.buffer_bytes(number(buffer))).unwrap_or(0)
}

#[no_mangle]
pub extern "C" fn xrtBOAddress(buffer: Handle) -> u64 {
    with(|d| d.buffer_address(number(buffer))).unwrap_or(u64::MAX)
}

#[no_mangle]
pub extern "C" fn xrtBOMap(buffer: Handle) -> *mut c_void {
    // An address, as pointers cannot go through the lock's result between threads.
    let map = with(|d| Ok(d.buffer_map(number(buffer))?.expose_provenance()));
    map.map_or(std::ptr::null_mut(), std::ptr::with_exposed_provenance_mut)
}

#[no_mangle]
pub extern "C" fn xrtBOSync(
    buffer: Handle,
    direction: c_int,
    bytes: usize,
    offset: usize,
) -> c_int {
    code(with(|d| match direction {
        0 | 1 => d.sync(number(buffer), direction == 0, offset, bytes),
        _ => Err(Errno::Invalid),
    }))
}

#[no_mangle]
pub unsafe extern "C" fn xrtBOWrite(
    buffer: Handle,
    from: *const c_void,
    bytes: usize,
    offset: usize,
) -> c_int {
    code(with(|d| {
        let part = d.part(number(buffer), offset, bytes)?;
        if from.is_null() {
            return Err(Errno::Invalid);
        }
        // SAFETY: the part has `bytes` bytes, and so has the caller's memory by XRT's headers.
        unsafe { part.as_mut_ptr().copy_from(from.cast(), bytes) };
        Ok(())
    }))
}

#[no_mangle]
pub unsafe extern "C" fn xrtBORead(
    buffer: Handle,
    to: *mut c_void,
    bytes: usize,
    offset: usize,
) -> c_int {
    code(with(|d| {
        let part = d.part(number(buffer), offset, bytes)?;
        if to.is_null() {
            return Err(Errno::Invalid);
        }
        // SAFETY: the part has `bytes` bytes, and so has the caller's memory by XRT's headers.
        unsafe { to.cast::<u8>().copy_from(part.as_ptr(), bytes) };
        Ok(())
    }))
}

#[no_mangle]
pub extern "C" fn xrtRunOpen(kernel: Handle) -> Handle {
    handle(with(|d| d.run(number(kernel))))
}

#[no_mangle]
pub extern "C" fn xrtRunSetArg(run: Handle, argument: c_int, value: u64) -> c_int {
    code(with(|d| d.set_argument(number(run), argument, value)))
}

#[no_mangle]
pub extern "C" fn xrtRunStart(run: Handle) -> c_int {
    code(with(|d| d.start(number(run))))
}

/// Polls until the run is not under way any more, or until a time.
fn wait(run: Handle, until: Option<Instant>) -> c_int {
    loop {
        match with(|d| d.state(number(run))) {
            Ok(RunState::Running) => {}
            other => return state(other),
        }
        if until.is_some_and(|until| Instant::now() >= until) {
            return RunState::Timeout as c_int;
        }
        std::thread::yield_now();
    }
}

#[no_mangle]
pub extern "C" fn xrtRunWait(run: Handle) -> c_int {
    wait(run, None)
}

/// 0 ms waits for ever, as in XRT.
#[no_mangle]
pub extern "C" fn xrtRunWaitFor(run: Handle, ms: c_uint) -> c_int {
    let timeout = Duration::from_millis(ms.into());
    wait(run, (ms != 0).then(|| Instant::now() + timeout))
}

#[no_mangle]
pub extern "C" fn xrtRunState(run: Handle) -> c_int {
    state(with(|d| d.state(number(run))))
}

#[no_mangle]
pub extern "C" fn xrtRunClose(run: Handle) -> c_int {
    code(with(|d| d.close(number(run))))
}
