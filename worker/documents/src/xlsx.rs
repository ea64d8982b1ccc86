//! Workbooks of Excel: a table for each sheet, with numbers about as Excel shows them.
//!
//! Cells are read one after the other, rather than as a grid, because a cell can be in row 1,048,576 of column XFD.

use std::collections::HashMap;
use std::io::{Read, Seek};

use parlance_protocol::documents::{LimitUnit, MAX_TEXT_BYTES, SectionKind};

use crate::archive::Archive;
use crate::error::DocumentError;
use crate::number_format::NumberFormat;
use crate::office::{PROPERTIES, relations, title};
use crate::output::Output;
use crate::table;
use crate::xml::{self, Element, Node};

const MAIN: &str = "xl/workbook.xml";
/// Columns of a sheet.
const MAX_COLUMNS: usize = 16_384;

/// Reads all sheets.
pub(crate) fn read<R: Read + Seek>(archive: &mut Archive<R>, output: &mut Output<'_>) -> Result<(), DocumentError> {
    let parts = relations(archive, MAIN)?;
    let mut sheets = Vec::new();
    let mut is_1904 = false;
    archive.read(MAIN, |file| {
        xml::parse(file, |node| {
            let Node::Start(element) = node else { return Ok(()) };
            match element.name {
                "workbookPr" => is_1904 = matches!(element.attribute("date1904").as_deref(), Some("1" | "true")),
                "sheet" => {
                    let part =
                        element.attribute("r:id").and_then(|id| parts.get(&id)).map(|relation| relation.part.clone());
                    sheets.push((element.attribute("name").unwrap_or_default(), part));
                }
                _ => {}
            }
            Ok(())
        })
    })?;
    if let Some(title) = title(archive, PROPERTIES)? {
        output.title(&title);
    }
    let (strings, formats) = (shared_strings(archive)?, formats(archive)?);
    let total = sheets.len();
    for (index, (name, part)) in sheets.into_iter().enumerate() {
        let mut sheet = Sheet { strings: &strings, formats: &formats, is_1904, ..Sheet::new(output) };
        if let Some(part) = part {
            archive.read(&part, |file| xml::parse(file, |node| sheet.node(node)))?;
        }
        let rows = without_margin(sheet.rows);
        output.numbered_section(SectionKind::Sheet, index + 1, &name, table::markdown(&rows))?;
        output.progress(index + 1, total);
    }
    Ok(())
}

/// Texts of cells, which refer to them by their indices.
fn shared_strings<R: Read + Seek>(archive: &mut Archive<R>) -> Result<Vec<String>, DocumentError> {
    let mut strings: Vec<String> = Vec::new();
    let (mut is_text, mut is_phonetic, mut len_bytes) = (false, false, 0);
    archive.read("xl/sharedStrings.xml", |file| {
        xml::parse(file, |node| {
            match node {
                Node::Start(element) => match element.name {
                    "si" => strings.push(String::new()),
                    "t" => is_text = true,
                    // How the text is pronounced.
                    "rPh" => is_phonetic = true,
                    _ => {}
                },
                Node::End("t") => is_text = false,
                Node::End("rPh") => is_phonetic = false,
                Node::Text(text) if is_text && !is_phonetic => {
                    len_bytes += text.len();
                    if len_bytes > MAX_TEXT_BYTES {
                        return Err(DocumentError::too_large(LimitUnit::Text, MAX_TEXT_BYTES as u64));
                    }
                    if let Some(last) = strings.last_mut() {
                        last.push_str(text);
                    }
                }
                _ => {}
            }
            Ok(())
        })
    })?;
    Ok(strings)
}

/// The formats of numbers, by the indices that cells have.
fn formats<R: Read + Seek>(archive: &mut Archive<R>) -> Result<Vec<NumberFormat>, DocumentError> {
    let mut own: HashMap<u32, NumberFormat> = HashMap::new();
    let mut formats = Vec::new();
    let mut is_of_cells = false;
    archive.read("xl/styles.xml", |file| {
        xml::parse(file, |node| {
            match node {
                Node::Start(element) => match element.name {
                    "numFmt" => {
                        if let (Some(id), Some(code)) = (element.number("numFmtId"), element.attribute("formatCode")) {
                            own.insert(id, NumberFormat::of_code(&code));
                        }
                    }
                    "cellXfs" => is_of_cells = true,
                    "xf" if is_of_cells => {
                        let id = element.number("numFmtId").unwrap_or(0);
                        formats.push(own.get(&id).copied().unwrap_or_else(|| NumberFormat::built_in(id)));
                    }
                    _ => {}
                },
                Node::End("cellXfs") => is_of_cells = false,
                _ => {}
            }
            Ok(())
        })
    })?;
    Ok(formats)
}

/// A sheet that is being read.
struct Sheet<'a, 'o, 'p> {
    strings: &'a [String],
    formats: &'a [NumberFormat],
    is_1904: bool,
    output: &'o mut Output<'p>,
    rows: Vec<Vec<String>>,
    row: Vec<String>,
    len_bytes: usize,
    /// The type of the open cell.
    kind: String,
    /// The index of its format.
    style: usize,
    value: String,
    is_value: bool,
}

impl<'o, 'p> Sheet<'_, 'o, 'p> {
    fn new(output: &'o mut Output<'p>) -> Self {
        Self {
            strings: &[],
            formats: &[],
            is_1904: false,
            output,
            rows: Vec::new(),
            row: Vec::new(),
            len_bytes: 0,
            kind: String::new(),
            style: 0,
            value: String::new(),
            is_value: false,
        }
    }

    fn node(&mut self, node: Node<'_>) -> Result<(), DocumentError> {
        match node {
            Node::Start(element) => match element.name {
                "row" => self.row.clear(),
                "c" => self.start_cell(&element)?,
                // The value, or a text that is not shared.
                "v" | "t" => self.is_value = true,
                _ => {}
            },
            Node::End("v" | "t") => self.is_value = false,
            Node::End("c") => {
                let text = self.shown();
                self.len_bytes += text.len() + 3;
                self.output.check_text(self.len_bytes)?;
                self.row.push(text);
            }
            Node::End("row") => {
                let row = std::mem::take(&mut self.row);
                if row.iter().any(|cell| !cell.trim().is_empty()) {
                    self.rows.push(row);
                }
            }
            Node::Text(text) if self.is_value => self.value.push_str(text),
            Node::End(_) | Node::Text(_) => {}
        }
        Ok(())
    }

    fn start_cell(&mut self, cell: &Element<'_>) -> Result<(), DocumentError> {
        let column = cell.attribute("r").and_then(|reference| column(&reference)).unwrap_or(self.row.len());
        if column >= MAX_COLUMNS || column < self.row.len() {
            return Err(DocumentError::damaged("a cell is outside of its sheet"));
        }
        self.output.count_cells(column + 1 - self.row.len())?;
        self.len_bytes += 3 * (column - self.row.len());
        self.row.resize(column, String::new());
        self.kind = cell.attribute("t").unwrap_or_default();
        self.style = cell.number("s").unwrap_or(0);
        self.value.clear();
        Ok(())
    }

    /// The text of the open cell.
    fn shown(&self) -> String {
        match self.kind.as_str() {
            "s" => {
                let index: Option<usize> = self.value.trim().parse().ok();
                index.and_then(|index| self.strings.get(index)).cloned().unwrap_or_default()
            }
            "b" => if self.value.trim() == "1" { "TRUE" } else { "FALSE" }.to_owned(),
            "" | "n" => match self.value.trim().parse::<f64>() {
                Ok(number) => self.formats.get(self.style).copied().unwrap_or_default().show(number, self.is_1904),
                Err(_) => self.value.clone(),
            },
            _ => self.value.clone(),
        }
    }
}

/// The column of a reference such as `AB12`, from 0.
fn column(reference: &str) -> Option<usize> {
    let letters = reference.bytes().take_while(u8::is_ascii_alphabetic);
    let column =
        letters.take(4).fold(0, |column, letter| column * 26 + usize::from(letter.to_ascii_uppercase() - b'A') + 1);
    column.checked_sub(1)
}

/// Rows without the empty columns before all of them.
fn without_margin(mut rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let first = |row: &Vec<String>| row.iter().position(|cell| !cell.trim().is_empty());
    let margin = rows.iter().filter_map(first).min().unwrap_or(0);
    if margin > 0 {
        for row in &mut rows {
            row.drain(..margin.min(row.len()));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_name_columns() {
        let cases = [("A1", Some(0)), ("Z9", Some(25)), ("AA1", Some(26)), ("XFD1048576", Some(16_383)), ("12", None)];
        for (reference, expected) in cases {
            assert_eq!(column(reference), expected, "{reference}");
        }
        // Further than any column, without an overflow.
        assert!(column("ZZZZZZZZZZZZZZZZ1").is_some_and(|column| column > MAX_COLUMNS));
    }
}
