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
    if html.contains(is_unseen) { html.replace(is_unseen, "") } else { html }
}

/// Characters that turn text round, or that are no text at all but could carry orders to whoever the answer is pasted to: the
/// bidirectional embeddings and overrides of Unicode 16, section 23.2, and its tags, section 23.9.
fn is_unseen(character: char) -> bool {
    matches!(character, '\u{202A}'..='\u{202E}' | '\u{E0000}'..='\u{E007F}')
}
