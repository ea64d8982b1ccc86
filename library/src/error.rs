//! The worker's error type.

use js_sys::Reflect;
use parlance_pictures::PictureError;
use parlance_protocol::library::{ImageFault, LibraryFailureKind};
use parlance_text::import_export::ImportExportError;
use wasm_bindgen::JsValue;

/// Why a request failed. Messages are sentences for the user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LibraryError {
    /// The browser closed the connection to the database, or another tab requested it.
    #[error("the browser closed the database of conversations; try again")]
    Closed,
    /// The database was upgraded by a newer version of the app.
    #[error("a newer version of Parlance has upgraded the database; reload this page to update")]
    NewerVersion,
    /// The storage quota is exceeded.
    #[error("this device's storage is full, so conversations cannot be saved; delete something to make room")]
    StorageFull,
    /// Any other error of the browser's database.
    #[error("the browser cannot store conversations ({0}); common reasons are private windows and full disks")]
    Database(idb::Error),
    /// A transaction was aborted for an unknown reason; has the exception's name.
    #[error("the browser aborted a change to the conversations ({0})")]
    Aborted(String),
    /// A record cannot be converted from or to its JavaScript form.
    #[error("a stored conversation cannot be read ({0})")]
    InvalidRecord(#[from] serde_wasm_bindgen::Error),
    /// The browser offers no files, as in some private windows.
    #[error("this browser offers no file storage, so images cannot be attached")]
    NoFiles,
    /// The file of an image cannot be read or written, for this reason.
    #[error("the browser cannot store images ({0})")]
    Files(String),
    /// An image cannot be used.
    #[error("the image cannot be used: {0}")]
    Picture(#[from] PictureError),
    /// A file could not be imported or exported.
    #[error(transparent)]
    ImportExport(#[from] ImportExportError),
}

impl LibraryError {
    /// Its kind in the protocol.
    pub(crate) fn kind(&self) -> LibraryFailureKind {
        match self {
            Self::NewerVersion => LibraryFailureKind::Newer,
            Self::StorageFull => LibraryFailureKind::Full,
            Self::Picture(PictureError::Unknown | PictureError::Svg) => LibraryFailureKind::Image(ImageFault::Unknown),
            Self::Picture(PictureError::TooManyBytes(_) | PictureError::TooManyPixels(..)) => {
                LibraryFailureKind::Image(ImageFault::TooLarge)
            }
            Self::Picture(PictureError::Damaged(_)) => LibraryFailureKind::Image(ImageFault::Damaged),
            _ => LibraryFailureKind::Other,
        }
    }

    /// The error for what reading or writing a file threw.
    pub(crate) fn of_files(thrown: &JsValue) -> Self {
        let text = |key: &str| Reflect::get(thrown, &key.into()).ok().and_then(|text| text.as_string());
        match text("name").as_deref() {
            Some("QuotaExceededError") => Self::StorageFull,
            _ => Self::Files(text("message").unwrap_or_else(|| format!("{thrown:?}"))),
        }
    }

    /// The error for a `DOMException` of this name; `None` if the name has no variant of its own.
    pub(crate) fn from_exception_name(name: &str) -> Option<Self> {
        match name {
            // The connection was closed before a transaction began, or during one.
            "InvalidStateError" | "AbortError" => Some(Self::Closed),
            "VersionError" => Some(Self::NewerVersion),
            "QuotaExceededError" => Some(Self::StorageFull),
            _ => None,
        }
    }
}

impl From<idb::Error> for LibraryError {
    fn from(error: idb::Error) -> Self {
        exception_name(&error).and_then(|name| Self::from_exception_name(&name)).unwrap_or(Self::Database(error))
    }
}

/// The name of the `DOMException` that an error wraps.
fn exception_name(error: &idb::Error) -> Option<String> {
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
