//! Images in exported files: data URLs by the digests that messages refer to, after the conversations.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parlance_protocol::library::{Conversation, Image};
use serde::Deserialize;

/// The images of an export.
#[derive(Deserialize)]
struct Images {
    #[serde(default)]
    images: BTreeMap<String, String>,
}

/// The images that messages of some conversations refer to, each once.
pub fn images_of(conversations: &[Conversation]) -> Vec<Image> {
    let mut seen = BTreeSet::new();
    let messages = conversations.iter().flat_map(|conversation| &conversation.messages);
    let images = messages.flat_map(|message| &message.images);
    images.filter(|image| seen.insert(&image.digest)).cloned().collect()
}

/// Adds the files of images to an export that [`to_json`](super::to_json) made.
pub fn add_images<'a>(export: &mut String, files: impl IntoIterator<Item = (&'a Image, Vec<u8>)>) {
    let mut entries = files.into_iter().map(|(image, file)| {
        // Neither has characters that JSON escapes, unless somebody made them up.
        let text = format!("data:{};base64,{}", image.kind, STANDARD.encode(file));
        format!("{}: {}", serde_json::Value::from(image.digest.as_str()), serde_json::Value::from(text))
    });
    let Some(first) = entries.next() else { return };
    // The export is an object with entries; it ends with its brace.
    export.truncate(export.trim_end().trim_end_matches('}').trim_end().len());
    export.push_str(",\n  \"images\": {\n    ");
    export.push_str(&first);
    for entry in entries {
        export.push_str(",\n    ");
        export.push_str(&entry);
    }
    export.push_str("\n  }\n}");
}

/// The files of the images in an export, by the digests they claim to have. What is no image is left out.
pub fn images_from_text(text: &str) -> Vec<(String, Vec<u8>)> {
    let images = serde_json::from_str::<Images>(text.trim_start_matches('\u{feff}'));
    let images = images.map(|images| images.images).unwrap_or_default();
    let decoded = images.into_iter().filter_map(|(digest, url)| {
        let (_, text) = url.strip_prefix("data:image/")?.split_once(";base64,")?;
        Some((digest, STANDARD.decode(text).ok()?))
    });
    decoded.collect()
}

/// Makes messages that refer to the image of this digest refer to another file of it.
pub fn replace_image(conversations: &mut [Conversation], digest: &str, file: &Image) {
    let messages = conversations.iter_mut().flat_map(|conversation| &mut conversation.messages);
    for image in messages.flat_map(|message| &mut message.images).filter(|image| image.digest == digest) {
        // It shows the same.
        let alt = std::mem::take(&mut image.alt);
        *image = Image { alt, ..file.clone() };
    }
}

#[cfg(test)]
mod tests {
    use super::super::{from_text, to_json};
    use super::*;
    use parlance_protocol::library::{ConversationSummary, Id, Message};

    #[test]
    fn images_are_exported_once_and_imported() -> Result<(), super::super::ImportExportError> {
        let image = |digest: &str| Image {
            digest: digest.to_owned(),
            alt: "A “cat”".to_owned(),
            kind: "image/png".to_owned(),
            width: 4,
            height: 3,
        };
        let message = |id, images| Message { id: Id(id), conversation: Id(9), images, ..Message::default() };
        let messages = vec![message(1, vec![image("aa"), image("bb")]), message(2, vec![image("aa")])];
        let summary = ConversationSummary { id: Id(9), leaf: Some(Id(2)), ..Default::default() };
        let conversations = vec![Conversation { summary, messages }];
        let images = images_of(&conversations);
        assert_eq!(images, [image("aa"), image("bb")]);
        let mut text = to_json(conversations.clone())?;
        add_images(&mut text, images.iter().map(|image| (image, vec![1, 2, 255])));
        assert_eq!(from_text(&text)?, conversations);
        let files = [("aa".to_owned(), vec![1, 2, 255]), ("bb".to_owned(), vec![1, 2, 255])];
        assert_eq!(images_from_text(&text), files);
        // Another file in place of one.
        let mut replaced = conversations.clone();
        replace_image(&mut replaced, "aa", &Image { width: 9, alt: String::new(), ..image("cc") });
        let other = Image { width: 9, ..image("cc") };
        assert_eq!(images_of(&replaced), [other.clone(), image("bb")]);
        assert_eq!(replaced[0].messages[1].images, [other]);
        // Without images nothing changes.
        let mut plain = to_json(conversations.clone())?;
        add_images(&mut plain, []);
        assert_eq!(plain, to_json(conversations)?);
        assert!(images_from_text(&plain).is_empty());
        Ok(())
    }

    #[test]
    fn what_is_no_image_is_left_out() {
        let text = r#"{"images":{"a":"data:text/html;base64,AAAA","b":"data:image/png;base64,!","c":"https://x.example/y.png"}}"#;
        assert!(images_from_text(text).is_empty());
        for other in ["", "[]", "{}", r#"{"images":[]}"#, r#"{"images":{"a":1}}"#] {
            assert!(images_from_text(other).is_empty(), "{other}");
        }
    }
}
