//! HTML as Markdown. Scripts, styles and templates are left out; everything else is text, whether it would be visible or not.
//!
//! The tokens of the page are enough: no tree is built, so elements may be nested to any depth.

use std::cell::RefCell;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};
use parlance_protocol::documents::SectionKind;

use crate::blocks::{Blocks, Style};
use crate::error::DocumentError;
use crate::output::Output;

/// Elements that begin and end paragraphs.
const BLOCKS: [&str; 32] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "caption",
    "center",
    "dd",
    "details",
    "dialog",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "header",
    "hr",
    "legend",
    "main",
    "nav",
    "ol",
    "option",
    "p",
    "section",
    "select",
    "summary",
    "tbody",
    "thead",
    "ul",
];

/// The text of a page.
pub(crate) struct Page {
    pub(crate) title: String,
    /// Its first heading.
    pub(crate) heading: String,
    pub(crate) text: String,
}

/// Reads a file as one chapter.
pub(crate) fn read(text: &str, output: &mut Output<'_>) -> Result<(), DocumentError> {
    let page = page(text)?;
    output.title(if page.title.is_empty() { &page.heading } else { &page.title });
    output.section(SectionKind::Chapter, "", page.text)
}

/// Reads a page.
pub(crate) fn page(text: &str) -> Result<Page, DocumentError> {
    let tokenizer = Tokenizer::new(Sink::default(), TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(text));
    // It stops early only where the sink asks for it, which this one does not.
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    let Writer { blocks, title, heading, error, .. } = tokenizer.sink.0.into_inner();
    if let Some(error) = error {
        return Err(error);
    }
    let one_line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(Page { title: one_line(title), heading: one_line(heading), text: blocks.into_text()? })
}

#[derive(Default)]
struct Sink(RefCell<Writer>);

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        let mut writer = self.0.borrow_mut();
        // After an error there is nothing left to do.
        if writer.error.is_some() {
            return TokenSinkResult::Continue;
        }
        let written = match &token {
            Token::CharacterTokens(text) => {
                writer.text(text);
                Ok(())
            }
            Token::TagToken(tag) => writer.tag(tag),
            _ => Ok(()),
        };
        writer.error = written.err();
        drop(writer);
        match token {
            // In XHTML, which books have, such an element has no content.
            Token::TagToken(tag) if tag.kind == TagKind::StartTag && !tag.self_closing => raw_kind(&tag.name),
            _ => TokenSinkResult::Continue,
        }
    }
}

/// How the content of an element is read.
fn raw_kind(name: &str) -> TokenSinkResult<()> {
    match name {
        "script" => TokenSinkResult::RawData(RawKind::ScriptData),
        "style" | "xmp" | "iframe" | "noembed" | "noframes" => TokenSinkResult::RawData(RawKind::Rawtext),
        "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
        _ => TokenSinkResult::Continue,
    }
}

#[derive(Default)]
struct Writer {
    blocks: Blocks,
    title: String,
    heading: String,
    /// Levels of lists.
    lists: usize,
    style: Style,
    /// The element whose content is left out, and how many of its name are open.
    left_out: Option<(String, usize)>,
    is_in_title: bool,
    error: Option<DocumentError>,
}

impl Writer {
    fn text(&mut self, text: &str) {
        if self.left_out.is_some() {
            return;
        }
        if self.is_in_title {
            self.title.push_str(text);
        } else if self.style == Style::Code {
            self.blocks.push(text);
        } else {
            self.blocks.push_words(text);
        }
    }

    fn tag(&mut self, tag: &Tag) -> Result<(), DocumentError> {
        let name: &str = &tag.name;
        let starts = tag.kind == TagKind::StartTag;
        if let Some((left_out, depth)) = &mut self.left_out {
            if left_out.as_str() == name {
                *depth = if starts { *depth + 1 } else { *depth - 1 };
                if *depth == 0 {
                    self.left_out = None;
                }
            }
            return Ok(());
        }
        match name {
            "script" | "style" | "template" | "svg" | "iframe" | "noembed" | "noframes" => {
                if starts && !tag.self_closing {
                    self.left_out = Some((name.to_owned(), 1));
                }
                Ok(())
            }
            // A page has one; those in drawings are left out with them.
            "title" => {
                self.is_in_title = starts && !tag.self_closing && self.title.is_empty();
                Ok(())
            }
            "br" => {
                self.blocks.push("\n");
                Ok(())
            }
            "table" | "tr" | "td" | "th" => self.table_tag(tag),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                let level = name[1..].parse().unwrap_or(1);
                if !starts && self.heading.is_empty() {
                    self.blocks.paragraph().clone_into(&mut self.heading);
                }
                self.change_style(if starts { Style::Heading(level) } else { Style::Plain })
            }
            "pre" => self.change_style(if starts { Style::Code } else { Style::Plain }),
            "li" => self.change_style(if starts { Style::Item(self.lists.max(1)) } else { Style::Plain }),
            _ => {
                if !BLOCKS.contains(&name) {
                    return Ok(());
                }
                if name == "ul" || name == "ol" {
                    self.blocks.end_paragraph(self.style)?;
                    self.lists = if starts { self.lists + 1 } else { self.lists.saturating_sub(1) };
                    // The end of an entry may be missing.
                    self.style = Style::Plain;
                }
                // The paragraphs of an entry belong to it.
                self.blocks.end_paragraph(self.style)
            }
        }
    }

    fn change_style(&mut self, style: Style) -> Result<(), DocumentError> {
        self.blocks.end_paragraph(self.style)?;
        self.style = style;
        Ok(())
    }

    fn table_tag(&mut self, tag: &Tag) -> Result<(), DocumentError> {
        let starts = tag.kind == TagKind::StartTag;
        match (&*tag.name, starts) {
            ("table", true) => {
                self.change_style(Style::Plain)?;
                self.blocks.start_table()
            }
            ("table", false) => self.blocks.end_table(),
            ("tr", true) => self.blocks.start_row(),
            ("td" | "th", false) => self.blocks.end_cell(1),
            // The end of a cell may be missing.
            _ => self.blocks.end_cell(0),
        }
    }
}
