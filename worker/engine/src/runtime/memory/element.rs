//! What a sequence consists of.

/// What occupies one position of a sequence. Equal elements after equal ones leave equal rows and states behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    /// A token, by ID.
    Token(u32),
    /// A row of embeddings that another model computed.
    Embedding {
        /// Identifies the contents of the whole span.
        span: u64,
        /// Index of the row in its span.
        row: u32,
    },
}

impl Element {
    /// The token, if it is one.
    pub(crate) fn token(self) -> Option<u32> {
        match self {
            Self::Token(id) => Some(id),
            Self::Embedding { .. } => None,
        }
    }

    /// Number of elements before this one that belong to the same span.
    fn rows_before(self) -> usize {
        match self {
            Self::Token(_) => 0,
            Self::Embedding { row, .. } => row as usize,
        }
    }
}

/// Length of the common prefix of two sequences. It does not end inside a span of embeddings, which may only be valid
/// as a whole.
pub(super) fn shared_len(a: &[Element], b: &[Element]) -> usize {
    let len = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let cut = [a, b].iter().filter_map(|elements| elements.get(len)).map(|next| next.rows_before()).max();
    len - cut.unwrap_or(0).min(len)
}

/// First word of a run of embeddings among token IDs, which are all smaller.
const RUN: u32 = u32::MAX;

/// Serialises elements: a token as its ID; a run of embeddings as [`RUN`], the two words of its span's ID (low, high),
/// its first row and its number of rows.
pub(super) fn to_words(elements: &[Element]) -> Vec<u32> {
    let mut words = Vec::with_capacity(elements.len());
    for element in elements {
        match *element {
            Element::Token(id) => words.push(id),
            Element::Embedding { span, row } => {
                let id = [span as u32, (span >> 32) as u32];
                match words.last_chunk_mut::<5>() {
                    Some([RUN, low, high, first, count]) if [*low, *high] == id && *first + *count == row => {
                        *count += 1;
                    }
                    _ => words.extend([RUN, id[0], id[1], row, 1]),
                }
            }
        }
    }
    words
}

/// Reads `count` elements from the words that [`to_words`] returned. Returns them and the number of their words, or
/// `None` if the words are damaged.
pub(super) fn from_words(words: &[u32], count: usize) -> Option<(Vec<Element>, usize)> {
    let mut elements = Vec::new();
    let mut at = 0;
    while elements.len() < count {
        match *words.get(at)? {
            RUN => {
                let [_, low, high, first, len] = *words.get(at..)?.first_chunk::<5>()?;
                if len == 0 || len as usize > count - elements.len() {
                    return None;
                }
                let span = u64::from(low) | u64::from(high) << 32;
                elements.extend((first..first.checked_add(len)?).map(|row| Element::Embedding { span, row }));
                at += 5;
            }
            id => {
                elements.push(Element::Token(id));
                at += 1;
            }
        }
    }
    Some((elements, at))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    fn span(span: u64, rows: u32) -> impl Iterator<Item = Element> {
        (0..rows).map(move |row| Element::Embedding { span, row })
    }

    fn sequence() -> Vec<Element> {
        let tokens = [Element::Token(7), Element::Token(9)];
        tokens.into_iter().chain(span(1 << 40, 3)).chain(span(5, 2)).chain([Element::Token(8)]).collect()
    }

    #[test]
    fn common_prefixes_end_between_spans() {
        let own = sequence();
        for (len, expected) in [(0, 0), (2, 2), (3, 2), (4, 2), (5, 5), (6, 5), (7, 7), (8, 8)] {
            assert_eq!(shared_len(&own, &own[..len]), expected, "{len} of 8 elements");
            assert_eq!(shared_len(&own[..len], &own), expected, "{len} of 8 elements");
        }
        let other: Vec<_> = own[..2].iter().copied().chain(span(1 << 41, 3)).collect();
        assert_eq!(shared_len(&own, &other), 2, "another image");
    }

    #[test]
    fn elements_round_trip_and_damaged_ones_are_found() {
        let own = sequence();
        let words = to_words(&own);
        assert_eq!(words.len(), 3 + 2 * 5, "runs are stored as such");
        assert_eq!(from_words(&words, own.len()), Some((own.clone(), words.len())));
        assert_eq!(from_words(&words[..words.len() - 1], own.len()), None);
        assert_eq!(from_words(&[RUN, 0, 0, 0, u32::MAX], 3), None);
        assert_eq!(from_words(&[RUN, 0, 0, u32::MAX, 2], 3), None);
        assert_eq!(from_words(&[RUN, 0, 0, 0, 0], 3), None);
        assert_eq!(from_words(&[RUN, 0], 1), None);
    }
}
