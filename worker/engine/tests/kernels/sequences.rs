//! Kernels on a memory of several sequences: with a token of each of some of them, and with a batch of one.

use std::ops::Range;

use parlance_engine::gguf::TensorType;
use parlance_engine::kernels::attention::cache::{from_cache, in_cache_order, into_cache};
use parlance_engine::kernels::attention::reference::attention;
use parlance_engine::kernels::attention::{Attention, AttentionLayout};
use parlance_engine::kernels::convolution::{Convolution, reference::convolve};
use parlance_engine::kernels::delta_net::{DeltaNet, reference as delta_net};
use parlance_engine::kernels::linear::Epilogue;
use parlance_engine::kernels::norm::HeadNormKernel;
use parlance_engine::kernels::state_space::{StateSpace, reference as state_space};
use parlance_engine::kernels::{CacheLayout, TokensOf};
use parlance_engine::models::{CacheFormat, HeadNorm, HeadShape, RopeConfig};
use parlance_engine::runtime::{Dispatch, Gpu};

use crate::common::{Random, assert_close, devices, plain_device};
use crate::heads::{assert_cached, from_cache_order, head_shapes, rotate};
use crate::linear::{Case, EPS};
use crate::{PADDING, UNTOUCHED, batch_rows, gpu_tests, places_state, read, read_padded, run};

gpu_tests! {
    tokens_attend_to_their_own_sequences,
    keys_and_values_go_to_their_own_sequences,
    convolutions_continue_their_own_sequences,
    delta_nets_continue_their_own_sequences,
    state_spaces_continue_their_own_sequences,
}

/// Number of positions that each sequence in the caches has.
const LENS: [usize; 4] = [20, 151, 0, 77];
/// Sequence and position of each token.
const EACH: [[u32; 2]; 3] = [[1, 150], [3, 76], [0, 19]];
/// The same for a batch of one sequence.
const ONE: [[u32; 2]; 5] = [[1, 146], [1, 147], [1, 148], [1, 149], [1, 150]];

/// Fills a cache. Returns its words, with those of the values from `value_offset` of the returned layout on, and each
/// sequence's keys and values.
fn filled(random: &mut Random, shape: &HeadShape, layout: CacheLayout) -> (CacheLayout, Vec<u32>, Vec<[Vec<f32>; 2]>) {
    let format = layout.format;
    let mut rows = vec![[Vec::new(), Vec::new()]; LENS.len()];
    let [keys, values] = [(0, shape.key_len()), (1, shape.value_len())].map(|(part, len)| {
        let (len, row_words) = (len as usize, format.row_words(len) as usize);
        let mut words = vec![0u32; LENS.len() * layout.rows as usize * row_words];
        for (sequence, count) in LENS.into_iter().enumerate() {
            let own = into_cache(&random.floats(count * len), len, format);
            for (position, row) in own.chunks_exact(row_words).enumerate() {
                words[layout.row(sequence, position) * row_words..][..row_words].copy_from_slice(row);
            }
            rows[sequence][part] = from_cache(&own, len, format);
        }
        words
    });
    for [keys, _] in &mut rows {
        *keys = from_cache_order(keys, shape);
    }
    let layout = CacheLayout { value_offset: keys.len() as u32, ..layout };
    (layout, [keys, values].concat(), rows)
}

async fn tokens_attend_to_their_own_sequences() {
    let [shape, ..] = head_shapes();
    for (index, gpu) in devices().await.into_iter().enumerate() {
        let mut random = Random(51);
        let mut layouts = if index == 0 { vec![AttentionLayout::Token, AttentionLayout::Batch] } else { Vec::new() };
        layouts.extend(gpu.has_matrix_units().then_some(AttentionLayout::Cooperative));
        for (format, ring) in [(CacheFormat::F16, None), (CacheFormat::F16, Some(50)), (CacheFormat::Q8, Some(50))] {
            let rows = ring.unwrap_or(160);
            let layout = CacheLayout { format, ring, rows, context: 160, ..CacheLayout::f16(0) };
            let (cache, words, sequences) = filled(&mut random, &shape, layout);
            let kv = gpu.storage_buffer_with("kv", &words);
            for (layout, tokens) in layouts.iter().flat_map(|own| [(*own, TokensOf::Each), (*own, TokensOf::One)]) {
                let is_cooperative = layout == AttentionLayout::Cooperative;
                if is_cooperative && (tokens == TokensOf::Each || format == CacheFormat::Q8) {
                    continue;
                }
                let attention = Attention {
                    heads: shape,
                    cache: CacheLayout { tokens, ..cache },
                    scale: 0.3,
                    temperature: None,
                    softcap: None,
                    window: ring.map(|_| 33),
                    bidirectional: false,
                    ahead: None,
                    alibi: false,
                    sinks: false,
                    layout,
                    splits: 1,
                    workgroup: 64,
                    halves: false,
                };
                let places = if tokens == TokensOf::Each { &EACH[..] } else { &ONE[..] };
                let tolerance = if is_cooperative { 5e-3 } else { 1e-5 };
                check_attention(&gpu, &mut random, &attention, (&kv, &sequences), (places, tolerance)).await;
            }
        }
    }
}

/// Compares attention with what the reference computes for each token from its own sequence.
async fn check_attention(
    gpu: &Gpu,
    random: &mut Random,
    kernel: &Attention,
    (kv, sequences): (&wgpu::Buffer, &[[Vec<f32>; 2]]),
    (places, tolerance): (&[[u32; 2]], f32),
) {
    let shape = &kernel.heads;
    let [q_len, y_len, key_len, value_len] =
        [shape.query_len(), shape.attended_len(), shape.key_len(), shape.value_len()].map(|len| len as usize);
    let q = random.floats(places.len() * q_len);
    let y = gpu.storage_buffer("y", (places.len() * y_len * 4) as u64);
    let (state, q_buffer) = (places_state(gpu, places.len() as u32, places), gpu.storage_buffer_with("q", &q));
    let bindings = [("state", &state), ("q", &q_buffer), ("kv", kv), ("y", &y)];
    run(gpu, &[Dispatch::new(gpu, &kernel.shader(), &bindings, kernel.grids()[0])], places.len() as u32);
    let expected = places.iter().zip(q.chunks_exact(q_len)).flat_map(|([sequence, position], q)| {
        let ([keys, values], position) = (&sequences[*sequence as usize], *position as usize);
        let rows = [&keys[..(position + 1) * key_len], &values[..(position + 1) * value_len]];
        attention(q, rows, &[], position, kernel)
    });
    let expected: Vec<f32> = expected.collect();
    assert_close(&read(gpu, &y, expected.len()).await, &expected, tolerance, &format!("{kernel:?}"));
}

/// Rows of each sequence's RoPE angles.
const CONTEXT: u32 = 24;

async fn keys_and_values_go_to_their_own_sequences() {
    let gpu = plain_device().await;
    let mut random = Random(52);
    let (each, one) = ([[2, 11], [0, 3], [1, 20]], [[1, 11], [1, 12], [1, 13]]);
    for (shape, ring) in head_shapes().into_iter().zip([None, Some(13)]) {
        for (tokens, places) in [(TokensOf::Each, each), (TokensOf::One, one)] {
            let rows = ring.unwrap_or(CONTEXT);
            let cache = CacheLayout { ring, tokens, rows, context: CONTEXT, ..CacheLayout::f16(0) };
            let value_offset = |format: CacheFormat| LENS.len() as u32 * rows * format.row_words(shape.key_len());

            let cache = CacheLayout { value_offset: value_offset(CacheFormat::F16), ..cache };
            let subject = Subject::new(&gpu, &shape, cache, &places);
            let row_len = shape.query_len() + shape.key_len() + shape.value_len();
            let case = Case::new(&gpu, &mut random, TensorType::Q4_1, row_len, 64, places.len());
            let outputs = [("y", &subject.q), ("kv", &subject.kv), ("rope", &subject.rope)];
            let epilogue = Epilogue::Qkv { heads: shape, cache };
            let dispatch = case.dispatch(&gpu, gpu.tuning().prefill, true, epilogue, &outputs, &subject.state);
            run(&gpu, &[dispatch], places.len() as u32);
            subject.check(&gpu, case.expected(true)).await;

            let format = CacheFormat::Q8.for_heads(&shape);
            let cache = CacheLayout { format, value_offset: value_offset(format), ..cache };
            let subject = Subject::new(&gpu, &shape, cache, &places);
            let projected = random.floats(places.len() * row_len as usize);
            let kernel = HeadNormKernel {
                kind: HeadNorm::None,
                heads: shape,
                centred: false,
                gated: false,
                value_norm: false,
                queries_only: false,
                cache,
                eps: EPS,
            };
            let bindings = [
                ("state", &subject.state),
                ("projected", &gpu.storage_buffer_with("projected", &projected)),
                ("rope", &subject.rope),
                ("y", &subject.q),
                ("kv", &subject.kv),
            ];
            let dispatch = Dispatch::new(&gpu, &kernel.shader(), &bindings, kernel.grid());
            run(&gpu, &[dispatch], places.len() as u32);
            subject.check(&gpu, projected).await;
        }
    }
}

/// Buffers that queries, keys and values go to.
struct Subject<'a> {
    shape: &'a HeadShape,
    cache: CacheLayout,
    places: &'a [[u32; 2]],
    state: wgpu::Buffer,
    q: wgpu::Buffer,
    kv: wgpu::Buffer,
    rope: wgpu::Buffer,
    /// The angles of each sequence.
    angles: Vec<Vec<[f32; 2]>>,
}

impl<'a> Subject<'a> {
    fn new(gpu: &Gpu, shape: &'a HeadShape, cache: CacheLayout, places: &'a [[u32; 2]]) -> Self {
        let bases = [10_000.0, 5_000.0, 20_000.0, 3_000.0];
        let angles = bases.map(|base| RopeConfig::plain(base).angles(shape.rope_dim, CONTEXT, None)).to_vec();
        let value_words = LENS.len() as u32 * cache.rows * cache.format.row_words(shape.value_len());
        Self {
            shape,
            cache,
            places,
            state: places_state(gpu, places.len() as u32, places),
            q: gpu.storage_buffer("q", places.len() as u64 * u64::from(shape.query_len()) * 4),
            kv: gpu.storage_buffer("kv", u64::from(cache.value_offset + value_words) * 4),
            rope: gpu.storage_buffer_with("rope", &angles.concat()),
            angles,
        }
    }

    /// Compares queries and cache with rows of queries, keys and values before RoPE.
    async fn check(&self, gpu: &Gpu, mut rows: Vec<f32>) {
        let Self { shape, cache, places, .. } = self;
        let what = format!("{cache:?}, {shape:?}");
        let [q_len, key_len, value_len] =
            [shape.query_len(), shape.key_len(), shape.value_len()].map(|len| len as usize);
        let q: Vec<f32> = read(gpu, &self.q, places.len() * q_len).await;
        let words: Vec<u32> = read(gpu, &self.kv, self.kv.size() as usize / 4).await;
        let (keys, values) = words.split_at(cache.value_offset as usize);
        let [keys, values] = [(keys, key_len), (values, value_len)].map(|(words, len)| {
            // Allocations are rounded up.
            let row_words = cache.format.row_words(len as u32) as usize;
            from_cache(&words[..LENS.len() * cache.rows as usize * row_words], len, cache.format)
        });
        let rows = rows.chunks_exact_mut(q_len + key_len + value_len);
        for ((row, [sequence, position]), q) in rows.zip(*places).zip(q.chunks_exact(q_len)) {
            let (sequence, position) = (*sequence as usize, *position as usize);
            rotate(row, shape, &self.angles[sequence], position);
            let at = cache.row(sequence, position);
            assert_close(q, &row[..q_len], 1e-5, &format!("q, {what}"));
            let key = in_cache_order(&row[q_len..][..key_len], shape);
            assert_cached(&keys[at * key_len..][..key_len], &key, cache.format, &format!("k, {what}"));
            let own = &values[at * value_len..][..value_len];
            assert_cached(own, &row[q_len + key_len..], cache.format, &format!("v, {what}"));
        }
        let used = keys.chunks_exact(key_len).filter(|row| row.iter().any(|value| *value != 0.0)).count();
        assert_eq!(used, places.len(), "other rows are untouched: {what}");
    }
}

/// The sequences that have tokens, of four, and the number of these.
const SEQUENCES: [usize; 3] = [2, 0, 3];
const STEPS: usize = 5;

/// The outputs, `y_len` per token, of a kernel that computes a token of each of [`SEQUENCES`] in every step:
/// `[steps][sequences][y_len]`. `dispatch` gets the step's tokens, `state` and `y`.
async fn in_steps(
    gpu: &Gpu,
    y_len: usize,
    dispatch: impl Fn(Range<usize>, &wgpu::Buffer, &wgpu::Buffer) -> Dispatch,
) -> Vec<f32> {
    let (mut outputs, count) = (Vec::new(), SEQUENCES.len());
    for step in 0..STEPS {
        let y = gpu.storage_buffer_with("y", &vec![UNTOUCHED; (count + PADDING) * y_len]);
        let state = places_state(gpu, count as u32, &SEQUENCES.map(|sequence| [sequence as u32, step as u32]));
        let dispatch = dispatch(step * count..(step + 1) * count, &state, &y);
        run(gpu, &[dispatch], (count + PADDING) as u32);
        outputs.extend(read_padded(gpu, &y, count * y_len, y_len).await);
    }
    outputs
}

/// The rows of one of the [`SEQUENCES`], by its index there.
fn rows_of(rows: &[f32], row_len: usize, index: usize) -> Vec<f32> {
    rows.chunks_exact(row_len).skip(index).step_by(SEQUENCES.len()).flatten().copied().collect()
}

/// Compares the outputs of [`in_steps`], and the states of four sequences, with what `reference` computes for each from
/// its index in [`SEQUENCES`] and its state.
fn check_states(
    (actual, y_len): (&[f32], usize),
    [before, after]: [&[f32]; 2],
    what: &str,
    reference: impl Fn(usize, &mut Vec<f32>) -> Vec<f32>,
) {
    let len = before.len() / LENS.len();
    for (sequence, (before, after)) in before.chunks_exact(len).zip(after.chunks_exact(len)).enumerate() {
        let mut state = before.to_vec();
        if let Some(index) = SEQUENCES.iter().position(|own| *own == sequence) {
            let expected = reference(index, &mut state);
            assert_close(&rows_of(actual, y_len, index), &expected, 1e-5, what);
        }
        assert_close(after, &state, 1e-5, &format!("state {sequence}, {what}"));
    }
}

async fn convolutions_continue_their_own_sequences() {
    let gpu = plain_device().await;
    let mut random = Random(53);
    for (channels, taps, row_len, gated) in [(64u32, 3u32, 192u32, true), (100, 4, 128, false)] {
        let (biased, one_token, tokens) = (false, true, TokensOf::Each);
        let convolution = Convolution { channels, taps, row_len, input_at: 0, gated, biased, one_token, tokens };
        let (y_len, row_len) = (channels as usize, row_len as usize);
        let rows = random.floats(STEPS * SEQUENCES.len() * row_len);
        let weights = random.floats((channels * taps) as usize);
        let before = random.floats(LENS.len() * ((taps - 1) * channels) as usize);
        let (taps, memory) = (gpu.storage_buffer_with("taps", &weights), gpu.storage_buffer_with("memory", &before));
        let actual = in_steps(&gpu, y_len, |tokens, state, y| {
            let rows = batch_rows(&gpu, &rows, row_len, tokens);
            let bindings = [("state", state), ("rows", &rows), ("taps", &taps), ("memory", &memory), ("y", y)];
            Dispatch::new(&gpu, &convolution.shader(), &bindings, convolution.grid())
        })
        .await;
        let after: Vec<f32> = read(&gpu, &memory, before.len()).await;
        check_states((&actual, y_len), [&before, &after], &format!("{convolution:?}"), |index, state| {
            convolve(&rows_of(&rows, row_len, index), &weights, &[], state, &convolution)
        });

        // Then a batch of one sequence.
        let convolution = Convolution { one_token: false, tokens: TokensOf::One, ..convolution };
        let batch = random.floats(7 * row_len);
        let mut state = after[y_len * (convolution.taps as usize - 1)..][..before.len() / LENS.len()].to_vec();
        let expected = convolve(&batch, &weights, &[], &mut state, &convolution);
        let y = gpu.storage_buffer("y", (expected.len() * 4) as u64);
        let (place, batch) = (places_state(&gpu, 7, &[[1, STEPS as u32]]), gpu.storage_buffer_with("rows", &batch));
        let bindings = [("state", &place), ("rows", &batch), ("memory", &memory)];
        let update = Dispatch::new(&gpu, &convolution.state_shader(), &bindings, convolution.state_grid());
        let bindings = [("state", &place), ("rows", &batch), ("taps", &taps), ("memory", &memory), ("y", &y)];
        let convolve = Dispatch::new(&gpu, &convolution.shader(), &bindings, convolution.grid());
        run(&gpu, &[convolve, update], 7);
        let what = format!("{convolution:?}");
        assert_close(&read(&gpu, &y, expected.len()).await, &expected, 1e-5, &what);
        let states: Vec<f32> = read(&gpu, &memory, before.len()).await;
        let unchanged = [&after[..state.len()], &state, &after[2 * state.len()..]].concat();
        assert_close(&states, &unchanged, 1e-5, &what);
    }
}

async fn delta_nets_continue_their_own_sequences() {
    let gpu = plain_device().await;
    let mut random = Random(54);
    for (key_heads, value_heads, head_dim) in [(2u32, 6u32, 32u32), (1, 3, 64)] {
        let net = DeltaNet {
            key_heads,
            value_heads,
            grouped: false,
            head_dim,
            gates_row_len: 2 * value_heads,
            alpha_at: 0,
            beta_at: value_heads,
            eps: 1e-6,
            tokens: TokensOf::Each,
        };
        let (heads, dim, gates_len) = (value_heads as usize, head_dim as usize, 2 * value_heads as usize);
        let (qkv_len, y_len) = ((2 * key_heads as usize + heads) * dim, heads * dim);
        let count = STEPS * SEQUENCES.len();
        let (qkv, gates) = (random.floats(count * qkv_len), random.floats(count * gates_len));
        let dt_bias = random.floats(heads);
        let decay: Vec<f32> = random.floats(heads).iter().map(|x| -0.1 - 0.2 * x.abs()).collect();
        let before = random.floats(LENS.len() * y_len * dim);
        let [bias_buffer, decay_buffer, memory] =
            [&dt_bias, &decay, &before].map(|vector| gpu.storage_buffer_with("vector", vector));
        let actual = in_steps(&gpu, y_len, |tokens, state, y| {
            let (qkv, gates) =
                (batch_rows(&gpu, &qkv, qkv_len, tokens.clone()), batch_rows(&gpu, &gates, gates_len, tokens));
            let bindings = [
                ("state", state),
                ("qkv", &qkv),
                ("gates", &gates),
                ("dt_bias", &bias_buffer),
                ("decay", &decay_buffer),
                ("memory", &memory),
                ("y", y),
            ];
            Dispatch::new(&gpu, &net.shader(), &bindings, net.grid())
        })
        .await;
        let after: Vec<f32> = read(&gpu, &memory, before.len()).await;
        check_states((&actual, y_len), [&before, &after], &format!("{net:?}"), |index, state| {
            let (qkv, gates) = (rows_of(&qkv, qkv_len, index), rows_of(&gates, gates_len, index));
            let inputs = delta_net::Inputs { qkv: &qkv, gates: &gates, dt_bias: &dt_bias, decay: &decay };
            delta_net::delta_net(inputs, state, &net)
        });
    }
}

async fn state_spaces_continue_their_own_sequences() {
    let gpu = plain_device().await;
    let mut random = Random(55);
    for (heads, head_dim, groups, state_len, gated) in [(1u32, 16u32, 1u32, 16u32, false), (6, 32, 2, 48, true)] {
        let (steps_at, tokens) = (heads * head_dim, TokensOf::Each);
        let row_len = steps_at + heads;
        let space = StateSpace { heads, head_dim, groups, state_len, row_len, steps_at, gated, tokens };
        let (row_len, y_len) = (row_len as usize, (heads * head_dim) as usize);
        let input_len = y_len + (2 * groups * state_len) as usize;
        let count = STEPS * SEQUENCES.len();
        let (inputs, rows) = (random.floats(count * input_len), random.floats(count * row_len));
        let (step_bias, skip) = (random.floats(heads as usize), random.floats(heads as usize));
        let decay: Vec<f32> = random.floats(heads as usize).iter().map(|x| -0.1 - 0.2 * x.abs()).collect();
        let before = random.floats(LENS.len() * y_len * state_len as usize);
        let [bias_buffer, decay_buffer, skip_buffer, memory] =
            [&step_bias, &decay, &skip, &before].map(|vector| gpu.storage_buffer_with("vector", vector));
        let actual = in_steps(&gpu, y_len, |tokens, state, y| {
            let (inputs, rows) =
                (batch_rows(&gpu, &inputs, input_len, tokens.clone()), batch_rows(&gpu, &rows, row_len, tokens));
            let bindings = [
                ("state", state),
                ("inputs", &inputs),
                ("rows", &rows),
                ("step_bias", &bias_buffer),
                ("decay", &decay_buffer),
                ("skip", &skip_buffer),
                ("memory", &memory),
                ("y", y),
            ];
            Dispatch::new(&gpu, &space.shader(), &bindings, space.grid())
        })
        .await;
        let after: Vec<f32> = read(&gpu, &memory, before.len()).await;
        check_states((&actual, y_len), [&before, &after], &format!("{space:?}"), |index, state| {
            let (inputs, rows) = (rows_of(&inputs, input_len, index), rows_of(&rows, row_len, index));
            let own =
                state_space::Inputs { inputs: &inputs, rows: &rows, step_bias: &step_bias, decay: &decay, skip: &skip };
            state_space::state_space(own, state, &space)
        });
    }
}
