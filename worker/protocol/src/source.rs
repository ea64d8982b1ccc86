//! Sources of models.

use serde::{Deserialize, Serialize};

/// Where to load a model from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ModelSource {
    /// An absolute URL; for a split model, that of any of its files. It may end in `#sha256=` and the checksums of the model's files, in
    /// order, separated by commas.
    Url {
        /// The URL.
        url: String,
    },
    /// A file that the user chose, or all files of a split model. They are sent with the request, see [`FILES_KEY`](crate::FILES_KEY).
    File {
        /// The name of the first file, for messages.
        name: String,
    },
}

impl ModelSource {
    /// The source with a Hugging Face path replaced by its URL.
    #[must_use]
    pub fn resolved(self) -> Self {
        match self {
            Self::Url { url } => Self::Url { url: hugging_face_url(&url).unwrap_or(url) },
            file @ Self::File { .. } => file,
        }
    }
}

/// Whether a file's name is that of a speech recogniser in whisper.cpp's format.
pub fn is_ggml_name(file_name: &str) -> bool {
    file_name.to_lowercase().ends_with(".bin")
}

/// The download URL of a file on Hugging Face, given as `owner/repository/file.gguf` (or whisper.cpp's `ggml-*.bin`) or as the URL of
/// its page there; `None` for anything else.
pub fn hugging_face_url(text: &str) -> Option<String> {
    const HOST: &str = "https://huggingface.co/";
    let text = text.trim();
    if let Some(path) = text.strip_prefix(HOST) {
        let (repository, file) = path.split_once("/blob/")?;
        return Some(format!("{HOST}{repository}/resolve/{file}"));
    }
    // The fragment has checksums.
    let (path, fragment) = text.split_at(text.find('#').unwrap_or(text.len()));
    let parts: Vec<&str> = path.split('/').collect();
    let is_name = |part: &&str| {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        !part.is_empty() && !part.starts_with('.') && part.chars().all(is_allowed)
    };
    match parts.as_slice() {
        // Owners have no dots; a first part with one is a host.
        [owner, repository, file @ .., name] if !owner.contains('.') && parts.iter().all(is_name) => {
            let is_model = name.to_lowercase().ends_with(".gguf") || name.starts_with("ggml-") && is_ggml_name(name);
            let file = [file, &[*name]].concat().join("/");
            is_model.then(|| format!("{HOST}{owner}/{repository}/resolve/main/{file}{fragment}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hugging_face_paths_are_resolved_to_urls() {
        let resolved = "https://huggingface.co/a-b/c.d/resolve/main/e-Q4_K_M.gguf";
        let pinned = format!("{resolved}#sha256=0a");
        let cases = [
            ("a-b/c.d/e-Q4_K_M.gguf", Some(resolved)),
            (" https://huggingface.co/a-b/c.d/blob/main/e-Q4_K_M.gguf ", Some(resolved)),
            ("a-b/c.d/e-Q4_K_M.gguf#sha256=0a", Some(&*pinned)),
            ("https://huggingface.co/a-b/c.d/blob/main/e-Q4_K_M.gguf#sha256=0a", Some(&*pinned)),
            ("a/b/folder/e.gguf", Some("https://huggingface.co/a/b/resolve/main/folder/e.gguf")),
            ("models/e.gguf", None),
            ("./models/x/e.gguf", None),
            ("/models/x/e.gguf", None),
            ("example.org/x/e.gguf", None),
            ("https://example.org/x/y/e.gguf", None),
            ("https://huggingface.co/a/b/resolve/main/e.gguf", None),
            ("a/b/e.bin", None),
            ("a/b/ggml-tiny.bin", Some("https://huggingface.co/a/b/resolve/main/ggml-tiny.bin")),
        ];
        for (text, expected) in cases {
            assert_eq!(hugging_face_url(text).as_deref(), expected, "{text}");
        }
    }
}
