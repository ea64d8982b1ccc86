//! The images of a request: where it names them, and what the host makes of them.

use futures::future::LocalBoxFuture;
use parlance_engine::vision::Picture;
use serde_json::Value;

use crate::error::RequestError;

/// How closely a model looks at an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Detail {
    /// As closely as it can.
    #[default]
    High,
    /// At a small version of it, which takes fewer tokens in models whose tokens depend on its size.
    Low,
}

/// An image that a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRequest {
    /// The field with its URL.
    pub param: String,
    /// Where it is: a URL that begins with `data:`, `blob:`, `https:` or `http:`.
    pub url: String,
    /// How closely to look at it.
    pub detail: Detail,
}

/// An image that the host has fetched.
pub struct Image {
    /// Identifies its pixels.
    pub digest: u64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Decodes it.
    pub picture: Box<dyn Fn() -> PictureFuture>,
}

/// A picture that is being decoded.
pub type PictureFuture = LocalBoxFuture<'static, Result<Picture, RequestError>>;

/// Whether a part of a message is an image.
pub(crate) fn is_image(part: &Value) -> bool {
    matches!(part.get("type").and_then(Value::as_str), Some("image_url" | "input_image"))
}

/// The image that a part names, as `{"image_url": {"url": ..., "detail": ...}}` or `{"image_url": ..., "detail": ...}`.
///
/// # Errors
/// [`RequestError::Field`] if it has no URL that can be fetched.
pub(crate) fn image(part: &Value, param: &str) -> Result<ImageRequest, RequestError> {
    let (param, url, detail) = match part.get("image_url") {
        Some(Value::Object(image)) => (format!("{param}.image_url.url"), image.get("url"), image.get("detail")),
        url => (format!("{param}.image_url"), url, part.get("detail")),
    };
    let is_known = |url: &&str| ["data:", "blob:", "https:", "http:"].iter().any(|scheme| url.starts_with(scheme));
    let Some(url) = url.and_then(Value::as_str).filter(is_known) else {
        return Err(RequestError::field(param, "it must be a URL that begins with data:, blob:, https: or http:"));
    };
    let detail = match detail.and_then(Value::as_str) {
        None | Some("auto" | "high") => Detail::High,
        Some("low") => Detail::Low,
        Some(other) => {
            let param = param.replace(".image_url.url", ".image_url.detail");
            return Err(RequestError::field(param, format!("“{other}” is not one of auto, high, low")));
        }
    };
    Ok(ImageRequest { param, url: url.to_owned(), detail })
}
