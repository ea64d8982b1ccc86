//! The project's own programs, built as its tests are.

use std::path::PathBuf;
use std::process::Command;

use crate::shell::{self, Fault, root};
use crate::toolchain::Toolchain;

/// Arguments that select packages natively. They are always the same, because features depend on them: so dependencies are built once.
pub(crate) const PACKAGES: [&str; 3] = ["--workspace", "--exclude", "parlance-library"];

/// What the end-to-end tests and their programs need beside that.
pub(crate) const BROWSER: [&str; 2] = ["--features", "parlance-tests/browser"];

/// A program of this project.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Program {
    /// An example of the engine.
    Engine(&'static str),
    /// One that drives a browser.
    Browser(&'static str),
}

impl Program {
    /// Builds it and returns a command that runs it in the folder that `cargo xtask` was called in: paths are meant from there.
    pub(crate) fn build(self, toolchain: &Toolchain) -> Result<Command, Fault> {
        let mut build = toolchain.cargo(["build", "--release"]);
        build.args(PACKAGES);
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
        let mut program = target.join("release");
        match self {
            Self::Engine(name) => {
                build.args(["--example", name]);
                program.extend(["examples", name]);
            }
            Self::Browser(name) => {
                build.args(BROWSER).args(["--bin", name]);
                program.push(name);
            }
        }
        shell::run(build, "read the compiler's message above")?;
        let mut command = Command::new(program);
        command.current_dir(std::env::current_dir().unwrap_or_else(|_| root()));
        Ok(command)
    }
}
