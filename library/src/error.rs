//! What can go wrong, as sentences for a person.

use js_sys::Reflect;
use parlance_protocol::library::LibraryFailureKind;
use parlance_text::exchange::ExchangeError;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LibraryError {
    /// The browser closed the connection to the database, or another tab asked for that.
    #[error("the browser closed the database of conversations; try again")]
    Closed,
    /// The database has a version that is newer than this code.
    #[error("a newer version of Parlance has been here; reload this page to get it")]
    Newer,
    /// There is no room.
    #[error("this device's storage is full, so that conversations are not kept; delete what you do not need")]
    Full,
    /// The browser's database, in another way.
    #[error("the browser does not keep conversations here ({0}); private windows and full disks are common reasons")]
    Database(idb::Error),
    /// A change was given up, and the browser does not say why.
    #[error("the browser gave up a change to the conversations ({0})")]
    Aborted(String),
    /// A record has not the form that this version writes.
    #[error("a stored conversation is not understood ({0})")]
    Form(#[from] serde_wasm_bindgen::Error),
    /// A file to import or export.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
}

impl LibraryError {
    /// What helps.
    pub(crate) fn kind(&self) -> LibraryFailureKind {
        match self {
            Self::Newer => LibraryFailureKind::Newer,
            Self::Full => LibraryFailureKind::Full,
            _ => LibraryFailureKind::Other,
        }
    }

    /// The fault that a browser's exception of this name stands for, if it is one of those that are told apart.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        match name {
            // The first where the connection was closed before, the second where it is closed under way.
            "InvalidStateError" | "AbortError" => Some(Self::Closed),
            "VersionError" => Some(Self::Newer),
            "QuotaExceededError" => Some(Self::Full),
            _ => None,
        }
    }
}

impl From<idb::Error> for LibraryError {
    fn from(error: idb::Error) -> Self {
        name_of(&error).and_then(|name| Self::of_name(&name)).unwrap_or(Self::Database(error))
    }
}

/// The name of the browser's exception.
fn name_of(error: &idb::Error) -> Option<String> {
    use idb::Error;

    let exception = match error {
        Error::DomException(exception) => return Some(exception.name()),
        Error::ClearFailed(exception)
        | Error::DeleteFailed(exception)
        | Error::GetAllFailed(exception)
        | Error::GetFailed(exception)
        | Error::GetKeyFailed(exception)
        | Error::IndexNotFound(exception)
        | Error::IndexedDbOpenFailed(exception)
        | Error::ObjectStoreNotFound(exception)
        | Error::TransactionCommitError(exception)
        | Error::TransactionOpenFailed(exception)
        | Error::UpdateFailed(exception) => exception,
        _ => return None,
    };
    Reflect::get(exception, &"name".into()).ok()?.as_string()
}
