//! Tables of answers as CSV.

use web_sys::Element;

use super::focus::found;

/// The rows of a table as CSV (RFC 4180), with lines that end with a line feed.
pub(crate) fn csv_of(table: &Element) -> String {
    let rows = found(table, "tr").into_iter();
    rows.map(|row| line(found(&row, "th, td").iter().map(|cell| cell.text_content().unwrap_or_default()))).collect()
}

/// A line of cells. Those that contain what means something are quoted.
fn line(cells: impl Iterator<Item = String>) -> String {
    let quoted = cells.map(|cell| {
        let cell = cell.trim();
        if cell.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell.to_owned()
        }
    });
    quoted.collect::<Vec<_>>().join(",") + "\n"
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::line;

    #[wasm_bindgen_test]
    fn cells_are_quoted_where_they_have_to_be() {
        let cells = ["a", " 1,5 ", "say \"hi\"", "two\nlines", ""].map(str::to_owned);
        assert_eq!(line(cells.into_iter()), "a,\"1,5\",\"say \"\"hi\"\"\",\"two\nlines\",\n");
    }
}
