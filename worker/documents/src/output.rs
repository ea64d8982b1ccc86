//! The document that is being read: its sections so far, and what they may still take.

use parlance_protocol::documents::{Document, LimitUnit, MAX_TEXT_BYTES, Place, Section, SectionKind};

use crate::error::DocumentError;
use crate::limits::MAX_CELLS;

/// Collects the sections of a document, within the limits.
pub(crate) struct Output<'p> {
    document: Document,
    text_bytes: usize,
    cells: u64,
    on_progress: &'p mut dyn FnMut(f64),
}

impl<'p> Output<'p> {
    pub(crate) fn new(on_progress: &'p mut dyn FnMut(f64)) -> Self {
        Self { document: Document::default(), text_bytes: 0, cells: 0, on_progress }
    }

    /// Names the document.
    pub(crate) fn title(&mut self, title: &str) {
        title.trim().clone_into(&mut self.document.title);
    }

    /// Adds the section that follows those so far.
    pub(crate) fn section(&mut self, kind: SectionKind, name: &str, text: String) -> Result<(), DocumentError> {
        self.numbered_section(kind, self.document.sections.len() + 1, name, text)
    }

    /// Adds a section with a number of its own. One without text is left out.
    pub(crate) fn numbered_section(
        &mut self,
        kind: SectionKind,
        number: usize,
        name: &str,
        text: String,
    ) -> Result<(), DocumentError> {
        if text.trim().is_empty() {
            return Ok(());
        }
        self.text_bytes += text.len() + name.len();
        self.check_text(0)?;
        let place = Place { kind, number: u32::try_from(number).unwrap_or(u32::MAX), name: name.trim().to_owned() };
        self.document.sections.push(Section { place, text });
        Ok(())
    }

    /// Fails if a section of `more_bytes` would be too much text.
    pub(crate) fn check_text(&self, more_bytes: usize) -> Result<(), DocumentError> {
        if self.text_bytes.saturating_add(more_bytes) > MAX_TEXT_BYTES {
            return Err(DocumentError::too_large(LimitUnit::Text, MAX_TEXT_BYTES as u64));
        }
        Ok(())
    }

    /// Counts cells of a table.
    pub(crate) fn count_cells(&mut self, count: usize) -> Result<(), DocumentError> {
        self.cells = self.cells.saturating_add(count as u64);
        if self.cells > MAX_CELLS {
            return Err(DocumentError::too_large(LimitUnit::Cells, MAX_CELLS));
        }
        Ok(())
    }

    /// Notes a page without text.
    pub(crate) fn page_without_text(&mut self) {
        self.document.pages_without_text += 1;
    }

    /// Notes a file of an archive that is no text.
    pub(crate) fn file_left_out(&mut self) {
        self.document.files_left_out += 1;
    }

    /// Tells how much is done.
    pub(crate) fn progress(&mut self, done: usize, total: usize) {
        (self.on_progress)(done as f64 / total.max(1) as f64);
    }

    /// The document.
    pub(crate) fn finish(self) -> Result<Document, DocumentError> {
        let is_empty = self.document.sections.is_empty() && self.document.pages_without_text == 0;
        if is_empty { Err(DocumentError::Empty) } else { Ok(self.document) }
    }
}
