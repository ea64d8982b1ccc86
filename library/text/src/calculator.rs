//! The calculator tool for models: arithmetic, powers, roots, logarithms, trigonometry.

use exmex::{Express as _, FlatEx};

/// Maximum length of an expression.
const MAX_BYTES: usize = 500;

/// Evaluates an expression such as `2 * (3 + 4)^2 / sqrt(2)`. Returns its value or an error message, for the model to read.
pub fn calculate(expression: &str) -> String {
    if expression.len() > MAX_BYTES {
        return format!("error: the expression is longer than {MAX_BYTES} bytes");
    }
    // Common alternative notations.
    let expression = expression.replace("**", "^").replace('×', "*").replace('÷', "/").replace('−', "-");
    let parsed = match exmex::parse::<f64>(&expression) {
        Ok(parsed) => parsed,
        Err(error) => return format!("error: {error}"),
    };
    if let Some(name) = FlatEx::var_names(&parsed).first() {
        return format!("error: {name} is unknown; use numbers only");
    }
    match parsed.eval(&[]) {
        Ok(value) if value.is_finite() => format_number(value),
        Ok(_) => "error: the result is not a finite number".to_owned(),
        Err(error) => format!("error: {error}"),
    }
}

/// Formats a number without the rounding errors of 64-bit floats: `0.3`, not `0.30000000000000004`.
fn format_number(value: f64) -> String {
    let digits: String = format!("{value:.14e}");
    digits.parse::<f64>().unwrap_or(value).to_string()
}

#[cfg(test)]
mod tests {
    use super::calculate;

    #[test]
    fn expressions_are_evaluated() {
        let cases = [
            ("1 + 2 * 3", "7"),
            ("(1 + 2) * 3", "9"),
            ("2 ** 10", "1024"),
            ("0.1 + 0.2", "0.3"),
            ("sqrt(16) + abs(-2)", "6"),
            ("12345 * 6789", "83810205"),
            ("10 / 4", "2.5"),
            ("3 × 4 − 2", "10"),
        ];
        for (expression, value) in cases {
            assert_eq!(calculate(expression), value, "{expression}");
        }
    }

    #[test]
    fn invalid_expressions_return_an_error() {
        for expression in ["", "1 +", "1 / 0", "import os", "x + 1", "sqrt(-1)", &"(".repeat(400), &"1+".repeat(400)] {
            assert!(calculate(expression).starts_with("error: "), "{expression}: {}", calculate(expression));
        }
    }
}
