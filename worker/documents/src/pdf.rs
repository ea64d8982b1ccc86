//! The text of PDF files, page by page, in the order in which pages draw it, which is that of reading in nearly all files.
//!
//! `hayro` interprets the pages; a device of ours gets glyphs with their places. Scripts, forms and attached files are not
//! looked at.

use std::io::{Read, Seek};

use hayro::hayro_interpret::font::{Glyph, GlyphRun, PositionedGlyph};
use hayro::hayro_interpret::hayro_cmap::{BfString, WritingMode};
use hayro::hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps, InterpreterCache,
    InterpreterSettings, SoftMask, interpret_page,
};
use hayro::hayro_syntax::{LoadPdfError, Pdf};
use hayro::kurbo::{Affine, BezPath, Point, Rect, Vec2};
use parlance_protocol::documents::{LimitUnit, SectionKind};

use crate::error::DocumentError;
use crate::limits::MAX_PAGES;
use crate::output::Output;

/// Everything on a page lies in here. In points.
const EVERYWHERE: Rect = Rect::new(-1e6, -1e6, 1e6, 1e6);
/// The units of glyphs per em.
const EM: f64 = 1000.0;
/// The advance of a glyph whose font does not tell.
const UNKNOWN_ADVANCE: f32 = 500.0;
/// A page with an image and fewer glyphs is a scan, perhaps with a page number.
const MIN_GLYPHS: usize = 32;
/// Gaps in em that are spaces. Kerning is less, and justified text hardly ever has narrower spaces.
const SPACE: f64 = 0.13;
/// How far a glyph is beside the line of the one before, in em, if it is in another. Superscripts are not as far.
const LINE: f64 = 0.5;
/// The same if there is an empty line in between.
const EMPTY_LINE: f64 = 1.9;

/// Reads all pages.
pub(crate) fn read<R: Read + Seek>(mut source: R, output: &mut Output<'_>) -> Result<(), DocumentError> {
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes)?;
    let pdf = Pdf::new(bytes).map_err(|error| match error {
        LoadPdfError::Decryption(_) => DocumentError::Encrypted,
        LoadPdfError::Invalid => DocumentError::damaged("it has no readable table of objects"),
    })?;
    let pages = pdf.pages();
    if pages.is_empty() {
        return Err(DocumentError::damaged("it has no pages"));
    }
    if pages.len() as u64 > MAX_PAGES {
        return Err(DocumentError::too_large(LimitUnit::Pages, MAX_PAGES));
    }
    if let Some(title) = &pdf.metadata().title {
        output.title(&decode(title));
    }
    let (cache, settings) = (InterpreterCache::new(), InterpreterSettings::default());
    for (index, page) in pages.iter().enumerate() {
        let mut text = PageText::default();
        let mut context = Context::new(Affine::IDENTITY, EVERYWHERE, &cache, page.xref(), settings.clone());
        interpret_page(page, &mut context, &mut text);
        if text.is_scan() {
            output.page_without_text();
        }
        output.numbered_section(SectionKind::Page, index + 1, "", text.finish())?;
        output.progress(index + 1, pages.len());
    }
    Ok(())
}

/// A string of a PDF file: UTF-16 with a mark, or else nearly Latin-1.
fn decode(bytes: &[u8]) -> String {
    match bytes.strip_prefix(b"\xfe\xff") {
        Some(units) => {
            let units = units.chunks_exact(2).map(|unit| u16::from_be_bytes([unit[0], unit[1]]));
            char::decode_utf16(units).map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        None => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// Collects the text of a page.
#[derive(Default)]
struct PageText {
    text: String,
    last: Option<Placed>,
    glyphs: usize,
    images: usize,
    /// Where the last run that was filled begins; the same may be stroked, too.
    filled: Option<Point>,
}

/// A glyph on the page.
struct Placed {
    text: String,
    origin: Point,
    end: Point,
    /// Its em on the page.
    size: f64,
}

impl Placed {
    /// `None` if it is nowhere.
    fn new(glyph: &PositionedGlyph<'_>, to_page: Affine, is_vertical: bool) -> Option<Self> {
        let text = match glyph.as_unicode()? {
            BfString::Char(character) => spell_out(character),
            BfString::String(text) => text.chars().map(spell_out).collect(),
        };
        let advance = match &**glyph {
            Glyph::Outline(outline) => outline.advance_width(),
            Glyph::Type3(drawing) => drawing.advance_width(),
        };
        let advance = f64::from(advance.unwrap_or(UNKNOWN_ADVANCE));
        let origin = to_page * Point::ORIGIN;
        let end = to_page * if is_vertical { Point::new(0.0, -EM) } else { Point::new(advance, 0.0) };
        let size = (to_page * Point::new(0.0, EM) - origin).hypot();
        let is_somewhere = origin.is_finite() && end.is_finite() && size.is_finite() && size > 0.0;
        is_somewhere.then_some(Self { text, origin, end, size })
    }

    /// The direction of the line, of length 1.
    fn direction(&self) -> Vec2 {
        let advance = self.end - self.origin;
        let length = advance.hypot();
        if length > 0.0 { advance / length } else { Vec2::new(1.0, 0.0) }
    }
}

/// What is between two glyphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gap {
    Nothing,
    Space,
    Line,
    EmptyLine,
}

impl Gap {
    fn between(last: &Placed, next: &Placed) -> Self {
        let (size, direction, gap) = (last.size.max(next.size), last.direction(), next.origin - last.end);
        let along = gap.x * direction.x + gap.y * direction.y;
        let across = (gap.x * direction.y - gap.y * direction.x).abs();
        if across > EMPTY_LINE * size {
            Self::EmptyLine
        } else if across > LINE * size {
            Self::Line
        } else if along > SPACE * size || along < -size {
            Self::Space
        } else {
            Self::Nothing
        }
    }
}

impl PageText {
    fn is_scan(&self) -> bool {
        self.images > 0 && self.glyphs < MIN_GLYPHS
    }

    fn push(&mut self, glyph: Placed) {
        self.glyphs += 1;
        let gap = match &self.last {
            None => Gap::Nothing,
            // Bold by drawing it twice.
            Some(last) if last.text == glyph.text && (last.origin - glyph.origin).hypot() < 0.1 * glyph.size => return,
            Some(last) => Gap::between(last, &glyph),
        };
        let is_space = glyph.text.trim().is_empty();
        match gap {
            Gap::Nothing => {}
            Gap::Space => self.separate(' '),
            Gap::Line if self.joins_hyphenated(&glyph.text) => {
                self.text.pop();
            }
            Gap::Line => self.separate('\n'),
            Gap::EmptyLine => {
                self.separate('\n');
                self.text.push('\n');
            }
        }
        if is_space {
            self.separate(' ');
        } else {
            self.text.push_str(&glyph.text);
        }
        self.last = Some(glyph);
    }

    /// Ends a word or a line. A line break takes the place of the spaces before it.
    fn separate(&mut self, with: char) {
        if with == '\n' {
            self.text.truncate(self.text.trim_end_matches(' ').len());
        }
        if !self.text.is_empty() && !self.text.ends_with([' ', '\n']) {
            self.text.push(with);
        }
    }

    /// Whether the line so far ends within a word that `next` continues.
    fn joins_hyphenated(&self, next: &str) -> bool {
        let mut end = self.text.chars().rev();
        matches!(end.next(), Some('-' | '\u{ad}' | '\u{2010}'))
            && end.next().is_some_and(char::is_alphabetic)
            && next.chars().next().is_some_and(char::is_lowercase)
    }

    fn finish(self) -> String {
        self.text.trim().to_owned()
    }
}

/// Ligatures as letters, so that words are found; nothing for control characters.
fn spell_out(character: char) -> String {
    match character {
        '\u{fb00}' => "ff".to_owned(),
        '\u{fb01}' => "fi".to_owned(),
        '\u{fb02}' => "fl".to_owned(),
        '\u{fb03}' => "ffi".to_owned(),
        '\u{fb04}' => "ffl".to_owned(),
        '\u{fb05}' | '\u{fb06}' => "st".to_owned(),
        '\t' | '\n' | '\r' | '\u{a0}' => " ".to_owned(),
        character if character.is_control() => String::new(),
        character => character.to_string(),
    }
}

impl Device<'_> for PageText {
    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'_>, _: &DrawMode) {}

    fn push_clip_path(&mut self, _: &ClipPath) {}

    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'_>>, _: BlendMode) {}

    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, '_>, props: DrawProps<'_>, mode: &DrawMode) {
        let Some(first) = run.glyphs().first() else { return };
        let start = props.transform * first.transform() * Point::ORIGIN;
        if matches!(mode, DrawMode::Stroke(_)) && self.filled == Some(start) {
            return;
        }
        self.filled = matches!(mode, DrawMode::Fill(_)).then_some(start);
        let is_vertical = matches!(run.writing_mode(), WritingMode::Vertical);
        for glyph in run.glyphs() {
            if let Some(glyph) = Placed::new(glyph, props.transform * glyph.transform(), is_vertical) {
                self.push(glyph);
            }
        }
    }

    fn draw_image(&mut self, _: Image<'_, '_>, _: ImageDrawProps<'_>) {
        self.images += 1;
    }

    fn pop_clip(&mut self) {}

    fn pop_transparency_group(&mut self) {}
}
