//! The last step of a build: the page's policy learns which scripts stand in it, the service worker which files make up this build,
//! and addresses that are no files get a page.
//!
//! `Trunk.toml` calls it with the folder that the site was put together in.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::pip::hex;
use crate::shell::Fault;

const SERVICE_WORKER: &str = "service-worker.js";
const INDEX: &str = "index.html";
/// What static hosts show for addresses that are no files.
const NOT_FOUND: &str = "404.html";
/// The folder of the interface's languages, which are part of a build; models are not.
const LOCALES: &str = "locales";
/// What stands in the page's policy until the scripts in the page are known.
const INLINE_SCRIPTS: &str = "INLINE_SCRIPTS";
/// Bytes of a checksum that name a build.
const NAME_BYTES: usize = 8;

/// `cargo xtask finish-site`.
pub(crate) fn run() -> Result<(), Fault> {
    let folder = std::env::var_os("TRUNK_STAGING_DIR").map(PathBuf::from).ok_or_else(|| {
        Fault::new("TRUNK_STAGING_DIR is not set", "`trunk build` calls this command; it is not for people")
    })?;
    let fault = |error: std::io::Error| Fault::new(format!("the site could not be finished: {error}"), "build again");
    finish(&folder).map_err(fault)
}

fn finish(folder: &Path) -> std::io::Result<()> {
    let page = with_checksums(&std::fs::read_to_string(folder.join(INDEX))?);
    std::fs::write(folder.join(INDEX), &page)?;
    std::fs::write(folder.join(NOT_FOUND), page)?;
    let mut names = file_names(folder)?;
    let locales = file_names(&folder.join(LOCALES))?.into_iter().map(|name| format!("{LOCALES}/{name}"));
    names.extend(locales);
    names.retain(|name| ![SERVICE_WORKER, NOT_FOUND].contains(&name.as_str()) && !name.ends_with(".d.ts"));
    names.sort();
    let mut checksum = Sha256::new();
    for name in &names {
        checksum.update(name);
        checksum.update(std::fs::read(folder.join(name))?);
    }
    let path = folder.join(SERVICE_WORKER);
    let source = std::fs::read_to_string(&path)?;
    checksum.update(&source);
    let build = hex(&checksum.finalize()[..NAME_BYTES]);
    std::fs::write(path, filled_in(&source, &build, &names))
}

/// The page with the checksums of the scripts that stand in it, which its policy allows.
fn with_checksums(page: &str) -> String {
    let scripts = page.split("<script").skip(1).filter_map(|rest| {
        let (attributes, rest) = rest.split_once('>')?;
        let (script, _) = rest.split_once("</script>")?;
        (!attributes.contains("src=")).then_some(script)
    });
    let checksums: Vec<String> =
        scripts.map(|script| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(script)))).collect();
    // The last one: the first stands in a comment that explains it.
    match page.rsplit_once(INLINE_SCRIPTS) {
        Some((before, after)) => format!("{before}{}{after}", checksums.join(" ")),
        None => page.to_owned(),
    }
}

/// Names of the files that lie directly in a folder.
fn file_names(folder: &Path) -> std::io::Result<Vec<String>> {
    let entries = std::fs::read_dir(folder)?.filter_map(Result::ok);
    let files = entries.filter(|entry| entry.path().is_file());
    Ok(files.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

/// The service worker with its build's name and files.
fn filled_in(source: &str, build: &str, names: &[String]) -> String {
    let files: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    source.replacen("const BUILD = \"\";", &format!("const BUILD = {build:?};"), 1).replacen(
        "const FILES = [];",
        &format!("const FILES = [{}];", files.join(", ")),
        1,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_allows_the_scripts_of_the_page_and_no_others() {
        let page = r#"<!-- INLINE_SCRIPTS --><meta content="script-src 'self' INLINE_SCRIPTS"><script src="a.js"></script><script type="module">go()</script>"#;
        // printf 'go()' | openssl dgst -sha256 -binary | base64
        let checksum = "'sha256-5KYv+PUboo5h+0+YAtGRPbwv5d/QxzHslP4YGnUaxRw='";
        assert!(with_checksums(page).contains(&format!("script-src 'self' {checksum}\"")), "{}", with_checksums(page));
    }

    #[test]
    fn the_service_worker_learns_its_build() {
        let source = std::fs::read_to_string(crate::shell::root().join("web").join(SERVICE_WORKER)).unwrap_or_default();
        let filled = filled_in(&source, "abc", &["index.html".to_owned(), "a.js".to_owned()]);
        assert!(
            filled.contains("const BUILD = \"abc\";") && filled.contains("const FILES = [\"index.html\", \"a.js\"];")
        );
    }
}
