//! The last word on HTML: whatever came before, only what is listed here reaches the page.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative, UrlRelativeEvaluate};

use super::highlight::ALL_CLASSES;

/// HTML elements that an answer may hold. Images are not among them: they would be fetched from other hosts.
pub(super) const TAGS: [&str; 49] = [
    "a",
    "abbr",
    "b",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "dd",
    "del",
    "details",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "ins",
    "kbd",
    "li",
    "mark",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "small",
    "span",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "u",
    "ul",
];

/// MathML Core, as far as `pulldown-latex` writes it.
/// Not `mphantom`: it would hide text.
const MATH_TAGS: [&str; 25] = [
    "math",
    "menclose",
    "merror",
    "mfrac",
    "mi",
    "mmultiscripts",
    "mn",
    "mo",
    "mover",
    "mpadded",
    "mprescripts",
    "mroot",
    "mrow",
    "ms",
    "mspace",
    "msqrt",
    "mstyle",
    "msub",
    "msubsup",
    "msup",
    "mtable",
    "mtd",
    "mtext",
    "mtr",
    "munder",
];

const MATH_ATTRIBUTES: [&str; 20] = [
    "accent",
    "accentunder",
    "columnspan",
    "depth",
    "display",
    "displaystyle",
    "fence",
    "height",
    "linethickness",
    "lspace",
    "mathvariant",
    "maxsize",
    "minsize",
    "movablelimits",
    "rspace",
    "scriptlevel",
    "separator",
    "stretchy",
    "symmetric",
    "width",
];

const MATH_CLASSES: [&str; 14] = [
    "boxed",
    "menv-alignlike",
    "menv-align",
    "menv-with-eqn",
    "menv-arraylike",
    "menv-cells-left",
    "menv-cells-right",
    "menv-cases",
    "menv-rcases",
    "menv-gather",
    "menv-multline",
    "menv-smallmatrix",
    "menv-array",
    "menv-subarray",
];

static SANITIZER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let math_tags = MATH_TAGS.iter().copied().chain(["munderover"]);
    let mut attributes: HashMap<&str, HashSet<&str>> = HashMap::from([
        ("a", HashSet::from(["href", "title"])),
        ("abbr", HashSet::from(["title"])),
        ("details", HashSet::from(["open"])),
        ("li", HashSet::from(["data-task", "data-footnote"])),
        ("div", HashSet::from(["data-footnote"])),
        ("ol", HashSet::from(["start"])),
        ("pre", HashSet::from(["data-language"])),
        ("td", HashSet::from(["align"])),
        ("th", HashSet::from(["align"])),
    ]);
    for tag in math_tags.clone() {
        attributes.insert(tag, HashSet::from(MATH_ATTRIBUTES));
    }
    let alerts = ["alert", "note", "tip", "important", "warning", "caution"];
    let mut classes: HashMap<&str, HashSet<&str>> = HashMap::from([
        ("span", HashSet::from(ALL_CLASSES)),
        ("blockquote", HashSet::from(alerts)),
        ("sup", HashSet::from(["footnote"])),
        ("div", HashSet::from(["footnote"])),
        ("code", HashSet::from(["formula"])),
    ]);
    classes.insert("math", HashSet::from(MATH_CLASSES));
    classes.insert("mtable", HashSet::from(MATH_CLASSES));
    let mut builder = Builder::empty();
    builder
        .tags(TAGS.iter().copied().chain(math_tags).collect())
        .clean_content_tags(HashSet::from(["script", "style", "template", "iframe", "object", "noscript"]))
        .tag_attributes(attributes)
        .generic_attributes(HashSet::new())
        .allowed_classes(classes)
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .url_relative(UrlRelative::Custom(Box::new(NotesOnly)))
        .link_rel(Some("noopener noreferrer nofollow"))
        .set_tag_attribute_value("a", "target", "_blank");
    builder
});

/// Relative addresses lead to footnotes of the same answer; others would be pages of this app.
struct NotesOnly;

impl UrlRelativeEvaluate<'_> for NotesOnly {
    fn evaluate<'url>(&self, url: &'url str) -> Option<Cow<'url, str>> {
        url.starts_with("#note-").then_some(Cow::Borrowed(url))
    }
}

/// The HTML without anything that is not listed above, and without characters that nobody sees.
pub(super) fn sanitize(html: &str) -> String {
    let html = SANITIZER.clean(html).to_string();
    if !html.contains(|character: char| is_unseen(character) || is_emoji_selector(character)) {
        return html;
    }
    let mut previous = None;
    let is_seen = |character: &char| {
        let selects = previous.replace(*character).is_some_and(may_be_emoji);
        !is_unseen(*character) && (!is_emoji_selector(*character) || selects)
    };
    html.chars().filter(is_seen).collect()
}

/// Characters that turn text round, or that are no text at all but could carry orders to whoever the answer is pasted to: of
/// Unicode 16 the bidirectional embeddings, overrides and isolates with the deprecated formats after them (section 23.2 and
/// 23.3), variation selectors (23.4), and tags (23.9).
fn is_unseen(character: char) -> bool {
    matches!(
        character,
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{206F}' | '\u{FE00}'..='\u{FE0D}' | '\u{E0000}'..='\u{E0FFF}'
    )
}

/// The variation selectors that show the character before them as text or as an emoji.
fn is_emoji_selector(character: char) -> bool {
    matches!(character, '\u{FE0E}' | '\u{FE0F}')
}

/// Whether a character is in a block that has emoji, or one of the few others that may be shown as such.
fn may_be_emoji(character: char) -> bool {
    matches!(
        character,
        '#' | '*' | '0'..='9' | '©' | '®' | '‼' | '⁉' | '™' | 'ℹ' | 'Ⓜ' | '〰' | '〽' | '㊗' | '㊙'
            | '\u{2190}'..='\u{21FF}' // Arrows.
            | '\u{2300}'..='\u{23FF}' // Technical.
            | '\u{25A0}'..='\u{27BF}' // Shapes, symbols, dingbats.
            | '\u{2900}'..='\u{297F}' | '\u{2B00}'..='\u{2BFF}' // More arrows.
            | '\u{1F000}'..='\u{1FAFF}' // Pictographs.
    )
}

#[cfg(test)]
mod tests {
    use super::sanitize;

    #[test]
    fn what_nobody_sees_is_removed() {
        let cases = [
            ("a\u{202E}b\u{2066}c\u{2069}d&#x2067;e", "abcde"),
            ("a\u{FE00}b\u{FE0F}c\u{FE0E}d\u{E0100}e\u{E01EF}f\u{E0041}g", "abcdefg"),
            // Emoji and keycaps keep one selector; sequences of people and flags are untouched.
            (
                "❤\u{FE0F} ☎\u{FE0E} 1\u{FE0F}\u{20E3} ✌\u{FE0F}\u{FE0F}",
                "❤\u{FE0F} ☎\u{FE0E} 1\u{FE0F}\u{20E3} ✌\u{FE0F}",
            ),
            ("👩\u{200D}⚕\u{FE0F} 🇫🇷 👍🏽", "👩\u{200D}⚕\u{FE0F} 🇫🇷 👍🏽"),
            // Persian and Hebrew need theirs.
            ("می\u{200C}خواهم \u{200F}שלום", "می\u{200C}خواهم \u{200F}שלום"),
            (
                "<a title=\"x\u{2066}y\">z</a>",
                "<a title=\"xy\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">z</a>",
            ),
        ];
        for (html, expected) in cases {
            assert_eq!(sanitize(html), expected, "{html:?}");
        }
    }
}
