//! The self-test: correct kernels pass it, wrong ones are named and replaced.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use parlance_engine::kernels::Shader;
use parlance_engine::kernels::linear::Tiles;
use parlance_engine::models::CacheFormat;
use parlance_engine::runtime::{GpuOptions, Model, SelfTest, Tuning, Verdict};
use pollster::block_on;

use super::{answer, as_on_hardware, fixture, load_file, load_with_context};
use crate::architectures::{CONTEXT, file};
use crate::common::On;

/// How long it may take, without compilation.
const TIME_LIMIT: Duration = Duration::from_millis(100);

/// Asserts that the self-test passes in time. The model's first kernels have been compiled before.
pub(crate) fn assert_sound(model: &mut Model) {
    let test = |_| {
        let start = Instant::now();
        let SelfTest { verdict, wrong } = block_on(model.self_test()).unwrap();
        assert_eq!((verdict, wrong), (Verdict::Sound, Vec::new()));
        start.elapsed()
    };
    // The first run may compile more kernels, and other tests share the machine.
    let fastest = (0..3).map(test).min().unwrap();
    println!("{}: the self-test takes {fastest:?}", model.device().adapter_name());
    assert!(fastest < TIME_LIMIT, "{fastest:?}");
}

/// The files of kernels, given their display names.
fn files(kernels: &[String]) -> BTreeSet<&str> {
    kernels.iter().filter_map(|kernel| kernel.split(' ').next()).collect()
}

/// A mistake in each kind of kernel.
fn all_damaged(shader: &Shader, text: String) -> String {
    let (right, wrong) = match shader.file {
        "linear/matvec.wgsl" => ("dot_block(b0, inputs)", "dot_block(a0, inputs)"),
        "linear/matvec_integers.wgsl" => ("product(codes_b0, inputs)", "product(codes_a0, inputs)"),
        "linear/tiled.wgsl" => ("b0.w) * value.w", "b0.w) * value.z"),
        "linear/tiled_packed.wgsl" => ("dot4I8Packed(b0, value)", "dot4I8Packed(a0, value)"),
        "attention/attention.wgsl" => ("soft_capped(sum)", "soft_capped(sum * 2.0)"),
        "attention/attention_batch.wgsl" => ("total.xy / total.z", "total.yx / total.z"),
        "embed/embed.wgsl" => ("w.v7 * SCALE", "w.v6 * SCALE"),
        "sampling/sample.wgsl" => ("next_id[0] = id", "next_id[0] = id / 2u"),
        "attention/attention_gate.wgsl" => ("exp(-rows", "exp(rows"),
        "convolution/convolution.wgsl" => ("taps[channel * TAPS + tap]", "taps[channel * TAPS]"),
        "convolution/convolution_state.wgsl" => ("input_of(at - (TAPS - 1u), channel)", "input_of(0u, channel)"),
        "delta_net/delta_net.wgsl" => ("kept * sums.zw + lengths.z * change", "kept * sums.zw"),
        "state_space/state_space.wgsl" => ("kept * a0", "a0"),
        "norm/head_norm.wgsl" => ("* scale * weights", "* scale"),
        "norm/add_norm.wgsl" => ("* norm_weight[i]", ""),
        "norm/gate_cutoff.wgsl" => ("- cutoff", "+ cutoff"),
        "streams/expand.wgsl" => ("wanted /", "2.0 * wanted /"),
        "streams/predict.wgsl" => ("shares[own * COUNT + k]", "shares[k * COUNT + own]"),
        "streams/correct.wgsl" => ("weight * change", "change"),
        "streams/merge.wgsl" => ("/= f32(COUNT)", "/= f32(COUNT + 1u)"),
        "norm/gated_norm.wgsl" => ("z / (1.0 + exp(-z))", "z"),
        "attention/latent.wgsl" => ("pair *= scale *", "pair *="),
        "experts/group.wgsl" => ("groups[at] = i;", "groups[at] = i + 1u;"),
        "experts/route.wgsl" => ("ranks[j] > ranks[i]", "ranks[j] < ranks[i]"),
        "experts/expert_sum.wgsl" => ("SCALE * sum", "SCALE * sum * 1.01"),
        _ => return text,
    };
    text.replace(right, wrong)
}

/// The same, but only in kernels that have a plain layout.
fn products_damaged(shader: &Shader, text: String) -> String {
    if ["linear/matvec.wgsl", "linear/tiled.wgsl"].contains(&shader.file) { all_damaged(shader, text) } else { text }
}

#[test]
fn exactly_the_wrong_kernels_are_found() {
    let mut model = load_with_context(as_on_hardware(Tiles::Packed, Some(all_damaged)), 64);
    let found = block_on(async {
        model.warm_up().await.unwrap();
        model.self_test().await.unwrap()
    });
    let expected = ["attention", "attention_batch", "embed", "logit_scan", "matvec", "tiled_packed"];
    assert_eq!(files(&found.wrong), BTreeSet::from(expected));
    // Some of them have no plain layout.
    assert_eq!(found.verdict, Verdict::Wrong);
}

/// The same, but not in products, attention, lookups and the sampler.
fn layers_damaged(shader: &Shader, text: String) -> String {
    let folders = ["convolution/", "delta_net/", "state_space/", "streams/", "norm/", "experts/"];
    let is_between = folders.iter().any(|folder| shader.file.starts_with(folder))
        || ["attention/attention_gate.wgsl", "attention/latent.wgsl"].contains(&shader.file);
    if is_between { all_damaged(shader, text) } else { text }
}

#[test]
fn wrong_kernels_between_products_are_found() {
    let cases: [(&str, &[&str]); 5] = [
        ("deepseek2", &["expert_sum", "group", "latent", "route"]),
        ("gemma2", &["add_norm"]),
        ("gemma3n", &["add_norm", "correct", "expand", "gate_cutoff", "head_norm", "merge", "predict"]),
        ("granitehybrid", &["convolution", "convolution_state", "gated_norm", "state_space"]),
        (
            "qwen35moe",
            &[
                "attention_gate",
                "convolution",
                "convolution_state",
                "delta_net",
                "expert_sum",
                "gated_norm",
                "group",
                "head_norm",
                "route",
            ],
        ),
    ];
    for (name, expected) in cases {
        let device = as_on_hardware(Tiles::Shared, Some(layers_damaged));
        let mut model = load_file(&file(name), device, 64, CacheFormat::F16);
        let found = block_on(async {
            model.warm_up().await.unwrap();
            model.self_test().await.unwrap()
        });
        assert_eq!(files(&found.wrong), expected.iter().copied().collect::<BTreeSet<_>>(), "{name}");
        assert_eq!(found.verdict, Verdict::Wrong, "{name}");
    }
}

/// A mistake where the rows of a window begin again.
fn rings_damaged(_: &Shader, text: String) -> String {
    text.replace("position % RING_LEN", "min(position, RING_LEN - 1u)")
}

#[test]
fn wrong_turns_of_windows_are_found() {
    let On::Gpu(options) = as_on_hardware(Tiles::Packed, Some(rings_damaged)) else { unreachable!("it is a GPU") };
    // Batches so small that layers with a window do not keep all tokens.
    let tuning = options.tuning.map(|tuning| Tuning { prefill_batch: 16, ..tuning });
    let device = On::Gpu(GpuOptions { tuning, ..options });
    let mut model = load_file(&file("gemma3"), device, CONTEXT, CacheFormat::F16);
    let found = block_on(async {
        model.warm_up().await.unwrap();
        model.self_test().await.unwrap()
    });
    let reads = |kernel: &str| kernel.starts_with("attention");
    let found = files(&found.wrong);
    assert!(found.contains("head_norm") && found.iter().any(|kernel| reads(kernel)), "{found:?}");
    assert!(found.iter().all(|kernel| *kernel == "head_norm" || reads(kernel)), "{found:?}");
}

#[test]
fn wrong_kernels_are_replaced_by_plain_ones_and_the_answer_is_right() {
    let prompt = &fixture().prompts[3];
    let mut model = load_with_context(as_on_hardware(Tiles::Shared, Some(products_damaged)), 64);
    block_on(async {
        model.warm_up().await.unwrap();
        assert_ne!(answer(&mut model, &prompt.ids, 4).await, prompt.greedy[..4], "the mistakes change the answer");
        let id = model.kernels_id().unwrap();
        let found = model.self_test().await.unwrap();
        assert_eq!(files(&found.wrong), BTreeSet::from(["matvec", "tiled"]));
        assert_eq!(found.verdict, Verdict::Plain);
        assert_ne!(model.kernels_id().unwrap(), id);
        assert_eq!(answer(&mut model, &prompt.ids, 4).await, prompt.greedy[..4]);
    });
}

#[test]
fn verdicts_have_names() {
    for verdict in [Verdict::Sound, Verdict::Plain, Verdict::Wrong] {
        assert_eq!(Verdict::from_name(verdict.name()), Some(verdict));
    }
    assert_eq!(Verdict::from_name("of another version"), None);
}
