//! The calls of XRT that the test makes.

use std::ffi::{c_char, c_int, c_uint, c_void, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use libloading::{Library, Symbol};
use tercet_contract::arguments::{arguments, ArgumentKind};
use tercet_xclbin::{Uuid, Xclbin};

pub const LIBRARY: &str = "libxrt_coreutil.so.2";

type Handle = *mut c_void;

/// A function of the library.
fn symbol<'a, F>(library: &'a Library, name: &str) -> Symbol<'a, F> {
    // SAFETY: the types below are those of XRT's headers.
    unsafe { library.get(name.as_bytes()) }.unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Loads the image, opens every compute unit, asks for its arguments and runs it once.
pub fn report(library: &Path, image: &Path) -> Vec<String> {
    // SAFETY: XRT's constructors only read the environment, and no other thread writes it.
    let library = unsafe { Library::new(library) }.unwrap();
    let units = Xclbin::read(image)
        .unwrap()
        .contents()
        .compute_units
        .clone();
    let device_open = symbol::<unsafe extern "C" fn(c_uint) -> Handle>(&library, "xrtDeviceOpen");
    let device_close = symbol::<unsafe extern "C" fn(Handle) -> c_int>(&library, "xrtDeviceClose");
    let load = symbol::<unsafe extern "C" fn(Handle, *const c_char) -> c_int>(
        &library,
        "xrtDeviceLoadXclbinFile",
    );
    let get_uuid = symbol::<unsafe extern "C" fn(Handle, *mut u8) -> c_int>(
        &library,
        "xrtDeviceGetXclbinUUID",
    );
    let path = CString::new(image.as_os_str().as_bytes()).unwrap();
    let mut uuid = [0; 16];
    // SAFETY: the signatures are those of the headers, and the arrays live through the calls.
    let device = unsafe { device_open(0) };
    assert!(!device.is_null(), "xrtDeviceOpen");
    // SAFETY: as above.
    assert_eq!(unsafe { load(device, path.as_ptr()) }, 0, "load");
    // SAFETY: as above; a uuid is 16 bytes.
    assert_eq!(unsafe { get_uuid(device, uuid.as_mut_ptr()) }, 0, "uuid");
    let mut lines = vec![format!("uuid {}", Uuid(uuid))];
    for cu in &units {
        lines.push(format!("cu {}", cu.instance));
        lines.extend(compute_unit(&library, device, &uuid, &cu.open_name()));
    }
    // SAFETY: the device is open, and everything made from it is closed.
    assert_eq!(unsafe { device_close(device) }, 0, "close");
    lines
}

fn compute_unit(library: &Library, device: Handle, uuid: &[u8; 16], name: &str) -> Vec<String> {
    let open = symbol::<unsafe extern "C" fn(Handle, *const u8, *const c_char) -> Handle>(
        library,
        "xrtPLKernelOpen",
    );
    let close = symbol::<unsafe extern "C" fn(Handle) -> c_int>(library, "xrtKernelClose");
    let group =
        symbol::<unsafe extern "C" fn(Handle, c_int) -> c_int>(library, "xrtKernelArgGroupId");
    let offset =
        symbol::<unsafe extern "C" fn(Handle, c_int) -> u32>(library, "xrtKernelArgOffset");
    let c_name = CString::new(name).unwrap();
    // SAFETY: the device is open; uuid and name live through the call.
    let kernel = unsafe { open(device, uuid.as_ptr(), c_name.as_ptr()) };
    assert!(!kernel.is_null(), "xrtPLKernelOpen {name}");
    let mut lines = Vec::new();
    let mut groups = Vec::new();
    for argument in arguments() {
        let id = argument.id as c_int;
        let buffer = matches!(argument.kind, ArgumentKind::Buffer { .. });
        // SAFETY: the kernel is open.
        let (at, of) = unsafe { (offset(kernel, id), buffer.then(|| group(kernel, id))) };
        let text = of.map_or("none".to_string(), |of| of.to_string());
        lines.push(format!("{id} {text} {at:#x}"));
        groups.extend(of.map(|group| group as c_uint));
    }
    lines.push(format!("run {}", run(library, device, kernel, &groups)));
    // SAFETY: the kernel is open, its run is closed.
    assert_eq!(unsafe { close(kernel) }, 0, "xrtKernelClose");
    lines
}

/// Allocates a buffer in each group, sets every argument, runs, and returns the state of the run.
fn run(library: &Library, device: Handle, kernel: Handle, groups: &[c_uint]) -> c_int {
    let alloc =
        symbol::<unsafe extern "C" fn(Handle, usize, u64, c_uint) -> Handle>(library, "xrtBOAlloc");
    let free = symbol::<unsafe extern "C" fn(Handle) -> c_int>(library, "xrtBOFree");
    let open = symbol::<unsafe extern "C" fn(Handle) -> Handle>(library, "xrtRunOpen");
    let set = symbol::<unsafe extern "C" fn(Handle, c_int, ...) -> c_int>(library, "xrtRunSetArg");
    let start = symbol::<unsafe extern "C" fn(Handle) -> c_int>(library, "xrtRunStart");
    let wait = symbol::<unsafe extern "C" fn(Handle) -> c_int>(library, "xrtRunWait");
    let close = symbol::<unsafe extern "C" fn(Handle) -> c_int>(library, "xrtRunClose");
    // SAFETY: device and kernel are open, every handle is checked before its use, and an argument is passed in the
    // type that the kernel declares for it.
    unsafe {
        let buffers: Vec<Handle> = groups.iter().map(|&g| alloc(device, 4096, 0, g)).collect();
        assert!(buffers.iter().all(|b| !b.is_null()), "xrtBOAlloc");
        let run = open(kernel);
        assert!(!run.is_null(), "xrtRunOpen");
        let mut rest = buffers.iter();
        for argument in arguments() {
            let id = argument.id as c_int;
            let code = match argument.kind {
                ArgumentKind::Buffer { .. } => set(run, id, *rest.next().expect("one each")),
                ArgumentKind::Scalar { bits: 64 } => set(run, id, 0u64),
                ArgumentKind::Scalar { .. } => set(run, id, 0u32),
            };
            assert_eq!(code, 0, "xrtRunSetArg {id}");
        }
        assert_eq!(start(run), 0, "xrtRunStart");
        let state = wait(run);
        assert_eq!(close(run), 0, "xrtRunClose");
        for buffer in buffers {
            assert_eq!(free(buffer), 0, "xrtBOFree");
        }
        state
    }
}
