//! Converts LaTeX to MathML, which browsers render natively.

use pulldown_latex::config::DisplayMode;
use pulldown_latex::mathml::push_mathml;
use pulldown_latex::{Parser, RenderConfig, Storage};

/// Maximum length of a formula; a longer one is shown as source.
const MAX_BYTES: usize = 20_000;
/// Maximum nesting of braces: the parser reads the content of a pair again for each pair around it.
const MAX_DEPTH: usize = 100;
/// Maximum parser events for each byte of a formula. Macros of a few bytes could expand to a million.
const MAX_EVENTS_PER_BYTE: usize = 8;

/// A formula as a `math` element; `None` if it is invalid, or incomplete while it is streamed.
pub(super) fn to_mathml(latex: &str, is_block: bool) -> Option<String> {
    if latex.len() > MAX_BYTES || depth(latex) > MAX_DEPTH {
        return None;
    }
    let (latex, is_boxed) = unboxed(latex.trim());
    let storage = Storage::new();
    let max_events = latex.len() * MAX_EVENTS_PER_BYTE;
    let mut events = Vec::new();
    for event in Parser::new(&latex, &storage) {
        if event.is_err() || events.len() == max_events {
            return None;
        }
        events.push(event);
    }
    if events.is_empty() {
        return None;
    }
    let display_mode = if is_block { DisplayMode::Block } else { DisplayMode::Inline };
    let config = RenderConfig { display_mode, ..RenderConfig::default() };
    let mut html = String::new();
    push_mathml(&mut html, events.into_iter(), config).ok()?;
    Some(if is_boxed { html.replacen("<math ", "<math class=\"boxed\" ", 1) } else { html })
}

/// The maximum nesting of braces.
fn depth(latex: &str) -> usize {
    let (mut depth, mut max_depth) = (0_usize, 0);
    let mut is_escaped = false;
    for byte in latex.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        max_depth = depth.max(max_depth);
    }
    max_depth
}

/// Removes `\boxed`, with which models mark results. Also returns whether it enclosed the whole formula.
fn unboxed(latex: &str) -> (String, bool) {
    const BOXED: &str = "\\boxed";
    let is_whole =
        latex.strip_prefix(BOXED).is_some_and(|rest| closing_brace(rest).is_some_and(|end| end + 1 == rest.len()));
    (latex.replace(BOXED, ""), is_whole)
}

/// The position of the brace that closes the one at the start of the text.
fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0;
    let mut is_escaped = false;
    for (index, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '{' => depth += 1,
            _ if depth == 0 => return None,
            '\\' => is_escaped = true,
            '}' if depth == 1 => return Some(index),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::to_mathml;

    #[test]
    fn formulas_are_converted_to_mathml() {
        let html = to_mathml("\\frac{1}{2}", false).unwrap_or_default();
        assert!(html.starts_with("<math display=\"inline\"><mfrac>"), "{html}");
        assert!(
            to_mathml("\\begin{pmatrix} a & b \\\\ c & d \\end{pmatrix}", true).is_some_and(|m| m.contains("<mtable"))
        );
        assert!(to_mathml("\\boxed{x = 2}", true).is_some_and(|m| m.starts_with("<math class=\"boxed\" ")));
        for latex in ["a + \\boxed{2}", "x\\boxed", "x\\boxed}}"] {
            assert!(!to_mathml(latex, true).unwrap_or_default().contains("class"), "{latex}");
        }
        assert_eq!(to_mathml("\\boxed", true), None);
        assert!(to_mathml("\\text{<script>}", false).is_some_and(|m| !m.contains("<script")));
    }

    #[test]
    fn invalid_formulas_are_rejected() {
        for latex in ["", "\\frac{1}", "\\unknown{x}", "{", &"x".repeat(30_000)] {
            assert_eq!(to_mathml(latex, false), None);
        }
        // Parsing would take quadratic time.
        assert_eq!(to_mathml(&format!("{}x{}", "{".repeat(9_000), "}".repeat(9_000)), false), None);
        assert!(to_mathml(&format!("{}x{}", "{".repeat(50), "}".repeat(50)), false).is_some());
    }

    #[test]
    fn macro_expansion_is_limited() {
        let bomb = format!("\\def\\a{{{}}}{}", "x".repeat(1_000), "\\a ".repeat(60));
        assert_eq!(to_mathml(&bomb, false), None);
        assert!(to_mathml("\\def\\half{\\frac{1}{2}}\\half", false).is_some());
    }
}
