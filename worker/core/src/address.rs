//! Addresses of models: which files they name, and the checksums that those must have.
//!
//! `https://host/model.gguf#sha256=HEX` *pins* a file: one with another checksum is refused. A model in several files pins all of them in order,
//! whichever file the address names: `#sha256=HEX,HEX,HEX`. Browsers send fragments to no server, so only this side sees a pin.

use crate::FileError;
use crate::checksum::parse_sha256;

/// Begins the address of a file that was copied from the user's disk.
pub const LOCAL: &str = "local:";

/// Begins a pin.
const PIN: &str = "sha256=";

/// Lists the paths of all files of a split model, given the path of one; `None` for a model in a single file. The engine knows the naming scheme.
pub type PartNames = fn(&str) -> Option<Vec<String>>;

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileAddress {
    /// Its URL, with the model's fragment.
    pub url: String,
    /// The checksum that it must have: SHA-256 in lower-case hexadecimal digits.
    pub pin: Option<String>,
}

/// All files of the model at `url`, in order.
///
/// # Errors
/// A fragment that does not pin each file: a pin that is silently ignored protects nobody.
pub fn files(url: &str, part_names: PartNames) -> Result<Vec<FileAddress>, FileError> {
    let urls = part_urls(url, part_names);
    let fragment = url.split_once('#').map_or("", |(_, fragment)| fragment);
    if fragment.is_empty() {
        return Ok(urls.into_iter().map(|url| FileAddress { url, pin: None }).collect());
    }
    let pins: Option<Vec<String>> =
        fragment.strip_prefix(PIN).and_then(|pins| pins.split(',').map(parse_sha256).collect());
    match pins {
        Some(pins) if pins.len() == urls.len() => {
            Ok(urls.into_iter().zip(pins).map(|(url, pin)| FileAddress { url, pin: Some(pin) }).collect())
        }
        _ => Err(FileError::BadPin { files: urls.len() as u32 }),
    }
}

/// The URLs of all files of the model at `url`, in order, each with query and fragment.
pub fn part_urls(url: &str, part_names: PartNames) -> Vec<String> {
    let (path, rest) = url.split_at(url.find(['?', '#']).unwrap_or(url.len()));
    match part_names(path) {
        Some(paths) => paths.iter().map(|path| format!("{path}{rest}")).collect(),
        None => vec![url.to_owned()],
    }
}

/// The URL under which a kept file's model is listed, and can be loaded: that of its first file, with its pins. Older versions stored fragments that
/// pin nothing; those are dropped.
pub fn listed_url(url: &str, part_names: PartNames) -> String {
    match files(url, part_names).unwrap_or_default().into_iter().next() {
        Some(first) => first.url,
        None => part_urls(without_fragment(url), part_names).swap_remove(0),
    }
}

/// A URL without its fragment, which identifies a file.
pub fn without_fragment(url: &str) -> &str {
    url.split('#').next().unwrap_or_default()
}

/// The last segment of a URL's path.
pub fn file_name(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.trim_start_matches(LOCAL).rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Split models as in these tests: `m-00001-of-0000N.gguf`.
    fn part_names(path: &str) -> Option<Vec<String>> {
        let (before, count) = path.strip_suffix(".gguf")?.rsplit_once("-of-0000")?;
        let (prefix, _) = before.rsplit_once('-')?;
        let count: usize = count.parse().ok()?;
        Some((1..=count).map(|number| format!("{prefix}-{number:05}-of-{count:05}.gguf")).collect())
    }

    /// Pins of the files of an address, or the number of files where it is refused.
    fn pins(url: &str) -> Result<Vec<Option<String>>, u32> {
        match files(url, part_names) {
            Ok(files) => Ok(files.into_iter().map(|file| file.pin).collect()),
            Err(FileError::BadPin { files }) => Err(files),
            Err(_) => Err(u32::MAX),
        }
    }

    #[test]
    fn a_fragment_pins_a_file() {
        let hex = "0123456789abcdef".repeat(4);
        let pinned = Ok(vec![Some(hex.clone())]);
        assert_eq!(pins(&format!("https://host/model.gguf#sha256={hex}")), pinned);
        assert_eq!(pins(&format!("https://host/model.gguf?a=b#sha256={}", hex.to_uppercase())), pinned);
        for url in ["https://host/model.gguf", "https://host/model.gguf#", "local:model.gguf"] {
            assert_eq!(pins(url), Ok(vec![None]), "{url}");
        }
    }

    #[test]
    fn every_file_of_a_split_model_has_its_own_pin() {
        let hex = ["1", "2", "3"].map(|digit| digit.repeat(64));
        let url = format!("https://host/m-00002-of-00003.gguf?a#sha256={}", hex.join(","));
        let files = files(&url, part_names).unwrap_or_default();
        assert_eq!(files.len(), 3);
        for (number, (file, hex)) in (1..).zip(files.iter().zip(&hex)) {
            assert!(file.url.starts_with(&format!("https://host/m-0000{number}-of-00003.gguf?a#")), "{}", file.url);
            assert_eq!(file.pin.as_ref(), Some(hex));
        }
    }

    #[test]
    fn pins_that_cannot_be_compared_are_refused() {
        let hex = "a".repeat(64);
        let one = |fragment: &str| pins(&format!("https://host/model.gguf#{fragment}"));
        for fragment in [
            "sha256=".to_owned(),
            "sha256=abc".to_owned(),
            format!("sha256={}g", &hex[1..]),
            format!("sha256={hex}0"),
            format!("sha256={hex},{hex}"),
            format!("sha256={hex},"),
            format!("SHA256={hex}"),
            format!("sha512={hex}"),
            format!("{hex}#sha256={hex}"),
            hex.clone(),
            "main".to_owned(),
        ] {
            assert_eq!(one(&fragment), Err(1), "{fragment}");
        }
        let split = |fragment: &str| pins(&format!("https://host/m-00001-of-00002.gguf#{fragment}"));
        assert_eq!(split(&format!("sha256={hex}")), Err(2));
        assert_eq!(split(&format!("sha256={hex},{hex},{hex}")), Err(2));
        assert_eq!(split(&format!("sha256={hex},{}", "ß".repeat(32))), Err(2));
    }

    #[test]
    fn kept_files_are_listed_by_a_url_that_can_be_loaded() {
        let pins = format!("#sha256={},{}", "a".repeat(64), "b".repeat(64));
        let listed = |fragment: &str| listed_url(&format!("https://host/m-00002-of-00002.gguf{fragment}"), part_names);
        assert_eq!(listed(&pins), format!("https://host/m-00001-of-00002.gguf{pins}"));
        for fragment in ["", "#main", "#sha256=abc"] {
            assert_eq!(listed(fragment), "https://host/m-00001-of-00002.gguf", "{fragment}");
        }
    }

    #[test]
    fn names_and_identities_ignore_pins() {
        assert_eq!(file_name("https://host/a/model.gguf?download=true#sha256=1"), "model.gguf");
        assert_eq!(file_name("local:model.gguf"), "model.gguf");
        assert_eq!(without_fragment("https://host/m.gguf?a#sha256=1"), "https://host/m.gguf?a");
    }
}
