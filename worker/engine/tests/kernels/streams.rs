//! Hidden states of several vectors: `expand.wgsl`, `predict.wgsl`, `correct.wgsl` and `merge.wgsl`.

use parlance_engine::kernels::streams::{StreamStep, Streams, reference};
use parlance_engine::runtime::{Dispatch, Gpu};

use crate::common::{Random, assert_close, plain_device};
use crate::{PADDING, UNTOUCHED, gpu_tests, padded, read_padded, run, state};

gpu_tests! {
    vectors_are_expanded_and_merged,
    vectors_are_predicted_and_corrected,
}

/// Numbers of vectors, their length, and tokens.
const SHAPES: [(usize, usize, usize); 4] = [(4, 100, 3), (2, 64, 1), (4, 32, 5), (8, 65, 2)];

/// Runs a step on a batch with padding.
fn step(gpu: &Gpu, streams: Streams, tokens: usize, buffers: &[(&str, &wgpu::Buffer)]) {
    let state = state(gpu, 0, tokens as u32, 0);
    let bound: Vec<_> = buffers.iter().copied().chain([("state", &state)]).collect();
    run(gpu, &[Dispatch::new(gpu, &streams.shader(), &bound, streams.grid())], (tokens + PADDING) as u32);
}

async fn vectors_are_expanded_and_merged() {
    let gpu = plain_device().await;
    let mut random = Random(51);
    for (count, len, tokens) in SHAPES {
        let (rest, what) = ((count - 1) * len, format!("{count} of {len}, {tokens} tokens"));
        let streams = |step| Streams { count: count as u32, len: len as u32, step };
        let (mut hidden, mut others) = (random.floats(tokens * len), random.floats(tokens * rest));
        let buffer = |rows: &[f32], len| gpu.storage_buffer_with("vectors", &padded(rows, len, UNTOUCHED));
        let (x, y) = (buffer(&hidden, len), buffer(&others, rest));
        step(&gpu, streams(StreamStep::Expand), tokens, &[("x", &x), ("y", &y)]);
        let pairs = hidden.chunks_exact(len).zip(others.chunks_exact_mut(rest));
        pairs.for_each(|(hidden, others)| reference::expand(hidden, others));
        assert_close(&read_padded(&gpu, &y, others.len(), rest).await, &others, 1e-5, &what);

        let others = random.floats(tokens * rest);
        let (x, y) = (buffer(&others, rest), buffer(&hidden, len));
        step(&gpu, streams(StreamStep::Merge), tokens, &[("x", &x), ("y", &y)]);
        let pairs = hidden.chunks_exact_mut(len).zip(others.chunks_exact(rest));
        pairs.for_each(|(hidden, others)| reference::merge(hidden, others));
        assert_close(&read_padded(&gpu, &y, hidden.len(), len).await, &hidden, 1e-5, &what);
    }
}

async fn vectors_are_predicted_and_corrected() {
    let gpu = plain_device().await;
    let mut random = Random(52);
    for (count, len, tokens) in SHAPES {
        let (rest, what) = ((count - 1) * len, format!("{count} of {len}, {tokens} tokens"));
        let streams = |step| Streams { count: count as u32, len: len as u32, step };
        let routes = random.floats(tokens * count);
        let [predict, correct] = [3, 2].map(|power| random.floats(count.pow(power)));
        let scale = random.floats(len);
        let (mut hidden, mut others) = (random.floats(tokens * len), random.floats(tokens * rest));
        let buffer = |rows: &[f32], len| gpu.storage_buffer_with("vectors", &padded(rows, len, UNTOUCHED));
        let (x, y) = (buffer(&hidden, len), buffer(&others, rest));
        let [prediction, gate_input] = [(); 2].map(|()| buffer(&vec![0.0; tokens * len], len));
        let [routes_buffer, predict_buffer, correct_buffer, scale_buffer] =
            [&routes, &predict, &correct, &scale].map(|floats| gpu.storage_buffer_with("floats", floats.as_slice()));
        let bound = [
            ("routes", &routes_buffer),
            ("coefficients", &predict_buffer),
            ("hidden", &x),
            ("others", &y),
            ("prediction", &prediction),
        ];
        step(&gpu, streams(StreamStep::Predict), tokens, &bound);
        for (token, routes) in routes.chunks_exact(count).enumerate() {
            let (hidden, others) = (&mut hidden[token * len..][..len], &mut others[token * rest..][..rest]);
            reference::predict(hidden, others, routes, &predict);
        }
        for copy in [&x, &prediction] {
            assert_close(&read_padded(&gpu, copy, hidden.len(), len).await, &hidden, 1e-5, &what);
        }
        assert_close(&read_padded(&gpu, &y, others.len(), rest).await, &others, 1e-5, &what);

        // As if a layer had computed the first vector.
        let predicted = std::mem::replace(&mut hidden, random.floats(tokens * len));
        let x = buffer(&hidden, len);
        let bound = [
            ("routes", &routes_buffer),
            ("coefficients", &correct_buffer),
            ("hidden", &x),
            ("others", &y),
            ("prediction", &prediction),
            ("gate_scale", &scale_buffer),
            ("gate_input", &gate_input),
        ];
        step(&gpu, streams(StreamStep::Correct), tokens, &bound);
        for (token, routes) in routes.chunks_exact(count).enumerate() {
            let (hidden, others) = (&mut hidden[token * len..][..len], &mut others[token * rest..][..rest]);
            reference::correct(hidden, others, &predicted[token * len..][..len], routes, &correct);
        }
        assert_close(&read_padded(&gpu, &x, hidden.len(), len).await, &hidden, 1e-5, &what);
        assert_close(&read_padded(&gpu, &y, others.len(), rest).await, &others, 1e-5, &what);
        let scaled: Vec<f32> = hidden.iter().zip(scale.iter().cycle()).map(|(x, scale)| x * scale).collect();
        assert_close(&read_padded(&gpu, &gate_input, scaled.len(), len).await, &scaled, 1e-5, &what);
    }
}
