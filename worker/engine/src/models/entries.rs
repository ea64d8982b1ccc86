//! Entries of a family in the metadata.

use crate::error::Result;
use crate::gguf::Gguf;

/// What readers know of a family.
pub(super) trait Named {
    /// The value of `general.architecture`, with which the keys of its entries begin.
    fn name(&self) -> &'static str;
}

/// Reads a family's entries.
pub(super) struct Reader<'a, F> {
    pub(super) gguf: &'a Gguf,
    pub(super) family: &'a F,
}

impl<F: Named> Reader<'_, F> {
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.family.name())
    }

    pub(super) fn u32(&self, name: &str) -> Option<u32> {
        self.gguf.metadata.u32(&self.key(name))
    }

    pub(super) fn require_u32(&self, name: &str) -> Result<u32> {
        self.gguf.metadata.require_u32(&self.key(name))
    }

    pub(super) fn f32(&self, name: &str) -> Option<f32> {
        self.gguf.metadata.f32(&self.key(name))
    }
}
