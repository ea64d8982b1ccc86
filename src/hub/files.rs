//! The model files of a repository: one entry for each quantisation, with its size, checksum and projector.

use std::collections::BTreeMap;

use parlance_worker_core::projector::{choose, is_projector};
use serde::Deserialize;

/// The model files of a repository.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RepositoryFiles {
    /// The models, smallest first.
    pub(crate) models: Vec<ModelFile>,
    /// How many models lack a part, so that they are not listed.
    pub(crate) incomplete: usize,
}

/// A model in one file or several.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ModelFile {
    /// The first file's path in the repository, without what all names end in.
    pub(crate) name: String,
    /// Its format, such as `Q4_K_M`, if the name says so.
    pub(crate) format: Option<String>,
    /// The URL of the first file, pinned to the checksums of all files if the server knows them.
    pub(crate) url: String,
    /// Size of all files in bytes.
    pub(crate) len_bytes: f64,
    /// Number of files.
    pub(crate) parts: usize,
    /// The file with which it sees images.
    pub(crate) projector: Option<Projector>,
}

/// A file with which a model sees images.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Projector {
    /// Its file name.
    pub(crate) name: String,
    /// Its URL, pinned like a model's.
    pub(crate) url: String,
    /// Its size in bytes.
    pub(crate) len_bytes: f64,
}

/// An entry in a server's list of files.
#[derive(Debug, Clone, Deserialize)]
struct Entry {
    path: String,
    #[serde(default)]
    size: f64,
    lfs: Option<LargeFile>,
}

#[derive(Debug, Clone, Deserialize)]
struct LargeFile {
    /// SHA-256 of the file.
    oid: String,
    size: f64,
}

impl Entry {
    fn len_bytes(&self) -> f64 {
        self.lfs.as_ref().map_or(self.size, |lfs| lfs.size)
    }

    fn sha256(&self) -> Option<&str> {
        let oid = self.lfs.as_ref()?.oid.trim_start_matches("sha256:");
        (oid.len() == 64 && oid.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(oid)
    }
}

impl RepositoryFiles {
    /// Reads a list of files. `url_of` gives the URL of a path in the repository; paths without one are left out, like entries that are no
    /// files.
    pub(crate) fn read(json: &[u8], url_of: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let listed: Vec<serde_json::Value> = serde_json::from_slice(json).ok()?;
        let entries = listed.into_iter().filter_map(|entry| serde_json::from_value::<Entry>(entry).ok());
        let is_model = |entry: &Entry| entry.path.to_lowercase().ends_with(".gguf") && url_of(&entry.path).is_some();
        let (projectors, files): (Vec<Entry>, Vec<Entry>) =
            entries.filter(is_model).partition(|entry| is_projector(file_name(&entry.path)));
        // Keyed by the name that the parts of a model have in common.
        let mut groups: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        for file in files {
            let stem = split_part(&file.path).map_or_else(|| stem(&file.path).to_owned(), |(stem, ..)| stem.to_owned());
            groups.entry(stem).or_default().push(file);
        }
        let count = groups.len();
        let mut models: Vec<ModelFile> =
            groups.into_iter().filter_map(|(stem, parts)| model(stem, parts, &projectors, url_of)).collect();
        models.sort_by(|a, b| a.len_bytes.total_cmp(&b.len_bytes));
        let incomplete = count - models.len();
        Some(Self { models, incomplete })
    }
}

/// A model of these files; `None` if one is missing.
fn model(
    name: String,
    mut parts: Vec<Entry>,
    projectors: &[Entry],
    url_of: &dyn Fn(&str) -> Option<String>,
) -> Option<ModelFile> {
    parts.sort_by(|a, b| a.path.cmp(&b.path));
    let is_split = parts.iter().any(|part| split_part(&part.path).is_some());
    let is_whole = |(index, part): (usize, &Entry)| {
        split_part(&part.path).is_some_and(|(_, number, count)| number == index + 1 && count == parts.len())
    };
    if is_split && !parts.iter().enumerate().all(is_whole) || !is_split && parts.len() != 1 {
        return None;
    }
    let first = parts.first()?;
    let chosen = choose(&first.path, projectors.iter().map(|entry| entry.path.as_str()));
    let projector = projectors.iter().find(|entry| Some(entry.path.as_str()) == chosen);
    Some(ModelFile {
        format: format_of(&name),
        url: pinned(&url_of(&first.path)?, &parts),
        len_bytes: parts.iter().map(Entry::len_bytes).sum(),
        parts: parts.len(),
        projector: projector.and_then(|entry| {
            let url = pinned(&url_of(&entry.path)?, std::slice::from_ref(entry));
            Some(Projector { name: file_name(&entry.path).to_owned(), url, len_bytes: entry.len_bytes() })
        }),
        name,
    })
}

/// A URL with the checksums of all files, if all are known.
fn pinned(url: &str, files: &[Entry]) -> String {
    let sums: Option<Vec<&str>> = files.iter().map(Entry::sha256).collect();
    sums.map_or_else(|| url.to_owned(), |sums| format!("{url}#sha256={}", sums.join(",")))
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// A path without its extension, which has five characters.
fn stem(path: &str) -> &str {
    path.get(..path.len().saturating_sub(5)).unwrap_or(path)
}

/// The stem, number and count in the path of a part, such as `m-00001-of-00003.gguf`.
fn split_part(path: &str) -> Option<(&str, usize, usize)> {
    let (rest, count) = stem(path).rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number(number) && is_number(count) { Some((stem, number.parse().ok()?, count.parse().ok()?)) } else { None }
}

/// The format in a name, such as `Q4_K_M`: the last word that begins like one.
pub(crate) fn format_of(name: &str) -> Option<String> {
    let is_format = |word: &&str| {
        let word = word.to_uppercase();
        let digits = word.trim_start_matches("IQ").trim_start_matches("TQ").trim_start_matches('Q');
        let is_quantised = digits.len() < word.len() && digits.starts_with(|c: char| c.is_ascii_digit());
        is_quantised || matches!(word.as_str(), "F16" | "BF16" | "F32" | "MXFP4" | "NVFP4" | "FP16")
    };
    let words: Vec<&str> = file_name(name).split(['-', '.']).collect();
    words.into_iter().rev().find(is_format).map(str::to_uppercase)
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    fn read(json: &str) -> Option<RepositoryFiles> {
        let url_of = |path: &str| (!path.contains("..")).then(|| format!("https://host/{path}"));
        RepositoryFiles::read(json.as_bytes(), &url_of)
    }

    #[wasm_bindgen_test]
    fn files_are_grouped_by_model_and_get_their_projector() {
        let (one, two) = ("1".repeat(64), "2".repeat(64));
        let json = format!(
            r#"[
                {{"type":"directory","path":"x"}},
                {{"type":"file","path":"README.md","size":5}},
                {{"type":"file","path":"m-Q8_0-00002-of-00002.gguf","size":3,"lfs":{{"oid":"{two}","size":30}}}},
                {{"type":"file","path":"m-Q8_0-00001-of-00002.gguf","size":3,"lfs":{{"oid":"{one}","size":20}}}},
                {{"type":"file","path":"m-Q4_K_M.gguf","size":9,"lfs":{{"oid":"short","size":10}}}},
                {{"type":"file","path":"m-F16-00001-of-00003.gguf","size":9}},
                {{"type":"file","path":"../m-IQ2_XS.gguf","size":1}},
                {{"type":"file","path":"mmproj-m-F16.gguf","size":7}},
                17
            ]"#
        );
        let Some(RepositoryFiles { models, incomplete }) = read(&json) else { panic!("it is a list") };
        assert_eq!(incomplete, 1);
        let [small, large] = models.as_slice() else { panic!("{models:?}") };
        assert_eq!((small.name.as_str(), small.format.as_deref()), ("m-Q4_K_M", Some("Q4_K_M")));
        assert_eq!((small.url.as_str(), small.len_bytes), ("https://host/m-Q4_K_M.gguf", 10.0));
        assert_eq!((large.parts, large.len_bytes, large.format.as_deref()), (2, 50.0, Some("Q8_0")));
        assert_eq!(large.url, format!("https://host/m-Q8_0-00001-of-00002.gguf#sha256={one},{two}"));
        let projector = small.projector.as_ref().map(|projector| (projector.name.as_str(), projector.len_bytes));
        assert_eq!(projector, Some(("mmproj-m-F16.gguf", 7.0)));
        for other in ["", "{}", r#"{"error":"gone"}"#] {
            assert_eq!(read(other), None, "{other}");
        }
        assert_eq!(read("[]"), Some(RepositoryFiles::default()));
    }

    #[wasm_bindgen_test]
    fn formats_are_recognised_by_the_name() {
        let cases = [
            ("Qwen3-4B-Instruct-2507-Q4_K_M", Some("Q4_K_M")),
            ("x/model.q8_0", Some("Q8_0")),
            ("model-UD-IQ2_XXS", Some("IQ2_XXS")),
            ("gpt-oss-20b-mxfp4", Some("MXFP4")),
            ("Qwen3-4B", None),
            ("", None),
        ];
        for (name, format) in cases {
            assert_eq!(format_of(name).as_deref(), format, "{name}");
        }
    }
}
