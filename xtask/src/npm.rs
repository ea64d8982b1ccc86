//! The `openai` package from npm, which the end-to-end tests run against the site as it is published.

use std::path::PathBuf;

use crate::shell::{Fault, command, exists, install_packages, root, run, step};

const PACKAGE: &str = "openai";
const VERSION: &str = "6.49.0";

/// Where the package lies.
fn folder() -> PathBuf {
    root().join("target/test-data/npm").join(PACKAGE)
}

/// Makes sure that the package is there.
pub(crate) fn set_up() -> Result<(), Fault> {
    let manifest = std::fs::read_to_string(folder().join("package.json")).unwrap_or_default();
    if manifest.contains(&format!("\"version\": \"{VERSION}\"")) {
        return Ok(());
    }
    if !exists("npm") {
        install_packages(&["npm"], "install Node.js with npm")?;
    }
    step("fetching the openai package for the tests (2 MB, once)", || {
        let io = |error: std::io::Error| Fault::new(format!("the openai package: {error}"), "free some disk space");
        let parent = folder().parent().map(PathBuf::from).unwrap_or_default();
        std::fs::create_dir_all(&parent).map_err(io)?;
        // npm verifies its checksum.
        let mut pack = command("npm", ["pack", "--silent", &format!("{PACKAGE}@{VERSION}")]);
        pack.current_dir(&parent);
        run(pack, "check the network, and that `npm pack` works")?;
        let archive = parent.join(format!("{PACKAGE}-{VERSION}.tgz"));
        let mut extract = command("tar", ["-xzf".as_ref(), archive.as_os_str()]);
        extract.current_dir(&parent);
        run(extract, &format!("delete {} and run it again", parent.display()))?;
        let _ = std::fs::remove_dir_all(folder());
        std::fs::rename(parent.join("package"), folder()).map_err(io)?;
        std::fs::remove_file(archive).map_err(io)
    })
}
