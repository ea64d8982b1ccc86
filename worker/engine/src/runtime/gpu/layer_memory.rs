//! What the layers keep of sequences: buffers, and copies of parts of them.

use std::ops::Range;

use crate::kernels::{CacheLayout, TokensOf};
use crate::models::{LayerConfig, ModelConfig};
use crate::runtime::device::Gpu;
use crate::runtime::memory::{Part, Room, Window};

/// A part of a buffer: its start and its length, in bytes.
pub(super) type Extent<'b> = (&'b wgpu::Buffer, u64, u64);

/// The memory of one layer, for all sequences.
pub(super) struct LayerMemory {
    /// Keys and values, if the layer computes any.
    pub(super) rows: Option<Rows>,
    /// States of fixed size, in f32: `[sequences][floats]`, a multiple of four.
    pub(super) state: Vec<wgpu::Buffer>,
    sequences: u32,
}

/// Keys and values of a layer: `[sequences][rows]` of keys, then of values.
pub(super) struct Rows {
    pub(super) buffer: wgpu::Buffer,
    pub(super) layout: CacheLayout,
    /// Bytes of a token's keys, and of its values; 0 if those are part of the keys.
    row_bytes: [u64; 2],
    /// The window, if the layer does not keep the rows of all tokens.
    pub(super) window: Option<Window>,
}

impl LayerMemory {
    /// Allocates memory for sequences of which at most `batch` tokens are computed at once. States start as zeros.
    pub(super) fn new(gpu: &Gpu, config: &ModelConfig, layer: &LayerConfig, room: Room, batch: u32) -> Self {
        let Room { context, sequences } = room;
        // A layer that reads another's cache has none.
        let rows = layer.attention().filter(|attention| attention.cache_of.is_none()).map(|attention| {
            let kept = config.kept_positions(attention, context, batch);
            let ring = (kept < context).then_some(kept);
            let row_bytes = config.layer_kv_row_bytes(attention);
            let all_kept = u64::from(sequences) * u64::from(kept);
            let [key_bytes, value_bytes] = row_bytes.map(|row_bytes| all_kept * row_bytes);
            let value_offset = if value_bytes > 0 { (key_bytes / 4) as u32 } else { 0 };
            let tokens = if sequences > 1 { TokensOf::One } else { TokensOf::Only };
            Rows {
                buffer: gpu.storage_buffer("kv cache", key_bytes + value_bytes),
                layout: CacheLayout { format: config.cache, value_offset, ring, tokens, rows: kept, context },
                row_bytes,
                window: attention.window.zip(ring).map(|(window, ring)| Window::new(window, ring)),
            }
        });
        let state = |len: u32| gpu.storage_buffer("recurrent state", u64::from(sequences) * u64::from(len) * 4);
        Self { rows, state: layer.state_lens().map(state).collect(), sequences }
    }

    /// The buffer of keys and values.
    ///
    /// # Panics
    /// If the layer has none. Callers only ask for layers with attention.
    pub(super) fn rows(&self) -> &Rows {
        let Some(rows) = &self.rows else { unreachable!("an attention layer has rows") };
        rows
    }

    /// Where a part of a sequence is stored.
    pub(super) fn ranges(&self, sequence: usize, part: Part) -> Vec<Extent<'_>> {
        let rows = self.rows.iter().flat_map(|rows| rows.ranges(sequence, part.positions(rows.window)));
        let states = self.state.iter().filter(|_| part.has_state()).map(|buffer| {
            let len_bytes = buffer.size() / u64::from(self.sequences);
            (buffer, sequence as u64 * len_bytes, len_bytes)
        });
        rows.chain(states).collect()
    }
}

impl Rows {
    /// Where the rows of these positions are stored, which are no more than a ring has room for.
    fn ranges(&self, sequence: usize, Range { start, end }: Range<usize>) -> Vec<Extent<'_>> {
        // Here the ring begins again.
        let turn = self.layout.ring.map_or(end, |len| (start / len as usize + 1) * len as usize).min(end);
        let mut ranges = Vec::new();
        for (first_byte, row_bytes) in [0, u64::from(self.layout.value_offset) * 4].into_iter().zip(self.row_bytes) {
            for (start, end) in [(start, turn), (turn, end)] {
                let at = first_byte + self.layout.row(sequence, start) as u64 * row_bytes;
                ranges.push((&self.buffer, at, (end - start) as u64 * row_bytes));
            }
        }
        ranges.retain(|(.., len_bytes)| *len_bytes > 0);
        ranges
    }
}

/// How much of a sequence the memory still holds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reach {
    /// Number of tokens that states have seen.
    pub(super) state_len: usize,
    /// Length at which a checkpoint was restored: rows of earlier tokens are those of its windows.
    restored_len: usize,
    /// Number of positions written since the sequence began.
    written: usize,
}

impl Reach {
    /// Records that tokens at `position..end` are computed.
    pub(super) fn advance(&mut self, position: usize, end: usize) {
        if position == 0 {
            *self = Self::default();
        }
        self.state_len = end;
        self.written = self.written.max(end);
    }

    /// After a checkpoint of `len` tokens was restored.
    pub(super) fn restore(len: usize) -> Self {
        Self { state_len: len, restored_len: len, written: len }
    }

    /// Whether a layer's window before token `len` is there.
    pub(super) fn has_window(&self, window: Window, len: usize) -> bool {
        let first = self.written.saturating_sub(window.kept).max(window.before(self.restored_len).start);
        len == 0 || first <= window.before(len).start
    }
}

/// A copy. Dropping it frees the memory at once, rather than on the browser's garbage collection.
pub(super) struct Copy {
    pub(super) buffer: wgpu::Buffer,
    pub(super) part: Part,
}

impl Drop for Copy {
    fn drop(&mut self) {
        self.buffer.destroy();
    }
}
