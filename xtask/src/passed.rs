//! Remembers which steps of the tests have passed, so that those whose inputs have not changed since are skipped.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::shell::{self, Error, command, output, root};
use crate::tables;

/// A step of the tests.
pub(crate) struct Step {
    /// Its heading.
    pub(crate) title: &'static str,
    /// Names the files where its results are kept.
    pub(crate) name: &'static str,
    /// Whether it depends on a file, by its path in the repository.
    pub(crate) depends_on: fn(&str) -> bool,
}

impl Step {
    /// Runs `work` unless it has passed with the same files, compiler and `tools`. What the tests record for tables
    /// (`tests/src/notes.rs`) is kept until it runs again.
    pub(crate) fn run(&self, tools: &str, work: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        let digest = self.digest(tools);
        let passed = folder().join(self.name);
        if digest.is_some() && std::fs::read_to_string(&passed).ok() == digest {
            println!("==> {}\n    skipped: nothing has changed since it passed; --all runs it anyway", self.title);
            return Ok(());
        }
        // Missing files are fine.
        let _ = std::fs::remove_file(&passed);
        tables::clear_notes(self.name)?;
        shell::step(self.title, work)?;
        if let Some(digest) = digest {
            let written = std::fs::create_dir_all(folder()).and_then(|()| std::fs::write(&passed, digest));
            written.map_err(|error| Error::new(format!("{}: {error}", passed.display()), "free some disk space"))?;
        }
        Ok(())
    }

    /// A digest of all that the result depends on, or `None` outside a Git checkout.
    fn digest(&self, tools: &str) -> Option<String> {
        let files = output(command("git", ["ls-files", "--cached", "--others", "--exclude-standard"]))?;
        let mut digest = Sha256::new();
        digest.update(output(command("rustc", ["-vV"]))?);
        digest.update(tools);
        for file in files.lines().filter(|file| is_shared(file) || (self.depends_on)(file)) {
            digest.update(file);
            // A file that was deleted but not committed has no contents.
            let contents = std::fs::read(root().join(file)).unwrap_or_default();
            digest.update(contents.len().to_le_bytes());
            digest.update(contents);
        }
        Some(STANDARD.encode(digest.finalize()))
    }
}

/// Whether every step depends on a file: on what selects dependencies and runs the tests.
fn is_shared(file: &str) -> bool {
    ["xtask/", ".cargo/", "Cargo.toml", "Cargo.lock", "Trunk.toml"].iter().any(|shared| file.starts_with(shared))
}

/// Where the digests of passed steps are.
fn folder() -> PathBuf {
    root().join("target/passed")
}

/// Forgets which steps have passed.
pub(crate) fn forget() -> Result<(), Error> {
    shell::remove_folder(&folder())
}
