//! Published chat templates, which the tests compare with Hugging Face's renderer. Two Python packages carry them.

use std::path::{Path, PathBuf};

use crate::pip::Package;
use crate::shell::{Fault, root, step};

/// A package, where its templates lie in it, and what is put before their names.
const SOURCES: [(Package, &str, &str); 2] = [
    (Package { requirement: "trl==1.16.0", folder: "templates/trl" }, "trl/chat_templates", ""),
    (
        Package { requirement: "axolotl==0.19.0", folder: "templates/axolotl" },
        "axolotl/utils/chat_templates/templates",
        "axolotl-",
    ),
];
/// Templates with this in their names are changed for training.
const CHANGED: &str = "training";

/// The folder of the templates. It is complete where it has this many.
fn folder() -> PathBuf {
    root().join("target/test-data/templates")
}
const COUNT: usize = 77;

/// Makes sure that the templates are there.
pub(crate) fn set_up() -> Result<(), Fault> {
    let have = std::fs::read_dir(folder()).map_or(0, Iterator::count);
    if have >= COUNT {
        return Ok(());
    }
    step("fetching published chat templates for the tests (3 MB, once)", || {
        let io =
            |error: std::io::Error| Fault::new(format!("templates: {error}"), "delete target/templates and try again");
        std::fs::create_dir_all(folder()).map_err(io)?;
        for (package, path, prefix) in SOURCES {
            copy(&package.extract()?.join(path), prefix).map_err(io)?;
        }
        let have = std::fs::read_dir(folder()).map_or(0, Iterator::count);
        if have < COUNT {
            return Err(Fault::new(
                format!("{have} templates instead of {COUNT}"),
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
        if path.extension().is_some_and(|extension| extension == "jinja") && !name.contains(CHANGED) {
            std::fs::copy(&path, folder().join(format!("{prefix}{name}")))?;
        }
    }
    Ok(())
}
