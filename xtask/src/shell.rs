//! Runs commands, reports progress, and gives every error a hint on how to fix it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What failed, and a hint on how to fix it.
#[derive(Debug, thiserror::Error)]
#[error("{message}\n  hint: {hint}")]
pub(crate) struct Error {
    message: String,
    hint: String,
}

impl Error {
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

/// The repository root.
pub(crate) fn root() -> PathBuf {
    // This package is a direct child of the root.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Finished steps and how long each took, in seconds.
static FINISHED: Mutex<Vec<(String, f64)>> = Mutex::new(Vec::new());

/// Runs `work` under a heading and reports how long it took.
pub(crate) fn step<T>(title: &str, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    println!("==> {title}");
    let start = Instant::now();
    let result = work()?;
    let seconds = start.elapsed().as_secs_f64();
    println!("    done in {seconds:.0} s: {title}");
    FINISHED.lock().unwrap_or_else(PoisonError::into_inner).push((title.to_owned(), seconds));
    Ok(result)
}

/// Prints how long each step took, and all of them since `start`. Some run side by side.
pub(crate) fn print_times(start: Instant) {
    let finished = FINISHED.lock().unwrap_or_else(PoisonError::into_inner);
    println!("==> times");
    for (title, seconds) in finished.iter() {
        println!("{seconds:8.0} s  {title}");
    }
    println!("{:8.0} s  from start to end", start.elapsed().as_secs_f64());
}

/// A command that runs in the repository root.
pub(crate) fn command<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// Runs a command and lets its output through to the terminal.
pub(crate) fn run(mut command: Command, hint: &str) -> Result<(), Error> {
    let command_line = format!("{command:?}");
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Error::new(format!("{command_line} failed ({status})"), hint)),
        Err(error) => Err(Error::new(format!("could not start {command_line}: {error}"), hint)),
    }
}

/// Removes a folder, if it exists.
pub(crate) fn remove_folder(folder: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::new(format!("{}: {error}", folder.display()), "delete it"))
        }
        _ => Ok(()),
    }
}

/// A command's standard output, trimmed, or `None` if it fails or does not exist.
pub(crate) fn output(mut command: Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The path of a program in `PATH`.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .flat_map(|file| [file.with_extension("exe"), file])
        .find(|file| file.is_file())
}

/// Whether a program is in `PATH`.
pub(crate) fn exists(program: &str) -> bool {
    find(program).is_some()
}

/// Installs Debian packages. Fails with `hint` if there is no `apt-get` or the user is not root.
pub(crate) fn install_packages(packages: &[&str], hint: &str) -> Result<(), Error> {
    let is_root = output(command("id", ["-u"])).as_deref() == Some("0");
    if !exists("apt-get") || !is_root {
        return Err(Error::new(format!("missing packages: {}", packages.join(", ")), hint));
    }
    step(&format!("installing {}", packages.join(", ")), || {
        let mut update = command("apt-get", ["update", "-qq"]);
        update.env("DEBIAN_FRONTEND", "noninteractive");
        run(update, hint)?;
        let mut install = command("apt-get", ["install", "-y", "-qq", "--no-install-recommends"]);
        install.args(packages).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
        run(install, hint)
    })
}
