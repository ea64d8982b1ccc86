//! What a host's HTTP headers say about a file. The host is not trusted: lengths that no model has are refused before anything depends on them.

use crate::FileError;
use crate::checksum::parse_sha256;

/// The longest file that is accepted, 1 TiB: sums of a thousand such lengths are far from overflow.
pub const MAX_FILE_BYTES: u64 = 1 << 40;

/// Whether a model's file can have this length.
pub fn is_plausible_len(len_bytes: u64) -> bool {
    (1..=MAX_FILE_BYTES).contains(&len_bytes)
}

/// The headers of a successful response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Whether the body is only the range that was requested, rather than the whole file.
    pub is_partial: bool,
    /// Length of the whole file, if the host says so.
    pub len_bytes: Option<u64>,
    /// The host's name for this version of the file.
    pub etag: Option<String>,
    /// The file's SHA-256 in lower-case hexadecimal digits, if the host says so.
    pub sha256: Option<String>,
}

impl Answer {
    /// Reads the headers of a response with a successful status to a request for the bytes from `start` on. `header` looks a header up by its
    /// lower-case name.
    ///
    /// # Errors
    /// [`FileError::BadAnswer`] for impossible lengths, and ranges that contradict themselves or the request.
    pub fn read(status: u16, start: u64, header: impl Fn(&str) -> Option<String>) -> Result<Self, FileError> {
        let is_partial = status == 206;
        let len_bytes = match header("content-encoding") {
            None if is_partial => match header("content-range") {
                Some(text) => content_range(&text, start)?,
                None => None,
            },
            None => header("content-length").map(|text| content_length(&text)).transpose()?,
            // The header counts encoded bytes then.
            Some(_) => None,
        };
        let etag = header("x-linked-etag").or_else(|| header("etag"));
        // For large files on Hugging Face, the ETag is the checksum.
        let sha256 = etag.as_deref().and_then(|etag| parse_sha256(etag.trim_matches('"')));
        Ok(Self { is_partial, len_bytes, etag, sha256 })
    }
}

/// The length in a `Content-Length`.
fn content_length(text: &str) -> Result<u64, FileError> {
    number(text).filter(|len| is_plausible_len(*len)).ok_or_else(|| refused("Content-Length", text))
}

/// The length of the whole file in a `Content-Range`, as in `bytes 0-99/1234`, of a response that must start with byte `start`. `None` where the
/// host does not know the length (`bytes 0-99/*`).
fn content_range(text: &str, start: u64) -> Result<Option<u64>, FileError> {
    let (range, len) = parse_range(text).ok_or_else(|| refused("Content-Range", text))?;
    let end = len.unwrap_or(MAX_FILE_BYTES);
    if range.0 == start && range.0 <= range.1 && range.1 < end && is_plausible_len(end) {
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

/// Digits only: `parse` would accept a sign, too.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn refused(name: &str, value: &str) -> FileError {
    // As much of a hostile header as a person wants to read.
    let value: String = value.chars().take(80).collect();
    FileError::BadAnswer { header: format!("{name}: {value}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused<T>(result: &Result<T, FileError>) -> bool {
        matches!(result, Err(FileError::BadAnswer { .. }))
    }

    #[test]
    fn lengths_that_no_model_has_are_refused() {
        assert_eq!(content_length("98362432"), Ok(98_362_432));
        assert_eq!(content_length(" 1099511627776 "), Ok(MAX_FILE_BYTES));
        for text in ["0", "1099511627777", "18446744073709551615", "18446744073709551616", "-1", "+5", "5, 5", "", "x"]
        {
            assert!(is_refused(&content_length(text)), "{text:?}");
        }
    }

    #[test]
    fn ranges_that_contradict_themselves_or_the_request_are_refused() {
        assert_eq!(content_range("bytes 0-99/1234", 0), Ok(Some(1234)));
        assert_eq!(content_range("bytes 4194304-4194304/4194305", 4 << 20), Ok(Some(4_194_305)));
        assert_eq!(content_range("bytes 5-9/*", 5), Ok(None));
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
            assert!(is_refused(&content_range(text, 0)), "{text:?}");
        }
        let long = format!("bytes {}", "é".repeat(9000));
        assert!(matches!(content_range(&long, 0), Err(FileError::BadAnswer { header }) if header.len() < 300));
    }

    /// Reads a response with these headers to a request for the bytes from `start` on.
    fn read(status: u16, start: u64, headers: &[(&str, &str)]) -> Result<Answer, FileError> {
        Answer::read(status, start, |name| {
            headers.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_length_is_that_of_the_whole_file() {
        let partial = read(206, 10, &[("content-length", "10"), ("content-range", "bytes 10-19/70")]);
        assert_eq!(partial.map(|answer| (answer.is_partial, answer.len_bytes)), Ok((true, Some(70))));
        let whole = read(200, 10, &[("content-length", "70")]);
        assert_eq!(whole.map(|answer| (answer.is_partial, answer.len_bytes)), Ok((false, Some(70))));
        let compressed = read(200, 0, &[("content-length", "7"), ("content-encoding", "gzip")]);
        assert_eq!(compressed.map(|answer| answer.len_bytes), Ok(None), "it counts compressed bytes");
        let unknown = read(206, 0, &[("content-length", "10")]);
        assert_eq!(unknown.map(|answer| answer.len_bytes), Ok(None), "a host may hide Content-Range from other sites");
        assert!(is_refused(&read(206, 20, &[("content-range", "bytes 10-19/70")])), "another range than requested");
    }

    #[test]
    fn an_etag_may_be_the_checksum() {
        let digest = "AB".repeat(32);
        let etag = format!("\"{digest}\"");
        let linked = read(200, 0, &[("etag", "\"cdn\""), ("x-linked-etag", etag.as_str())]);
        let lower = Some(digest.to_ascii_lowercase());
        assert_eq!(linked.map(|answer| (answer.etag, answer.sha256)), Ok((Some(etag), lower)));
        let other = read(200, 0, &[("etag", "\"v1\"")]);
        assert_eq!(other.map(|answer| (answer.etag, answer.sha256)), Ok((Some("\"v1\"".to_owned()), None)));
    }
}
