//! Builds the project's own programs, for release or for tests.

use std::path::PathBuf;
use std::process::Command;

use crate::shell::{self, Error, root};
use crate::toolchain::Toolchain;

/// Arguments that select the native packages. Cargo unifies features over the packages selected, so using the same
/// selection everywhere builds each dependency only once.
pub(crate) const PACKAGES: [&str; 5] = ["--workspace", "--exclude", "parlance-library", "--exclude", "parlance"];

/// If this is `tested`, commands that need a release build use the one that the tests made instead. The tests set it,
/// so that running the commands in the docs does not build everything twice.
const VARIABLE: &str = "PARLANCE_BUILD";

/// The kinds of build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// Fully optimised; the site goes to `dist/`.
    Release,
    /// Quick to build, with debug assertions (`[profile.checked]` in Cargo.toml); the site goes to `target/`.
    Test,
}

impl Build {
    /// `Release`, unless the environment asks for test builds.
    pub(crate) fn from_env() -> Self {
        if std::env::var_os(VARIABLE).is_some_and(|value| value == "tested") { Self::Test } else { Self::Release }
    }

    /// The cargo profile of native programs.
    pub(crate) fn profile(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Test => "checked",
        }
    }

    /// The folder that the site is built in.
    pub(crate) fn site_dir(self) -> &'static str {
        match self {
            Self::Release => "dist",
            Self::Test => "target/test-site",
        }
    }
}

/// Builds an example program of the engine or of the end-to-end tests, and returns a command that runs it in the
/// current directory, so that relative paths mean what the caller expects.
pub(crate) fn example(toolchain: &Toolchain, build: Build, name: &str) -> Result<Command, Error> {
    let mut compile = toolchain.cargo(["build", "--profile", build.profile(), "--example", name]);
    compile.args(PACKAGES);
    shell::run(compile, "see the compiler error above")?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let mut example = Command::new(target.join(build.profile()).join("examples").join(name));
    example.current_dir(std::env::current_dir().unwrap_or_else(|_| root()));
    Ok(example)
}
