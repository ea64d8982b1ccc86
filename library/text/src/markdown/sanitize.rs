//! The HTML sanitiser: the last step before HTML reaches the page. Everything that is not listed here is removed.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative, UrlRelativeEvaluate};

use super::highlight::ALL_CLASSES;

/// Allowed HTML elements. Images are not, because they would be fetched from other hosts.
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

/// The MathML elements that `pulldown-latex` generates, except `mphantom`, which hides text.
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
        .url_relative(UrlRelative::Custom(Box::new(FootnotesOnly)))
        .link_rel(Some("noopener noreferrer nofollow"))
        .set_tag_attribute_value("a", "target", "_blank");
    builder
});

/// Allows relative links only to footnotes of the same text. All others would lead to pages of this app.
struct FootnotesOnly;

impl UrlRelativeEvaluate<'_> for FootnotesOnly {
    fn evaluate<'url>(&self, url: &'url str) -> Option<Cow<'url, str>> {
        url.starts_with("#note-").then_some(Cow::Borrowed(url))
    }
}

/// Removes everything from the HTML that is not listed above, and invisible characters.
pub(super) fn sanitize(html: &str) -> String {
    let html = SANITIZER.clean(html).to_string();
    if !html.contains(|character: char| is_invisible(character) || is_emoji_selector(character)) {
        return html;
    }
    let mut previous = None;
    let is_allowed = |character: &char| {
        let follows_emoji = previous.replace(*character).is_some_and(may_be_emoji);
        !is_invisible(*character) && (!is_emoji_selector(*character) || follows_emoji)
    };
    html.chars().filter(is_allowed).collect()
}

/// Characters that reorder text, or that are invisible and could smuggle instructions into wherever the answer is pasted. In
/// Unicode 16: bidirectional embeddings, overrides and isolates with the deprecated format characters after them (sections 23.2 and
/// 23.3), variation selectors (23.4), and tags (23.9).
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{206F}' | '\u{FE00}'..='\u{FE0D}' | '\u{E0000}'..='\u{E0FFF}'
    )
}

/// The variation selectors that display the preceding character as text or as an emoji.
fn is_emoji_selector(character: char) -> bool {
    matches!(character, '\u{FE0E}' | '\u{FE0F}')
}

/// Whether a character is in a block with emoji, or is one of the few others that can be displayed as one.
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
    fn invisible_characters_are_removed() {
        let cases = [
            ("a\u{202E}b\u{2066}c\u{2069}d&#x2067;e", "abcde"),
            ("a\u{FE00}b\u{FE0F}c\u{FE0E}d\u{E0100}e\u{E01EF}f\u{E0041}g", "abcdefg"),
            // Emoji and keycaps keep one selector; sequences for people and flags are unchanged.
            (
                "❤\u{FE0F} ☎\u{FE0E} 1\u{FE0F}\u{20E3} ✌\u{FE0F}\u{FE0F}",
                "❤\u{FE0F} ☎\u{FE0E} 1\u{FE0F}\u{20E3} ✌\u{FE0F}",
            ),
            ("👩\u{200D}⚕\u{FE0F} 🇫🇷 👍🏽", "👩\u{200D}⚕\u{FE0F} 🇫🇷 👍🏽"),
            // Persian and Hebrew need zero-width non-joiners and directional marks.
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
