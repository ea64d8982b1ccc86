//! Open Document files: texts, workbooks and presentations of LibreOffice and others. Comments and tracked changes are left
//! out; notes are at the end.

use std::io::{Read, Seek};

use parlance_protocol::documents::SectionKind;

use crate::archive::Archive;
use crate::blocks::{Blocks, Style};
use crate::error::DocumentError;
use crate::office::title;
use crate::output::Output;
use crate::table;
use crate::xml::{self, Element, Node};

/// Elements whose content is not the document's.
const LEFT_OUT: [&str; 5] = ["annotation", "tracked-changes", "note-citation", "forms", "settings"];

/// Reads a file of any of the three kinds.
pub(crate) fn read<R: Read + Seek>(archive: &mut Archive<R>, output: &mut Output<'_>) -> Result<(), DocumentError> {
    if is_encrypted(archive)? {
        return Err(DocumentError::Encrypted);
    }
    if let Some(title) = title(archive, "meta.xml")? {
        output.title(&title);
    }
    let mut writer = Writer::new(output);
    if archive.read("content.xml", |file| xml::parse(file, |node| writer.node(node)))?.is_none() {
        return Err(DocumentError::damaged("it has no content"));
    }
    writer.finish()
}

fn is_encrypted<R: Read + Seek>(archive: &mut Archive<R>) -> Result<bool, DocumentError> {
    let mut is_encrypted = false;
    archive.read("META-INF/manifest.xml", |file| {
        xml::parse(file, |node| {
            is_encrypted |= matches!(node, Node::Start(element) if element.name == "encryption-data");
            Ok(())
        })
    })?;
    Ok(is_encrypted)
}

struct Writer<'o, 'p> {
    output: &'o mut Output<'p>,
    blocks: Blocks,
    style: Style,
    /// Paragraphs within each other, as in a box within one.
    paragraphs: usize,
    lists: usize,
    left_out_depth: usize,
    /// The note that is being read.
    note: Option<String>,
    notes: Vec<String>,
    /// The sheet that is being read, if this is a workbook.
    sheet: Option<Sheet>,
    sheets: usize,
    is_workbook: bool,
    slides: usize,
    is_title: bool,
    slide_title: String,
}

impl<'o, 'p> Writer<'o, 'p> {
    fn new(output: &'o mut Output<'p>) -> Self {
        Self {
            output,
            blocks: Blocks::with_chapters(),
            style: Style::Plain,
            paragraphs: 0,
            lists: 0,
            left_out_depth: 0,
            note: None,
            notes: Vec::new(),
            sheet: None,
            sheets: 0,
            is_workbook: false,
            slides: 0,
            is_title: false,
            slide_title: String::new(),
        }
    }

    fn node(&mut self, node: Node<'_>) -> Result<(), DocumentError> {
        match node {
            Node::Start(_) if self.left_out_depth > 0 => self.left_out_depth += 1,
            Node::End(_) if self.left_out_depth > 0 => self.left_out_depth -= 1,
            Node::Start(element) if LEFT_OUT.contains(&element.name) => self.left_out_depth = 1,
            Node::Start(element) => return self.start(&element),
            Node::End(name) => return self.end(name),
            Node::Text(text) if self.left_out_depth == 0 && self.paragraphs > 0 => self.push(text),
            Node::Text(_) => {}
        }
        Ok(())
    }

    fn push(&mut self, text: &str) {
        match (&mut self.note, &mut self.sheet) {
            (Some(note), _) => note.push_str(text),
            (None, Some(sheet)) => sheet.cell.push_str(text),
            (None, None) => self.blocks.push(text),
        }
    }

    fn start(&mut self, element: &Element<'_>) -> Result<(), DocumentError> {
        match element.name {
            "spreadsheet" => self.is_workbook = true,
            "page" => self.slides += 1,
            "frame" => self.is_title = element.attribute("presentation:class").as_deref() == Some("title"),
            "p" | "h" => self.start_paragraph(element)?,
            "s" if self.paragraphs > 0 => {
                let count = element.number::<usize>("text:c").unwrap_or(1).min(100);
                self.push(&" ".repeat(count));
            }
            "tab" if self.paragraphs > 0 => self.push("\t"),
            "line-break" if self.paragraphs > 0 => self.push("\n"),
            "list" => self.lists += 1,
            "note-body" => self.note = Some(String::new()),
            "table" if self.is_workbook => {
                self.sheets += 1;
                self.sheet = Some(Sheet::new(element.attribute("table:name").unwrap_or_default()));
            }
            "table" => self.blocks.start_table()?,
            "table-row" => match &mut self.sheet {
                Some(sheet) => sheet.start_row(element),
                None => self.blocks.start_row()?,
            },
            "table-cell" | "covered-table-cell" => {
                if let Some(sheet) = &mut self.sheet {
                    sheet.start_cell(element);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn start_paragraph(&mut self, element: &Element<'_>) -> Result<(), DocumentError> {
        self.paragraphs += 1;
        if self.note.is_some() {
            return Ok(());
        }
        match &mut self.sheet {
            // Lines of a cell.
            Some(sheet) if !sheet.cell.is_empty() => sheet.cell.push(' '),
            Some(_) => {}
            None => {
                self.blocks.end_paragraph(self.style)?;
                self.style = match (element.name, self.lists) {
                    ("h", _) => Style::Heading(element.number("text:outline-level").unwrap_or(1)),
                    (_, 0) => Style::Plain,
                    (_, level) => Style::Item(level),
                };
            }
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), DocumentError> {
        match name {
            "p" | "h" => self.end_paragraph()?,
            "frame" => self.is_title = false,
            "list" => self.lists = self.lists.saturating_sub(1),
            "note-body" => self.notes.extend(self.note.take()),
            "table-cell" | "covered-table-cell" => match &mut self.sheet {
                Some(sheet) => sheet.end_cell(self.output)?,
                // Those that another one covers, too, so that the next ones stay in their columns.
                None => self.blocks.end_cell(1)?,
            },
            "table-row" => {
                if let Some(sheet) = &mut self.sheet {
                    sheet.end_row();
                }
            }
            "table" => match self.sheet.take() {
                Some(sheet) => {
                    let text = table::markdown(&sheet.rows);
                    self.output.numbered_section(SectionKind::Sheet, self.sheets, &sheet.name, text)?;
                }
                None => self.blocks.end_table()?,
            },
            "page" => {
                let text = std::mem::take(&mut self.blocks).into_text()?;
                let title = std::mem::take(&mut self.slide_title);
                self.output.numbered_section(SectionKind::Slide, self.slides, &title, text)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn end_paragraph(&mut self) -> Result<(), DocumentError> {
        self.paragraphs = self.paragraphs.saturating_sub(1);
        match (&mut self.note, &self.sheet) {
            (Some(note), _) => note.push(' '),
            (None, Some(_)) => {}
            (None, None) => {
                if self.is_title && self.slide_title.is_empty() {
                    self.slide_title = self.blocks.paragraph().split_whitespace().collect::<Vec<_>>().join(" ");
                    self.style = Style::Heading(1);
                }
                self.blocks.end_paragraph(self.style)?;
                self.style = Style::Plain;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), DocumentError> {
        for note in std::mem::take(&mut self.notes) {
            self.blocks.push(&note);
            self.blocks.end_paragraph(Style::Plain)?;
        }
        for chapter in self.blocks.finish()? {
            self.output.section(SectionKind::Chapter, &chapter.name, chapter.text)?;
        }
        Ok(())
    }
}

/// A sheet of a workbook, in which rows and cells may stand for many equal ones.
#[derive(Default)]
struct Sheet {
    name: String,
    rows: Vec<Vec<String>>,
    row: Vec<String>,
    row_repeats: usize,
    cell: String,
    cell_repeats: usize,
    /// Empty cells that only count if another one follows.
    gap: usize,
    len_bytes: usize,
}

impl Sheet {
    fn new(name: String) -> Self {
        Self { name, ..Self::default() }
    }

    fn start_row(&mut self, element: &Element<'_>) {
        self.row.clear();
        self.gap = 0;
        self.row_repeats = element.number("table:number-rows-repeated").unwrap_or(1);
    }

    fn start_cell(&mut self, element: &Element<'_>) {
        self.cell.clear();
        self.cell_repeats = element.number("table:number-columns-repeated").unwrap_or(1);
    }

    fn end_cell(&mut self, output: &mut Output<'_>) -> Result<(), DocumentError> {
        if self.cell.trim().is_empty() {
            self.gap = self.gap.saturating_add(self.cell_repeats);
            return Ok(());
        }
        let gap = std::mem::take(&mut self.gap);
        output.count_cells(gap.saturating_add(self.cell_repeats).saturating_mul(self.row_repeats))?;
        let len_bytes = (self.cell.len() + 3).saturating_mul(self.cell_repeats).saturating_add(gap.saturating_mul(3));
        self.len_bytes = self.len_bytes.saturating_add(len_bytes.saturating_mul(self.row_repeats));
        output.check_text(self.len_bytes)?;
        self.row.extend(std::iter::repeat_n(String::new(), gap));
        self.row.extend(std::iter::repeat_n(self.cell.clone(), self.cell_repeats));
        Ok(())
    }

    fn end_row(&mut self) {
        if !self.row.is_empty() {
            // The limits have counted these.
            self.rows.extend(std::iter::repeat_n(std::mem::take(&mut self.row), self.row_repeats));
        }
    }
}
