//! Prompts: tokens, and embeddings that another model computed, such as those of an image.

use crate::error::{EngineError, Result};
use crate::models::Position;
use crate::runtime::backend::Batch;
use crate::runtime::memory::Element;

/// Embeddings in the place of tokens, see [`Span`].
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingSpan {
    /// Identifies the contents, so that the KV cache is reused only for equal ones; a digest, for example.
    pub id: u64,
    /// The embeddings, scaled as the model expects them: `[rows][embedding_len]`.
    pub rows: Vec<f32>,
    /// What is added to the results of the model's first layers, if it expects that
    /// ([`ModelConfig::deepstack_layers`](crate::models::ModelConfig::deepstack_layers)):
    /// `[rows][layers][embedding_len]`, or empty.
    pub deepstack: Vec<f32>,
    /// The position of each row, relative to the start of the span: `[rows]`. If empty, rows count like tokens.
    pub positions: Vec<Position>,
    /// Number of positions that the span takes up: what follows it continues there.
    pub position_len: u32,
    /// All rows attend to each other, not only to earlier ones.
    pub two_way: bool,
}

/// A part of a prompt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Span<'a> {
    /// Tokens, by ID.
    Tokens(&'a [u32]),
    /// Embeddings.
    Embeddings(&'a EmbeddingSpan),
}

impl Span<'_> {
    /// Number of elements of a sequence, where embeddings are `width` wide.
    fn len(&self, width: usize) -> usize {
        match self {
            Self::Tokens(ids) => ids.len(),
            Self::Embeddings(embeddings) => embeddings.rows.len() / width,
        }
    }
}

/// A part of what stands for a picture or a sound in a prompt.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Control tokens.
    Tokens(Vec<u32>),
    /// Embeddings of the picture, or of a square of it, or of a window of the sound.
    Embeddings(EmbeddingSpan),
}

impl Part {
    /// The part as a span of a prompt.
    pub fn span(&self) -> Span<'_> {
        match self {
            Self::Tokens(ids) => Span::Tokens(ids),
            Self::Embeddings(span) => Span::Embeddings(span),
        }
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Tokens(ids) if ids.is_empty())
    }

    /// The identity of the embeddings of one of several parts: equal parts of different places are different.
    pub(super) fn id(whole: u64, index: usize) -> u64 {
        whole.wrapping_add((index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }
}

/// A prompt. It ends with a token.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt<'a>(pub Vec<Span<'a>>);

impl<'a> From<&'a [u32]> for Prompt<'a> {
    fn from(ids: &'a [u32]) -> Self {
        Self(vec![Span::Tokens(ids)])
    }
}

impl<'a> From<&'a Vec<u32>> for Prompt<'a> {
    fn from(ids: &'a Vec<u32>) -> Self {
        ids.as_slice().into()
    }
}

impl<'a, const N: usize> From<&'a [u32; N]> for Prompt<'a> {
    fn from(ids: &'a [u32; N]) -> Self {
        ids.as_slice().into()
    }
}

impl<'a> From<&Prompt<'a>> for Prompt<'a> {
    fn from(prompt: &Prompt<'a>) -> Self {
        prompt.clone()
    }
}

impl<'a> Prompt<'a> {
    /// Checks spans of embeddings that are `width` wide, with `deepstack` numbers per row for the model's first layers;
    /// `max_batch_len` positions can be computed at once.
    ///
    /// # Errors
    /// [`EngineError::Prompt`].
    pub(super) fn check(&self, width: usize, deepstack: usize, max_batch_len: usize) -> Result<()> {
        let bad = |why: String| Err(EngineError::Prompt(why));
        if !matches!(self.0.last(), Some(Span::Tokens([_, ..]))) {
            return bad("it does not end with a token".to_owned());
        }
        for span in &self.0 {
            let Span::Embeddings(span) = span else { continue };
            let EmbeddingSpan { rows, positions, two_way, .. } = span;
            let count = rows.len() / width;
            if rows.is_empty() || count * width != rows.len() {
                return bad(format!("{} numbers are no rows of {width}", rows.len()));
            }
            if !positions.is_empty() && positions.len() != count {
                return bad(format!("{count} embeddings have {} positions", positions.len()));
            }
            if !span.deepstack.is_empty() && span.deepstack.len() != count * deepstack {
                return bad(format!(
                    "{} numbers are not for {count} embeddings and the first layers",
                    span.deepstack.len()
                ));
            }
            if rows.iter().chain(&span.deepstack).any(|value| !value.is_finite()) {
                return bad("an embedding is not finite".to_owned());
            }
            if *two_way && count > max_batch_len {
                return bad(format!("{count} embeddings attend to each other, but only {max_batch_len} fit at once"));
            }
        }
        Ok(())
    }

    /// The elements of the sequence.
    pub(super) fn elements(&self, width: usize) -> Vec<Element> {
        let mut elements = Vec::with_capacity(self.0.iter().map(|span| span.len(width)).sum());
        for span in &self.0 {
            match span {
                Span::Tokens(ids) => elements.extend(ids.iter().map(|id| Element::Token(*id))),
                Span::Embeddings(embeddings) => {
                    let rows = 0..(embeddings.rows.len() / width) as u32;
                    elements.extend(rows.map(|row| Element::Embedding { span: embeddings.id, row }));
                }
            }
        }
        elements
    }

    /// The tokens, without embeddings.
    pub(super) fn tokens(&self) -> Vec<u32> {
        let ids = self.0.iter().filter_map(|span| match span {
            Span::Tokens(ids) => Some(*ids),
            Span::Embeddings(_) => None,
        });
        ids.flatten().copied().collect()
    }

    /// The positions of all elements and the one after them; `None` if they equal the elements' indices.
    pub(super) fn positions(&self, width: usize) -> Option<(Vec<Position>, u32)> {
        if !self.0.iter().any(|span| matches!(span, Span::Embeddings(_))) {
            return None;
        }
        let (mut positions, mut next) = (Vec::new(), 0u32);
        for span in &self.0 {
            let count = span.len(width) as u32;
            let in_turn = (next..next.saturating_add(count)).map(|position| [position; 3]);
            match span {
                Span::Embeddings(embeddings) if !embeddings.positions.is_empty() => {
                    let own = embeddings.positions.iter().map(|own| own.map(|own| next.saturating_add(own)));
                    positions.extend(own);
                    next = next.saturating_add(embeddings.position_len);
                }
                Span::Tokens(_) | Span::Embeddings(_) => {
                    positions.extend(in_turn);
                    next = next.saturating_add(count);
                }
            }
        }
        Some((positions, next))
    }

    /// The batch that starts at element `index`, and its length: at most `len` elements, unless they attend to each
    /// other and cannot be computed apart. `None` at the last element.
    pub(super) fn batch(&self, index: usize, len: usize, width: usize) -> Option<(Batch<'a>, usize)> {
        let (mut start, last) = (index, self.0.len() - 1);
        for (number, span) in self.0.iter().enumerate() {
            let span_len = span.len(width) - usize::from(number == last);
            if start >= span_len {
                start -= span_len;
                continue;
            }
            let end = span_len.min(start + len);
            return Some(match span {
                Span::Tokens(ids) => (Batch::Tokens(&ids[start..end]), end - start),
                Span::Embeddings(EmbeddingSpan { rows, deepstack, two_way, .. }) => {
                    let end = if *two_way { span_len } else { end };
                    let of = |values: &'a [f32]| {
                        let len = values.len() / span_len;
                        &values[start * len..end * len]
                    };
                    let batch = Batch::Embeddings { rows: of(rows), deepstack: of(deepstack), two_way: *two_way };
                    (batch, end - start)
                }
            });
        }
        None
    }
}
