//! Tables in Markdown.

/// A table whose first row is its header. Rows may have fewer cells than others; empty ones at the end are not written.
pub(crate) fn markdown(rows: &[Vec<String>]) -> String {
    let width = rows.iter().map(|row| used(row)).max().unwrap_or(0);
    let mut text = String::new();
    if width == 0 {
        return text;
    }
    for (index, row) in rows.iter().enumerate() {
        // The header says how many columns there are.
        let width = if index == 0 { width } else { used(row) };
        text.push('|');
        for column in 0..width {
            text.push(' ');
            push_cell(&mut text, row.get(column).map_or("", String::as_str));
            text.push_str(" |");
        }
        text.push('\n');
        if index == 0 {
            text.push('|');
            text.extend(std::iter::repeat_n(" --- |", width));
            text.push('\n');
        }
    }
    text
}

/// How many cells a row has up to the last that is not empty.
fn used(row: &[String]) -> usize {
    row.iter().rposition(|cell| !cell.trim().is_empty()).map_or(0, |last| last + 1)
}

/// A cell is one line, in which bars are escaped.
fn push_cell(text: &mut String, cell: &str) {
    for (index, word) in cell.split_whitespace().enumerate() {
        if index > 0 {
            text.push(' ');
        }
        text.push_str(&word.replace('|', "\\|"));
    }
}

#[cfg(test)]
mod tests {
    use super::markdown;

    #[test]
    fn rows_are_lines_and_bars_are_escaped() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let rows = [row(&["Name", "Age", ""]), row(&["Ada\nLovelace", "36"]), row(&["a|b", "", "x", " "]), row(&[])];
        let expected = "| Name | Age |  |\n| --- | --- | --- |\n| Ada Lovelace | 36 |\n| a\\|b |  | x |\n|\n";
        assert_eq!(markdown(&rows), expected);
        assert_eq!(markdown(&[row(&["", " "])]), "");
    }
}
