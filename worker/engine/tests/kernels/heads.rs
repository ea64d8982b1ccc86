//! Queries, keys and values: `epilogues/qkv.wgsl` and `head_norm.wgsl`.

use parlance_engine::gguf::TensorType;
use parlance_engine::kernels;
use parlance_engine::kernels::Grid;
use parlance_engine::kernels::attention::cache::{from_cache, in_cache_order};
use parlance_engine::kernels::linear::Epilogue;
use parlance_engine::kernels::norm::HeadNormKernel;
use parlance_engine::models::{CacheFormat, HeadNorm, HeadShape, RopeConfig};
use parlance_engine::runtime::{Dispatch, Gpu};

use crate::common::{Random, assert_close, plain_device};
use crate::linear::{Case, EPS, layouts};
use crate::{gpu_tests, read, run, state};

gpu_tests! {
    linear_rotates_queries_and_appends_keys_and_values,
    heads_are_normalised_rotated_and_cached,
}

pub(crate) fn head_shapes() -> [HeadShape; 3] {
    [
        HeadShape { heads: 9, kv_heads: 3, head_dim: 64, rope_dim: 64, rope_half: false },
        HeadShape { heads: 4, kv_heads: 4, head_dim: 32, rope_dim: 16, rope_half: true },
        HeadShape { heads: 8, kv_heads: 1, head_dim: 80, rope_dim: 80, rope_half: true },
    ]
}

/// The inverse of [`in_cache_order`].
pub(crate) fn from_cache_order(cached: &[f32], shape: &HeadShape) -> Vec<f32> {
    let places: Vec<f32> = (0..cached.len()).map(|place| place as f32).collect();
    let mut keys = vec![0.0; cached.len()];
    for (place, value) in in_cache_order(&places, shape).iter().zip(cached) {
        keys[*place as usize] = *value;
    }
    keys
}

async fn linear_rotates_queries_and_appends_keys_and_values() {
    const CONTEXT: usize = 24;
    let mut random = Random(4);
    let layouts = layouts().await;
    for (shape, (gpu, tuning)) in head_shapes().into_iter().flat_map(|s| layouts.iter().map(move |layout| (s, layout)))
    {
        let tuning = *tuning;
        let (tokens, position) = (5, 11);
        let (q_rows, kv_rows) = ((shape.heads * shape.head_dim) as usize, (shape.kv_heads * shape.head_dim) as usize);
        let rows = q_rows + 2 * kv_rows;
        let case = Case::new(gpu, &mut random, TensorType::Q4_1, rows as u32, 64, tokens);
        let angles = RopeConfig::plain(10_000.0).angles(shape.rope_dim, CONTEXT as u32, None);
        let value_offset = CONTEXT * kv_rows / 2;
        let q = gpu.storage_buffer("q", (tokens * q_rows * 4) as u64);
        let kv = gpu.storage_buffer("kv", (value_offset * 8) as u64);
        let rope_buffer = gpu.storage_buffer_with("rope", &angles);
        let outputs = [("y", &q), ("kv", &kv), ("rope", &rope_buffer)];
        let epilogue = Epilogue::Qkv { heads: shape, value_offset: value_offset as u32 };
        let state = state(gpu, position as u32, tokens as u32, 0);
        let dispatch = case.dispatch(gpu, tuning, true, epilogue, &outputs, &state);
        run(gpu, &[dispatch], tokens as u32);

        let mut y = case.expected(true);
        rotate(&mut y, &shape, &angles, position);
        let places = [position, tokens, value_offset];
        check_cache(gpu, &y, (&shape, CacheFormat::F16), [&q, &kv], places, &format!("{shape:?} {tuning:?}")).await;
    }
}

async fn heads_are_normalised_rotated_and_cached() {
    let gpu = plain_device().await;
    let mut random = Random(13);
    let kinds = [
        (HeadNorm::Head, CacheFormat::F16, false, false),
        (HeadNorm::Head, CacheFormat::F16, true, false),
        (HeadNorm::Row, CacheFormat::F16, false, false),
        (HeadNorm::Row, CacheFormat::F16, false, true),
        (HeadNorm::None, CacheFormat::Q8, false, false),
        (HeadNorm::None, CacheFormat::Q8, true, false),
        (HeadNorm::Row, CacheFormat::Q8, false, false),
    ];
    for (shape, (kind, format, gated, centred)) in head_shapes().into_iter().flat_map(|s| kinds.map(|kind| (s, kind))) {
        let format = format.for_heads(&shape);
        let (position, tokens, context) = (5usize, 3usize, 12usize);
        let dim = shape.head_dim as usize;
        let (q_len, kv_len) = (shape.heads as usize * dim, shape.kv_heads as usize * dim);
        let row = q_len + 2 * kv_len;
        let projected = random.floats(tokens * row);
        let lens = if kind == HeadNorm::Head { [dim, dim] } else { [q_len, kv_len] };
        let norms = lens.map(|len| random.floats(len));
        let biases = lens.map(|len| random.floats(len));
        let angles = RopeConfig::plain(10_000.0).angles(shape.rope_dim, context as u32, None);
        let q = gpu.storage_buffer("q", (tokens * q_len * 4) as u64);
        let value_offset = context * format.row_words(kv_len as u32) as usize;
        let kv = gpu.storage_buffer("kv", (2 * value_offset * 4) as u64);
        let (query_norm, key_norm) =
            (gpu.storage_buffer_with("query norm", &norms[0]), gpu.storage_buffer_with("key norm", &norms[1]));
        let state = state(&gpu, position as u32, tokens as u32, 0);
        let input = if gated { with_gates(&projected, &shape) } else { projected.clone() };
        let input = gpu.storage_buffer_with("projected", &input);
        let rope = gpu.storage_buffer_with("rope", &angles);
        let mut bindings = vec![("state", &state), ("projected", &input), ("y", &q), ("kv", &kv), ("rope", &rope)];
        if kind != HeadNorm::None {
            bindings.extend([("query_norm", &query_norm), ("key_norm", &key_norm)]);
        }
        let [query_bias, key_bias] = [&biases[0], &biases[1]].map(|bias| gpu.storage_buffer_with("bias", bias));
        if centred {
            bindings.extend([("query_bias", &query_bias), ("key_bias", &key_bias)]);
        }
        let value_words = value_offset as u32;
        let kernel =
            HeadNormKernel { kind, heads: shape, centred, gated, cache: format, value_offset: value_words, eps: EPS };
        let grid = Grid::TokensInY { x: shape.heads + 2 * shape.kv_heads, z: 1 };
        run(&gpu, &[Dispatch::new(&gpu, &kernel.shader(), &bindings, grid)], tokens as u32);

        let mut y = projected;
        for row in y.chunks_exact_mut(row).filter(|_| kind != HeadNorm::None) {
            for (part, at) in [(0..q_len, 0), (q_len..q_len + kv_len, 1)] {
                let x = &row[part.clone()];
                let normed = if centred {
                    kernels::linear::reference::layer_norm(x, &norms[at], &biases[at], EPS)
                } else {
                    kernels::linear::reference::rms_norm(x, &norms[at], EPS)
                };
                row[part].copy_from_slice(&normed);
            }
        }
        rotate(&mut y, &shape, &angles, position);
        let (places, what) =
            ([position, tokens, value_offset], format!("{shape:?} {kind:?} {format:?}, gated: {gated}"));
        check_cache(&gpu, &y, (&shape, format), [&q, &kv], places, &what).await;
    }
}

/// Inserts a gate, which the kernel must not read, after each query of rows of queries, keys and values.
fn with_gates(projected: &[f32], shape: &HeadShape) -> Vec<f32> {
    let (dim, heads) = (shape.head_dim as usize, (shape.heads + 2 * shape.kv_heads) as usize);
    let gate = |index: usize| if index % heads < shape.heads as usize { dim } else { 0 };
    let heads = projected.chunks_exact(dim).enumerate();
    heads.flat_map(|(index, head)| head.iter().copied().chain(std::iter::repeat_n(f32::NAN, gate(index)))).collect()
}

/// Applies RoPE to the queries and keys of `[tokens][query, key and value heads]`, whose first token is at `position`.
pub(crate) fn rotate(y: &mut [f32], shape: &HeadShape, angles: &[[f32; 2]], position: usize) {
    let dim = shape.head_dim as usize;
    let rotated_heads = (shape.heads + shape.kv_heads) as usize;
    let pairs = shape.rope_dim as usize / 2;
    for (token, row) in y.chunks_exact_mut(dim * (rotated_heads + shape.kv_heads as usize)).enumerate() {
        let own_angles = &angles[(position + token) * pairs..][..pairs];
        for head in row.chunks_exact_mut(dim).take(rotated_heads) {
            kernels::linear::reference::rope(head, own_angles, shape);
        }
    }
}

/// Compares queries and the cache with rotated `[tokens][query, key and value heads]`; `places` are the position of the
/// first token, the number of tokens and the first word of the cached values.
async fn check_cache(
    gpu: &Gpu,
    y: &[f32],
    (shape, format): (&HeadShape, CacheFormat),
    [q, kv]: [&wgpu::Buffer; 2],
    [position, tokens, value_offset]: [usize; 3],
    what: &str,
) {
    let dim = shape.head_dim as usize;
    let (q_rows, kv_rows) = (shape.heads as usize * dim, shape.kv_heads as usize * dim);
    let actual_q: Vec<f32> = read(gpu, q, tokens * q_rows).await;
    let cache: Vec<u32> = read(gpu, kv, value_offset * 2).await;
    let (keys, values) = cache.split_at(value_offset);
    let [keys, values] = [keys, values].map(|rows| from_cache(rows, kv_rows, format));
    for (token, row) in y.chunks_exact(q_rows + 2 * kv_rows).enumerate() {
        assert_close(&actual_q[token * q_rows..][..q_rows], &row[..q_rows], 1e-5, &format!("q, {what}"));
        let at = (position + token) * kv_rows;
        let expected = in_cache_order(&row[q_rows..][..kv_rows], shape);
        assert_cached(&keys[at..][..kv_rows], &expected, format, &format!("k, {what}"));
        assert_cached(&values[at..][..kv_rows], &row[q_rows + kv_rows..], format, &format!("v, {what}"));
    }
}

/// Asserts that cached values are as exact as the cache's format allows.
pub(crate) fn assert_cached(actual: &[f32], expected: &[f32], format: CacheFormat, what: &str) {
    for (actual, expected) in actual.chunks(32).zip(expected.chunks(32)) {
        let largest = expected.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        for (actual, expected) in actual.iter().zip(expected) {
            let step = if format == CacheFormat::Q8 { largest / 127.0 } else { expected.abs() / 1024.0 };
            assert!((actual - expected).abs() <= 0.51 * step + 2e-5, "{what}: {actual} for {expected}");
        }
    }
}
