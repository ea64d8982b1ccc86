//! Finding conversations by words.

/// The words of a query, as they are looked for.
pub fn words(query: &str) -> Vec<String> {
    query.split_whitespace().map(str::to_lowercase).collect()
}

/// Whether each word is part of one of the texts, which are in small letters.
pub fn matches(words: &[String], texts: &[&str]) -> bool {
    words.iter().all(|word| texts.iter().any(|text| text.contains(word.as_str())))
}

#[cfg(test)]
mod tests {
    use super::{matches, words};

    #[test]
    fn all_words_must_be_there() {
        let texts = ["the capital of france", "paris, straße, 東京"];
        for query in ["", "PARIS france", "cap", "Straße 東京"] {
            assert!(matches(&words(query), &texts), "{query}");
        }
        assert!(!matches(&words("paris berlin"), &texts));
    }
}
