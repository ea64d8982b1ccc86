//! Forms (`multipart/form-data`), in which recordings come.

use std::convert::Infallible;
use std::future::ready;

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use futures::stream;
use multer::Multipart;
use serde_json::{Map, Value};

use crate::error::Refusal;

/// The field with the recording.
const FILE: &str = "file";

/// What a form says.
pub(crate) struct Form {
    /// Its fields. Those that end in `[]` are arrays.
    pub(crate) body: Value,
    /// The recording, if there is one.
    pub(crate) file: Option<Bytes>,
}

impl Form {
    /// Reads a form that has come whole.
    pub(crate) async fn read(bytes: Vec<u8>, headers: &HeaderMap) -> Result<Self, Refusal> {
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let boundary = multer::parse_boundary(content_type).map_err(|_| no_form())?;
        let bytes = stream::once(ready(Ok::<_, Infallible>(Bytes::from(bytes))));
        let mut form = Multipart::new(bytes, boundary);
        let (mut fields, mut file) = (Map::new(), None);
        while let Some(field) = form.next_field().await.map_err(|_| no_form())? {
            let name = field.name().unwrap_or_default().to_owned();
            if name == FILE {
                file = Some(field.bytes().await.map_err(|_| no_form())?);
                continue;
            }
            let text = Value::String(field.text().await.map_err(|_| no_form())?);
            match name.strip_suffix("[]") {
                Some(name) => {
                    let list = fields.entry(name).or_insert_with(|| Value::Array(Vec::new()));
                    if let Value::Array(list) = list {
                        list.push(text);
                    }
                }
                None => drop(fields.insert(name, text)),
            }
        }
        Ok(Self { body: Value::Object(fields), file })
    }
}

fn no_form() -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "invalid_form", "the body is not a form (multipart/form-data)")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use pollster::block_on;
    use serde_json::json;

    use super::*;

    fn read(body: &str, content_type: &'static str) -> Option<(Value, Option<Bytes>)> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        let form = block_on(Form::read(body.as_bytes().to_vec(), &headers)).ok()?;
        Some((form.body, form.file))
    }

    #[test]
    fn fields_and_the_recording_are_told_apart() {
        const TYPE: &str = "multipart/form-data; boundary=x";
        let body = "--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n\
            --x\r\nContent-Disposition: form-data; name=\"timestamp_granularities[]\"\r\n\r\nsegment\r\n\
            --x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRI\r\nFF\r\n--x--\r\n";
        let fields = json!({ "model": "whisper-1", "timestamp_granularities": ["segment"] });
        assert_eq!(read(body, TYPE), Some((fields, Some(Bytes::from_static(b"RI\r\nFF")))));
        assert_eq!(read("--x--\r\n", TYPE), Some((json!({}), None)));
        assert_eq!(read(&body[..150], TYPE), None, "it breaks off");
        assert_eq!(read("{}", "application/json"), None);
        assert_eq!(read("", "multipart/form-data"), None);
    }
}
