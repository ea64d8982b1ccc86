//! The sounds of a request: recordings in its messages, and what the host makes of them.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::LocalBoxFuture;
use parlance_engine::speech::Sound as Samples;
use serde_json::Value;

use crate::error::RequestError;

/// Formats that a request may name. Which one a file has, its first bytes say.
const FORMATS: [&str; 5] = ["wav", "mp3", "m4a", "ogg", "webm"];

/// A recording in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoundRequest {
    /// The field with its data.
    pub param: String,
    /// The file.
    pub file: Vec<u8>,
}

/// A recording that the host has opened.
pub struct Sound {
    /// Identifies its samples.
    pub digest: u64,
    /// Number of samples, see [`parlance_engine::speech::Sound`].
    pub sample_count: usize,
    /// Decodes it.
    pub samples: Box<dyn Fn() -> SamplesFuture>,
}

/// A recording that is being decoded.
pub type SamplesFuture = LocalBoxFuture<'static, Result<Rc<dyn Samples>, RequestError>>;

/// Whether a part of a message is a recording.
pub(crate) fn is_sound(part: &Value) -> bool {
    part.get("type").and_then(Value::as_str) == Some("input_audio")
}

/// The recording of a part, `{"input_audio": {"data": ..., "format": ...}}`.
///
/// # Errors
/// [`RequestError::Field`] if it is not in base64, or in a format that is not read.
pub(crate) fn sound(part: &Value, param: &str) -> Result<SoundRequest, RequestError> {
    let audio = part.get("input_audio");
    let field = |name: &str| audio.and_then(|audio| audio.get(name)).and_then(Value::as_str);
    if let Some(other) = field("format").filter(|format| !FORMATS.contains(format)) {
        let message = format!("“{other}” is not one of {}", FORMATS.join(", "));
        return Err(RequestError::field(format!("{param}.input_audio.format"), message));
    }
    let param = format!("{param}.input_audio.data");
    let file = field("data").and_then(|data| STANDARD.decode(data.trim()).ok()).filter(|file| !file.is_empty());
    let file = file.ok_or_else(|| RequestError::field(param.as_str(), "it must be a recording in base64"))?;
    Ok(SoundRequest { param, file })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn recordings_are_decoded_from_base64() -> Result<(), RequestError> {
        let part = json!({ "type": "input_audio", "input_audio": { "data": "AQL/\n", "format": "wav" } });
        assert!(is_sound(&part) && !is_sound(&json!({ "type": "text", "text": "input_audio" })));
        let expected = SoundRequest { param: "p.input_audio.data".to_owned(), file: vec![1, 2, 255] };
        assert_eq!(sound(&part, "p")?, expected);
        assert_eq!(sound(&json!({ "input_audio": { "data": "AQL/" } }), "p")?, expected, "the format is in the file");
        Ok(())
    }

    #[test]
    fn what_is_no_recording_is_named() {
        for (audio, param) in [
            (json!({ "data": "!", "format": "wav" }), "p.input_audio.data"),
            (json!({ "data": "", "format": "mp3" }), "p.input_audio.data"),
            (json!({ "data": 5 }), "p.input_audio.data"),
            (json!({ "format": "wav" }), "p.input_audio.data"),
            (json!("AQL/"), "p.input_audio.data"),
            (json!({ "data": "AQL/", "format": "flac" }), "p.input_audio.format"),
        ] {
            let error = sound(&json!({ "input_audio": audio }), "p").err();
            assert_eq!(error.as_ref().and_then(RequestError::param), Some(param), "{audio}");
        }
    }
}
