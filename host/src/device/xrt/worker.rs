//! The process that makes XRT's calls.
//!
//! In hardware emulation one call is made at a time: with two threads XRT 2.13 loses a run now and then.

use std::fs;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::library::{Card, Xrt};
use super::message::{receive, send, Open, Reply, Request};
use super::unit::Unit;

/// Time for handing back what XRT holds, once nobody asks any more.
const GRACE: Duration = Duration::from_secs(10);

/// Set for this process in hardware emulation.
pub const EMULATION: &str = "TERCET_XRT_EMULATION";

/// The card, once a unit has asked for it.
type SharedCard = Mutex<Option<Arc<Card>>>;

/// Serves `units` connections to the socket until all are closed.
pub fn serve(socket: &Path, units: usize) -> io::Result<()> {
    let folder = socket.parent().map(Path::to_path_buf);
    let (over, is_over) = mpsc::channel();
    let own = folder.clone();
    thread::spawn(move || end_with_parent(own, over));
    let one_by_one = std::env::var_os(EMULATION).map(|_| Mutex::new(()));
    let card = SharedCard::default();
    let served = thread::scope(|scope| {
        let threads: Vec<_> = (0..units)
            .map(|_| scope.spawn(|| serve_unit(socket, &card, one_by_one.as_ref())))
            .collect();
        let outcomes = threads.into_iter().map(|t| match t.join() {
            Ok(outcome) => outcome,
            Err(_) => Err(io::Error::other("a thread ended early")),
        });
        outcomes.collect::<io::Result<()>>()
    });
    // Who asked may have been killed; if not, they remove it too. They are told of an error at once.
    let time = match served {
        Ok(()) => GRACE,
        Err(_) => Duration::from_millis(100),
    };
    if let (Ok(()), Some(folder)) = (is_over.recv_timeout(time), folder) {
        let _ = fs::remove_dir_all(folder);
    }
    served
}

/// Ends this process some time after its standard input: a call that hangs must not outlive who asked. The
/// folder they worked in is removed then, in case who asked could not.
fn end_with_parent(folder: Option<PathBuf>, over: Sender<()>) {
    let mut rest = Vec::new();
    // An error is an end too.
    let _ = io::stdin().read_to_end(&mut rest);
    let _ = over.send(());
    thread::sleep(GRACE);
    if let Some(folder) = folder {
        let _ = fs::remove_dir_all(folder);
    }
    // Not by `exit`, which has XRT close the card, and that may hang.
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}

fn serve_unit(socket: &Path, card: &SharedCard, one_by_one: Option<&Mutex<()>>) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket).inspect_err(|_| {
        // Who asked has been killed meanwhile.
        let _ = socket.parent().map(fs::remove_dir_all);
    })?;
    let Some(request) = receive(&mut stream)? else {
        return Ok(());
    };
    let opened = match request {
        Request::Open(what) => open(card, &what),
        other => Err(format!("{other:?} before a unit is open")),
    };
    let (mut unit, identity) = match opened {
        Ok(opened) => opened,
        Err(reason) => return send(&mut stream, &Reply::Failed(reason)),
    };
    send(&mut stream, &Reply::Opened(identity))?;
    let mut answer_all = || {
        while let Some(request) = receive(&mut stream)? {
            let turn = one_by_one.map(|turns| turns.lock());
            let reply = unit.answer(request);
            drop(turn);
            if let Some(reply) = reply {
                send(&mut stream, &reply)?;
            }
        }
        Ok(())
    };
    let answered = answer_all();
    let _turn = one_by_one.map(|turns| turns.lock());
    let abandoned = unit.abandon(GRACE / 2).map_err(io::Error::other);
    answered.and(abandoned.map(|_| ()))
}

/// XRT's emulation leaves a log beside this program, wherever it is told to leave the rest.
struct EmulationLog(Option<PathBuf>);

impl EmulationLog {
    fn new() -> Self {
        let emulated = std::env::var_os(EMULATION).is_some();
        let program = std::env::current_exe().ok().filter(|_| emulated);
        let log = program.map(|p| p.with_file_name("emulation_debug.log"));
        // One that was there is somebody else's.
        EmulationLog(log.filter(|log| !log.exists()))
    }
}

impl Drop for EmulationLog {
    fn drop(&mut self) {
        if let Some(log) = &self.0 {
            // If it was not made there is nothing to remove.
            let _ = fs::remove_file(log);
        }
    }
}

fn open(card: &SharedCard, what: &Open) -> Result<(Unit, super::message::Identity), String> {
    let mut shared = card.lock().map_err(|_| "the card's thread ended early")?;
    let card = match &*shared {
        Some(card) => card.clone(),
        None => {
            let _log = EmulationLog::new();
            let open = || Card::open(&Xrt::load(&what.library)?, &what.card, &what.xclbin);
            let card = open().map_err(|e: super::library::XrtError| e.to_string())?;
            shared.insert(card).clone()
        }
    };
    Unit::open(&card, what.unit, what.host_memory)
}
