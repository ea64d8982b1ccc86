//! Notes what a run of the tests has shown, for the tables in `docs/` that `cargo xtask tables` writes from it, and that `cargo xtask test`
//! compares with it (`xtask/src/shown.rs`). Tests of other packages include this file.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

/// Notes a line of `table`. Cells that other tests fill are empty. Does nothing in a browser, which has no files; the same tests run
/// natively.
///
/// # Panics
/// If it cannot be noted.
#[allow(clippy::expect_used, reason = "a run whose outcomes are lost shows nothing")]
pub fn note(table: &str, cells: &[&str]) {
    if cfg!(target_family = "wasm") {
        return;
    }
    assert!(!cells.iter().any(|cell| cell.contains(['\t', '\n', '|'])), "a line of a table: {cells:?}");
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let root = folders.find(|folder| folder.join("Cargo.lock").is_file()).expect("the workspace's lock file");
    let folder = root.join("target/shown");
    std::fs::create_dir_all(&folder).expect("target/ can be written");
    let file = OpenOptions::new().create(true).append(true).open(folder.join(table).with_extension("tsv"));
    // At once, since tests run side by side.
    let line = cells.join("\t") + "\n";
    file.and_then(|mut file| file.write_all(line.as_bytes())).expect("target/ can be written");
}
