//! Limits raw HTML in Markdown before an HTML parser reads it.
//!
//! HTML parsers reopen unclosed formatting elements in every element that follows, and go through all open elements for many tags,
//! so a few thousand bytes could become millions of elements. They reopen at most three of a kind that have the same attributes.
//! Therefore formatting elements lose their attributes (the sanitiser would remove them anyway), and the number of tags is limited.

use super::sanitize::TAGS;

/// Maximum tags of raw HTML in a block: enough for a table of a few hundred cells.
pub(super) const MAX_TAGS: usize = 2_000;

/// The allowed elements among HTML's formatting elements. Links are one, too, but only one of them can be open.
const FORMATTING: [&str; 8] = ["b", "code", "em", "i", "s", "small", "strong", "u"];

/// Elements that may contain Markdown blocks. All blocks up to the closing tag belong to them.
const CONTAINERS: [&str; 7] = ["details", "div", "table", "blockquote", "ul", "ol", "dl"];

/// The number of containers that a piece of raw HTML opens, minus those it closes.
pub(super) fn open_containers(html: &str) -> i32 {
    let html = html.to_ascii_lowercase();
    let count = |prefix: &str, tag: &str| {
        let ends = |rest: &str| rest.starts_with(|c: char| c == '>' || c.is_whitespace());
        html.match_indices(prefix)
            .filter(|(at, _)| html[at + prefix.len()..].strip_prefix(tag).is_some_and(ends))
            .count()
    };
    CONTAINERS.iter().map(|tag| count("<", tag) as i32 - count("</", tag) as i32).sum()
}

/// Filters the raw HTML of a block, piece by piece.
#[derive(Default)]
pub(super) struct RawHtmlFilter {
    tags: usize,
}

impl RawHtmlFilter {
    /// The piece without attributes of formatting elements. `None` if it must be shown as text: because it is not HTML, as in
    /// `Vec<String>`, or because the block has too many tags.
    pub(super) fn filter(&mut self, html: &str) -> Option<String> {
        let mut kept = String::with_capacity(html.len());
        let mut pieces = html.split('<');
        kept.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            self.tags += 1;
            let name_and_rest = piece.trim_start_matches('/');
            let slashes = &piece[..piece.len() - name_and_rest.len()];
            let name_len = name_and_rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
            let (name, rest) = name_and_rest.split_at(name_len);
            let name = name.to_ascii_lowercase();
            if !TAGS.contains(&name.as_str()) {
                return None;
            }
            if FORMATTING.contains(&name.as_str()) {
                if !rest.starts_with(|c: char| c == '>' || c == '/' || c.is_ascii_whitespace()) {
                    return None;
                }
                let (_attributes, text) = rest.split_once('>')?;
                kept.extend(["<", slashes, name.as_str(), ">", text]);
            } else {
                kept.extend(["<", piece]);
            }
        }
        (self.tags <= MAX_TAGS).then_some(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formatting_elements_lose_their_attributes() {
        let cases = [
            ("<b title=i>x</b >", Some("<b>x</b>")),
            ("<B/>", Some("<b>")),
            ("<div title=\"a\"><i\nid=1>", Some("<div title=\"a\"><i>")),
            ("<a href=\"#\">", Some("<a href=\"#\">")),
            ("text", Some("text")),
            // The tag goes on in another line, or it is not a tag.
            ("<b", None),
            ("<b-c>", None),
            ("<b title=\"<i>\">", None),
            ("<String>", None),
            ("<!-- x -->", None),
        ];
        for (html, kept) in cases {
            assert_eq!(RawHtmlFilter::default().filter(html).as_deref(), kept, "{html}");
        }
    }

    #[test]
    fn the_number_of_tags_is_limited() {
        let mut filter = RawHtmlFilter::default();
        assert!((0..MAX_TAGS).all(|_| filter.filter("<br>").is_some()));
        assert_eq!(filter.filter("<br>"), None);
        assert_eq!(RawHtmlFilter::default().filter(&"<br>".repeat(MAX_TAGS + 1)), None);
    }
}
