//! What a model keeps of a sequence, and how it is rewound, saved, restored and serialised.
//!
//! There are two kinds. Attention keeps *rows*, the keys and values of each token: such a sequence can be cut at any
//! token. Recurrent layers keep a *state* of fixed size that every token overwrites: such a sequence can only return to
//! a *checkpoint*, a copy of the state. [`Sequences`] tracks both, so that no other code needs to know which kind a
//! model has.

mod element;
mod sequences;
mod snapshot;

use std::collections::HashMap;

use async_trait::async_trait;

pub(crate) use element::Element;
pub(crate) use sequences::Sequences;
pub(crate) use snapshot::Snapshot;

use crate::error::Result;

/// Sizes of what a model keeps of a sequence, over all layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_field_names, reason = "units are part of their names")]
pub(crate) struct Layout {
    /// Bytes of a token's rows.
    pub row_bytes: u64,
    /// Bytes of the state; 0 if all layers keep rows.
    pub state_bytes: u64,
    /// Maximum number of bytes of copies on the device.
    pub budget_bytes: u64,
}

impl Layout {
    /// Whether a sequence can be cut at any token.
    pub(crate) fn is_stateless(&self) -> bool {
        self.state_bytes == 0
    }
}

/// A part of what a model keeps of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The rows of the first n tokens.
    Rows(usize),
    /// The state after n tokens.
    State(usize),
}

/// Identifies a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CopyId(pub u32);

/// Copies by their ids.
pub(crate) struct Copies<T> {
    next: u32,
    copies: HashMap<CopyId, T>,
}

impl<T> Default for Copies<T> {
    fn default() -> Self {
        Self { next: 0, copies: HashMap::new() }
    }
}

impl<T> Copies<T> {
    /// Adds a copy under a new id.
    pub(crate) fn add(&mut self, copy: T) -> CopyId {
        let id = CopyId(self.next);
        self.next = self.next.wrapping_add(1);
        self.copies.insert(id, copy);
        id
    }

    /// A copy, unless it was forgotten, which nobody asks for.
    pub(crate) fn get(&self, id: CopyId) -> Option<&T> {
        let copy = self.copies.get(&id);
        debug_assert!(copy.is_some(), "the copy was forgotten");
        copy
    }

    /// The same, to change it.
    pub(crate) fn get_mut(&mut self, id: CopyId) -> Option<&mut T> {
        let copy = self.copies.get_mut(&id);
        debug_assert!(copy.is_some(), "the copy was forgotten");
        copy
    }

    /// Forgets a copy.
    pub(crate) fn remove(&mut self, id: CopyId) {
        self.copies.remove(&id);
    }
}

/// The memory of a model's current sequence, with room for copies on the same device.
#[async_trait(?Send)]
pub(crate) trait Memory {
    /// The sizes of its parts.
    fn layout(&self) -> Layout;

    /// Number of tokens that the state has seen. After an answer this may be more than were returned to the caller.
    fn state_len(&self) -> usize;

    /// Copies a part within the device.
    ///
    /// # Errors
    /// [`EngineError::OutOfMemory`](crate::EngineError::OutOfMemory), or whatever the device reported.
    async fn copy(&mut self, part: Part) -> Result<CopyId>;

    /// Updates a copy with the current contents of its part.
    fn update(&mut self, copy: CopyId, part: Part);

    /// Restores a copy; of rows, only as many as `part` says. The copy is kept.
    fn restore(&mut self, copy: CopyId, part: Part);

    /// Drops a copy.
    fn forget(&mut self, copy: CopyId);

    /// Resets the state to that of an empty sequence.
    fn clear_state(&mut self);

    /// Reads the bytes of a part, layer by layer.
    ///
    /// # Errors
    /// Whatever the device reported.
    async fn read(&self, part: Part) -> Result<Vec<u8>>;

    /// Overwrites a part with bytes from [`Memory::read`].
    fn write(&mut self, part: Part, bytes: &[u8]);
}
