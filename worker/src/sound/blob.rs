//! Files that are read in place.

use js_sys::Uint8Array;
use parlance_api::RequestError;
use parlance_sound::{SoundError, Source};
use web_sys::{Blob, FileReaderSync};

use crate::error::{WorkerError, message_of};

/// A file that is read in place.
pub(crate) struct BlobSource(pub(crate) Blob);

impl Source for BlobSource {
    type Error = WorkerError;

    fn len_bytes(&self) -> u64 {
        self.0.size() as u64
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), WorkerError> {
        let read = || {
            let part = self.0.slice_with_f64_and_f64(offset as f64, (offset + into.len() as u64) as f64)?;
            FileReaderSync::new()?.read_as_array_buffer(&part)
        };
        // For example because it was changed or removed.
        let bytes = Uint8Array::new(read().map_err(|error| unusable(message_of(&error)))?.as_ref());
        if bytes.length() as usize != into.len() {
            return Err(unusable("the file has changed".to_owned()));
        }
        bytes.copy_to(into);
        Ok(())
    }
}

/// The error of a recording that cannot be used for this reason.
pub(crate) fn unusable(reason: String) -> WorkerError {
    RequestError::Recording(reason).into()
}

impl From<SoundError> for WorkerError {
    fn from(error: SoundError) -> Self {
        unusable(error.to_string())
    }
}
