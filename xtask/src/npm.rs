//! Packages from npm, which tests run as they are published: OpenAI's client, axe, which finds what keeps people with disabilities
//! out, and TypeScript, which checks the ES module's types.

use std::path::{Path, PathBuf};

use crate::shell::{Fault, command, exists, install_packages, root, run, step};

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
    let folder = folder();
    for (name, version, size_mb) in PACKAGES {
        if !is_there(&folder.join(name), version) {
            fetch(&folder, name, version, size_mb)?;
        }
    }
    Ok(())
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
        let archive: PathBuf = folder.join(format!("{name}-{version}.tgz"));
        let mut extract = command("tar", ["-xzf".as_ref(), archive.as_os_str()]);
        extract.current_dir(folder);
        run(extract, &format!("delete {} and run it again", folder.display()))?;
        let _ = std::fs::remove_dir_all(folder.join(name));
        std::fs::rename(folder.join("package"), folder.join(name)).map_err(io)?;
        std::fs::remove_file(archive).map_err(io)
    })
}
