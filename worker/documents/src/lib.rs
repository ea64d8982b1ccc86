//! Documents as text, for the worker that reads them (`reader/`): pure functions, without a browser.
//!
//! [`read`] takes a file that can be read anywhere, so archives need not be in memory as a whole. What the file says is data:
//! scripts, links, macros and formulas mean nothing. It is hostile, too: every count has a limit ([`limits`]), and nothing
//! is allocated for what a file merely claims. Where a format says what is a heading, a list or a table, the text is
//! Markdown.
//!
//! | file | |
//! | --- | --- |
//! | `kind.rs`, `archive.rs`, `xml.rs` | what a file is; its packed files, and their elements, within limits |
//! | `text.rs`, `blocks.rs`, `table.rs`, `output.rs` | texts, and the paragraphs, tables and sections of one |
//! | `pdf.rs`, `html.rs`, `csv.rs`, `docx.rs`, `pptx.rs`, `xlsx.rs`, `open_document.rs`, `epub.rs`, `sources.rs` | the formats |

mod archive;
mod blocks;
mod csv;
mod docx;
mod epub;
mod error;
mod html;
mod kind;
pub mod limits;
mod number_format;
mod office;
mod open_document;
mod output;
mod pdf;
mod pptx;
mod sources;
mod table;
mod text;
mod xlsx;
mod xml;

pub use error::DocumentError;
pub use parlance_protocol::documents::{Document, Place, Section, SectionKind};

use std::io::{Read, Seek, SeekFrom};

use parlance_protocol::documents::{LimitUnit, MAX_FILE_BYTES};

use crate::archive::Archive;
use crate::kind::{ArchiveKind, Kind};
use crate::output::Output;
use crate::text::text;

/// Reads a document. `name` is the file's, whose ending tells kinds of text apart. `on_progress` gets the share that is done,
/// from 0 to 1.
///
/// # Errors
/// A [`DocumentError`] if the file cannot be read, or has more than the [`limits`].
pub fn read<R: Read + Seek>(
    mut source: R,
    name: &str,
    on_progress: &mut dyn FnMut(f64),
) -> Result<Document, DocumentError> {
    if source.seek(SeekFrom::End(0))? > MAX_FILE_BYTES {
        return Err(DocumentError::too_large(LimitUnit::Bytes, MAX_FILE_BYTES));
    }
    source.rewind()?;
    let kind = Kind::of(&mut source, name)?;
    source.rewind()?;
    let mut output = Output::new(on_progress);
    match kind {
        Kind::Pdf => pdf::read(source, &mut output)?,
        Kind::Archive => read_archive(source, &mut output)?,
        Kind::Csv => csv::read(&text(source)?, &mut output)?,
        Kind::Html => html::read(&text(source)?, &mut output)?,
        Kind::Text => output.section(SectionKind::Chapter, "", text(source)?)?,
    }
    output.finish()
}

fn read_archive<R: Read + Seek>(source: R, output: &mut Output<'_>) -> Result<(), DocumentError> {
    let mut archive = Archive::open(source)?;
    match ArchiveKind::of(&mut archive)? {
        ArchiveKind::Docx => docx::read(&mut archive, output),
        ArchiveKind::Pptx => pptx::read(&mut archive, output),
        ArchiveKind::Xlsx => xlsx::read(&mut archive, output),
        ArchiveKind::OpenDocument => open_document::read(&mut archive, output),
        ArchiveKind::Epub => epub::read(&mut archive, output),
        ArchiveKind::Files => sources::read(&mut archive, output),
    }
}
