//! The project's own programs, and how they are built: as they are shipped, or as tests run them.

use std::path::PathBuf;
use std::process::Command;

use crate::shell::{self, Fault, root};
use crate::toolchain::Toolchain;

/// Arguments that select packages natively. They are always the same, because features depend on them: so dependencies are built once.
pub(crate) const PACKAGES: [&str; 3] = ["--workspace", "--exclude", "parlance-library"];

/// Set to `tested`, commands that would build what is shipped build what tests run: so the tests try the guides' commands without building
/// everything twice.
const VARIABLE: &str = "PARLANCE_BUILD";

/// How programs and the site are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// Optimised as a whole; the site goes to `dist/`.
    Shipped,
    /// Quick to build and with debug assertions (`[profile.checked]` in Cargo.toml); the site goes to a folder below `target/`.
    Tested,
}

impl Build {
    /// What a person's command builds.
    pub(crate) fn asked_for() -> Self {
        if std::env::var_os(VARIABLE).is_some_and(|value| value == "tested") { Self::Tested } else { Self::Shipped }
    }

    /// The profile that native programs have.
    pub(crate) fn profile(self) -> &'static str {
        match self {
            Self::Shipped => "release",
            Self::Tested => "checked",
        }
    }

    /// The folder of the site.
    pub(crate) fn site(self) -> &'static str {
        match self {
            Self::Shipped => "dist",
            Self::Tested => "target/test-site",
        }
    }
}

/// Builds an example of this project, the engine's or one that drives a browser, and returns a command that runs it in the folder that
/// `cargo xtask` was called in: paths are meant from there.
pub(crate) fn example(toolchain: &Toolchain, build: Build, name: &str) -> Result<Command, Fault> {
    let mut compile = toolchain.cargo(["build", "--profile", build.profile(), "--example", name]);
    compile.args(PACKAGES);
    shell::run(compile, "read the compiler's message above")?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let mut example = Command::new(target.join(build.profile()).join("examples").join(name));
    example.current_dir(std::env::current_dir().unwrap_or_else(|_| root()));
    Ok(example)
}
