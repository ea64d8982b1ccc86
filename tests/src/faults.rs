//! Notes which faults a run of the tests has shown the outcome of. `cargo xtask test` compares them with the table in
//! `docs/reliability.md`, which `cargo xtask faults` writes from them.

use std::fs::OpenOptions;
use std::io::Write as _;

use crate::root;

/// Notes that the test that calls this has brought a fault about and seen the outcome.
///
/// # Panics
/// If it cannot be noted.
#[allow(clippy::expect_used, reason = "a run whose outcomes are lost shows nothing")]
pub fn shown(area: &str, fault: &str, outcome: &str) {
    assert!(![area, fault, outcome].iter().any(|text| text.contains(['\t', '\n', '|'])), "a line of a table");
    let path = root().join("target/faults.tsv");
    let mut file = OpenOptions::new().create(true).append(true).open(path).expect("target/ can be written");
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    writeln!(file, "{area}\t{fault}\t{outcome}\t{test}").expect("target/ can be written");
}
