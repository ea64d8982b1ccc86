//! Bounds the source of templates, and inserts a filter that keeps their values shallow.
//!
//! The compiler recurses for every nested statement and operator, and chains of operators count, too. So nesting is
//! bounded before minijinja parses anything. Whatever a render does with a value (print, compare, drop) recurses with
//! the value's depth, and a value can only grow deeper than its expression by getting a name that a later expression
//! uses. So the filter [`SETTLED`] is applied to every value that gets a name: in `set` and `with`, as a macro's
//! argument, and in `loop(…)`. Values named by `for` are parts of a value that the tag itself creates, which the bound
//! on nesting covers.

use std::borrow::Cow;

use minijinja::machinery::{Span, Token, tokenize};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Error, ErrorKind};

/// Name of the filter [`super::values::settle`].
pub(super) const SETTLED: &str = "settled";
/// Name of the filter [`super::values::settle_within`].
pub(super) const SETTLED_WITHIN: &str = "settled_within";

/// Maximum length of a source; published ones have at most 20 kB.
const MAX_SOURCE_BYTES: usize = 1 << 20;
/// Maximum nesting of operators, including those of enclosing statements. Published templates have at most 90.
const MAX_NESTING: usize = 160;
/// Nesting of a bracket, or of a statement with a body: the parser calls a dozen functions for each.
const BODY_NESTING: usize = 4;

/// Inserts the filter wherever a value gets a name.
///
/// # Errors
/// Errors of the lexer, excessive nesting, and uses of `loop` that no template needs.
pub(super) fn with_settled_values(source: &str, syntax: &SyntaxConfig) -> Result<String, Error> {
    if source.len() > MAX_SOURCE_BYTES {
        return Err(refused("the template is longer than 1 MiB"));
    }
    let mut rewriter = Rewriter { source, insertions: Vec::new(), open: Vec::new(), tag: Tag::default() };
    for item in tokenize(source, false, syntax.clone()) {
        let (token, span) = item?;
        rewriter.take(&token, span)?;
    }
    Ok(rewriter.finish())
}

fn refused(what: &'static str) -> Error {
    Error::new(ErrorKind::SyntaxError, what)
}

/// Whether the compiler recurses for this token.
fn is_operator(token: &Token<'_>) -> bool {
    matches!(
        token,
        Token::Ident("and" | "or" | "not" | "in" | "is" | "if" | "else")
            | Token::Plus
            | Token::Minus
            | Token::Mul
            | Token::Div
            | Token::FloorDiv
            | Token::Pow
            | Token::Mod
            | Token::Dot
            | Token::Tilde
            | Token::Pipe
            | Token::Eq
            | Token::Ne
            | Token::Gt
            | Token::Gte
            | Token::Lt
            | Token::Lte
    )
}

struct Rewriter<'s> {
    source: &'s str,
    /// Insertions (offset, text), sorted by offset.
    insertions: Vec<(usize, Cow<'static, str>)>,
    /// Nesting of each statement with an open body.
    open: Vec<usize>,
    tag: Tag<'s>,
}

/// The part of a tag read so far.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent observations")]
struct Tag<'s> {
    /// The first word of a statement, once read; empty in tags that print.
    keyword: Option<&'s str>,
    /// Operators of the tag itself, and of each open bracket.
    levels: Vec<Level>,
    /// Values whose start is marked.
    marked: Vec<Marked>,
    /// It assigns a value to a name by `=`.
    assigns: bool,
    /// A dot precedes the `=`: the name belongs to a namespace.
    names_a_part: bool,
    /// It assigns the output of its body, after filters, to a name.
    filters_body: bool,
    /// Names of a macro's arguments.
    parameters: Vec<&'s str>,
    in_parameters: bool,
    last: Last,
}

/// A value whose start is marked.
struct Marked {
    /// Number of brackets around it.
    depth: usize,
    ends_at_comma: bool,
    filter: &'static str,
}

/// The last token, as far as it matters.
#[derive(Default, Clone, Copy, PartialEq)]
enum Last {
    #[default]
    Other,
    Keyword,
    Dot,
    /// `loop`
    Loop,
    /// `loop.`
    LoopDot,
    /// A token that precedes the name of a parameter.
    BeforeParameter,
}

/// Operators between two brackets. Commas separate operators that are not nested.
#[derive(Default, Clone, Copy)]
struct Level {
    own: usize,
    inner: usize,
    most: usize,
}

impl Level {
    fn nesting(self) -> usize {
        self.most.max(self.own + self.inner)
    }

    fn after_comma(self) -> Self {
        Self { most: self.nesting(), ..Self::default() }
    }
}

impl<'s> Rewriter<'s> {
    fn take(&mut self, token: &Token<'s>, span: Span) -> Result<(), Error> {
        match token {
            Token::TemplateData(_) => return Ok(()),
            Token::VariableStart | Token::BlockStart => {
                let keyword = matches!(token, Token::VariableStart).then_some("");
                self.tag = Tag { keyword, levels: vec![Level::default()], ..Tag::default() };
                return Ok(());
            }
            _ => {}
        }
        let last = self.check_loop(token)?;
        let (start, end) = (span.start_offset as usize, span.end_offset as usize);
        match token {
            Token::VariableEnd => {
                self.end_tag(0)?;
            }
            Token::BlockEnd => self.end_statement(start, end)?,
            Token::BracketOpen | Token::ParenOpen | Token::BraceOpen => self.open_bracket(token, end, last),
            Token::BracketClose | Token::ParenClose | Token::BraceClose => self.close_bracket(start),
            Token::Comma => {
                self.end_marked(start, |marked, depth| marked.depth == depth && marked.ends_at_comma);
                if let Some(level) = self.tag.levels.last_mut() {
                    *level = level.after_comma();
                }
                if self.tag.in_parameters && self.tag.depth() == 1 {
                    self.tag.last = Last::BeforeParameter;
                }
            }
            Token::Assign => self.assign(end),
            Token::Ident(name) if last == Last::BeforeParameter => self.tag.parameters.push(*name),
            Token::Ident(name) if self.tag.keyword.is_none() => {
                self.tag.keyword = Some(*name);
                self.tag.last = Last::Keyword;
            }
            Token::Pipe if self.tag.keyword == Some("set") && self.tag.depth() == 0 && !self.tag.assigns => {
                self.tag.filters_body = true;
                self.count();
            }
            _ if is_operator(token) => {
                self.tag.names_a_part |= matches!(token, Token::Dot) && !self.tag.assigns;
                self.count();
            }
            _ => {}
        }
        Ok(())
    }

    /// Tracks `loop`, and returns what the previous token was. `loop` can be accessed, called or tested, but not passed
    /// on: it holds what it iterates over, so a value could grow through it. `loop.cycle` panics without arguments
    /// (minijinja 3.1.0).
    fn check_loop(&mut self, token: &Token<'s>) -> Result<Last, Error> {
        let next = match (self.tag.last, token) {
            (Last::Loop, Token::Dot) => Last::LoopDot,
            (Last::Loop, token) if !matches!(token, Token::ParenOpen | Token::BracketOpen | Token::Ident("is")) => {
                return Err(refused("`loop` can only be accessed, called or tested"));
            }
            (Last::LoopDot, Token::Ident("cycle")) => return Err(refused("`loop.cycle` is not supported")),
            (_, Token::Dot) => Last::Dot,
            (last, Token::Ident("loop")) if !matches!(last, Last::Dot | Last::LoopDot) => Last::Loop,
            _ => Last::Other,
        };
        Ok(std::mem::replace(&mut self.tag.last, next))
    }

    fn count(&mut self) {
        if let Some(level) = self.tag.levels.last_mut() {
            level.own += 1;
        }
    }

    fn open_bracket(&mut self, token: &Token<'s>, end: usize, last: Last) {
        if let Some(level) = self.tag.levels.last_mut() {
            level.own += BODY_NESTING;
        }
        self.tag.levels.push(Level::default());
        if !matches!(token, Token::ParenOpen) {
            return;
        }
        let is_first = self.tag.depth() == 1 && self.tag.parameters.is_empty();
        let has_parameters = match self.tag.keyword {
            Some("macro") => is_first,
            Some("call") => last == Last::Keyword,
            _ => false,
        };
        if has_parameters {
            self.tag.in_parameters = true;
            self.tag.last = Last::BeforeParameter;
        } else if last == Last::Loop {
            self.begin_marked(end, false, SETTLED);
        }
    }

    fn close_bracket(&mut self, start: usize) {
        self.end_marked(start, |marked, depth| marked.depth == depth);
        // Unmatched brackets are left to the parser.
        if self.tag.depth() > 0 {
            let inner = self.tag.levels.pop().map_or(0, Level::nesting);
            if let Some(level) = self.tag.levels.last_mut() {
                level.inner = level.inner.max(inner);
            }
        }
        if self.tag.depth() == 0 {
            self.tag.in_parameters = false;
        }
    }

    fn assign(&mut self, end: usize) {
        let depth = self.tag.depth();
        self.tag.assigns |= depth == 0;
        match (self.tag.keyword, depth) {
            // Several names are assigned the parts of one tuple.
            (Some("set"), 0) if !self.tag.filters_body => {
                let filter = if self.tag.names_a_part { SETTLED_WITHIN } else { SETTLED };
                self.begin_marked(end, false, filter);
            }
            (Some("with"), 0) | (Some("macro" | "call"), 1) => self.begin_marked(end, true, SETTLED),
            _ => {}
        }
    }

    fn begin_marked(&mut self, at: usize, ends_at_comma: bool, filter: &'static str) {
        self.insertions.push((at, Cow::Borrowed("(")));
        self.tag.marked.push(Marked { depth: self.tag.depth(), ends_at_comma, filter });
    }

    fn end_marked(&mut self, at: usize, ends: impl Fn(&Marked, usize) -> bool) {
        let depth = self.tag.depth();
        while self.tag.marked.last().is_some_and(|marked| ends(marked, depth)) {
            let filter = self.tag.marked.pop().map_or(SETTLED, |marked| marked.filter);
            self.insertions.push((at, Cow::Owned(format!(")|{filter}"))));
        }
    }

    fn end_statement(&mut self, start: usize, end: usize) -> Result<(), Error> {
        self.end_marked(start, |_, _| true);
        if self.tag.filters_body {
            self.insertions.push((start, Cow::Owned(format!("|{SETTLED_WITHIN}"))));
        }
        // The same end, so that the same white space is trimmed.
        let source = self.source;
        let marker = &source[start..end];
        for name in std::mem::take(&mut self.tag.parameters) {
            self.insertions.push((end, Cow::Owned(format!("{{% set {name} = {name}|{SETTLED} {marker}"))));
        }
        let keyword = self.tag.keyword.unwrap_or_default();
        if matches!(keyword, "block" | "extends" | "include" | "import" | "from") {
            // Hugging Face's renderer cannot include anything either.
            return Err(refused("a chat template is a single file"));
        }
        if keyword.starts_with("end") {
            self.open.pop();
        }
        let has_body = match keyword {
            "for" | "if" | "with" | "macro" | "call" | "filter" | "autoescape" => true,
            "set" => !self.tag.assigns,
            _ => false,
        };
        let nesting = self.end_tag(if has_body { BODY_NESTING } else { 0 })?;
        if has_body {
            self.open.push(nesting);
        } else if let ("elif", Some(open)) = (keyword, self.open.last_mut()) {
            // It is nested in the preceding `if`.
            *open += nesting + 1;
        }
        Ok(())
    }

    /// Ends a tag and returns its own nesting.
    fn end_tag(&mut self, body: usize) -> Result<usize, Error> {
        let nesting = body + self.tag.levels.first().map_or(0, |level| level.nesting());
        if self.open.iter().sum::<usize>() + nesting > MAX_NESTING {
            return Err(refused("the template is nested too deeply"));
        }
        Ok(nesting)
    }

    fn finish(self) -> String {
        let mut text = String::with_capacity(self.source.len() * 5 / 4);
        let mut done = 0;
        for (at, insertion) in &self.insertions {
            text.push_str(&self.source[done..*at]);
            text.push_str(insertion);
            done = *at;
        }
        text.push_str(&self.source[done..]);
        text
    }
}

impl Tag<'_> {
    /// Number of open brackets.
    fn depth(&self) -> usize {
        self.levels.len().saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(source: &str) -> Result<String, Error> {
        with_settled_values(source, &SyntaxConfig::default())
    }

    #[test]
    fn every_value_that_gets_a_name_is_filtered() {
        let cases = [
            ("{{ a }} = {% if a == [1] %}b{% endif %}", "{{ a }} = {% if a == [1] %}b{% endif %}"),
            ("{%- set a = '%}' ~ f(b=1) -%}", "{%- set a =( '%}' ~ f(b=1) )|settled-%}"),
            ("{% set a, n.b = c, d %}", "{% set a, n.b =( c, d )|settled_within%}"),
            ("{% set a %}x{% endset %}", "{% set a %}x{% endset %}"),
            (
                "{% set n.a | batch(2, fill_with=n.a) %}x{% endset %}",
                "{% set n.a | batch(2, fill_with=n.a) |settled_within%}x{% endset %}",
            ),
            (
                "{% with a = [1, 2], b = a %}{% endwith %}",
                "{% with a =( [1, 2])|settled, b =( a )|settled%}{% endwith %}",
            ),
            (
                "{% macro m(a, b=[c]) -%} x",
                "{% macro m(a, b=([c])|settled) -%}{% set a = a|settled -%}{% set b = b|settled -%} x",
            ),
            ("{% call(a) m(b=1) %}", "{% call(a) m(b=(1)|settled) %}{% set a = a|settled %}"),
            ("{{ loop([x]) }}", "{{ loop(([x])|settled) }}"),
            ("{% raw %}{% set a = 1 %}{% endraw %}", "{% raw %}{% set a = 1 %}{% endraw %}"),
        ];
        for (source, expected) in cases {
            assert_eq!(rewritten(source).ok().as_deref(), Some(expected), "{source}");
        }
    }

    #[test]
    fn excessive_nesting_is_rejected() {
        let nested = |open: &str, close: &str, count: usize| format!("{}x{}", open.repeat(count), close.repeat(count));
        let tag = |inner: String| format!("{{{{ {inner} }}}}");
        let refused = [
            tag(nested("(", ")", 1000)),
            tag(nested("-", "", 1000)),
            tag(nested("not ", "", 1000)),
            tag(nested("", " + 1", 1000)),
            tag(nested("", ".y", 1000)),
            tag(nested("", "|list", 1000)),
            tag(nested("", "[0]", 1000)),
            tag(nested("a if b else ", "", 1000)),
            tag(format!("x[{}]{}", nested("", ".y", 100), ".y".repeat(100))),
            nested("{% if x %}", "{% endif %}", 1000),
            nested("{% for x in y %}", "{% endfor %}", 1000),
            format!("{{% if x %}}{}{{% endif %}}", "{% elif x %}".repeat(1000)),
        ];
        for source in refused {
            assert!(rewritten(&source).is_err(), "{source:.40}");
        }
        // The same amount side by side is fine.
        for source in
            [tag(format!("[{}]", "[a.b.c], ".repeat(1000))), "{% if x.y %}{{ x.y + 1 }}{% endif %}".repeat(1000)]
        {
            assert!(rewritten(&source).is_ok(), "{source:.40}");
        }
    }

    #[test]
    fn templates_cannot_include_others() {
        for tag in ["include 'chat'", "extends 'chat'", "import 'chat' as c", "from 'chat' import m", "block b"] {
            assert!(rewritten(&format!("{{% {tag} %}}")).is_err(), "{tag}");
        }
    }

    #[test]
    fn loop_cannot_be_passed_on() {
        for source in ["{% set a = loop %}", "{{ [loop] }}", "{{ loop }}", "{{ f(loop) }}", "{{ loop.cycle() }}"] {
            assert!(rewritten(source).is_err(), "{source}");
        }
        for source in
            ["{{ loop.index }}", "{{ loop['index'] }}", "{{ x.loop }}", "{{ 'loop' }}", "{{ loop is defined }}"]
        {
            assert!(rewritten(source).is_ok(), "{source}");
        }
    }
}
