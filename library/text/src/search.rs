//! Full-text search in conversations.

/// The words of a query, in lower case.
pub fn words(query: &str) -> Vec<String> {
    query.split_whitespace().map(str::to_lowercase).collect()
}

/// Whether each word occurs in at least one of the texts, which must be in lower case.
pub fn matches(words: &[String], texts: &[&str]) -> bool {
    words.iter().all(|word| texts.iter().any(|text| text.contains(word.as_str())))
}

#[cfg(test)]
mod tests {
    use super::{matches, words};

    #[test]
    fn every_word_must_occur() {
        let texts = ["the capital of france", "paris, straße, 東京"];
        for query in ["", "PARIS france", "cap", "Straße 東京"] {
            assert!(matches(&words(query), &texts), "{query}");
        }
        assert!(!matches(&words("paris berlin"), &texts));
    }
}
