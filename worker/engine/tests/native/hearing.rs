//! Tiny projectors of sounds of every family against mtmd and llama.cpp (`fixtures/make_hearing.py`): embeddings, what
//! surrounds them in a prompt, and logits after it; that every tensor and number matters; what is refused.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::sync::LazyLock;

use parlance_engine::EngineError;
use parlance_engine::models::ProjectorConfig;
use parlance_engine::runtime::{
    Cpu, Device, Loader, LoaderOptions, Model, Part, Projector, ProjectorLoader, SelfTest, Verdict,
};
use parlance_engine::vision::Picture;
use pollster::block_on;
use serde::Deserialize;
use serde_json::Value;

use crate::common::{Described, build_file, note};
use crate::hybrids::devices;
use crate::mutations::reversed_or_rotated;
use crate::vision::{error, halves, load_projector, logits_after, whole_prompt};

/// Maximum relative error of embeddings (root mean square). mtmd itself rounds inputs of convolutions to f16.
const EMBEDDING_BOUND: f64 = 1e-3;
/// Maximum divergence of logits, as for text.
const LOGIT_BOUND: f64 = 1e-4;

type Entries = Vec<(String, String, Value)>;

#[derive(Deserialize)]
struct Fixture {
    tokenizer: Entries,
    /// The texts before and after the sound.
    before: String,
    after: String,
    /// One in so many embeddings is in the fixture.
    stride: usize,
    projectors: Vec<Family>,
}

#[derive(Deserialize)]
struct Family {
    name: String,
    text: Described,
    projector: Described,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    /// Length of the sound.
    samples: usize,
    /// The prompt, as mtmd has it. The last part follows token by token.
    parts: Vec<ExpectedPart>,
    /// llama.cpp's logits after the last tokens.
    logits: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ExpectedPart {
    Tokens { tokens: Vec<u32> },
    Sound { rows: usize, position_len: u32, embeddings: String },
}

static FIXTURE: LazyLock<Fixture> =
    LazyLock::new(|| serde_json::from_str(include_str!("../fixtures/hearing.json")).unwrap());

/// Descriptions of all tiny projectors.
pub(crate) fn described_projectors() -> impl Iterator<Item = &'static Described> {
    FIXTURE.projectors.iter().map(|family| &family.projector)
}

fn family(name: &str) -> &'static Family {
    FIXTURE.projectors.iter().find(|family| family.name == name).unwrap()
}

/// What the script makes, too.
fn sound(samples: usize) -> Vec<i16> {
    let sample = |at: i64| {
        let (rising, low) = (at * at / 97 % 8192 - 4096, at % 160 * 50 - 4000);
        ((rising + low) * (at / 4000 % 4 + 1)).div_euclid(4) as i16
    };
    (0..samples as i64).map(sample).collect()
}

/// Loads a text model, with room for the longest sounds.
async fn load_text(device: &Device, family: &Family) -> Model {
    let options = LoaderOptions { context_tokens: Some(2048), ..LoaderOptions::default() };
    let mut loader = Loader::new(device.clone(), options);
    loader.push(&build_file(&family.text, &FIXTURE.tokenizer)).await.unwrap();
    loader.finish().await.unwrap()
}

fn projector_on_cpu(described: &Described) -> parlance_engine::Result<Projector> {
    block_on(load_projector(Cpu::blocking().into(), &build_file(described, &[])))
}

/// The embeddings of a part that are in the fixture.
fn rows(part: &Part, width: usize) -> Vec<f32> {
    let Part::Embeddings(span) = part else { return Vec::new() };
    span.rows.chunks_exact(width).step_by(FIXTURE.stride).flatten().copied().collect()
}

impl Case {
    /// Compares a prompt's parts with mtmd's.
    fn check_parts(&self, parts: &[Part], width: usize, what: &str) {
        assert_eq!(parts.len(), self.parts.len(), "{what}: number of parts");
        for (part, expected) in parts.iter().zip(&self.parts) {
            match (part, expected) {
                (Part::Tokens(ids), ExpectedPart::Tokens { tokens }) => assert_eq!(ids, tokens, "{what}"),
                (Part::Embeddings(span), ExpectedPart::Sound { rows: count, position_len, embeddings }) => {
                    assert_eq!((span.rows.len() / width, span.position_len), (*count, *position_len), "{what}");
                    let found = error(&rows(part, width), &halves(embeddings));
                    println!("{what}: embeddings {found:.1e}");
                    assert!(found <= EMBEDDING_BOUND, "{what}: embeddings differ by {found:.1e}");
                }
                _ => panic!("{what}: a part is of another kind"),
            }
        }
    }

    fn expected_rows(&self) -> impl Iterator<Item = Vec<f32>> {
        self.parts.iter().filter_map(|part| match part {
            ExpectedPart::Sound { embeddings, .. } => Some(halves(embeddings)),
            ExpectedPart::Tokens { .. } => None,
        })
    }
}

#[test]
fn sounds_match_mtmd_and_llama_cpp() {
    block_on(async {
        for (device_name, device) in devices().await {
            for family in &FIXTURE.projectors {
                let mut model = load_text(&device, family).await;
                let file = build_file(&family.projector, &[]);
                let mut projector = load_projector(device.clone(), &file).await.unwrap();
                projector.check(&model).unwrap();
                let width = model.config().embedding_len as usize;
                for (number, case) in (1..).zip(&family.cases) {
                    let what = format!("{} {} on {device_name}", family.name, case.samples);
                    let chat = model.chat_handle();
                    let encode = |text: &str| chat.tokenizer().encode(text).unwrap();
                    let mut last = (0, 0);
                    let on_progress = |done, total| {
                        assert!(done >= last.0 && done <= total, "{what}: progress grows");
                        last = (done, total);
                        true
                    };
                    let sound = sound(case.samples);
                    let parts = projector.hear(&chat, &sound[..], number, on_progress).await.unwrap();
                    assert!(last.0 == last.1 && last.1 > 0, "{what}: {last:?}");
                    let count = |part: &Part| match part {
                        Part::Tokens(ids) => ids.len(),
                        Part::Embeddings(span) => span.rows.len() / width,
                    };
                    let counted = projector.sound_token_count(&chat, case.samples).unwrap();
                    assert_eq!(counted, parts.iter().map(count).sum::<usize>(), "{what}");

                    let all = whole_prompt(encode(&FIXTURE.before), parts, encode(&FIXTURE.after));
                    case.check_parts(&all, width, &what);
                    let found = logits_after(&mut model, &all, &halves(&case.logits)).await;
                    println!("{what}: logits {found:.1e}");
                    assert!(found <= LOGIT_BOUND, "{what}: logits diverge by {found:.1e}");
                }
                // Kernels that give these logits pass the self-test, too.
                let SelfTest { verdict, wrong } = projector.self_test().await.unwrap();
                assert_eq!((verdict, wrong), (Verdict::Sound, Vec::new()), "{} on {device_name}", family.name);
                family.note(device_name);
            }
        }
    });
}

/// The error of the first sound's embeddings with a changed projector; infinite if it is refused.
fn error_with(projector: &Described, model: &Model, case: &Case) -> f64 {
    let result = projector_on_cpu(projector).and_then(|mut projector| {
        projector.check(model)?;
        block_on(projector.hear(model.chat(), &sound(case.samples)[..], 0, |_, _| true))
    });
    let Ok(parts) = result else { return f64::INFINITY };
    let width = model.config().embedding_len as usize;
    let found: Vec<_> = parts.iter().map(|part| rows(part, width)).filter(|rows| !rows.is_empty()).collect();
    let expected: Vec<_> = case.expected_rows().collect();
    if found.iter().map(Vec::len).ne(expected.iter().map(Vec::len)) {
        return f64::INFINITY;
    }
    found.iter().zip(&expected).map(|(own, expected)| error(own, expected)).fold(0.0, f64::max)
}

#[test]
fn the_comparison_notices_every_tensor_and_number() {
    // Metadata that has no effect: names, and what the tensors tell.
    const WITHOUT_EFFECT: [&str; 3] = ["general.name", "projection_dim", "feed_forward_length"];
    let mut unnoticed = Vec::new();
    for name in ["ultravox", "voxtral", "qwen2a"] {
        let Family { projector, cases, .. } = family(name);
        let (model, case) = (block_on(load_text(&Cpu::blocking().into(), family(name))), &cases[0]);
        let mut check = |what: String, changed: &Described| {
            let found = error_with(changed, &model, case);
            if found < 10.0 * EMBEDDING_BOUND {
                unnoticed.push((name, what, found));
            }
        };
        for tensor in projector.tensor_names() {
            check(tensor.to_owned(), &projector.with_changed_tensor(tensor, reversed_or_rotated));
        }
        for (index, (key, _, value)) in projector.metadata.iter().enumerate() {
            if WITHOUT_EFFECT.iter().any(|ending| key.ends_with(ending)) {
                continue;
            }
            let mut changed = projector.clone();
            changed.metadata[index].2 = match value {
                Value::Bool(flag) => (!flag).into(),
                Value::String(text) => format!("{text}-other").into(),
                _ if key.ends_with("epsilon") => 0.2.into(),
                number => (2 * number.as_u64().unwrap()).into(),
            };
            check(key.clone(), &changed);
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
}

#[test]
fn a_file_may_have_a_projector_for_each_sense() {
    let Family { projector: described, .. } = family("qwen2.5o");
    let mut both = projector_on_cpu(described).unwrap();
    let kind = |config: Option<&ProjectorConfig>| config.map(|config| config.kind);
    assert_eq!((kind(both.sight()), kind(both.hearing())), (Some("qwen2.5vl_merger"), Some("qwen2a")));
    // What it sees does not depend on its hearing. Its tensors come first, so their weights are the same without the others.
    let mut alone = described.clone();
    alone.tensors.retain(|tensor| !tensor.name.starts_with("a.") && !tensor.name.starts_with("mm.a."));
    alone.metadata.retain(|(key, ..)| !key.contains("audio"));
    let mut alone = projector_on_cpu(&alone).unwrap();
    assert!(alone.hearing().is_none());
    let model = block_on(load_text(&Cpu::blocking().into(), family("qwen2.5o")));
    let picture = Picture::new(60, 40, (0..60 * 40 * 3).map(|at: u32| (at * 7 % 251) as u8).collect()).unwrap();
    let [seen, expected] = [&mut both, &mut alone]
        .map(|projector| block_on(projector.encode(model.chat(), &picture, 1, |_, _| true)).unwrap());
    assert_eq!(seen, expected);
    let deaf = block_on(alone.hear(model.chat(), &sound(100)[..], 1, |_, _| true));
    assert!(matches!(deaf, Err(EngineError::WrongProjector(_))), "{deaf:?}");
}

#[test]
fn an_unsupported_sense_is_left_out() {
    let mut described = family("qwen2.5o").projector.clone();
    described.metadata.retain(|(key, ..)| key != "clip.projector_type");
    for (sense, kind) in [("vision", "qwen2.5vl_merger"), ("audio", "unheard_of")] {
        let key = format!("clip.{sense}.projector_type");
        described.metadata.push((key, "string".to_owned(), kind.into()));
    }
    let projector = projector_on_cpu(&described).unwrap();
    assert!(projector.sight().is_some() && projector.hearing().is_none());
    // A class is not supported together with RoPE.
    let mut classed = family("qwen2.5o").projector.clone();
    let mut class = classed.tensors.iter().find(|tensor| tensor.name == "v.post_ln.weight").unwrap().clone();
    class.name = "v.class_embd".to_owned();
    classed.tensors.push(class);
    let classed = projector_on_cpu(&classed).unwrap();
    assert!(classed.sight().is_none() && classed.hearing().is_some());
    described.metadata.retain(|(key, ..)| key != "clip.has_vision_encoder");
    let refused = projector_on_cpu(&described).map(|_| ());
    assert!(matches!(refused, Err(EngineError::UnsupportedArchitecture(_))), "{refused:?}");
}

#[test]
fn windows_are_counted_and_sounds_may_be_of_any_length() {
    let (model, mut projector) = (
        block_on(load_text(&Cpu::blocking().into(), family("ultravox"))),
        projector_on_cpu(&family("ultravox").projector).unwrap(),
    );
    let chat = model.chat();
    for (samples, windows) in [(1, 1), (159, 1), (480_000, 1), (480_160, 2), (960_000, 2), (960_160, 3)] {
        assert_eq!(projector.sound_token_count(chat, samples).unwrap(), windows * 187, "{samples}");
    }
    assert!(matches!(projector.sound_token_count(chat, 0), Err(EngineError::Prompt(_))));
    let parts = block_on(projector.hear(chat, &sound(1)[..], 1, |_, _| true)).unwrap();
    let [Part::Embeddings(span)] = parts.as_slice() else { panic!("one window") };
    assert!(span.rows.iter().all(|value| value.is_finite()));
    let stopped = block_on(projector.hear(chat, &sound(1600)[..], 1, |_, _| false));
    assert_eq!(stopped, Err(EngineError::Interrupted));
}

#[test]
fn what_does_not_belong_is_refused() {
    let model = block_on(load_text(&Cpu::blocking().into(), family("ultravox")));
    let mut wide = family("voxtral").projector.clone();
    for tensor in wide.tensors.iter_mut().filter(|tensor| tensor.name == "mm.a.mlp.2.weight") {
        tensor.shape[1] *= 2;
    }
    let found = projector_on_cpu(&wide).and_then(|projector| projector.check(&model));
    assert!(matches!(found, Err(EngineError::WrongProjector(_))), "{found:?}");
    let whole = build_file(&family("voxtral").projector, &[]);
    let mut loader = ProjectorLoader::new(Cpu::blocking(), Some(whole.len() as u64));
    block_on(loader.push(&whole[..whole.len() - 1])).unwrap();
    let found = loader.finish().map(|_| ());
    assert!(matches!(found, Err(EngineError::Truncated { .. })), "{found:?}");
}

#[test]
fn every_family_has_a_projector() {
    let names: Vec<&str> = FIXTURE.projectors.iter().map(|family| family.name.as_str()).collect();
    for kind in ProjectorConfig::sound_families() {
        assert!(names.contains(&kind), "{kind}");
    }
}

impl Family {
    /// Records cells of the table of projectors of sounds (`xtask/src/tables.rs`).
    fn note(&self, device_name: &str) {
        let kind = if self.name == "qwen2.5o" { "qwen2a" } else { &self.name };
        let bounds = [EMBEDDING_BOUND, LOGIT_BOUND].map(|bound| bound.to_string());
        note("hearing", &[kind, published(kind), &self.name, &bounds[0], &bounds[1], device_name]);
    }
}

/// Published models with a projector.
fn published(kind: &str) -> &'static str {
    match kind {
        "qwen2a" => "Qwen 2 Audio, Qwen 2.5 Omni",
        "ultravox" => "Ultravox",
        "voxtral" => "Voxtral",
        _ => panic!("{kind} has no models"),
    }
}
