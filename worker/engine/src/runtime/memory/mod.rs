//! What a sequence leaves behind in a model, and how it is rewound, saved, restored and written out.
//!
//! Two kinds of it exist. Attention keeps *rows*, the keys and values of each token: a sequence is cut at any token. Recurrent
//! layers keep a *state* of fixed size that every token overwrites: a sequence goes back only to where a copy of the state, a
//! *checkpoint*, was made. [`Sequences`] keeps track of both, so that nothing above it has to know which kind a model has.

mod sequences;
mod snapshot;

use async_trait::async_trait;

pub(crate) use sequences::Sequences;
pub(crate) use snapshot::Snapshot;

use crate::error::Result;

/// Sizes of what a sequence leaves behind, over all layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Bytes of a token's rows.
    pub row_bytes: u64,
    /// Bytes of the state; none where all layers keep rows.
    pub state_bytes: u64,
    /// The most bytes of copies that the device should hold.
    pub budget_bytes: u64,
}

impl Layout {
    /// Whether a sequence can be cut at any token.
    pub(crate) fn is_stateless(&self) -> bool {
        self.state_bytes == 0
    }
}

/// A part of what a sequence left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Rows of so many tokens, from the first one on.
    Rows(usize),
    /// The state after so many tokens.
    State(usize),
}

/// Names a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CopyId(pub u32);

/// Where a model keeps what a sequence leaves behind, with room for copies on the same device.
#[async_trait(?Send)]
pub(crate) trait Memory {
    /// Sizes.
    fn layout(&self) -> Layout;

    /// Tokens that the state has seen; after an answer it may have seen more than were given out.
    fn state_len(&self) -> usize;

    /// Copies a part.
    ///
    /// # Errors
    /// [`EngineError::OutOfMemory`](crate::EngineError::OutOfMemory), or whatever the device reported.
    async fn copy(&mut self, part: Part) -> Result<CopyId>;

    /// Puts a copy in place, of rows as many as `part` says. The copy stays.
    fn restore(&mut self, copy: CopyId, part: Part);

    /// Forgets a copy.
    fn forget(&mut self, copy: CopyId);

    /// Makes the state that of a sequence without tokens.
    fn clear_state(&mut self);

    /// The bytes of a part, layer by layer.
    ///
    /// # Errors
    /// Whatever the device reported.
    async fn read(&self, part: Part) -> Result<Vec<u8>>;

    /// Puts the bytes of a part, as [`Memory::read`] gave them, in place.
    fn write(&mut self, part: Part, bytes: &[u8]);
}
