//! Reference of `embed.wgsl`.

/// `scale * table[id]` for each ID; `table` is `[vocab][cols]`, the result is `[ids][cols]`.
pub fn embed(table: &[f32], cols: usize, ids: &[u32], scale: f32) -> Vec<f32> {
    ids.iter().flat_map(|id| table[*id as usize * cols..][..cols].iter().map(move |w| w * scale)).collect()
}
