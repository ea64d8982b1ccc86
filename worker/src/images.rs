//! The images of requests: fetched from where a client may fetch, and decoded by the browser.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use parlance_api::{Detail, Image, ImageRequest, PictureFuture, RequestError};
use parlance_engine::vision::Picture;
use parlance_pictures::{Drawing, Header, LOW_SIDE, MAX_BYTES, MAX_SIDE, PictureError, data_url_bytes, draw, id};
use parlance_worker_core::FileError;
use parlance_worker_core::hosts::AllowedHosts;

use crate::error::WorkerError;
use crate::policy;
use crate::stream::ByteStream;

/// Maximum number of images whose sizes are remembered.
const MAX_SIZES: usize = 4096;

thread_local! {
    /// The sizes of images that were decoded before, by their digests: those of earlier turns come with every request.
    static SIZES: RefCell<HashMap<u64, (u32, u32)>> = RefCell::default();
}

/// Fetches an image that a request names. It is decoded only as far as needed: one that was seen before not at all.
pub(crate) async fn fetch(request: &ImageRequest, allowed_hosts: &AllowedHosts) -> Result<Image, WorkerError> {
    let invalid = |message: String| RequestError::Field { param: request.param.clone(), message };
    let bytes = if let Some(data) = request.url.strip_prefix("data:") {
        data_url_bytes(data).ok_or_else(|| invalid("its data must be in base64".to_owned()))?
    } else {
        policy::check(allowed_hosts, &request.url)?;
        read(&request.url).await.map_err(|error| match error {
            ReadError::File(error @ FileError::NotAllowed { .. }) => WorkerError::File(error),
            error => invalid(error.to_string()).into(),
        })?
    };
    let max_side = match request.detail {
        Detail::High => MAX_SIDE,
        Detail::Low => LOW_SIDE,
    };
    let file = File { bytes, max_side };
    file.image().await.map_err(|error| invalid(error.to_string()).into())
}

/// Why an image cannot be read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Picture(#[from] PictureError),
}

async fn read(url: &str) -> Result<Vec<u8>, ReadError> {
    let mut stream = ByteStream::fetch(url, None).await?.stream;
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await? {
        bytes.extend(chunk);
        if bytes.len() > MAX_BYTES {
            return Err(PictureError::TooManyBytes(bytes.len() as u64).into());
        }
    }
    Ok(bytes)
}

/// The file of an image.
struct File {
    bytes: Vec<u8>,
    /// To which it is scaled.
    max_side: u32,
}

impl File {
    async fn draw(&self) -> Result<Drawing, PictureError> {
        draw(&self.bytes, &Header::read(&self.bytes)?, self.max_side).await
    }

    async fn image(self) -> Result<Image, PictureError> {
        let digest = id(&self.bytes, self.max_side);
        let known = SIZES.with_borrow(|sizes| sizes.get(&digest).copied());
        let (size, drawing) = if let Some(size) = known {
            (size, None)
        } else {
            let drawing = self.draw().await?;
            ((drawing.width, drawing.height), Some(drawing))
        };
        SIZES.with_borrow_mut(|sizes| {
            if sizes.len() >= MAX_SIZES {
                sizes.clear();
            }
            sizes.insert(digest, size);
        });
        // The drawing is used once; whoever needs it again draws it again.
        let (file, drawing) = (Rc::new(self), Rc::new(RefCell::new(drawing)));
        let picture = move || -> PictureFuture {
            let (file, drawing) = (Rc::clone(&file), drawing.take());
            Box::pin(async move {
                let drawing = match drawing {
                    Some(drawing) => drawing,
                    None => file.draw().await.map_err(damaged)?,
                };
                let rgb = drawing.rgb().map_err(damaged)?;
                Ok(Picture::new(drawing.width, drawing.height, rgb)?)
            })
        };
        Ok(Image { digest, width: size.0, height: size.1, picture: Box::new(picture) })
    }
}

/// The error of an image that could be decoded a moment ago.
fn damaged(error: PictureError) -> RequestError {
    RequestError::Field { param: "messages".to_owned(), message: format!("an image cannot be used: {error}") }
}
