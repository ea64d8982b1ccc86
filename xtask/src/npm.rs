//! Packages from npm: OpenAI's client and axe, the accessibility checker, for the end-to-end tests; TypeScript, which
//! checks the declarations of the ES module; and wllama, for benchmarks.

use std::path::{Path, PathBuf};

use crate::shell::{Error, command, exists, install_packages, root, run, step};

/// For `cargo xtask bench --peer wllama`.
const WLLAMA: (&str, &str, u32) = ("@wllama/wllama", "3.13.0", 3);
/// Name, version, and size in MB.
const PACKAGES: [(&str, &str, u32); 3] =
    [("openai", "6.49.0", 2), ("axe-core", "4.14.1", 3), ("typescript", "5.9.3", 4)];

/// Where the packages are extracted.
fn folder() -> PathBuf {
    root().join("target/test-data/npm")
}

/// Checks `web/parlance.d.ts` against the code that uses it.
pub(crate) fn check_types() -> Result<(), Error> {
    let compiler = folder().join("typescript/lib/tsc.js");
    let mut check = command("node", [compiler]);
    check.args("--noEmit --strict --target esnext --module esnext --moduleResolution bundler".split(' '));
    check.arg("tests/module_types.ts");
    run(check, "see the message above; tests/module_types.ts uses what web/parlance.d.ts declares")
}

/// Fetches the packages for the tests that are missing.
pub(crate) fn set_up() -> Result<(), Error> {
    PACKAGES.into_iter().try_for_each(set_up_package)
}

/// Fetches wllama if it is missing.
pub(crate) fn set_up_wllama() -> Result<(), Error> {
    set_up_package(WLLAMA)
}

fn set_up_package((name, version, size_mb): (&str, &str, u32)) -> Result<(), Error> {
    let folder = folder();
    if is_installed(&folder.join(unscoped(name)), version) { Ok(()) } else { fetch(&folder, name, version, size_mb) }
}

/// A package's name without its scope.
fn unscoped(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn is_installed(folder: &Path, version: &str) -> bool {
    let manifest = std::fs::read_to_string(folder.join("package.json")).unwrap_or_default();
    manifest.contains(&format!("\"version\": \"{version}\""))
}

fn fetch(folder: &Path, name: &str, version: &str, size_mb: u32) -> Result<(), Error> {
    if !exists("npm") {
        install_packages(&["npm"], "install Node.js with npm")?;
    }
    step(&format!("fetching {name} {version} ({size_mb} MB, once)"), || {
        let io = |error: std::io::Error| Error::new(format!("{name}: {error}"), "free some disk space");
        std::fs::create_dir_all(folder).map_err(io)?;
        // npm verifies the checksum.
        let mut pack = command("npm", ["pack", "--silent", &format!("{name}@{version}")]);
        pack.current_dir(folder);
        run(pack, "check the network and that `npm pack` works")?;
        let archive = folder.join(format!("{}-{version}.tgz", name.trim_start_matches('@').replace('/', "-")));
        let mut extract = command("tar", ["-xzf".as_ref(), archive.as_os_str()]);
        extract.current_dir(folder);
        run(extract, &format!("delete {} and try again", folder.display()))?;
        let target = folder.join(unscoped(name));
        let _ = std::fs::remove_dir_all(&target);
        std::fs::rename(folder.join("package"), target).map_err(io)?;
        std::fs::remove_file(archive).map_err(io)
    })
}
