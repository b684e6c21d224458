use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rustix::pty::{grantpt, openpt, ptsname, unlockpt, OpenptFlags};
use tercet_contract::layout::{align, pack_matrix};
use tercet_sim::board::{LineFaults, SerialBoard, SerialServer};

use super::*;

fn options(path: &Path, seconds: f64) -> SerialOptions {
    SerialOptions {
        path: path.to_path_buf(),
        timeout: Duration::from_secs_f64(seconds),
    }
}

fn geometry() -> Geometry {
    GEOMETRY.parse().unwrap()
}

fn error(options: &SerialOptions) -> String {
    let opened = SerialDevice::open(options, &geometry());
    opened.err().expect("no board").to_string()
}

/// A terminal that nobody answers on; its other end is returned.
fn silent() -> (OwnedFd, PathBuf) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    (master, PathBuf::from(name.into_string().unwrap()))
}

#[test]
fn a_port_that_is_none_is_named() {
    let missing = error(&options(Path::new("/dev/no-such-port"), 1.0));
    assert!(missing.contains("/dev/no-such-port"), "{missing}");
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = error(&options(file.path(), 1.0));
    assert!(text.contains(&*file.path().to_string_lossy()), "{text}");
}

#[test]
fn silence_ends_with_what_was_asked() {
    let (_master, path) = silent();
    let text = error(&options(&path, 0.5));
    assert!(
        text.contains("no answer from the board") && text.contains("opening a session"),
        "{text}"
    );
}

#[test]
fn noise_without_a_board_is_no_answer() {
    let (master, path) = silent();
    let mut master = std::fs::File::from(master);
    let noise = std::thread::spawn(move || {
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..100 {
            let bytes: Vec<u8> = (0..100).map(|_| rng.random()).collect();
            if master.write_all(&bytes).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        master
    });
    let text = error(&options(&path, 0.5));
    assert!(text.contains("no answer from the board"), "{text}");
    drop(noise.join().unwrap());
}

/// A random product of `n` rows, and its exact sums.
struct Product {
    weights: Vec<u8>,
    codes: Vec<u8>,
    sums: Vec<i32>,
}

fn product(rng: &mut StdRng, n: usize, k: usize) -> Product {
    let trits: Vec<i8> = (0..n * k).map(|_| rng.random_range(-1..=1)).collect();
    let codes: Vec<i8> = (0..k).map(|_| rng.random()).collect();
    let sum = |row: &[i8]| {
        row.iter()
            .zip(&codes)
            .map(|(w, x)| i32::from(*w) * i32::from(*x))
            .sum()
    };
    Product {
        weights: pack_matrix(&geometry(), n, k, &trits),
        sums: trits.chunks(k).map(sum).collect(),
        codes: codes.iter().map(|c| *c as u8).collect(),
    }
}

/// Several commands over a line with `faults`; what happened on it, and how often the board was reset.
fn commands(faults: LineFaults) -> (LinkCounts, u64, u64) {
    let server = SerialServer::start(SerialBoard::open().unwrap(), &faults).unwrap();
    let g = geometry();
    let mut device = SerialDevice::open(&options(server.path(), 60.0), &g).unwrap();
    assert_eq!(
        (device.tier(), device.is_simulated()),
        (Tier::CycleAccurate, true)
    );
    let mut rng = StdRng::seed_from_u64(3);
    let (n, k) = (48, 300);
    let products: Vec<Product> = (0..4).map(|_| product(&mut rng, n, k)).collect();
    let mut weights = Vec::new();
    let starts: Vec<usize> = products
        .iter()
        .map(|p| {
            let at = weights.len();
            weights.extend(&p.weights);
            weights.resize(align(weights.len()), 0);
            at
        })
        .collect();
    let results = align(g.vector_stride(k));
    let data = vec![0; results + align(4 * n)];
    device.load(&weights, &data).unwrap();
    for (p, start) in products.iter().zip(starts) {
        device.write(0, &p.codes).unwrap();
        let command = Command::gemv(&g, n, k, start as u64, 0, results as u64).unwrap();
        let counters = device.launch(&command, 0, 1).unwrap();
        assert_eq!(counters.weight_beats, (n * g.row_beats(k)) as u64);
        let mut bytes = vec![0; 4 * n];
        device.read(results as u64, &mut bytes).unwrap();
        let sums: Vec<i32> = bytes
            .chunks_exact(4)
            .map(|b| i32::from_le_bytes(b.try_into().unwrap()))
            .collect();
        assert_eq!(sums, p.sums);
    }
    let counts = device.counts();
    let (damaged, resets) = (server.damaged(), server.resets());
    server.stop().unwrap();
    (counts, damaged, resets)
}

#[test]
fn commands_are_exact() {
    let (counts, damaged, resets) = commands(LineFaults::default());
    assert_eq!((counts.sessions, damaged, resets), (1, 0, 0));
}

#[test]
fn commands_are_exact_on_a_bad_line_and_after_resets() {
    let (counts, damaged, resets) = commands(LineFaults {
        seed: 5,
        flipped_per_million: 150,
        lost_per_million: 150,
        inserted_per_million: 150,
        // While weights are loaded, and while commands run.
        resets_at: vec![4_000, 16_000],
    });
    assert!(damaged > 2 && counts.retries > 0, "{damaged} {counts:?}");
    assert_eq!(resets, 2);
    assert!(counts.sessions >= 2, "{counts:?}");
}

#[test]
fn a_run_that_was_killed_leaves_nothing_for_the_next_one() {
    let board = SerialBoard::open().unwrap();
    let server = SerialServer::start(board, &LineFaults::default()).unwrap();
    let g = geometry();
    let open = || SerialDevice::open(&options(server.path(), 10.0), &g).unwrap();
    let (n, k) = (20, 128);
    let p = product(&mut StdRng::seed_from_u64(4), n, k);
    let results = align(g.vector_stride(k));
    let data = vec![0; results + align(4 * n)];
    let command = Command::gemv(&g, n, k, 0, 0, results as u64).unwrap();
    let mut first = open();
    first.load(&p.weights, &data).unwrap();
    first.launch(&command, 0, 1).unwrap();
    // A ring that nobody ends: the kernel waits for commands for ever.
    first
        .link
        .write_registers(map::MODE, &[map::MODE_RING])
        .unwrap();
    first
        .link
        .write_registers(map::CTRL, &[map::CTRL_START])
        .unwrap();
    let ctrl = first.link.read_registers(map::CTRL, 1).unwrap();
    assert_eq!(ctrl[0] & map::CTRL_IDLE, 0);
    drop(first);

    let mut second = open();
    second.load(&p.weights, &data).unwrap();
    second.write(0, &p.codes).unwrap();
    let counters = second.launch(&command, 0, 1).unwrap();
    assert_eq!(counters.weight_beats, (n * g.row_beats(k)) as u64);
    let mut bytes = vec![0; 4 * n];
    second.read(results as u64, &mut bytes).unwrap();
    let sums = bytes
        .chunks_exact(4)
        .map(|b| i32::from_le_bytes(b.try_into().unwrap()));
    assert_eq!(sums.collect::<Vec<_>>(), p.sums);
}

#[test]
fn what_does_not_fit_is_told_with_what_is_short() {
    let board = SerialBoard::open().unwrap();
    let server = SerialServer::start(board, &LineFaults::default()).unwrap();
    let g = geometry();
    let mut device = SerialDevice::open(&options(server.path(), 60.0), &g).unwrap();
    let text = device.load(&vec![0; (256 << 10) + 1], &[]).unwrap_err();
    assert!(text.to_string().contains("1 bytes too many"), "{text}");
    device.load(&[0; 64], &vec![0; 64 << 10]).unwrap();
    let command = Command::gemv(&g, 8192, 64, 0, 0, 64).unwrap();
    let text = device.launch(&command, 0, 1).unwrap_err().to_string();
    assert!(text.contains("room for 32768"), "{text}");
    // A command that the kernel refuses ends with the kernel's reason.
    let mut command = Command::gemv(&g, 1, 64, 0, 0, 64).unwrap();
    command.row_beats += 1;
    let text = device.launch(&command, 0, 1).unwrap_err().to_string();
    assert!(text.contains("stopped at command 0"), "{text}");
    let busy = SerialDevice::open(&options(server.path(), 1.0), &g);
    assert!(busy.err().unwrap().to_string().contains("another process"));
    drop(device);
    let other = "128-b3".parse().unwrap();
    let text = SerialDevice::open(&options(server.path(), 60.0), &other)
        .err()
        .unwrap();
    assert!(text.to_string().contains("--geometry 128-b2"), "{text}");
}
