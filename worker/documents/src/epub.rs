//! Books: the chapters of an EPUB file in the order of reading.

use std::collections::HashMap;
use std::io::{Read, Seek};

use parlance_protocol::documents::{MAX_TEXT_BYTES, SectionKind};

use crate::archive::Archive;
use crate::error::DocumentError;
use crate::html;
use crate::office::resolve;
use crate::output::Output;
use crate::text::decode;
use crate::xml::{self, Node};

/// Ways to make fonts hard to copy. Anything else that is encrypted is the book.
const FONT_ENCRYPTION: [&str; 2] = ["http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"];

/// Reads all chapters.
pub(crate) fn read<R: Read + Seek>(archive: &mut Archive<R>, output: &mut Output<'_>) -> Result<(), DocumentError> {
    if is_protected(archive)? {
        return Err(DocumentError::Encrypted);
    }
    let mut package = String::new();
    archive.read("META-INF/container.xml", |file| {
        xml::parse(file, |node| {
            if let Node::Start(element) = node
                && element.name == "rootfile"
                && package.is_empty()
            {
                package = element.attribute("full-path").unwrap_or_default();
            }
            Ok(())
        })
    })?;
    let book = book(archive, &package)?;
    output.title(&book.title);
    let total = book.chapters.len();
    for (index, path) in book.chapters.into_iter().enumerate() {
        let bytes = archive.read(&path, |file| {
            let mut bytes = Vec::new();
            file.take(MAX_TEXT_BYTES as u64).read_to_end(&mut bytes)?;
            Ok(bytes)
        })?;
        // A file that is missing is a page less.
        if let Some(bytes) = bytes {
            let page = html::page(&decode(bytes)?)?;
            let name = if page.heading.is_empty() { &page.title } else { &page.heading };
            output.section(SectionKind::Chapter, name, page.text)?;
        }
        output.progress(index + 1, total);
    }
    Ok(())
}

fn is_protected<R: Read + Seek>(archive: &mut Archive<R>) -> Result<bool, DocumentError> {
    let mut is_protected = false;
    archive.read("META-INF/encryption.xml", |file| {
        xml::parse(file, |node| {
            if let Node::Start(element) = node
                && element.name == "EncryptionMethod"
            {
                let method = element.attribute("Algorithm").unwrap_or_default();
                is_protected |= !FONT_ENCRYPTION.contains(&method.as_str());
            }
            Ok(())
        })
    })?;
    Ok(is_protected)
}

/// What the package file of a book says.
#[derive(Default)]
struct Book {
    title: String,
    /// Paths of its chapters.
    chapters: Vec<String>,
}

fn book<R: Read + Seek>(archive: &mut Archive<R>, package: &str) -> Result<Book, DocumentError> {
    let folder = package.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut book = Book::default();
    let mut files: HashMap<String, String> = HashMap::new();
    let mut is_in_title = false;
    let read = archive.read(package, |file| {
        xml::parse(file, |node| {
            match node {
                Node::Start(element) => match element.name {
                    "title" => is_in_title = book.title.is_empty(),
                    "item" => {
                        if let (Some(id), Some(target)) = (element.attribute("id"), element.attribute("href")) {
                            files.insert(id, resolve(folder, &percent_decoded(&target)));
                        }
                    }
                    "itemref" => {
                        let id = element.attribute("idref").unwrap_or_default();
                        book.chapters.extend(files.get(&id).cloned());
                    }
                    _ => {}
                },
                Node::End("title") => is_in_title = false,
                Node::Text(text) if is_in_title => book.title.push_str(text),
                Node::End(_) | Node::Text(_) => {}
            }
            Ok(())
        })
    })?;
    if read.is_none() {
        return Err(DocumentError::damaged("it has no list of chapters"));
    }
    Ok(book)
}

/// A path of a URL with the characters that it stands for.
fn percent_decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'%').then(|| after.get(..2)).flatten();
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::percent_decoded;

    #[test]
    fn paths_may_be_those_of_urls() {
        assert_eq!(percent_decoded("chapter%201.xhtml"), "chapter 1.xhtml");
        assert_eq!(percent_decoded("100%.html%2"), "100%.html%2");
        assert_eq!(percent_decoded("caf%C3%A9"), "café");
    }
}
