//! Syntax highlighting, with the grammars of Sublime Text and bat.

use std::sync::LazyLock;

use pulldown_cmark_escape::escape_html_body_text;
use syntect::parsing::{ParseState, Scope, ScopeStack, SyntaxSet};

/// Maximum length of code that is highlighted.
const MAX_CODE_BYTES: usize = 100_000;
/// Maximum length of a line that is highlighted, because grammars take quadratic time on minified code.
const MAX_LINE_BYTES: usize = 2_000;

static SYNTAXES: LazyLock<SyntaxSet> = LazyLock::new(two_face::syntax::extra_newlines);

/// Scopes of the grammars with their CSS classes; the first match counts. The classes are styled in `style/markdown.css`.
static CLASSES: LazyLock<Vec<(Scope, &'static str)>> = LazyLock::new(|| {
    const NAMES: [(&str, &str); 20] = [
        ("comment", "c"),
        ("punctuation.definition.comment", "c"),
        ("string", "s"),
        ("punctuation.definition.string", "s"),
        ("constant.character.escape", "e"),
        ("constant.numeric", "n"),
        ("constant", "n"),
        ("keyword.operator", "o"),
        ("keyword", "k"),
        ("storage", "k"),
        ("entity.name.function", "f"),
        ("support.function", "f"),
        ("variable.function", "f"),
        ("entity.name.tag", "t"),
        ("entity.other.attribute-name", "a"),
        ("entity.name", "y"),
        ("support", "y"),
        ("variable.parameter", "v"),
        ("markup.inserted", "i"),
        ("markup.deleted", "d"),
    ];
    NAMES.iter().filter_map(|(scope, class)| Some((Scope::new(scope).ok()?, *class))).collect()
});

/// All CSS classes that [`to_html`] uses.
pub(super) const ALL_CLASSES: [&str; 14] =
    ["c", "s", "e", "n", "o", "k", "f", "t", "a", "y", "v", "i", "d", "language"];

/// Highlights code as HTML. If its language is unknown, the code is only escaped.
pub(super) fn to_html(language: &str, code: &str) -> String {
    let mut html = String::with_capacity(code.len() * 2);
    let syntax =
        SYNTAXES.find_syntax_by_token(language).filter(|_| code.len() <= MAX_CODE_BYTES && !language.is_empty());
    let Some(syntax) = syntax else {
        escape(&mut html, code);
        return html;
    };
    let mut state = ParseState::new(syntax);
    let mut stack = ScopeStack::new();
    let mut writer = SpanWriter { html, class: None };
    for line in code.split_inclusive('\n') {
        let operations = if line.len() <= MAX_LINE_BYTES { state.parse_line(line, &SYNTAXES).ok() } else { None };
        let mut start = 0;
        for (position, operation) in operations.unwrap_or_default() {
            writer.push(&stack, &line[start..position]);
            start = position;
            // If a grammar pops more scopes than it pushed, only its colours are lost.
            let _ = stack.apply(&operation);
        }
        writer.push(&stack, &line[start..]);
    }
    writer.finish()
}

/// Writes code as `span` elements; neighbours of the same class share one.
struct SpanWriter {
    html: String,
    /// The class of the open element.
    class: Option<&'static str>,
}

impl SpanWriter {
    fn push(&mut self, stack: &ScopeStack, text: &str) {
        if text.is_empty() {
            return;
        }
        let class = class_of(stack);
        if class != self.class {
            self.close();
            if let Some(class) = class {
                self.html.extend(["<span class=\"", class, "\">"]);
            }
            self.class = class;
        }
        escape(&mut self.html, text);
    }

    fn close(&mut self) {
        if self.class.take().is_some() {
            self.html.push_str("</span>");
        }
    }

    fn finish(mut self) -> String {
        self.close();
        self.html
    }
}

/// The class of the innermost scope that has one.
fn class_of(stack: &ScopeStack) -> Option<&'static str> {
    let classes = &*CLASSES;
    stack
        .scopes
        .iter()
        .rev()
        .find_map(|scope| classes.iter().find(|(prefix, _)| prefix.is_prefix_of(*scope)).map(|(_, class)| *class))
}

fn escape(html: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = escape_html_body_text(html, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_highlighted() {
        let html = to_html("rust", "// hi\nfn main() { let x = \"<a>\"; }\n");
        for piece in
            ["<span class=\"c\">// hi", "<span class=\"k\">fn</span>", "<span class=\"f\">main</span>", "&lt;a&gt;"]
        {
            assert!(html.contains(piece), "{piece} in {html}");
        }
        let languages = [
            "python",
            "js",
            "ts",
            "typescript",
            "tsx",
            "toml",
            "json",
            "yaml",
            "html",
            "css",
            "bash",
            "sh",
            "sql",
            "c",
            "cpp",
            "go",
            "java",
            "kotlin",
            "swift",
            "ruby",
            "php",
            "diff",
            "dockerfile",
            "md",
            "zig",
        ];
        for language in languages {
            assert!(SYNTAXES.find_syntax_by_token(language).is_some(), "{language}");
        }
    }

    #[test]
    fn unknown_languages_and_huge_code_are_only_escaped() {
        assert_eq!(to_html("nonsense", "<b>"), "&lt;b&gt;");
        assert_eq!(to_html("", "a & b"), "a &amp; b");
        assert!(!to_html("js", &"var a;".repeat(20_000)).contains("span"));
        assert!(!to_html("js", &"var a;".repeat(1_000)).contains("class=\"k\""));
    }

    #[test]
    fn all_classes_are_allowed() {
        assert!(CLASSES.iter().all(|(_, class)| ALL_CLASSES.contains(class)));
        assert_eq!(CLASSES.len(), 20);
    }
}
