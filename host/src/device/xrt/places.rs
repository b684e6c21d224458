//! Where XRT and our own library are, and the folder that a process using them works in.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::HostError;

/// XRT's library, by the name that it has had since 2.3.
const LIBRARY: &str = "libxrt_coreutil.so.2";

/// Our library with the same functions.
const OWN_LIBRARY: &str = "libtercet_xrt_sim.so";

/// Where XRT is installed by AMD's packages and by distributions.
const FOLDERS: [&str; 6] = [
    "/opt/xilinx/xrt/lib",
    "/opt/xilinx/xrt/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
];

/// How the names of our folders begin.
const PREFIX: &str = "tercet-xrt-";

/// Age from which an empty folder of ours is nobody's.
const ORPHAN_AGE: Duration = Duration::from_secs(60);

/// File with the process id of a folder's owner.
const OWNER: &str = "owner";

/// Bytes of the largest message to the emulated card, which is padded to that from the first.
const PACKET_BYTES: usize = 0x1_0000;

/// XRT's library: below `$XILINX_XRT`, or where it is usually installed.
pub fn find_xrt() -> Result<PathBuf, HostError> {
    let own = env::var_os("XILINX_XRT").map(|root| PathBuf::from(root).join("lib"));
    let folders: Vec<PathBuf> = own.into_iter().chain(FOLDERS.map(PathBuf::from)).collect();
    let found = folders.iter().map(|f| f.join(LIBRARY)).find(|p| p.exists());
    found.ok_or(HostError::NoXrt {
        name: LIBRARY,
        folders,
    })
}

/// Whether `$XILINX_XRT` is set, and to a folder with XRT.
pub fn is_root_of_xrt() -> bool {
    env::var_os("XILINX_XRT").is_some_and(|root| {
        let libraries = PathBuf::from(root).join("lib");
        libraries.join(LIBRARY).exists()
    })
}

/// Our own library: beside this program, or where cargo leaves it.
pub fn find_own() -> Result<PathBuf, HostError> {
    let program = env::current_exe().map_err(|source| HostError::Io {
        what: "finding this program".into(),
        source,
    })?;
    let folder = program.parent().unwrap_or(Path::new("/"));
    let folders = vec![
        folder.to_path_buf(),
        folder.join("deps"),
        folder.join("../lib"),
        folder.join(".."),
    ];
    // Cargo leaves it in several, not always all of them up to date.
    let all = folders.iter().map(|f| f.join(OWN_LIBRARY));
    let newest = all
        .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
        .max();
    let found = newest.map(|(_, path)| path);
    found.ok_or(HostError::NoXrt {
        name: OWN_LIBRARY,
        folders,
    })
}

/// A folder of its own for one run, removed at its end. Its name is the user's name that XRT is told: the
/// sockets of its emulation are in `/tmp/$USER`.
pub struct WorkFolder {
    folder: TempDir,
}

impl WorkFolder {
    /// An empty folder in `/tmp`, readable for this user alone. What runs have left that were killed before they
    /// could do anything about it is removed.
    pub fn new() -> Result<Self, HostError> {
        remove_orphans();
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in("/tmp");
        let folder = WorkFolder {
            folder: made.map_err(io_error("making a folder in /tmp"))?,
        };
        folder.write(OWNER, &std::process::id().to_string())?;
        Ok(folder)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Its name.
    pub fn name(&self) -> String {
        let name = self.path().file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// A root for `XILINX_XRT` whose libraries are those beside `library`.
    pub fn xrt_root(&self, library: &Path) -> Result<PathBuf, HostError> {
        let root = self.path().join("xrt");
        let libraries = library.parent().unwrap_or(Path::new("/"));
        fs::create_dir(&root).map_err(io_error("making a folder in /tmp"))?;
        symlink(libraries, root.join("lib")).map_err(io_error("linking XRT's libraries"))?;
        Ok(root)
    }

    /// `xrt.ini` for hardware emulation. A message longer than the first one breaks XRT 2.13; the first
    /// carries this file, which is therefore padded.
    pub fn emulation_ini(&self) -> Result<PathBuf, HostError> {
        let text = format!(
            "[Runtime]\nsws=true\n\n[Emulation]\ndont_run=true\nsystem_dpa=false\n\
             print_infos_in_console=false\nkeep_run_dir=false\npacket_size={PACKET_BYTES:#x}\n\n\
             [Debug]\npad={}\n",
            "x".repeat(PACKET_BYTES + 256)
        );
        self.write("xrt.ini", &text)
    }

    /// `emconfig.json` of a card with room for the memories of an emulated one.
    pub fn emulation_config(&self) -> Result<PathBuf, HostError> {
        let text = serde_json::json!({
            "Version": {"FileVersion": "2.0"},
            "Platform": {"Boards": [{"Devices": [{
                "Name": "tercet_emulation",
                "DdrBanks": [{"Size": "8G"}],
                "FeatureRom": {},
            }]}]},
        });
        self.write("emconfig.json", &text.to_string())
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf, HostError> {
        let path = self.path().join(name);
        fs::write(&path, text).map_err(io_error("writing the emulation's settings"))?;
        Ok(path)
    }
}

/// Removes folders whose owner is gone.
fn remove_orphans() {
    for entry in fs::read_dir("/tmp").into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let owner = fs::read_to_string(entry.path().join(OWNER)).ok();
        let owner = owner.and_then(|text| text.trim().parse::<u32>().ok());
        let is_gone = owner.is_some_and(|id| !Path::new(&format!("/proc/{id}")).exists());
        // Another user's stays.
        if is_ours && is_gone {
            let _ = fs::remove_dir_all(entry.path());
        }
        // XRT makes its user's folder anew when it ends late; what is not empty is not removed by this.
        let age = entry.metadata().and_then(|m| m.modified());
        let is_old = age.is_ok_and(|t| t.elapsed().is_ok_and(|age| age > ORPHAN_AGE));
        if is_ours && is_old {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// What failed, around its cause.
pub fn io_error(what: &'static str) -> impl Fn(std::io::Error) -> HostError {
    move |source| HostError::Io {
        what: what.to_string(),
        source,
    }
}
