//! Layouts that are off unless they were measured to be faster: integers for single tokens, and those of experts' products
//! in short prompts.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use parlance_engine::gguf::TensorType;
use parlance_engine::kernels::Shader;
use parlance_engine::kernels::linear::Tiles;
use parlance_engine::runtime::{Gpu, GpuOptions, Tuning, Verdict};
use pollster::block_on;

use crate::architectures::{FIXTURE, as_on_hardware, divergence, file, hardware, load};
use crate::common::build_file;

/// A tiny model with matrices of few bits.
fn few_bits(format: TensorType) -> Vec<u8> {
    let case = FIXTURE.models.iter().find(|case| case.model.name == "llama3-scaling").unwrap();
    build_file(&case.model.in_format(format), &FIXTURE.tokenizer)
}

fn with_integers(gpu: &Gpu) -> Gpu {
    gpu.with_tuning(gpu.tuning().with_integers().with_shared_codebooks())
}

/// A device with the layout for graphics cards, one of whose kernels is wrong.
async fn damaged(edit: fn(&Shader, String) -> String) -> Gpu {
    let options = GpuOptions { edit_kernels: Some(edit), ..GpuOptions::default() };
    as_on_hardware(&Gpu::new(options).await.unwrap(), Tiles::Shared)
}

#[test]
fn integers_for_single_tokens_only_round_their_inputs() {
    block_on(async {
        let gpu = hardware(Tiles::Shared).await;
        for format in [TensorType::Q1_0, TensorType::Q2_0] {
            let bytes = few_bits(format);
            let mut floats = load(gpu.clone(), &bytes).await;
            let mut integers = load(with_integers(&gpu), &bytes).await;
            let mut largest = 0.0f64;
            for id in FIXTURE.long.ids.iter().take(80) {
                let logits = [integers.decode_logits(*id).await.unwrap(), floats.decode_logits(*id).await.unwrap()];
                largest = largest.max(divergence(&logits[0], &logits[1]).abs());
            }
            // Nothing is rounded if they are not used.
            assert!((1e-12..1e-2).contains(&largest), "{format}: {largest:.1e}");
            integers.warm_up().await.unwrap();
            assert_eq!(integers.self_test().await.unwrap().verdict, Verdict::Sound, "{format}");
        }
    });
}

#[test]
fn the_self_test_finds_wrong_products_of_integers() {
    let edit = |shader: &Shader, text: String| match shader.file {
        "linear/matvec_integers.wgsl" => text.replace("product(codes_b0, inputs)", "product(codes_a0, inputs)"),
        _ => text,
    };
    block_on(async {
        let mut model = load(with_integers(&damaged(edit).await), &few_bits(TensorType::Q1_0)).await;
        model.warm_up().await.unwrap();
        let found = model.self_test().await.unwrap();
        assert!(!found.wrong.is_empty() && found.wrong.iter().all(|kernel| kernel.starts_with("matvec_integers")));
        assert_eq!(found.verdict, Verdict::Plain);
    });
}

#[test]
fn experts_of_few_tokens_need_no_groups_and_give_the_same_logits() {
    let edit = |shader: &Shader, text: String| match shader.file {
        "experts/group.wgsl" => text.replace("groups[at] = i;", "groups[at] = i + 1u;"),
        _ => text,
    };
    let bytes = file("qwen3moe");
    let ids = &FIXTURE.long.ids[..12];
    block_on(async {
        let expected = load(hardware(Tiles::Shared).await, &bytes).await.logits(ids).await.unwrap();
        let gpu = damaged(edit).await;
        let mut largest = Vec::new();
        for few_tokens in [0, ids.len() as u32] {
            let gpu = gpu.with_tuning(Tuning { few_tokens, ..gpu.tuning() });
            let logits = load(gpu, &bytes).await.logits(ids).await.unwrap();
            let divergences = logits.iter().zip(&expected).map(|(own, expected)| divergence(own, expected).abs());
            largest.push(divergences.fold(0.0, f64::max));
        }
        // Groups are wrong, but only tiles use them.
        assert!(largest[0] > 1e-4 && largest[1] < 1e-7, "{largest:?}");
    });
}
