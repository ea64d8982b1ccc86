//! The last step of a build: the page's policy learns which scripts stand in it, the service worker which files make up this build, and every
//! page of the app gets a file at its address.
//!
//! `Trunk.toml` calls it with the folder that the site was put together in.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::pip::hex;
use crate::shell::Fault;

const SERVICE_WORKER: &str = "service-worker.js";
/// Names the build to the workers of the site.
const START_WORKER: &str = "start-worker.js";
const INDEX: &str = "index.html";
/// What static hosts show for addresses that are no files.
const NOT_FOUND: &str = "404.html";
/// The folder of the interface's languages, which are part of a build; models are not.
const LOCALES: &str = "locales";
/// The pages of the app beside its first (`src/app.rs`).
const PAGES: [&str; 6] = ["catalogue", "models", "performance", "playground", "settings", "storage"];
/// What stands in the page's policy until the scripts in the page are known.
const INLINE_SCRIPTS: &str = "INLINE_SCRIPTS";
/// What stands in scripts until the build has a name.
const BUILD: &str = "const BUILD = \"\";";
/// What stands in the service worker until its files are known.
const FILES: &str = "const FILES = {};";
/// Bytes of a checksum that name a build.
const NAME_BYTES: usize = 8;

/// `cargo xtask finish-site`.
pub(crate) fn run() -> Result<(), Fault> {
    let folder = std::env::var_os("TRUNK_STAGING_DIR").map(PathBuf::from).ok_or_else(|| {
        Fault::new("TRUNK_STAGING_DIR is not set", "`trunk build` calls this command; it is not for people")
    })?;
    let fault = |error: io::Error| Fault::new(format!("the site could not be finished: {error}"), "build again");
    finish(&folder).map_err(fault)
}

fn finish(folder: &Path) -> io::Result<()> {
    let page = with_checksums(&std::fs::read_to_string(folder.join(INDEX))?);
    std::fs::write(folder.join(INDEX), &page)?;
    std::fs::write(folder.join(NOT_FOUND), &page)?;
    for name in PAGES {
        // Hosts redirect from a folder's name to the folder, so that this is found with and without a slash at the end.
        std::fs::create_dir_all(folder.join(name))?;
        std::fs::write(folder.join(name).join(INDEX), in_folder(&page)?)?;
    }
    let files = files_of_build(folder)?;
    let build = name_of_build(folder, &files)?;
    fill_in(&folder.join(START_WORKER), BUILD, &format!("const BUILD = {build:?};"))?;
    fill_in(&folder.join(SERVICE_WORKER), BUILD, &format!("const BUILD = {build:?};"))?;
    let digests = files.iter().map(|name| -> io::Result<String> {
        let digest = STANDARD.encode(Sha256::digest(std::fs::read(folder.join(name))?));
        Ok(format!("{name:?}: \"sha256-{digest}\""))
    });
    let digests: Vec<String> = digests.collect::<io::Result<_>>()?;
    fill_in(&folder.join(SERVICE_WORKER), FILES, &format!("const FILES = {{ {} }};", digests.join(", ")))
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

/// The page as it stands in a folder of the site: all that it names is relative to the site's. The element stands before the page's policy,
/// which forbids any other, and holds for as long as the page is open, wherever its router goes.
fn in_folder(page: &str) -> io::Result<String> {
    replaced(page, "<head>", "<head><base href=\"../\">")
}

/// The files of a build, by their paths in the site.
fn files_of_build(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = file_names(folder)?;
    let locales = file_names(&folder.join(LOCALES))?.into_iter().map(|name| format!("{LOCALES}/{name}"));
    names.extend(locales);
    names.retain(|name| ![SERVICE_WORKER, NOT_FOUND].contains(&name.as_str()) && !name.ends_with(".d.ts"));
    names.sort();
    Ok(names)
}

/// A name for a build of these files, which no other has.
fn name_of_build(folder: &Path, files: &[String]) -> io::Result<String> {
    let mut checksum = Sha256::new();
    for name in files.iter().map(String::as_str).chain([SERVICE_WORKER]) {
        checksum.update(name);
        checksum.update(std::fs::read(folder.join(name))?);
    }
    Ok(hex(&checksum.finalize()[..NAME_BYTES]))
}

/// Names of the files that lie directly in a folder.
fn file_names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = std::fs::read_dir(folder)?.filter_map(Result::ok);
    let files = entries.filter(|entry| entry.path().is_file());
    Ok(files.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

/// Replaces what stands in a file until it is known.
fn fill_in(path: &Path, placeholder: &str, text: &str) -> io::Result<()> {
    let filled = replaced(&std::fs::read_to_string(path)?, placeholder, text)?;
    std::fs::write(path, filled)
}

/// The text with the first `old` replaced, which must be there.
fn replaced(text: &str, old: &str, new: &str) -> io::Result<String> {
    match text.split_once(old) {
        Some((before, after)) => Ok(format!("{before}{new}{after}")),
        None => Err(io::Error::new(io::ErrorKind::InvalidData, format!("there is no “{old}” to fill in"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::root;

    #[test]
    fn the_policy_allows_the_scripts_of_the_page_and_no_others() {
        let page = r#"<!-- INLINE_SCRIPTS --><meta content="script-src 'self' INLINE_SCRIPTS"><script src="a.js"></script><script type="module">go()</script>"#;
        // printf 'go()' | openssl dgst -sha256 -binary | base64
        let checksum = "'sha256-5KYv+PUboo5h+0+YAtGRPbwv5d/QxzHslP4YGnUaxRw='";
        assert!(with_checksums(page).contains(&format!("script-src 'self' {checksum}\"")), "{}", with_checksums(page));
    }

    /// A site as it is before it is finished, with `text` in one of its files; it goes when dropped.
    struct Unfinished(PathBuf);

    impl Unfinished {
        fn new(name: &str, text: &str) -> io::Result<Self> {
            let folder = std::env::temp_dir().join(format!("parlance-{name}-{}", std::process::id()));
            std::fs::create_dir_all(folder.join(LOCALES))?;
            std::fs::create_dir_all(folder.join("models"))?;
            for (source, target) in [
                ("index.html", INDEX),
                ("web/service-worker.js", SERVICE_WORKER),
                ("web/start-worker.js", START_WORKER),
                ("web/policy.js", "policy.js"),
                ("locales/en.ftl", "locales/en.ftl"),
            ] {
                std::fs::copy(root().join(source), folder.join(target))?;
            }
            std::fs::write(folder.join("a.css"), text)?;
            Ok(Self(folder))
        }

        fn read(&self, name: &str) -> io::Result<String> {
            std::fs::read_to_string(self.0.join(name))
        }

        /// The build's name as a script has it.
        fn build(&self, script: &str) -> io::Result<String> {
            let text = self.read(script)?;
            let named = text.split_once("const BUILD = \"").and_then(|(_, rest)| rest.split_once('"'));
            Ok(named.map(|(name, _)| name.to_owned()).unwrap_or_default())
        }
    }

    impl Drop for Unfinished {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_service_worker_learns_every_file_with_its_digest() -> io::Result<()> {
        let site = Unfinished::new("digests", "a {}")?;
        finish(&site.0)?;
        let script = site.read(SERVICE_WORKER)?;
        for name in [INDEX, START_WORKER, "policy.js", "a.css", "locales/en.ftl"] {
            let digest = STANDARD.encode(Sha256::digest(site.read(name)?));
            assert!(script.contains(&format!("\"{name}\": \"sha256-{digest}\"")), "{name}: {script}");
        }
        for other in [SERVICE_WORKER, NOT_FOUND, "settings/index.html"] {
            assert!(!script.contains(&format!("\"{other}\": ")), "{other}");
        }
        Ok(())
    }

    #[test]
    fn workers_and_service_worker_learn_the_builds_name() -> io::Result<()> {
        let [one, same, other] = [("one", "a {}"), ("same", "a {}"), ("other", "b {}")]
            .map(|(name, text)| Unfinished::new(name, text).and_then(|site| finish(&site.0).map(|()| site)));
        let (one, same, other) = (one?, same?, other?);
        let build = one.build(START_WORKER)?;
        assert_eq!(build.len(), 2 * NAME_BYTES);
        assert_eq!(one.build(SERVICE_WORKER)?, build);
        assert_eq!(same.build(START_WORKER)?, build);
        assert_ne!(other.build(START_WORKER)?, build);
        Ok(())
    }

    #[test]
    fn every_page_has_a_file_at_its_address() -> io::Result<()> {
        let app = std::fs::read_to_string(root().join("src/app.rs"))?;
        let routes = app.split("<Route path=path!(\"").skip(1).filter_map(|rest| rest.split('"').next());
        let mut routes: Vec<&str> = routes.filter(|route| !["", INDEX].contains(route)).collect();
        routes.sort_unstable();
        assert_eq!(routes, PAGES);
        let site = Unfinished::new("pages", "")?;
        finish(&site.0)?;
        let (index, not_found) = (site.read(INDEX)?, site.read(NOT_FOUND)?);
        assert_eq!(index, not_found);
        for page in PAGES {
            let text = site.read(&format!("{page}/{INDEX}"))?;
            // Once its policy stands, a page takes no such element any more.
            let [base, policy] = ["<base href=\"../\">", "Content-Security-Policy"].map(|part| text.find(part));
            assert!(base.is_some() && base < policy, "{page}");
            assert_eq!(text.replacen("<base href=\"../\">", "", 1), index);
        }
        Ok(())
    }

    #[test]
    fn what_cannot_be_filled_in_is_told() {
        assert!(replaced("a b", "c", "d").is_err());
        assert_eq!(replaced("a b a", "a", "c").ok().as_deref(), Some("c b a"));
    }
}
