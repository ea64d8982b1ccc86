//! What can go wrong in a test helper.

use std::time::Duration;

/// An error of the browser or another test helper.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The browser or its protocol failed.
    #[error("browser: {0}")]
    Browser(String),
    /// A script threw.
    #[error("script {script:?} threw {message}")]
    Script {
        /// The script.
        script: String,
        /// What it threw.
        message: String,
    },
    /// A condition did not become true.
    #[error("still not true after {0:?}: {1}; text of the page: {2}")]
    Timeout(Duration, String, String),
    /// The tab's process crashed.
    #[error("the tab crashed")]
    Crashed,
    /// The tab left the page while a script ran in it.
    #[error("the page was left while a script ran")]
    Left,
    /// A file or socket failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

pub(crate) fn browser_error(error: impl std::fmt::Display) -> Error {
    Error::Browser(error.to_string())
}
