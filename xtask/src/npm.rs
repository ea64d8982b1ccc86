//! Packages from npm, which tests run as they are published: OpenAI's client, axe, which finds what keeps people with disabilities
//! out, and TypeScript, which checks the ES module's types.

use std::path::{Path, PathBuf};

use crate::shell::{Fault, command, exists, install_packages, root, run, step};

/// The engine that `cargo xtask bench --peer wllama` compares with.
const WLLAMA: (&str, &str, u32) = ("@wllama/wllama", "3.13.0", 3);
/// Names, versions, and the size in megabytes that the set-up tells.
const PACKAGES: [(&str, &str, u32); 3] =
    [("openai", "6.49.0", 2), ("axe-core", "4.14.1", 3), ("typescript", "5.9.3", 4)];

/// Where the packages are.
fn folder() -> PathBuf {
    root().join("target/test-data/npm")
}

/// Checks the types of `web/parlance.d.ts`.
pub(crate) fn check_types() -> Result<(), Fault> {
    let compiler = folder().join("typescript/lib/tsc.js");
    let mut check = command("node", [compiler]);
    check.args("--noEmit --strict --target esnext --module esnext --moduleResolution bundler".split(' '));
    check.arg("tests/module_types.ts");
    run(check, "read the message above; web/parlance.d.ts declares what tests/module_types.ts uses")
}

/// Makes sure that the packages are there.
pub(crate) fn set_up() -> Result<(), Fault> {
    PACKAGES.into_iter().try_for_each(set_up_package)
}

/// Makes sure that the peer is there.
pub(crate) fn set_up_peer() -> Result<(), Fault> {
    set_up_package(WLLAMA)
}

fn set_up_package((name, version, size_mb): (&str, &str, u32)) -> Result<(), Fault> {
    let folder = folder();
    if is_there(&folder.join(short(name)), version) { Ok(()) } else { fetch(&folder, name, version, size_mb) }
}

/// A package's name without its owner.
fn short(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn is_there(folder: &Path, version: &str) -> bool {
    let manifest = std::fs::read_to_string(folder.join("package.json")).unwrap_or_default();
    manifest.contains(&format!("\"version\": \"{version}\""))
}

fn fetch(folder: &Path, name: &str, version: &str, size_mb: u32) -> Result<(), Fault> {
    if !exists("npm") {
        install_packages(&["npm"], "install Node.js with npm")?;
    }
    step(&format!("fetching {name} for the tests ({size_mb} MB, once)"), || {
        let io = |error: std::io::Error| Fault::new(format!("{name}: {error}"), "free some disk space");
        std::fs::create_dir_all(folder).map_err(io)?;
        // npm verifies its checksum.
        let mut pack = command("npm", ["pack", "--silent", &format!("{name}@{version}")]);
        pack.current_dir(folder);
        run(pack, "check the network, and that `npm pack` works")?;
        let archive = folder.join(format!("{}-{version}.tgz", name.trim_start_matches('@').replace('/', "-")));
        let mut extract = command("tar", ["-xzf".as_ref(), archive.as_os_str()]);
        extract.current_dir(folder);
        run(extract, &format!("delete {} and run it again", folder.display()))?;
        let target = folder.join(short(name));
        let _ = std::fs::remove_dir_all(&target);
        std::fs::rename(folder.join("package"), target).map_err(io)?;
        std::fs::remove_file(archive).map_err(io)
    })
}
