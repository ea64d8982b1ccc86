//! Packages from npm: those that the tests use (`tests/npm/package.json`), and wllama and whisper.cpp, for benchmarks.

use std::path::PathBuf;

use crate::shell::{Error, command, exists, install_packages, output, root, run, step};

/// For `cargo xtask bench --peer wllama`: name, version, and size in MB.
const WLLAMA: (&str, &str, u32) = ("wllama", "3.13.0", 3);

/// For `cargo xtask bench --peer whisper.cpp`: its bindings for Node.js, what those for a platform begin with, and the version
/// of both.
const WHISPER_CPP: (&str, &str, &str) = ("@fugood/whisper.node", "@fugood/node-whisper", "1.1.3");

/// The folder of the tests' packages.
fn project() -> PathBuf {
    root().join("tests/npm")
}

/// Checks the package's type declarations against the code that uses them.
pub(crate) fn check_types() -> Result<(), Error> {
    let check = command("node", ["tests/npm/node_modules/typescript/lib/tsc.js", "-p", "tests/npm/types"]);
    run(check, "see the message above; tests/npm/types uses what the .d.ts files in web/ declare")
}

/// Tests the modules in Node, without an engine.
pub(crate) fn test_modules() -> Result<(), Error> {
    // In the folder of the tests, node finds them by itself.
    let mut test = command("node", ["--test"]);
    test.current_dir(project().join("unit"));
    run(test, "see the failed test above")
}

/// Installs npm if it is missing, and checks the version of Node.js.
pub(crate) fn set_up_npm() -> Result<(), Error> {
    let hint = "install Node.js 20.19 or later, with npm";
    if !exists("npm") {
        install_packages(&["npm"], hint)?;
    }
    let version = output(command("node", ["--version"])).unwrap_or_default();
    if !is_new_enough(&version) {
        return Err(Error::new(format!("Node.js is too old or missing: {version:?}"), hint));
    }
    Ok(())
}

/// Whether this version of Node.js is at least the oldest one with which Vite works.
fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split('.').map_while(|number| number.parse::<u32>().ok());
    numbers.next().zip(numbers.next()).is_some_and(|version| version >= (20, 19))
}

/// Fetches the packages for the tests, unless they are there.
pub(crate) fn set_up() -> Result<(), Error> {
    set_up_npm()?;
    let (lock, installed) = (project().join("package-lock.json"), project().join("node_modules/.installed"));
    let io = |error: std::io::Error| Error::new(format!("{}: {error}", lock.display()), "free some disk space");
    let wanted = std::fs::read(&lock).map_err(io)?;
    if std::fs::read(&installed).is_ok_and(|versions| versions == wanted) {
        return Ok(());
    }
    step("fetching packages from npm (100 MB, once)", || {
        // npm verifies the checksums in the lock file.
        let mut install = command("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]);
        install.current_dir(project());
        run(install, "check the network and that `npm ci` works in tests/npm")?;
        std::fs::write(&installed, wanted).map_err(io)
    })
}

/// Fetches wllama if it is missing.
pub(crate) fn set_up_wllama() -> Result<(), Error> {
    let (name, version, size_mb) = WLLAMA;
    let folder = root().join("target/test-data/npm");
    let manifest = std::fs::read_to_string(folder.join(name).join("package.json")).unwrap_or_default();
    if manifest.contains(&format!("\"version\": \"{version}\"")) {
        return Ok(());
    }
    set_up_npm()?;
    step(&format!("fetching {name} {version} ({size_mb} MB, once)"), || {
        let io = |error: std::io::Error| Error::new(format!("{name}: {error}"), "free some disk space");
        std::fs::create_dir_all(&folder).map_err(io)?;
        let mut pack = command("npm", ["pack", "--silent", &format!("@{name}/{name}@{version}")]);
        pack.current_dir(&folder);
        run(pack, "check the network and that `npm pack` works")?;
        let archive = folder.join(format!("{name}-{name}-{version}.tgz"));
        let mut extract = command("tar", ["-xzf".as_ref(), archive.as_os_str()]);
        extract.current_dir(&folder);
        run(extract, &format!("delete {} and try again", folder.display()))?;
        let target = folder.join(name);
        let _ = std::fs::remove_dir_all(&target);
        std::fs::rename(folder.join("package"), target).map_err(io)?;
        std::fs::remove_file(archive).map_err(io)
    })
}

/// Fetches whisper.cpp if it is missing.
pub(crate) fn set_up_whisper_cpp() -> Result<(), Error> {
    let (name, platform_name, version) = WHISPER_CPP;
    let folder = root().join("target/speech/npm");
    let manifest = std::fs::read_to_string(folder.join("node_modules").join(name).join("package.json"));
    if manifest.unwrap_or_default().contains(&format!("\"version\": \"{version}\"")) {
        return Ok(());
    }
    set_up_npm()?;
    let platform = output(command("node", ["-p", "`${process.platform}-${process.arch}`"])).unwrap_or_default();
    step(&format!("fetching {name} {version} (3 MB, once)"), || {
        let io = |error: std::io::Error| Error::new(format!("{name}: {error}"), "free some disk space");
        std::fs::create_dir_all(&folder).map_err(io)?;
        // Otherwise npm fetches the variants for graphics cards, too.
        let mut install = command("npm", ["install", "--omit=optional", "--ignore-scripts", "--no-save", "--silent"]);
        install.args([format!("{name}@{version}"), format!("{platform_name}-{platform}@{version}")]);
        install.arg("--prefix").arg(&folder);
        run(install, "check the network and that `npm install` works")
    })
}

#[cfg(test)]
mod tests {
    use super::is_new_enough;

    #[test]
    fn versions_of_node_are_compared() {
        assert!(["v20.19.0", "v20.20.1", "v22.1.0", "v100.0.0-nightly"].into_iter().all(is_new_enough));
        assert!(!["", "v18.20.4", "v20.9.0", "node"].into_iter().any(is_new_enough));
    }
}
