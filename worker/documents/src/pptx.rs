//! Presentations of PowerPoint: slides in order, each with its notes at the end.

use std::io::{Read, Seek};

use parlance_protocol::documents::SectionKind;

use crate::archive::Archive;
use crate::blocks::{Blocks, Style};
use crate::error::DocumentError;
use crate::office::{PROPERTIES, relations, title};
use crate::output::Output;
use crate::xml::{self, Element, Node};

const MAIN: &str = "ppt/presentation.xml";

/// Reads all slides.
pub(crate) fn read<R: Read + Seek>(archive: &mut Archive<R>, output: &mut Output<'_>) -> Result<(), DocumentError> {
    let parts = relations(archive, MAIN)?;
    let mut slides = Vec::new();
    archive.read(MAIN, |file| {
        xml::parse(file, |node| {
            if let Node::Start(element) = node
                && element.name == "sldId"
                && let Some(slide) = element.attribute("r:id").and_then(|id| parts.get(&id))
            {
                slides.push(slide.part.clone());
            }
            Ok(())
        })
    })?;
    if let Some(title) = title(archive, PROPERTIES)? {
        output.title(&title);
    }
    for (index, part) in slides.iter().enumerate() {
        let mut slide = read_slide(archive, part)?;
        let notes = relations(archive, part)?.into_values().find(|relation| relation.kind == "notesSlide");
        if let Some(notes) = notes {
            let notes = read_slide(archive, &notes.part)?.blocks.into_text()?;
            slide.blocks.push(&notes);
            slide.blocks.end_paragraph(Style::Plain)?;
        }
        output.numbered_section(SectionKind::Slide, index + 1, &slide.title, slide.blocks.into_text()?)?;
        output.progress(index + 1, slides.len());
    }
    Ok(())
}

fn read_slide<R: Read + Seek>(archive: &mut Archive<R>, part: &str) -> Result<Slide, DocumentError> {
    let mut slide = Slide::default();
    archive.read(part, |file| xml::parse(file, |node| slide.node(node)))?;
    Ok(slide)
}

#[derive(Default)]
struct Slide {
    blocks: Blocks,
    title: String,
    is_title: bool,
    /// A field that the program fills in, such as the slide's number.
    is_field: bool,
    is_text: bool,
}

impl Slide {
    fn node(&mut self, node: Node<'_>) -> Result<(), DocumentError> {
        match node {
            Node::Start(element) => self.start(&element),
            Node::End(name) => self.end(name),
            Node::Text(text) => {
                if self.is_text && !self.is_field {
                    self.blocks.push(text);
                }
                Ok(())
            }
        }
    }

    fn start(&mut self, element: &Element<'_>) -> Result<(), DocumentError> {
        match element.name {
            "sp" => self.is_title = false,
            "ph" => self.is_title = matches!(element.attribute("type").as_deref(), Some("title" | "ctrTitle")),
            "fld" => self.is_field = true,
            "t" => self.is_text = true,
            "br" => self.blocks.push("\n"),
            "tbl" => self.blocks.start_table()?,
            "tr" => self.blocks.start_row()?,
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), DocumentError> {
        match name {
            "sp" => self.is_title = false,
            "fld" => self.is_field = false,
            "t" => self.is_text = false,
            "p" if self.is_title => {
                if self.title.is_empty() {
                    self.title = self.blocks.paragraph().split_whitespace().collect::<Vec<_>>().join(" ");
                }
                self.blocks.end_paragraph(Style::Heading(1))?;
            }
            "p" => self.blocks.end_paragraph(Style::Plain)?,
            "tc" => self.blocks.end_cell(1)?,
            "tbl" => self.blocks.end_table()?,
            _ => {}
        }
        Ok(())
    }
}
