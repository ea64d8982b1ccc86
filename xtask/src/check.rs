//! `cargo xtask check`: formatting, lints, dependencies and download sizes.

use std::path::{Path, PathBuf};

use crate::dependencies;
use crate::program::Build;
use crate::shell::{Error, command, exists, output, root, run, step};
use crate::site;

/// File name prefixes of the wasm modules that ship, and the maximum size of each after brotli, in bytes.
const SIZE_LIMITS: [(&str, u64); 6] = [
    ("parlance-worker", 2_250_000),
    ("parlance-library", 1_900_000),
    ("parlance-reader", 2_000_000),
    ("parlance-scans", 2_000_000),
    ("parlance-microphone", 60_000),
    ("parlance-", 690_000),
];

/// Runs all checks.
pub(crate) fn run_all() -> Result<(), Error> {
    step("formatting", || {
        run(
            command("cargo", ["fmt", "--all", "--check"]),
            "run `cargo fmt --all`; if it is missing, run `rustup component add rustfmt`",
        )
    })?;
    step("lints", || {
        let hint = "fix what clippy reports; if it is missing, run `rustup component add clippy`";
        // `--all-targets` leaves out the end-to-end tests, which do not run by default.
        [["--workspace", "--all-targets"], ["--package=parlance-tests", "--test=site"]].into_iter().try_for_each(
            |what| {
                let mut clippy = command("cargo", ["clippy", "--profile", Build::Test.profile()]);
                clippy.args(what).args(["--", "-D", "warnings"]);
                run(clippy, hint)
            },
        )
    })?;
    step("the engine without a GPU", || {
        let arguments =
            ["check", "--profile", Build::Test.profile(), "--package", "parlance-engine", "--no-default-features"];
        run(command("cargo", arguments), "what needs wgpu belongs behind the feature `gpu`, see ARCHITECTURE.md")
    })?;
    step("the engine's documentation", || {
        let arguments = ["doc", "--profile", Build::Test.profile(), "--package", "parlance-engine", "--no-deps"];
        let mut doc = command("cargo", arguments);
        doc.env("RUSTDOCFLAGS", "-D warnings");
        run(doc, "mend the links that rustdoc names")
    })?;
    package()?;
    dependencies::check()?;
    let toolchain = site::set_up()?;
    site::build_with(&toolchain, Build::Release)?;
    step("download sizes (brotli)", check_sizes)
}

/// Packages the engine as for crates.io. Nothing is compiled again, and all dependencies are here.
pub(crate) fn package() -> Result<(), Error> {
    step("the engine's package", || {
        let arguments = ["--package", "parlance-engine", "--no-verify", "--allow-dirty", "--offline", "--quiet"];
        let mut package = command("cargo", ["package"]);
        package.args(arguments);
        run(package, "see the message above; worker/engine/Cargo.toml says what is in the package")
    })
}

fn check_sizes() -> Result<(), Error> {
    if !exists("brotli") {
        return Err(Error::new("brotli is not installed", "install the package brotli"));
    }
    let dist = root().join(Build::Release.site_dir());
    let mut files: Vec<PathBuf> = std::fs::read_dir(&dist)
        .map_err(|error| Error::new(format!("{}: {error}", dist.display()), "run `cargo xtask build`"))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|file| file.extension().is_some_and(|extension| extension == "wasm"))
        .collect();
    files.sort();
    for file in files {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Some((_, limit)) = SIZE_LIMITS.iter().find(|(prefix, _)| name.starts_with(prefix)) else { continue };
        let size = brotli_size(&file)?;
        println!("    {name}: {size} bytes, limit {limit}");
        if size > *limit {
            return Err(Error::new(format!("{name} is too large"), "find what grew, for example with twiggy"));
        }
    }
    Ok(())
}

/// The size of a file after brotli, in bytes.
fn brotli_size(file: &Path) -> Result<u64, Error> {
    let count = output(command("sh", ["-c", &format!("brotli --best --stdout '{}' | wc -c", file.display())]));
    count
        .and_then(|count| count.parse().ok())
        .ok_or_else(|| Error::new(format!("could not compress {}", file.display()), "check that brotli works"))
}
