//! What a model keeps of a sequence, and how it is rewound, saved, restored and serialised.
//!
//! There are three kinds of layers. Most attention keeps *rows*, the keys and values of each token: such a sequence can
//! be cut at any token. Attention with a sliding *window* need not keep more than the last rows: some tokens can be
//! taken back, but not many. Recurrent layers keep a *state* of fixed size that every token overwrites. What these two
//! have lost, only a *checkpoint*, a copy of it, brings back. [`Sequences`] tracks all this, so that no other code
//! needs to know which kinds a model has.

mod element;
mod sequences;
mod snapshot;

use std::collections::HashMap;
use std::ops::Range;

use async_trait::async_trait;

pub(crate) use element::Element;
pub(crate) use sequences::Sequences;
pub(crate) use snapshot::Snapshot;

use crate::error::Result;

/// What a memory has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// Context length in tokens.
    pub context: u32,
    /// Number of sequences, each with a context of its own.
    pub sequences: u32,
}

/// Sizes of what a model keeps of a sequence, over all layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_field_names, reason = "units are part of their names")]
pub(crate) struct Layout {
    /// Bytes of a token's rows, in layers that keep those of all tokens.
    pub row_bytes: u64,
    /// Maximum size of a checkpoint in bytes; 0 if all layers keep the rows of all tokens.
    pub checkpoint_bytes: u64,
    /// Some layers have a state that every token overwrites.
    pub is_recurrent: bool,
    /// Maximum number of bytes of copies on the device.
    pub budget_bytes: u64,
}

impl Layout {
    /// Whether a sequence can be cut at any token.
    pub(crate) fn keeps_all(&self) -> bool {
        self.checkpoint_bytes == 0
    }
}

/// A part of what a model keeps of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The rows of the first n tokens, in layers that keep those of all tokens.
    Rows(usize),
    /// The state after n tokens.
    State(usize),
    /// What a sequence of n tokens continues from beside rows: the windows before the next token, and the state.
    Checkpoint(usize),
}

impl Part {
    /// No checkpoint is larger: it is that of a sequence longer than any window.
    pub(crate) const LARGEST_CHECKPOINT: Self = Self::Checkpoint(1 << 30);

    /// The positions whose rows are part of it, in a layer with or without a window.
    pub(crate) fn positions(self, window: Option<Window>) -> Range<usize> {
        match (self, window) {
            (Self::Rows(tokens), None) => 0..tokens,
            (Self::Checkpoint(tokens), Some(window)) => window.before(tokens),
            _ => 0..0,
        }
    }

    /// Whether the state is part of it.
    pub(crate) fn has_state(self) -> bool {
        matches!(self, Self::State(_) | Self::Checkpoint(_))
    }
}

/// The sliding window of a layer that does not keep the rows of all tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Number of earlier positions that a token attends to.
    reach: usize,
    /// Maximum number of positions whose rows the layer keeps.
    pub kept: usize,
}

impl Window {
    /// For a layer whose tokens attend to `len` positions including their own, and that keeps the rows of `kept`.
    pub(crate) fn new(len: u32, kept: u32) -> Self {
        Self { reach: len.saturating_sub(1) as usize, kept: kept as usize }
    }

    /// The earlier positions that the token at `position` attends to.
    pub(crate) fn before(self, position: usize) -> Range<usize> {
        position.saturating_sub(self.reach)..position
    }
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

/// The memory of a model's sequences, with room for copies on the same device. One of them is selected, at first number
/// 0; everything but sizes refers to that one.
#[async_trait(?Send)]
pub(crate) trait Memory {
    /// Number of sequences that there is room for.
    fn sequences(&self) -> usize;

    /// Selects a sequence.
    fn select(&mut self, sequence: usize);

    /// Maximum number of bytes of copies on the device.
    fn budget_bytes(&self) -> u64;

    /// Size of a part in bytes.
    fn bytes(&self, part: Part) -> u64;

    /// The sizes of a sequence's parts.
    fn layout(&self) -> Layout {
        Layout {
            row_bytes: self.bytes(Part::Rows(1)),
            checkpoint_bytes: self.bytes(Part::LARGEST_CHECKPOINT),
            is_recurrent: self.bytes(Part::State(0)) > 0,
            budget_bytes: self.budget_bytes(),
        }
    }

    /// Whether windows and state are those of the sequence's first `len` tokens, or can be cut to that. After an answer
    /// they may have seen more tokens than were returned to the caller.
    fn holds(&self, len: usize) -> bool;

    /// Copies a part within the device.
    ///
    /// # Errors
    /// [`EngineError::OutOfMemory`](crate::EngineError::OutOfMemory), or whatever the device reported.
    async fn copy(&mut self, part: Part) -> Result<CopyId>;

    /// Updates a copy with the current contents of its part, which must have the same size as before.
    fn update(&mut self, copy: CopyId, part: Part);

    /// Restores a copy, of whichever sequence; of rows, only as many as `part` says. The copy is kept.
    fn restore(&mut self, copy: CopyId, part: Part);

    /// Drops a copy.
    fn forget(&mut self, copy: CopyId);

    /// Resets windows and state to those of an empty sequence.
    fn clear_state(&mut self);

    /// Reads the bytes of a part, layer by layer, in the order of positions.
    ///
    /// # Errors
    /// Whatever the device reported.
    async fn read(&self, part: Part) -> Result<Vec<u8>>;

    /// Overwrites a part with bytes from [`Memory::read`].
    fn write(&mut self, part: Part, bytes: &[u8]);
}
