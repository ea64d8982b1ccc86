//! When drafts are next worth a try, after some that were not worth their time.

/// Length of a pause in tokens: the first, and the longest.
const LENS: [usize; 2] = [16, 256];

/// Tokens to wait before the next draft.
#[derive(Debug, Default)]
pub(super) struct Pause {
    left: usize,
    /// Length of the last one; 0 if drafts paid off since.
    len: usize,
}

impl Pause {
    /// Whether a draft may be made.
    pub(super) fn is_over(&self) -> bool {
        self.left == 0
    }

    /// Notes that this many tokens were generated.
    pub(super) fn pass(&mut self, tokens: usize) {
        self.left = self.left.saturating_sub(tokens);
    }

    /// Notes that drafts pay off.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }

    /// Begins a pause, longer than the one before.
    pub(super) fn begin(&mut self) {
        self.len = (2 * self.len).clamp(LENS[0], LENS[1]);
        self.left = self.len;
    }
}
