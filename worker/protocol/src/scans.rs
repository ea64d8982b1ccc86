//! Messages of the worker that turns pages of PDF files without text into images. It gets one file and answers with
//! [`ScanEvent`]s.

use serde::{Deserialize, Serialize};

/// The key of what has no JSON form: the bytes of the PDF file in the message to the worker, and those of a PNG file in
/// [`ScanEvent::Page`].
pub const BYTES_KEY: &str = "bytes";

/// A message of the worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ScanEvent {
    /// It has started and takes a file.
    Ready,
    /// The image of a page without text.
    Page {
        /// The page's number, from 1.
        number: u32,
    },
    /// There are no more pages, or no more are read.
    Done {
        /// How many pages were sent.
        images: u32,
        /// How many pages have text, and were not sent.
        with_text: u32,
        /// There are more pages without text than are read.
        is_cut_off: bool,
    },
    /// The file cannot be read.
    Failed {
        /// Why.
        fault: ScanFault,
    },
}

/// Why a file cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScanFault {
    /// It has a password.
    Encrypted,
    /// It is damaged, or too much for this device.
    Damaged,
}
