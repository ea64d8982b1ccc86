//! A PDF file's pages, drawn by `hayro`, which bounds how deeply contents are nested. The size of a page's image does not
//! depend on the page's own.

use hayro::hayro_interpret::font::GlyphRun;
use hayro::hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps, InterpreterCache,
    InterpreterSettings, SoftMask, interpret_page,
};
use hayro::hayro_syntax::page::Page;
use hayro::hayro_syntax::{LoadPdfError, Pdf};
use hayro::kurbo::{Affine, BezPath, Rect};
use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::{PixmapSettings, RenderCache, RenderSettings, render};
use parlance_protocol::scans::ScanFault;

/// The longer side of a page's image in pixels: an A4 page has 137 dots per inch, enough to read it.
const SIDE: f32 = 1600.0;
/// Pages with fewer characters have no text, but perhaps a number, or the name of a scanner.
const MIN_GLYPHS: usize = 32;
/// Everything on a page lies in here. In points.
const EVERYWHERE: Rect = Rect::new(-1e6, -1e6, 1e6, 1e6);

/// What is on a page.
#[derive(Debug, PartialEq)]
pub(crate) enum Content {
    /// Text, also if it is invisible, as where a scan was recognised.
    Text,
    /// No text: a PNG file of the page.
    Image(Vec<u8>),
    /// Nothing.
    Blank,
}

/// A PDF file.
pub(crate) struct Scan(Pdf);

impl Scan {
    /// Reads a file.
    pub(crate) fn open(file: Vec<u8>) -> Result<Self, ScanFault> {
        let pdf = Pdf::new(file).map_err(|error| match error {
            LoadPdfError::Decryption(_) => ScanFault::Encrypted,
            LoadPdfError::Invalid => ScanFault::Damaged,
        })?;
        if pdf.pages().is_empty() { Err(ScanFault::Damaged) } else { Ok(Self(pdf)) }
    }

    /// Passes on what is on each page, with its number, until there are no more or `on_page` returns `false`.
    pub(crate) fn read(&self, mut on_page: impl FnMut(u32, Content) -> bool) {
        let (marks, drawings) = (InterpreterCache::new(), RenderCache::new());
        let settings = InterpreterSettings::default();
        for (number, page) in (1..).zip(self.0.pages().iter()) {
            let content = match Marks::of(page, &marks, &settings) {
                Marks { glyphs: MIN_GLYPHS.., .. } => Content::Text,
                Marks { glyphs: 0, others: 0 } => Content::Blank,
                _ => image(page, &drawings, &settings).map_or(Content::Blank, Content::Image),
            };
            if !on_page(number, content) {
                return;
            }
        }
    }
}

/// A page as a PNG file; none if it is a line rather than a page.
fn image<'p>(page: &'p Page<'p>, cache: &RenderCache<'p>, settings: &InterpreterSettings) -> Option<Vec<u8>> {
    let (width, height) = page.render_dimensions();
    let scale = SIDE / width.max(height);
    if !(scale.is_finite() && width.min(height) * scale >= 1.0) {
        return None;
    }
    let pixels = PixmapSettings { x_scale: scale, y_scale: scale, bg_color: WHITE };
    render(page, cache, settings, &RenderSettings::default(), &pixels).into_png().ok()
}

/// How much is drawn on a page.
#[derive(Default)]
struct Marks {
    glyphs: usize,
    /// Images and shapes.
    others: usize,
}

impl Marks {
    fn of<'p>(page: &'p Page<'p>, cache: &InterpreterCache<'p>, settings: &InterpreterSettings) -> Self {
        let mut marks = Self::default();
        let mut context = Context::new(Affine::IDENTITY, EVERYWHERE, cache, page.xref(), settings.clone());
        interpret_page(page, &mut context, &mut marks);
        marks
    }
}

impl Device<'_> for Marks {
    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'_>, _: &DrawMode) {
        self.others += 1;
    }

    fn push_clip_path(&mut self, _: &ClipPath) {}

    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'_>>, _: BlendMode) {}

    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, '_>, _: DrawProps<'_>, _: &DrawMode) {
        self.glyphs += run.glyphs().len();
    }

    fn draw_image(&mut self, _: Image<'_, '_>, _: ImageDrawProps<'_>) {
        self.others += 1;
    }

    fn pop_clip(&mut self) {}

    fn pop_transparency_group(&mut self) {}
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use std::fmt::Write as _;
    use std::io::Cursor;

    use super::*;

    /// A file of pages with these sizes and contents. `/I` is an image, red on the left and blue on the right, `/F` a font, and
    /// `/X` draws itself.
    fn pdf(pages: &[(&str, &str)]) -> Vec<u8> {
        let stream = |entries: &str, content: &str| {
            format!("<<{entries}/Length {}>>stream\n{content}\nendstream", content.len())
        };
        let kids: Vec<String> = (0..pages.len()).map(|index| format!("{} 0 R", 6 + 2 * index)).collect();
        let kids = kids.join(" ");
        let mut objects = vec![
            "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
            format!("<</Type/Pages/Kids[{kids}]/Count {}>>", pages.len()),
            stream(
                "/Type/XObject/Subtype/Image/Width 2/Height 1/ColorSpace/DeviceRGB/BitsPerComponent 8/Filter/ASCIIHexDecode",
                "ff00000000ff>",
            ),
            "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>".to_owned(),
            stream(
                "/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 5 0 R>>>>",
                "0 0 5 5 re f /X Do /X Do",
            ),
        ];
        for (index, (size, content)) in pages.iter().enumerate() {
            let resources = "<</XObject<</I 3 0 R/X 5 0 R>>/Font<</F 4 0 R>>>>";
            objects.push(format!(
                "<</Type/Page/Parent 2 0 R/MediaBox[0 0 {size}]/Resources{resources}/Contents {} 0 R>>",
                7 + 2 * index
            ));
            objects.push(stream("", content));
        }
        let mut file = "%PDF-1.4\n".to_owned();
        let mut places = String::new();
        for (number, object) in (1..).zip(&objects) {
            writeln!(places, "{:010} 00000 n ", file.len()).unwrap();
            writeln!(file, "{number} 0 obj\n{object}\nendobj").unwrap();
        }
        let (start, count) = (file.len(), objects.len() + 1);
        writeln!(file, "xref\n0 {count}\n0000000000 65535 f \n{places}trailer<</Size {count}/Root 1 0 R>>").unwrap();
        writeln!(file, "startxref\n{start}\n%%EOF").unwrap();
        file.into_bytes()
    }

    fn contents(file: Vec<u8>) -> Result<Vec<Content>, ScanFault> {
        let mut contents = Vec::new();
        Scan::open(file)?.read(|number, content| {
            contents.push(content);
            assert_eq!(number as usize, contents.len());
            true
        });
        Ok(contents)
    }

    const SCANNED: &str = "q 200 0 0 100 0 0 cm /I Do Q";
    const TEXT: &str = "BT /F 12 Tf 10 50 Td (This page has more than enough text on it.) Tj ET";

    #[test]
    fn pages_without_text_are_images() {
        let stamped = format!("{SCANNED} BT /F 9 Tf 10 10 Td (page 3) Tj ET");
        let pages = [("200 100", SCANNED), ("200 100", TEXT), ("100 200", stamped.as_str()), ("200 100", "")];
        let contents = contents(pdf(&pages)).unwrap();
        let [Content::Image(scanned), Content::Text, Content::Image(stamped), Content::Blank] = &contents[..] else {
            panic!("{contents:?}")
        };
        for (file, size) in [(scanned, (1600, 800)), (stamped, (800, 1600))] {
            let mut reader = png::Decoder::new(Cursor::new(file)).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            let frame = reader.next_frame(&mut pixels).unwrap();
            assert_eq!((frame.width, frame.height), size);
            let len = pixels.len() / (frame.width * frame.height) as usize;
            // The last row, which the image covers in both.
            let row = &pixels[pixels.len() - frame.width as usize * len..];
            assert_eq!(row[..3], [255, 0, 0]);
            assert!(size.0 == 800 || row[row.len() - len..][..3] == [0, 0, 255], "{:?}", &row[row.len() - len..]);
        }
    }

    #[test]
    fn damaged_files_are_faults_and_hostile_ones_end() {
        for other in [&b""[..], b"%PDF-1.7 a text", b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj"] {
            assert_eq!(contents(other.to_vec()), Err(ScanFault::Damaged), "{other:?}");
        }
        let whole = pdf(&[("200 100", SCANNED), ("200 100", TEXT)]);
        for len in (0..whole.len()).step_by(37) {
            // Whatever is left of it, nothing panics.
            let _ = contents(whole[..len].to_vec());
        }
        // Pages of any size, and one that draws itself.
        let pages = [("1000000000 1", SCANNED), ("0 0", SCANNED), ("-5 -7", SCANNED), ("200 100", "/X Do")];
        assert_eq!(contents(pdf(&pages)).unwrap().len(), pages.len());
    }
}
