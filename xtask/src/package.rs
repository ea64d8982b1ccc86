//! `cargo xtask package`: the ES module with the engine as a folder for `npm pack`.

use std::io;
use std::path::Path;

use crate::program::Build;
use crate::shell::{self, Error, root};
use crate::site;

/// Where the package is assembled.
const FOLDER: &str = "target/package";
/// The site's files that belong to it.
const FILES: [&str; 6] =
    ["build.js", "parlance-worker.js", "parlance-worker_bg.wasm", "parlance.d.ts", "parlance.js", "start-worker.js"];
/// The site's folder of modules, which belongs to it as a whole.
const MODULES: &str = "parlance";
/// Files of the repository, and their names in the package.
const DESCRIPTION: [(&str, &str); 4] = [
    ("web/package.json", "package.json"),
    ("docs/package.md", "README.md"),
    ("CHANGELOG.md", "CHANGELOG.md"),
    ("LICENSE", "LICENSE"),
];

/// Builds the site and assembles the package from it.
pub(crate) fn run() -> Result<(), Error> {
    let build = Build::from_env();
    // The tests have built theirs.
    if build == Build::Release {
        site::build()?;
    }
    assemble(build)?;
    println!("\nThe package is in {FOLDER}/; `npm pack ./{FOLDER}` makes an archive of it.");
    Ok(())
}

/// Assembles the package from the site, which is built.
pub(crate) fn assemble(build: Build) -> Result<(), Error> {
    let (site, package) = (root().join(build.site_dir()), root().join(FOLDER));
    shell::remove_folder(&package)?;
    copy(&site, &package).map_err(|error| {
        Error::new(format!("could not assemble the package: {error}"), "build the site again; free some disk space")
    })
}

fn copy(site: &Path, package: &Path) -> io::Result<()> {
    std::fs::create_dir_all(package.join(MODULES))?;
    for name in FILES {
        std::fs::copy(site.join(name), package.join(name))?;
    }
    for entry in std::fs::read_dir(site.join(MODULES))? {
        let entry = entry?;
        std::fs::copy(entry.path(), package.join(MODULES).join(entry.file_name()))?;
    }
    for (from, to) in DESCRIPTION {
        std::fs::copy(root().join(from), package.join(to))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_has_the_version_of_the_workspace() -> io::Result<()> {
        let version = env!("CARGO_PKG_VERSION");
        let manifest = std::fs::read_to_string(root().join("web/package.json"))?;
        assert!(
            manifest.contains(&format!("\"version\": \"{version}\"")),
            "set it in web/package.json, too: {version}"
        );
        let client = std::fs::read_to_string(root().join("web/parlance/mcp.js"))?;
        assert!(client.contains(&format!("version: \"{version}\"")), "set it in web/parlance/mcp.js, too: {version}");
        let docs = std::fs::read_to_string(root().join("docs/package.md"))?;
        let named = docs.matches("@parlance-chat/engine@").count();
        let current = docs.matches(&format!("@parlance-chat/engine@{version}/")).count();
        assert!(named > 0 && named == current, "docs/package.md names another version");
        Ok(())
    }

    #[test]
    fn the_package_has_what_it_exports() -> io::Result<()> {
        let manifest = std::fs::read_to_string(root().join("web/package.json"))?;
        let exported = manifest.split('"').filter_map(|text| text.strip_prefix("./")).filter(|text| text.contains('.'));
        for name in exported {
            let is_there = match name.strip_prefix("parlance/") {
                Some(_) => root().join("web").join(name).is_file(),
                None => FILES.contains(&name) || DESCRIPTION.iter().any(|(_, file)| *file == name),
            };
            assert!(is_there, "{name}");
        }
        Ok(())
    }
}
