//! Projectors, the files with which models see images (llama.cpp's `mmproj`): how they are recognised by their names, and
//! which of those that lie beside a model is its own.

use serde::Deserialize;

/// Part of every projector's name, by convention.
const MARK: &str = "mmproj";
/// The end of every model's name.
const EXTENSION: &str = ".gguf";
const HUGGING_FACE: &str = "https://huggingface.co/";
/// Formats, the best for a browser first: as exact as needed, and small.
const FORMATS: [&str; 4] = ["q8_0", "f16", "bf16", "f32"];

/// Whether a file of this name is a projector.
pub fn is_projector(name: &str) -> bool {
    let name = name.to_lowercase();
    name.ends_with(EXTENSION) && name.contains(MARK)
}

/// A repository on Hugging Face, at a revision, and a file's path in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryFile<'u> {
    repository: &'u str,
    revision: &'u str,
    /// The file's path.
    pub path: &'u str,
}

impl<'u> RepositoryFile<'u> {
    /// The file at a URL; `None` if it is not on Hugging Face.
    pub fn of(url: &'u str) -> Option<Self> {
        let path = url.split(['?', '#']).next()?.strip_prefix(HUGGING_FACE)?;
        let (repository, rest) = path.split_once("/resolve/")?;
        let (revision, path) = rest.split_once('/')?;
        let is_repository = repository.split('/').count() == 2;
        is_repository.then_some(Self { repository, revision, path })
    }

    /// The URL of the list of the repository's files.
    pub fn listing_url(&self) -> String {
        format!("{HUGGING_FACE}api/models/{}/tree/{}?recursive=true", self.repository, self.revision)
    }

    /// The URL of another file of the repository.
    pub fn beside(&self, path: &str) -> String {
        format!("{HUGGING_FACE}{}/resolve/{}/{path}", self.repository, self.revision)
    }
}

/// An entry of the list at [`RepositoryFile::listing_url`].
#[derive(Deserialize)]
struct Entry {
    path: String,
}

/// The paths in a list of a repository's files; none if it is no such list.
pub fn listed_paths(json: &[u8]) -> Vec<String> {
    let entries: Vec<Entry> = serde_json::from_slice(json).unwrap_or_default();
    entries.into_iter().map(|entry| entry.path).collect()
}

/// The projector of the model at `model` among some paths: one in the folder nearest to the model, whose name has most in
/// common with the model's. Where names have nothing in common, it must be the repository's only model's.
pub fn choose<'p>(model: &str, paths: impl IntoIterator<Item = &'p str>) -> Option<&'p str> {
    let candidates = paths.into_iter().filter(|path| is_projector(name_of(path)));
    candidates.min_by_key(|path| {
        let near = common_len(model.split('/'), path.split('/'));
        let alike = common_words(name_of(model), name_of(path));
        (std::cmp::Reverse(near), std::cmp::Reverse(alike), format_rank(path), *path)
    })
}

/// The same among unrelated files, such as those that a user copied: the names must begin alike.
pub fn choose_alike<'p>(model: &str, names: impl IntoIterator<Item = &'p str>) -> Option<&'p str> {
    choose(model, names.into_iter().filter(|name| common_words(model, name) > 0))
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// How many words the names of a model and a projector begin with in common, leaving out the mark.
fn common_words(model: &str, projector: &str) -> usize {
    let (model, projector) = (model.to_lowercase(), projector.to_lowercase());
    let words = |name: &str| -> Vec<String> {
        let words = name.split(['-', '_', '.']).filter(|word| !word.is_empty() && *word != MARK);
        words.map(str::to_owned).collect()
    };
    common_len(words(&model), words(&projector))
}

fn common_len<T: PartialEq>(a: impl IntoIterator<Item = T>, b: impl IntoIterator<Item = T>) -> usize {
    a.into_iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn format_rank(path: &str) -> usize {
    let name = name_of(path).to_lowercase();
    let has = |format: &str| name.split(['-', '.']).any(|word| word == format);
    FORMATS.iter().position(|format| has(format)).unwrap_or(FORMATS.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projectors_are_recognised_by_their_names() {
        for name in ["mmproj-F16.gguf", "mmproj-model-f16.gguf", "Qwen-7B.mmproj-Q8_0.GGUF", "model-mmproj.gguf"] {
            assert!(is_projector(name), "{name}");
        }
        for name in ["model.gguf", "mmproj.bin", "mmproj", ""] {
            assert!(!is_projector(name), "{name}");
        }
    }

    #[test]
    fn a_repository_lists_its_files() {
        let file = RepositoryFile::of("https://huggingface.co/a/b/resolve/main/x/m.gguf?download=true#sha256=1");
        let Some(file) = file else { panic!("it is a file on Hugging Face") };
        assert_eq!(file.path, "x/m.gguf");
        assert_eq!(file.listing_url(), "https://huggingface.co/api/models/a/b/tree/main?recursive=true");
        assert_eq!(file.beside("p.gguf"), "https://huggingface.co/a/b/resolve/main/p.gguf");
        for other in ["https://host/a/b/resolve/main/m.gguf", "https://huggingface.co/a/resolve/main/m.gguf", "local:m"]
        {
            assert_eq!(RepositoryFile::of(other), None, "{other}");
        }
        let list = br#"[{"type":"directory","path":"x"},{"type":"file","size":3,"path":"x/m.gguf"}]"#;
        assert_eq!(listed_paths(list), ["x", "x/m.gguf"]);
        for other in ["", "{}", r#"{"error":"gone"}"#, "[1]"] {
            assert!(listed_paths(other.as_bytes()).is_empty(), "{other}");
        }
    }

    #[test]
    fn a_model_gets_its_own_projector() {
        let cases: [(&str, &[&str], Option<&str>); 7] = [
            ("m-Q4_K_M.gguf", &["README.md", "m-Q8_0.gguf"], None),
            ("m-Q4_K_M.gguf", &["mmproj-F32.gguf", "mmproj-BF16.gguf", "mmproj-F16.gguf"], Some("mmproj-F16.gguf")),
            ("m-Q4_K_M.gguf", &["mmproj-m-f16.gguf", "mmproj-m-Q8_0.gguf"], Some("mmproj-m-Q8_0.gguf")),
            ("b-2B-Q8_0.gguf", &["mmproj-b-4B-Q8_0.gguf", "mmproj-b-2B-F32.gguf"], Some("mmproj-b-2B-F32.gguf")),
            ("x/m.gguf", &["mmproj-Q8_0.gguf", "x/mmproj-F32.gguf"], Some("x/mmproj-F32.gguf")),
            ("x/m.gguf", &["mmproj-Q8_0.gguf"], Some("mmproj-Q8_0.gguf")),
            ("m.gguf", &["other-mmproj.gguf"], Some("other-mmproj.gguf")),
        ];
        for (model, paths, expected) in cases {
            assert_eq!(choose(model, paths.iter().copied()), expected, "{model} {paths:?}");
        }
        let copied = ["mmproj-other-F16.gguf", "mmproj-mine-F16.gguf"];
        assert_eq!(choose_alike("mine-Q4_0.gguf", copied), Some("mmproj-mine-F16.gguf"));
        assert_eq!(choose_alike("third-Q4_0.gguf", copied), None);
    }
}
