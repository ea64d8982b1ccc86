//! The recordings in the messages of requests. They are decoded like those that are transcribed (`sound/`).

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use js_sys::{Array, Uint8Array};
use parlance_api::{RequestError, SamplesFuture, Sound, SoundRequest};
use parlance_engine::speech::Sound as Samples;
use parlance_pictures::content_id;
use web_sys::Blob;

use crate::error::{WorkerError, message_of};
use crate::sound::{Recording, decode};

/// Maximum number of recordings whose lengths are remembered.
const MAX_LENGTHS: usize = 4096;

thread_local! {
    /// The numbers of samples of recordings that were decoded before, by their digests: those of earlier turns come with
    /// every request.
    static LENGTHS: RefCell<HashMap<u64, usize>> = RefCell::default();
}

/// Opens a recording of a request. One that was heard before is not decoded.
pub(crate) async fn open(request: &SoundRequest) -> Result<Sound, WorkerError> {
    let file = File { blob: blob(&request.file)?, param: request.param.clone() };
    let digest = content_id(&request.file);
    let known = LENGTHS.with_borrow(|lengths| lengths.get(&digest).copied());
    let (sample_count, recording) = if let Some(length) = known {
        (length, None)
    } else {
        let recording = file.decode().await?;
        (recording.sample_count(), Some(recording))
    };
    LENGTHS.with_borrow_mut(|lengths| {
        if lengths.len() >= MAX_LENGTHS {
            lengths.clear();
        }
        lengths.insert(digest, sample_count);
    });
    // The recording is used once; whoever needs it again decodes it again.
    let (file, recording) = (Rc::new(file), Rc::new(RefCell::new(recording)));
    let samples = move || -> SamplesFuture {
        let (file, recording) = (Rc::clone(&file), recording.take());
        Box::pin(async move {
            let recording = match recording {
                Some(recording) => recording,
                None => file.decode().await?,
            };
            Ok(Rc::new(recording) as Rc<dyn Samples>)
        })
    };
    Ok(Sound { digest, sample_count, samples: Box::new(samples) })
}

/// The file of a recording.
struct File {
    blob: Blob,
    /// The field that it is in.
    param: String,
}

impl File {
    async fn decode(&self) -> Result<Recording, RequestError> {
        decode(self.blob.as_ref(), |_| ()).await.map_err(|error| match error {
            WorkerError::Request(RequestError::Recording(message)) => self.invalid(message),
            WorkerError::Request(error) => error,
            error => self.invalid(error.to_string()),
        })
    }

    fn invalid(&self, message: String) -> RequestError {
        RequestError::Field { param: self.param.clone(), message }
    }
}

/// Bytes as a file that is read in place.
fn blob(bytes: &[u8]) -> Result<Blob, WorkerError> {
    let parts = Array::of1(&Uint8Array::from(bytes));
    Blob::new_with_u8_array_sequence(&parts).map_err(|error| RequestError::Recording(message_of(&error)).into())
}
