//! `attention.wgsl`, `attention_batch.wgsl`, `attention_tiled.wgsl`, `attention_cooperative.wgsl`,
//! `attention_merge.wgsl` and `attention_gate.wgsl`.

use parlance_engine::kernels::attention::cache::{from_cache, into_cache};
use parlance_engine::kernels::attention::gate::attention_gate;
use parlance_engine::kernels::attention::{Attention, AttentionLayout, has_cooperative_layout, has_tiled_layout};
use parlance_engine::kernels::{self, CacheLayout};
use parlance_engine::models::{AttentionTemperature, CacheFormat, HeadShape};
use parlance_engine::runtime::{Dispatch, Gpu};

use crate::common::{Random, assert_close, devices, plain_device};
use crate::heads::{from_cache_order, head_shapes};
use crate::latent::LATENT;
use crate::{PADDING, UNTOUCHED, gpu_tests, padded, read, read_padded, run, state};

gpu_tests! {
    attention_matches_over_tiles_splits_and_windows,
    attention_stays_within_blocks,
    attention_output_is_gated,
}

/// An attention's position, splits, window and caps.
struct Case {
    position: usize,
    tokens: usize,
    workgroup: u32,
    splits: u32,
    scale: f32,
    window: Option<u32>,
    /// Positions that the cache has rows for, if these are not all.
    ring: Option<u32>,
    softcap: Option<f32>,
    temperature: Option<AttentionTemperature>,
    bidirectional: bool,
    ahead: Option<u32>,
    alibi: bool,
    /// Largest score of the sinks, if there are any.
    sinks: Option<f32>,
}

impl Case {
    fn supports(&self, layout: AttentionLayout) -> bool {
        // A batch has no splits, and only batches have ALiBi. Tiles are for towers, which attend in both directions.
        match layout {
            AttentionLayout::Tiled => self.splits == 1 && !self.alibi && self.bidirectional,
            AttentionLayout::Token => !self.alibi,
            AttentionLayout::Batch => self.splits == 1,
            AttentionLayout::Cooperative => self.splits == 1 && !self.alibi,
        }
    }
}

const PLAIN: Case = Case {
    position: 0,
    tokens: 1,
    workgroup: 128,
    splits: 1,
    scale: 0.3,
    window: None,
    ring: None,
    softcap: None,
    temperature: None,
    bidirectional: false,
    ahead: None,
    alibi: false,
    sinks: None,
};

/// A factor that differs among positions 300 to 302.
const SHARPER: AttentionTemperature = AttentionTemperature { scale: 0.3, step: 7 };

const CASES: [Case; 23] = [
    PLAIN,
    Case { tokens: 7, workgroup: 32, ..PLAIN },
    Case { position: 127, tokens: 2, ..PLAIN },
    Case { position: 300, tokens: 3, workgroup: 32, temperature: Some(SHARPER), ..PLAIN },
    Case { position: 300, tokens: 2, workgroup: 256, softcap: Some(0.5), ..PLAIN },
    Case { position: 60, tokens: 30, window: Some(70), ..PLAIN },
    Case { position: 300, window: Some(33), splits: 4, ..PLAIN },
    // More splits than positions, and splits that end inside a tile.
    Case { position: 3, splits: 8, ..PLAIN },
    Case { position: 700, tokens: 2, workgroup: 64, splits: 8, softcap: Some(2.0), ..PLAIN },
    Case { tokens: 50, bidirectional: true, ..PLAIN },
    Case { tokens: 90, bidirectional: true, window: Some(9), ahead: Some(8), ..PLAIN },
    Case { tokens: 70, bidirectional: true, alibi: true, ..PLAIN },
    // Scores so far apart that the running maximum grows a lot again and again.
    Case { position: 300, tokens: 70, scale: 2.5, ..PLAIN },
    Case { position: 60, tokens: 90, scale: 2.5, window: Some(40), ..PLAIN },
    Case { sinks: Some(3.0), ..PLAIN },
    Case { position: 60, tokens: 80, workgroup: 32, window: Some(33), sinks: Some(10.0), ..PLAIN },
    // Several splits, some without positions.
    Case { position: 40, tokens: 2, splits: 8, sinks: Some(3.0), ..PLAIN },
    // Far above and far below all scores.
    Case { position: 300, tokens: 3, sinks: Some(200.0), ..PLAIN },
    // Rings that begin again inside the window: inside a split, and inside a batch. No more than they need fits in.
    Case { position: 300, window: Some(33), ring: Some(33), splits: 4, ..PLAIN },
    Case { position: 180, tokens: 30, workgroup: 32, window: Some(33), ring: Some(62), ..PLAIN },
    Case { position: 300, tokens: 70, scale: 2.5, window: Some(40), ring: Some(109), sinks: Some(3.0), ..PLAIN },
    // Embeddings that attend to each other.
    Case { position: 95, tokens: 20, bidirectional: true, window: Some(40), ring: Some(59), ..PLAIN },
    // The first turn is not over yet.
    Case { position: 20, tokens: 7, window: Some(9), ring: Some(90), ..PLAIN },
];

/// Positions that fit a cache that is no ring: the same number in all cases, because it is a constant of the kernel.
const CAPACITY: usize = 704;

/// A cache with rows of `len` keys or values, of all positions in turn.
pub(crate) fn placed(rows: &[u32], len: usize, layout: &CacheLayout) -> Vec<u32> {
    let row_words = layout.format.row_words(len as u32) as usize;
    let mut cache = vec![0; layout.ring.map_or(CAPACITY, |len| len as usize) * row_words];
    for (position, row) in rows.chunks_exact(row_words).enumerate() {
        cache[layout.row(0, position) * row_words..][..row_words].copy_from_slice(row);
    }
    cache
}

/// The cases that are also tested with an 8-bit cache, and with values of another size than keys. Not all are, because
/// emulated GPUs take a second to compile a kernel.
const FEW_CASES: [usize; 7] = [1, 3, 6, 8, 15, 18, 19];

async fn attention_matches_over_tiles_splits_and_windows() {
    // Only the layout for matrix units needs features.
    for (index, gpu) in devices().await.into_iter().enumerate() {
        let mut random = Random(5);
        let simple = [AttentionLayout::Token, AttentionLayout::Batch, AttentionLayout::Tiled];
        let mut layouts = if index == 0 { simple.to_vec() } else { Vec::new() };
        layouts.extend(gpu.has_matrix_units().then_some(AttentionLayout::Cooperative));
        let cases = CASES.iter().enumerate().flat_map(|case| layouts.iter().map(move |layout| (case, *layout)));
        let cases: Vec<_> = cases.filter(|((_, case), layout)| case.supports(*layout)).collect();
        let formats = [CacheFormat::F16, CacheFormat::Q8, CacheFormat::F32];
        let shapes = head_shapes().into_iter().chain([LATENT]);
        let caches = shapes.flat_map(|shape| formats.map(|format| (shape, format)));
        let caches = caches.filter(|(shape, format)| format.for_heads(shape) == *format);
        for ((shape, format), ((number, case), layout)) in
            caches.flat_map(|cache| cases.iter().map(move |case| (cache, *case)))
        {
            let is_plain = format == CacheFormat::F16 && shape.value_dim == shape.head_dim;
            if !is_plain && !FEW_CASES.contains(&number) {
                continue;
            }
            // Matrix units round queries and weights to f16: 11 bits.
            let tolerance = if layout == AttentionLayout::Cooperative { 5e-3 } else { 1e-5 };
            let has_layout = match layout {
                AttentionLayout::Token | AttentionLayout::Batch => true,
                AttentionLayout::Tiled => format == CacheFormat::F16 && has_tiled_layout(&shape),
                AttentionLayout::Cooperative => format == CacheFormat::F16 && has_cooperative_layout(&shape),
            };
            if !has_layout {
                continue;
            }
            let Case { position, tokens, .. } = *case;
            let [key_len, value_len] = [shape.key_len(), shape.value_len()].map(|len| len as usize);
            let q = random.floats(tokens * shape.query_len() as usize);
            let mut rows = |len: usize| into_cache(&random.floats((position + tokens) * len), len, format);
            let key_rows = rows(key_len);
            let keys = from_cache(&key_rows, key_len, format);
            let mut placing = CacheLayout { format, ring: case.ring, ..CacheLayout::f16(0) };
            let mut cache = placed(&key_rows, key_len, &placing);
            let values = if shape == LATENT {
                keys.chunks_exact(key_len).flat_map(|key| &key[..value_len]).copied().collect()
            } else {
                placing.value_offset = cache.len() as u32;
                let value_rows = rows(value_len);
                cache.extend(placed(&value_rows, value_len, &placing));
                from_cache(&value_rows, value_len, format)
            };
            let keys = from_cache_order(&keys, &shape);
            let attention = Attention {
                heads: shape,
                cache: placing,
                scale: case.scale,
                temperature: case.temperature,
                softcap: case.softcap,
                window: case.window,
                bidirectional: case.bidirectional,
                ahead: case.ahead,
                alibi: case.alibi,
                sinks: case.sinks.is_some(),
                layout,
                splits: case.splits,
                workgroup: case.workgroup,
                halves: false,
            };
            let y_len = tokens * shape.attended_len() as usize;
            let y = gpu.storage_buffer("y", (y_len * 4) as u64);
            let parts = gpu.storage_buffer("parts", tokens as u64 * attention.split_len() * 4);
            let state = state(&gpu, position as u32, tokens as u32, 0);
            let sinks: Vec<f32> = match case.sinks {
                Some(largest) => random.floats(shape.heads as usize).iter().map(|sink| largest * sink).collect(),
                None => Vec::new(),
            };
            let sinks_buffer = case.sinks.map(|_| gpu.storage_buffer_with("sinks", &sinks));
            let (q_buffer, kv) = (gpu.storage_buffer_with("q", &q), gpu.storage_buffer_with("kv", &cache));
            let result = if case.splits > 1 { &parts } else { &y };
            let mut bindings = vec![("state", &state), ("q", &q_buffer), ("kv", &kv), ("y", result)];
            bindings.extend(sinks_buffer.iter().map(|buffer| ("sinks", buffer)));
            let [grid, merge_grid] = attention.grids();
            let mut dispatches = vec![Dispatch::new(&gpu, &attention.shader(), &bindings, grid)];
            if case.splits > 1 {
                let bindings = [("state", &state), ("parts", &parts), ("y", &y)];
                dispatches.push(Dispatch::new(&gpu, &attention.merge_shader(), &bindings, merge_grid));
            }
            run(&gpu, &dispatches, tokens as u32);
            let rows = [&keys[..], &values];
            let expected = kernels::attention::reference::attention(&q, rows, &sinks, position, &attention);
            assert_close(&read(&gpu, &y, y_len).await, &expected, tolerance, &format!("{attention:?} at {position}"));
        }
    }
}

/// Each block on its own is a batch whose tokens attend to each other.
async fn attention_stays_within_blocks() {
    for (index, gpu) in devices().await.into_iter().enumerate() {
        let simple = [AttentionLayout::Batch, AttentionLayout::Tiled];
        let mut layouts = if index == 0 { simple.to_vec() } else { Vec::new() };
        layouts.extend(gpu.has_matrix_units().then_some(AttentionLayout::Cooperative));
        for layout in layouts {
            check_blocks(&gpu, layout, 24, &[7, 8, 71, 90]).await;
            check_blocks(&gpu, layout, 72, &[7, 8, 71, 90]).await;
            // Whole pictures that fill no tile, with as many patches as take several.
            check_blocks(&gpu, layout, 72, &[150]).await;
            check_blocks(&gpu, layout, 80, &[201]).await;
        }
    }
}

/// Checks blocks that end after these numbers of tokens.
async fn check_blocks(gpu: &Gpu, layout: AttentionLayout, head_dim: u32, ends: &[usize]) {
    let mut random = Random(35);
    let tokens = *ends.last().unwrap();
    let (value_dim, rope_dim) = (head_dim, head_dim);
    let heads = HeadShape { heads: 2, kv_heads: 2, head_dim, value_dim, rope_dim, rope_half: false };
    let len = heads.key_len() as usize;
    let q = random.floats(tokens * len);
    let [keys, values] = [(); 2].map(|()| into_cache(&random.floats(tokens * len), len, CacheFormat::F16));
    let attention = Attention {
        heads,
        cache: CacheLayout::f16(keys.len() as u32),
        scale: 0.3,
        temperature: None,
        softcap: None,
        window: None,
        bidirectional: true,
        ahead: None,
        alibi: false,
        sinks: false,
        layout,
        splits: 1,
        workgroup: 32,
        halves: false,
    };
    let starts = [0].into_iter().chain(ends.iter().copied());
    let (mut blocks, mut expected) = (Vec::new(), Vec::new());
    let [all_keys, all_values] = [&keys, &values].map(|rows| from_cache(rows, len, CacheFormat::F16));
    for (start, end) in starts.zip(ends.iter().copied()) {
        blocks.extend(vec![[start as u32, end as u32]; end - start]);
        let own = |rows: &[f32]| rows[start * len..end * len].to_vec();
        let rows = [&own(&all_keys)[..], &own(&all_values)];
        expected.extend(kernels::attention::reference::attention(&own(&q), rows, &[], 0, &attention));
    }
    let y = gpu.storage_buffer("y", (tokens * len * 4) as u64);
    let buffers = [
        ("state", &state(gpu, 0, tokens as u32, 0)),
        ("q", &gpu.storage_buffer_with("q", &q)),
        ("kv", &gpu.storage_buffer_with("kv", &[keys, values].concat())),
        ("blocks", &gpu.storage_buffer_with("blocks", &blocks)),
        ("y", &y),
    ];
    let dispatch = Dispatch::new(gpu, &attention.shader_in_blocks(), &buffers, attention.grids()[0]);
    run(gpu, &[dispatch], tokens as u32);
    // Matrix units round queries and weights to f16.
    let tolerance = if layout == AttentionLayout::Cooperative { 5e-3 } else { 1e-5 };
    assert_close(&read(gpu, &y, tokens * len).await, &expected, tolerance, &format!("blocks, {attention:?}"));
}

async fn attention_output_is_gated() {
    let gpu = plain_device().await;
    let mut random = Random(34);
    for (head_count, head_dim, tokens) in [(3u32, 24u32, 5usize), (4, 16, 1), (2, 64, 65), (3, 128, 2)] {
        let (value_dim, rope_dim) = (head_dim, head_dim);
        let heads = HeadShape { heads: head_count, kv_heads: 1, head_dim, value_dim, rope_dim, rope_half: true };
        let len = (head_count * head_dim) as usize;
        // Queries with gates, then keys, values and more.
        let row_len = 2 * len + 2 * head_dim as usize + 9;
        let x = random.floats(tokens * len);
        let rows: Vec<f32> = random.floats(tokens * row_len).iter().map(|gate| 4.0 * gate).collect();
        let expected = kernels::attention::reference::gate(&x, &rows, row_len, &heads);
        let y = gpu.storage_buffer_with("y", &padded(&x, len, UNTOUCHED));
        let buffers = [
            ("state", &state(&gpu, 0, tokens as u32, 0)),
            ("rows", &gpu.storage_buffer_with("rows", &padded(&rows, row_len, f32::NAN))),
            ("y", &y),
        ];
        let (shader, grid) = attention_gate(&heads, row_len as u32);
        run(&gpu, &[Dispatch::new(&gpu, &shader, &buffers, grid)], (tokens + PADDING) as u32);
        let what = format!("{heads:?}, {tokens} tokens");
        assert_close(&read_padded(&gpu, &y, x.len(), len).await, &expected, 1e-5, &what);
    }
}
