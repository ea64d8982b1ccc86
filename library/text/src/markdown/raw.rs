//! Raw HTML within Markdown, bounded before an HTML parser reads it.
//!
//! The parser opens formatting elements that were not closed again in every element that follows, and walks through all open
//! elements for many of the tags. A few thousand bytes could become millions of elements. Of formatting elements without
//! attributes it keeps three of a kind at most, so they lose theirs (none would pass the sanitiser), and tags are counted.

use super::sanitize::TAGS;

/// Most tags of raw HTML in a block: a table of a few hundred cells has as many.
pub(super) const MAX_TAGS: usize = 2_000;

/// What HTML calls formatting elements, as far as they are allowed. Links are, too; of those the parser keeps only one open.
const FORMATTING: [&str; 8] = ["b", "code", "em", "i", "s", "small", "strong", "u"];

/// Elements that may hold blocks; those after them belong to them until they are closed.
const CONTAINERS: [&str; 7] = ["details", "div", "table", "blockquote", "ul", "ol", "dl"];

/// How many containers a piece of raw HTML opens, less those that it closes.
pub(super) fn containers(html: &str) -> i32 {
    let html = html.to_ascii_lowercase();
    let count = |prefix: &str, tag: &str| {
        let ends = |rest: &str| rest.starts_with(|c: char| c == '>' || c.is_whitespace());
        html.match_indices(prefix)
            .filter(|(at, _)| html[at + prefix.len()..].strip_prefix(tag).is_some_and(ends))
            .count()
    };
    CONTAINERS.iter().map(|tag| count("<", tag) as i32 - count("</", tag) as i32).sum()
}

/// The raw HTML of a block, piece by piece.
#[derive(Default)]
pub(super) struct RawHtml {
    tags: usize,
}

impl RawHtml {
    /// The piece without attributes of formatting elements; `None` if it is to be shown as text, since `Vec<String>` is no
    /// element, or the block has too many tags.
    pub(super) fn keep(&mut self, html: &str) -> Option<String> {
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
    fn formatting_elements_have_no_attributes() {
        let cases = [
            ("<b title=i>x</b >", Some("<b>x</b>")),
            ("<B/>", Some("<b>")),
            ("<div title=\"a\"><i\nid=1>", Some("<div title=\"a\"><i>")),
            ("<a href=\"#\">", Some("<a href=\"#\">")),
            ("text", Some("text")),
            // The rest of the tag is on another line, or it is no tag.
            ("<b", None),
            ("<b-c>", None),
            ("<b title=\"<i>\">", None),
            ("<String>", None),
            ("<!-- x -->", None),
        ];
        for (html, kept) in cases {
            assert_eq!(RawHtml::default().keep(html).as_deref(), kept, "{html}");
        }
    }

    #[test]
    fn tags_are_counted() {
        let mut raw = RawHtml::default();
        assert!((0..MAX_TAGS).all(|_| raw.keep("<br>").is_some()));
        assert_eq!(raw.keep("<br>"), None);
        assert_eq!(RawHtml::default().keep(&"<br>".repeat(MAX_TAGS + 1)), None);
    }
}
