//! Reference of the KV cache formats: `append` in `linear/epilogues/qkv.wgsl` and `load_eight` in
//! `attention_common.wgsl`.

use half::f16;

use crate::models::{CacheFormat, HeadShape};

/// Converts rows of `kv_len` keys (in the cache's order of elements) or values to the cache format.
pub fn into_cache(values: &[f32], kv_len: usize, format: CacheFormat) -> Vec<u32> {
    match format {
        CacheFormat::F16 => {
            let halves: Vec<f16> = values.iter().map(|value| f16::from_f32(*value)).collect();
            return bytemuck::pod_collect_to_vec(&halves);
        }
        CacheFormat::F32 => return values.iter().map(|value| value.to_bits()).collect(),
        CacheFormat::Q8 => {}
    }
    let row = |row: &[f32]| {
        let largest = row.chunks(32).map(|block| block.iter().fold(0.0f32, |most, value| most.max(value.abs())));
        let largest: Vec<f32> = largest.collect();
        let bytes = row.iter().enumerate().map(|(i, value)| (value / largest[i / 32] * 127.0).round() as i8);
        let mut words: Vec<u32> = bytemuck::pod_collect_to_vec(&bytes.collect::<Vec<_>>());
        words.extend(largest.iter().map(|largest| largest.to_bits()));
        words.resize(format.row_words(kv_len as u32) as usize, 0);
        words
    };
    values.chunks_exact(kv_len).flat_map(row).collect()
}

/// Converts rows of `kv_len` elements from the cache format.
pub fn from_cache(words: &[u32], kv_len: usize, format: CacheFormat) -> Vec<f32> {
    match format {
        CacheFormat::F16 => return bytemuck::cast_slice(words).iter().map(|half: &f16| half.to_f32()).collect(),
        CacheFormat::F32 => return words.iter().map(|word| f32::from_bits(*word)).collect(),
        CacheFormat::Q8 => {}
    }
    let row = |row: &[u32]| -> Vec<f32> {
        let (bytes, largest) = row.split_at(kv_len / 4);
        let bytes: &[i8] = bytemuck::cast_slice(bytes);
        let worth = |(i, byte): (usize, &i8)| (f32::from(*byte) / 127.0).max(-1.0) * f32::from_bits(largest[i / 32]);
        bytes.iter().enumerate().map(worth).collect()
    };
    words.chunks_exact(format.row_words(kv_len as u32) as usize).flat_map(row).collect()
}

/// Reorders heads so that the elements of each RoPE pair are adjacent, as for keys in the cache.
pub fn in_cache_order(heads: &[f32], shape: &HeadShape) -> Vec<f32> {
    let pairs = shape.head_dim as usize / 2;
    heads
        .chunks_exact(shape.head_dim as usize)
        .flat_map(|head| (0..pairs).flat_map(move |pair| rope_elements(pair, shape).map(|at| head[at])))
        .collect()
}

/// The two elements of a head that form pair `pair`.
pub fn rope_elements(pair: usize, shape: &HeadShape) -> [usize; 2] {
    let half = shape.rope_dim as usize / 2;
    if shape.rope_half && pair < half { [pair, pair + half] } else { [2 * pair, 2 * pair + 1] }
}
