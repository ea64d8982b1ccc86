//! Byte-level vocabularies without a list of merges, in which a token's id is also the rank of the merge that forms it.

use std::collections::HashMap;

use super::byte_level::byte_alphabet;

/// Longer tokens are no results of merges, so that the time to find them stays in proportion.
const MAX_MERGED_BYTES: usize = 256;

/// The texts of tokens, as files of byte-level BPE have them.
pub(crate) fn byte_level_texts(tokens: &[Vec<u8>]) -> Vec<String> {
    let mut characters = ['\0'; 256];
    for (character, byte) in byte_alphabet() {
        characters[usize::from(byte)] = character;
    }
    let text = |token: &Vec<u8>| token.iter().map(|byte| characters[usize::from(*byte)]).collect();
    tokens.iter().map(text).collect()
}

/// The merges that form tokens, in their order: `left right`, as files of byte-level BPE have them.
pub(crate) fn byte_level_merges(tokens: &[Vec<u8>]) -> Vec<String> {
    let ranks: HashMap<&[u8], usize> =
        tokens.iter().enumerate().map(|(rank, token)| (token.as_slice(), rank)).collect();
    let parts = tokens.iter().enumerate().filter_map(|(rank, token)| last_merge(token, rank, &ranks));
    parts.map(|parts| byte_level_texts(&parts.map(<[u8]>::to_vec)).join(" ")).collect()
}

/// The two parts that remain of a token after all merges that precede its own.
fn last_merge<'t>(token: &'t [u8], rank: usize, ranks: &HashMap<&[u8], usize>) -> Option<[&'t [u8]; 2]> {
    if token.len() < 2 || token.len() > MAX_MERGED_BYTES {
        return None;
    }
    let mut parts: Vec<&[u8]> = token.chunks(1).collect();
    while parts.len() > 2 {
        let mut start = 0;
        let mut best: Option<(usize, usize)> = None;
        for (index, pair) in parts.windows(2).enumerate() {
            let len = pair[0].len() + pair[1].len();
            let found = ranks.get(&token[start..start + len]).filter(|found| **found < rank);
            if let Some(found) = found.filter(|found| best.is_none_or(|(lowest, _)| **found < lowest)) {
                best = Some((*found, index));
            }
            start += pair[0].len();
        }
        let (_, index) = best?;
        let start: usize = parts[..index].iter().map(|part| part.len()).sum();
        let second = parts.remove(index + 1);
        parts[index] = &token[start..start + parts[index].len() + second.len()];
    }
    Some([parts[0], parts[1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_follow_from_ranks() {
        let tokens = ["a", "b", "c", " ", "ab", "bc", "abc", " abc", "cc"].map(|token| token.as_bytes().to_vec());
        // “abc” is “ab” and “c”, since “ab” comes before “bc”.
        assert_eq!(byte_level_merges(&tokens), ["a b", "b c", "ab c", "Ġ abc", "c c"]);
    }

    #[test]
    fn tokens_that_no_merge_forms_have_none() {
        let tokens = ["a", "b", "abab", ""].map(|token| token.as_bytes().to_vec());
        assert!(byte_level_merges(&tokens).is_empty());
        assert!(byte_level_merges(&[vec![b'a'; 1000]]).is_empty());
        assert_eq!(byte_level_texts(&[vec![0, b'\n', 0xE9]]), ["ĀĊé"]);
    }
}
