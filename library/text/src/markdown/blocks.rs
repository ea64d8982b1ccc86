//! A Markdown text as top-level blocks of HTML.

use std::ops::Range;

use pulldown_cmark::{BlockQuoteKind, CodeBlockKind, CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, html};
use pulldown_cmark_escape::{escape_html, escape_html_body_text};

use super::delimiters::normalise;
use super::sanitize::{TAGS, sanitize};
use super::{highlight, math};

/// A top-level block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// Where it begins in the text.
    pub(super) start_bytes: usize,
    /// Its sanitised HTML.
    pub(super) html: String,
}

/// Elements of raw HTML that may hold blocks; those after them belong to them until they are closed.
const CONTAINERS: [&str; 7] = ["details", "div", "table", "blockquote", "ul", "ol", "dl"];

/// Cuts a text into blocks.
pub(super) fn parse(text: &str) -> Vec<Block> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_MATH
        | Options::ENABLE_GFM;
    let normalised = normalise(text);
    let mut writer = Writer { source: &normalised, code: None, notes: Vec::new() };
    let mut blocks = Vec::new();
    let mut events = Vec::new();
    let mut start_bytes = None;
    let (mut depth, mut open_html) = (0_i32, 0_i32);
    for (event, range) in Parser::new_ext(&normalised, options).into_offset_iter() {
        start_bytes.get_or_insert(range.start);
        match &event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            Event::Html(html) | Event::InlineHtml(html) => open_html += containers(html),
            _ => {}
        }
        events.extend(writer.convert(event, &range));
        if depth == 0 && open_html <= 0 {
            blocks.extend(block(&mut start_bytes, &mut events));
            open_html = 0;
        }
    }
    blocks.extend(block(&mut start_bytes, &mut events));
    blocks
}

/// The block that the events make up.
fn block(start_bytes: &mut Option<usize>, events: &mut Vec<Event<'_>>) -> Option<Block> {
    let start_bytes = start_bytes.take()?;
    let mut raw = String::new();
    html::push_html(&mut raw, events.drain(..));
    // The writer aligns cells by styles, which a strict content security policy forbids.
    for (tag, side) in ["td", "th"].into_iter().flat_map(|tag| ["left", "center", "right"].map(|side| (tag, side))) {
        raw = raw.replace(&format!("<{tag} style=\"text-align: {side}\">"), &format!("<{tag} align=\"{side}\">"));
    }
    Some(Block { start_bytes, html: sanitize(&raw) })
}

/// How many containers a piece of raw HTML opens, less those that it closes.
fn containers(html: &str) -> i32 {
    let html = html.to_ascii_lowercase();
    let count = |prefix: &str, tag: &str| {
        let ends = |rest: &str| rest.starts_with(|c: char| c == '>' || c.is_whitespace());
        html.match_indices(prefix)
            .filter(|(at, _)| html[at + prefix.len()..].strip_prefix(tag).is_some_and(ends))
            .count()
    };
    CONTAINERS.iter().map(|tag| count("<", tag) as i32 - count("</", tag) as i32).sum()
}

/// Turns the parser's events into those that are written.
struct Writer<'a> {
    source: &'a str,
    /// Language and text of the code block that is being read.
    code: Option<(String, String)>,
    /// Names of footnotes in the order in which they are met.
    notes: Vec<String>,
}

impl Writer<'_> {
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
            // An image would be fetched from wherever the model likes; its address is shown as a link instead.
            Event::Start(Tag::Image { dest_url, title, .. }) => {
                let link_type = LinkType::Inline;
                Event::Start(Tag::Link { link_type, dest_url, title, id: CowStr::Borrowed("") })
            }
            Event::End(TagEnd::Image) => Event::End(TagEnd::Link),
            Event::Start(Tag::BlockQuote(Some(kind))) => {
                Event::Html(format!("<blockquote class=\"alert {}\">\n", alert_class(kind)).into())
            }
            Event::FootnoteReference(name) => {
                let number = self.note_number(&name);
                Event::Html(format!("<sup class=\"footnote\"><a href=\"#note-{number}\">{number}</a></sup>").into())
            }
            Event::Start(Tag::FootnoteDefinition(name)) => {
                let number = self.note_number(&name);
                Event::Html(format!("<div class=\"footnote\" data-footnote=\"{number}\"><sup>{number}</sup> ").into())
            }
            Event::End(TagEnd::FootnoteDefinition) => Event::Html("</div>\n".into()),
            Event::TaskListMarker(is_done) => Event::Html(if is_done { "☑ " } else { "☐ " }.into()),
            Event::Html(html) => raw_html(html, Event::Html),
            Event::InlineHtml(html) => raw_html(html, Event::InlineHtml),
            event => event,
        })
    }

    /// The number of a footnote.
    fn note_number(&mut self, name: &str) -> usize {
        if let Some(place) = self.notes.iter().position(|known| known == name) {
            return place + 1;
        }
        self.notes.push(name.to_owned());
        self.notes.len()
    }

    /// A formula between single dollar signs, or a price: a digit after the second dollar sign says so.
    fn inline_math<'a>(&self, latex: &str, range: &Range<usize>) -> Event<'a> {
        let is_price = self.source[range.end..].starts_with(|character: char| character.is_ascii_digit());
        if is_price { Event::Text(self.source[range.clone()].to_owned().into()) } else { formula(latex, false) }
    }
}

fn formula<'a>(latex: &str, is_block: bool) -> Event<'a> {
    let html = math::to_mathml(latex, is_block)
        .unwrap_or_else(|| format!("<code class=\"formula\">{}</code>", escaped_body(latex)));
    Event::InlineHtml(html.into())
}

fn code_block(language: &str, code: &str) -> String {
    format!("<pre data-language=\"{}\"><code>{}</code></pre>\n", escaped(language), highlight::to_html(language, code))
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

/// Raw HTML where its elements are allowed; otherwise the text, since `Vec<String>` is no element.
fn raw_html<'a>(html: CowStr<'a>, keep: fn(CowStr<'a>) -> Event<'a>) -> Event<'a> {
    let is_allowed = html.match_indices('<').all(|(at, _)| {
        let rest = html[at + 1..].trim_start_matches('/');
        let name: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
        TAGS.contains(&name.to_ascii_lowercase().as_str())
    });
    if is_allowed { keep(html) } else { Event::Text(html) }
}

fn escaped(text: &str) -> String {
    let mut html = String::new();
    // Writing to a string cannot fail.
    let _ = escape_html(&mut html, text);
    html
}

fn escaped_body(text: &str) -> String {
    let mut html = String::new();
    let _ = escape_html_body_text(&mut html, text);
    html
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn html(text: &str) -> String {
        parse(text).into_iter().map(|block| block.html).collect()
    }

    #[test]
    fn markdown_becomes_html() {
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
    fn html_that_opens_a_block_keeps_what_it_holds() {
        let blocks = parse("<details>\n<summary>More</summary>\n\nInside *it*\n\n</details>\n\nAfter");
        assert_eq!(blocks.len(), 2);
        assert!(blocks[0].html.contains("<em>it</em>"), "{}", blocks[0].html);
    }

    #[test]
    fn hostile_texts_lose_their_sting() {
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
        let stings = [
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
            // In text they are harmless.
            let tags: String = html.split('<').skip(1).filter_map(|rest| rest.split('>').next()).collect();
            for sting in stings {
                assert!(!tags.contains(sting), "{attack} became {html}");
            }
        }
    }
}
