//! The table of faults in `docs/reliability.md`: each row is a fault that a test brings about, and the outcome that it sees.
//!
//! Tests note what they have shown in a file (`tests/src/faults.rs`). A run of all tests compares it with the table, so that the table
//! neither promises what no test shows nor leaves out what one does.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::shell::{Fault, root};

const BEGIN: &str = "<!-- faults: written by `cargo xtask faults` -->\n";
const END: &str = "<!-- end of faults -->";
/// The least number of faults.
const LEAST: usize = 30;

fn notes() -> PathBuf {
    root().join("target/faults.tsv")
}

fn page() -> PathBuf {
    root().join("docs/reliability.md")
}

/// Forgets what earlier runs have shown.
pub(crate) fn forget() -> Result<(), Fault> {
    match std::fs::remove_file(notes()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Fault::new(format!("{}: {error}", notes().display()), "remove it"))
        }
        _ => Ok(()),
    }
}

/// Compares the table with what the tests have shown.
pub(crate) fn check() -> Result<(), Fault> {
    let (text, rows) = (read_page()?, rows()?);
    let (_, table, _) = parts(&text)?;
    if table != to_table(&rows) {
        return Err(Fault::new(
            "docs/reliability.md does not say what the tests have shown",
            "run `cargo xtask faults` after `cargo xtask test`, and look at what changed",
        ));
    }
    println!("    {} faults, each with the outcome that docs/reliability.md tells", rows.len());
    if rows.len() < LEAST {
        Err(Fault::new(format!("fewer than {LEAST} faults"), "a suite did not run"))
    } else {
        Ok(())
    }
}

/// `cargo xtask faults`: writes the table anew, from the last run of the tests.
pub(crate) fn write() -> Result<(), Fault> {
    let (text, rows) = (read_page()?, rows()?);
    let (before, _, after) = parts(&text)?;
    std::fs::write(page(), format!("{before}{BEGIN}{}{END}{after}", to_table(&rows)))
        .map_err(|error| Fault::new(format!("docs/reliability.md: {error}"), "make it writable"))?;
    println!("{} faults are in docs/reliability.md.", rows.len());
    Ok(())
}

fn read_page() -> Result<String, Fault> {
    std::fs::read_to_string(page()).map_err(|error| Fault::new(format!("docs/reliability.md: {error}"), "restore it"))
}

/// Area, fault, outcome and test, in order; a test that runs twice says it once.
fn rows() -> Result<BTreeSet<[String; 4]>, Fault> {
    let text = std::fs::read_to_string(notes())
        .map_err(|error| Fault::new(format!("target/faults.tsv: {error}"), "run `cargo xtask test`"))?;
    let fields = |line: &str| line.splitn(4, '\t').map(str::to_owned).collect::<Vec<_>>().try_into().ok();
    Ok(text.lines().filter_map(fields).collect())
}

/// What stands before the table, the table, and what stands after it.
fn parts(text: &str) -> Result<(&str, &str, &str), Fault> {
    let found = text.split_once(BEGIN).and_then(|(before, rest)| {
        let (table, after) = rest.split_once(END)?;
        Some((before, table, after))
    });
    found.ok_or_else(|| Fault::new("docs/reliability.md has no place for the table", "restore it"))
}

fn to_table(rows: &BTreeSet<[String; 4]>) -> String {
    let rows = rows.iter().map(|[area, fault, outcome, test]| format!("| {area} | {fault} | {outcome} | `{test}` |\n"));
    format!("\n| where | fault | outcome | test |\n| --- | --- | --- | --- |\n{}\n", rows.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_stands_between_its_marks_and_is_in_order() {
        let row = |fault: &str| ["GPU", fault, "fine", "a_test"].map(str::to_owned);
        let table = to_table(&BTreeSet::from([row("b"), row("a"), row("b")]));
        assert_eq!(table.lines().filter(|line| line.starts_with("| GPU")).count(), 2);
        assert!(table.find("| a |") < table.find("| b |"));
        let page = format!("before\n{BEGIN}{table}{END}\nafter");
        assert_eq!(parts(&page).ok(), Some(("before\n", table.as_str(), "\nafter")));
        assert!(parts("nothing").is_err());
    }
}
