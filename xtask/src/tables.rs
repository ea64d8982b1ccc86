//! Tables in `docs/` that are generated from test results.
//!
//! Tests record rows of a table in `target/table-rows`, in a folder for each step (`tests/src/notes.rs`). `cargo xtask test` compares them with the
//! table, so that it claims nothing that no test covers, and leaves out nothing that one does. What takes too long for
//! tests, a command records in the repository.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::shell::{self, Error, root};

/// A table in a page.
struct Table {
    /// Names the file of its rows, and its place in the page.
    name: &'static str,
    page: &'static str,
    columns: &'static [&'static str],
    /// How many of the first columns identify a row. Different tests may fill the others; a cell that several tests
    /// fill lists the values of all.
    keys: usize,
    min_rows: usize,
}

/// Failures that the tests cause in the browser, and their outcomes.
const FAILURE_MODES: Table = Table {
    name: "failures",
    page: "docs/reliability.md",
    columns: &["where", "failure", "outcome", "test"],
    keys: 4,
    min_rows: 30,
};
const FAMILIES: Table = Table {
    name: "families",
    page: "docs/models.md",
    columns: &[
        "family",
        "published models",
        "test models",
        "WebGPU's defaults",
        "graphics card",
        "8-bit integer products",
        "CPU",
        "CPU with threads",
        "changes noticed",
    ],
    keys: 1,
    min_rows: 12,
};
const ENCODERS: Table = Table {
    name: "encoders",
    page: "docs/models.md",
    columns: &[
        "family",
        "published models",
        "test models",
        "WebGPU's defaults",
        "graphics card",
        "CPU",
        "CPU with threads",
    ],
    keys: 1,
    min_rows: 2,
};
const PROJECTORS: Table = Table {
    name: "projectors",
    page: "docs/models.md",
    columns: &["projector", "published models", "test projectors", "pixels", "embeddings", "logits", "devices"],
    keys: 1,
    min_rows: 9,
};
const HEARING: Table = Table {
    name: "hearing",
    page: "docs/models.md",
    columns: &["projector", "published models", "test projectors", "embeddings", "logits", "devices"],
    keys: 1,
    min_rows: 3,
};
const PUBLISHED_MODELS: Table = Table {
    name: "published",
    page: "docs/models.md",
    columns: &["model", "what is compared", "where", "bound"],
    keys: 3,
    min_rows: 9,
};
/// Written by `cargo xtask compare-model`.
const GREEDY: Table = Table {
    name: "greedy",
    page: "docs/models.md",
    columns: &["model", "prompt", "tokens", "equal to llama.cpp's", "first difference"],
    keys: 2,
    min_rows: 10,
};
const FORMATS: Table = Table {
    name: "formats",
    page: "docs/models.md",
    columns: &[
        "format",
        "bits per weight",
        "dequantised",
        "repacked",
        "embedding lookup",
        "matrix product",
        "8-bit integer product",
    ],
    keys: 1,
    min_rows: 28,
};
const TOKENIZERS: Table = Table {
    name: "tokenizers",
    page: "docs/models.md",
    columns: &["tokenizer", "pre-tokenizer", "equal strings"],
    keys: 2,
    min_rows: 19,
};
const TEMPLATES: Table = Table {
    name: "templates",
    page: "docs/models.md",
    columns: &["models", "templates", "equal texts"],
    keys: 1,
    min_rows: 20,
};
const TOOL_CALLS: Table = Table {
    name: "tools",
    page: "docs/models.md",
    columns: &["format", "models", "answers parsed"],
    keys: 1,
    min_rows: 12,
};

const ALL: [Table; 11] = [
    FAILURE_MODES,
    FAMILIES,
    ENCODERS,
    PROJECTORS,
    HEARING,
    PUBLISHED_MODELS,
    GREEDY,
    FORMATS,
    TOKENIZERS,
    TEMPLATES,
    TOOL_CALLS,
];

/// Rows of a table: the values of each cell, by the row's keys.
type Rows = BTreeMap<Vec<String>, Vec<BTreeSet<String>>>;

/// Where tests record rows.
fn folder() -> PathBuf {
    root().join("target/table-rows")
}

/// The rows that `cargo xtask compare-model` records.
pub(crate) fn recorded_greedy() -> PathBuf {
    GREEDY.recorded()
}

/// The environment variable that names the step whose tests record rows.
pub(crate) const STEP: &str = "PARLANCE_TEST_STEP";

/// Deletes what earlier runs of a step recorded.
pub(crate) fn clear_notes(step: &str) -> Result<(), Error> {
    shell::remove_folder(&folder().join(step))
}

/// Compares all tables with what the tests recorded.
pub(crate) fn check() -> Result<(), Error> {
    ALL.iter().try_for_each(Table::check)
}

/// `cargo xtask tables`: regenerates all tables from the last run of the tests.
pub(crate) fn write_all() -> Result<(), Error> {
    ALL.iter().try_for_each(Table::write)
}

/// `cargo xtask faults`: regenerates the table of failure modes, for which the end-to-end tests are enough.
pub(crate) fn write_failure_modes() -> Result<(), Error> {
    FAILURE_MODES.write()
}

impl Table {
    fn check(&self) -> Result<(), Error> {
        let (text, rows) = (self.read_page()?, self.complete_rows()?);
        if self.split_page(&text)?[1] != self.render(&rows) {
            return Err(Error::new(
                format!("the table of {} in {} differs from the test results", self.name, self.page),
                "run `cargo xtask tables` and review the changes",
            ));
        }
        println!("    {}: {} rows in {} match the test results", self.name, rows.len(), self.page);
        Ok(())
    }

    fn write(&self) -> Result<(), Error> {
        let (text, rows) = (self.read_page()?, self.complete_rows()?);
        let [before, _, after] = self.split_page(&text)?;
        let table = self.render(&rows);
        std::fs::write(root().join(self.page), format!("{before}{table}{after}"))
            .map_err(|error| Error::new(format!("{}: {error}", self.page), "make it writable"))?;
        println!("{}: {} rows are in {}.", self.name, rows.len(), self.page);
        Ok(())
    }

    fn read_page(&self) -> Result<String, Error> {
        std::fs::read_to_string(root().join(self.page))
            .map_err(|error| Error::new(format!("{}: {error}", self.page), "restore it"))
    }

    /// Rows that a command records, if one does.
    fn recorded(&self) -> PathBuf {
        root().join("worker/engine/tests/fixtures").join(self.name).with_extension("tsv")
    }

    /// The rows from the last run of the tests, and those that a command has recorded. Fails if any are missing.
    fn complete_rows(&self) -> Result<Rows, Error> {
        let error = |error| Error::new(format!("{}: {error}", folder().display()), "run `cargo xtask test`");
        // Most tables have none.
        let mut notes = std::fs::read_to_string(self.recorded()).unwrap_or_default();
        for step in std::fs::read_dir(folder()).map_err(error)? {
            let path = step.map_err(error)?.path().join(self.name).with_extension("tsv");
            // Not every step records rows of every table.
            notes += &std::fs::read_to_string(path).unwrap_or_default();
        }
        let rows = self.parse(&notes);
        match self.missing(&rows) {
            Some(missing) => {
                let hint = "find out which test, or which command that records rows, did not run";
                Err(Error::new(format!("{}: {missing}", self.name), hint))
            }
            None => Ok(rows),
        }
    }

    /// Parses rows: one per line, with cells separated by tabs. Cells that other tests fill are empty.
    fn parse(&self, notes: &str) -> Rows {
        let mut rows = Rows::new();
        for line in notes.lines() {
            let cells: Vec<_> = line.split('\t').collect();
            let (keys, others) = cells.split_at(self.keys.min(cells.len()));
            let row = rows.entry(keys.iter().map(|key| (*key).to_owned()).collect()).or_default();
            row.resize(self.columns.len() - self.keys, BTreeSet::new());
            for (cell, value) in row.iter_mut().zip(others).filter(|(_, value)| !value.is_empty()) {
                cell.insert((*value).to_owned());
            }
        }
        rows
    }

    /// Describes a row or cell that no test has recorded, if there is one.
    fn missing(&self, rows: &Rows) -> Option<String> {
        if rows.len() < self.min_rows {
            return Some(format!("{} rows instead of at least {}", rows.len(), self.min_rows));
        }
        rows.iter().find_map(|(keys, cells)| {
            let empty = cells.iter().position(BTreeSet::is_empty)?;
            Some(format!("no test has recorded “{}” of {}", self.columns[self.keys + empty], keys.join(", ")))
        })
    }

    /// Splits a page into the text before the table, the table, and the text after it.
    fn split_page<'t>(&self, text: &'t str) -> Result<[&'t str; 3], Error> {
        let begin = format!("<!-- {}: written by `cargo xtask tables` -->\n", self.name);
        let found = text.find(&begin).map(|at| at + begin.len()).and_then(|start| {
            let len = text[start..].find(&format!("<!-- end of {} -->", self.name))?;
            Some([&text[..start], &text[start..start + len], &text[start + len..]])
        });
        found.ok_or_else(|| {
            Error::new(format!("{} has no markers for the table of {}", self.page, self.name), "restore them")
        })
    }

    /// The table in Markdown.
    fn render(&self, rows: &Rows) -> String {
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
        Table { name: "things", page: "page", columns: &["thing", "size", "colour"], keys: 1, min_rows: 2 };

    #[test]
    fn rows_combine_the_cells_of_different_tests_and_are_sorted() {
        let rows = TABLE.parse("b\t2\t\na\t1\tred\nb\t\tred\nb\t2\tblue\n");
        let expected = "\n| thing | size | colour |\n| --- | --- | --- |\n| a | 1 | red |\n| b | 2 | blue, red |\n\n";
        assert_eq!(TABLE.render(&rows), expected);
        assert_eq!(TABLE.missing(&rows), None);
        let page = format!(
            "before\n<!-- things: written by `cargo xtask tables` -->\n{expected}<!-- end of things -->\nafter <!-- end of things -->"
        );
        let [before, table, after] = TABLE.split_page(&page).unwrap_or_default();
        assert_eq!(table, expected);
        assert!(before.ends_with("-->\n") && after.starts_with("<!-- end of things -->\nafter"));
        assert!(TABLE.split_page("nothing").is_err());
    }

    #[test]
    fn rows_and_cells_that_no_test_has_recorded_are_missing() {
        let missing = |notes| TABLE.missing(&TABLE.parse(notes));
        assert_eq!(missing("a\t1\tred\n").as_deref(), Some("1 rows instead of at least 2"));
        assert_eq!(missing("a\t1\tred\nb\t2\t\n").as_deref(), Some("no test has recorded “colour” of b"));
    }
}
