//! Names of models for people, from those of files and in metadata.

use parlance_protocol::StoredModel;
use parlance_protocol::library::ChatModel;

use crate::hub::format_of;

/// What all names of model files end in.
const EXTENSION: &str = ".gguf";

/// A readable name: `Qwen3 4B Instruct 2507` for `Qwen3-4B-Instruct-2507-Q4_K_M.gguf`. A name with spaces was written for people.
pub(crate) fn friendly(name: &str) -> String {
    let name = name.rsplit('/').next().unwrap_or_default().trim();
    if name.contains(' ') {
        return name.to_owned();
    }
    let name = name.get(..name.len().saturating_sub(EXTENSION.len())).filter(|_| has_extension(name)).unwrap_or(name);
    let words: Vec<&str> = without_part(name).split('-').flat_map(words_of).collect();
    let named: Vec<String> = words.iter().map(|word| readable(word, words.len() > 1)).collect();
    if named.is_empty() { name.to_owned() } else { named.join(" ") }
}

/// How a conversation, or a later visit, remembers a model on this device.
pub(crate) fn chosen(model: &StoredModel) -> ChatModel {
    ChatModel { name: friendly(&model.name), url: model.url.clone(), projector: None, draft: None }
}

/// The model's format in a file's name, such as `Q4_K_M`.
pub(crate) fn format(name: &str) -> Option<String> {
    format_of(without_part(name.strip_suffix(EXTENSION).unwrap_or(name)))
}

fn has_extension(name: &str) -> bool {
    name.to_lowercase().ends_with(EXTENSION)
}

/// A name without `-00001-of-00003`.
fn without_part(name: &str) -> &str {
    let part = name.rsplit_once("-of-").and_then(|(rest, _)| rest.rsplit_once('-'));
    part.filter(|(_, number)| number.len() == 5 && number.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(name, |(stem, _)| stem)
}

/// The words of a part of a name, without those that only say how the file was made.
fn words_of(part: &str) -> Vec<&str> {
    if format_of(part).is_some_and(|format| format.eq_ignore_ascii_case(part)) || matches!(part, "UD" | "GGUF" | "gguf")
    {
        return Vec::new();
    }
    // A format may follow a dot: `SmolLM2.Q4_1`.
    let part = part.rsplit_once('.').filter(|(_, end)| format_of(end).is_some()).map_or(part, |(start, _)| start);
    part.split('_').filter(|word| !word.is_empty()).collect()
}

/// A word as people write it: sizes in capitals, and, in names of several words, an initial capital.
fn readable(word: &str, is_capitalised: bool) -> String {
    let number = word.trim_end_matches(['b', 'm']);
    if number.len() + 1 == word.len() && number.starts_with(|c: char| c.is_ascii_digit()) {
        return word.to_uppercase();
    }
    let mut characters = word.chars();
    match characters.next().filter(|_| is_capitalised && word.len() > 2) {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn file_names_become_readable() {
        let cases = [
            ("Qwen3-4B-Instruct-2507-Q4_K_M.gguf", "Qwen3 4B Instruct 2507"),
            ("google_gemma-3-1b-it-Q4_K_M.gguf", "Google Gemma 3 1B it"),
            ("SmolLM2-135M-Instruct.Q4_1.gguf", "SmolLM2 135M Instruct"),
            ("owner/gpt-oss-20b-mxfp4-00001-of-00003.gguf", "Gpt Oss 20B"),
            ("Qwen3.5-4B-UD-Q4_K_XL.GGUF", "Qwen3.5 4B"),
            ("Llama 3.2 1B Instruct", "Llama 3.2 1B Instruct"),
            ("scripted", "scripted"),
            ("Q8_0.gguf", "Q8_0"),
            ("", ""),
        ];
        for (name, expected) in cases {
            assert_eq!(friendly(name), expected, "{name}");
        }
        assert_eq!(format("a-Q4_K_M-00001-of-00002.gguf").as_deref(), Some("Q4_K_M"));
    }
}
