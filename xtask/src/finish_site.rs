//! `cargo xtask finish-site`, the last step of a build. It adds the hashes of inline scripts to the page's
//! Content-Security-Policy, makes the service worker one script with a list of the site's files, and writes a file for
//! every route of the app.
//!
//! Trunk runs it as a hook (`Trunk.toml`), with the staging folder in `TRUNK_STAGING_DIR`.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::pip::hex;
use crate::shell::Error;

const SERVICE_WORKER: &str = "service-worker.js";
/// The module that knows the build ID.
const BUILD_MODULE: &str = "build.js";
const INDEX: &str = "index.html";
/// The page that static hosts serve where no file matches the URL.
const NOT_FOUND: &str = "404.html";
/// Folders that are part of a build; that of models is not.
const FOLDERS: [&str; 2] = ["locales", "parlance"];
/// Routes of the app other than the home page (`src/app.rs`).
const ROUTES: [&str; 7] = ["catalogue", "models", "performance", "playground", "projects", "settings", "storage"];
/// Placeholder in the page's policy for the hashes of inline scripts.
const SCRIPTS_PLACEHOLDER: &str = "INLINE_SCRIPTS";
/// Placeholder for the build ID.
const BUILD_PLACEHOLDER: &str = "const BUILD = \"\";";
/// Placeholder in the service worker for the build's files and their digests.
const FILES_PLACEHOLDER: &str = "const FILES = {};";
/// Length of a build ID, in bytes of a SHA-256.
const BUILD_ID_BYTES: usize = 8;

/// Finishes the site in the folder that trunk names.
pub(crate) fn run() -> Result<(), Error> {
    let folder = std::env::var_os("TRUNK_STAGING_DIR").map(PathBuf::from).ok_or_else(|| {
        Error::new("TRUNK_STAGING_DIR is not set", "run `cargo xtask build`; trunk calls this command by itself")
    })?;
    finish(&folder).map_err(|error| Error::new(format!("could not finish the site: {error}"), "build again"))
}

fn finish(folder: &Path) -> io::Result<()> {
    let page = with_script_hashes(&std::fs::read_to_string(folder.join(INDEX))?);
    std::fs::write(folder.join(INDEX), &page)?;
    std::fs::write(folder.join(NOT_FOUND), &page)?;
    for route in ROUTES {
        // A file in a folder, because hosts find that with and without a slash at the end of the URL.
        std::fs::create_dir_all(folder.join(route))?;
        std::fs::write(folder.join(route).join(INDEX), with_base(&page)?)?;
    }
    let files = build_files(folder)?;
    let build = build_id(folder, &files)?;
    fill_in(&folder.join(BUILD_MODULE), BUILD_PLACEHOLDER, &format!("const BUILD = {build:?};"))?;
    let digests = files.iter().map(|name| -> io::Result<String> {
        let digest = STANDARD.encode(Sha256::digest(std::fs::read(folder.join(name))?));
        Ok(format!("{name:?}: \"sha256-{digest}\""))
    });
    let digests: Vec<String> = digests.collect::<io::Result<_>>()?;
    let files = format!("const FILES = {{ {} }};", digests.join(", "));
    let worker = folder.join(SERVICE_WORKER);
    let script = without_imports(&worker, &mut BTreeSet::new())?;
    std::fs::write(&worker, replace_once(&script, FILES_PLACEHOLDER, &files)?)
}

/// A module as a script without modules: what it imports comes in place of the imports, each file once. Imports take a
/// line each, and names at the top level must differ between files.
fn without_imports(module: &Path, included: &mut BTreeSet<PathBuf>) -> io::Result<String> {
    let mut script = String::new();
    for line in std::fs::read_to_string(module)?.lines() {
        let Some(import) = line.strip_prefix("import ") else {
            script += line.strip_prefix("export ").unwrap_or(line);
            script.push('\n');
            continue;
        };
        let name =
            import.split('"').nth(1).ok_or_else(|| io::Error::other(format!("an import without a file: {line}")))?;
        let imported = module.with_file_name("").join(name).canonicalize()?;
        if included.insert(imported.clone()) {
            script += &without_imports(&imported, included)?;
        }
    }
    Ok(script)
}

/// The page with the hashes of its inline scripts in its policy.
fn with_script_hashes(page: &str) -> String {
    let scripts = page.split("<script").skip(1).filter_map(|rest| {
        let (attributes, rest) = rest.split_once('>')?;
        let (script, _) = rest.split_once("</script>")?;
        (!attributes.contains("src=")).then_some(script)
    });
    let hashes: Vec<String> =
        scripts.map(|script| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(script)))).collect();
    // The last occurrence, because the first is in a comment that explains it.
    match page.rsplit_once(SCRIPTS_PLACEHOLDER) {
        Some((before, after)) => format!("{before}{}{after}", hashes.join(" ")),
        None => page.to_owned(),
    }
}

/// The page for a folder of the site, with a `<base>` element so that relative URLs resolve against the site's root,
/// even after the router changes the URL. The element comes before the policy, which forbids any other.
fn with_base(page: &str) -> io::Result<String> {
    replace_once(page, "<head>", "<head><base href=\"../\">")
}

/// The files that belong to a build, as paths in the site.
fn build_files(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = file_names(folder)?;
    for inner in FOLDERS {
        names.extend(file_names(&folder.join(inner))?.into_iter().map(|name| format!("{inner}/{name}")));
    }
    names.retain(|name| ![SERVICE_WORKER, NOT_FOUND].contains(&name.as_str()) && !name.ends_with(".d.ts"));
    names.sort();
    Ok(names)
}

/// An ID that is unique to a build of these files.
fn build_id(folder: &Path, files: &[String]) -> io::Result<String> {
    let mut hasher = Sha256::new();
    for name in files.iter().map(String::as_str).chain([SERVICE_WORKER]) {
        hasher.update(name);
        hasher.update(std::fs::read(folder.join(name))?);
    }
    Ok(hex(&hasher.finalize()[..BUILD_ID_BYTES]))
}

/// Names of the files in a folder, without those in subfolders.
fn file_names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = std::fs::read_dir(folder)?.filter_map(Result::ok);
    let files = entries.filter(|entry| entry.path().is_file());
    Ok(files.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

/// Replaces a placeholder in a file.
fn fill_in(path: &Path, placeholder: &str, text: &str) -> io::Result<()> {
    let filled = replace_once(&std::fs::read_to_string(path)?, placeholder, text)?;
    std::fs::write(path, filled)
}

/// Replaces the first occurrence of `old`, which must exist.
fn replace_once(text: &str, old: &str, new: &str) -> io::Result<String> {
    match text.split_once(old) {
        Some((before, after)) => Ok(format!("{before}{new}{after}")),
        None => Err(io::Error::new(io::ErrorKind::InvalidData, format!("placeholder `{old}` not found"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::root;

    #[test]
    fn the_policy_allows_the_inline_scripts_of_the_page_and_no_others() {
        let page = r#"<!-- INLINE_SCRIPTS --><meta content="script-src 'self' INLINE_SCRIPTS"><script src="a.js"></script><script type="module">go()</script>"#;
        // printf 'go()' | openssl dgst -sha256 -binary | base64
        let hash = "'sha256-5KYv+PUboo5h+0+YAtGRPbwv5d/QxzHslP4YGnUaxRw='";
        let page = with_script_hashes(page);
        assert!(page.contains(&format!("script-src 'self' {hash}\"")), "{page}");
    }

    /// A temporary copy of an unfinished site, deleted when dropped.
    struct UnfinishedSite(PathBuf);

    impl UnfinishedSite {
        /// `text` goes into one of the site's files.
        fn new(name: &str, text: &str) -> io::Result<Self> {
            let folder = std::env::temp_dir().join(format!("parlance-{name}-{}", std::process::id()));
            for inner in FOLDERS.into_iter().chain(["models"]) {
                std::fs::create_dir_all(folder.join(inner))?;
            }
            for name in file_names(&root().join("web/parlance"))? {
                std::fs::copy(root().join("web/parlance").join(&name), folder.join("parlance").join(&name))?;
            }
            for (source, target) in [
                ("index.html", INDEX),
                ("web/service-worker.js", SERVICE_WORKER),
                ("web/build.js", BUILD_MODULE),
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

        /// The build ID in a script.
        fn build_id(&self, script: &str) -> io::Result<String> {
            let text = self.read(script)?;
            let id = text.split_once("const BUILD = \"").and_then(|(_, rest)| rest.split_once('"'));
            Ok(id.map(|(id, _)| id.to_owned()).unwrap_or_default())
        }
    }

    impl Drop for UnfinishedSite {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_service_worker_gets_every_file_with_its_digest() -> io::Result<()> {
        let site = UnfinishedSite::new("digests", "a {}")?;
        finish(&site.0)?;
        let script = site.read(SERVICE_WORKER)?;
        for name in [INDEX, BUILD_MODULE, "policy.js", "a.css", "locales/en.ftl", "parlance/engine.js"] {
            let digest = STANDARD.encode(Sha256::digest(site.read(name)?));
            assert!(script.contains(&format!("\"{name}\": \"sha256-{digest}\"")), "{name}: {script}");
        }
        for other in [SERVICE_WORKER, NOT_FOUND, "settings/index.html", "parlance/mcp.d.ts"] {
            assert!(!script.contains(&format!("\"{other}\": ")), "{other}");
        }
        Ok(())
    }

    #[test]
    fn the_service_worker_is_one_script() -> io::Result<()> {
        let site = UnfinishedSite::new("script", "")?;
        finish(&site.0)?;
        let script = site.read(SERVICE_WORKER)?;
        assert!(!script.lines().any(|line| line.starts_with("import ") || line.starts_with("export ")), "{script}");
        assert!(!script.contains("import.meta"), "modules only");
        // Each file once, and no name twice.
        let mut names = BTreeSet::new();
        for line in script.lines() {
            let words: Vec<&str> = line.split([' ', '(']).collect();
            let (["const" | "let" | "class" | "function" | "function*", name, ..]
            | ["async", "function" | "function*", name, ..]) = words.as_slice()
            else {
                continue;
            };
            assert!(names.insert((*name).to_owned()), "{name} is declared twice");
        }
        assert!(["BUILD", "FILES", "serveApi", "Leader"].into_iter().all(|name| names.contains(name)), "{names:?}");
        Ok(())
    }

    #[test]
    fn all_workers_get_the_build_id() -> io::Result<()> {
        let [one, same, other] = [("one", "a {}"), ("same", "a {}"), ("other", "b {}")]
            .map(|(name, text)| UnfinishedSite::new(name, text).and_then(|site| finish(&site.0).map(|()| site)));
        let (one, same, other) = (one?, same?, other?);
        let id = one.build_id(BUILD_MODULE)?;
        assert_eq!(id.len(), 2 * BUILD_ID_BYTES);
        assert_eq!(one.build_id(SERVICE_WORKER)?, id);
        assert_eq!(same.build_id(BUILD_MODULE)?, id);
        assert_ne!(other.build_id(BUILD_MODULE)?, id);
        Ok(())
    }

    #[test]
    fn every_route_has_a_file() -> io::Result<()> {
        let app = std::fs::read_to_string(root().join("src/app.rs"))?;
        let routes = app.split("<Route path=path!(\"").skip(1).filter_map(|rest| rest.split('"').next());
        let mut routes: Vec<&str> = routes.filter(|route| !["", INDEX].contains(route)).collect();
        routes.sort_unstable();
        assert_eq!(routes, ROUTES);
        let site = UnfinishedSite::new("routes", "")?;
        finish(&site.0)?;
        let (index, not_found) = (site.read(INDEX)?, site.read(NOT_FOUND)?);
        assert_eq!(index, not_found);
        for route in ROUTES {
            let text = site.read(&format!("{route}/{INDEX}"))?;
            // The policy forbids a `<base>` element after it.
            let [base, policy] = ["<base href=\"../\">", "Content-Security-Policy"].map(|part| text.find(part));
            assert!(base.is_some() && base < policy, "{route}");
            assert_eq!(text.replacen("<base href=\"../\">", "", 1), index);
        }
        Ok(())
    }

    #[test]
    fn a_missing_placeholder_is_an_error() {
        assert!(replace_once("a b", "c", "d").is_err());
        assert_eq!(replace_once("a b a", "a", "c").ok().as_deref(), Some("c b a"));
    }
}
