//! What a file is, by its first bytes and the names of its packed files; only kinds of text are told apart by their names.

use std::io::{Read, Seek};

use crate::archive::Archive;
use crate::error::DocumentError;

/// Bytes at the start of a file that tell its kind. In those of encrypted office files, a name says so.
const HEAD_BYTES: u64 = 64 << 10;
/// The start of OLE containers: office files of before 2007, and encrypted ones of today.
const OLE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Pdf,
    Archive,
    Csv,
    Html,
    Text,
}

impl Kind {
    /// Reads the start of a file.
    pub(crate) fn of(source: &mut impl Read, name: &str) -> Result<Self, DocumentError> {
        let mut head = Vec::new();
        source.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
        // Some programs write something before the mark.
        if head[..head.len().min(1024)].windows(5).any(|bytes| bytes == b"%PDF-") {
            return Ok(Self::Pdf);
        }
        // An archive begins with a file, or with its end if there is none.
        if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
            return Ok(Self::Archive);
        }
        if head.starts_with(OLE) {
            let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
            let is_encrypted = head.windows(name.len()).any(|bytes| bytes == name);
            return Err(if is_encrypted { DocumentError::Encrypted } else { DocumentError::Unknown });
        }
        if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
            return Err(DocumentError::Encoding);
        }
        if head.contains(&0) {
            return Err(DocumentError::Unknown);
        }
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_lowercase());
        Ok(match ending.as_deref() {
            Some("csv" | "tsv") => Self::Csv,
            Some("html" | "htm" | "xhtml") => Self::Html,
            _ => Self::Text,
        })
    }
}

/// A kind of archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArchiveKind {
    Docx,
    Pptx,
    Xlsx,
    OpenDocument,
    Epub,
    /// Any files.
    Files,
}

impl ArchiveKind {
    /// By what office programs and readers look for.
    pub(crate) fn of<R: Read + Seek>(archive: &mut Archive<R>) -> Result<Self, DocumentError> {
        let mime = archive.read("mimetype", |file| {
            let mut mime = String::new();
            file.take(100).read_to_string(&mut mime)?;
            Ok(mime)
        })?;
        if mime.is_some_and(|mime| mime.starts_with("application/vnd.oasis.opendocument.")) {
            return Ok(Self::OpenDocument);
        }
        let marks = [
            ("word/document.xml", Self::Docx),
            ("ppt/presentation.xml", Self::Pptx),
            ("xl/workbook.xml", Self::Xlsx),
            ("META-INF/container.xml", Self::Epub),
        ];
        Ok(marks.into_iter().find(|(name, _)| archive.has(name)).map_or(Self::Files, |(_, kind)| kind))
    }
}
