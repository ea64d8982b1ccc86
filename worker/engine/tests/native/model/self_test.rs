//! The self-test: kernels that are right pass it, wrong ones are named and replaced.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use parlance_engine::kernels::Shader;
use parlance_engine::kernels::linear::Tiles;
use parlance_engine::runtime::{Model, SelfTest, Verdict};
use pollster::block_on;

use super::{answer, as_on_hardware, fixture, load_with_context};

/// What it may take beside compilation.
const MOST: Duration = Duration::from_millis(100);

/// Asserts that nothing is found, soon. The model's first kernels are compiled already.
pub(crate) fn assert_sound(model: &mut Model) {
    let test = |_| {
        let start = Instant::now();
        let SelfTest { verdict, wrong } = block_on(model.self_test()).unwrap();
        assert_eq!((verdict, wrong), (Verdict::Sound, Vec::new()));
        start.elapsed()
    };
    // The first may compile what is left, and others may share the machine.
    let fastest = (0..3).map(test).min().unwrap();
    println!("{}: the self-test takes {fastest:?}", model.device().adapter_name());
    assert!(fastest < MOST, "{fastest:?}");
}

/// The files of kernels, by their names for people.
fn files(kernels: &[String]) -> BTreeSet<&str> {
    kernels.iter().filter_map(|kernel| kernel.split(' ').next()).collect()
}

/// One wrong letter in each kind of kernel.
fn all_damaged(shader: &Shader, text: String) -> String {
    let (right, wrong) = match shader.file {
        "linear/matvec.wgsl" => ("dot_block(b0, inputs)", "dot_block(a0, inputs)"),
        "linear/tiled.wgsl" => ("b0.w) * value.w", "b0.w) * value.z"),
        "linear/tiled_packed.wgsl" => ("dot4I8Packed(b0, value)", "dot4I8Packed(a0, value)"),
        "attention/attention.wgsl" => ("soft_capped(sum)", "soft_capped(sum * 2.0)"),
        "attention/attention_batch.wgsl" => ("total.xy / total.z", "total.yx / total.z"),
        "embed/embed.wgsl" => ("w.v7 * SCALE", "w.v6 * SCALE"),
        "sampling/sample.wgsl" => ("next_id[0] = id", "next_id[0] = id / 2u"),
        _ => return text,
    };
    text.replace(right, wrong)
}

/// The same in kernels that have a plain form.
fn products_damaged(shader: &Shader, text: String) -> String {
    if ["linear/matvec.wgsl", "linear/tiled.wgsl"].contains(&shader.file) { all_damaged(shader, text) } else { text }
}

#[test]
fn every_kind_of_kernel_that_is_wrong_is_found_and_no_other() {
    let mut model = load_with_context(as_on_hardware(Tiles::Packed, Some(all_damaged)), 64);
    let found = block_on(async {
        model.warm_up().await.unwrap();
        model.self_test().await.unwrap()
    });
    let expected = ["attention", "attention_batch", "embed", "logit_scan", "matvec", "tiled_packed"];
    assert_eq!(files(&found.wrong), BTreeSet::from(expected));
    // Some of them have no plain form.
    assert_eq!(found.verdict, Verdict::Wrong);
}

#[test]
fn wrong_kernels_are_replaced_by_plain_ones_and_the_answer_is_right() {
    let prompt = &fixture().prompts[3];
    let mut model = load_with_context(as_on_hardware(Tiles::Shared, Some(products_damaged)), 64);
    block_on(async {
        model.warm_up().await.unwrap();
        assert_ne!(answer(&mut model, &prompt.ids, 4).await, prompt.greedy[..4], "the damage does something");
        let id = model.kernels_id().unwrap();
        let found = model.self_test().await.unwrap();
        assert_eq!(files(&found.wrong), BTreeSet::from(["matvec", "tiled"]));
        assert_eq!(found.verdict, Verdict::Plain);
        assert_ne!(model.kernels_id().unwrap(), id);
        assert_eq!(answer(&mut model, &prompt.ids, 4).await, prompt.greedy[..4]);
    });
}

#[test]
fn verdicts_are_kept_by_name() {
    for verdict in [Verdict::Sound, Verdict::Plain, Verdict::Wrong] {
        assert_eq!(Verdict::from_name(verdict.name()), Some(verdict));
    }
    assert_eq!(Verdict::from_name("of another version"), None);
}
