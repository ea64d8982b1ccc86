//! The calculator that models may use: arithmetic, powers, roots, logarithms, trigonometry.

use exmex::{Express as _, FlatEx};

/// Longest expression that is read.
const MAX_BYTES: usize = 500;

/// The value of an expression such as `2 * (3 + 4)^2 / sqrt(2)`, or a sentence that says what is wrong with it, for the model to
/// read.
pub fn calculate(expression: &str) -> String {
    if expression.len() > MAX_BYTES {
        return format!("error: the expression is longer than {MAX_BYTES} bytes");
    }
    // As people and models write them.
    let expression = expression.replace("**", "^").replace('×', "*").replace('÷', "/").replace('−', "-");
    let parsed = match exmex::parse::<f64>(&expression) {
        Ok(parsed) => parsed,
        Err(error) => return format!("error: {error}"),
    };
    if let Some(name) = FlatEx::var_names(&parsed).first() {
        return format!("error: {name} is not known; give numbers only");
    }
    match parsed.eval(&[]) {
        Ok(value) if value.is_finite() => number(value),
        Ok(_) => "error: there is no such number".to_owned(),
        Err(error) => format!("error: {error}"),
    }
}

/// A number without what 64 bits cannot tell: `0.3`, not `0.30000000000000004`.
fn number(value: f64) -> String {
    let digits: String = format!("{value:.14e}");
    digits.parse::<f64>().unwrap_or(value).to_string()
}

#[cfg(test)]
mod tests {
    use super::calculate;

    #[test]
    fn expressions_have_values() {
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
    fn what_cannot_be_calculated_is_said() {
        for expression in ["", "1 +", "1 / 0", "import os", "x + 1", "sqrt(-1)", &"(".repeat(400), &"1+".repeat(400)] {
            assert!(calculate(expression).starts_with("error: "), "{expression}: {}", calculate(expression));
        }
    }
}
