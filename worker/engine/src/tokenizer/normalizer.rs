//! `SentencePiece`'s precompiled normalisation (`precompiled_charsmap`): replaces the longest matching prefix.
//!
//! Format: a compressed double array (XCDA) over bytes, then the replacements, each terminated by a zero byte. The file
//! is untrusted: a damaged map gives wrong replacements, but is never read out of bounds.

/// A parsed map.
pub(super) struct CharacterMap {
    nodes: Vec<u32>,
    replacements: Vec<u8>,
}

impl CharacterMap {
    /// Parses the map; `None` if it is damaged.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (len, rest) = bytes.split_first_chunk::<4>()?;
        let nodes = rest.get(..u32::from_le_bytes(*len) as usize)?;
        let replacements = rest[nodes.len()..].to_vec();
        let nodes =
            nodes.chunks_exact(4).map(|node| u32::from_le_bytes([node[0], node[1], node[2], node[3]])).collect();
        Some(Self { nodes, replacements })
    }

    /// Applies the replacements of the map.
    pub(super) fn normalize(&self, text: &str) -> String {
        let mut normalized = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            match self.longest(rest.as_bytes()) {
                // Replacements must cover whole characters.
                Some((len, value)) if rest.is_char_boundary(len) => {
                    normalized.push_str(&self.replacement(value));
                    rest = &rest[len..];
                }
                _ => {
                    normalized.push(character);
                    rest = &rest[character.len_utf8()..];
                }
            }
        }
        normalized
    }

    /// The longest prefix in the map: its length, and the offset of its replacement.
    fn longest(&self, bytes: &[u8]) -> Option<(usize, usize)> {
        let mut found = None;
        let mut index = base(*self.nodes.first()?);
        for (at, byte) in bytes.iter().enumerate() {
            index ^= u32::from(*byte);
            let node = *self.nodes.get(index as usize)?;
            // The label, and the bit that marks a value.
            if node & 0x8000_00FF != u32::from(*byte) {
                break;
            }
            index ^= base(node);
            if node >> 8 & 1 == 1 {
                let Some(value) = self.nodes.get(index as usize) else { break };
                found = Some((at + 1, (value & 0x7FFF_FFFF) as usize));
            }
        }
        found
    }

    fn replacement(&self, start: usize) -> String {
        let bytes = self.replacements.get(start..).unwrap_or_default();
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    }
}

/// The offset to a node's children.
fn base(node: u32) -> u32 {
    (node >> 10) << ((node & 1 << 9) >> 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_maps_are_harmless() {
        assert!(CharacterMap::parse(&[1, 2]).is_none());
        assert!(CharacterMap::parse(&[8, 0, 0, 0, 1, 2, 3, 4]).is_none());
        for seed in 0..200u32 {
            let mut bytes = 64u32.to_le_bytes().to_vec();
            bytes.extend((0..80u32).map(|i| (i.wrapping_mul(seed).wrapping_mul(2_654_435_761) >> 13) as u8));
            let map = CharacterMap::parse(&bytes).map(|map| map.normalize("aé日 ﬁ\0"));
            assert!(map.is_some());
        }
    }
}
