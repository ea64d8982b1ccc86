//! Comma-separated values as a table.

use parlance_protocol::documents::SectionKind;

use crate::error::DocumentError;
use crate::output::Output;
use crate::table;

/// What may separate values.
const SEPARATORS: [char; 4] = [',', ';', '\t', '|'];

/// Reads a table.
pub(crate) fn read(text: &str, output: &mut Output<'_>) -> Result<(), DocumentError> {
    let separator = separator(text);
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut is_quoted = false;
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '"' if is_quoted && rest.peek() == Some(&'"') => {
                rest.next();
                cell.push('"');
            }
            '"' if is_quoted => is_quoted = false,
            '"' if cell.is_empty() => is_quoted = true,
            _ if is_quoted => cell.push(character),
            '\n' => {
                row.push(std::mem::take(&mut cell));
                output.count_cells(row.len())?;
                rows.push(std::mem::take(&mut row));
            }
            '\r' => {}
            _ if character == separator => row.push(std::mem::take(&mut cell)),
            _ => cell.push(character),
        }
    }
    row.push(cell);
    output.count_cells(row.len())?;
    rows.push(row);
    rows.retain(|row| row.iter().any(|cell| !cell.trim().is_empty()));
    output.section(SectionKind::Sheet, "", table::markdown(&rows))
}

/// The separator that the first line has most of.
fn separator(text: &str) -> char {
    let line = text.lines().next().unwrap_or_default();
    let count = |separator: char| line.chars().filter(|character| *character == separator).count();
    // Of equal ones, the first.
    SEPARATORS.into_iter().rev().max_by_key(|separator| count(*separator)).unwrap_or(',')
}
