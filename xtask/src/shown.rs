//! Tables in `docs/` that are written from what the tests have shown.
//!
//! Tests note lines of a table (`tests/src/notes.rs`). A run of all tests compares them with the table, so that it neither promises what
//! no test shows nor leaves out what one does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::shell::{Fault, root};

/// A table in a page.
struct Table {
    /// Names its notes and its place in the page.
    name: &'static str,
    page: &'static str,
    columns: &'static [&'static str],
    /// The columns that tell rows apart, from the first on. The cells of the others may come from different tests; a cell that
    /// several tests fill holds what each says.
    keys: usize,
    /// The least number of rows.
    least: usize,
}

/// Faults that are brought about in the browser, and their outcomes.
const FAULTS: Table = Table {
    name: "faults",
    page: "docs/reliability.md",
    columns: &["where", "fault", "outcome", "test"],
    keys: 4,
    least: 30,
};
const FAMILIES: Table = Table {
    name: "families",
    page: "docs/models.md",
    columns: &[
        "family",
        "published models",
        "compared as",
        "WebGPU's defaults",
        "graphics card",
        "products of integers",
        "CPU",
        "CPU with threads",
    ],
    keys: 1,
    least: 12,
};
const ENCODERS: Table = Table {
    name: "encoders",
    page: "docs/models.md",
    columns: &[
        "family",
        "published models",
        "compared as",
        "WebGPU's defaults",
        "graphics card",
        "CPU",
        "CPU with threads",
    ],
    keys: 1,
    least: 2,
};
const REAL: Table = Table {
    name: "real",
    page: "docs/models.md",
    columns: &["model", "what is compared", "where", "bound"],
    keys: 3,
    least: 9,
};
const FORMATS: Table = Table {
    name: "formats",
    page: "docs/models.md",
    columns: &["format", "bits a weight", "taken apart", "repacked", "look-up", "product", "product of integers"],
    keys: 1,
    least: 16,
};
const TOKENIZERS: Table = Table {
    name: "tokenizers",
    page: "docs/models.md",
    columns: &["tokenizer", "pre-tokenizer", "equal strings"],
    keys: 2,
    least: 19,
};
const TEMPLATES: Table = Table {
    name: "templates",
    page: "docs/models.md",
    columns: &["models", "templates", "equal texts"],
    keys: 1,
    least: 20,
};
const TOOLS: Table = Table {
    name: "tools",
    page: "docs/models.md",
    columns: &["form", "models", "answers that are read"],
    keys: 1,
    least: 5,
};

/// All tables.
const ALL: [Table; 8] = [FAULTS, FAMILIES, ENCODERS, REAL, FORMATS, TOKENIZERS, TEMPLATES, TOOLS];

/// What is noted of a table: rows by what tells them apart, and their other cells.
type Rows = BTreeMap<Vec<String>, Vec<BTreeSet<String>>>;

/// Where notes are.
fn folder() -> PathBuf {
    root().join("target/shown")
}

/// Forgets what earlier runs have shown.
pub(crate) fn forget() -> Result<(), Fault> {
    match std::fs::remove_dir_all(folder()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Fault::new(format!("{}: {error}", folder().display()), "remove it"))
        }
        _ => Ok(()),
    }
}

/// Compares all tables with what the tests have shown.
pub(crate) fn check() -> Result<(), Fault> {
    ALL.iter().try_for_each(Table::check)
}

/// `cargo xtask tables`: writes all tables anew, from the last run of the tests.
pub(crate) fn write() -> Result<(), Fault> {
    ALL.iter().try_for_each(Table::write)
}

/// `cargo xtask faults`: writes the table of faults only, which takes no run of the native tests.
pub(crate) fn write_faults() -> Result<(), Fault> {
    FAULTS.write()
}

impl Table {
    fn check(&self) -> Result<(), Fault> {
        let (text, rows) = (self.read_page()?, self.complete_rows()?);
        if self.parts(&text)?[1] != self.text(&rows) {
            return Err(Fault::new(
                format!("{} does not say what the tests have shown of {}", self.page, self.name),
                "run `cargo xtask tables` after `cargo xtask test`, and look at what changed",
            ));
        }
        println!("    {}: {} rows in {}, each shown by a test", self.name, rows.len(), self.page);
        Ok(())
    }

    fn write(&self) -> Result<(), Fault> {
        let (text, rows) = (self.read_page()?, self.complete_rows()?);
        let [before, _, after] = self.parts(&text)?;
        let table = self.text(&rows);
        std::fs::write(root().join(self.page), format!("{before}{table}{after}"))
            .map_err(|error| Fault::new(format!("{}: {error}", self.page), "make it writable"))?;
        println!("{}: {} rows are in {}.", self.name, rows.len(), self.page);
        Ok(())
    }

    fn read_page(&self) -> Result<String, Fault> {
        std::fs::read_to_string(root().join(self.page))
            .map_err(|error| Fault::new(format!("{}: {error}", self.page), "restore it"))
    }

    /// What the last run has noted, if nothing is missing.
    fn complete_rows(&self) -> Result<Rows, Fault> {
        let path = folder().join(self.name).with_extension("tsv");
        let notes = std::fs::read_to_string(&path)
            .map_err(|error| Fault::new(format!("{}: {error}", path.display()), "run `cargo xtask test`"))?;
        let rows = self.rows(&notes);
        match self.missing(&rows) {
            Some(missing) => Err(Fault::new(format!("{}: {missing}", self.name), "a test did not run: look for why")),
            None => Ok(rows),
        }
    }

    /// The rows of notes: lines of cells between tabs, those that are left to other tests empty.
    fn rows(&self, notes: &str) -> Rows {
        let mut rows = Rows::new();
        for line in notes.lines() {
            let cells: Vec<_> = line.split('\t').collect();
            let (keys, others) = cells.split_at(self.keys.min(cells.len()));
            let row = rows.entry(keys.iter().map(|key| (*key).to_owned()).collect()).or_default();
            row.resize(self.columns.len() - self.keys, BTreeSet::new());
            for (cell, own) in row.iter_mut().zip(others).filter(|(_, own)| !own.is_empty()) {
                cell.insert((*own).to_owned());
            }
        }
        rows
    }

    /// What a test should have noted and did not.
    fn missing(&self, rows: &Rows) -> Option<String> {
        if rows.len() < self.least {
            return Some(format!("{} rows instead of {} at least", rows.len(), self.least));
        }
        rows.iter().find_map(|(keys, cells)| {
            let empty = cells.iter().position(BTreeSet::is_empty)?;
            Some(format!("no test has shown “{}” of {}", self.columns[self.keys + empty], keys.join(", ")))
        })
    }

    /// What stands before the table, the table, and what stands after it.
    fn parts<'t>(&self, text: &'t str) -> Result<[&'t str; 3], Fault> {
        let begin = format!("<!-- {}: written by `cargo xtask tables` -->\n", self.name);
        let found = text.find(&begin).map(|at| at + begin.len()).and_then(|start| {
            let len = text[start..].find(&format!("<!-- end of {} -->", self.name))?;
            Some([&text[..start], &text[start..start + len], &text[start + len..]])
        });
        found.ok_or_else(|| {
            Fault::new(format!("{} has no place for the table of {}", self.page, self.name), "restore it")
        })
    }

    fn text(&self, rows: &Rows) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let header = line(self.columns.iter().map(|column| (*column).to_owned()).collect());
        let rule = line(vec!["---".to_owned(); self.columns.len()]);
        let joined = |cell: &BTreeSet<String>| cell.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let rows =
            rows.iter().map(|(keys, cells)| line(keys.iter().cloned().chain(cells.iter().map(joined)).collect()));
        format!("\n{header}{rule}{}\n", rows.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Table =
        Table { name: "things", page: "page", columns: &["thing", "size", "colour"], keys: 1, least: 2 };

    #[test]
    fn cells_of_different_tests_meet_in_rows_which_are_in_order() {
        let rows = TABLE.rows("b\t2\t\na\t1\tred\nb\t\tred\nb\t2\tblue\n");
        let expected = "\n| thing | size | colour |\n| --- | --- | --- |\n| a | 1 | red |\n| b | 2 | blue, red |\n\n";
        assert_eq!(TABLE.text(&rows), expected);
        assert_eq!(TABLE.missing(&rows), None);
        let page = format!(
            "before\n<!-- things: written by `cargo xtask tables` -->\n{expected}<!-- end of things -->\nafter <!-- end of things -->"
        );
        let [before, table, after] = TABLE.parts(&page).unwrap_or_default();
        assert_eq!(table, expected);
        assert!(before.ends_with("-->\n") && after.starts_with("<!-- end of things -->\nafter"));
        assert!(TABLE.parts("nothing").is_err());
    }

    #[test]
    fn rows_and_cells_that_no_test_has_shown_are_missing() {
        let missing = |notes| TABLE.missing(&TABLE.rows(notes));
        assert_eq!(missing("a\t1\tred\n").as_deref(), Some("1 rows instead of 2 at least"));
        assert_eq!(missing("a\t1\tred\nb\t2\t\n").as_deref(), Some("no test has shown “colour” of b"));
    }
}
