//! Records test results for tables in `docs/`, which `cargo xtask tables` generates and `cargo xtask test` compares
//! (`xtask/src/tables.rs`). Tests of other packages include this file.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

/// Records a row of `table`. Cells that other tests fill are empty. Does nothing in browsers, which have no files; the
/// same tests also run natively. Only `cargo xtask test` has rows recorded, in a folder for each of its steps.
///
/// # Panics
/// If the row cannot be written.
#[allow(clippy::expect_used, reason = "a test run is useless if its results are lost")]
pub fn note(table: &str, cells: &[&str]) {
    if cfg!(target_family = "wasm") {
        return;
    }
    assert!(!cells.iter().any(|cell| cell.contains(['\t', '\n', '|'])), "cells must not break the table: {cells:?}");
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let root = folders.find(|folder| folder.join("Cargo.lock").is_file()).expect("the workspace's lock file");
    // Tests that run by themselves prove nothing about all.
    let Some(step) = std::env::var_os("PARLANCE_TEST_STEP") else { return };
    let folder = root.join("target/table-rows").join(step);
    std::fs::create_dir_all(&folder).expect("target/ can be written");
    let file = OpenOptions::new().create(true).append(true).open(folder.join(table).with_extension("tsv"));
    // In a single call, because tests run in parallel.
    let line = cells.join("\t") + "\n";
    file.and_then(|mut file| file.write_all(line.as_bytes())).expect("target/ can be written");
}
