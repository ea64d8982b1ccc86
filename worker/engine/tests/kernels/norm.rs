//! `add_norm.wgsl`, `layer_norm.wgsl`, `gated_norm.wgsl` and `gate_cutoff.wgsl`.

use half::f16;
use parlance_engine::kernels;
use parlance_engine::kernels::Grid;
use parlance_engine::kernels::norm::reference;
use parlance_engine::kernels::norm::{AddNorm, GateCutoff, GatedNorm, LayerNorm};
use parlance_engine::runtime::{Dispatch, GpuOptions};

use crate::common::{Random, assert_close, device, plain_device};
use crate::linear::EPS;
use crate::{PADDING, UNTOUCHED, gpu_tests, padded, read, read_padded, run, state};

gpu_tests! {
    normalised_rows_are_added,
    layer_norms_replace_or_keep_their_input,
    layer_norms_write_halves,
    heads_are_normalised_and_gated,
    gates_are_cut_off,
}

async fn normalised_rows_are_added() {
    let gpu = plain_device().await;
    let mut random = Random(12);
    let (len, tokens) = (100usize, 3usize);
    let cases = [
        (1usize, false, None, 1usize),
        (4, false, None, 1),
        (1, true, None, 1),
        (1, false, Some(0.5), 1),
        (2, true, Some(0.5), 3),
    ];
    for (count, scaled_sum, residual, places) in cases {
        let (x, weight) = (random.floats(len * count * tokens), random.floats(len));
        let others = random.floats(x.len());
        let y = gpu.storage_buffer_with("y", &vec![1.0f32; places * x.len()]);
        let mut bindings = vec![
            ("state", state(&gpu, 0, tokens as u32, 0)),
            ("x", gpu.storage_buffer_with("x", &x)),
            ("norm_weight", gpu.storage_buffer_with("weight", &weight)),
            ("y", y.clone()),
        ];
        if scaled_sum {
            bindings.push(("sum_scale", gpu.storage_buffer_with("sum scale", &[0.75f32])));
        }
        if residual.is_some() {
            bindings.push(("residual", gpu.storage_buffer_with("residual", &others)));
        }
        let bindings: Vec<_> = bindings.iter().map(|(name, buffer)| (*name, buffer)).collect();
        let (len, count, places) = (len as u32, count as u32, places as u32);
        let norm = AddNorm { len, count, eps: EPS, scale: 0.25, scaled_sum, residual, places };
        run(&gpu, &[Dispatch::new(&gpu, &norm.shader(), &bindings, norm.grid())], tokens as u32);
        let normed = kernels::linear::reference::rms_norm(&x, &weight, EPS);
        let factor = residual.unwrap_or(1.0) * if scaled_sum { 0.75 } else { 1.0 };
        let sums = normed
            .iter()
            .zip(&others)
            .map(|(normed, other)| factor * (1.0 + 0.25 * normed + if residual.is_some() { *other } else { 0.0 }));
        let sums: Vec<f32> = sums.collect();
        let vectors = sums.chunks_exact(len as usize).flat_map(|vector| std::iter::repeat_n(vector, places as usize));
        let expected: Vec<f32> = vectors.flatten().copied().collect();
        assert_close(&read(&gpu, &y, expected.len()).await, &expected, 1e-5, &format!("{norm:?}"));
    }
}

async fn layer_norms_replace_or_keep_their_input() {
    let gpu = plain_device().await;
    let mut random = Random(16);
    let (len, tokens) = (100usize, 3usize);
    let (weight, bias) = (random.floats(len), random.floats(len));
    // With a mean far from zero, which a layer norm subtracts.
    let x: Vec<f32> = random.floats(len * tokens).iter().map(|value| value + 5.0).collect();
    let state = state(&gpu, 0, tokens as u32, 0);
    let [weight_buffer, bias_buffer] =
        [&weight, &bias].map(|vector| gpu.storage_buffer_with("vector", vector.as_slice()));
    let added = random.floats(len * tokens);
    let residual_buffer = gpu.storage_buffer_with("residual", &added);
    let cases = [
        (false, true, false, true),
        (false, false, false, false),
        (true, false, false, true),
        (false, true, true, true),
    ];
    for (rms, has_bias, residual, in_place) in cases {
        let norm = LayerNorm { len: len as u32, rms, bias: has_bias, residual, in_place, halves: false, eps: EPS };
        let (input, output) = (gpu.storage_buffer_with("x", &x), gpu.storage_buffer_with("y", &x));
        let mut bindings = vec![("state", &state), ("x", &input), ("norm_weight", &weight_buffer)];
        if has_bias {
            bindings.push(("norm_bias", &bias_buffer));
        }
        if residual {
            bindings.push(("residual", &residual_buffer));
        }
        if !in_place {
            bindings.push(("y", &output));
        }
        let mut x = x.clone();
        x.iter_mut().zip(&added).filter(|_| residual).for_each(|(x, added)| *x += added);
        run(&gpu, &[Dispatch::new(&gpu, &norm.shader(), &bindings, Grid::TokensInX)], tokens as u32);
        let expected = if rms {
            kernels::linear::reference::rms_norm(&x, &weight, EPS)
        } else {
            let bias = if has_bias { bias.clone() } else { vec![0.0; len] };
            kernels::linear::reference::layer_norm(&x, &weight, &bias, EPS)
        };
        let result = if in_place { &input } else { &output };
        assert_close(&read(&gpu, result, expected.len()).await, &expected, 1e-5, &format!("{norm:?}"));
    }
}

/// Only on adapters that have them.
async fn layer_norms_write_halves() {
    let gpu = device(GpuOptions::default()).await;
    if !gpu.device().features().contains(wgpu::Features::SHADER_F16) {
        println!("{} has no halves", gpu.adapter_name());
        return;
    }
    let mut random = Random(17);
    let (len, tokens) = (96usize, 3usize);
    let [weight, bias, mut x] = [len, len, len * tokens].map(|len| random.floats(len));
    let mut weight: Vec<f32> = weight.iter().map(|weight| 4e4 * weight).collect();
    // A result beyond the largest half.
    (x[5], weight[5]) = (1e6, 4e4);
    let norm =
        LayerNorm { len: len as u32, rms: false, bias: true, residual: false, in_place: false, halves: true, eps: EPS };
    let output = gpu.storage_buffer("y", (x.len() * 2) as u64);
    let bindings = [
        ("state", &state(&gpu, 0, tokens as u32, 0)),
        ("x", &gpu.storage_buffer_with("x", &x)),
        ("norm_weight", &gpu.storage_buffer_with("vector", &weight)),
        ("norm_bias", &gpu.storage_buffer_with("vector", &bias)),
        ("y", &output),
    ];
    run(&gpu, &[Dispatch::new(&gpu, &norm.shader(), &bindings, Grid::TokensInX)], tokens as u32);
    let largest = f16::MAX.to_f32();
    let expected = kernels::linear::reference::layer_norm(&x, &weight, &bias, EPS);
    let expected: Vec<f32> = expected.iter().map(|value| value.clamp(-largest, largest)).collect();
    let halves: Vec<f16> = read(&gpu, &output, x.len()).await;
    let actual: Vec<f32> = halves.into_iter().map(f16::to_f32).collect();
    assert!(expected.contains(&largest), "something is too large");
    assert_close(&actual, &expected, 1e-3, &format!("{norm:?}"));
}

async fn heads_are_normalised_and_gated() {
    let gpu = plain_device().await;
    let mut random = Random(33);
    let shapes = [(3u32, 16u32, 5usize), (3, 32, 1), (2, 64, 65), (2, 128, 3), (1, 24, 2)];
    for (index, (heads, head_dim, tokens)) in shapes.into_iter().enumerate() {
        let gate_first = index % 2 == 1;
        let (len, gate_at) = ((heads * head_dim) as usize, 7usize);
        let row_len = gate_at + len + 2;
        let weight_len = if gate_first { len } else { head_dim as usize };
        let (x, weight) = (random.floats(tokens * len), random.floats(weight_len));
        let rows: Vec<f32> = random.floats(tokens * row_len).iter().map(|gate| 4.0 * gate).collect();
        let gates: Vec<f32> = rows.chunks_exact(row_len).flat_map(|row| &row[gate_at..][..len]).copied().collect();
        let expected = if gate_first {
            reference::gated_norm_after_gate(&x, &weight, &gates, head_dim as usize, EPS)
        } else {
            reference::gated_norm(&x, &weight, &gates, EPS)
        };
        let y = gpu.storage_buffer_with("y", &padded(&x, len, UNTOUCHED));
        let buffers = [
            ("state", &state(&gpu, 0, tokens as u32, 0)),
            ("gate", &gpu.storage_buffer_with("gate", &padded(&rows, row_len, f32::NAN))),
            ("weight", &gpu.storage_buffer_with("weight", &weight)),
            ("y", &y),
        ];
        let (gate_row_len, gate_at) = (row_len as u32, gate_at as u32);
        let norm = GatedNorm { heads, head_dim, gate_row_len, gate_at, gate_first, eps: EPS };
        let dispatch = Dispatch::new(&gpu, &norm.shader(), &buffers, norm.grid());
        run(&gpu, &[dispatch], (tokens + PADDING) as u32);
        let what = format!("{norm:?}, {tokens} tokens");
        assert_close(&read_padded(&gpu, &y, x.len(), len).await, &expected, 1e-5, &what);
    }
}

async fn gates_are_cut_off() {
    let gpu = plain_device().await;
    let mut random = Random(34);
    for (len, tokens, deviations) in [(100usize, 3usize, 1.6f32), (64, 1, 0.0), (65, 5, -0.5)] {
        let rows: Vec<f32> = random.floats(tokens * len).iter().map(|gate| gate + 0.5).collect();
        let y = gpu.storage_buffer_with("y", &padded(&rows, len, UNTOUCHED));
        let kernel = GateCutoff { len: len as u32, deviations };
        let bound = [("state", &state(&gpu, 0, tokens as u32, 0)), ("y", &y)];
        run(&gpu, &[Dispatch::new(&gpu, &kernel.shader(), &bound, Grid::TokensInX)], (tokens + PADDING) as u32);
        let expected = reference::cut_gates(&rows, len, deviations);
        assert_close(&read_padded(&gpu, &y, rows.len(), len).await, &expected, 1e-5, &format!("{kernel:?}"));
    }
}
