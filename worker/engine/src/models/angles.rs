//! RoPE angles of a generative model.

use std::collections::HashMap;

use super::config::ModelConfig;
use super::mixer::LayerRope;
use super::rope::{Position, ROPE_FREQUENCIES, ROPE_LONG, ROPE_SHORT, RopeTable};

/// A model's angles for any position.
pub(crate) struct RopeAngles {
    main: RopeTable,
    /// Those of layers with [`LayerRope::Window`].
    window: Option<RopeTable>,
    /// Context length in positions.
    context: u32,
}

impl RopeAngles {
    /// For a context of this length. `host` has the divisors, by tensor name.
    pub(crate) fn new(config: &ModelConfig, context: u32, host: &HashMap<String, Vec<f32>>) -> Self {
        let is_long = config.rope.original_context.is_some_and(|original| context > original);
        let divisors = host
            .get(ROPE_FREQUENCIES)
            .or_else(|| host.get(if is_long { ROPE_LONG } else { ROPE_SHORT }))
            .map(Vec::as_slice);
        let window_dim = config.rope_dim(LayerRope::Window);
        Self {
            // Without layers that use it, it still fills a buffer.
            main: RopeTable::new(&config.rope, config.rope_dim(LayerRope::Main).max(2), divisors),
            window: (window_dim > 0).then(|| RopeTable::new(&config.window_rope, window_dim, None)),
            context,
        }
    }

    /// The angles of all positions and pairs of a sequence, `[context][rope_dim / 2]`: of most layers, and of those with
    /// [`LayerRope::Window`]. Its first elements are at `positions`, the others count from `next` on.
    pub(crate) fn rows(&self, positions: &[Position], next: u32) -> (Vec<[f32; 2]>, Option<Vec<[f32; 2]>>) {
        let rest =
            (0..self.context.saturating_sub(positions.len() as u32)).map(|index| [next.saturating_add(index); 3]);
        let positions = positions.iter().copied().chain(rest);
        let rows = |table: &RopeTable| {
            let mut rows = Vec::with_capacity(self.context as usize * table.pair_count());
            positions.clone().for_each(|position| rows.extend(table.row(position)));
            rows
        };
        (rows(&self.main), self.window.as_ref().map(rows))
    }
}
