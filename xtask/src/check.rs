//! Formatting, lints, dependencies and shipped sizes.

use std::path::{Path, PathBuf};

use crate::dependencies;
use crate::program::Build;
use crate::shell::{Fault, command, exists, output, root, run, step};
use crate::site;

/// Shipped wasm by the start of its name, with the most it may weigh after brotli, in bytes.
const SIZE_LIMITS: [(&str, u64); 3] =
    [("parlance-worker", 1_800_000), ("parlance-library", 1_800_000), ("parlance-", 450_000)];

/// `cargo xtask check`.
pub(crate) fn run_all() -> Result<(), Fault> {
    step("formatting", || {
        run(
            command("cargo", ["fmt", "--all", "--check"]),
            "run `cargo fmt --all`; if cargo has no fmt, `rustup component add rustfmt`",
        )
    })?;
    step("lints", || {
        let mend = "mend what clippy names; if cargo has no clippy, `rustup component add clippy`";
        // The end-to-end tests are named, since they do not run with all others.
        [["--workspace", "--all-targets"], ["--package=parlance-tests", "--test=site"]].into_iter().try_for_each(
            |what| {
                let mut clippy = command("cargo", ["clippy", "--profile", Build::Tested.profile()]);
                clippy.args(what).args(["--", "-D", "warnings"]);
                run(clippy, mend)
            },
        )
    })?;
    dependencies::check()?;
    let toolchain = site::set_up()?;
    site::build_with(&toolchain, Build::Shipped)?;
    step("sizes after brotli", check_sizes)
}

fn check_sizes() -> Result<(), Fault> {
    if !exists("brotli") {
        return Err(Fault::new("brotli is not installed", "install the package brotli"));
    }
    let dist = root().join(Build::Shipped.site());
    let mut files: Vec<PathBuf> = std::fs::read_dir(&dist)
        .map_err(|error| Fault::new(format!("{}: {error}", dist.display()), "run `cargo xtask build`"))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|file| file.extension().is_some_and(|extension| extension == "wasm"))
        .collect();
    files.sort();
    for file in files {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Some((_, limit)) = SIZE_LIMITS.iter().find(|(prefix, _)| name.starts_with(prefix)) else { continue };
        let size = brotli_len_bytes(&file)?;
        println!("    {name}: {size} bytes, limit {limit}");
        if size > *limit {
            return Err(Fault::new(format!("{name} is too large"), "find what grew, for example with twiggy"));
        }
    }
    Ok(())
}

fn brotli_len_bytes(file: &Path) -> Result<u64, Fault> {
    let counted = output(command("sh", ["-c", &format!("brotli --best --stdout '{}' | wc -c", file.display())]));
    counted
        .and_then(|count| count.parse().ok())
        .ok_or_else(|| Fault::new(format!("{} could not be compressed", file.display()), "check that brotli works"))
}
