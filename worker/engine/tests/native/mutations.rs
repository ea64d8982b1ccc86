//! Proof that the comparison with llama.cpp (`architectures.rs`) notices every tensor and hyperparameter of every family:
//! when one of them changes, the logits leave the bound by far.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::num::NonZero;
use std::sync::Mutex;
use std::thread;

use parlance_engine::Result;
use parlance_engine::runtime::{Cpu, Loader, LoaderOptions, Model};
use pollster::block_on;
use serde_json::Value;

use crate::architectures::{Case, FIXTURE, family, published};
use crate::bounds;
use crate::common::{Described, build_file, note};

/// Changes must cause a larger divergence: ten times what the comparison allows any model.
const NOTICEABLE: f64 = 10.0 * bounds::MOST;

/// Tokens that changed models compute: the first of each run. They exceed the tiny models' windows, and the 64 that
/// llama.cpp computes at once in recurrent layers.
const TOKENS: usize = 80;

/// The models whose tensors and hyperparameters are changed. In one of 64 layers no single tensor matters much.
fn mutated() -> impl Iterator<Item = &'static Case> {
    const DEEP: [&str; 2] = ["exaone4-windows", "command-r-plus"];
    FIXTURE.models.iter().filter(|case| !DEEP.contains(&case.model.name.as_str()))
}

/// Whether a tensor of a model is changed. Those of layers for multi-token prediction have no effect, nor have keys and
/// values where those of other layers are used. Of Gemma 3n's many layers, one of each kind is changed.
fn is_changed(model: &str, tensor: &str) -> bool {
    const KINDS: [&str; 5] = ["blk.0.", "blk.4.", "blk.19.", "blk.23.", "blk.24."];
    let starts_with_any = |starts: &[&str]| starts.iter().any(|start| tensor.starts_with(start));
    match model {
        "glm4moe" | "glm4moe-norms" => !tensor.starts_with("blk.3."),
        "gemma3n" => {
            let is_unused = starts_with_any(&["blk.23.attn_k", "blk.23.attn_v", "blk.24.attn_k", "blk.24.attn_v"]);
            !is_unused && (!tensor.starts_with("blk.") || starts_with_any(&KINDS))
        }
        _ => true,
    }
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
    let logits = model.logits(&case.run().ids[..TOKENS]).await.unwrap();
    // NaN counts as infinite.
    case.divergences(&logits).into_iter().map(|own| if own.is_nan() { f64::INFINITY } else { own }).fold(0.0, f64::max)
}

/// A change that went unnoticed: of which model, its name, and the largest divergence.
type Unnoticed = (&'static Described, String, f64);

/// Compares the variants of each model, which are named by what changed, on all cores.
fn in_each_model(changes: impl Fn(&Case) -> Vec<(String, Described)> + Sync) -> Vec<Unnoticed> {
    let unnoticed = |case: &'static Case| {
        let divergences = changes(case).into_iter().map(|(name, model)| {
            let divergence = block_on(divergence_of(case, &model));
            (&case.model, name, divergence)
        });
        divergences.filter(|(.., largest)| *largest < NOTICEABLE).collect::<Vec<_>>()
    };
    let cases = Mutex::new(mutated());
    let next = || cases.lock().unwrap().next();
    let work = || std::iter::from_fn(next).flat_map(unnoticed).collect::<Vec<_>>();
    thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    })
}

/// How a tensor is changed, given its length and columns: not just scaled, which norms and softmax may undo.
fn change_of(name: &str) -> fn(&mut [f32], usize) {
    if name.contains("ffn_gate_inp") {
        return |weights, _| weights.iter_mut().for_each(|weight| *weight = -*weight);
    }
    |weights, cols| match weights.len() {
        1 => weights[0] *= 1.5,
        _ => reversed_or_rotated(weights, cols),
    }
}

/// Changes a tensor in a way that norms and softmax do not undo.
pub(crate) fn reversed_or_rotated(weights: &mut [f32], cols: usize) {
    if weights.len() == cols {
        weights.reverse();
        for weight in weights {
            *weight *= 2.0;
        }
    } else {
        weights.rotate_left(cols);
    }
}

#[test]
fn the_comparison_notices_every_tensor() {
    // What follows the last layer is normalised; and of two lists of RoPE's divisors the context length selects one.
    const WITHOUT_EFFECT: [(&str, &str); 4] = [
        ("gemma4", "blk.5.layer_output_scale.weight"),
        ("gemma4-tied-values", "blk.5.layer_output_scale.weight"),
        ("gemma4-moe", "blk.5.layer_output_scale.weight"),
        ("longrope", "rope_factors_short.weight"),
    ];
    let unnoticed = in_each_model(|case| {
        let names = case.model.tensor_names().filter(|name| {
            is_changed(&case.model.name, name) && !WITHOUT_EFFECT.contains(&(case.model.name.as_str(), name))
        });
        names.map(|name| (name.to_owned(), case.model.with_changed_tensor(name, change_of(name)))).collect()
    });
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
    let unnoticed = in_each_model(|case| {
        let keys = case.model.metadata.iter().map(|(key, ..)| key).enumerate();
        let with_effect = keys.filter(|(_, key)| !WITHOUT_EFFECT.iter().any(|ending| key.ends_with(ending)));
        let changed = with_effect.map(|(index, key)| {
            let mut changed = case.model.clone();
            let value = &mut changed.metadata[index].2;
            *value = other_value(key, value);
            (key.clone(), changed)
        });
        changed.collect()
    });
    finish(&unnoticed, "hyperparameters");
}

/// Fails if changes to models went unnoticed, and records for the table of families that none did.
fn finish(unnoticed: &[Unnoticed], what: &str) {
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
