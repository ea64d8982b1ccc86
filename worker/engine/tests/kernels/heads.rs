//! Queries, keys and values: `epilogues/qkv.wgsl` and `head_norm.wgsl`.

use parlance_engine::gguf::TensorType;
use parlance_engine::kernels::attention::cache::{from_cache, in_cache_order};
use parlance_engine::kernels::linear::Epilogue;
use parlance_engine::kernels::norm::HeadNormKernel;
use parlance_engine::kernels::norm::reference::norm_heads;
use parlance_engine::kernels::{self, CacheLayout};
use parlance_engine::models::{CacheFormat, HeadNorm, HeadShape, RopeConfig};
use parlance_engine::runtime::{Dispatch, Gpu};

use crate::common::{Random, assert_close, plain_device};
use crate::linear::{Case, EPS, layouts};
use crate::{gpu_tests, read, run, state};

gpu_tests! {
    linear_rotates_queries_and_appends_keys_and_values,
    heads_are_normalised_rotated_and_cached,
}

pub(crate) fn head_shapes() -> [HeadShape; 4] {
    [
        HeadShape { heads: 9, kv_heads: 3, head_dim: 64, value_dim: 64, rope_dim: 64, rope_half: false },
        HeadShape { heads: 4, kv_heads: 4, head_dim: 32, value_dim: 32, rope_dim: 16, rope_half: true },
        HeadShape { heads: 8, kv_heads: 1, head_dim: 80, value_dim: 80, rope_dim: 80, rope_half: true },
        HeadShape { heads: 4, kv_heads: 2, head_dim: 192, value_dim: 96, rope_dim: 64, rope_half: true },
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
    let caches =
        head_shapes().into_iter().flat_map(|shape| [CacheFormat::F16, CacheFormat::F32].map(|format| (shape, format)));
    for ((shape, format), (gpu, tuning)) in caches.flat_map(|cache| layouts.iter().map(move |layout| (cache, layout))) {
        let tuning = *tuning;
        let (tokens, position) = (5, 11);
        let rows = shape.query_len() + shape.key_len() + shape.value_len();
        let case = Case::new(gpu, &mut random, TensorType::Q4_1, rows, 64, tokens);
        let angles = RopeConfig::plain(10_000.0).angles(shape.rope_dim, CONTEXT as u32, None);
        let [value_offset, value_words] =
            [shape.key_len(), shape.value_len()].map(|len| CONTEXT as u32 * format.row_words(len));
        // In some caches, the batch goes beyond the last row.
        let cache = CacheLayout { format, ring: shape.rope_half.then_some(13), ..CacheLayout::f16(value_offset) };
        let q = gpu.storage_buffer("q", tokens as u64 * u64::from(shape.query_len()) * 4);
        let kv = gpu.storage_buffer("kv", u64::from(value_offset + value_words) * 4);
        let rope_buffer = gpu.storage_buffer_with("rope", &angles);
        let outputs = [("y", &q), ("kv", &kv), ("rope", &rope_buffer)];
        let epilogue = Epilogue::Qkv { heads: shape, cache };
        let state = state(gpu, position as u32, tokens as u32, 0);
        let dispatch = case.dispatch(gpu, tuning, true, epilogue, &outputs, &state);
        run(gpu, &[dispatch], tokens as u32);

        let mut y = case.expected(true);
        rotate(&mut y, &shape, &angles, position);
        let places = [position, tokens];
        check_cache(gpu, &y, (&shape, &cache), [&q, &kv], places, &format!("{shape:?} {format:?} {tuning:?}")).await;
    }
}

const KERNEL: HeadNormKernel = HeadNormKernel {
    kind: HeadNorm::Head,
    heads: HeadShape { heads: 1, kv_heads: 1, head_dim: 8, value_dim: 8, rope_dim: 8, rope_half: false },
    centred: false,
    gated: false,
    value_norm: false,
    queries_only: false,
    cache: CacheLayout::f16(0),
    eps: EPS,
};
const Q8: CacheLayout = CacheLayout { format: CacheFormat::Q8, ..KERNEL.cache };
const F32: CacheLayout = CacheLayout { format: CacheFormat::F32, ..KERNEL.cache };

async fn heads_are_normalised_rotated_and_cached() {
    let gpu = plain_device().await;
    let mut random = Random(13);
    let kernels = [
        KERNEL,
        HeadNormKernel { gated: true, ..KERNEL },
        HeadNormKernel { kind: HeadNorm::Row, ..KERNEL },
        HeadNormKernel { kind: HeadNorm::Row, centred: true, ..KERNEL },
        HeadNormKernel { kind: HeadNorm::CentredHead, ..KERNEL },
        HeadNormKernel { kind: HeadNorm::CentredHead, cache: Q8, ..KERNEL },
        HeadNormKernel { kind: HeadNorm::None, cache: Q8, ..KERNEL },
        HeadNormKernel { kind: HeadNorm::None, cache: Q8, gated: true, ..KERNEL },
        HeadNormKernel { kind: HeadNorm::None, cache: F32, ..KERNEL },
        HeadNormKernel { kind: HeadNorm::Row, centred: true, cache: F32, ..KERNEL },
        HeadNormKernel { kind: HeadNorm::Row, cache: Q8, ..KERNEL },
        HeadNormKernel { value_norm: true, ..KERNEL },
        HeadNormKernel { value_norm: true, cache: Q8, ..KERNEL },
        HeadNormKernel { queries_only: true, ..KERNEL },
        HeadNormKernel { kind: HeadNorm::HeadAfterRope, ..KERNEL },
        HeadNormKernel { kind: HeadNorm::HeadAfterRope, cache: Q8, ..KERNEL },
        // The batch goes beyond the last row.
        HeadNormKernel { cache: CacheLayout { ring: Some(6), ..KERNEL.cache }, ..KERNEL },
        HeadNormKernel { kind: HeadNorm::None, cache: CacheLayout { ring: Some(7), ..Q8 }, ..KERNEL },
    ];
    let cases = head_shapes().into_iter().flat_map(|heads| kernels.map(|kernel| (heads, kernel)));
    // Gates have the shape of queries and values.
    for (heads, kernel) in cases.filter(|(heads, kernel)| !kernel.gated || heads.value_dim == heads.head_dim) {
        let cache = CacheLayout { format: kernel.cache.format.for_heads(&heads), ..kernel.cache };
        check_heads(&gpu, &mut random, HeadNormKernel { heads, cache, ..kernel }).await;
    }
}

/// Runs the kernel on random heads.
async fn check_heads(gpu: &Gpu, random: &mut Random, kernel: HeadNormKernel) {
    let (position, tokens, context) = (5usize, 3usize, 12usize);
    let HeadNormKernel { kind, heads: shape, cache, queries_only, .. } = kernel;
    let [dim, q_len, key_len, value_len] =
        [shape.head_dim, shape.query_len(), shape.key_len(), shape.value_len()].map(|len| len as usize);
    let row = if queries_only { q_len } else { q_len + key_len + value_len };
    let mut y = random.floats(tokens * row);
    let lens = if kind.has_own_weights() { [q_len, key_len] } else { [dim, dim] };
    let [norms, biases] = [(); 2].map(|()| lens.map(|len| random.floats(len)));
    let angles = RopeConfig::plain(10_000.0).angles(shape.rope_dim, context as u32, None);
    let [value_offset, value_words] =
        [key_len, value_len].map(|len| context * cache.format.row_words(len as u32) as usize);
    let cache = CacheLayout { value_offset: value_offset as u32, ..cache };
    let input = if kernel.gated { with_gates(&y, &shape) } else { y.clone() };
    let q = gpu.storage_buffer("q", (tokens * q_len * 4) as u64);
    let kv = gpu.storage_buffer("kv", ((value_offset + value_words) * 4) as u64);
    let mut buffers = vec![
        ("state", state(gpu, position as u32, tokens as u32, 0)),
        ("projected", gpu.storage_buffer_with("projected", &input)),
        ("rope", gpu.storage_buffer_with("rope", &angles)),
        ("y", q.clone()),
        ("kv", kv.clone()),
    ];
    let keys = if queries_only { 1 } else { 2 };
    if kind != HeadNorm::None {
        let norms = norms.iter().map(|norm| gpu.storage_buffer_with("norm", norm));
        buffers.extend(["query_norm", "key_norm"].into_iter().zip(norms).take(keys));
    }
    if kernel.centred {
        let biases = biases.iter().map(|bias| gpu.storage_buffer_with("bias", bias));
        buffers.extend(["query_bias", "key_bias"].into_iter().zip(biases));
    }
    let kernel = HeadNormKernel { cache, ..kernel };
    let bindings: Vec<_> = buffers.iter().map(|(name, buffer)| (*name, buffer)).collect();
    run(gpu, &[Dispatch::new(gpu, &kernel.shader(), &bindings, kernel.grid())], tokens as u32);

    // Without keys and values there is nothing but queries to rotate.
    let rotated = if queries_only { HeadShape { kv_heads: 0, ..shape } } else { shape };
    if kind == HeadNorm::HeadAfterRope {
        rotate(&mut y, &rotated, &angles, position);
    }
    norm_heads(&mut y, [&norms, &biases], &kernel);
    if kind != HeadNorm::HeadAfterRope {
        rotate(&mut y, &rotated, &angles, position);
    }
    let what = format!("{kernel:?}");
    if queries_only {
        assert_close(&read::<f32>(gpu, &q, y.len()).await, &y, 1e-5, &what);
        let words: Vec<u32> = read(gpu, &kv, value_offset + value_words).await;
        assert!(words.iter().all(|word| *word == 0), "{what}");
    } else {
        check_cache(gpu, &y, (&shape, &cache), [&q, &kv], [position, tokens], &what).await;
    }
}

/// Inserts a gate, which the kernel must not read, after each query of rows of queries, keys and values.
fn with_gates(projected: &[f32], shape: &HeadShape) -> Vec<f32> {
    let (dim, heads) = (shape.head_dim as usize, (shape.heads + 2 * shape.kv_heads) as usize);
    let gate = |index: usize| if index % heads < shape.heads as usize { dim } else { 0 };
    let heads = projected.chunks_exact(dim).enumerate();
    heads.flat_map(|(index, head)| head.iter().copied().chain(std::iter::repeat_n(f32::NAN, gate(index)))).collect()
}

/// Applies RoPE to the queries and keys of rows of queries, keys and values, whose first token is at `position`.
pub(crate) fn rotate(y: &mut [f32], shape: &HeadShape, angles: &[[f32; 2]], position: usize) {
    let dim = shape.head_dim as usize;
    let rotated_heads = (shape.heads + shape.kv_heads) as usize;
    let pairs = shape.rope_dim as usize / 2;
    for (token, row) in y.chunks_exact_mut(dim * rotated_heads + shape.value_len() as usize).enumerate() {
        let own_angles = &angles[(position + token) * pairs..][..pairs];
        for head in row.chunks_exact_mut(dim).take(rotated_heads) {
            kernels::linear::reference::rope(head, own_angles, shape);
        }
    }
}

/// Compares queries and the cache with rotated rows of queries, keys and values: those of `tokens`, the first of which
/// is at `position`.
async fn check_cache(
    gpu: &Gpu,
    y: &[f32],
    (shape, layout): (&HeadShape, &CacheLayout),
    [q, kv]: [&wgpu::Buffer; 2],
    [position, tokens]: [usize; 2],
    what: &str,
) {
    let [q_len, key_len, value_len] = [shape.query_len(), shape.key_len(), shape.value_len()].map(|len| len as usize);
    let actual_q: Vec<f32> = read(gpu, q, tokens * q_len).await;
    let cache: Vec<u32> = read(gpu, kv, kv.size() as usize / 4).await;
    let format = layout.format;
    let (keys, values) = cache.split_at(layout.value_offset as usize);
    let (keys, values) = (from_cache(keys, key_len, format), from_cache(values, value_len, format));
    for (token, row) in y.chunks_exact(q_len + key_len + value_len).enumerate() {
        assert_close(&actual_q[token * q_len..][..q_len], &row[..q_len], 1e-5, &format!("q, {what}"));
        let at = layout.row(0, position + token);
        let expected = in_cache_order(&row[q_len..][..key_len], shape);
        assert_cached(&keys[at * key_len..][..key_len], &expected, format, &format!("k, {what}"));
        let expected = &row[q_len + key_len..];
        assert_cached(&values[at * value_len..][..value_len], expected, format, &format!("v, {what}"));
    }
}

/// Asserts that cached values are as exact as the cache's format allows.
pub(crate) fn assert_cached(actual: &[f32], expected: &[f32], format: CacheFormat, what: &str) {
    for (actual, expected) in actual.chunks(32).zip(expected.chunks(32)) {
        let largest = expected.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        for (actual, expected) in actual.iter().zip(expected) {
            let step = match format {
                CacheFormat::F16 => expected.abs() / 1024.0,
                CacheFormat::Q8 => largest / 127.0,
                CacheFormat::F32 => 0.0,
            };
            assert!((actual - expected).abs() <= 0.51 * step + 2e-5, "{what}: {actual} for {expected}");
        }
    }
}
