//! Documents with hidden injections (`fixtures/injections.json`). Tests of other packages include this file.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A file that says something to the model, made of one of the last three.
#[derive(Deserialize)]
pub struct Injection {
    /// What kind of file it is, and where the words stand.
    pub name: String,
    /// The file's name.
    pub file: String,
    /// What it says.
    pub says: String,
    /// The content of a file of text.
    pub text: Option<String>,
    /// The files of an archive.
    pub parts: Option<BTreeMap<String, String>>,
    /// The page of a PDF file.
    pub pdf: Option<PdfPage>,
}

/// A PDF file of one page.
#[derive(Deserialize)]
pub struct PdfPage {
    /// Its content stream.
    pub content: String,
    /// Further entries of the catalog.
    #[serde(default)]
    pub catalog: String,
    /// Further entries of the page.
    #[serde(default)]
    pub page: String,
}

/// All of them.
///
/// # Errors
/// If the fixture has another form.
pub fn injections() -> serde_json::Result<Vec<Injection>> {
    serde_json::from_str(include_str!("../fixtures/injections.json"))
}
