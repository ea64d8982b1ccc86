//! The sequences in a model's memory, their checkpoints, and other sequences whose KV caches are saved on the device.

use std::cmp::Reverse;
use std::collections::VecDeque;

use super::element::shared_len;
use super::{CopyId, Element, Layout, Memory, Part};

/// Minimum number of tokens for which a copy pays off.
const MIN_TOKENS: usize = 32;
/// Maximum number of checkpoints per sequence.
const MAX_CHECKPOINTS: usize = 8;

/// A copy of [`Part::Checkpoint`] after the first `len` tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Checkpoint {
    len: usize,
    copy: CopyId,
}

/// A sequence and the points it can be rewound to.
#[derive(Debug, Default)]
struct Sequence {
    elements: Vec<Element>,
    /// Shortest first; empty if the model keeps all rows.
    checkpoints: Vec<Checkpoint>,
}

/// A sequence with a copy of its rows.
struct Saved {
    sequence: Sequence,
    rows: CopyId,
}

/// The sequences of one model: those in its memory, of which one is selected, and earlier ones that are saved while the
/// device has room.
pub(crate) struct Sequences {
    /// Those in memory.
    live: Vec<Sequence>,
    /// Index of the one that everything refers to.
    selected: usize,
    /// Least recently used first.
    saved: VecDeque<Saved>,
    /// The sequence that [`Sequences::switch_to`] is about to put in the place of the current one.
    incoming: Option<Saved>,
    /// A copy of the state before draft tokens; its memory is reused for each draft.
    held: Option<CopyId>,
    /// A copy failed for lack of device memory.
    has_no_room: bool,
}

impl Sequence {
    /// Length of the last checkpoint at or before `len` tokens; 0 without one.
    fn checkpoint_before(&self, len: usize) -> usize {
        self.checkpoints.iter().rfind(|checkpoint| checkpoint.len <= len).map_or(0, |checkpoint| checkpoint.len)
    }
}

impl Sequences {
    /// Empty sequences, as many as there is memory for.
    pub(crate) fn new(memory: &dyn Memory) -> Self {
        Self {
            live: (0..memory.sequences()).map(|_| Sequence::default()).collect(),
            selected: 0,
            saved: VecDeque::new(),
            incoming: None,
            held: None,
            has_no_room: false,
        }
    }

    /// Number of sequences that there is memory for.
    pub(crate) fn count(&self) -> usize {
        self.live.len()
    }

    /// Index of the selected sequence.
    pub(crate) fn selected(&self) -> usize {
        self.selected
    }

    /// Selects a sequence.
    pub(crate) fn select(&mut self, memory: &mut dyn Memory, sequence: usize) {
        self.selected = sequence;
        memory.select(sequence);
    }

    fn current(&self) -> &Sequence {
        &self.live[self.selected]
    }

    fn current_mut(&mut self) -> &mut Sequence {
        &mut self.live[self.selected]
    }

    /// The elements of the current sequence.
    pub(crate) fn elements(&self) -> &[Element] {
        &self.current().elements
    }

    /// Number of elements of the current sequence.
    pub(crate) fn len(&self) -> usize {
        self.len_of(self.selected)
    }

    /// Number of elements of a sequence.
    pub(crate) fn len_of(&self, sequence: usize) -> usize {
        self.live[sequence].elements.len()
    }

    /// Records a token that the model has computed.
    pub(crate) fn push(&mut self, token: u32) {
        self.current_mut().elements.push(Element::Token(token));
    }

    /// Records several tokens that the model has computed.
    pub(crate) fn extend_tokens(&mut self, tokens: &[u32]) {
        self.current_mut().elements.extend(tokens.iter().map(|token| Element::Token(*token)));
    }

    /// Records several elements that the model has computed.
    pub(crate) fn extend(&mut self, elements: &[Element]) {
        self.current_mut().elements.extend_from_slice(elements);
    }

    /// How many leading elements of `prompt` need not be computed, because the current sequence, another one or a saved
    /// one begins with them.
    pub(crate) fn reusable_len(&self, memory: &dyn Memory, prompt: &[Element]) -> usize {
        let others = [self.nearest(memory, prompt), self.nearest_beside(memory, prompt)];
        let there = others.into_iter().flatten().map(|(_, len)| len).max();
        self.reusable_here(memory, prompt).max(there.unwrap_or(0))
    }

    /// Which of these sequences should take `prompt`: the one that shares most with it, and else the one with least to lose.
    pub(crate) fn best_for(&self, prompt: &[Element], among: &[usize]) -> Option<usize> {
        let rank = |index: &usize| {
            let elements = &self.live[*index].elements;
            (shared_len(elements, prompt), Reverse(elements.len()))
        };
        among.iter().copied().max_by_key(rank)
    }

    fn reusable_here(&self, memory: &dyn Memory, prompt: &[Element]) -> usize {
        self.kept_len(memory, shared_len(self.elements(), prompt))
    }

    /// How many of the current sequence's first `len` tokens can be kept.
    fn kept_len(&self, memory: &dyn Memory, len: usize) -> usize {
        if memory.holds(len) { len } else { self.current().checkpoint_before(len) }
    }

    /// Index of the saved sequence with the longest reusable prefix of `prompt`, and the length of that prefix.
    fn nearest(&self, memory: &dyn Memory, prompt: &[Element]) -> Option<(usize, usize)> {
        let keeps_all = memory.layout().keeps_all();
        let reusable = |saved: &Saved| {
            let len = shared_len(&saved.sequence.elements, prompt);
            if keeps_all { len } else { saved.sequence.checkpoint_before(len) }
        };
        self.saved.iter().map(reusable).enumerate().max_by_key(|(_, len)| *len)
    }

    /// Index of the other sequence in memory with the longest prefix of `prompt` that can be copied, and the length of that
    /// prefix. With windows and states, that is up to a checkpoint.
    fn nearest_beside(&self, memory: &dyn Memory, prompt: &[Element]) -> Option<(usize, usize)> {
        let layout = memory.layout();
        let reusable = |own: &Sequence| {
            let len = shared_len(&own.elements, prompt);
            if layout.keeps_all() { len } else { own.checkpoint_before(len) }
        };
        let others = self.live.iter().map(reusable).enumerate().filter(|(index, _)| *index != self.selected);
        let is_small = |(_, len): &(usize, usize)| memory.bytes(Part::Rows(*len)) <= layout.budget_bytes;
        others.filter(is_small).max_by_key(|(_, len)| *len)
    }

    /// Makes the selected sequence the first `len` elements of another one in memory. Returns whether there was room for
    /// that.
    async fn copy_from(&mut self, memory: &mut dyn Memory, other: usize, len: usize) -> bool {
        memory.select(other);
        let rows = memory.copy(Part::Rows(len)).await;
        memory.select(self.selected);
        let Ok(rows) = rows else { return false };
        memory.restore(rows, Part::Rows(len));
        memory.forget(rows);
        let source = &self.live[other];
        let elements = source.elements[..len].to_vec();
        if !memory.layout().keeps_all() {
            match source.checkpoints.iter().find(|checkpoint| checkpoint.len == len) {
                Some(checkpoint) => memory.restore(checkpoint.copy, Part::Checkpoint(len)),
                None => memory.clear_state(),
            }
        }
        forget(memory, std::mem::replace(self.current_mut(), Sequence { elements, checkpoints: Vec::new() }));
        true
    }

    /// Makes the memory hold the longest known prefix of `prompt`, and nothing else. `most_tokens` is the context
    /// length: saved sequences take no more memory than a full context.
    pub(crate) async fn switch_to(&mut self, memory: &mut dyn Memory, prompt: &[Element], most_tokens: usize) {
        // Left over from an interrupted call.
        self.saved.extend(self.incoming.take());
        memory.select(self.selected);
        let shared = shared_len(self.elements(), prompt);
        let here = self.reusable_here(memory, prompt);
        let best = self.nearest(memory, prompt).filter(|(_, there)| *there >= here + MIN_TOKENS);
        // Taken out first, so that saving the current sequence cannot evict it.
        let len = best.map(|(index, there)| {
            self.incoming = self.saved.remove(index);
            there
        });
        if self.len() >= shared + MIN_TOKENS {
            self.save(memory, here, most_tokens).await;
        }
        let Some((Saved { sequence, rows }, len)) = self.incoming.take().zip(len) else {
            let beside = self.nearest_beside(memory, prompt).filter(|(_, there)| *there >= here + MIN_TOKENS);
            let is_copied = match beside {
                Some((other, there)) => self.copy_from(memory, other, there).await,
                None => false,
            };
            if !is_copied {
                self.rewind(memory, here);
            }
            return;
        };
        forget(memory, std::mem::replace(self.current_mut(), sequence));
        memory.restore(rows, Part::Rows(len));
        memory.forget(rows);
        // Windows and state are those of the previous sequence.
        self.restore_checkpoint(memory, len);
        self.truncate(memory, len);
    }

    /// Rewinds to the first `len` tokens, or to the nearest checkpoint before; see [`Sequences::len`].
    pub(crate) fn rewind(&mut self, memory: &mut dyn Memory, len: usize) {
        let len = self.kept_len(memory, len.min(self.len()));
        if !memory.holds(len) {
            self.restore_checkpoint(memory, len);
        }
        self.truncate(memory, len);
    }

    /// Drops everything after the first `len` tokens.
    fn truncate(&mut self, memory: &mut dyn Memory, len: usize) {
        let current = self.current_mut();
        current.elements.truncate(len);
        while let Some(checkpoint) = current.checkpoints.pop_if(|checkpoint| checkpoint.len > len) {
            memory.forget(checkpoint.copy);
        }
    }

    /// Restores the checkpoint at exactly `len` tokens; without one, clears windows and state.
    fn restore_checkpoint(&self, memory: &mut dyn Memory, len: usize) {
        if memory.layout().keeps_all() {
            return;
        }
        match self.current().checkpoints.iter().find(|checkpoint| checkpoint.len == len) {
            Some(checkpoint) => memory.restore(checkpoint.copy, Part::Checkpoint(len)),
            None => memory.clear_state(),
        }
    }

    /// Makes a checkpoint at the current length if the model does not keep all rows. If the device has no room there is
    /// none, and rewinding replays more tokens.
    ///
    /// If there are too many, the oldest is dropped, but not the one at `kept_len` tokens.
    pub(crate) async fn checkpoint(&mut self, memory: &mut dyn Memory, kept_len: usize) {
        let (layout, len) = (memory.layout(), self.len());
        let is_known = self.current().checkpoints.last().is_some_and(|last| last.len == len);
        let is_useful = len >= MIN_TOKENS && !is_known && !layout.keeps_all();
        let is_possible = memory.holds(len) && memory.bytes(Part::Checkpoint(len)) <= layout.budget_bytes;
        if !is_useful || !is_possible || self.has_no_room {
            return;
        }
        let fitting = (layout.budget_bytes / layout.checkpoint_bytes) as usize / self.live.len();
        let most = fitting.clamp(1, MAX_CHECKPOINTS);
        let checkpoints = &mut self.current_mut().checkpoints;
        if checkpoints.len() >= most {
            let Some(oldest) = checkpoints.iter().position(|own| own.len != kept_len) else { return };
            memory.forget(checkpoints.remove(oldest).copy);
        }
        let mut copy = memory.copy(Part::Checkpoint(len)).await;
        if copy.is_err() && !self.saved.is_empty() {
            // Rewinding this sequence matters more than returning to another one.
            self.drop_all_saved(memory);
            copy = memory.copy(Part::Checkpoint(len)).await;
        }
        match copy {
            Ok(copy) => self.current_mut().checkpoints.push(Checkpoint { len, copy }),
            Err(_) => self.has_no_room = true,
        }
    }

    /// Saves the state before draft tokens are verified, if the model has one; from windows they can be taken back.
    /// Returns whether drafts can be undone.
    pub(crate) async fn hold_state(&mut self, memory: &mut dyn Memory) -> bool {
        let part = Part::State(self.len());
        if !memory.layout().is_recurrent {
            return true;
        }
        match self.held {
            Some(copy) => memory.update(copy, part),
            None => self.held = memory.copy(part).await.ok(),
        }
        self.held.is_some()
    }

    /// Restores the state that [`Sequences::hold_state`] saved.
    pub(crate) fn restore_held_state(&self, memory: &mut dyn Memory) {
        if let Some(copy) = self.held {
            memory.restore(copy, Part::State(self.len()));
        }
    }

    /// Saves a copy of the current sequence if there is room. Checkpoints of at most `kept_len` tokens stay with the
    /// current sequence, the others go with the copy.
    async fn save(&mut self, memory: &mut dyn Memory, kept_len: usize, most_tokens: usize) {
        self.checkpoint(memory, kept_len).await;
        let layout = memory.layout();
        let current = self.current();
        let len = match current.checkpoints.last() {
            _ if layout.keeps_all() => current.elements.len(),
            Some(last) => last.len,
            None => 0,
        };
        let elements = current.elements[..len].to_vec();
        let copied = current.checkpoints.iter().filter(|checkpoint| checkpoint.len > kept_len).count();
        let kept = current.checkpoints.len() - copied;
        self.drop_beginnings(memory, &elements);
        let most_checkpoints = MAX_CHECKPOINTS * self.live.len();
        let budget_bytes = layout.budget_bytes.min(size_bytes(layout, most_tokens, most_checkpoints));
        // The checkpoints that stay also take memory, in all sequences.
        let live: usize = self.live.iter().map(|sequence| sequence.checkpoints.len()).sum();
        let needed = size_bytes(layout, len, live);
        if len < MIN_TOKENS.max(kept_len + 1) || needed > budget_bytes || self.has_no_room {
            return;
        }
        while self.saved_bytes(layout) + needed > budget_bytes {
            self.drop_saved(memory, 0);
        }
        if let Ok(rows) = memory.copy(Part::Rows(len)).await {
            let checkpoints = self.current_mut().checkpoints.split_off(kept);
            self.saved.push_back(Saved { sequence: Sequence { elements, checkpoints }, rows });
        } else {
            // The device has no memory to spare: give up, instead of failing each time.
            self.drop_all_saved(memory);
            self.has_no_room = true;
        }
    }

    fn drop_all_saved(&mut self, memory: &mut dyn Memory) {
        while !self.saved.is_empty() {
            self.drop_saved(memory, 0);
        }
    }

    /// Drops saved sequences that are prefixes of `elements`.
    fn drop_beginnings(&mut self, memory: &mut dyn Memory, elements: &[Element]) {
        for index in (0..self.saved.len()).rev() {
            if elements.starts_with(&self.saved[index].sequence.elements) {
                self.drop_saved(memory, index);
            }
        }
    }

    fn saved_bytes(&self, layout: Layout) -> u64 {
        let bytes =
            |Saved { sequence, .. }: &Saved| size_bytes(layout, sequence.elements.len(), sequence.checkpoints.len());
        self.saved.iter().map(bytes).sum()
    }

    fn drop_saved(&mut self, memory: &mut dyn Memory, index: usize) {
        if let Some(Saved { sequence, rows }) = self.saved.remove(index) {
            memory.forget(rows);
            forget(memory, sequence);
        }
    }

    /// Drops all sequences, and selects the first.
    pub(crate) fn clear(&mut self, memory: &mut dyn Memory) {
        self.saved.extend(self.incoming.take());
        self.drop_all_saved(memory);
        if let Some(copy) = self.held.take() {
            memory.forget(copy);
        }
        self.has_no_room = false;
        for sequence in (0..self.live.len()).rev() {
            self.select(memory, sequence);
            forget(memory, std::mem::take(self.current_mut()));
            memory.clear_state();
        }
    }
}

/// Size of rows and checkpoints in bytes.
fn size_bytes(layout: Layout, tokens: usize, checkpoints: usize) -> u64 {
    tokens as u64 * layout.row_bytes + checkpoints as u64 * layout.checkpoint_bytes
}

/// Drops a sequence's checkpoints.
fn forget(memory: &mut dyn Memory, sequence: Sequence) {
    sequence.checkpoints.into_iter().for_each(|checkpoint| memory.forget(checkpoint.copy));
}
