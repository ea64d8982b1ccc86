//! What can go wrong with a model's file: at its host, on the way, or on this device.

use parlance_protocol::{FailureKind, Reason};

/// Why a model's file cannot be fetched, kept or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// The address is not a URL that can be fetched.
    #[error("the model's address is not one that can be fetched")]
    BadAddress,
    /// The address ends in a fragment that does not pin each of the model's `files` files.
    #[error(
        "the model's address may end in #sha256= and the checksum of each of its {files} files, 64 hexadecimal digits, \
         separated by commas; what stands there cannot be compared"
    )]
    BadPin { files: u32 },
    /// The user has not allowed the host.
    #[error("this page may not connect to {host}, because nobody has allowed it yet")]
    NotAllowed { host: String },
    /// The host answered with an HTTP error.
    #[error("the model could not be fetched: the server answered {status} for {url}")]
    Status { status: u16, url: String },
    /// The request failed, or its response broke off.
    #[error("the model could not be fetched: {0}")]
    Network(String),
    /// The host claims a length that no model has, or sends a range that was not requested.
    #[error("the model could not be fetched: the server sent an invalid header ({header})")]
    BadAnswer { header: String },
    /// The host has a different file now than when the download began.
    #[error("the model could not be fetched: the file at its address has changed; try again")]
    Changed,
    /// The file ended before its announced length.
    #[error(
        "the model file is cut short: it has {len_bytes} bytes and needs at least {needed_bytes}; download it again"
    )]
    CutShort { len_bytes: u64, needed_bytes: u64 },
    /// The kept file is not as long as its record says.
    #[error("the model on this device is damaged; it was removed, load it again")]
    Damaged,
    /// The checksum of `file` is neither the pinned one nor the one that its host announced.
    #[error(
        "{file} was refused: its checksum is not the one that its address or its host specifies; nothing of it is kept"
    )]
    WrongChecksum { file: String },
    /// The browser grants no more space. `needed_bytes` is 0 where it is unknown.
    #[error(
        "this device's storage is full: {needed} MB are needed{}; delete a model that you do not need",
        free_text(*free_bytes), needed = needed_bytes.div_ceil(1_000_000)
    )]
    StorageFull { needed_bytes: u64, free_bytes: Option<u64> },
    /// A file could not be opened, read or written.
    #[error("this device's storage cannot be used: {0}")]
    Storage(String),
}

fn free_text(free_bytes: Option<u64>) -> String {
    free_bytes.map(|bytes| format!(", {} MB are left", bytes / 1_000_000)).unwrap_or_default()
}

impl FileError {
    /// Whether the same request may succeed a moment later. While the browser is offline, it will not.
    pub fn is_transient(&self, is_online: bool) -> bool {
        match self {
            Self::Network(_) => is_online,
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..),
            _ => false,
        }
    }

    /// Its kind in the protocol.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::BadAddress | Self::BadPin { .. } => FailureKind::BadRequest,
            Self::NotAllowed { .. } => FailureKind::NotAllowed,
            Self::Status { .. } | Self::Network(_) | Self::BadAnswer { .. } | Self::Changed => FailureKind::Network,
            Self::CutShort { .. } | Self::Damaged | Self::WrongChecksum { .. } => FailureKind::BadModel,
            Self::StorageFull { .. } | Self::Storage(_) => FailureKind::Storage,
        }
    }

    /// Its details in the protocol.
    pub fn reason(&self) -> Reason {
        match self {
            Self::BadAddress => Reason::BadAddress,
            Self::BadPin { files } => Reason::BadPin { files: *files },
            Self::NotAllowed { host } => Reason::NotAllowed { host: host.clone() },
            Self::Status { status, url } => Reason::HttpStatus { status: *status, url: url.clone() },
            Self::Network(detail) => Reason::Network { detail: detail.clone() },
            Self::BadAnswer { header } => Reason::BadAnswer { detail: header.clone() },
            Self::Changed => Reason::Changed,
            Self::CutShort { len_bytes, needed_bytes } => {
                Reason::CutShort { len_bytes: *len_bytes as f64, needed_bytes: *needed_bytes as f64 }
            }
            Self::Damaged => Reason::Damaged,
            Self::WrongChecksum { file } => Reason::WrongChecksum { name: file.clone() },
            Self::StorageFull { needed_bytes, free_bytes } => Reason::StorageFull {
                needed_bytes: *needed_bytes as f64,
                free_bytes: free_bytes.map(|bytes| bytes as f64),
            },
            Self::Storage(detail) => Reason::Storage { detail: detail.clone() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_connections_and_busy_hosts_are_worth_a_retry() {
        let status = |status| FileError::Status { status, url: String::new() };
        for error in [FileError::Network(String::new()), status(408), status(429), status(500), status(503)] {
            assert!(error.is_transient(true), "{error}");
        }
        for error in [status(403), status(404), FileError::Changed, FileError::BadAnswer { header: String::new() }] {
            assert!(!error.is_transient(true), "{error}");
        }
        assert!(!FileError::Network(String::new()).is_transient(false), "offline");
        assert!(status(503).is_transient(false), "a host that answers is reachable, whatever the browser believes");
    }

    #[test]
    fn a_full_storage_says_how_much_is_needed_and_left() {
        let text = |free_bytes| FileError::StorageFull { needed_bytes: 98_400_001, free_bytes }.to_string();
        assert!(text(None).contains("storage is full: 99 MB are needed; delete"), "{}", text(None));
        assert!(text(Some(7_900_000)).contains("99 MB are needed, 7 MB are left;"), "{}", text(Some(7_900_000)));
    }
}
