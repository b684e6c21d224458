//! What a host does with a card, in calls of XRT: a product in launch mode, then products through a ring, all
//! compared with scalar arithmetic, with what the kernel counted.

use std::ffi::{c_int, c_uint, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tercet_contract::arguments as args;
use tercet_contract::command::COMMAND_BYTES;
use tercet_contract::{layout, registers as map, Command, Geometry};
use tercet_xclbin::Xclbin;

use crate::api::{Handle, Xrt, COMPLETED};

const ROWS: usize = 24;
const K: usize = 300;

/// Offsets in the data buffer.
const RECORDS: usize = 0;
const ENTRIES: u32 = 4;
const COMPLETION: usize = 1024;
const ACTIVATIONS: usize = 2048;
const RESULTS: usize = 4096;
const DATA_BYTES: usize = 8192;

const TO_DEVICE: c_int = 0;
const FROM_DEVICE: c_int = 1;

/// How long a host waits for what takes the simulation a moment.
const PATIENCE: Duration = Duration::from_secs(60);

/// A buffer, mapped.
struct Buffer<'a> {
    xrt: &'a Xrt,
    handle: Handle,
    map: *mut u8,
    bytes: usize,
}

impl<'a> Buffer<'a> {
    fn new(xrt: &'a Xrt, device: Handle, bytes: usize, group: c_int) -> Self {
        // SAFETY: the device is open.
        let handle = unsafe { (xrt.bo_alloc)(device, bytes, 0, group as c_uint) };
        assert!(!handle.is_null(), "xrtBOAlloc in group {group}");
        // SAFETY: the buffer is there until it is freed.
        let map = unsafe { (xrt.bo_map)(handle) }.cast::<u8>();
        assert!(!map.is_null(), "xrtBOMap");
        Buffer {
            xrt,
            handle,
            map,
            bytes,
        }
    }

    fn address(&self) -> u64 {
        // SAFETY: the buffer is there.
        unsafe { (self.xrt.bo_address)(self.handle) }
    }

    fn sync(&self, direction: c_int, at: usize, bytes: usize) {
        // SAFETY: the buffer is there; XRT checks the range.
        let code = unsafe { (self.xrt.bo_sync)(self.handle, direction, bytes, at) };
        assert_eq!(code, 0, "xrtBOSync {direction} {bytes} at {at}");
    }

    fn write(&self, at: usize, bytes: &[u8]) {
        assert!(at + bytes.len() <= self.bytes);
        // SAFETY: within the mapping, which XRT does not touch between two calls.
        unsafe {
            self.map
                .add(at)
                .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len())
        };
        self.sync(TO_DEVICE, at, bytes.len());
    }

    fn read(&self, at: usize, bytes: usize) -> Vec<u8> {
        assert!(at + bytes <= self.bytes);
        self.sync(FROM_DEVICE, at, bytes);
        let mut read = vec![0; bytes];
        // SAFETY: as in `write`.
        unsafe {
            self.map
                .add(at)
                .copy_to_nonoverlapping(read.as_mut_ptr(), bytes)
        };
        read
    }
}

impl Drop for Buffer<'_> {
    fn drop(&mut self) {
        // SAFETY: the buffer is not used any more.
        unsafe { (self.xrt.bo_free)(self.handle) };
    }
}

/// An open kernel.
struct Kernel<'a> {
    xrt: &'a Xrt,
    handle: Handle,
}

impl Kernel<'_> {
    fn read(&self, offset: u32) -> u32 {
        let mut value = 0;
        // SAFETY: the kernel is open, and the word lives through the call.
        let code = unsafe { (self.xrt.read_register)(self.handle, offset, &mut value) };
        assert_eq!(code, 0, "xrtKernelReadRegister {offset:#x}");
        value
    }

    fn read64(&self, offset: u32) -> u64 {
        let (high, low) = (self.read(offset + 4), self.read(offset));
        assert_eq!(high, self.read(offset + 4), "a counter in between");
        u64::from(high) << 32 | u64::from(low)
    }

    fn write(&self, offset: u32, value: u32) {
        // SAFETY: the kernel is open.
        let code = unsafe { (self.xrt.write_register)(self.handle, offset, value) };
        assert_eq!(code, 0, "xrtKernelWriteRegister {offset:#x}");
    }
}

/// What a run is started with besides its buffers.
struct Start {
    count: u32,
    mode: u32,
    completion: u64,
    command: [u8; COMMAND_BYTES],
}

/// Opens a run with all its arguments, and starts it.
fn start(kernel: &Kernel<'_>, weights: &Buffer<'_>, data: &Buffer<'_>, with: &Start) -> Handle {
    let xrt = kernel.xrt;
    let set = xrt.run_set_arg;
    // SAFETY: kernel and buffers are there, and every argument has the type that the kernel declares.
    unsafe {
        let run = (xrt.run_open)(kernel.handle);
        assert!(!run.is_null(), "xrtRunOpen");
        let id = |id: u32| id as c_int;
        let mut codes = vec![
            set(run, id(args::WEIGHTS), weights.handle),
            set(run, id(args::DATA), data.handle),
            set(run, id(args::LIST), RECORDS as u64),
            set(run, id(args::COUNT), with.count),
            set(run, id(args::MODE), with.mode),
            set(run, id(args::COMPLETION), with.completion),
            set(run, id(args::TAIL), 0u32),
        ];
        let words = with.command.chunks_exact(8);
        for (i, word) in (0..args::COMMAND_ARGUMENTS).zip(words) {
            let word = u64::from_le_bytes(word.try_into().unwrap());
            codes.push(set(run, id(args::COMMAND + i), word));
        }
        assert!(
            codes.iter().all(|code| *code == 0),
            "xrtRunSetArg {codes:?}"
        );
        assert_eq!((xrt.run_start)(run), 0, "xrtRunStart");
        run
    }
}

/// A random product and its sums.
struct Product {
    weights: Vec<u8>,
    x: Vec<u8>,
    sums: Vec<u8>,
}

impl Product {
    fn random(geometry: &Geometry, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let trits: Vec<i8> = (0..ROWS * K).map(|_| rng.random_range(-1..=1)).collect();
        let x: Vec<i8> = (0..K).map(|_| rng.random()).collect();
        let sums = tercet_sim::simulate::scalar_gemv(&trits, &x);
        Product {
            weights: layout::pack_matrix(geometry, ROWS, K, &trits),
            x: x.iter().map(|x| *x as u8).collect(),
            sums: sums.iter().flat_map(|y| y.to_le_bytes()).collect(),
        }
    }
}

/// Runs everything, and reports what may be worth knowing. Panics where a card or XRT does not do what it must.
pub fn run(library: &Path, image: &Path) -> Vec<String> {
    let mut report = Vec::new();
    let mut clock = Instant::now();
    let mut tell = |what: &str| {
        report.push(format!("{what}: {:?}", clock.elapsed()));
        clock = Instant::now();
    };
    let xrt = Xrt::load(library);
    let image_read = Xclbin::read(image).unwrap();
    let geometry = image_read.contents().geometry().unwrap();
    assert_eq!(geometry.batch(), 1, "results without gaps");
    let name = image_read.contents().compute_units[0].open_name();
    let (path, name) = (
        CString::new(image.as_os_str().as_bytes()).unwrap(),
        CString::new(name).unwrap(),
    );
    let mut uuid = [0; 16];
    // SAFETY: every handle is checked, and what is pointed to lives through the calls.
    let (device, kernel) = unsafe {
        let device = (xrt.device_open)(0);
        assert!(!device.is_null(), "xrtDeviceOpen");
        tell("open");
        assert_eq!((xrt.load_xclbin)(device, path.as_ptr()), 0, "load");
        tell("load");
        assert_eq!((xrt.uuid)(device, uuid.as_mut_ptr()), 0, "uuid");
        let open = match std::env::var_os("TERCET_XRT_SHARED") {
            None => xrt.kernel_open_exclusive,
            Some(_) => xrt.kernel_open,
        };
        let kernel = open(device, uuid.as_ptr(), name.as_ptr());
        assert!(!kernel.is_null(), "xrtPLKernelOpenExclusive");
        (device, kernel)
    };
    assert_eq!(uuid, image_read.uuid().0);
    tell("kernel");
    let kernel = Kernel {
        xrt: &xrt,
        handle: kernel,
    };
    for argument in args::arguments() {
        // SAFETY: the kernel is open.
        let offset = unsafe { (xrt.arg_offset)(kernel.handle, argument.id as c_int) };
        assert_eq!(offset, argument.offset, "{}", argument.name);
    }
    assert_eq!(kernel.read(map::MAGIC), map::MAGIC_VALUE);
    assert_eq!(kernel.read(map::GEOMETRY), map::geometry_word(&geometry));
    uptime(&kernel, &image_read);
    tell("identified");

    // SAFETY: the kernel is open.
    let group = |id: u32| unsafe { (xrt.group_id)(kernel.handle, id as c_int) };
    let product = Product::random(&geometry, 5);
    let weights = Buffer::new(&xrt, device, product.weights.len(), group(args::WEIGHTS));
    let data = Buffer::new(&xrt, device, DATA_BYTES, group(args::DATA));
    weights.write(0, &product.weights);
    data.write(0, &[0xa5; DATA_BYTES]);
    data.write(ACTIVATIONS, &product.x);
    tell("buffers");

    launch(&kernel, &weights, &data, &product);
    tell("launch");
    ring(&kernel, &weights, &data, &product, &mut tell);

    drop(weights);
    drop(data);
    // SAFETY: nothing made from them is used any more.
    unsafe {
        assert_eq!((xrt.kernel_close)(kernel.handle), 0, "xrtKernelClose");
        tell("end of the kernel");
        assert_eq!((xrt.device_close)(device), 0, "xrtDeviceClose");
    }
    tell("close");
    report
}

/// Two reads and a wall clock give the clock that the image names, within what a busy machine allows.
fn uptime(kernel: &Kernel<'_>, image: &Xclbin) {
    let started = Instant::now();
    let before = kernel.read64(map::UPTIME);
    std::thread::sleep(Duration::from_millis(20));
    let after = kernel.read64(map::UPTIME);
    let elapsed = started.elapsed();
    let mhz = f64::from(image.contents().clock_mhz().unwrap());
    let counted = Duration::from_secs_f64((after - before) as f64 / (mhz * 1e6));
    assert!(counted <= elapsed, "{counted:?} counted in {elapsed:?}");
    assert!(counted >= Duration::from_millis(20), "{counted:?} counted");
}

fn command(geometry: &Geometry, results: usize) -> Command {
    Command::gemv(geometry, ROWS, K, 0, ACTIVATIONS as u64, results as u64).unwrap()
}

fn geometry_of(kernel: &Kernel<'_>) -> Geometry {
    let word = kernel.read(map::GEOMETRY);
    let all = Geometry::all();
    *all.iter().find(|g| map::geometry_word(g) == word).unwrap()
}

/// One command through the registers.
fn launch(kernel: &Kernel<'_>, weights: &Buffer<'_>, data: &Buffer<'_>, product: &Product) {
    let geometry = geometry_of(kernel);
    let with = Start {
        count: 1,
        mode: map::MODE_IMMEDIATE,
        completion: 0,
        command: command(&geometry, RESULTS).to_bytes(),
    };
    let run = start(kernel, weights, data, &with);
    end(kernel.xrt, run);
    assert_eq!(data.read(RESULTS, 4 * ROWS), product.sums, "launch");
    assert_eq!(kernel.read(map::ERROR), 0);
    assert_eq!(kernel.read(map::COMMANDS_DONE), 1);
    let beats = (ROWS * geometry.row_beats(K)) as u64;
    assert_eq!(kernel.read64(map::WEIGHT_BEATS), beats);
    assert!(kernel.read64(map::CYCLES) > beats);
}

/// Commands through a ring that wraps around, while one run is under way.
fn ring(
    kernel: &Kernel<'_>,
    weights: &Buffer<'_>,
    data: &Buffer<'_>,
    product: &Product,
    tell: &mut dyn FnMut(&str),
) {
    let geometry = geometry_of(kernel);
    data.write(COMPLETION, &[0; 4]);
    data.write(RESULTS, &[0xa5; 4 * ROWS]);
    let with = Start {
        count: ENTRIES,
        mode: map::MODE_RING,
        completion: data.address() + COMPLETION as u64,
        command: [0; COMMAND_BYTES],
    };
    let run = start(kernel, weights, data, &with);
    // SAFETY: the run is there.
    let state = unsafe { (kernel.xrt.run_state)(run) };
    tell(&format!("ring started, state {state}"));
    let commands = 6;
    for i in 0..commands {
        let results = RESULTS + 256 * i as usize;
        let record = command(&geometry, results).to_bytes();
        dispatch(kernel, data, i, &record);
        assert_eq!(data.read(results, 4 * ROWS), product.sums, "command {i}");
    }
    tell("ring dispatches");
    assert_eq!(kernel.read(map::COMMANDS_DONE), commands);
    // SAFETY: the run is there.
    let state = unsafe { (kernel.xrt.run_state)(run) };
    tell(&format!("state under way {state}"));
    assert_ne!(state, COMPLETED);
    submit(kernel, data, commands, &Command::stop().to_bytes());
    end(kernel.xrt, run);
    tell("ring stopped");
    let beats = (ROWS * geometry.row_beats(K)) as u64;
    assert_eq!(
        kernel.read64(map::WEIGHT_BEATS),
        beats * u64::from(commands)
    );
    assert_eq!(kernel.read(map::ERROR), 0);
}

/// Waits for the end of a run, and closes it. The state is polled: under XRT's software scheduler `xrtRunWaitFor` does
/// not look at its timeout.
fn end(xrt: &Xrt, run: Handle) {
    let started = Instant::now();
    // SAFETY: the run is there until it is closed.
    unsafe {
        while (xrt.run_state)(run) != COMPLETED {
            assert!(started.elapsed() < PATIENCE, "a run that does not end");
            std::thread::sleep(Duration::from_micros(100));
        }
        let state = (xrt.run_wait_for)(run, PATIENCE.as_millis() as c_uint);
        assert_eq!(state, COMPLETED, "xrtRunWaitFor");
        assert_eq!((xrt.run_close)(run), 0, "xrtRunClose");
    }
}

/// Writes a record and rings the doorbell.
fn submit(kernel: &Kernel<'_>, data: &Buffer<'_>, index: u32, record: &[u8]) {
    let slot = (index % ENTRIES) as usize;
    data.write(RECORDS + COMMAND_BYTES * slot, record);
    kernel.write(map::TAIL, index + 1);
}

/// Submits a command and polls the completion word.
fn dispatch(kernel: &Kernel<'_>, data: &Buffer<'_>, index: u32, record: &[u8]) {
    submit(kernel, data, index, record);
    let started = Instant::now();
    loop {
        let word = data.read(COMPLETION, 4);
        let done = u32::from_le_bytes(word.try_into().unwrap());
        if done == index + 1 {
            return;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "{done} of {} complete",
            index + 1
        );
        if index == 0 {
            // `xrtRunStart` only queues the start, which writes 0 to the doorbell: it may have come after ours.
            kernel.write(map::TAIL, 1);
        }
    }
}
