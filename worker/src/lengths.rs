//! How long a file is, as its host says: a number that nobody may trust.

use crate::error::WorkerError;

/// The longest file that is taken for one of a model, 1 TiB: sums of a thousand such lengths are far from any overflow.
pub(crate) const MAX_FILE_BYTES: u64 = 1 << 40;

/// Whether a file of a model can be this long.
pub(crate) fn is_plausible(len_bytes: u64) -> bool {
    (1..=MAX_FILE_BYTES).contains(&len_bytes)
}

/// The length that a `Content-Length` tells.
pub(crate) fn in_content_length(text: &str) -> Result<u64, WorkerError> {
    number(text).filter(|len| is_plausible(*len)).ok_or_else(|| refused("Content-Length", text))
}

/// The length of the whole file that a `Content-Range` tells, as in `bytes 0-99/1234`, of an answer that is to begin with byte `start`. `None`
/// where the host does not know the length (`bytes 0-99/*`).
pub(crate) fn in_content_range(text: &str, start: u64) -> Result<Option<u64>, WorkerError> {
    let (range, len) = parse_range(text).ok_or_else(|| refused("Content-Range", text))?;
    let end = len.unwrap_or(MAX_FILE_BYTES);
    if range.0 == start && range.0 <= range.1 && range.1 < end && is_plausible(end) {
        return Ok(len);
    }
    Err(refused("Content-Range", text))
}

/// First and last byte of a range, and the length of the whole.
fn parse_range(text: &str) -> Option<((u64, u64), Option<u64>)> {
    let (range, len) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let len = if len.trim() == "*" { None } else { Some(number(len)?) };
    Some(((number(first)?, number(last)?), len))
}

/// Digits alone: `parse` would take a sign, too.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn refused(name: &str, value: &str) -> WorkerError {
    // As much of a hostile header as a person wants to read.
    let value: String = value.chars().take(80).collect();
    WorkerError::BadAnswer { header: format!("{name}: {value}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused<T>(result: &Result<T, WorkerError>) -> bool {
        matches!(result, Err(WorkerError::BadAnswer { .. }))
    }

    #[test]
    fn lengths_that_no_model_has_are_refused() {
        assert!(matches!(in_content_length("98362432"), Ok(98_362_432)));
        assert!(matches!(in_content_length(" 1099511627776 "), Ok(MAX_FILE_BYTES)));
        for text in ["0", "1099511627777", "18446744073709551615", "18446744073709551616", "-1", "+5", "5, 5", "", "x"]
        {
            assert!(is_refused(&in_content_length(text)), "{text:?}");
        }
    }

    #[test]
    fn ranges_that_contradict_themselves_or_the_request_are_refused() {
        assert!(matches!(in_content_range("bytes 0-99/1234", 0), Ok(Some(1234))));
        assert!(matches!(in_content_range("bytes 4194304-4194304/4194305", 4 << 20), Ok(Some(4_194_305))));
        assert!(matches!(in_content_range("bytes 5-9/*", 5), Ok(None)));
        for text in [
            "bytes 0-0/0",
            "bytes 0-99/18446744073709551615",
            "bytes 0-99/1099511627777",
            "bytes 0-99/99",
            "bytes 9-0/100",
            "bytes 1-99/1234",
            "bytes 0-18446744073709551615/18446744073709551615",
            "bytes 0-18446744073709551616/100",
            "bytes 0-18446744073709551615/*",
            "bytes */100",
            "bytes 0-99",
            "bytes -0-99/100",
            "0-99/100",
            "",
        ] {
            assert!(is_refused(&in_content_range(text, 0)), "{text:?}");
        }
        let long = format!("bytes {}", "é".repeat(9000));
        assert!(matches!(in_content_range(&long, 0), Err(WorkerError::BadAnswer { header }) if header.len() < 300));
    }
}
