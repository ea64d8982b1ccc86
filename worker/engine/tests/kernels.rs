//! Every kernel against its plain CPU twin, on seeded random inputs, with and without optional features.
//! The same tests run natively and, in a worker of a browser, through its own shader compiler.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]
#![allow(clippy::float_cmp, reason = "a maximum is one of the values it is the maximum of")]

mod common;

use common::{FORMATS, Random, assert_close, devices};
use half::f16;
use parlance_engine::gguf::TensorType;
use parlance_engine::kernels::attention::attention;
use parlance_engine::kernels::embed::embed;
use parlance_engine::kernels::linear::{Epilogue, Linear, LinearTuning};
use parlance_engine::kernels::sampling::{RING_LEN, chunk_count, logit_scan, sample};
use parlance_engine::models::{HeadShape, RopeConfig, rope_angles};
use parlance_engine::reference;
use parlance_engine::reference::dequantize::dequantize;
use parlance_engine::reference::sampling::IN_PROMPT;
use parlance_engine::runtime::{Binding, Dispatch, Gpu, Grid, Matrix};
use parlance_engine::sampling::SamplingParams;

gpu_tests! {
    embed_is_bit_exact_in_every_format,
    linear_stores_and_adds_in_every_format_and_layout,
    linear_applies_swiglu,
    linear_turns_queries_and_appends_keys_and_values,
    attention_matches_over_tile_borders,
    sampling_chooses_what_its_twin_chooses_and_feeds_it_back,
    the_draw_follows_the_probabilities,
}

/// Runs dispatches in one pass.
fn run(gpu: &Gpu, dispatches: &[Dispatch], tokens: u32) {
    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    for dispatch in dispatches {
        dispatch.encode(&mut pass, tokens);
    }
    drop(pass);
    gpu.queue().submit([encoder.finish()]);
    gpu.check().unwrap();
}

async fn read<T: bytemuck::Pod>(gpu: &Gpu, buffer: &wgpu::Buffer, len: usize) -> Vec<T> {
    gpu.read_buffer(buffer, (len * size_of::<T>()) as u64).await.unwrap()
}

fn state(gpu: &Gpu, position: u32, token_count: u32, step: u32) -> wgpu::Buffer {
    let buffer = gpu.buffer("state", 16, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::UNIFORM);
    gpu.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(&[position, token_count, step, 0]));
    buffer
}

/// Layouts worth testing: those the device uses, lanes through workgroup memory, and several tokens a thread.
fn tunings(gpu: &Gpu) -> Vec<LinearTuning> {
    let base = gpu.decode_tuning();
    let split = LinearTuning { workgroup: 64, lanes: 16, pairs: 1, tokens: 1, subgroups: false, ..base };
    let subgroups = gpu.device().features().contains(wgpu::Features::SUBGROUP);
    let mut tunings = vec![base, gpu.prefill_tuning(), split, LinearTuning { lanes: 4, pairs: 3, tokens: 2, ..split }];
    if subgroups {
        tunings.push(LinearTuning { lanes: 4, subgroups, ..split });
    }
    tunings
}

/// A product with the CPU's weights beside it.
struct Case {
    matrix: Matrix,
    weights: Vec<f32>,
    x: Vec<f32>,
    norm: Vec<f32>,
}

const EPS: f32 = 1e-5;

impl Case {
    fn new(gpu: &Gpu, random: &mut Random, tensor_type: TensorType, rows: u32, cols: u32, tokens: usize) -> Self {
        let bytes = random.weights(tensor_type, (rows * cols) as usize);
        Self {
            matrix: Matrix::from_bytes(gpu, tensor_type, rows, cols, &bytes).unwrap(),
            weights: dequantize(tensor_type, &bytes).unwrap(),
            x: random.floats(tokens * cols as usize),
            norm: random.floats(cols as usize),
        }
    }

    fn dispatch(
        &self,
        gpu: &Gpu,
        tuning: LinearTuning,
        with_norm: bool,
        epilogue: Epilogue,
        outputs: &[(u32, Binding<'_>)],
        state: &wgpu::Buffer,
    ) -> Dispatch {
        let linear = Linear {
            tensor_type: self.matrix.tensor_type,
            rows: self.matrix.rows,
            cols: self.matrix.cols,
            norm_eps: with_norm.then_some(EPS),
            epilogue,
            tuning,
        };
        // Room for whole groups of tokens.
        let mut padded = self.x.clone();
        let group = (tuning.tokens * self.matrix.cols) as usize;
        padded.resize(padded.len().next_multiple_of(group), f32::MAX);
        let x = gpu.storage_buffer_with("x", &padded);
        let norm = gpu.storage_buffer_with("norm", &self.norm);
        let mut bindings = vec![
            (0, Binding::Uniform(state)),
            (1, Binding::Read(&self.matrix.quants)),
            (2, Binding::Read(&self.matrix.scales)),
            (3, Binding::Read(&x)),
        ];
        if with_norm {
            bindings.push((4, Binding::Read(&norm)));
        }
        bindings.extend_from_slice(outputs);
        let grid = Grid::TokensInZ { xy: linear.grid(), tokens_per_group: tuning.tokens };
        Dispatch::new(gpu, &linear.shader().unwrap(), &bindings, grid)
    }

    fn expected(&self, with_norm: bool) -> Vec<f32> {
        let cols = self.matrix.cols as usize;
        let x = if with_norm { reference::linear::rms_norm(&self.x, &self.norm, EPS) } else { self.x.clone() };
        reference::linear::matmul(&self.weights, &x, cols)
    }
}

async fn embed_is_bit_exact_in_every_format() {
    for gpu in devices().await {
        let mut random = Random(1);
        for tensor_type in FORMATS {
            let (vocab, cols) = (10, 96);
            let bytes = random.weights(tensor_type, vocab * cols);
            let table = Matrix::from_bytes(&gpu, tensor_type, vocab as u32, cols as u32, &bytes).unwrap();
            let ids = [3u32, 0, 9, 3];
            let id_buffer = gpu.storage_buffer_with("ids", &ids);
            let x = gpu.storage_buffer("x", (ids.len() * cols * 4) as u64);
            let bindings = [
                (0, Binding::Uniform(&state(&gpu, 0, ids.len() as u32, 0))),
                (1, Binding::Read(&table.quants)),
                (2, Binding::Read(&table.scales)),
                (3, Binding::Read(&id_buffer)),
                (4, Binding::Write(&x)),
            ];
            let shader = embed(tensor_type, cols as u32, 1.0).unwrap();
            run(&gpu, &[Dispatch::new(&gpu, &shader, &bindings, Grid::TokensInX)], ids.len() as u32);
            let weights = dequantize(tensor_type, &bytes).unwrap();
            let expected = reference::embed::embed(&weights, cols, &ids, 1.0);
            assert_eq!(read::<f32>(&gpu, &x, expected.len()).await, expected, "{tensor_type}");
        }
    }
}

async fn linear_stores_and_adds_in_every_format_and_layout() {
    for gpu in devices().await {
        let mut random = Random(2);
        for tensor_type in FORMATS {
            for tuning in tunings(&gpu) {
                // An odd number of rows, blocks that do not fill all lanes, tokens that do not fill a group.
                for (rows, cols, tokens, with_norm) in [(37, 96, 3, false), (64, 576, 9, true), (5, 1024, 1, true)] {
                    let case = Case::new(&gpu, &mut random, tensor_type, rows, cols, tokens);
                    let expected = case.expected(with_norm);
                    let what = format!("{tensor_type} {rows}x{cols}, {tokens} tokens, {tuning:?}");
                    let state = state(&gpu, 0, tokens as u32, 0);
                    let y = gpu.storage_buffer_with("y", &vec![7.0f32; expected.len()]);
                    let output = [(5, Binding::Write(&y))];
                    let store = case.dispatch(&gpu, tuning, with_norm, Epilogue::Store, &output, &state);
                    run(&gpu, &[store], tokens as u32);
                    assert_close(&read(&gpu, &y, expected.len()).await, &expected, 1e-5, &what);
                    let add = case.dispatch(&gpu, tuning, with_norm, Epilogue::AddTo, &output, &state);
                    run(&gpu, &[add], tokens as u32);
                    let doubled: Vec<f32> = expected.iter().map(|value| value * 2.0).collect();
                    assert_close(&read(&gpu, &y, expected.len()).await, &doubled, 1e-5, &what);
                }
            }
        }
    }
}

async fn linear_applies_swiglu() {
    for gpu in devices().await {
        let mut random = Random(3);
        for tuning in tunings(&gpu) {
            let (rows, cols, tokens) = (192, 64, 10);
            let case = Case::new(&gpu, &mut random, TensorType::Q8_0, rows, cols, tokens);
            let expected = reference::linear::swiglu(&case.expected(true), rows as usize / 2);
            let y = gpu.storage_buffer("y", (expected.len() * 4) as u64);
            let state = state(&gpu, 0, tokens as u32, 0);
            let output = [(5, Binding::Write(&y))];
            let dispatch = case.dispatch(&gpu, tuning, true, Epilogue::SwiGlu, &output, &state);
            run(&gpu, &[dispatch], tokens as u32);
            assert_close(&read(&gpu, &y, expected.len()).await, &expected, 1e-5, &format!("{tuning:?}"));
        }
    }
}

fn head_shapes() -> [HeadShape; 3] {
    [
        HeadShape { heads: 9, kv_heads: 3, head_dim: 64, rope_dim: 64, rope_half: false },
        HeadShape { heads: 4, kv_heads: 4, head_dim: 32, rope_dim: 16, rope_half: true },
        HeadShape { heads: 8, kv_heads: 1, head_dim: 80, rope_dim: 80, rope_half: true },
    ]
}

/// As the cache stores it.
fn through_f16(values: &[f32]) -> Vec<f32> {
    values.iter().map(|value| f16::from_f32(*value).to_f32()).collect()
}

async fn linear_turns_queries_and_appends_keys_and_values() {
    const CONTEXT: usize = 24;
    for gpu in devices().await {
        let mut random = Random(4);
        for (shape, tuning) in head_shapes().into_iter().flat_map(|s| tunings(&gpu).into_iter().map(move |t| (s, t))) {
            let (tokens, position) = (5, 11);
            let dim = shape.head_dim as usize;
            let (q_rows, kv_rows) =
                ((shape.heads * shape.head_dim) as usize, (shape.kv_heads * shape.head_dim) as usize);
            let rows = q_rows + 2 * kv_rows;
            let case = Case::new(&gpu, &mut random, TensorType::Q4_1, rows as u32, 64, tokens);
            let rope = RopeConfig { base: 10_000.0, linear_factor: 1.0 };
            let angles = rope_angles(&rope, &shape, CONTEXT as u32, None);
            let value_offset = CONTEXT * kv_rows / 2;
            let q = gpu.storage_buffer("q", (tokens * q_rows * 4) as u64);
            let kv = gpu.storage_buffer("kv", (value_offset * 8) as u64);
            let rope_buffer = gpu.storage_buffer_with("rope", &angles);
            let outputs = [(5, Binding::Write(&q)), (6, Binding::Write(&kv)), (7, Binding::Read(&rope_buffer))];
            let epilogue = Epilogue::Qkv { heads: shape, value_offset: value_offset as u32, first_row: 0 };
            let state = state(&gpu, position as u32, tokens as u32, 0);
            let dispatch = case.dispatch(&gpu, tuning, true, epilogue, &outputs, &state);
            run(&gpu, &[dispatch], tokens as u32);

            let mut y = case.expected(true);
            let turned_heads = (shape.heads + shape.kv_heads) as usize;
            for (token, row) in y.chunks_exact_mut(rows).enumerate() {
                let pairs = shape.rope_dim as usize / 2;
                let own_angles = &angles[(position + token) * pairs..][..pairs];
                for head in row.chunks_exact_mut(dim).take(turned_heads) {
                    reference::linear::rope(head, own_angles, &shape);
                }
            }
            let what = format!("{shape:?} {tuning:?}");
            let actual_q: Vec<f32> = read(&gpu, &q, tokens * q_rows).await;
            let cache: Vec<f16> = read(&gpu, &kv, value_offset * 4).await;
            for (token, row) in y.chunks_exact(rows).enumerate() {
                assert_close(&actual_q[token * q_rows..][..q_rows], &row[..q_rows], 1e-5, &format!("q, {what}"));
                let at = (position + token) * kv_rows;
                let keys: Vec<f32> = cache[at..][..kv_rows].iter().map(|half| half.to_f32()).collect();
                let expected = in_cache_order(&row[q_rows..][..kv_rows], &shape);
                assert_close(&keys, &through_f16(&expected), 1e-3, &format!("k, {what}"));
                let values: Vec<f32> =
                    cache[value_offset * 2 + at..][..kv_rows].iter().map(|half| half.to_f32()).collect();
                assert_close(&values, &through_f16(&row[q_rows + kv_rows..]), 1e-3, &format!("v, {what}"));
            }
        }
    }
}

/// Keys with the elements of each RoPE pair side by side.
fn in_cache_order(keys: &[f32], shape: &HeadShape) -> Vec<f32> {
    let half = shape.rope_dim as usize / 2;
    keys.chunks_exact(shape.head_dim as usize)
        .flat_map(|head| {
            (0..head.len() / 2).flat_map(move |pair| {
                let turned = shape.rope_half && pair < half;
                let (a, b) = if turned { (pair, pair + half) } else { (2 * pair, 2 * pair + 1) };
                [head[a], head[b]]
            })
        })
        .collect()
}

async fn attention_matches_over_tile_borders() {
    for gpu in devices().await {
        let mut random = Random(5);
        for shape in head_shapes() {
            for (position, tokens, workgroup) in
                [(0usize, 1usize, 128), (0, 7, 32), (127, 2, 128), (300, 3, 32), (300, 2, 256)]
            {
                let context = position + tokens;
                let (dim, heads) = (shape.head_dim as usize, shape.heads as usize);
                let kv_len = context * shape.kv_heads as usize * dim;
                let q = random.floats(tokens * heads * dim);
                let (keys, values) = (through_f16(&random.floats(kv_len)), through_f16(&random.floats(kv_len)));
                let cache: Vec<f16> =
                    in_cache_order(&keys, &shape).iter().chain(&values).map(|value| f16::from_f32(*value)).collect();
                let q_buffer = gpu.storage_buffer_with("q", &q);
                let kv = gpu.storage_buffer_with("kv", &cache);
                let y = gpu.storage_buffer("y", (q.len() * 4) as u64);
                let bindings = [
                    (0, Binding::Uniform(&state(&gpu, position as u32, tokens as u32, 0))),
                    (1, Binding::Read(&q_buffer)),
                    (2, Binding::Read(&kv)),
                    (3, Binding::Write(&y)),
                ];
                let shader = attention(&shape, (kv_len / 2) as u32, workgroup);
                let grid = Grid::TokensInY(shape.heads);
                run(&gpu, &[Dispatch::new(&gpu, &shader, &bindings, grid)], tokens as u32);
                let expected = reference::attention::attention(&q, &keys, &values, position, &shape);
                let what = format!("{shape:?} at {position}");
                assert_close(&read(&gpu, &y, q.len()).await, &expected, 1e-5, &what);
            }
        }
    }
}

/// Buffers of the sampler.
struct Sampler {
    dispatches: [Dispatch; 2],
    logits: wgpu::Buffer,
    state: wgpu::Buffer,
    next: wgpu::Buffer,
    ring: wgpu::Buffer,
    history: wgpu::Buffer,
}

impl Sampler {
    fn new(gpu: &Gpu, logits: &[f32], history: &[u32], params: &SamplingParams, step: u32) -> Self {
        let vocab = logits.len() as u32;
        let state = state(gpu, 40, 1, step);
        let sampling = gpu.buffer("sampling", 32, wgpu::BufferUsages::UNIFORM);
        gpu.queue().write_buffer(&sampling, 0, bytemuck::bytes_of(params));
        let logits = gpu.storage_buffer_with("logits", logits);
        let history = gpu.storage_buffer_with("history", history);
        let candidates = gpu.storage_buffer("candidates", u64::from(chunk_count(vocab)) * 8);
        let next = gpu.storage_buffer("next", 4);
        let ring = gpu.storage_buffer("ring", u64::from(RING_LEN) * 4);
        let scan = [
            (0, Binding::Uniform(&sampling)),
            (1, Binding::Write(&logits)),
            (2, Binding::Read(&history)),
            (3, Binding::Write(&candidates)),
        ];
        let choose = [
            (0, Binding::Uniform(&sampling)),
            (1, Binding::Read(&logits)),
            (2, Binding::Read(&candidates)),
            (3, Binding::Write(&state)),
            (4, Binding::Write(&next)),
            (5, Binding::Write(&ring)),
            (6, Binding::Write(&history)),
        ];
        let dispatches = [
            Dispatch::new(gpu, &logit_scan(vocab), &scan, Grid::Fixed([chunk_count(vocab), 1, 1])),
            Dispatch::new(gpu, &sample(vocab), &choose, Grid::Fixed([1, 1, 1])),
        ];
        Self { dispatches, logits, state, next, ring, history }
    }
}

async fn sampling_chooses_what_its_twin_chooses_and_feeds_it_back() {
    let greedy = SamplingParams::GREEDY;
    let warm = SamplingParams { temperature: 0.8, seed: 11, ..greedy };
    let cases = [
        greedy,
        SamplingParams { repetition_penalty: 1.3, frequency_penalty: 0.5, presence_penalty: 1.0, ..greedy },
        warm,
        SamplingParams { top_k: 40, ..warm },
        SamplingParams { top_p: 0.9, ..warm },
        SamplingParams { min_p: 0.05, ..warm },
        SamplingParams { top_k: 50, top_p: 0.8, min_p: 0.02, repetition_penalty: 1.1, ..warm },
        SamplingParams { top_k: 1, temperature: 2.0, ..warm },
        SamplingParams { top_k: 1_000_000, top_p: 1e-6, ..warm },
    ];
    for gpu in devices().await {
        let mut random = Random(6);
        for (case, vocab) in cases.iter().flat_map(|case| [(case, 5003usize), (case, 300)]) {
            for step in 0..4 {
                let logits: Vec<f32> = (0..vocab).map(|_| 8.0 * random.float() + 3.0 * random.float()).collect();
                let history: Vec<u32> = (0..vocab)
                    .map(|_| match random.bits() % 8 {
                        0 => IN_PROMPT,
                        1 => IN_PROMPT | 2,
                        2 => 3,
                        _ => 0,
                    })
                    .collect();
                let sampler = Sampler::new(&gpu, &logits, &history, case, step);
                run(&gpu, &sampler.dispatches, 1);

                let penalised: Vec<f32> = logits
                    .iter()
                    .zip(&history)
                    .map(|(logit, seen)| reference::sampling::penalise(*logit, *seen, case))
                    .collect();
                // The draw is checked on the GPU's own logits, so that a last bit cannot move a threshold.
                let actual: Vec<f32> = read(&gpu, &sampler.logits, vocab).await;
                assert_close(&actual, &penalised, 1e-6, "penalised logits");
                let id = read::<u32>(&gpu, &sampler.next, 1).await[0] as usize;
                let what = format!("{case:?}, vocab {vocab}, step {step}");
                if case.temperature == 0.0 {
                    let best = actual.iter().copied().fold(f32::MIN, f32::max);
                    assert_eq!(id, actual.iter().position(|logit| *logit == best).unwrap(), "{what}");
                } else {
                    assert_draw(&actual, case, step, id, &what);
                }
                assert_eq!(read::<u32>(&gpu, &sampler.state, 4).await, [41, 1, step + 1, 0], "{what}");
                assert_eq!(read::<u32>(&gpu, &sampler.ring, 4).await[step as usize] as usize, id, "{what}");
                assert_eq!(read::<u32>(&gpu, &sampler.history, vocab).await[id], history[id] + 1, "{what}");
            }
        }
    }
}

/// The draw is the twin's, or next to it: weights differ by a unit where `exp` differs in its last bit.
fn assert_draw(logits: &[f32], params: &SamplingParams, step: u32, id: usize, what: &str) {
    let kept = reference::sampling::candidates(logits, params);
    let expected = reference::sampling::sample(logits, params, step);
    let place = |id: usize| kept.iter().position(|(kept_id, _)| *kept_id == id);
    let (Some(actual), Some(expected)) = (place(id), place(expected)) else {
        panic!("{what}: {id} is not among the {} candidates", kept.len());
    };
    assert!(actual.abs_diff(expected) <= 1, "{what}: candidate {actual}, expected {expected}");
}

async fn the_draw_follows_the_probabilities() {
    let gpu = common::device(parlance_engine::runtime::GpuOptions::default()).await;
    // Probabilities 1/2, 1/4, 1/8, 1/8.
    let logits = [4.0f32, 2.0, 1.0, 1.0].map(f32::ln);
    let params = SamplingParams { temperature: 1.0, seed: 5, ..SamplingParams::GREEDY };
    let mut counts = [0u32; 4];
    let draws = 800;
    for step in 0..draws {
        let sampler = Sampler::new(&gpu, &logits, &[0; 4], &params, step);
        run(&gpu, &sampler.dispatches, 1);
        counts[read::<u32>(&gpu, &sampler.next, 1).await[0] as usize] += 1;
    }
    for (count, share) in counts.iter().zip([0.5, 0.25, 0.125, 0.125]) {
        // Four standard deviations.
        let expected = f64::from(draws) * share;
        let bound = 4.0 * (expected * (1.0 - share)).sqrt();
        assert!((f64::from(*count) - expected).abs() < bound, "{counts:?}");
    }
}
