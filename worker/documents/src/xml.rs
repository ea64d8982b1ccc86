//! The elements of an XML file, one after the other. Nothing is fetched or expanded: entities that a file defines are left out.

use std::io::BufRead;

use parlance_protocol::documents::LimitUnit;
use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use crate::error::DocumentError;
use crate::limits::MAX_NESTING;

/// A part of a file.
pub(crate) enum Node<'a> {
    /// An element begins.
    Start(Element<'a>),
    /// The element of this name ends, without the name's prefix.
    End(&'a str),
    /// Text between elements.
    Text(&'a str),
}

/// The beginning of an element.
pub(crate) struct Element<'a> {
    start: &'a BytesStart<'a>,
    /// Its name without a prefix.
    pub(crate) name: &'a str,
}

impl Element<'_> {
    /// The value of an attribute, whose name is given with its prefix if it has one.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        // Without checks for duplicates, which take quadratic time.
        let mut attributes = self.start.attributes();
        let found = attributes.with_checks(false).flatten().find(|found| found.key.as_ref() == name.as_bytes())?;
        let value = String::from_utf8_lossy(&found.value);
        Some(quick_xml::escape::unescape(&value).map_or_else(|_| value.to_string(), std::borrow::Cow::into_owned))
    }

    /// The number in an attribute.
    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.attribute(name)?.trim().parse().ok()
    }
}

/// Passes on the parts of a file, until one of them fails.
pub(crate) fn parse(
    source: &mut dyn BufRead,
    mut on_node: impl FnMut(Node<'_>) -> Result<(), DocumentError>,
) -> Result<(), DocumentError> {
    let mut reader = Reader::from_reader(source);
    let mut buffer = Vec::new();
    let mut depth = 0;
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer).map_err(DocumentError::damaged)? {
            Event::Start(start) => {
                depth += 1;
                if depth > MAX_NESTING {
                    return Err(DocumentError::too_large(LimitUnit::Nesting, MAX_NESTING));
                }
                let name = start.local_name();
                on_node(Node::Start(Element { start: &start, name: utf8(name.as_ref())? }))?;
            }
            Event::Empty(start) => {
                let name = start.local_name();
                on_node(Node::Start(Element { start: &start, name: utf8(name.as_ref())? }))?;
                on_node(Node::End(utf8(name.as_ref())?))?;
            }
            Event::End(end) => {
                depth = depth.saturating_sub(1);
                let name = end.local_name();
                on_node(Node::End(utf8(name.as_ref())?))?;
            }
            Event::Text(text) => on_node(Node::Text(&text.decode().map_err(DocumentError::damaged)?))?,
            Event::CData(text) => on_node(Node::Text(&text.decode().map_err(DocumentError::damaged)?))?,
            Event::GeneralRef(reference) => {
                if let Some(text) = resolve(&reference) {
                    on_node(Node::Text(text.encode_utf8(&mut [0; 4])))?;
                }
            }
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

/// The character that a reference stands for, if it is a number or one of the five that XML defines.
fn resolve(reference: &BytesRef<'_>) -> Option<char> {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return Some(character);
    }
    match reference.decode().ok()?.as_ref() {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, DocumentError> {
    std::str::from_utf8(bytes).map_err(DocumentError::damaged)
}
