//! The sequence in a model's memory, its checkpoints, and other sequences whose KV caches are saved on the device.

use std::collections::VecDeque;

use super::{CopyId, Layout, Memory, Part};

/// Tokens that are worth a copy.
const MIN_TOKENS: usize = 32;
/// Most checkpoints of a sequence.
const MAX_CHECKPOINTS: usize = 8;

/// A copy of the state after some tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Checkpoint {
    len: usize,
    copy: CopyId,
}

/// A sequence of tokens, and where it can be taken up again.
#[derive(Debug, Default)]
struct Sequence {
    tokens: Vec<u32>,
    /// From the shortest to the longest; none where a sequence can be cut anywhere.
    checkpoints: Vec<Checkpoint>,
}

/// A sequence whose rows are saved.
struct Saved {
    sequence: Sequence,
    rows: CopyId,
}

/// The sequences of one model: the one in its memory, and those that were there before, as long as the device has room.
#[derive(Default)]
pub(crate) struct Sequences {
    current: Sequence,
    /// The one used last is at the end.
    saved: VecDeque<Saved>,
    /// The device had no memory for a copy.
    has_no_room: bool,
}

/// Tokens that two sequences have in common at their beginnings.
fn shared_len(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

impl Sequence {
    /// The longest checkpoint of at most `len` tokens.
    fn checkpoint(&self, len: usize) -> Option<Checkpoint> {
        self.checkpoints.iter().rfind(|checkpoint| checkpoint.len <= len).copied()
    }

    /// How many of the first `len` tokens can be kept. `state_len` says how many tokens the state has seen, if it is in place.
    fn reusable_len(&self, len: usize, is_stateless: bool, state_len: Option<usize>) -> usize {
        if is_stateless || state_len == Some(len) && self.tokens.len() == len {
            return len;
        }
        self.checkpoint(len).map_or(0, |checkpoint| checkpoint.len)
    }
}

impl Sequences {
    /// The tokens in the model's memory.
    pub(crate) fn tokens(&self) -> &[u32] {
        &self.current.tokens
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.current.tokens.len()
    }

    /// Notes a token that the model has computed.
    pub(crate) fn push(&mut self, token: u32) {
        self.current.tokens.push(token);
    }

    /// The same for several.
    pub(crate) fn extend(&mut self, tokens: &[u32]) {
        self.current.tokens.extend_from_slice(tokens);
    }

    /// How many of `prompt`'s first tokens need not be computed, because a sequence begins with them.
    pub(crate) fn reusable_len(&self, memory: &dyn Memory, prompt: &[u32]) -> usize {
        let here = self.reusable_here(memory, prompt);
        self.nearest(memory, prompt).map_or(here, |(_, there)| there.max(here))
    }

    fn reusable_here(&self, memory: &dyn Memory, prompt: &[u32]) -> usize {
        let len = shared_len(&self.current.tokens, prompt);
        self.current.reusable_len(len, memory.layout().is_stateless(), Some(memory.state_len()))
    }

    /// The saved sequence of which the most tokens can be used for `prompt`, and how many these are.
    fn nearest(&self, memory: &dyn Memory, prompt: &[u32]) -> Option<(usize, usize)> {
        let is_stateless = memory.layout().is_stateless();
        let reusable = |saved: &Saved| {
            let len = shared_len(&saved.sequence.tokens, prompt);
            saved.sequence.reusable_len(len, is_stateless, None)
        };
        self.saved.iter().map(reusable).enumerate().max_by_key(|(_, len)| *len)
    }

    /// Makes the memory hold as many of `prompt`'s first tokens as any sequence has, and no others. `most_tokens` is the context length: saved
    /// sequences take no more than the cache itself.
    pub(crate) async fn switch_to(&mut self, memory: &mut dyn Memory, prompt: &[u32], most_tokens: usize) {
        let shared = shared_len(&self.current.tokens, prompt);
        let here = self.reusable_here(memory, prompt);
        let best = self.nearest(memory, prompt).filter(|(_, there)| *there >= here + MIN_TOKENS);
        // Taken out first, so that making room for the other does not lose it.
        let next = best.and_then(|(index, there)| Some((self.saved.remove(index)?, there)));
        if self.len() >= shared + MIN_TOKENS {
            self.save(memory, here, most_tokens).await;
        }
        let Some((Saved { sequence, rows }, len)) = next else {
            self.rewind(memory, here);
            return;
        };
        forget(memory, std::mem::replace(&mut self.current, sequence));
        memory.restore(rows, Part::Rows(len));
        memory.forget(rows);
        // The state that is in place is another sequence's.
        self.restore_state(memory, len);
        self.truncate(memory, len);
    }

    /// Goes back to the first `len` tokens, or to the nearest checkpoint before; [`Sequences::len`] tells.
    pub(crate) fn rewind(&mut self, memory: &mut dyn Memory, len: usize) {
        let is_stateless = memory.layout().is_stateless();
        let len = self.current.reusable_len(len.min(self.len()), is_stateless, Some(memory.state_len()));
        if !is_stateless && memory.state_len() != len {
            self.restore_state(memory, len);
        }
        self.truncate(memory, len);
    }

    /// Forgets tokens and checkpoints after the first `len` tokens.
    fn truncate(&mut self, memory: &mut dyn Memory, len: usize) {
        self.current.tokens.truncate(len);
        while let Some(checkpoint) = self.current.checkpoints.pop_if(|checkpoint| checkpoint.len > len) {
            memory.forget(checkpoint.copy);
        }
    }

    /// Puts the state after `len` tokens in place, of which there is a checkpoint, or of none.
    fn restore_state(&self, memory: &mut dyn Memory, len: usize) {
        if memory.layout().is_stateless() {
            return;
        }
        match self.current.checkpoint(len).filter(|checkpoint| checkpoint.len == len) {
            Some(checkpoint) => memory.restore(checkpoint.copy, Part::State(len)),
            None => memory.clear_state(),
        }
    }

    /// Makes a checkpoint here, where a sequence cannot be cut anyway. Where the device has no room there is none: what follows is computed
    /// again then.
    pub(crate) async fn checkpoint(&mut self, memory: &mut dyn Memory) {
        let (layout, len) = (memory.layout(), self.len());
        let is_known = self.current.checkpoints.last().is_some_and(|last| last.len == len);
        if layout.is_stateless() || self.has_no_room || is_known || memory.state_len() != len || len < MIN_TOKENS {
            return;
        }
        let most = ((layout.budget_bytes / layout.state_bytes) as usize).clamp(1, MAX_CHECKPOINTS);
        if self.current.checkpoints.len() >= most {
            let oldest = self.current.checkpoints.remove(0);
            memory.forget(oldest.copy);
        }
        match memory.copy(Part::State(len)).await {
            Ok(copy) => self.current.checkpoints.push(Checkpoint { len, copy }),
            Err(_) => self.has_no_room = true,
        }
    }

    /// Saves a copy of the current sequence, if there is room. Of its checkpoints it keeps those of at most `kept_len` tokens; the others go
    /// with the copy.
    async fn save(&mut self, memory: &mut dyn Memory, kept_len: usize, most_tokens: usize) {
        self.checkpoint(memory).await;
        let layout = memory.layout();
        let len = match self.current.checkpoints.last() {
            _ if layout.is_stateless() => self.len(),
            Some(last) => last.len,
            None => 0,
        };
        let tokens = self.current.tokens[..len].to_vec();
        self.drop_beginnings(memory, &tokens);
        let copied = self.current.checkpoints.iter().filter(|checkpoint| checkpoint.len > kept_len).count();
        let needed = size_bytes(layout, len, copied);
        let budget_bytes = layout.budget_bytes.min(size_bytes(layout, most_tokens, MAX_CHECKPOINTS));
        if len < MIN_TOKENS.max(kept_len + 1) || needed > budget_bytes || self.has_no_room {
            return;
        }
        while self.saved_bytes(layout) + needed > budget_bytes {
            self.drop_saved(memory, 0);
        }
        if let Ok(rows) = memory.copy(Part::Rows(len)).await {
            let kept = self.current.checkpoints.len() - copied;
            let checkpoints = self.current.checkpoints.split_off(kept);
            self.saved.push_back(Saved { sequence: Sequence { tokens, checkpoints }, rows });
        } else {
            // This device has no memory to spare: better to keep nothing than to try each time.
            while !self.saved.is_empty() {
                self.drop_saved(memory, 0);
            }
            self.has_no_room = true;
        }
    }

    /// Drops saved sequences that `tokens` begin with: they have nothing more.
    fn drop_beginnings(&mut self, memory: &mut dyn Memory, tokens: &[u32]) {
        for index in (0..self.saved.len()).rev() {
            if tokens.starts_with(&self.saved[index].sequence.tokens) {
                self.drop_saved(memory, index);
            }
        }
    }

    fn saved_bytes(&self, layout: Layout) -> u64 {
        let bytes =
            |Saved { sequence, .. }: &Saved| size_bytes(layout, sequence.tokens.len(), sequence.checkpoints.len());
        self.saved.iter().map(bytes).sum()
    }

    fn drop_saved(&mut self, memory: &mut dyn Memory, index: usize) {
        if let Some(Saved { sequence, rows }) = self.saved.remove(index) {
            memory.forget(rows);
            forget(memory, sequence);
        }
    }

    /// Forgets all sequences.
    pub(crate) fn clear(&mut self, memory: &mut dyn Memory) {
        while !self.saved.is_empty() {
            self.drop_saved(memory, 0);
        }
        forget(memory, std::mem::take(&mut self.current));
        memory.clear_state();
    }
}

/// Bytes of rows and checkpoints.
fn size_bytes(layout: Layout, tokens: usize, checkpoints: usize) -> u64 {
    tokens as u64 * layout.row_bytes + checkpoints as u64 * layout.state_bytes
}

/// Forgets a sequence's checkpoints.
fn forget(memory: &mut dyn Memory, sequence: Sequence) {
    sequence.checkpoints.into_iter().for_each(|checkpoint| memory.forget(checkpoint.copy));
}
