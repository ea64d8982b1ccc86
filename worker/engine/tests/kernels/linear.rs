//! `linear.wgsl` with its formats and epilogues.

use parlance_engine::gguf::TensorType;
use parlance_engine::gguf::dequantize::dequantize;
use parlance_engine::kernels;
use parlance_engine::kernels::linear::{
    Epilogue, ExpertRows, Linear, LinearTuning, MergedParts, Tiles, has_integers, quantise,
};
use parlance_engine::kernels::{Grid, Shader};
use parlance_engine::models::Activation;
use parlance_engine::runtime::{Dispatch, Gpu, Matrix};

use crate::common::{Random, assert_close, devices, note, plain_device};
use crate::{gpu_tests, read, run, state};

gpu_tests! {
    linear_stores_and_adds_in_every_layout,
    linear_multiplies_in_every_format,
    linear_gates_in_every_layout,
    linear_applies_every_activation,
    linear_caps_scales_offsets_and_adds_a_bias,
    linear_selects_each_tokens_experts,
    linear_merges_attention_splits,
    packed_products_only_round_their_input,
}

/// Layouts and the devices to test them on. If two devices compile the same kernel, only the one that allows less tests
/// it.
pub(crate) async fn on_devices(layouts: impl Fn(&Gpu) -> Vec<LinearTuning>) -> Vec<(Gpu, LinearTuning)> {
    // Only threads that share rows use subgroups.
    let kernel = |tuning: &LinearTuning| {
        let subgroup = if tuning.has_lanes() { tuning.subgroup } else { 1 };
        LinearTuning { subgroup, ..*tuning }
    };
    let mut chosen: Vec<(Gpu, LinearTuning)> = Vec::new();
    for gpu in devices().await {
        for tuning in layouts(&gpu) {
            if !chosen.iter().any(|(_, other)| kernel(other) == kernel(&tuning)) {
                chosen.push((gpu.clone(), tuning));
            }
        }
    }
    chosen
}

/// Layouts worth testing, on the devices to test them on.
pub(crate) async fn layouts() -> Vec<(Gpu, LinearTuning)> {
    on_devices(tunings).await
}

/// Layouts worth testing: those the device uses, lanes through workgroup memory, and several tokens per thread, with both
/// and without.
fn tunings(gpu: &Gpu) -> Vec<LinearTuning> {
    let base = gpu.tuning().decode;
    let lanes = LinearTuning { workgroup: 64, lanes: 16, steps: 1, pairs: 1, tokens: 1, subgroup: 1, ..base };
    let mut tunings = vec![
        base,
        gpu.tuning().prefill,
        LinearTuning { pairs: 3, tokens: 2, ..gpu.tuning().prefill },
        LinearTuning { workgroup: 32, pairs: 2, tokens: 4, tiles: Tiles::Shared, ..gpu.tuning().prefill },
        lanes,
        LinearTuning { lanes: 32, steps: 2, pairs: 2, ..lanes },
        LinearTuning { workgroup: 32, lanes: 4, steps: 2, tokens: 4, ..lanes },
    ];
    if gpu.has_subgroups() {
        // As many threads as the smallest subgroups that a device may have.
        tunings.extend([4, 16].map(|lanes_count| LinearTuning { lanes: lanes_count, subgroup: 4, ..lanes }));
    }
    tunings
}

/// A matrix on the GPU, with its weights and inputs on the CPU.
pub(crate) struct Case {
    pub(crate) matrix: Matrix,
    pub(crate) weights: Vec<f32>,
    pub(crate) x: Vec<f32>,
    pub(crate) norm: Vec<f32>,
}

pub(crate) const EPS: f32 = 1e-5;

impl Case {
    pub(crate) fn new(
        gpu: &Gpu,
        random: &mut Random,
        tensor_type: TensorType,
        rows: u32,
        cols: u32,
        tokens: usize,
    ) -> Self {
        let bytes = random.weights(tensor_type, (rows * cols) as usize);
        Self {
            matrix: Matrix::from_bytes(gpu, tensor_type, rows, cols, &bytes).unwrap(),
            weights: dequantize(tensor_type, &bytes).unwrap(),
            x: random.floats(tokens * cols as usize),
            norm: random.floats(cols as usize),
        }
    }

    /// The product with the whole matrix, without any options.
    pub(crate) fn linear(&self, tuning: LinearTuning, epilogue: Epilogue) -> Linear {
        Linear {
            tensor_type: self.matrix.tensor_type,
            rows: self.matrix.rows,
            cols: self.matrix.cols,
            first_row: 0,
            out_rows: self.matrix.rows,
            norm_eps: None,
            bias: false,
            experts: None,
            heads: None,
            merge: None,
            epilogue,
            tuning,
        }
    }

    /// The buffers that every product binds.
    pub(crate) fn bindings<'a>(
        &'a self,
        state: &'a wgpu::Buffer,
        x: &'a wgpu::Buffer,
    ) -> Vec<(&'static str, &'a wgpu::Buffer)> {
        vec![("state", state), ("quants", &self.matrix.quants), ("scales", &self.matrix.scales), ("x", x)]
    }

    /// The product with an input that `prepare` converts to `prepared_bytes` bytes, normalised if it defines `NORM`.
    pub(crate) async fn prepared_product(
        &self,
        gpu: &Gpu,
        tuning: LinearTuning,
        (prepare, prepare_grid): (Shader, Grid),
        prepared_bytes: usize,
    ) -> Vec<f32> {
        let tokens = self.x.len() / self.matrix.cols as usize;
        let state = state(gpu, 0, tokens as u32, 0);
        let (x, norm) = (gpu.storage_buffer_with("x", &self.x), gpu.storage_buffer_with("norm", &self.norm));
        let prepared = gpu.storage_buffer("prepared", prepared_bytes as u64);
        let mut bindings = vec![("state", &state), ("x", &x), ("y", &prepared)];
        if prepare.defines.contains(&"NORM") {
            bindings.push(("norm_weight", &norm));
        }
        let prepare = Dispatch::new(gpu, &prepare, &bindings, prepare_grid);
        let len = tokens * self.matrix.rows as usize;
        let y = gpu.storage_buffer("y", len as u64 * 4);
        let linear = self.linear(tuning, Epilogue::STORE);
        let mut bindings = self.bindings(&state, &prepared);
        bindings.push(("y", &y));
        let multiply = Dispatch::new(gpu, &linear.shader().unwrap(), &bindings, linear.grid());
        run(gpu, &[prepare, multiply], tokens as u32);
        read(gpu, &y, len).await
    }

    /// The product with one token's attention, in `parts`.
    pub(crate) async fn merged_product(
        &self,
        gpu: &Gpu,
        tuning: LinearTuning,
        merged: MergedParts,
        parts: &[f32],
    ) -> Vec<f32> {
        let linear = Linear { merge: Some(merged), ..self.linear(tuning, Epilogue::STORE) };
        let len = self.matrix.rows as usize;
        let y = gpu.storage_buffer("y", len as u64 * 4);
        let (state, parts) = (state(gpu, 0, 1, 0), gpu.storage_buffer_with("parts", parts));
        let mut bindings = self.bindings(&state, &parts);
        bindings[3].0 = "parts";
        bindings.push(("y", &y));
        run(gpu, &[Dispatch::new(gpu, &linear.shader().unwrap(), &bindings, linear.grid())], 1);
        read(gpu, &y, len).await
    }

    pub(crate) fn dispatch(
        &self,
        gpu: &Gpu,
        tuning: LinearTuning,
        with_norm: bool,
        epilogue: Epilogue,
        outputs: &[(&str, &wgpu::Buffer)],
        state: &wgpu::Buffer,
    ) -> Dispatch {
        let place = |linear: &Linear| (linear.shader().unwrap(), linear.grid());
        self.within(gpu, tuning, with_norm, epilogue, (outputs, state), place)
    }

    /// A kernel that contains this product; `place` returns its shader and grid.
    pub(crate) fn within(
        &self,
        gpu: &Gpu,
        tuning: LinearTuning,
        with_norm: bool,
        epilogue: Epilogue,
        (outputs, state): (&[(&str, &wgpu::Buffer)], &wgpu::Buffer),
        place: impl FnOnce(&Linear) -> (Shader, Grid),
    ) -> Dispatch {
        let out_rows = if matches!(epilogue, Epilogue::Gated(_)) { self.matrix.rows / 2 } else { self.matrix.rows };
        let linear = Linear { out_rows, norm_eps: with_norm.then_some(EPS), ..self.linear(tuning, epilogue) };
        // Room for whole groups of tokens.
        let mut padded = self.x.clone();
        let group = (tuning.tokens * self.matrix.cols) as usize;
        padded.resize(padded.len().next_multiple_of(group), f32::MAX);
        let x = gpu.storage_buffer_with("x", &padded);
        let norm = gpu.storage_buffer_with("norm", &self.norm);
        let mut bindings = self.bindings(state, &x);
        if with_norm {
            bindings.push(("norm_weight", &norm));
        }
        bindings.extend_from_slice(outputs);
        let (shader, grid) = place(&linear);
        Dispatch::new(gpu, &shader, &bindings, grid)
    }

    pub(crate) fn expected(&self, with_norm: bool) -> Vec<f32> {
        let cols = self.matrix.cols as usize;
        let x = if with_norm { kernels::linear::reference::rms_norm(&self.x, &self.norm, EPS) } else { self.x.clone() };
        kernels::linear::reference::matmul(&self.weights, &x, cols)
    }
}

async fn linear_stores_and_adds_in_every_layout() {
    let mut random = Random(2);
    for (gpu, tuning) in layouts().await {
        // An odd number of rows, blocks that do not fill all lanes, tokens that do not fill a group.
        for (rows, cols, tokens, with_norm) in [(37, 96, 3, false), (64, 576, 9, true), (5, 1024, 1, true)] {
            let case = Case::new(&gpu, &mut random, TensorType::Q4_1, rows, cols, tokens);
            let expected = case.expected(with_norm);
            let what = format!("{rows}x{cols}, {tokens} tokens, {tuning:?}");
            let state = state(&gpu, 0, tokens as u32, 0);
            let y = gpu.storage_buffer_with("y", &vec![7.0f32; expected.len()]);
            let output = [("y", &y)];
            let store = case.dispatch(&gpu, tuning, with_norm, Epilogue::STORE, &output, &state);
            run(&gpu, &[store], tokens as u32);
            assert_close(&read(&gpu, &y, expected.len()).await, &expected, 1e-5, &what);
            let add = case.dispatch(&gpu, tuning, with_norm, Epilogue::ADD, &output, &state);
            run(&gpu, &[add], tokens as u32);
            let doubled: Vec<f32> = expected.iter().map(|value| value * 2.0).collect();
            assert_close(&read(&gpu, &y, expected.len()).await, &doubled, 1e-5, &what);
        }
    }
}

async fn linear_multiplies_in_every_format() {
    let mut random = Random(14);
    let layouts = on_devices(|gpu| vec![gpu.tuning().decode, LinearTuning { pairs: 1, ..gpu.tuning().prefill }]).await;
    for tensor_type in TensorType::supported() {
        for (gpu, tuning) in &layouts {
            let tokens = if tuning.tokens == 1 { 1 } else { 9 };
            let case = Case::new(gpu, &mut random, tensor_type, 21, 512, tokens);
            let expected = case.expected(true);
            let state = state(gpu, 0, tokens as u32, 0);
            let y = gpu.storage_buffer("y", expected.len() as u64 * 4);
            let output = [("y", &y)];
            run(gpu, &[case.dispatch(gpu, *tuning, true, Epilogue::STORE, &output, &state)], tokens as u32);
            let actual = read(gpu, &y, expected.len()).await;
            assert_close(&actual, &expected, 1e-5, &format!("{tensor_type}, {tuning:?}"));
        }
        note("formats", &[tensor_type.name(), "", "", "", "", "within 0.00001", ""]);
    }
}

/// Given the rounded inputs of `quantise.wgsl`, integer products are as exact as float products.
async fn packed_products_only_round_their_input() {
    let gpu = plain_device().await;
    let mut random = Random(23);
    let tuning = LinearTuning { workgroup: 32, pairs: 1, tokens: 2, tiles: Tiles::Packed, ..gpu.tuning().prefill };
    for tensor_type in TensorType::supported() {
        let product = if has_integers(tensor_type) { "within 0.001" } else { "as floats" };
        for with_norm in [false, true].into_iter().filter(|_| has_integers(tensor_type)) {
            let (rows, cols, tokens) = (70, 512, 9);
            let case = Case::new(&gpu, &mut random, tensor_type, rows, cols, tokens);
            let prepare = quantise(1, cols, with_norm.then_some(EPS));
            let actual = case.prepared_product(&gpu, tuning, prepare, tokens * cols as usize / 32 * 40).await;

            let cols = cols as usize;
            let input =
                if with_norm { kernels::linear::reference::rms_norm(&case.x, &case.norm, EPS) } else { case.x.clone() };
            let rounded = kernels::linear::reference::rounded_to_bytes(&input);
            let expected = kernels::linear::reference::matmul(&case.weights, &rounded, cols);
            // The kernel and the reference may round an element differently if it is nearly halfway.
            assert_close(&actual, &expected, 1e-3, &format!("{tensor_type}, norm: {with_norm}"));
        }
        note("formats", &[tensor_type.name(), "", "", "", "", "", product]);
    }
}

async fn linear_gates_in_every_layout() {
    let mut random = Random(3);
    for (gpu, tuning) in layouts().await {
        let (rows, cols, tokens) = (192, 64, 10);
        let case = Case::new(&gpu, &mut random, TensorType::Q8_0, rows, cols, tokens);
        let expected = kernels::linear::reference::gated(&case.expected(true), rows as usize / 2, Activation::Silu);
        let y = gpu.storage_buffer("y", (expected.len() * 4) as u64);
        let state = state(&gpu, 0, tokens as u32, 0);
        let output = [("y", &y)];
        let dispatch = case.dispatch(&gpu, tuning, true, Epilogue::Gated(Activation::Silu), &output, &state);
        run(&gpu, &[dispatch], tokens as u32);
        assert_close(&read(&gpu, &y, expected.len()).await, &expected, 1e-5, &format!("{tuning:?}"));
    }
}

async fn linear_applies_every_activation() {
    let mut random = Random(15);
    for (gpu, tuning) in on_devices(|gpu| vec![gpu.tuning().decode]).await {
        let tokens = 2;
        for activation in [
            Activation::Silu,
            Activation::GeluTanh,
            Activation::GeluErf,
            Activation::QuickGelu,
            Activation::ReluSquared,
            Activation::ClampedSwiglu,
        ] {
            let mut case = Case::new(&gpu, &mut random, TensorType::F16, 64, 64, tokens);
            // Beyond its limits.
            let size = if activation == Activation::ClampedSwiglu { 50.0 } else { 1.0 };
            case.norm.iter_mut().for_each(|weight| *weight *= size);
            let product: Vec<f32> = case.expected(true);
            let state = state(&gpu, 0, tokens as u32, 0);
            let gates: Vec<f32> = random.floats(product.len()).iter().map(|gate| size * gate).collect();
            let y = gpu.storage_buffer_with("y", &gates);
            let output = [("y", &y)];
            let act = |x: f32| kernels::linear::reference::activate(x, activation);

            run(&gpu, &[case.dispatch(&gpu, tuning, true, Epilogue::Gate(activation), &output, &state)], 2);
            let gate = |(gate, up): (&f32, &f32)| kernels::linear::reference::gate_up(*gate, *up, activation);
            let expected: Vec<f32> = gates.iter().zip(&product).map(gate).collect();
            assert_close(&read(&gpu, &y, expected.len()).await, &expected, 1e-5, &format!("gate {activation:?}"));

            run(&gpu, &[case.dispatch(&gpu, tuning, true, Epilogue::Activate(activation), &output, &state)], 2);
            let expected: Vec<f32> = product.iter().map(|value| act(*value)).collect();
            assert_close(&read(&gpu, &y, expected.len()).await, &expected, 1e-5, &format!("{activation:?}"));

            let input = random.floats(tokens * 70);
            let input_buffer = gpu.storage_buffer_with("gated input", &input);
            let output_and_input = [("y", &y), ("gated_input", &input_buffer)];
            let epilogue = Epilogue::GateInput { activation, at: 5, len: 70 };
            run(&gpu, &[case.dispatch(&gpu, tuning, true, epilogue, &output_and_input, &state)], 2);
            let input = input.chunks_exact(70).flat_map(|input| &input[5..69]);
            let expected: Vec<f32> = product.iter().zip(input).map(|(value, input)| act(*value) * input).collect();
            assert_close(&read(&gpu, &y, expected.len()).await, &expected, 1e-5, &format!("input, {activation:?}"));

            let expected = kernels::linear::reference::gated(&product, 32, activation);
            run(&gpu, &[case.dispatch(&gpu, tuning, true, Epilogue::Gated(activation), &output, &state)], 2);
            assert_close(&read(&gpu, &y, expected.len()).await, &expected, 1e-5, &format!("gated {activation:?}"));
        }
    }
}

async fn linear_caps_scales_offsets_and_adds_a_bias() {
    let mut random = Random(9);
    for (gpu, tuning) in layouts().await {
        let (rows, cols, tokens, first_row, out_rows) = (37u32, 64u32, 3usize, 10u32, 50u32);
        let case = Case::new(&gpu, &mut random, TensorType::Q4_K, rows, cols.next_multiple_of(256), tokens);
        let bias = random.floats(out_rows as usize);
        let bias_buffer = gpu.storage_buffer_with("bias", &bias);
        let mut x = case.x.clone();
        x.resize((tuning.tokens as usize * case.matrix.cols as usize).max(x.len()) + 4096 * 8, 0.0);
        let x = gpu.storage_buffer_with("x", &x);
        let mut expected = vec![7.0f32; tokens * out_rows as usize];
        for (token, product) in case.expected(false).chunks_exact(rows as usize).enumerate() {
            for (row, value) in product.iter().enumerate() {
                let at = first_row as usize + row;
                let scaled = 0.5 * (value + bias[at]);
                expected[token * out_rows as usize + at] = 3.0 * (scaled / 3.0).tanh();
            }
        }
        let y = gpu.storage_buffer_with("y", &vec![7.0f32; expected.len()]);
        let epilogue = Epilogue::Store { scale: 0.5, softcap: Some(3.0) };
        let linear = Linear { first_row, out_rows, bias: true, ..case.linear(tuning, epilogue) };
        let state = state(&gpu, 0, tokens as u32, 0);
        let mut bindings = case.bindings(&state, &x);
        bindings.extend([("y", &y), ("bias", &bias_buffer)]);
        run(&gpu, &[Dispatch::new(&gpu, &linear.shader().unwrap(), &bindings, linear.grid())], tokens as u32);
        assert_close(&read(&gpu, &y, expected.len()).await, &expected, 1e-5, &format!("{tuning:?}"));
    }
}

async fn linear_selects_each_tokens_experts() {
    let mut random = Random(10);
    for (gpu, base) in on_devices(|gpu| vec![gpu.tuning().decode]).await {
        let split = LinearTuning { workgroup: 64, lanes: 16, pairs: 1, subgroup: 1, ..base };
        let gated = Epilogue::Gated(Activation::Silu);
        let variants = [
            (base, true, Epilogue::STORE, false),
            (split, false, Epilogue::STORE, true),
            (base, true, gated, true),
            (split, true, gated, false),
        ];
        for (tuning, shares_input, epilogue, bias) in variants {
            let (experts, used, rows, cols, tokens) = (5u32, 2u32, 32u32, 64u32, 3usize);
            let inputs = if shares_input { tokens } else { tokens * used as usize };
            let case = Case::new(&gpu, &mut random, TensorType::Q4_0, experts * rows, cols, inputs);
            let chosen = [4u32, 0, 2, 4, 1, 3];
            let chosen_buffer = gpu.storage_buffer_with("experts", &chosen);
            let x = gpu.storage_buffer_with("x", &case.x);
            let out_rows = if epilogue == gated { rows / 2 } else { rows };
            let y = gpu.storage_buffer("y", u64::from(out_rows) * 6 * 4);
            let biases = if bias { random.floats((experts * rows) as usize) } else { Vec::new() };
            let bias_buffer = bias.then(|| gpu.storage_buffer_with("bias", &biases));
            let experts_of = Some(ExpertRows { rows, used, shares_input });
            let linear = Linear { out_rows, bias, experts: experts_of, ..case.linear(tuning, epilogue) };
            let state = state(&gpu, 0, tokens as u32, 0);
            let mut bindings = case.bindings(&state, &x);
            bindings.extend([("y", &y), ("experts", &chosen_buffer)]);
            bindings.extend(bias_buffer.iter().map(|buffer| ("bias", buffer)));
            run(&gpu, &[Dispatch::new(&gpu, &linear.shader().unwrap(), &bindings, linear.grid())], tokens as u32);
            let all = case.expected(false);
            let products: Vec<f32> = (0..6 * rows as usize)
                .map(|at| {
                    let (slot, row) = (at / rows as usize, at as u32 % rows);
                    let input = if shares_input { slot / used as usize } else { slot };
                    let of_expert = chosen[slot] * rows + row;
                    let bias = biases.get(of_expert as usize).copied().unwrap_or_default();
                    all[(input as u32 * experts * rows + of_expert) as usize] + bias
                })
                .collect();
            let expected = match epilogue {
                Epilogue::Gated(activation) => {
                    kernels::linear::reference::gated(&products, out_rows as usize, activation)
                }
                _ => products,
            };
            assert_close(&read(&gpu, &y, expected.len()).await, &expected, 1e-5, &format!("{linear:?}"));
        }
    }
}

/// One token's attention with `cols` elements, in splits.
pub(crate) fn attention_parts(random: &mut Random, cols: u32, merged: MergedParts) -> Vec<f32> {
    let (splits, value_dim) = (merged.splits as usize, merged.value_dim as usize);
    let mut parts = random.floats(cols as usize / value_dim * splits * (value_dim + 2));
    for part in parts.chunks_exact_mut(value_dim + 2) {
        // The sum of weights is at least the weight of the highest score.
        part[value_dim + 1] = 1.0 + part[value_dim + 1].abs();
    }
    // A split without positions.
    if splits > 1 {
        parts[..value_dim].fill(0.0);
        parts[value_dim..value_dim + 2].copy_from_slice(&[-3.0e38, 0.0]);
    }
    parts
}

async fn linear_merges_attention_splits() {
    let mut random = Random(21);
    let can_merge = |tuning: &LinearTuning| tuning.has_lanes() && tuning.tokens == 1;
    for (gpu, tuning) in layouts().await.into_iter().filter(|(_, tuning)| can_merge(tuning)) {
        for (splits, value_dim) in [(1u32, 64u32), (8, 32), (32, 24)] {
            let cols = 3 * 32 * value_dim / 8;
            let case = Case::new(&gpu, &mut random, TensorType::Q8_0, 37, cols, 1);
            let merged = MergedParts { splits, value_dim };
            let parts = attention_parts(&mut random, cols, merged);
            let x = kernels::attention::reference::merge(&parts, splits as usize, value_dim as usize);
            let expected = kernels::linear::reference::matmul(&case.weights, &x, cols as usize);
            let what = format!("{splits} parts of {value_dim}, {tuning:?}");
            assert_close(&case.merged_product(&gpu, tuning, merged, &parts).await, &expected, 1e-5, &what);
        }
    }
}
