//! Proof that the comparison with llama.cpp (`architectures.rs`) notices every tensor and hyperparameter of every family:
//! when one of them changes, the logits leave the bound by far.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use parlance_engine::Result;
use parlance_engine::runtime::{Cpu, Loader, LoaderOptions, Model};
use pollster::block_on;
use serde_json::Value;

use crate::architectures::{Case, FIXTURE, family, published};
use crate::common::{Described, build_file, note};

/// Changes must cause a larger divergence: ten times the bound of the comparison.
const NOTICEABLE: f64 = 1e-2;

/// The models whose tensors and hyperparameters are changed. In one of 64 layers no single tensor matters much.
fn mutated() -> impl Iterator<Item = &'static Case> {
    FIXTURE.models.iter().filter(|case| case.model.name != "exaone4-windows")
}

/// Loads a file, which may be rejected.
async fn try_load(bytes: &[u8]) -> Result<Model> {
    let options = LoaderOptions { context_tokens: Some(256), ..LoaderOptions::default() };
    let mut loader = Loader::new(Cpu::blocking(), options);
    loader.push(bytes).await?;
    loader.finish().await
}

/// The largest divergence of a changed model from llama.cpp's logits of the original; infinite if it is rejected.
async fn divergence_of(case: &Case, changed: &Described) -> f64 {
    let Ok(mut model) = try_load(&build_file(changed, &FIXTURE.tokenizer)).await else { return f64::INFINITY };
    // At once, which is faster than token by token.
    let logits = model.logits(&case.run().ids).await.unwrap();
    // NaN counts as infinite.
    case.divergences(&logits).into_iter().map(|own| if own.is_nan() { f64::INFINITY } else { own }).fold(0.0, f64::max)
}

#[test]
fn the_comparison_notices_every_tensor() {
    // Nor have layers for multi-token prediction any. What follows the last layer is normalised; and of two lists of RoPE's divisors the context length selects one.
    const WITHOUT_EFFECT: [(&str, &str); 3] = [
        ("gemma4", "blk.5.layer_output_scale.weight"),
        ("gemma4-tied-values", "blk.5.layer_output_scale.weight"),
        ("longrope", "rope_factors_short.weight"),
    ];
    let mut unnoticed = Vec::new();
    for case in mutated() {
        for name in case.model.tensor_names() {
            let is_drafting = case.model.name.starts_with("glm4moe") && name.starts_with("blk.3.");
            if is_drafting || WITHOUT_EFFECT.contains(&(case.model.name.as_str(), name)) {
                continue;
            }
            // Not just scaling, which norms and softmax may undo.
            let change: fn(&mut [f32], usize) = if name.contains("ffn_gate_inp") {
                |weights, _| weights.iter_mut().for_each(|weight| *weight = -*weight)
            } else {
                |weights, cols| match weights.len() {
                    1 => weights[0] *= 1.5,
                    len if len == cols => {
                        weights.reverse();
                        for weight in weights {
                            *weight *= 2.0;
                        }
                    }
                    _ => weights.rotate_left(cols),
                }
            };
            let largest = block_on(divergence_of(case, &case.model.with_changed_tensor(name, change)));
            if largest < NOTICEABLE {
                unnoticed.push((&case.model, name.to_owned(), largest));
            }
        }
    }
    finish(&unnoticed, "tensors");
}

#[test]
fn the_comparison_notices_every_hyperparameter() {
    // Names and limits do not affect logits, nor do RoPE's sections: text has the same position in each. Granite's
    // hybrids have no RoPE, Phi 3's windows are ignored, as in llama.cpp, and shared experts tell their width. Models
    // whose every layer has experts have no use for the width of other feed-forward parts, Nemotron's have none for the
    // epsilon of layer norms. Sizes of latent keys follow from their ranks.
    const WITHOUT_EFFECT: [&str; 18] = [
        "general.name",
        "rope.dimension_sections",
        "n_deepstack_layers",
        "context_length",
        "moe.feed_forward_length",
        "granitehybrid.rope.freq_base",
        "phi3.attention.sliding_window",
        "expert_shared_count",
        "gpt-oss.feed_forward_length",
        "qwen3next.feed_forward_length",
        "nemotron_h.attention.layer_norm_epsilon",
        "nemotron_h_moe.attention.layer_norm_epsilon",
        "deepseek2.attention.head_count_kv",
        "deepseek2.attention.key_length",
        "deepseek2.attention.value_length",
        "mistral4.attention.head_count_kv",
        "mistral4.attention.key_length",
        "mistral4.attention.value_length",
    ];
    let mut unnoticed = Vec::new();
    for case in mutated() {
        for index in 0..case.model.metadata.len() {
            let mut changed = case.model.clone();
            let (key, _, value) = &mut changed.metadata[index];
            let key = key.clone();
            if WITHOUT_EFFECT.iter().any(|ending| key.ends_with(ending)) {
                continue;
            }
            *value = other_value(&key, value);
            let largest = block_on(divergence_of(case, &changed));
            if largest < NOTICEABLE {
                unnoticed.push((&case.model, key, largest));
            }
        }
    }
    finish(&unnoticed, "hyperparameters");
}

/// Fails if changes to models went unnoticed, and records for the table of families that none did.
fn finish(unnoticed: &[(&Described, String, f64)], what: &str) {
    let unnoticed: Vec<_> = unnoticed.iter().map(|(model, change, largest)| (&model.name, change, largest)).collect();
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
    for Case { model, .. } in mutated() {
        let family = family(model);
        note("families", &[family, published(family), &model.name, "", "", "", "", "", what]);
    }
}

/// A value of the same kind, but clearly different.
fn other_value(key: &str, value: &Value) -> Value {
    match value {
        Value::String(text) => format!("{text}-other").into(),
        Value::Bool(flag) => (!flag).into(),
        Value::Array(numbers) if numbers.iter().all(|number| *number == numbers[0]) => {
            numbers.iter().map(|number| other_value(key, number)).collect()
        }
        Value::Array(numbers) => numbers.iter().rev().cloned().collect(),
        // Added to mean squares of about one.
        _ if key.ends_with("epsilon") => 0.2.into(),
        number => match number.as_u64() {
            Some(number) => (number + number.max(1)).into(),
            None => (number.as_f64().unwrap() * 4.0).into(),
        },
    }
}
