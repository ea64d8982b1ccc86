//! Products for single tokens with matrices of few bits: of integers, and with codebooks in workgroup memory.

use parlance_engine::gguf::{Codebook, TensorType};
use parlance_engine::kernels::attention::reference::merge;
use parlance_engine::kernels::linear::reference::{gated, matmul, rms_norm, rounded_to_bytes};
use parlance_engine::kernels::linear::{Epilogue, ExpertRows, Linear, LinearTuning, MergedParts, has_codes};
use parlance_engine::models::Activation;
use parlance_engine::runtime::{Dispatch, Gpu};

use crate::common::{Random, assert_close};
use crate::linear::{Case, EPS, attention_parts, on_devices};
use crate::{gpu_tests, read, run, state};

gpu_tests! {
    integers_only_round_their_input,
    integers_round_the_attention_that_they_merge,
    integers_select_each_tokens_experts,
    codebooks_can_be_in_workgroup_memory,
}

/// The kernel and the reference may round an element differently if it is nearly halfway.
const TOLERANCE: f32 = 1e-3;

/// Layouts whose lanes take several tiles, the last of them in part, and one that has more lanes than a row has units.
fn tunings(gpu: &Gpu) -> Vec<LinearTuning> {
    let base = LinearTuning { subgroup: 1, tokens: 1, integers: true, ..gpu.tuning().decode };
    let tiles = LinearTuning { workgroup: 16, lanes: 4, steps: 4, pairs: 2, ..base };
    let wide = LinearTuning { workgroup: 64, lanes: 32, steps: 1, pairs: 1, shared_codebook: true, ..base };
    let mut tunings = vec![tiles, wide];
    if gpu.has_subgroups() {
        // As many threads as the smallest subgroups that a device may have.
        tunings.push(LinearTuning { workgroup: 64, lanes: 16, subgroup: 4, ..tiles });
    }
    tunings
}

fn formats() -> impl Iterator<Item = TensorType> {
    TensorType::supported().filter(|tensor_type| has_codes(*tensor_type))
}

async fn integers_only_round_their_input() {
    let mut random = Random(51);
    for (gpu, tuning) in on_devices(tunings).await {
        for tensor_type in formats() {
            // An odd number of rows, and of blocks that eight share scales of.
            let (rows, cols, tokens) = (37, 1280, 2);
            let case = Case::new(&gpu, &mut random, tensor_type, rows, cols, tokens);
            for with_norm in [false, true] {
                let x = if with_norm { rms_norm(&case.x, &case.norm, EPS) } else { case.x.clone() };
                let expected = matmul(&case.weights, &rounded_to_bytes(&x), cols as usize);
                let state = state(&gpu, 0, tokens as u32, 0);
                let y = gpu.storage_buffer("y", expected.len() as u64 * 4);
                let dispatch = case.dispatch(&gpu, tuning, with_norm, Epilogue::STORE, &[("y", &y)], &state);
                run(&gpu, &[dispatch], tokens as u32);
                let what = format!("{tensor_type}, norm: {with_norm}, {tuning:?}");
                assert_close(&read(&gpu, &y, expected.len()).await, &expected, TOLERANCE, &what);
            }
        }
    }
}

async fn integers_round_the_attention_that_they_merge() {
    let mut random = Random(54);
    let (rows, cols, merged) = (37, 1280, MergedParts { splits: 8, value_dim: 64 });
    for (gpu, tuning) in on_devices(tunings).await {
        for tensor_type in [TensorType::Q1_0, TensorType::IQ2_XXS] {
            let case = Case::new(&gpu, &mut random, tensor_type, rows, cols, 1);
            let parts = attention_parts(&mut random, cols, merged);
            let x = merge(&parts, merged.splits as usize, merged.value_dim as usize);
            let expected = matmul(&case.weights, &rounded_to_bytes(&x), cols as usize);
            let found = case.merged_product(&gpu, tuning, merged, &parts).await;
            assert_close(&found, &expected, TOLERANCE, &format!("{tensor_type}, {tuning:?}"));
        }
    }
}

async fn integers_select_each_tokens_experts() {
    let mut random = Random(52);
    let (experts, used, rows, cols) = (4u32, 2u32, 32u32, 256u32);
    let chosen = [3u32, 0, 2, 3];
    for (gpu, tuning) in on_devices(tunings).await {
        for shares_input in [true, false] {
            let inputs = if shares_input { 2 } else { chosen.len() };
            let case = Case::new(&gpu, &mut random, TensorType::IQ2_S, experts * rows, cols, inputs);
            let all = matmul(&case.weights, &rounded_to_bytes(&case.x), cols as usize);
            let products: Vec<f32> = chosen
                .iter()
                .enumerate()
                .flat_map(|(slot, expert)| {
                    let input = if shares_input { slot / used as usize } else { slot };
                    all[(input as u32 * experts * rows + expert * rows) as usize..][..rows as usize].to_vec()
                })
                .collect();
            let expected = gated(&products, rows as usize / 2, Activation::Silu);
            let experts = Some(ExpertRows { rows, used, shares_input });
            let epilogue = Epilogue::Gated(Activation::Silu);
            let linear = Linear { out_rows: rows / 2, experts, ..case.linear(tuning, epilogue) };
            let x = gpu.storage_buffer_with("x", &case.x);
            let chosen_buffer = gpu.storage_buffer_with("experts", &chosen);
            let y = gpu.storage_buffer("y", expected.len() as u64 * 4);
            let state = state(&gpu, 0, 2, 0);
            let mut bindings = case.bindings(&state, &x);
            bindings.extend([("y", &y), ("experts", &chosen_buffer)]);
            run(&gpu, &[Dispatch::new(&gpu, &linear.shader().unwrap(), &bindings, linear.grid())], 2);
            let what = format!("shared input: {shares_input}, {tuning:?}");
            assert_close(&read(&gpu, &y, expected.len()).await, &expected, TOLERANCE, &what);
        }
    }
}

async fn codebooks_can_be_in_workgroup_memory() {
    let mut random = Random(53);
    let tunings = |gpu: &Gpu| {
        let base = LinearTuning { tokens: 1, subgroup: 1, shared_codebook: true, ..gpu.tuning().decode };
        // The second loads weights before the input.
        [(4, 2, 2), (16, 1, 1)]
            .map(|(lanes, steps, pairs)| LinearTuning { workgroup: 32, lanes, steps, pairs, ..base })
            .to_vec()
    };
    for (gpu, tuning) in on_devices(tunings).await {
        for tensor_type in formats().filter(|tensor_type| Codebook::of(*tensor_type).is_some()) {
            let case = Case::new(&gpu, &mut random, tensor_type, 21, 512, 1);
            let is_shared = |tuning| {
                let shader = case.linear(tuning, Epilogue::STORE).shader().unwrap();
                shader.defines.contains(&"SHARED_CODEBOOK")
            };
            assert!(is_shared(tuning) && !is_shared(LinearTuning { shared_codebook: false, ..tuning }));
            assert!(!is_shared(LinearTuning { workgroup: 128, lanes: 128, steps: 2, ..tuning }), "there is no room");
            let expected = case.expected(true);
            let state = state(&gpu, 0, 1, 0);
            let y = gpu.storage_buffer("y", expected.len() as u64 * 4);
            run(&gpu, &[case.dispatch(&gpu, tuning, true, Epilogue::STORE, &[("y", &y)], &state)], 1);
            let what = format!("{tensor_type}, {tuning:?}");
            assert_close(&read(&gpu, &y, expected.len()).await, &expected, 1e-5, &what);
        }
    }
}
