//! Word documents. Headers, footers and comments are left out, and so is deleted text; notes are at the end.

use std::collections::HashMap;
use std::io::{Read, Seek};

use parlance_protocol::documents::SectionKind;

use crate::archive::Archive;
use crate::blocks::{Blocks, Style};
use crate::error::DocumentError;
use crate::office::{PROPERTIES, title};
use crate::output::Output;
use crate::xml::{self, Element, Node};

const MAIN: &str = "word/document.xml";
const NOTES: [&str; 2] = ["word/footnotes.xml", "word/endnotes.xml"];

/// Reads a document; headings of the first level begin chapters.
pub(crate) fn read<R: Read + Seek>(archive: &mut Archive<R>, output: &mut Output<'_>) -> Result<(), DocumentError> {
    let headings = headings(archive)?;
    let mut writer = Writer { blocks: Blocks::with_chapters(), headings, ..Writer::default() };
    archive.read(MAIN, |file| xml::parse(file, |node| writer.node(node)))?;
    for part in NOTES {
        archive.read(part, |file| xml::parse(file, |node| writer.node(node)))?;
    }
    if let Some(title) = title(archive, PROPERTIES)? {
        output.title(&title);
    }
    for chapter in writer.blocks.finish()? {
        output.section(SectionKind::Chapter, &chapter.name, chapter.text)?;
    }
    Ok(())
}

/// The levels of the styles that are headings, by their ids. Their names are English in every language's files.
fn headings<R: Read + Seek>(archive: &mut Archive<R>) -> Result<HashMap<String, usize>, DocumentError> {
    let mut headings = HashMap::new();
    let mut style = String::new();
    archive.read("word/styles.xml", |file| {
        xml::parse(file, |node| {
            let Node::Start(element) = node else { return Ok(()) };
            match element.name {
                "style" => style = element.attribute("w:styleId").unwrap_or_default(),
                "name" => {
                    let name = element.attribute("w:val").unwrap_or_default().to_lowercase();
                    let level = name.strip_prefix("heading ").and_then(|level| level.parse().ok());
                    let level = if name == "title" { Some(1) } else { level };
                    headings.extend(level.map(|level| (style.clone(), level)));
                }
                _ => {}
            }
            Ok(())
        })
    })?;
    Ok(headings)
}

#[derive(Default)]
struct Writer {
    blocks: Blocks,
    headings: HashMap<String, usize>,
    style: Style,
    is_text: bool,
    /// Elements within alternatives for old programs, which repeat what is there already.
    fallback_depth: usize,
    /// How many columns the open cell covers.
    columns: usize,
}

impl Writer {
    fn node(&mut self, node: Node<'_>) -> Result<(), DocumentError> {
        match node {
            Node::Start(_) if self.fallback_depth > 0 => self.fallback_depth += 1,
            Node::End(_) if self.fallback_depth > 0 => self.fallback_depth -= 1,
            Node::Text(_) if self.fallback_depth > 0 => {}
            Node::Start(element) => return self.start(&element),
            Node::End(name) => return self.end(name),
            Node::Text(text) if self.is_text => self.blocks.push(text),
            Node::Text(_) => {}
        }
        Ok(())
    }

    fn start(&mut self, element: &Element<'_>) -> Result<(), DocumentError> {
        match element.name {
            "Fallback" => self.fallback_depth = 1,
            "p" => {
                // A paragraph in a box within one ends what came before it.
                self.blocks.end_paragraph(self.style)?;
                self.style = Style::Plain;
            }
            "pStyle" => {
                let style = element.attribute("w:val").unwrap_or_default();
                if let Some(level) = self.headings.get(&style) {
                    self.style = Style::Heading(*level);
                }
            }
            "ilvl" if self.style == Style::Plain => {
                self.style = Style::Item(element.number::<usize>("w:val").unwrap_or(0).saturating_add(1));
            }
            "t" => self.is_text = true,
            "tab" | "ptab" => self.blocks.push("\t"),
            "br" | "cr" => self.blocks.push("\n"),
            "noBreakHyphen" => self.blocks.push("-"),
            "tbl" => self.blocks.start_table()?,
            "tr" => self.blocks.start_row()?,
            "tc" => self.columns = 1,
            "gridSpan" => self.columns = element.number("w:val").unwrap_or(1),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), DocumentError> {
        match name {
            "t" => self.is_text = false,
            "p" => {
                self.blocks.end_paragraph(self.style)?;
                self.style = Style::Plain;
            }
            "tc" => self.blocks.end_cell(self.columns.clamp(1, 64))?,
            "tbl" => self.blocks.end_table()?,
            _ => {}
        }
        Ok(())
    }
}
