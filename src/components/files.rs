//! Copying to the clipboard, and saving and reading files.

use js_sys::{Array, Uint8Array};
use leptos::prelude::*;
use parlance_protocol::documents;
use wasm_bindgen::JsCast as _;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, BlobPropertyBag, File, FileList, HtmlAnchorElement, Url};

use super::units;
use crate::i18n::tf;

/// Maximum bytes of a message's attachments.
pub(crate) const MAX_TEXT_BYTES: f64 = documents::MAX_TEXT_BYTES as f64;
/// Maximum bytes of a document.
const MAX_DOCUMENT_BYTES: f64 = documents::MAX_FILE_BYTES as f64;
/// Bytes at the start of a file that are used to detect its type.
const HEAD_BYTES: f64 = 1024.0;

/// Copies text to the clipboard.
pub(crate) fn copy(text: &str) {
    let written = window().navigator().clipboard().write_text(text);
    leptos::task::spawn_local(async move {
        // If it is not permitted, the browser tells the user.
        let _ = JsFuture::from(written).await;
    });
}

/// Downloads text as a file.
pub(crate) fn download(name: &str, kind: &str, text: &str) {
    let options = BlobPropertyBag::new();
    options.set_type(kind);
    let Ok(blob) = Blob::new_with_str_sequence_and_options(&Array::of1(&text.into()), &options) else { return };
    let Ok(url) = Url::create_object_url_with_blob(&blob) else { return };
    let link = document().create_element("a").ok().and_then(|link| link.dyn_into::<HtmlAnchorElement>().ok());
    if let Some(link) = link {
        link.set_href(&url);
        link.set_download(name);
        link.click();
    }
    // The click has already started the download.
    let _ = Url::revoke_object_url(&url);
}

/// The files of a `FileList`.
pub(crate) fn list(files: &FileList) -> Vec<File> {
    (0..files.length()).filter_map(|index| files.item(index)).collect()
}

/// The text of a file; `None` if it cannot be read.
pub(crate) async fn text(file: &File) -> Option<String> {
    JsFuture::from(file.text()).await.ok()?.as_string()
}

/// A file that can be attached.
pub(crate) enum Attachable {
    /// Text.
    Text(String),
    /// An image of a kind that browsers decode, according to its first bytes.
    Image,
    /// A document, which the reader turns into text.
    Document,
}

/// Why a file cannot be attached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Refusal {
    /// It is an image of a kind that is not decoded.
    Image,
    /// It is another kind of binary file, such as an archive.
    Binary,
    /// It is not UTF-8, but may be text in another encoding.
    Encoding,
    /// It exceeds the size limit for attachments.
    TooLarge {
        /// Its size.
        len_bytes: f64,
        /// The limit.
        limit_bytes: f64,
    },
    /// The browser cannot read it, for example because it was deleted or is a folder.
    Unreadable,
}

impl Refusal {
    /// An error message about the file `name`.
    pub(crate) fn sentence(self, name: &str) -> String {
        let key = match self {
            Self::TooLarge { len_bytes, limit_bytes } => {
                let (size, limit) = (units::bytes(len_bytes), units::rounded_bytes(limit_bytes));
                let arguments = [("name", name.into()), ("size", size.into()), ("limit", limit.into())];
                return tf("file-too-large", arguments);
            }
            Self::Image => "file-is-image",
            Self::Binary => "file-is-binary",
            Self::Encoding => "file-not-utf8",
            Self::Unreadable => "file-unreadable",
        };
        tf(key, [("name", name.into())])
    }
}

/// What is attached of a file, next to other texts of `other_bytes`.
pub(crate) async fn attachable(file: &File, other_bytes: f64) -> Result<Attachable, Refusal> {
    let head = head(file).await.ok_or(Refusal::Unreadable)?;
    if is_image(&head) {
        return Ok(Attachable::Image);
    }
    let len_bytes = file.size();
    let is_packed = is_packed(&head);
    if is_packed && len_bytes > MAX_DOCUMENT_BYTES {
        return Err(Refusal::TooLarge { len_bytes, limit_bytes: MAX_DOCUMENT_BYTES });
    }
    if !is_packed && len_bytes + other_bytes > MAX_TEXT_BYTES {
        return Err(refusal(&head).unwrap_or(Refusal::TooLarge { len_bytes, limit_bytes: MAX_TEXT_BYTES }));
    }
    if is_packed || is_marked_up(&file.name()) {
        return Ok(Attachable::Document);
    }
    if let Some(refusal) = refusal(&head) {
        return Err(refusal);
    }
    let text = text(file).await.ok_or(Refusal::Unreadable)?;
    match text {
        text if text.contains('\0') => Err(Refusal::Binary),
        // The browser replaces invalid UTF-8 with this character.
        text if text.contains('\u{fffd}') => Err(Refusal::Encoding),
        text => Ok(Attachable::Text(text)),
    }
}

/// The start of a file; `None` if it cannot be read.
async fn head(file: &File) -> Option<Vec<u8>> {
    let head = file.slice_with_f64_and_f64(0.0, HEAD_BYTES).ok()?;
    let buffer = JsFuture::from(head.array_buffer()).await.ok()?;
    Some(Uint8Array::new(&buffer).to_vec())
}

/// Whether a file that starts with `head` is a PNG, JPEG, GIF, WebP or AVIF image.
fn is_image(head: &[u8]) -> bool {
    const IMAGES: [&[u8]; 4] = [b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a"];
    let is_avif = holds(head, 4, b"ftyp") && head.chunks_exact(4).take(16).any(|brand| brand == b"avif");
    IMAGES.iter().any(|mark| head.starts_with(mark)) || holds(head, 0, b"RIFF") && holds(head, 8, b"WEBP") || is_avif
}

/// Whether a file that starts with `head` is a PDF file, an archive, as office files are, or an office file with a password.
fn is_packed(head: &[u8]) -> bool {
    const MARKS: [&[u8]; 4] = [b"%PDF-", b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0"];
    MARKS.iter().any(|mark| head.starts_with(mark))
}

/// Whether a file of this name is text that means a table or a page.
fn is_marked_up(name: &str) -> bool {
    let name = name.to_lowercase();
    [".csv", ".tsv", ".html", ".htm", ".xhtml"].iter().any(|ending| name.ends_with(ending))
}

fn holds(head: &[u8], at: usize, mark: &[u8]) -> bool {
    head.get(at..).is_some_and(|rest| rest.starts_with(mark))
}

/// The reason to refuse a file that starts with `head`; `None` if it may be text.
fn refusal(head: &[u8]) -> Option<Refusal> {
    const IMAGES: [&[u8]; 4] = [b"II*\0", b"MM\0*", b"\0\0\x01\0", b"\xff\x0a"];
    let is_image = IMAGES.iter().any(|mark| head.starts_with(mark))
        || holds(head, 0, b"BM") && head.contains(&0)
        || holds(head, 4, b"ftyp") && [b"heic", b"heix", b"mif1"].iter().any(|brand| holds(head, 8, *brand));
    if is_image {
        Some(Refusal::Image)
    } else if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        Some(Refusal::Encoding)
    } else if head.contains(&0) || head.starts_with(b"\x1f\x8b") {
        Some(Refusal::Binary)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn file_types_are_detected_from_the_first_bytes() {
        let images: [&[u8]; 4] = [
            b"\x89PNG\r\n\x1a\n\0\0",
            b"\xff\xd8\xff\xe0",
            b"RIFF\x24\0\0\0WEBPVP8 ",
            b"\0\0\0\x20ftypmif1\0\0\0\0avif",
        ];
        for head in images {
            assert!(is_image(head), "{head:?}");
        }
        let packed: [&[u8]; 3] =
            [b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", b"PK\x03\x04\x14", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"];
        assert!(packed.iter().all(|head| is_packed(head)) && !is_packed(b"A guide to %PDF- marks"));
        assert!(
            is_marked_up("People.CSV") && is_marked_up("a.b.html") && !is_marked_up("csv") && !is_marked_up("a.csv.md")
        );
        let cases: [(&[u8], Option<Refusal>); 11] = [
            (b"name;age\nAda;36\n", None),
            ("\u{feff}Größe".as_bytes(), None),
            (b"", None),
            (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", None),
            (b"BMW and others", None),
            (b"A guide to %PDF- marks", None),
            (b"II*\0\x08\0\0\0", Some(Refusal::Image)),
            (b"\0\0\0\x20ftypheic", Some(Refusal::Image)),
            (b"\x1f\x8b\x08", Some(Refusal::Binary)),
            (b"\x7fELF\x02\0", Some(Refusal::Binary)),
            (b"\xff\xfeh\0i\0", Some(Refusal::Encoding)),
        ];
        for (head, expected) in cases {
            assert!(!is_image(head) && refusal(head) == expected, "{head:?}");
        }
    }

    #[wasm_bindgen_test]
    fn refusals_explain_the_reason() {
        let large = Refusal::TooLarge { len_bytes: 4e7, limit_bytes: MAX_TEXT_BYTES }.sentence("a.csv");
        assert!(large.contains("a.csv") && large.contains("40.0 MB") && large.contains("32 MB"), "{large}");
        let all = [Refusal::Image, Refusal::Binary, Refusal::Encoding, Refusal::Unreadable];
        let sentences = all.iter().map(|refusal| refusal.sentence("a")).collect::<std::collections::HashSet<_>>();
        assert_eq!(sentences.len(), all.len());
    }
}
