//! The project's own programs, built as its tests are.

use std::path::PathBuf;
use std::process::Command;

use crate::shell::{self, Fault, root};
use crate::toolchain::Toolchain;

/// Arguments that select packages natively. They are always the same, because features depend on them: so dependencies are built once.
pub(crate) const PACKAGES: [&str; 3] = ["--workspace", "--exclude", "parlance-library"];

/// What the end-to-end tests need beside that.
pub(crate) const BROWSER: [&str; 2] = ["--features", "parlance-tests/browser"];

/// Builds an example of this project, the engine's or one that drives a browser, and returns a command that runs it in the folder that
/// `cargo xtask` was called in: paths are meant from there.
pub(crate) fn example(toolchain: &Toolchain, name: &str) -> Result<Command, Fault> {
    let mut build = toolchain.cargo(["build", "--release", "--example", name]);
    build.args(PACKAGES);
    shell::run(build, "read the compiler's message above")?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let mut example = Command::new(target.join("release/examples").join(name));
    example.current_dir(std::env::current_dir().unwrap_or_else(|_| root()));
    Ok(example)
}
