//! Documents as text, and the messages of the worker that reads them. It gets one file and answers with [`DocumentEvent`]s.

use serde::{Deserialize, Serialize};

/// The key of the `File` in the message to the worker.
pub const FILE_KEY: &str = "file";

/// Maximum bytes of a file that is read.
pub const MAX_FILE_BYTES: u64 = 256_000_000;
/// Maximum bytes of a document's text: the library cuts and searches this much in a few seconds.
pub const MAX_TEXT_BYTES: usize = 32_000_000;

/// The text of a document. All of it is data, whatever it says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Its title according to its metadata or its first heading; empty if it has none.
    pub title: String,
    /// Its parts, in order.
    pub sections: Vec<Section>,
    /// How many pages of a PDF file have no text, such as scanned ones. They have no section.
    #[serde(default)]
    pub pages_without_text: u32,
    /// How many files of an archive were left out, because they are no texts.
    #[serde(default)]
    pub files_left_out: u32,
}

/// A part of a document that can be referred to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Where it is.
    pub place: Place,
    /// Its text, in Markdown where the file says what is a heading, a list or a table.
    pub text: String,
}

/// Where something is in a document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// What it is counted in.
    pub kind: SectionKind,
    /// Its number, from 1.
    pub number: u32,
    /// Its name: that of a sheet, the title of a slide or a chapter, the path of a file. May be empty.
    pub name: String,
}

impl Place {
    /// The place for a model, in English, such as `page 3` or `sheet 2 (Costs)`.
    pub fn describe(&self) -> String {
        let kind = match self.kind {
            SectionKind::Page => "page",
            SectionKind::Sheet => "sheet",
            SectionKind::Slide => "slide",
            SectionKind::Chapter => "chapter",
            SectionKind::File => return self.name.clone(),
        };
        if self.name.is_empty() {
            format!("{kind} {}", self.number)
        } else {
            format!("{kind} {} ({})", self.number, self.name)
        }
    }
}

/// What the parts of a document are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SectionKind {
    /// Pages, as of PDF files.
    Page,
    /// Sheets of a workbook.
    Sheet,
    /// Slides of a presentation.
    Slide,
    /// Chapters of a book, or what follows the headings of the first level. The whole text if there are none.
    #[default]
    Chapter,
    /// Files of an archive.
    File,
}

/// A message of the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum DocumentEvent {
    /// It has started and takes a file.
    Ready,
    /// A part of the file has been read.
    Progress {
        /// The share that is done, from 0 to 1.
        share: f64,
    },
    /// The file has been read.
    Done {
        /// Its text.
        document: Document,
    },
    /// The file cannot be read.
    Failed {
        /// Why.
        fault: DocumentFault,
    },
}

/// Why a file cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum DocumentFault {
    /// It has a password, or is copy-protected.
    Encrypted,
    /// It is damaged or cut off, or takes too long.
    Damaged,
    /// It is of no kind that is read.
    Unknown,
    /// Its text is not encoded as UTF-8.
    Encoding,
    /// It has no text.
    Empty,
    /// It has more than is read.
    TooLarge {
        /// Of what.
        unit: LimitUnit,
        /// How many are read.
        limit: f64,
    },
}

/// What is limited in documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitUnit {
    /// Bytes of the file, or of what is packed in it.
    Bytes,
    /// Bytes of its text.
    Text,
    /// Files in an archive.
    Files,
    /// Pages of a PDF file.
    Pages,
    /// Cells of tables.
    Cells,
    /// Elements within each other.
    Nesting,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_described_for_models() {
        let place = |kind, name: &str| Place { kind, number: 3, name: name.to_owned() };
        assert_eq!(place(SectionKind::Page, "").describe(), "page 3");
        assert_eq!(place(SectionKind::Sheet, "Costs").describe(), "sheet 3 (Costs)");
        assert_eq!(place(SectionKind::File, "src/main.rs").describe(), "src/main.rs");
    }

    #[test]
    fn faults_survive_their_json_form() -> serde_json::Result<()> {
        let fault = DocumentFault::TooLarge { unit: LimitUnit::Pages, limit: 5000.0 };
        let json = serde_json::to_string(&DocumentEvent::Failed { fault })?;
        assert_eq!(json, r#"{"type":"failed","fault":{"code":"too_large","unit":"pages","limit":5000.0}}"#);
        assert_eq!(serde_json::from_str::<DocumentEvent>(&json)?, DocumentEvent::Failed { fault });
        Ok(())
    }
}
