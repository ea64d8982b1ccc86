//! The alphabet of byte-level vocabularies.

use std::collections::HashMap;

/// The byte for each character of a byte-level vocabulary (`bytes_to_unicode` of GPT-2): printable characters of
/// Latin-1 represent themselves, the other bytes are represented by the characters from U+0100 on.
pub(super) fn byte_alphabet() -> HashMap<char, u8> {
    let is_printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let others = (0..=u8::MAX).filter(|byte| !is_printable(*byte)).zip('\u{100}'..);
    (0..=u8::MAX)
        .filter(|byte| is_printable(*byte))
        .map(|byte| (char::from(byte), byte))
        .chain(others.map(|(byte, character)| (character, byte)))
        .collect()
}

pub(super) fn token_bytes(text: &str, byte_of: &HashMap<char, u8>) -> Vec<u8> {
    text.chars()
        .flat_map(|character| match byte_of.get(&character) {
            Some(byte) => vec![*byte],
            None => character.to_string().into_bytes(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_alphabet_covers_every_byte_once() {
        let alphabet = byte_alphabet();
        let mut bytes: Vec<u8> = alphabet.values().copied().collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=u8::MAX).collect::<Vec<_>>());
        assert_eq!((alphabet[&'Ġ'], alphabet[&'Ċ'], alphabet[&'a']), (b' ', b'\n', b'a'));
    }
}
