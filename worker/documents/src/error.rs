//! Why a document cannot be read.

use parlance_protocol::documents::{DocumentFault, LimitUnit};

/// Why a document cannot be read. Messages are sentences for people; the page has them in its languages by
/// [`DocumentError::fault`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It has a password, or is copy-protected.
    #[error("the file has a password or is copy-protected, so it cannot be read")]
    Encrypted,
    /// It contradicts its format, in this way.
    #[error("the file is damaged: {0}")]
    Damaged(String),
    /// It is of no kind that is read.
    #[error("files of this kind cannot be read")]
    Unknown,
    /// It is text in another encoding.
    #[error("the file's text is not encoded as UTF-8")]
    Encoding,
    /// There is no text in it.
    #[error("the file contains no text")]
    Empty,
    /// It has more than is read.
    #[error("the file has more {} than are read, which is {limit}", noun(*.unit))]
    TooLarge {
        /// Of what.
        unit: LimitUnit,
        /// How many are read.
        limit: u64,
    },
}

impl DocumentError {
    pub(crate) fn too_large(unit: LimitUnit, limit: u64) -> Self {
        Self::TooLarge { unit, limit }
    }

    /// For errors of parsers. For `map_err`.
    pub(crate) fn damaged(error: impl std::fmt::Display) -> Self {
        Self::Damaged(error.to_string())
    }

    /// Its form in the protocol.
    pub fn fault(&self) -> DocumentFault {
        match self {
            Self::Encrypted => DocumentFault::Encrypted,
            Self::Damaged(_) => DocumentFault::Damaged,
            Self::Unknown => DocumentFault::Unknown,
            Self::Encoding => DocumentFault::Encoding,
            Self::Empty => DocumentFault::Empty,
            Self::TooLarge { unit, limit } => DocumentFault::TooLarge { unit: *unit, limit: *limit as f64 },
        }
    }
}

impl From<std::io::Error> for DocumentError {
    fn from(error: std::io::Error) -> Self {
        Self::damaged(error)
    }
}

fn noun(unit: LimitUnit) -> &'static str {
    match unit {
        LimitUnit::Bytes => "bytes",
        LimitUnit::Text => "bytes of text",
        LimitUnit::Files => "files",
        LimitUnit::Pages => "pages",
        LimitUnit::Cells => "cells",
        LimitUnit::Nesting => "elements within each other",
    }
}
