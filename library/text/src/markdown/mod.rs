//! Markdown that grows: GitHub's dialect with maths, as sanitised HTML in blocks.
//!
//! A text is cut into its top-level blocks (paragraphs, lists, code blocks …). While it grows only the last block can change,
//! so a piece of text costs as much as the block that it belongs to, however long the answer is. Links and footnotes that are
//! defined further down are the exception; the end of the text puts them right.

mod blocks;
mod delimiters;
mod highlight;
mod math;
mod raw;
mod sanitize;

use blocks::{Block, parse};

/// The HTML of a growing text.
#[derive(Debug, Default)]
pub struct Renderer {
    text: String,
    /// Where the last block begins.
    open_bytes: usize,
    /// HTML of all blocks, as it was handed out.
    html: Vec<String>,
    /// Blocks that can change no more.
    closed_blocks: usize,
}

/// What changed: all blocks from `first_block` on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// The first block that is new or different.
    pub first_block: usize,
    /// The HTML of that block and all after it.
    pub blocks: Vec<String>,
}

impl Renderer {
    /// Bytes of the text so far.
    pub fn len_bytes(&self) -> usize {
        self.text.len()
    }

    /// Adds to the text.
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

    /// Adds the end and reads the whole text again: what was defined after its use is known now.
    pub fn finish(&mut self, added: &str) -> Update {
        self.text.push_str(added);
        let blocks = parse(&self.text);
        self.replace(0, blocks)
    }

    /// Puts `blocks` in the place of all from `from` on.
    fn replace(&mut self, from: usize, blocks: Vec<Block>) -> Update {
        let same = blocks.iter().zip(&self.html[from..]).take_while(|(new, old)| new.html == **old).count();
        let blocks: Vec<String> = blocks.into_iter().skip(same).map(|block| block.html).collect();
        self.html.truncate(from + same);
        self.html.extend(blocks.iter().cloned());
        Update { first_block: from + same, blocks }
    }
}

/// The HTML of a text that is complete.
pub fn to_html(text: &str) -> Vec<String> {
    parse(text).into_iter().map(|block| block.html).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Title\n\nSome *text* with `code` and [a link][1].\n\n- one\n- two\n\n  with a paragraph\n\n```rust\nfn main() {}\n\nlet x = 1;\n```\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\nAfter[^n]. $x^2$ \\(y\\)\n\n\\[ z \\]\n\n[1]: https://example.org/\n\n[^n]: A note.\n";

    #[test]
    fn a_text_in_pieces_becomes_what_it_is_as_a_whole() {
        for piece_chars in [1, 3, 7, 50] {
            let mut renderer = Renderer::default();
            let mut shown: Vec<String> = Vec::new();
            let characters: Vec<char> = TEXT.chars().collect();
            for piece in characters.chunks(piece_chars) {
                let update = renderer.push(&piece.iter().collect::<String>());
                shown.truncate(update.first_block);
                shown.extend(update.blocks);
            }
            let update = renderer.finish("");
            shown.truncate(update.first_block);
            shown.extend(update.blocks);
            assert_eq!(shown, to_html(TEXT), "pieces of {piece_chars}");
        }
    }

    #[test]
    fn only_the_last_block_is_sent_again() {
        let mut renderer = Renderer::default();
        assert_eq!(renderer.push("One.\n\nTwo").first_block, 0);
        let update = renderer.push(" and more.");
        assert_eq!(update, Update { first_block: 1, blocks: vec!["<p>Two and more.</p>\n".to_owned()] });
        assert_eq!(renderer.push("").blocks, Vec::<String>::new());
        assert_eq!(renderer.finish("").blocks, Vec::<String>::new());
    }
}
