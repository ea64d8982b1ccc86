//! Latent attention: products of heads with their own rows (`linear.wgsl`, `matvec.wgsl`), and `latent.wgsl`.

use parlance_engine::gguf::TensorType;
use parlance_engine::kernels::CacheLayout;
use parlance_engine::kernels::attention::cache::from_cache;
use parlance_engine::kernels::attention::latent::Latent;
use parlance_engine::kernels::attention::reference::{latent_key, merge};
use parlance_engine::kernels::linear::reference::{matmul, rope};
use parlance_engine::kernels::linear::{Epilogue, HeadRows, Linear, LinearTuning, MergedParts};
use parlance_engine::models::{CacheFormat, HeadShape, RopeConfig};
use parlance_engine::runtime::{Dispatch, Gpu};

use crate::common::{Random, assert_close, devices, plain_device};
use crate::heads::assert_cached;
use crate::linear::{Case, EPS};
use crate::{PADDING, UNTOUCHED, gpu_tests, padded, read, read_padded, run, state};

gpu_tests! {
    each_head_is_multiplied_with_its_own_rows,
    merged_heads_are_multiplied_with_their_own_rows,
    latent_keys_are_normalised_rotated_and_cached,
}

/// Heads as in `DeepSeek`'s models, though few: keys are wider than a workgroup has threads for pairs of elements, and
/// values are their first elements.
pub(crate) const LATENT: HeadShape =
    HeadShape { heads: 3, kv_heads: 1, head_dim: 576, value_dim: 512, rope_dim: 64, rope_half: false };

const HEADS: u32 = 3;

/// The products of `[tokens][HEADS][cols]` with the matrices of `case`, `rows` rows each.
fn expected(case: &Case, inputs: &[f32], rows: u32) -> Vec<f32> {
    let cols = case.matrix.cols as usize;
    let matrices = case.weights.chunks_exact(rows as usize * cols).cycle();
    inputs.chunks_exact(cols).zip(matrices).flat_map(|(input, matrix)| matmul(matrix, input, cols)).collect()
}

/// A layout in which several threads share a row.
fn shared_rows(gpu: &Gpu) -> LinearTuning {
    LinearTuning { workgroup: 64, lanes: 16, steps: 1, pairs: 1, tokens: 1, ..gpu.tuning().decode }
}

async fn each_head_is_multiplied_with_its_own_rows() {
    let mut random = Random(41);
    for gpu in devices().await {
        let (one, lanes, several) = (gpu.tuning().decode, shared_rows(&gpu), gpu.tuning().prefill);
        let both = LinearTuning { pairs: 2, tokens: 4, ..lanes };
        for (tuning, tokens) in [(one, 1), (one, 3), (lanes, 1), (lanes, 3), (both, 3), (both, 11), (several, 11)] {
            let tuning = tuning.per_head(64);
            // Inputs and outputs are apart; an odd number of rows.
            let (rows, cols, input_stride, out_rows) = (37u32, 64u32, 96u32, 48u32);
            let case = Case::new(&gpu, &mut random, TensorType::Q8_0, HEADS * rows, cols, 1);
            let heads = Some(HeadRows { heads: HEADS, rows, input_stride });
            let linear = Linear { out_rows, heads, ..case.linear(tuning, Epilogue::STORE) };
            let x = random.floats(tokens * (HEADS * input_stride) as usize);
            let inputs = x.chunks_exact(input_stride as usize).flat_map(|x| &x[..cols as usize]).copied();
            let inputs: Vec<f32> = inputs.collect();
            // Room for whole groups of tokens.
            let mut x = x;
            x.resize(tokens.next_multiple_of(tuning.tokens as usize) * (HEADS * input_stride) as usize, f32::MAX);
            let slots = tokens * HEADS as usize;
            let y = gpu.storage_buffer_with("y", &vec![UNTOUCHED; slots * out_rows as usize]);
            let (state, x) = (state(&gpu, 0, tokens as u32, 0), gpu.storage_buffer_with("x", &x));
            let mut bindings = case.bindings(&state, &x);
            bindings.push(("y", &y));
            run(&gpu, &[Dispatch::new(&gpu, &linear.shader().unwrap(), &bindings, linear.grid())], tokens as u32);
            let actual: Vec<f32> = read(&gpu, &y, slots * out_rows as usize).await;
            let (mut own, mut between) = (Vec::new(), Vec::new());
            for head in actual.chunks_exact(out_rows as usize) {
                own.extend_from_slice(&head[..rows as usize]);
                between.extend_from_slice(&head[rows as usize..]);
            }
            assert_close(&own, &expected(&case, &inputs, rows), 1e-5, &format!("{tuning:?}"));
            assert!(between.iter().all(|value| *value == UNTOUCHED), "{tuning:?}");
        }
    }
}

async fn merged_heads_are_multiplied_with_their_own_rows() {
    let mut random = Random(42);
    for gpu in devices().await {
        let (rows, value_dim, splits) = (22u32, 128u32, 5u32);
        let case = Case::new(&gpu, &mut random, TensorType::Q8_0, HEADS * rows, value_dim, 1);
        let part_len = value_dim as usize + 2;
        let mut parts = random.floats((HEADS * splits) as usize * part_len);
        for part in parts.chunks_exact_mut(part_len) {
            part[part_len - 1] = 1.0 + part[part_len - 1].abs();
        }
        let heads = Some(HeadRows { heads: HEADS, rows, input_stride: value_dim });
        let merged = Some(MergedParts { splits, value_dim });
        let plain = case.linear(shared_rows(&gpu).per_head(value_dim), Epilogue::STORE);
        let linear = Linear { out_rows: rows, heads, merge: merged, ..plain };
        let inputs = merge(&parts, splits as usize, value_dim as usize);
        let expected = expected(&case, &inputs, rows);
        let y = gpu.storage_buffer("y", expected.len() as u64 * 4);
        let (state, parts) = (state(&gpu, 0, 1, 0), gpu.storage_buffer_with("parts", &parts));
        let mut bindings = case.bindings(&state, &parts);
        bindings[3].0 = "parts";
        bindings.push(("y", &y));
        run(&gpu, &[Dispatch::new(&gpu, &linear.shader().unwrap(), &bindings, linear.grid())], 1);
        assert_close(&read(&gpu, &y, expected.len()).await, &expected, 1e-5, &format!("{linear:?}"));
    }
}

async fn latent_keys_are_normalised_rotated_and_cached() {
    let gpu = plain_device().await;
    let mut random = Random(43);
    let small = HeadShape { heads: 2, head_dim: 96, value_dim: 64, rope_dim: 32, ..LATENT };
    for heads in [small, LATENT] {
        for (format, ring) in [(CacheFormat::F16, None), (CacheFormat::Q8, None), (CacheFormat::Q8, Some(6))] {
            let cache = CacheLayout { format, ring, ..CacheLayout::f16(0) };
            let kernel = Latent { heads, key_dim: 64, cache, eps: EPS };
            check_latent(&gpu, &mut random, &kernel).await;
        }
    }
}

/// Runs the kernel on random queries and latent vectors.
async fn check_latent(gpu: &Gpu, random: &mut Random, kernel: &Latent) {
    let (position, tokens, context) = (5usize, 3usize, 12u32);
    let Latent { heads, cache, .. } = *kernel;
    let [head_dim, value_dim, rope_dim, key_dim] =
        [heads.head_dim, heads.value_dim, heads.rope_dim, kernel.key_dim].map(|len| len as usize);
    let input_len = (key_dim + rope_dim) * heads.heads as usize;
    let (queries, rows) = (random.floats(tokens * input_len), random.floats(tokens * head_dim));
    let weight = random.floats(value_dim);
    let angles = RopeConfig::plain(10_000.0).angles(heads.rope_dim, context, None);
    let y_len = heads.query_len() as usize;
    let y = gpu.storage_buffer_with("y", &vec![UNTOUCHED; (tokens + PADDING) * y_len]);
    let cached_words = (context * cache.format.row_words(heads.key_len())) as usize;
    let kv = gpu.storage_buffer("kv", cached_words as u64 * 4);
    let bindings = [
        ("state", &state(gpu, position as u32, tokens as u32, 0)),
        ("queries", &gpu.storage_buffer_with("queries", &padded(&queries, input_len, f32::NAN))),
        ("latents", &gpu.storage_buffer_with("latents", &padded(&rows, head_dim, f32::NAN))),
        ("norm_weight", &gpu.storage_buffer_with("norm", &weight)),
        ("rope", &gpu.storage_buffer_with("rope", &angles)),
        ("y", &y),
        ("kv", &kv),
    ];
    let dispatch = Dispatch::new(gpu, &kernel.shader(), &bindings, kernel.grid());
    run(gpu, &[dispatch], (tokens + PADDING) as u32);

    let actual = read_padded(gpu, &y, tokens * y_len, y_len).await;
    let words: Vec<u32> = read(gpu, &kv, cached_words).await;
    let keys = from_cache(&words, head_dim, cache.format);
    for token in 0..tokens {
        let what = format!("token {token}, {kernel:?}");
        let own_angles = &angles[(position + token) * rope_dim / 2..][..rope_dim / 2];
        let heads_of = queries[token * input_len..][..input_len].chunks_exact(key_dim + rope_dim);
        for (query, actual) in heads_of.zip(actual[token * y_len..].chunks_exact(head_dim)) {
            let mut expected = query[key_dim..].to_vec();
            rope(&mut expected, own_angles, &heads);
            assert_close(&actual[value_dim..], &expected, 1e-5, &what);
            assert!(actual[..value_dim].iter().all(|value| *value == UNTOUCHED), "{what}");
        }
        let expected = latent_key(&rows[token * head_dim..][..head_dim], &weight, own_angles, kernel);
        assert_cached(&keys[cache.row(0, position + token) * head_dim..][..head_dim], &expected, cache.format, &what);
    }
}
