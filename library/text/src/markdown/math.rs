//! LaTeX to MathML, which browsers draw by themselves.

use pulldown_latex::config::DisplayMode;
use pulldown_latex::mathml::push_mathml;
use pulldown_latex::{Parser, RenderConfig, Storage};

/// Longest formula that is drawn; a longer one is shown as it was written.
const MAX_BYTES: usize = 20_000;

/// A formula as a `math` element; `None` if it makes no sense (yet, while it is being written).
pub(super) fn to_mathml(latex: &str, is_block: bool) -> Option<String> {
    if latex.len() > MAX_BYTES {
        return None;
    }
    let (latex, is_boxed) = unboxed(latex.trim());
    let storage = Storage::new();
    let events: Vec<_> = Parser::new(&latex, &storage).collect();
    if events.is_empty() || events.iter().any(Result::is_err) {
        return None;
    }
    let display_mode = if is_block { DisplayMode::Block } else { DisplayMode::Inline };
    let config = RenderConfig { display_mode, ..RenderConfig::default() };
    let mut html = String::new();
    push_mathml(&mut html, events.into_iter(), config).ok()?;
    // Models box the result of a calculation.
    Some(if is_boxed { html.replacen("<math ", "<math class=\"boxed\" ", 1) } else { html })
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
        // A thousand braces do not overflow the stack.
        let _ = to_mathml(&"{".repeat(10_000), false);
        let _ = to_mathml(&format!("{}x{}", "{".repeat(9_000), "}".repeat(9_000)), false);
    }
}
