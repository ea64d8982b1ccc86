//! Streaming Markdown (GitHub flavour with maths) to sanitised HTML.
//!
//! A text is rendered by top-level blocks (paragraphs, lists, code blocks). While it grows, only its last block can change, so an
//! addition costs as much as the block it belongs to, however long the text is. The exceptions are links and footnotes
//! whose definition comes later: they are resolved at the end of the text.

mod blocks;
mod highlight;
mod math;
mod math_delimiters;
mod raw_html;
mod sanitize;

use blocks::{Block, parse};

/// Renders a growing text.
#[derive(Debug, Default)]
pub struct Renderer {
    text: String,
    /// Offset of the last block, which can still change.
    open_bytes: usize,
    /// HTML of all blocks, as returned so far.
    html: Vec<String>,
    /// How many blocks can no longer change.
    closed_blocks: usize,
}

/// A change of the HTML: replaces all blocks from `first_block` on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// The first block that is new or changed.
    pub first_block: usize,
    /// The HTML of that block and all after it.
    pub blocks: Vec<String>,
}

impl Renderer {
    /// Length of the text so far.
    pub fn len_bytes(&self) -> usize {
        self.text.len()
    }

    /// Appends to the text.
    pub fn push(&mut self, added: &str) -> Update {
        self.text.push_str(added);
        let blocks = parse(&self.text[self.open_bytes..]);
        let (open_bytes, new_closed) = match blocks.last() {
            Some(last) => (self.open_bytes + last.start_bytes, blocks.len() - 1),
            None => (self.open_bytes, 0),
        };
        let update = self.replace(self.closed_blocks, blocks);
        self.open_bytes = open_bytes;
        self.closed_blocks += new_closed;
        update
    }

    /// Appends the end and renders the whole text again, to resolve links and footnotes that are defined after their use.
    pub fn finish(&mut self, added: &str) -> Update {
        self.text.push_str(added);
        let blocks = parse(&self.text);
        self.replace(0, blocks)
    }

    /// Replaces all blocks from `from` on with `blocks`.
    fn replace(&mut self, from: usize, blocks: Vec<Block>) -> Update {
        let same = blocks.iter().zip(&self.html[from..]).take_while(|(new, old)| new.html == **old).count();
        let blocks: Vec<String> = blocks.into_iter().skip(same).map(|block| block.html).collect();
        self.html.truncate(from + same);
        self.html.extend(blocks.iter().cloned());
        Update { first_block: from + same, blocks }
    }
}

/// The HTML blocks of a complete text.
pub fn to_html(text: &str) -> Vec<String> {
    parse(text).into_iter().map(|block| block.html).collect()
}

/// The HTML blocks of a text that arrives in pieces of `piece_chars` characters, which must be the same as [`to_html`] returns. For
/// tests and fuzzing.
pub fn to_html_in_pieces(text: &str, piece_chars: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let mut renderer = Renderer::default();
    let mut html: Vec<String> = Vec::new();
    let mut apply = |update: Update| {
        html.truncate(update.first_block);
        html.extend(update.blocks);
    };
    for piece in characters.chunks(piece_chars) {
        apply(renderer.push(&piece.iter().collect::<String>()));
    }
    apply(renderer.finish(""));
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Title\n\nSome *text* with `code` and [a link][1].\n\n- one\n- two\n\n  with a paragraph\n\n```rust\nfn main() {}\n\nlet x = 1;\n```\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\nAfter[^n]. $x^2$ \\(y\\)\n\n\\[ z \\]\n\n[1]: https://example.org/\n\n[^n]: A note.\n";

    #[test]
    fn a_streamed_text_renders_like_a_complete_one() {
        for piece_chars in [1, 3, 7, 50] {
            assert_eq!(to_html_in_pieces(TEXT, piece_chars), to_html(TEXT), "pieces of {piece_chars}");
        }
    }

    #[test]
    fn only_changed_blocks_are_returned() {
        let mut renderer = Renderer::default();
        assert_eq!(renderer.push("One.\n\nTwo").first_block, 0);
        let update = renderer.push(" and more.");
        assert_eq!(update, Update { first_block: 1, blocks: vec!["<p>Two and more.</p>\n".to_owned()] });
        assert_eq!(renderer.push("").blocks, Vec::<String>::new());
        assert_eq!(renderer.finish("").blocks, Vec::<String>::new());
    }
}
