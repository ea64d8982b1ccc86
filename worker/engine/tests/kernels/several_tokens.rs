//! Products of a few tokens that are computed together, as in `several_tokens.wgsl`: each weight is loaded once for them.

use parlance_engine::gguf::TensorType;
use parlance_engine::kernels::linear::reference::{matmul, rms_norm, rounded_to_bytes};
use parlance_engine::kernels::linear::{Epilogue, LinearTuning, has_codes};
use parlance_engine::runtime::Gpu;

use crate::common::{Random, assert_close, plain_device};
use crate::linear::{Case, EPS, on_devices};
use crate::{UNTOUCHED, gpu_tests, read, run, state};

gpu_tests! {
    every_format_is_multiplied_with_a_few_tokens,
    integers_only_round_the_inputs_of_a_few_tokens,
    a_few_tokens_are_multiplied_in_every_layout,
}

/// Numbers of tokens: they fill a group in part or wholly, or more groups than one.
const COUNTS: [usize; 6] = [1, 2, 3, 5, 8, 16];
/// Tokens that there is room for.
const MOST: usize = 16;

/// Compares the products of each number of tokens, the first of the case, with those of the reference.
async fn check(gpu: &Gpu, case: &Case, tuning: LinearTuning, with_norm: bool) {
    let rows = case.matrix.rows as usize;
    let x = if with_norm { rms_norm(&case.x, &case.norm, EPS) } else { case.x.clone() };
    // The kernel and the reference may round an element differently if it is nearly halfway.
    let (x, tolerance) = if tuning.integers { (rounded_to_bytes(&x), 1e-3) } else { (x, 1e-5) };
    let expected = matmul(&case.weights, &x, case.matrix.cols as usize);
    for count in COUNTS {
        let y = gpu.storage_buffer_with("y", &vec![UNTOUCHED; MOST * rows]);
        let state = state(gpu, 0, count as u32, 0);
        let dispatch = case.dispatch(gpu, tuning, with_norm, Epilogue::STORE, &[("y", &y)], &state);
        run(gpu, &[dispatch], count as u32);
        let actual: Vec<f32> = read(gpu, &y, MOST * rows).await;
        let (own, others) = actual.split_at(count * rows);
        let what = format!("{}, {count} tokens, norm: {with_norm}, {tuning:?}", case.matrix.tensor_type);
        assert_close(own, &expected[..count * rows], tolerance, &what);
        assert!(others.iter().all(|value| *value == UNTOUCHED), "{what}");
    }
}

/// A layout that shader compilers are quick with.
fn quick(gpu: &Gpu) -> LinearTuning {
    LinearTuning { workgroup: 32, lanes: 4, steps: 1, pairs: 1, tokens: 4, subgroup: 1, ..gpu.tuning().decode }
}

async fn every_format_is_multiplied_with_a_few_tokens() {
    let gpu = plain_device().await;
    let mut random = Random(61);
    for tensor_type in TensorType::supported() {
        let case = Case::new(&gpu, &mut random, tensor_type, 21, 512, MOST);
        check(&gpu, &case, quick(&gpu), true).await;
    }
}

async fn integers_only_round_the_inputs_of_a_few_tokens() {
    let gpu = plain_device().await;
    let mut random = Random(62);
    for tensor_type in TensorType::supported().filter(|tensor_type| has_codes(*tensor_type)) {
        // An odd number of blocks that eight share scales of.
        let case = Case::new(&gpu, &mut random, tensor_type, 21, 1280, MOST);
        check(&gpu, &case, LinearTuning { integers: true, ..quick(&gpu) }, true).await;
    }
}

async fn a_few_tokens_are_multiplied_in_every_layout() {
    let mut random = Random(63);
    let tunings = |gpu: &Gpu| {
        let quick = quick(gpu);
        let mut tunings = vec![
            LinearTuning { workgroup: 64, lanes: 16, steps: 2, pairs: 2, tokens: 2, ..quick },
            LinearTuning { lanes: 8, tokens: 8, prefetch: true, ..quick },
            // As many threads as tokens.
            LinearTuning { workgroup: 4, shared_codebook: true, ..quick },
            LinearTuning { workgroup: 16, steps: 4, pairs: 2, tokens: 2, integers: true, ..quick },
        ];
        if gpu.has_subgroups() {
            // As many threads as the smallest subgroups that a device may have.
            tunings.extend([4, 16].map(|lanes| LinearTuning { workgroup: 64, lanes, subgroup: 4, ..quick }));
        }
        tunings
    };
    for (gpu, tuning) in on_devices(tunings).await {
        // Blocks do not fill all lanes.
        let case = Case::new(&gpu, &mut random, TensorType::IQ2_XXS, 37, 768, MOST);
        for with_norm in [false, true] {
            check(&gpu, &case, tuning, with_norm).await;
        }
    }
}
