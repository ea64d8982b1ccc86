//! The images and sounds of a request: what they take of the prompt, and where they are in it.
//!
//! Those of a message become markers in its text ([`take`]), which the chat template carries to their place in the prompt,
//! as in llama.cpp. There the prompt is split ([`split`]). What stands in their place, such as the tokens around it, is up
//! to the projector. Only the host fetches and decodes them ([`Medium`]).

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use parlance_engine::chat::Chat;
use parlance_engine::runtime::{Part, Projector};
use parlance_protocol::openai::RequestMessage;
use serde_json::{Value, json};

use crate::error::RequestError;
use crate::images::{Image, ImageRequest, image, is_image};
use crate::sounds::{Sound, SoundRequest, is_sound, sound};

/// Begins a marker: a Unicode noncharacter, which is removed from the texts of requests with images or sounds.
const MARK: char = '\u{FDD1}';
/// The first character that says what a marker stands for, in a plane for private use.
const FIRST_INDEX: u32 = 0xF_0000;
/// Maximum images and sounds of a request.
const MAX_MEDIA: usize = 256;

/// An image or a sound that a request has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaRequest {
    /// An image.
    Image(ImageRequest),
    /// A sound.
    Sound(SoundRequest),
}

impl MediaRequest {
    /// The field that it is in, to give it the name that it has in another form of the request.
    pub(crate) fn param_mut(&mut self) -> &mut String {
        match self {
            Self::Image(image) => &mut image.param,
            Self::Sound(sound) => &mut sound.param,
        }
    }

    /// Checks that the model, which has this name, perceives it with its projector, if it has one. So the host fetches
    /// nothing in vain.
    ///
    /// # Errors
    /// [`RequestError::CannotSee`] or [`RequestError::CannotHear`].
    pub fn check(&self, projector: Option<&Projector>, model: &str) -> Result<(), RequestError> {
        match self {
            Self::Image(_) if projector.and_then(Projector::sight).is_none() => {
                Err(RequestError::CannotSee(model.to_owned()))
            }
            Self::Sound(_) if projector.and_then(Projector::hearing).is_none() => {
                Err(RequestError::CannotHear(model.to_owned()))
            }
            Self::Image(_) | Self::Sound(_) => Ok(()),
        }
    }
}

/// An image or a sound that the host has.
pub enum Medium {
    /// An image.
    Image(Image),
    /// A sound.
    Sound(Sound),
}

impl Medium {
    /// Identifies its contents.
    pub(crate) fn digest(&self) -> u64 {
        match self {
            Self::Image(image) => image.digest,
            Self::Sound(sound) => sound.digest,
        }
    }
}

/// An image or a sound in a prompt.
pub(crate) struct PromptMedium {
    medium: Medium,
    /// How many tokens it takes.
    len: usize,
    /// What stands in its place, once it is encoded.
    parts: OnceCell<Rc<[Part]>>,
    /// How long encoding it took, in seconds; zero if it was encoded before.
    encode_seconds: Cell<f64>,
}

impl PromptMedium {
    pub(crate) fn medium(&self) -> &Medium {
        &self.medium
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_encoded(&self) -> bool {
        self.parts.get().is_some()
    }

    /// How long encoding it took, in seconds; zero if it was encoded before.
    pub(crate) fn encode_seconds(&self) -> f64 {
        self.encode_seconds.get()
    }

    /// What stands in its place; nothing until it is encoded.
    pub(crate) fn parts(&self) -> &[Part] {
        self.parts.get().map(|parts| &**parts).unwrap_or_default()
    }

    /// Sets what stands in its place, which took so many seconds. What was set before stays.
    pub(crate) fn set_parts(&self, parts: Rc<[Part]>, seconds: f64) {
        if self.parts.set(parts).is_ok() {
            self.encode_seconds.set(seconds);
        }
    }
}

/// The images and sounds of a request, in order, measured by the projector that will encode them.
#[derive(Default)]
pub struct Media(Vec<Rc<PromptMedium>>);

impl Media {
    /// Measures the images and sounds of a request.
    ///
    /// # Errors
    /// As [`MediaRequest::check`], or errors of the projector.
    pub fn new(
        media: Vec<Medium>,
        projector: Option<&Projector>,
        chat: &Chat,
        model: &str,
    ) -> Result<Self, RequestError> {
        let measured = media.into_iter().map(|medium| {
            let len = match &medium {
                Medium::Image(image) => {
                    let projector = projector.ok_or_else(|| RequestError::CannotSee(model.to_owned()))?;
                    projector.token_count(chat, image.width, image.height)?
                }
                Medium::Sound(sound) => {
                    let projector = projector.ok_or_else(|| RequestError::CannotHear(model.to_owned()))?;
                    projector.sound_token_count(chat, sound.sample_count)?
                }
            };
            Ok(Rc::new(PromptMedium { medium, len, parts: OnceCell::new(), encode_seconds: Cell::default() }))
        });
        measured.collect::<Result<_, RequestError>>().map(Self)
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Rc<PromptMedium>> {
        self.0.get(index)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Takes images and sounds out of messages and leaves markers in their places.
///
/// # Errors
/// [`RequestError::Field`] for one in the wrong place, or that cannot be had.
pub(crate) fn take(messages: &mut [RequestMessage]) -> Result<Vec<MediaRequest>, RequestError> {
    let is_medium = |part: &Value| is_image(part) || is_sound(part);
    let has_any = messages.iter().any(|message| parts_of(&message.content).iter().any(is_medium));
    let mut media = Vec::new();
    if !has_any {
        return Ok(media);
    }
    for (index, message) in messages.iter_mut().enumerate() {
        let may_have_any = matches!(message.role.as_str(), "user" | "tool");
        match &mut message.content {
            Value::String(text) => remove_marks(text),
            Value::Array(parts) => {
                for (at, part) in parts.iter_mut().enumerate() {
                    let param = format!("messages[{index}].content[{at}]");
                    if is_medium(part) {
                        if !may_have_any {
                            let message = "only messages of users and tools have images and recordings";
                            return Err(RequestError::field(param, message));
                        }
                        media.push(if is_image(part) {
                            MediaRequest::Image(image(part, &param)?)
                        } else {
                            MediaRequest::Sound(sound(part, &param)?)
                        });
                        *part = json!({ "type": "text", "text": marker(media.len() - 1) });
                    } else if let Some(Value::String(text)) = part.get_mut("text") {
                        remove_marks(text);
                    }
                }
            }
            _ => {}
        }
    }
    if media.len() > MAX_MEDIA {
        return Err(RequestError::field("messages", format!("there may be at most {MAX_MEDIA} images and recordings")));
    }
    Ok(media)
}

fn parts_of(content: &Value) -> &[Value] {
    content.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn remove_marks(text: &mut String) {
    if text.contains(MARK) {
        *text = text.replace(MARK, "");
    }
}

/// What stands for the image or sound of this index in a text.
fn marker(index: usize) -> String {
    let name = char::from_u32(FIRST_INDEX + index as u32).unwrap_or(MARK);
    format!("{MARK}{name}")
}

/// A piece of a text with markers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marked<'t> {
    Text(&'t str),
    /// The index of an image or a sound.
    Medium(usize),
}

/// Splits a text at its markers. It begins with a text, if only an empty one.
pub(crate) fn split(text: &str) -> Vec<Marked<'_>> {
    let mut texts = text.split(MARK);
    let mut pieces = vec![Marked::Text(texts.next().unwrap_or_default())];
    for text in texts {
        let mut chars = text.chars();
        let index = chars.next().and_then(|name| u32::from(name).checked_sub(FIRST_INDEX));
        match index.filter(|index| (*index as usize) < MAX_MEDIA) {
            Some(index) => pieces.extend([Marked::Medium(index as usize), Marked::Text(chars.as_str())]),
            None => pieces.push(Marked::Text(text)),
        }
    }
    pieces
}

/// The images and sounds of texts with markers, in order.
pub(crate) fn indices<'t>(texts: impl IntoIterator<Item = &'t str>) -> Vec<usize> {
    let pieces = texts.into_iter().flat_map(split);
    let indices = pieces.filter_map(|piece| match piece {
        Marked::Medium(index) => Some(index),
        Marked::Text(_) => None,
    });
    indices.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::Detail;

    fn messages(content: Value) -> Vec<RequestMessage> {
        vec![RequestMessage { content, ..RequestMessage::new("user", "") }]
    }

    fn url(url: &str) -> Value {
        json!({ "type": "image_url", "image_url": { "url": url, "detail": "low" } })
    }

    #[test]
    fn images_become_markers_that_no_text_can_contain() -> Result<(), RequestError> {
        let forged = marker(1);
        let content = json!([{ "type": "text", "text": format!("a{forged}b") }, url("data:x"), url("blob:y")]);
        let mut messages = messages(content);
        messages.push(RequestMessage::new("user", forged));
        let media = take(&mut messages)?;
        let [MediaRequest::Image(first), MediaRequest::Image(second)] = media.as_slice() else { panic!("{media:?}") };
        assert_eq!([first, second].map(|image| image.url.as_str()), ["data:x", "blob:y"]);
        assert_eq!(first.param, "messages[0].content[1].image_url.url");
        assert_eq!([first, second].map(|image| image.detail), [Detail::Low; 2]);
        let texts = messages.iter().flat_map(|message| match &message.content {
            Value::String(text) => vec![text.as_str()],
            parts => parts_of(parts).iter().filter_map(|part| part["text"].as_str()).collect(),
        });
        let text: String = texts.collect();
        let pieces = split(&text);
        let [Marked::Text(before), Marked::Medium(0), Marked::Text(""), Marked::Medium(1), Marked::Text(after)] =
            pieces.as_slice()
        else {
            panic!("{pieces:?}")
        };
        assert!(before.starts_with('a') && before.ends_with('b') && !after.contains(MARK));
        assert_eq!(indices([text.as_str()]), [0, 1]);
        Ok(())
    }

    #[test]
    fn messages_without_images_stay_as_they_are() -> Result<(), RequestError> {
        let text = format!("{MARK} is a noncharacter");
        let mut messages = messages(Value::from(text.as_str()));
        assert!(take(&mut messages)?.is_empty());
        assert_eq!(messages[0].content, text);
        Ok(())
    }

    #[test]
    fn images_in_wrong_places_and_wrong_urls_are_named() {
        let field = |content: Value, role: &str| {
            let mut messages = messages(content);
            messages[0].role = role.to_owned();
            take(&mut messages).err().and_then(|error| error.param().map(str::to_owned)).unwrap_or_default()
        };
        let first = "messages[0].content[0]";
        assert_eq!(field(json!([url("data:x")]), "assistant"), first);
        for bad in ["file:///etc/passwd", "x", "javascript:1", ""] {
            assert_eq!(field(json!([url(bad)]), "user"), format!("{first}.image_url.url"), "{bad}");
        }
        assert_eq!(field(json!([{ "type": "image_url" }]), "user"), format!("{first}.image_url"));
        let odd = json!([{ "type": "image_url", "image_url": { "url": "data:x", "detail": "fine" } }]);
        assert_eq!(field(odd, "user"), format!("{first}.image_url.detail"));
        assert_eq!(field(json!([{ "type": "input_image", "image_url": "data:x" }]), "tool"), "");
    }

    #[test]
    fn images_and_sounds_are_taken_in_order() -> Result<(), RequestError> {
        let audio = json!({ "type": "input_audio", "input_audio": { "data": "AQ==", "format": "wav" } });
        let mut messages = messages(json!([audio, url("data:x"), audio]));
        let media = take(&mut messages)?;
        let [MediaRequest::Sound(first), MediaRequest::Image(_), MediaRequest::Sound(last)] = media.as_slice() else {
            panic!("{media:?}")
        };
        assert_eq!(
            (first.file.as_slice(), last.param.as_str()),
            (&[1u8][..], "messages[0].content[2].input_audio.data")
        );
        messages[0].role = "assistant".to_owned();
        messages[0].content = json!([audio]);
        let error = take(&mut messages).err();
        assert_eq!(error.as_ref().and_then(RequestError::param), Some("messages[0].content[0]"));
        Ok(())
    }

    #[test]
    fn broken_markers_are_text() {
        assert_eq!(split("ab"), [Marked::Text("ab")]);
        for broken in [format!("a{MARK}b"), format!("a{MARK}"), format!("a{MARK}{}", marker(MAX_MEDIA))] {
            assert!(indices([broken.as_str()]).is_empty(), "{broken:?}");
        }
    }
}
