//! Converts Markdown to HTML, block by block.

use std::collections::HashMap;
use std::ops::Range;

use pulldown_cmark::{BlockQuoteKind, CodeBlockKind, CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, html};
use pulldown_cmark_escape::{escape_html, escape_html_body_text};

use super::math_delimiters::to_dollars;
use super::raw_html::{RawHtmlFilter, open_containers};
use super::sanitize::sanitize;
use super::{highlight, math};

/// Maximum nesting of quotes and lists.
const MAX_DEPTH: i32 = 100;
/// Maximum steps of the Markdown parser for matching lines with open quotes and lists.
const MAX_CONTAINER_STEPS: usize = 20_000_000;
/// How many times longer than its Markdown a block's HTML may be. Highlighted code is twenty times longer.
const MAX_MARKDOWN_GROWTH: usize = 64;
/// How many times longer HTML may become through sanitising, which closes open elements and adds attributes to links.
const MAX_HTML_GROWTH: usize = 8;
/// Bytes of HTML that a block may have in any case.
const MIN_HTML_BYTES: usize = 16_384;

/// A top-level block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// Its offset in the text.
    pub(super) start_bytes: usize,
    /// Its sanitised HTML.
    pub(super) html: String,
}

/// Renders a text by blocks. A block whose rendering would take time or space out of proportion to its length is shown verbatim.
pub(super) fn parse(text: &str) -> Vec<Block> {
    if container_steps(text) > MAX_CONTAINER_STEPS {
        return vec![Block { start_bytes: 0, html: verbatim(text) }];
    }
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_MATH
        | Options::ENABLE_GFM;
    let source = to_dollars(text);
    let mut converter =
        Converter { source: &source, code: None, footnotes: HashMap::new(), raw_html: RawHtmlFilter::default() };
    let mut blocks = Vec::new();
    let mut open = OpenBlock::default();
    let (mut depth, mut open_html) = (0_i32, 0_i32);
    for (event, range) in Parser::new_ext(&source, options).into_offset_iter() {
        match &event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            Event::Html(html) | Event::InlineHtml(html) => open_html += open_containers(html),
            _ => {}
        }
        open.extend(&range, depth);
        open.events.extend(converter.convert(event, &range));
        if depth == 0 && open_html <= 0 {
            blocks.extend(std::mem::take(&mut open).finish(text));
            converter.raw_html = RawHtmlFilter::default();
            open_html = 0;
        }
    }
    blocks.extend(open.finish(text));
    blocks
}

/// Upper bound for the steps that the Markdown parser takes for containers (quotes, lists). For each line it goes through all open
/// containers, of which there are at most as many as the widest line has columns of markers.
fn container_steps(text: &str) -> usize {
    let columns = |line: &str| -> usize {
        let markers = line.bytes().take_while(|byte| b" \t>-+*.)[^]:0123456789".contains(byte));
        markers.map(|byte| if byte == b'\t' { 4 } else { 1 }).sum()
    };
    let (lines, widest) =
        text.split(['\n', '\r']).fold((0, 0), |(lines, widest), line| (lines + 1, columns(line).max(widest)));
    usize::saturating_mul(lines, widest)
}

/// A text as a block of plain code.
fn verbatim(text: &str) -> String {
    sanitize(&code_block("", text))
}

/// A block whose events are being collected.
#[derive(Default)]
struct OpenBlock<'a> {
    range: Option<Range<usize>>,
    max_depth: i32,
    events: Vec<Event<'a>>,
}

impl OpenBlock<'_> {
    fn extend(&mut self, range: &Range<usize>, depth: i32) {
        let block = self.range.get_or_insert_with(|| range.clone());
        block.end = block.end.max(range.end);
        self.max_depth = self.max_depth.max(depth);
    }

    /// Renders the block; `None` if it has no events.
    fn finish(self, text: &str) -> Option<Block> {
        let range = self.range?;
        let start_bytes = range.start;
        let source = text.get(range).unwrap_or_default();
        if self.max_depth > MAX_DEPTH {
            return Some(Block { start_bytes, html: verbatim(source) });
        }
        let mut raw = String::new();
        html::push_html(&mut raw, self.events.into_iter());
        if raw.len() > source.len() * MAX_MARKDOWN_GROWTH + MIN_HTML_BYTES {
            return Some(Block { start_bytes, html: verbatim(source) });
        }
        // pulldown-cmark aligns cells with inline styles, which a strict Content-Security-Policy forbids.
        for (tag, side) in ["td", "th"].into_iter().flat_map(|tag| ["left", "center", "right"].map(|side| (tag, side)))
        {
            raw = raw.replace(&format!("<{tag} style=\"text-align: {side}\">"), &format!("<{tag} align=\"{side}\">"));
        }
        let html = sanitize(&raw);
        let is_bounded = html.len() <= raw.len() * MAX_HTML_GROWTH + MIN_HTML_BYTES;
        Some(Block { start_bytes, html: if is_bounded { html } else { verbatim(source) } })
    }
}

/// Converts the parser's events to those that are rendered.
struct Converter<'a> {
    source: &'a str,
    /// Language and text of the current code block.
    code: Option<(String, String)>,
    /// Numbers of footnotes by name, in order of occurrence.
    footnotes: HashMap<String, usize>,
    /// Filters the raw HTML of the current block.
    raw_html: RawHtmlFilter,
}

impl Converter<'_> {
    fn convert<'a>(&mut self, event: Event<'a>, range: &Range<usize>) -> Option<Event<'a>> {
        Some(match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                let info = match &kind {
                    CodeBlockKind::Fenced(info) => info,
                    CodeBlockKind::Indented => "",
                };
                let is_name = |c: &char| c.is_ascii_alphanumeric() || "+#-_.".contains(*c);
                let language = info.chars().take_while(is_name).collect();
                self.code = Some((language, String::new()));
                return None;
            }
            Event::Text(text) if self.code.is_some() => {
                if let Some((_, code)) = &mut self.code {
                    code.push_str(&text);
                }
                return None;
            }
            Event::End(TagEnd::CodeBlock) => {
                let (language, code) = self.code.take().unwrap_or_default();
                Event::Html(code_block(&language, &code).into())
            }
            Event::InlineMath(latex) => self.inline_math(&latex, range),
            Event::DisplayMath(latex) => formula(&latex, true),
            // An image would be fetched from a host of the model's choice, so it becomes a link.
            Event::Start(Tag::Image { dest_url, title, .. }) => {
                let link_type = LinkType::Inline;
                Event::Start(Tag::Link { link_type, dest_url, title, id: CowStr::Borrowed("") })
            }
            Event::End(TagEnd::Image) => Event::End(TagEnd::Link),
            Event::Start(Tag::BlockQuote(Some(kind))) => {
                Event::Html(format!("<blockquote class=\"alert {}\">\n", alert_class(kind)).into())
            }
            Event::FootnoteReference(name) => {
                let number = self.footnote_number(&name);
                Event::Html(format!("<sup class=\"footnote\"><a href=\"#note-{number}\">{number}</a></sup>").into())
            }
            Event::Start(Tag::FootnoteDefinition(name)) => {
                let number = self.footnote_number(&name);
                Event::Html(format!("<div class=\"footnote\" data-footnote=\"{number}\"><sup>{number}</sup> ").into())
            }
            Event::End(TagEnd::FootnoteDefinition) => Event::Html("</div>\n".into()),
            Event::TaskListMarker(is_done) => Event::Html(if is_done { "☑ " } else { "☐ " }.into()),
            Event::Html(html) => match self.raw_html.filter(&html) {
                Some(kept) => Event::Html(kept.into()),
                None => Event::Text(html),
            },
            Event::InlineHtml(html) => match self.raw_html.filter(&html) {
                Some(kept) => Event::InlineHtml(kept.into()),
                None => Event::Text(html),
            },
            event => event,
        })
    }

    /// The number of a footnote.
    fn footnote_number(&mut self, name: &str) -> usize {
        let next = self.footnotes.len() + 1;
        *self.footnotes.entry(name.to_owned()).or_insert(next)
    }

    /// A formula between single dollar signs, or text if a digit follows the second one, as in "$5-$10".
    fn inline_math<'a>(&self, latex: &str, range: &Range<usize>) -> Event<'a> {
        let is_price = self.source[range.end..].starts_with(|character: char| character.is_ascii_digit());
        if is_price { Event::Text(self.source[range.clone()].to_owned().into()) } else { formula(latex, false) }
    }
}

fn formula<'a>(latex: &str, is_block: bool) -> Event<'a> {
    let html = math::to_mathml(latex, is_block)
        .unwrap_or_else(|| format!("<code class=\"formula\">{}</code>", escape_body(latex)));
    Event::InlineHtml(html.into())
}

fn code_block(language: &str, code: &str) -> String {
    format!("<pre data-language=\"{}\"><code>{}</code></pre>\n", escape(language), highlight::to_html(language, code))
}

fn alert_class(kind: BlockQuoteKind) -> &'static str {
    match kind {
        BlockQuoteKind::Note => "note",
        BlockQuoteKind::Tip => "tip",
        BlockQuoteKind::Important => "important",
        BlockQuoteKind::Warning => "warning",
        BlockQuoteKind::Caution => "caution",
    }
}

fn escape(text: &str) -> String {
    let mut html = String::new();
    // Writing to a string cannot fail.
    let _ = escape_html(&mut html, text);
    html
}

fn escape_body(text: &str) -> String {
    let mut html = String::new();
    let _ = escape_html_body_text(&mut html, text);
    html
}

#[cfg(test)]
mod tests {
    use super::{MAX_CONTAINER_STEPS, container_steps, parse};

    fn html(text: &str) -> String {
        parse(text).into_iter().map(|block| block.html).collect()
    }

    #[test]
    fn markdown_is_converted_to_html() {
        let cases = [
            ("a **b** ~~c~~", "<p>a <strong>b</strong> <del>c</del></p>\n"),
            ("- [x] done\n- [ ] open", "<ul>\n<li>☑ done</li>\n<li>☐ open</li>\n</ul>\n"),
            ("costs $5-$10", "<p>costs $5-$10</p>\n"),
            ("Vec<String> & co", "<p>Vec&lt;String&gt; &amp; co</p>\n"),
            ("H<sub>2</sub>O", "<p>H<sub>2</sub>O</p>\n"),
            ("```x-y z\na < b\n```", "<pre data-language=\"x-y\"><code>a &lt; b\n</code></pre>\n"),
            ("> [!WARNING]\n> hot", "<blockquote class=\"alert warning\">\n<p>hot</p>\n</blockquote>\n"),
            ("$\\unknown{x}$", "<p><code class=\"formula\">\\unknown{x}</code></p>\n"),
            (
                "[a](https://example.org)",
                "<p><a href=\"https://example.org\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">a</a></p>\n",
            ),
            (
                "![a](https://example.org/p.png)",
                "<p><a href=\"https://example.org/p.png\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">a</a></p>\n",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(html(text), expected, "{text}");
        }
        let table = html("| a | b |\n| :-: | --: |\n| 1 | 2 |");
        assert!(table.contains("<table>") && table.contains("<td align=\"center\">1</td>"), "{table}");
        let note = html("a[^1]\n\n[^1]: b");
        assert!(note.contains("href=\"#note-1\"") && note.contains("data-footnote=\"1\""), "{note}");
        assert!(html("$x^2$").contains("<msup><mi>x</mi><mn>2</mn></msup>"));
    }

    #[test]
    fn raw_html_that_opens_a_container_includes_the_blocks_inside() {
        let blocks = parse("<details>\n<summary>More</summary>\n\nInside *it*\n\n</details>\n\nAfter");
        assert_eq!(blocks.len(), 2);
        assert!(blocks[0].html.contains("<em>it</em>"), "{}", blocks[0].html);
    }

    #[test]
    fn html_is_in_proportion_to_its_markdown() {
        let titled = |count: usize| (0..count).map(|index| format!("<b title={index}>")).collect::<Vec<_>>().concat();
        let quotes = format!("{}a", ">".repeat(12_000));
        let columns = "a|".repeat(4_000);
        let table = format!("{columns}\n{}\n{}", "-|".repeat(4_000), "x|\n".repeat(60));
        let attacks = [
            // HTML parsers reopen formatting elements in every paragraph: 1,000 times 3,000 elements.
            format!("<div><p>{}{}", titled(1_000), "<p>x".repeat(3_000)),
            format!("<div><p>{}{}", titled(500), "<p>x".repeat(1_400)),
            format!("<div>\n\n{}\n\n{}", titled(1_000), "x\n\n".repeat(4_000)),
            format!("{}\n\n{}", titled(500), "- x <em id=a>\n".repeat(1_000)),
            format!("<div>{}", "<b title=1><table></b></table><i title=2><p>".repeat(300)),
            "<span>".repeat(4_000),
            "<div>\n\n".repeat(3_000),
            "<a>".repeat(8_000),
            // Missing table cells are filled in: 4,000 in each row.
            table,
            quotes.clone(),
            format!("{}a", "- ".repeat(12_000)),
            "1) > ".repeat(5_000),
            format!("{quotes}\n{}", "a\n".repeat(6_000)),
            "[".repeat(24_000),
            "![".repeat(12_000),
            "$".repeat(24_001),
            "`a``".repeat(6_000),
            "**a *".repeat(5_000),
            "\\(".repeat(12_000),
            (0..2_000).map(|note| format!("[^{note}]: x\n\n[^{note}]\n\n")).collect::<Vec<_>>().concat(),
        ];
        for attack in attacks {
            let start: String = attack.chars().take(30).collect();
            let blocks = parse(&attack);
            let len_bytes: usize = blocks.iter().map(|block| block.html.len()).sum();
            assert!(len_bytes <= 20 * attack.len(), "{} bytes became {len_bytes}: {start}", attack.len());
            let elements: usize = blocks.iter().map(|block| block.html.matches('<').count()).sum();
            assert!(elements <= 40_000, "{elements} elements: {start}");
        }
    }

    #[test]
    fn blocks_that_are_nested_too_deeply_are_shown_verbatim() {
        let nested = |depth: usize| format!("{} a\n\nb", ">".repeat(depth));
        assert_eq!(html(&nested(40)).matches("<blockquote>").count(), 40);
        let shown = html(&nested(400));
        assert!(
            shown.starts_with("<pre data-language=\"\"><code>&gt;&gt;") && shown.ends_with("<p>b</p>\n"),
            "{shown}"
        );
        // The parser would go through 10,000 quotes for each of 10,000 lines.
        let lines = format!("{}\n{}", ">".repeat(10_000), "a\n".repeat(10_000));
        assert_eq!(parse(&lines).len(), 1);
        assert!(container_steps(&lines) > MAX_CONTAINER_STEPS);
        assert!(container_steps(&"| 1.5 | 2.5 |\n- a\n".repeat(10_000)) < MAX_CONTAINER_STEPS);
    }

    #[test]
    fn raw_html_of_normal_size_is_kept() {
        let rows = "<tr><td>1</td><td><b>2</b></td></tr>\n".repeat(200);
        let shown = html(&format!("<table>\n<tbody>\n{rows}</tbody>\n</table>"));
        assert_eq!(shown.matches("<td>").count(), 400);
        assert_eq!(html("<b title=x>a</b> <code class=\"dialog\">b</code>"), "<p><b>a</b> <code>b</code></p>\n");
    }

    #[test]
    fn malicious_html_is_removed() {
        let attacks = [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "[a](javascript:alert(1))",
            "[a](data:text/html,<script>)",
            "[a](vbscript:x)",
            "<a href=\"java&#115;cript:alert(1)\">x</a>",
            "<b onclick=\"alert(1)\">x</b>",
            "<b style=\"display:none\">x</b>",
            "<div class=\"dialog\">x</div>",
            "<iframe src=\"https://example.org\"></iframe>",
            "<svg><script>alert(1)</script></svg>",
            "<math><mi xlink:href=\"javascript:alert(1)\">x</mi></math>",
            "<math><annotation-xml encoding=\"text/html\"><script>alert(1)</script></annotation-xml></math>",
            "<form action=\"https://example.org\"><input name=p></form>",
            "<style>*{display:none}</style>",
            "<a href=\"#\" target=\"_self\">x</a>",
            "$\\href{javascript:alert(1)}{x}$",
            "![x](https://example.org/track.png)",
            "<p><details/onToggle=alert(1)>",
            "```\"><script>alert(1)</script>\nx\n```",
            "[^\"><script>]: x\n\na[^\"><script>]",
        ];
        let forbidden = [
            "script",
            "onerror=",
            "onclick=",
            "ontoggle=",
            "style",
            "img",
            "iframe",
            "form ",
            "input",
            "svg",
            "javascript:",
            "data:",
            "vbscript:",
            "dialog",
            "_self",
            "annotation",
        ];
        for attack in attacks {
            let html = html(attack).to_lowercase();
            // Only tags matter: in text these words are harmless.
            let tags: String = html.split('<').skip(1).filter_map(|rest| rest.split('>').next()).collect();
            for word in forbidden {
                assert!(!tags.contains(word), "{attack} became {html}");
            }
        }
    }
}
