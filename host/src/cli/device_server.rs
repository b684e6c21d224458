use std::fs;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{bail, Context};
use rustix::fs::{fstat, FileType};
use tercet::simulate::{MemoryKind, DEFAULT_CLOCK_MHZ};
use tercet_contract::Geometry;
use tercet_sim::server::{serve, End};
use tercet_sim::{Card, CardConfig, CardFaults, MemoryTiming, TimedFault};
use tercet_xclbin::{control_base, Xclbin};

use super::args::{geometry, MemoryArg};
use super::output::{announce_build, note, print};
use super::Verdict;

/// Latency of a fixed memory in cycles where none is named.
const DEFAULT_LATENCY: u32 = 128;

/// Be the card of a host that runs in XRT's hardware emulation: the Verilated kernel behind a socket
///
/// Ends when the host closes the device or goes away, when whoever started this closes its stdin, and on a signal.
#[derive(clap::Args)]
pub struct Args {
    /// Device image, which names the kernel and the compute units
    #[arg(long, value_name = "FILE", required_unless_present = "geometry")]
    xclbin: Option<PathBuf>,
    /// Kernel, where there is no image
    #[arg(long, value_name = "GEOMETRY", conflicts_with = "xclbin", value_parser = geometry)]
    geometry: Option<Geometry>,
    /// Compute units, where there is no image
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "xclbin")]
    cus: usize,
    /// Socket to listen on; XRT looks for /tmp/$USER/$EMULATION_SOCKETID
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// What stands behind the memory ports
    #[arg(long, value_enum, default_value = "fixed")]
    memory: MemoryArg,
    /// Latency of fixed memories in clock cycles [default: 128]
    #[arg(long, value_name = "CYCLES")]
    latency: Option<u32>,
    /// Clock of the kernel, by which it counts its uptime and from which hbm and ddr are seen
    /// [default: that of the image, else 250]
    #[arg(long, value_name = "MHZ")]
    clock_mhz: Option<u32>,
    /// Stall the buses at random, from this seed
    #[arg(long, value_name = "SEED")]
    stall_seed: Option<u64>,
    /// Say on stderr what the card refuses
    #[arg(long)]
    verbose: bool,
    #[command(flatten)]
    faults: FaultArgs,
}

/// Faults, for tests of hosts.
#[derive(clap::Args)]
struct FaultArgs {
    /// Memory fault in the first launch of the first compute unit
    #[arg(long, value_name = "KIND@CYCLE", hide = true)]
    fault: Vec<TimedFault>,
    /// Weights do not arrive
    #[arg(long, hide = true)]
    fault_zero_results: bool,
    /// Another kernel than the image says
    #[arg(long, value_name = "GEOMETRY", hide = true, value_parser = geometry)]
    fault_geometry: Option<Geometry>,
    /// UPTIME counts by so many times the clock
    #[arg(long, value_name = "FACTOR", hide = true)]
    fault_clock: Option<f64>,
    /// The card dies after so many requests
    #[arg(long, value_name = "N", hide = true)]
    fault_dies_after: Option<u64>,
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    let config = config(&args)?;
    announce_build(&config.geometry, false)?;
    let mut card = Card::open(&config)?;
    let listener = listen(&args.socket)?;
    let socket = SocketFile(args.socket.clone());
    end_with_stdin(&args.socket)?;
    let path = args.socket.clone();
    ctrlc::set_handler(move || end(&path))?;
    print(&format!("listening on {}\n", args.socket.display()))?;
    let ended = serve(&listener, &mut card, |call, problem| {
        if args.verbose {
            note(format_args!("call {call}: {problem}"));
        }
    });
    drop(socket);
    match ended? {
        End::Closed => Ok(Verdict::Ok),
        End::Disconnected | End::Died if !args.verbose => Ok(Verdict::Ok),
        ended => {
            note(format_args!("the connection ended: {ended:?}"));
            Ok(Verdict::Ok)
        }
    }
}

fn config(args: &Args) -> anyhow::Result<CardConfig> {
    let (geometry, cus, image_mhz) = match (&args.xclbin, args.geometry) {
        (Some(path), _) => image(path)?,
        (None, Some(geometry)) => (geometry, args.cus, None),
        (None, None) => bail!("expected --xclbin or --geometry"),
    };
    let clock_mhz = args.clock_mhz.or(image_mhz).unwrap_or(DEFAULT_CLOCK_MHZ);
    let timing = MemoryTiming {
        model: MemoryKind::from(args.memory).at(clock_mhz),
        stall_seed: args.stall_seed,
        ..MemoryTiming::fixed(args.latency.unwrap_or(DEFAULT_LATENCY))
    };
    Ok(CardConfig {
        timing,
        faults: CardFaults {
            memory: args.faults.fault.clone(),
            zero_results: args.faults.fault_zero_results,
            geometry: args.faults.fault_geometry,
            clock_factor: args.faults.fault_clock,
            dies_after: args.faults.fault_dies_after,
        },
        ..CardConfig::new(geometry, cus, u64::from(clock_mhz) * 1_000_000)
    })
}

/// Kernel, compute units and clock in MHz of a device image for emulation.
fn image(path: &Path) -> anyhow::Result<(Geometry, usize, Option<u32>)> {
    let image = Xclbin::read(path).with_context(|| format!("reading {}", path.display()))?;
    let contents = image.contents();
    let Some(geometry) = contents.geometry() else {
        bail!("{}: the image names no geometry", path.display());
    };
    // Where the card has its registers; the memories follow from that.
    for (cu, unit) in contents.compute_units.iter().enumerate() {
        if unit.base != control_base(cu) {
            bail!(
                "{}: the registers of {} are at {:#x}, those of the emulated card at {:#x}: this is an image for \
                 another card",
                path.display(),
                unit.instance,
                unit.base,
                control_base(cu)
            );
        }
    }
    let cus = contents.compute_units.len();
    Ok((geometry, cus, contents.clock_mhz().map(u32::from)))
}

fn listen(path: &Path) -> anyhow::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    }
    UnixListener::bind(path).with_context(|| format!("listening on {}", path.display()))
}

/// Removed when the server ends.
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Ends the program, whatever the card does.
fn end(socket: &Path) {
    let _ = fs::remove_file(socket);
    process::exit(0);
}

/// Ends the program when a pipe on stdin is closed: whoever started it is gone. Any other stdin says nothing.
fn end_with_stdin(socket: &Path) -> io::Result<()> {
    let stdin = io::stdin();
    let kind = FileType::from_raw_mode(fstat(stdin.as_fd())?.st_mode);
    if matches!(kind, FileType::Fifo | FileType::Socket) {
        let socket = socket.to_path_buf();
        let wait = move || {
            let mut buffer = [0; 64];
            while io::stdin().read(&mut buffer).is_ok_and(|bytes| bytes > 0) {}
            end(&socket);
        };
        std::thread::Builder::new().spawn(wait)?;
    }
    Ok(())
}
