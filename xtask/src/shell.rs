//! Running commands, with progress and with errors that say how to mend them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What failed and how to mend it.
#[derive(Debug, thiserror::Error)]
#[error("{what}\n  to mend it: {mend}")]
pub(crate) struct Fault {
    what: String,
    mend: String,
}

impl Fault {
    pub(crate) fn new(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what: what.into(), mend: mend.into() }
    }
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    // The package lies directly in the root.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Steps that were done, with the seconds that they took.
static DONE: Mutex<Vec<(String, f64)>> = Mutex::new(Vec::new());

/// Does `work` under a heading and says how long it took.
pub(crate) fn step<T>(title: &str, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    println!("==> {title}");
    let start = Instant::now();
    let result = work()?;
    let seconds = start.elapsed().as_secs_f64();
    println!("    done in {seconds:.0} s: {title}");
    DONE.lock().unwrap_or_else(PoisonError::into_inner).push((title.to_owned(), seconds));
    Ok(result)
}

/// Prints how long each step took.
pub(crate) fn print_times() {
    let done = DONE.lock().unwrap_or_else(PoisonError::into_inner);
    println!("==> times");
    for (title, seconds) in done.iter() {
        println!("{seconds:8.0} s  {title}");
    }
    println!("{:8.0} s  all steps", done.iter().map(|(_, seconds)| seconds).sum::<f64>());
}

/// A command that runs in the repository's root.
pub(crate) fn command<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// Runs a command whose output the user sees.
pub(crate) fn run(mut command: Command, mend: &str) -> Result<(), Fault> {
    let shown = format!("{command:?}");
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Fault::new(format!("{shown} failed ({status})"), mend)),
        Err(error) => Err(Fault::new(format!("{shown} could not be started: {error}"), mend)),
    }
}

/// The trimmed standard output of a command, or `None` if it fails or does not exist.
pub(crate) fn output(mut command: Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Where a program lies on the search path.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .flat_map(|file| [file.with_extension("exe"), file])
        .find(|file| file.is_file())
}

/// Whether a program can be found on the search path.
pub(crate) fn exists(program: &str) -> bool {
    find(program).is_some()
}

/// Installs Debian packages, if the system has `apt-get` and the user may use it.
pub(crate) fn install_packages(packages: &[&str], mend: &str) -> Result<(), Fault> {
    let is_root = output(command("id", ["-u"])).as_deref() == Some("0");
    if !exists("apt-get") || !is_root {
        return Err(Fault::new(format!("{} must be installed", packages.join(", ")), mend));
    }
    step(&format!("installing {}", packages.join(", ")), || {
        let mut update = command("apt-get", ["update", "-qq"]);
        update.env("DEBIAN_FRONTEND", "noninteractive");
        run(update, mend)?;
        let mut install = command("apt-get", ["install", "-y", "-qq", "--no-install-recommends"]);
        install.args(packages).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
        run(install, mend)
    })
}
