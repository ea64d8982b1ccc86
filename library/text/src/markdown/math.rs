//! LaTeX to MathML, which browsers draw by themselves.

use pulldown_latex::config::DisplayMode;
use pulldown_latex::mathml::push_mathml;
use pulldown_latex::{Parser, RenderConfig, Storage};

/// Longest formula that is drawn; a longer one is shown as it was written.
const MAX_BYTES: usize = 20_000;
/// Deepest nesting of braces: what is in a pair is read again for each pair around it.
const MAX_DEPTH: usize = 100;
/// Most parts for each byte of a formula. Macros of a few bytes could make a million.
const MAX_PARTS_PER_BYTE: usize = 8;

/// A formula as a `math` element; `None` if it makes no sense (yet, while it is being written).
pub(super) fn to_mathml(latex: &str, is_block: bool) -> Option<String> {
    if latex.len() > MAX_BYTES || depth(latex) > MAX_DEPTH {
        return None;
    }
    let (latex, is_boxed) = unboxed(latex.trim());
    let storage = Storage::new();
    let max_events = latex.len() * MAX_PARTS_PER_BYTE;
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
    // Models box the result of a calculation.
    Some(if is_boxed { html.replacen("<math ", "<math class=\"boxed\" ", 1) } else { html })
}

/// How deeply braces are nested.
fn depth(latex: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut is_escaped = false;
    for byte in latex.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = depth.max(deepest);
    }
    deepest
}

/// The formula without `\boxed`, and whether all of it was boxed.
fn unboxed(latex: &str) -> (String, bool) {
    const BOXED: &str = "\\boxed";
    let is_whole = latex.strip_prefix(BOXED).is_some_and(|rest| closing_brace(rest) == Some(rest.len() - 1));
    (latex.replace(BOXED, ""), is_whole)
}

/// Where the brace that opens the text is closed.
fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0;
    let mut is_escaped = false;
    for (index, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '{' => depth += 1,
            '}' if depth == 1 => return Some(index),
            '}' => depth -= 1,
            _ if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::to_mathml;

    #[test]
    fn formulas_become_mathml() {
        let html = to_mathml("\\frac{1}{2}", false).unwrap_or_default();
        assert!(html.starts_with("<math display=\"inline\"><mfrac>"), "{html}");
        assert!(
            to_mathml("\\begin{pmatrix} a & b \\\\ c & d \\end{pmatrix}", true).is_some_and(|m| m.contains("<mtable"))
        );
        assert!(to_mathml("\\boxed{x = 2}", true).is_some_and(|m| m.starts_with("<math class=\"boxed\" ")));
        assert!(to_mathml("a + \\boxed{2}", true).is_some_and(|m| !m.contains("class")));
        assert!(to_mathml("\\text{<script>}", false).is_some_and(|m| !m.contains("<script")));
    }

    #[test]
    fn what_makes_no_sense_stays_as_it_is() {
        for latex in ["", "\\frac{1}", "\\unknown{x}", "{", &"x".repeat(30_000)] {
            assert_eq!(to_mathml(latex, false), None);
        }
        // Thousands of braces would be read again for each other.
        assert_eq!(to_mathml(&format!("{}x{}", "{".repeat(9_000), "}".repeat(9_000)), false), None);
        assert!(to_mathml(&format!("{}x{}", "{".repeat(50), "}".repeat(50)), false).is_some());
    }

    #[test]
    fn macros_do_not_multiply() {
        let bomb = format!("\\def\\a{{{}}}{}", "x".repeat(1_000), "\\a ".repeat(60));
        assert_eq!(to_mathml(&bomb, false), None);
        assert!(to_mathml("\\def\\half{\\frac{1}{2}}\\half", false).is_some());
    }
}
