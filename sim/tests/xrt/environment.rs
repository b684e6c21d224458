//! Folders, variables and children for XRT's hardware emulation.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use tempfile::TempDir;
use tercet_xclbin::Xclbin;

const LIBRARY_VARIABLE: &str = "TERCET_XRT_TEST_LIBRARY";
const IMAGE_VARIABLE: &str = "TERCET_XRT_TEST_IMAGE";
const SOCKET_VARIABLE: &str = "TERCET_XRT_TEST_SOCKET";

/// Bytes of a packet of emulated transfers.
const PACKET_BYTES: usize = 0x10000;

/// XRT's library, where it is installed.
pub fn library() -> Option<PathBuf> {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/opt/xilinx/xrt/lib"];
    let library = |folder| Path::new(folder).join("libxrt_coreutil.so.2");
    folders.map(library).into_iter().find(|path| path.is_file())
}

/// Says that nothing was tested.
pub fn missing() {
    let missing = "XRT is missing: apt install libxrt1";
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    eprintln!("SKIPPED, NOT TESTED: {missing}");
}

fn variable(name: &str) -> PathBuf {
    std::env::var_os(name).expect("set by the parent").into()
}

/// Image and socket, as a device is told.
pub fn of_device() -> (PathBuf, PathBuf) {
    (variable(IMAGE_VARIABLE), variable(SOCKET_VARIABLE))
}

/// Library and image, as a host is told.
pub fn of_host() -> (PathBuf, PathBuf) {
    (variable(LIBRARY_VARIABLE), variable(IMAGE_VARIABLE))
}

/// What a child said.
pub fn text(out: &Output) -> String {
    let [stdout, stderr] = [&out.stdout, &out.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{}\n{stdout}{stderr}", out.status)
}

/// What a host and a device have between them. XRT's sockets are in a folder of /tmp named after the user, so each
/// emulation is a user of its own.
pub struct Emulation {
    folder: TempDir,
    user: String,
}

impl Emulation {
    /// Writes the files that XRT reads.
    pub fn new(image: &Xclbin) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("tercet-")
            .tempdir_in("/tmp")
            .unwrap();
        let user = folder
            .path()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .to_string();
        let at = |name: &str| folder.path().join(name);
        image.write(&at("image.xclbin")).unwrap();
        // The first message carries this file: one that is larger than all others works round a fault of XRT 2.13, which
        // keeps its first buffer.
        let pad = "x".repeat(PACKET_BYTES + 256);
        let ini = format!(
            "[Runtime]\nsws=true\n[Emulation]\ndont_run=true\nsystem_dpa=false\nprint_infos_in_console=false\n\
             keep_run_dir=false\npacket_size={PACKET_BYTES:#x}\n[Debug]\npad={pad}\n"
        );
        fs::write(at("xrt.ini"), ini).unwrap();
        let config = r#"{"Version": {"FileVersion": "2.0"}, "Platform": {"Boards": [{"Devices": [
            {"Name": "tercet", "DdrBanks": [{"Size": "8G"}], "FeatureRom": {}}]}]}}"#;
        fs::write(at("emconfig.json"), config).unwrap();
        Emulation { folder, user }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a test of this program as the device, and waits until it listens.
    pub fn device(&self, test: &str) -> Device {
        let mut child = self.child(test).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut lines = out.by_ref().lines().map_while(Result::ok);
        let listens = lines.any(|line| line.contains("listening"));
        assert!(listens, "the device ended");
        Device { child, _out: out }
    }

    /// Runs a test of this program as the host.
    pub fn host(&self, test: &str, library: &Path) -> Output {
        let xrt = self.at("xrt");
        if !xrt.is_dir() {
            fs::create_dir(&xrt).unwrap();
            symlink(library.parent().unwrap(), xrt.join("lib")).unwrap();
        }
        self.child(test)
            .env("XCL_EMULATION_MODE", "hw_emu")
            .env("XILINX_XRT", &xrt)
            .env("USER", &self.user)
            .env("EMULATION_SOCKETID", "card")
            .env("XRT_INI_PATH", self.at("xrt.ini"))
            .env("EMCONFIG_PATH", self.folder.path())
            .env(LIBRARY_VARIABLE, library)
            .output()
            .unwrap()
    }

    fn child(&self, test: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", test, "--ignored", "--nocapture"])
            .env(IMAGE_VARIABLE, self.at("image.xclbin"))
            .env(SOCKET_VARIABLE, self.at("card"))
            .current_dir(self.folder.path())
            // XRT's handler of a fault signals its whole process group.
            .process_group(0);
        command
    }
}

/// A device process, ended when the test is.
pub struct Device {
    child: Child,
    /// Kept open, as the device may print.
    _out: BufReader<ChildStdout>,
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
