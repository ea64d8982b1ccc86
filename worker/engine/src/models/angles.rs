//! RoPE angles of a generative model.

use std::collections::HashMap;

use super::config::ModelConfig;
use super::rope::{ROPE_FREQUENCIES, ROPE_LONG, ROPE_SHORT};

/// A model's angles for each position and pair of a head, and those of its layers with a window if they differ. `host`
/// has the divisors, by tensor name.
pub(crate) fn rope_angles(
    config: &ModelConfig,
    context: u32,
    host: &HashMap<String, Vec<f32>>,
) -> (Vec<[f32; 2]>, Option<Vec<[f32; 2]>>) {
    let is_long = config.rope.original_context.is_some_and(|original| context > original);
    let divisors = host
        .get(ROPE_FREQUENCIES)
        .or_else(|| host.get(if is_long { ROPE_LONG } else { ROPE_SHORT }))
        .map(Vec::as_slice);
    let rope_dim = config.rope_dim;
    let window = (config.window_rope != config.rope).then(|| config.window_rope.angles(rope_dim, context, None));
    (config.rope.angles(rope_dim, context, divisors), window)
}
