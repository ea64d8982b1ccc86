//! The images of a request: where it names them, what they take of the prompt, and their embeddings.
//!
//! A message's images become markers in its text ([`take`]), which the chat template carries to their place in the prompt,
//! as in llama.cpp. There the prompt is split ([`split`]). What stands in an image's place, such as the tokens around it, is
//! up to the projector. Only the host fetches and decodes images ([`Image`]).

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use parlance_engine::EngineError;
use parlance_engine::chat::Chat;
use parlance_engine::runtime::{Part, Projector};
use parlance_engine::vision::Picture;
use parlance_protocol::openai::RequestMessage;
use serde_json::{Value, json};
use web_time::Instant;

use crate::control::{Control, unless_stopped};
use crate::error::RequestError;

/// Begins a marker: a Unicode noncharacter, which is removed from the texts of requests with images.
const MARK: char = '\u{FDD1}';
/// The first character that says which image a marker stands for, in a plane for private use.
const FIRST_INDEX: u32 = 0xF_0000;
/// Maximum images of a request.
const MAX_IMAGES: usize = 256;
/// Maximum floats of embeddings that are kept for images of other conversations: 64 MB.
const MAX_KEPT_FLOATS: usize = 16 << 20;
/// Steps of progress for each image.
const STEPS: usize = 1000;

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

/// An image in a prompt.
pub(crate) struct PromptImage {
    image: Image,
    /// How many tokens it takes.
    len: usize,
    /// What stands in its place, once it is encoded.
    parts: OnceCell<Rc<[Part]>>,
    /// How long encoding it took, in seconds; zero if it was seen before.
    encode_seconds: Cell<f64>,
}

impl PromptImage {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How long encoding it took, in seconds; zero if it was seen before.
    pub(crate) fn encode_seconds(&self) -> f64 {
        self.encode_seconds.get()
    }

    /// What stands in its place; nothing until it is encoded.
    pub(crate) fn parts(&self) -> &[Part] {
        self.parts.get().map(|parts| &**parts).unwrap_or_default()
    }
}

/// The images of a request, in order, measured by the projector that will encode them.
#[derive(Default)]
pub struct Images(Vec<Rc<PromptImage>>);

impl Images {
    /// Measures the images that a request names. Fails if there are any and the model, which has this name, sees none.
    ///
    /// # Errors
    /// [`RequestError::CannotSee`], or errors of the projector.
    pub fn new(images: Vec<Image>, vision: Option<&Vision>, chat: &Chat, model: &str) -> Result<Self, RequestError> {
        if images.is_empty() {
            return Ok(Self::default());
        }
        let vision = vision.ok_or_else(|| RequestError::CannotSee(model.to_owned()))?;
        let measured = images.into_iter().map(|image| {
            let len = vision.projector.token_count(chat, image.width, image.height)?;
            Ok(Rc::new(PromptImage { image, len, parts: OnceCell::new(), encode_seconds: Cell::default() }))
        });
        measured.collect::<Result<_, RequestError>>().map(Self)
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Rc<PromptImage>> {
        self.0.get(index)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What lets a model see: its projector, and what it encoded lately.
pub struct Vision {
    projector: Projector,
    /// By the images' digests; what was used last comes last.
    kept: Vec<(u64, Rc<[Part]>)>,
    max_kept_floats: usize,
}

impl Vision {
    /// The sight of a model that this projector belongs to.
    pub fn new(projector: Projector) -> Self {
        Self { projector, kept: Vec::new(), max_kept_floats: MAX_KEPT_FLOATS }
    }

    /// The same with another limit for embeddings of images that the latest request does not name. Those that it names are
    /// kept in any case, since the next one will name them, too.
    #[must_use]
    pub fn with_max_kept_floats(self, max_kept_floats: usize) -> Self {
        Self { max_kept_floats, ..self }
    }

    /// The projector.
    pub fn projector(&self) -> &Projector {
        &self.projector
    }

    /// Encodes the images that were not encoded yet, unless the request is stopped first.
    pub(crate) async fn encode(
        &mut self,
        images: &[Rc<PromptImage>],
        chat: &Chat,
        control: &impl Control,
    ) -> Result<(), RequestError> {
        let named: Vec<u64> = images.iter().map(|image| self.id(image.image.digest)).collect();
        for (index, image) in images.iter().enumerate().filter(|(_, image)| image.parts.get().is_none()) {
            let report = |done: usize, total: usize| {
                control.seeing(index * STEPS + done * STEPS / total.max(1), images.len() * STEPS);
                // Natively, nothing waits between layers, so `unless_stopped` would notice only at the end.
                control.stopped().now_or_never().is_none()
            };
            match unless_stopped(control, self.parts(image, chat, report)).await {
                None | Some(Err(RequestError::Engine(EngineError::Interrupted))) => return Ok(()),
                // It was empty.
                Some(parts) => drop(image.parts.set(parts?)),
            }
            self.forget_others(&named);
        }
        Ok(())
    }

    /// What stands in an image's place. An image that was seen lately is not encoded again.
    async fn parts(
        &mut self,
        image: &PromptImage,
        chat: &Chat,
        report: impl FnMut(usize, usize) -> bool,
    ) -> Result<Rc<[Part]>, RequestError> {
        let id = self.id(image.image.digest);
        if let Some(index) = self.kept.iter().position(|(kept, _)| *kept == id) {
            self.kept[index..].rotate_left(1);
            return Ok(self.kept.last().map(|(_, parts)| Rc::clone(parts)).unwrap_or_default());
        }
        let picture = (image.image.picture)().await?;
        let start = Instant::now();
        let parts: Rc<[Part]> = self.projector.encode(chat, &picture, id, report).await?.into();
        image.encode_seconds.set(start.elapsed().as_secs_f64());
        self.kept.push((id, Rc::clone(&parts)));
        Ok(parts)
    }

    /// Forgets what was used longest ago, except these images, while there is too much.
    fn forget_others(&mut self, named: &[u64]) {
        let mut floats: usize = self.kept.iter().map(|(_, parts)| float_count(parts)).sum();
        self.kept.retain(|(id, parts)| {
            let stays = floats <= self.max_kept_floats || named.contains(id);
            if !stays {
                floats -= float_count(parts);
            }
            stays
        });
    }

    /// Identifies an image as this projector sees it, also in saved conversations. FNV-1a.
    fn id(&self, digest: u64) -> u64 {
        let bytes = self.projector.id().to_le_bytes().into_iter().chain(digest.to_le_bytes());
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }
}

fn float_count(parts: &[Part]) -> usize {
    let floats = parts.iter().map(|part| match part {
        Part::Tokens(_) => 0,
        Part::Embeddings(span) => span.rows.len() + span.deepstack.len(),
    });
    floats.sum()
}

/// Takes the images out of messages and leaves markers in their places.
///
/// # Errors
/// [`RequestError::Field`] for an image in the wrong place, or without a URL that can be fetched.
pub(crate) fn take(messages: &mut [RequestMessage]) -> Result<Vec<ImageRequest>, RequestError> {
    let has_images = messages.iter().any(|message| parts_of(&message.content).iter().any(is_image));
    let mut images = Vec::new();
    if !has_images {
        return Ok(images);
    }
    for (index, message) in messages.iter_mut().enumerate() {
        let may_have_images = matches!(message.role.as_str(), "user" | "tool");
        match &mut message.content {
            Value::String(text) => remove_marks(text),
            Value::Array(parts) => {
                for (at, part) in parts.iter_mut().enumerate() {
                    let param = format!("messages[{index}].content[{at}]");
                    if is_image(part) {
                        if !may_have_images {
                            return Err(RequestError::field(param, "only messages of users and tools have images"));
                        }
                        images.push(image(part, &param)?);
                        *part = json!({ "type": "text", "text": marker(images.len() - 1) });
                    } else if let Some(Value::String(text)) = part.get_mut("text") {
                        remove_marks(text);
                    }
                }
            }
            _ => {}
        }
    }
    if images.len() > MAX_IMAGES {
        return Err(RequestError::field("messages", format!("there may be at most {MAX_IMAGES} images")));
    }
    Ok(images)
}

fn parts_of(content: &Value) -> &[Value] {
    content.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn is_image(part: &Value) -> bool {
    matches!(part.get("type").and_then(Value::as_str), Some("image_url" | "input_image"))
}

/// The image that a part names, as `{"image_url": {"url": ..., "detail": ...}}` or `{"image_url": ..., "detail": ...}`.
fn image(part: &Value, param: &str) -> Result<ImageRequest, RequestError> {
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

fn remove_marks(text: &mut String) {
    if text.contains(MARK) {
        *text = text.replace(MARK, "");
    }
}

/// What stands for the image of this index in a text.
fn marker(index: usize) -> String {
    let name = char::from_u32(FIRST_INDEX + index as u32).unwrap_or(MARK);
    format!("{MARK}{name}")
}

/// A piece of a text with markers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marked<'t> {
    Text(&'t str),
    /// The index of an image.
    Image(usize),
}

/// Splits a text at its markers. It begins with a text, if only an empty one.
pub(crate) fn split(text: &str) -> Vec<Marked<'_>> {
    let mut texts = text.split(MARK);
    let mut pieces = vec![Marked::Text(texts.next().unwrap_or_default())];
    for text in texts {
        let mut chars = text.chars();
        let index = chars.next().and_then(|name| u32::from(name).checked_sub(FIRST_INDEX));
        match index.filter(|index| (*index as usize) < MAX_IMAGES) {
            Some(index) => pieces.extend([Marked::Image(index as usize), Marked::Text(chars.as_str())]),
            None => pieces.push(Marked::Text(text)),
        }
    }
    pieces
}

/// The images of texts with markers, in order.
pub(crate) fn indices<'t>(texts: impl IntoIterator<Item = &'t str>) -> Vec<usize> {
    let pieces = texts.into_iter().flat_map(split);
    let indices = pieces.filter_map(|piece| match piece {
        Marked::Image(index) => Some(index),
        Marked::Text(_) => None,
    });
    indices.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let images = take(&mut messages)?;
        let urls: Vec<&str> = images.iter().map(|image| image.url.as_str()).collect();
        assert_eq!(urls, ["data:x", "blob:y"]);
        assert_eq!(images[0].param, "messages[0].content[1].image_url.url");
        assert!(images.iter().all(|image| image.detail == Detail::Low));
        let texts = messages.iter().flat_map(|message| match &message.content {
            Value::String(text) => vec![text.as_str()],
            parts => parts_of(parts).iter().filter_map(|part| part["text"].as_str()).collect(),
        });
        let text: String = texts.collect();
        let pieces = split(&text);
        let [Marked::Text(before), Marked::Image(0), Marked::Text(""), Marked::Image(1), Marked::Text(after)] =
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
    fn broken_markers_are_text() {
        assert_eq!(split("ab"), [Marked::Text("ab")]);
        for broken in [format!("a{MARK}b"), format!("a{MARK}"), format!("a{MARK}{}", marker(MAX_IMAGES))] {
            assert!(indices([broken.as_str()]).is_empty(), "{broken:?}");
        }
    }
}
