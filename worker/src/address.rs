//! Addresses of models: which files they name, and the checksums that those must have.
//!
//! `https://host/model.gguf#sha256=HEX` *pins* a file: one with another checksum is refused. Of a model in several files all are pinned, in their
//! order, whichever of them is named: `#sha256=HEX,HEX,HEX`. Browsers send fragments to no server, so a pin is for this side only.

use parlance_engine::gguf::part_names;

use crate::error::WorkerError;

/// Begins the address of a file that was copied from the user's disk.
pub(crate) const LOCAL: &str = "local:";

/// Begins a pin.
const PIN: &str = "sha256=";

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileAddress {
    /// Where it comes from.
    pub(crate) url: String,
    /// The checksum that it must have: SHA-256 in lower-case hexadecimal digits.
    pub(crate) pin: Option<String>,
}

impl FileAddress {
    /// All files of the model of which `url` names one, in order. A fragment that does not pin them all is an error: a pin that is overlooked
    /// protects nobody.
    pub(crate) fn all(url: &str) -> Result<Vec<Self>, WorkerError> {
        let urls = parts(url);
        let fragment = url.split_once('#').map_or("", |(_, fragment)| fragment);
        if fragment.is_empty() {
            return Ok(urls.into_iter().map(|url| Self { url, pin: None }).collect());
        }
        let pins: Option<Vec<String>> =
            fragment.strip_prefix(PIN).and_then(|pins| pins.split(',').map(sha256).collect());
        match pins {
            Some(pins) if pins.len() == urls.len() => {
                Ok(urls.into_iter().zip(pins).map(|(url, pin)| Self { url, pin: Some(pin) }).collect())
            }
            _ => Err(WorkerError::BadPin { files: urls.len() as u32 }),
        }
    }
}

/// The addresses of all files of the model of which `url` names one, in order.
pub(crate) fn parts(url: &str) -> Vec<String> {
    let (path, rest) = url.split_at(url.find(['?', '#']).unwrap_or(url.len()));
    match part_names(path) {
        Some(paths) => paths.iter().map(|path| format!("{path}{rest}")).collect(),
        None => vec![url.to_owned()],
    }
}

/// An address without its fragment: what tells one file from another.
pub(crate) fn without_fragment(url: &str) -> &str {
    url.split('#').next().unwrap_or_default()
}

/// The last part of an address's path.
pub(crate) fn file_name(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.trim_start_matches(LOCAL).rsplit('/').next().unwrap_or_default()
}

/// A SHA-256 in hexadecimal digits, in lower case, if a text is one.
pub(crate) fn sha256(text: &str) -> Option<String> {
    let is_one = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one.then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pins of the files of an address; the number of files where it is refused.
    fn pins(url: &str) -> Result<Vec<Option<String>>, u32> {
        match FileAddress::all(url) {
            Ok(files) => Ok(files.into_iter().map(|file| file.pin).collect()),
            Err(WorkerError::BadPin { files }) => Err(files),
            Err(_) => Err(u32::MAX),
        }
    }

    #[test]
    fn a_file_is_pinned_by_the_fragment_of_its_address() {
        let hex = "0123456789abcdef".repeat(4);
        let pinned = Ok(vec![Some(hex.clone())]);
        assert_eq!(pins(&format!("https://host/model.gguf#sha256={hex}")), pinned);
        assert_eq!(pins(&format!("https://host/model.gguf?a=b#sha256={}", hex.to_uppercase())), pinned);
        for url in ["https://host/model.gguf", "https://host/model.gguf#", "local:model.gguf"] {
            assert_eq!(pins(url), Ok(vec![None]), "{url}");
        }
    }

    #[test]
    fn every_part_of_a_model_has_its_own_pin() {
        let hex = ["1", "2", "3"].map(|digit| digit.repeat(64));
        let url = format!("https://host/m-00002-of-00003.gguf?a#sha256={}", hex.join(","));
        let files = FileAddress::all(&url).unwrap_or_default();
        assert_eq!(files.len(), 3);
        for (number, (file, hex)) in (1..).zip(files.iter().zip(&hex)) {
            assert!(file.url.starts_with(&format!("https://host/m-0000{number}-of-00003.gguf?a#")), "{}", file.url);
            assert_eq!(file.pin.as_ref(), Some(hex));
        }
    }

    #[test]
    fn a_pin_that_cannot_be_compared_is_refused() {
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
    fn names_and_keys_leave_pins_out() {
        assert_eq!(file_name("https://host/a/model.gguf?download=true#sha256=1"), "model.gguf");
        assert_eq!(file_name("local:model.gguf"), "model.gguf");
        assert_eq!(without_fragment("https://host/m.gguf?a#sha256=1"), "https://host/m.gguf?a");
    }
}
