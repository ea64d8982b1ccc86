//! What the layers keep of a sequence.

use super::attention::{LayerCache, MAX_SPARE_POSITIONS};
use super::matrix::zeros;
use crate::error::Result;
use crate::models::{LayerConfig, ModelConfig, RopeAngles};
use crate::runtime::memory::{Part, Window};

/// The memory of one sequence.
pub(super) struct SequenceMemory {
    /// Cache or state of each layer.
    pub(super) layers: Vec<LayerMemory>,
    /// Number of tokens that the state of recurrent layers has seen.
    pub(super) state_len: usize,
    /// RoPE angles: `[context][rope_dim / 2]`
    pub(super) rope: Vec<[f32; 2]>,
    /// RoPE angles of layers with a sliding window, if they differ, in the same shape.
    pub(super) window_rope: Option<Vec<[f32; 2]>>,
}

/// The memory of one layer.
pub(super) struct LayerMemory {
    /// Keys and values, if the layer computes any.
    pub(super) rows: Option<LayerCache>,
    /// States of fixed size.
    pub(super) state: Vec<Vec<f32>>,
}

impl LayerMemory {
    /// Memory for `context` tokens, of which at most `batch` are usually computed at once.
    ///
    /// # Errors
    /// [`crate::EngineError::OutOfMemory`].
    fn new(config: &ModelConfig, layer: &LayerConfig, [context, batch]: [u32; 2]) -> Result<Self> {
        // A layer that reads another's cache has none.
        let rows = layer.attention().filter(|attention| attention.cache_of.is_none()).map(|attention| {
            let kept = config.kept_positions(attention, context, MAX_SPARE_POSITIONS);
            let window = attention.window.filter(|_| kept < context).map(|window| Window::new(window, kept));
            let row_lens = [attention.key_len(), attention.value_len()].map(|len| len as usize);
            LayerCache::new(context.min(kept + batch) as usize, row_lens, window)
        });
        let state = layer.state_lens().map(|len| zeros(len as usize)).collect::<Result<_>>()?;
        Ok(Self { rows: rows.transpose()?, state })
    }

    /// The floats of a part, as separate slices.
    fn floats(&self, part: Part) -> impl Iterator<Item = &[f32]> {
        let caches = self.rows.iter().map(move |cache| (cache, part.positions(cache.window())));
        let rows = caches.filter(|(_, positions)| !positions.is_empty()).flat_map(|(cache, own)| cache.rows(own));
        rows.chain(self.state.iter().filter(move |_| part.has_state()).map(Vec::as_slice))
    }

    /// Number of floats in a part.
    pub(super) fn len(&self, part: Part) -> usize {
        let rows = self.rows.as_ref().map_or(0, |cache| part.positions(cache.window()).len() * cache.position_len());
        let state: usize = if part.has_state() { self.state.iter().map(Vec::len).sum() } else { 0 };
        rows + state
    }

    /// Overwrites a part. `next` returns the requested number of floats, in the order of [`LayerMemory::floats`]; if
    /// the source is a copy with more rows, it skips the excess.
    fn set(&mut self, part: Part, next: &mut impl FnMut(usize) -> Vec<f32>) {
        if let Some(cache) = &mut self.rows {
            let positions = part.positions(cache.window());
            if !positions.is_empty() {
                cache.set(positions, next);
            }
        }
        for state in self.state.iter_mut().filter(|_| part.has_state()) {
            *state = next(state.len());
        }
    }
}

impl SequenceMemory {
    /// Memory for `context` tokens, of which at most `batch` are usually computed at once.
    ///
    /// # Errors
    /// [`crate::EngineError::OutOfMemory`].
    pub(super) fn new(config: &ModelConfig, angles: &RopeAngles, positions: [u32; 2]) -> Result<Self> {
        let (rope, window_rope) = angles.rows(&[], 0);
        let layers = config.layers.iter().map(|layer| LayerMemory::new(config, layer, positions));
        Ok(Self { layers: layers.collect::<Result<_>>()?, state_len: 0, rope, window_rope })
    }

    /// The floats of a part, as separate slices.
    pub(super) fn floats(&self, part: Part) -> impl Iterator<Item = &[f32]> {
        self.layers.iter().flat_map(move |layer| layer.floats(part))
    }

    /// Overwrites a part, see [`LayerMemory::set`].
    pub(super) fn set(&mut self, part: Part, next: &mut impl FnMut(usize) -> Vec<f32>) {
        self.layers.iter_mut().for_each(|layer| layer.set(part, next));
        if let Part::State(len) | Part::Checkpoint(len) = part {
            self.state_len = len;
        }
    }
}
