//! The blocks of a text, as formats with paragraphs, lists and tables have them, in Markdown.

use parlance_protocol::documents::{LimitUnit, MAX_TEXT_BYTES};

use crate::error::DocumentError;
use crate::limits::MAX_CELLS;
use crate::table;

/// What a paragraph is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Style {
    #[default]
    Plain,
    /// A heading, from 1.
    Heading(usize),
    /// An entry of a list, in lists within each other from 1.
    Item(usize),
    /// Text whose line breaks and spaces count.
    Code,
}

/// A chapter: its heading, and its text with the heading.
pub(crate) struct Chapter {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// Collects blocks.
#[derive(Default)]
pub(crate) struct Blocks {
    chapters: Vec<Chapter>,
    /// The chapter so far.
    text: String,
    name: String,
    /// The paragraph so far.
    paragraph: String,
    last: Style,
    /// Tables within each other.
    tables: Vec<Rows>,
    splits_chapters: bool,
    len_bytes: usize,
    cells: u64,
}

/// The rows of a table, of which the last is open.
#[derive(Default)]
struct Rows {
    rows: Vec<Vec<String>>,
    cell: String,
}

impl Blocks {
    /// Blocks of which each heading of the first level begins a chapter.
    pub(crate) fn with_chapters() -> Self {
        Self { splits_chapters: true, ..Self::default() }
    }

    /// Adds to the paragraph.
    pub(crate) fn push(&mut self, text: &str) {
        self.paragraph.push_str(text);
    }

    /// Adds words to the paragraph, with single spaces between them.
    pub(crate) fn push_words(&mut self, text: &str) {
        for (index, word) in text.split(char::is_whitespace).enumerate() {
            if index > 0 && !self.paragraph.is_empty() && !self.paragraph.ends_with([' ', '\n']) {
                self.paragraph.push(' ');
            }
            self.paragraph.push_str(word);
        }
    }

    /// The paragraph so far.
    pub(crate) fn paragraph(&self) -> &str {
        &self.paragraph
    }

    /// Ends the paragraph, if it has begun.
    pub(crate) fn end_paragraph(&mut self, style: Style) -> Result<(), DocumentError> {
        let paragraph = std::mem::take(&mut self.paragraph);
        let paragraph = if style == Style::Code { paragraph.trim_matches('\n') } else { paragraph.trim() };
        if paragraph.trim().is_empty() {
            return Ok(());
        }
        self.len_bytes += paragraph.len();
        if self.len_bytes > MAX_TEXT_BYTES {
            return Err(DocumentError::too_large(LimitUnit::Text, MAX_TEXT_BYTES as u64));
        }
        if let Some(table) = self.tables.last_mut() {
            if !table.cell.is_empty() {
                table.cell.push(' ');
            }
            table.cell.push_str(paragraph);
            return Ok(());
        }
        if let Style::Heading(1) = style
            && self.splits_chapters
        {
            self.end_chapter();
            paragraph.clone_into(&mut self.name);
        }
        let is_in_list = matches!((self.last, style), (Style::Item(_), Style::Item(_)));
        self.separate(if is_in_list { "\n" } else { "\n\n" });
        match style {
            Style::Plain => self.text.push_str(paragraph),
            Style::Heading(level) => {
                self.text.extend(std::iter::repeat_n('#', level.clamp(1, 6)));
                self.text.push(' ');
                self.text.push_str(&paragraph.replace('\n', " "));
            }
            Style::Item(level) => {
                self.text.extend(std::iter::repeat_n("  ", level.clamp(1, 8) - 1));
                self.text.push_str("- ");
                self.text.push_str(paragraph);
            }
            Style::Code => {
                self.text.push_str("```\n");
                self.text.push_str(paragraph);
                self.text.push_str("\n```");
            }
        }
        self.last = style;
        Ok(())
    }

    fn separate(&mut self, with: &str) {
        if !self.text.is_empty() {
            self.text.push_str(with);
        }
    }

    /// Begins a table. One within a cell becomes text.
    pub(crate) fn start_table(&mut self) -> Result<(), DocumentError> {
        self.end_paragraph(Style::Plain)?;
        self.tables.push(Rows::default());
        Ok(())
    }

    pub(crate) fn start_row(&mut self) -> Result<(), DocumentError> {
        self.end_cell(0)?;
        if let Some(table) = self.tables.last_mut() {
            table.rows.push(Vec::new());
        }
        Ok(())
    }

    /// Ends a cell, which covers this many columns.
    pub(crate) fn end_cell(&mut self, columns: usize) -> Result<(), DocumentError> {
        self.end_paragraph(Style::Plain)?;
        let Some(table) = self.tables.last_mut() else { return Ok(()) };
        let cell = std::mem::take(&mut table.cell);
        if columns == 0 && cell.is_empty() {
            return Ok(());
        }
        let columns = columns.max(1);
        self.cells = self.cells.saturating_add(columns as u64);
        if self.cells > MAX_CELLS {
            return Err(DocumentError::too_large(LimitUnit::Cells, MAX_CELLS));
        }
        if table.rows.is_empty() {
            table.rows.push(Vec::new());
        }
        if let Some(row) = table.rows.last_mut() {
            row.push(cell);
            row.extend(std::iter::repeat_n(String::new(), columns - 1));
        }
        Ok(())
    }

    pub(crate) fn end_table(&mut self) -> Result<(), DocumentError> {
        self.end_cell(0)?;
        let Some(mut table) = self.tables.pop() else { return Ok(()) };
        table.rows.retain(|row| row.iter().any(|cell| !cell.is_empty()));
        if let Some(outer) = self.tables.last_mut() {
            for cell in table.rows.into_iter().flatten().filter(|cell| !cell.is_empty()) {
                outer.cell.push(' ');
                outer.cell.push_str(cell.trim());
            }
            return Ok(());
        }
        let markdown = table::markdown(&table.rows);
        if !markdown.is_empty() {
            self.separate("\n\n");
            self.text.push_str(markdown.trim_end());
            self.last = Style::Plain;
        }
        Ok(())
    }

    fn end_chapter(&mut self) {
        let (name, text) = (std::mem::take(&mut self.name), std::mem::take(&mut self.text));
        self.last = Style::Plain;
        if !text.is_empty() {
            self.chapters.push(Chapter { name, text });
        }
    }

    /// All chapters; what comes before the first heading has no name.
    pub(crate) fn finish(mut self) -> Result<Vec<Chapter>, DocumentError> {
        while !self.tables.is_empty() {
            self.end_table()?;
        }
        self.end_paragraph(Style::Plain)?;
        self.end_chapter();
        Ok(self.chapters)
    }

    /// All of it as one text.
    pub(crate) fn into_text(self) -> Result<String, DocumentError> {
        let chapters = self.finish()?;
        Ok(chapters.into_iter().map(|chapter| chapter.text).collect::<Vec<_>>().join("\n\n"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn blocks_become_markdown() {
        let mut blocks = Blocks::with_chapters();
        blocks.push("Before");
        blocks.end_paragraph(Style::Plain).unwrap();
        for (text, style) in [
            ("One", Style::Heading(1)),
            ("a", Style::Item(1)),
            ("b", Style::Item(2)),
            ("x  = 1\ny", Style::Code),
            ("Two", Style::Heading(1)),
        ] {
            blocks.push(text);
            blocks.end_paragraph(style).unwrap();
        }
        let chapters = blocks.finish().unwrap();
        let texts: Vec<_> = chapters.iter().map(|chapter| (chapter.name.as_str(), chapter.text.as_str())).collect();
        assert_eq!(texts, [("", "Before"), ("One", "# One\n\n- a\n  - b\n\n```\nx  = 1\ny\n```"), ("Two", "# Two")]);
    }

    #[test]
    fn tables_within_cells_become_text() {
        let mut blocks = Blocks::default();
        blocks.start_table().unwrap();
        for cells in [["a", "b"], ["c", ""]] {
            blocks.start_row().unwrap();
            for cell in cells {
                blocks.push(cell);
                blocks.end_cell(1).unwrap();
            }
        }
        blocks.start_row().unwrap();
        blocks.push("outer");
        blocks.start_table().unwrap();
        blocks.start_row().unwrap();
        blocks.push("inner");
        blocks.end_cell(1).unwrap();
        blocks.end_table().unwrap();
        blocks.end_cell(2).unwrap();
        blocks.end_table().unwrap();
        assert_eq!(blocks.into_text().unwrap(), "| a | b |\n| --- | --- |\n| c |\n| outer inner |");
    }

    #[test]
    fn spaces_between_words_are_single() {
        let mut blocks = Blocks::default();
        blocks.push_words("  One\n  two ");
        blocks.push_words("three");
        blocks.push_words(" ");
        blocks.push_words("four");
        assert_eq!(blocks.paragraph(), "One two three four");
    }
}
