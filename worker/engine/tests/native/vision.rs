//! Tiny projectors of every family against mtmd and llama.cpp (`fixtures/make_vision.py`), with pictures drawn by script and
//! with photographs: pixels after pre-processing, embeddings, what surrounds them in a prompt, and logits after it; projectors and
//! pictures that are refused.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod mutations;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use half::f16;
use parlance_engine::kernels::Shader;
use parlance_engine::kernels::linear::Tiles;
use parlance_engine::models::ProjectorConfig;
use parlance_engine::runtime::{
    Cpu, Device, Gpu, GpuOptions, Loader, LoaderOptions, Model, Part, Projector, ProjectorLoader, Prompt, SelfTest,
    Span, Verdict,
};
use parlance_engine::vision::{Cut, Picture};
use parlance_engine::{EngineError, Result};
use pollster::block_on;
use serde::Deserialize;
use serde_json::Value;

use crate::architectures::{as_on_hardware, baseline, divergence};
use crate::common::{Described, build_file, note};
use crate::hybrids::{devices, with_batches_of};

/// Maximum relative error of embeddings (root mean square). mtmd itself rounds activations to f16.
const EMBEDDING_BOUND: f64 = 1e-3;
/// Maximum divergence of logits, as for text.
const LOGIT_BOUND: f64 = 1e-4;

/// Projectors for the layout for graphics cards and for threads, where only products differ: with windows; with norms and
/// bounds.
const WITH_OTHER_PRODUCTS: [&str; 2] = ["qwen2.5vl_merger", "gemma4v"];

type Entries = Vec<(String, String, Value)>;

#[derive(Deserialize)]
struct Fixture {
    tokenizer: Entries,
    /// The texts before and after the picture.
    before: String,
    after: String,
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
    /// The name of a photograph; none if the picture is drawn.
    photograph: Option<String>,
    /// Width and height of the picture.
    size: [u32; 2],
    /// The prompt, as mtmd has it. The last part follows token by token.
    parts: Vec<ExpectedPart>,
    /// llama.cpp's logits after the last tokens.
    logits: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ExpectedPart {
    Tokens { tokens: Vec<u32> },
    Picture { rows: usize, position_len: u32, tile: Tile, embeddings: String },
}

/// A part of a picture as bytes: every `stride`-th one.
#[derive(Deserialize)]
struct Tile {
    size: [u32; 2],
    stride: usize,
    pixels: String,
}

static FIXTURE: LazyLock<Fixture> =
    LazyLock::new(|| serde_json::from_str(include_str!("../fixtures/vision.json")).unwrap());

/// Descriptions of all tiny projectors.
pub(crate) fn described_projectors() -> impl Iterator<Item = &'static Described> {
    FIXTURE.projectors.iter().map(|family| &family.projector)
}

pub(crate) fn halves(base64: &str) -> Vec<f32> {
    let bytes = STANDARD.decode(base64).unwrap();
    bytes.chunks_exact(2).map(|half| f16::from_le_bytes([half[0], half[1]]).to_f32()).collect()
}

/// What the script draws, too.
fn drawn([width, height]: [u32; 2]) -> Picture {
    let pixel = |x: u32, y: u32| {
        let [from_left, from_top] = [(x, width), (y, height)].map(|(at, side)| (2 * at).abs_diff(side));
        let red = x * 255 / (width - 1).max(1);
        let green = if (x / 7 + y / 5) % 2 == 1 { 230 } else { y * 180 / height };
        let blue = (from_left.pow(2) + from_top.pow(2)) / 40 % 256;
        [red, green, blue].map(|colour| colour as u8)
    };
    let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y)));
    Picture::new(width, height, rgb.collect()).unwrap()
}

/// A file of `fixtures/photographs`.
fn photograph(name: &str) -> Picture {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/photographs").join(name);
    let mut reader = png::Decoder::new(BufReader::new(File::open(path).unwrap())).read_info().unwrap();
    let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut rgb).unwrap();
    Picture::new(frame.width, frame.height, rgb).unwrap()
}

pub(crate) async fn load_projector(device: Device, bytes: &[u8]) -> Result<Projector> {
    let mut loader = ProjectorLoader::new(device, Some(bytes.len() as u64));
    // Chunks of an odd size, so that boundaries fall everywhere.
    for chunk in bytes.chunks(10_007) {
        loader.push(chunk).await?;
    }
    loader.finish()
}

/// The text model of a family, and the projector.
async fn loaded(device: &Device, family: &Family) -> (Model, Projector) {
    let model = load_text(device.clone(), &build_file(&family.text, &FIXTURE.tokenizer)).await;
    let projector = load_projector(device.clone(), &build_file(&family.projector, &[])).await.unwrap();
    projector.check(&model).unwrap();
    (model, projector)
}

/// The embeddings of a part, each with what is for the model's first layers.
pub(crate) fn rows(part: &Part, width: usize) -> Vec<f32> {
    let Part::Embeddings(span) = part else { return Vec::new() };
    let count = span.rows.len() / width;
    let deepstack = span.deepstack.len() / count;
    let row =
        |row: usize| [&span.rows[row * width..][..width], &span.deepstack[row * deepstack..][..deepstack]].concat();
    (0..count).flat_map(row).collect()
}

/// The relative error, root mean square; infinite where a value is no number.
pub(crate) fn error(actual: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(actual.len(), expected.len(), "number of embeddings");
    let square = |value: f64| value * value;
    let sum: f64 = actual.iter().zip(expected).map(|(a, e)| square(f64::from(a - e))).sum();
    let all: f64 = expected.iter().map(|value| square(f64::from(*value))).sum();
    let error = (sum / all).sqrt();
    if error.is_nan() { f64::INFINITY } else { error }
}

impl Case {
    fn picture(&self) -> Picture {
        self.photograph.as_deref().map_or_else(|| drawn(self.size), photograph)
    }

    fn expected_rows(&self) -> impl Iterator<Item = Vec<f32>> {
        self.parts.iter().filter_map(|part| match part {
            ExpectedPart::Picture { embeddings, .. } => Some(halves(embeddings)),
            ExpectedPart::Tokens { .. } => None,
        })
    }

    /// Compares a prompt's parts with mtmd's.
    fn check_parts(&self, parts: &[Part], width: usize, what: &str) {
        assert_eq!(parts.len(), self.parts.len(), "{what}: number of parts");
        for (part, expected) in parts.iter().zip(&self.parts) {
            match (part, expected) {
                (Part::Tokens(ids), ExpectedPart::Tokens { tokens }) => assert_eq!(ids, tokens, "{what}"),
                (Part::Embeddings(span), ExpectedPart::Picture { rows: count, position_len, embeddings, .. }) => {
                    assert_eq!((span.rows.len() / width, span.position_len), (*count, *position_len), "{what}");
                    let found = error(&rows(part, width), &halves(embeddings));
                    println!("{what}: embeddings {found:.1e}");
                    assert!(found <= EMBEDDING_BOUND, "{what}: embeddings differ by {found:.1e}");
                }
                _ => panic!("{what}: a part is of another kind"),
            }
        }
    }
}

/// Tokens before and after the parts of a picture, joined with tokens at their ends.
pub(crate) fn whole_prompt(before: Vec<u32>, parts: Vec<Part>, after: Vec<u32>) -> Vec<Part> {
    let mut all: Vec<Part> = Vec::new();
    for part in [Part::Tokens(before)].into_iter().chain(parts).chain([Part::Tokens(after)]) {
        match (all.last_mut(), part) {
            (Some(Part::Tokens(ids)), Part::Tokens(more)) => ids.extend(more),
            (_, part) => all.push(part),
        }
    }
    all
}

#[test]
fn pixels_match_mtmd() {
    for family in &FIXTURE.projectors {
        let bytes = build_file(&family.projector, &[]);
        let projector = block_on(load_projector(Cpu::blocking().into(), &bytes)).unwrap();
        let config = projector.sight().unwrap();
        let pictures = config.pictures().unwrap();
        for case in &family.cases {
            let cut = Cut::new(pictures, case.size, config.patch * config.merge, u32::MAX);
            let parts = cut.parts(&case.picture(), pictures);
            let tiles = case.parts.iter().filter_map(|part| match part {
                ExpectedPart::Picture { tile, .. } => Some(tile),
                ExpectedPart::Tokens { .. } => None,
            });
            let tiles: Vec<_> = tiles.collect();
            let what = format!("{} {:?}", family.name, case.size);
            assert_eq!(parts.len(), tiles.len(), "{what}");
            assert!(cut.sizes().eq(tiles.iter().map(|tile| tile.size)), "{what}");
            for (part, tile) in parts.iter().zip(tiles) {
                assert_eq!(part.size(), tile.size, "{what}");
                let expected = STANDARD.decode(&tile.pixels).unwrap();
                let own = part.rgb().iter().step_by(tile.stride);
                let largest = own.zip(&expected).map(|(own, expected)| own.abs_diff(*expected)).max();
                assert!(largest <= Some(1), "{what}: {largest:?}");
            }
        }
        family.note("within 1 of 255", "", "", "");
    }
}

#[test]
fn pictures_match_mtmd_and_llama_cpp() {
    block_on(async {
        for (device_name, device) in devices().await {
            // Enough for pictures that attend to themselves.
            let device = with_batches_of(&device, 128);
            let differs = ["a graphics card", "threads"].contains(&device_name);
            let is_checked = |name: &str| !differs || WITH_OTHER_PRODUCTS.contains(&name);
            for family in FIXTURE.projectors.iter().filter(|family| is_checked(&family.name)) {
                let (mut model, mut projector) = loaded(&device, family).await;
                let width = model.config().embedding_len as usize;
                // Photographs differ from drawings in nothing but pixels, so one device is enough.
                let is_for_device = |case: &Case| case.photograph.is_none() || device_name == "the CPU";
                for (number, case) in (1..).zip(family.cases.iter().filter(|case| is_for_device(case))) {
                    let what = format!("{} {:?} on {device_name}", family.name, case.size);
                    let chat = model.chat_handle();
                    let encode = |text: &str| chat.tokenizer().encode(text).unwrap();
                    let mut last = (0, 0);
                    let on_progress = |done, total| {
                        assert!(done >= last.0 && done <= total, "{what}: progress grows");
                        last = (done, total);
                        true
                    };
                    let parts = projector.encode(&chat, &case.picture(), number, on_progress).await.unwrap();
                    assert!(last.0 == last.1 && last.1 > 0, "{what}: {last:?}");
                    let count = |part: &Part| match part {
                        Part::Tokens(ids) => ids.len(),
                        Part::Embeddings(span) => span.rows.len() / width,
                    };
                    let [own_width, own_height] = case.size;
                    let counted = projector.token_count(&chat, own_width, own_height).unwrap();
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
                family.note("", &EMBEDDING_BOUND.to_string(), &LOGIT_BOUND.to_string(), device_name);
            }
        }
    });
}

/// Few adapters have matrix units, which round inputs to f16. Only the tower's are compared.
#[test]
fn embeddings_on_matrix_units_match_mtmd() {
    block_on(async {
        let gpu = Gpu::new(GpuOptions::default()).await.unwrap();
        if !gpu.has_matrix_units() {
            println!("{} has no matrix units", gpu.adapter_name());
            return;
        }
        let device: Device = as_on_hardware(&gpu, Tiles::Cooperative).into();
        for family in &FIXTURE.projectors {
            let (model, mut projector) = loaded(&device, family).await;
            let width = model.config().embedding_len as usize;
            for case in family.cases.iter().filter(|case| case.photograph.is_none()) {
                let parts = projector.encode(model.chat(), &case.picture(), 0, |_, _| true).await.unwrap();
                let seen: Vec<_> = parts.iter().map(|part| rows(part, width)).filter(|rows| !rows.is_empty()).collect();
                let expected: Vec<_> = case.expected_rows().collect();
                assert_eq!(seen.len(), expected.len(), "{} {:?}", family.name, case.size);
                for (seen, expected) in seen.iter().zip(&expected) {
                    let found = error(seen, expected);
                    println!("{} {:?} on matrix units: embeddings {found:.1e}", family.name, case.size);
                    assert!(found <= EMBEDDING_BOUND, "{} {:?}: {found:.1e}", family.name, case.size);
                }
            }
            assert_eq!(projector.self_test().await.unwrap().verdict, Verdict::Sound, "{}", family.name);
        }
    });
}

/// Loads a text model, with room for the largest pictures.
async fn load_text(device: Device, bytes: &[u8]) -> Model {
    let mut loader = Loader::new(device, LoaderOptions { context_tokens: Some(1024), ..LoaderOptions::default() });
    loader.push(bytes).await.unwrap();
    loader.finish().await.unwrap()
}

/// The largest divergence from llama.cpp's logits, `[tokens][vocab]`, where the last part follows token by token.
pub(crate) async fn logits_after(model: &mut Model, parts: &[Part], reference: &[f32]) -> f64 {
    let (Some(Part::Tokens(last)), before) = (parts.last(), &parts[..parts.len() - 1]) else {
        panic!("it ends with text")
    };
    let mut spans: Vec<Span<'_>> = before.iter().map(Part::span).collect();
    spans.push(Span::Tokens(&last[..1]));
    let prompt = Prompt(spans);
    model.prefill(&prompt, |_, _| true).await.unwrap();
    let mut logits = Vec::new();
    for id in last {
        logits.push(model.decode_logits(*id).await.unwrap());
    }
    // What is equal is not computed again.
    let len = model.cached_prefix_len(&prompt);
    assert_eq!(len, model.cached_len() - last.len(), "all but the last token");
    let reference: Vec<&[f32]> = reference.chunks_exact(model.config().vocab as usize).collect();
    let own = &logits[logits.len() - reference.len()..];
    own.iter().zip(&reference).map(|(own, expected)| divergence(own, expected)).fold(0.0, f64::max)
}

/// A mistake in norms, and in each kind of kernel that only towers have.
fn damaged(shader: &Shader, text: String) -> String {
    let (right, wrong) = match shader.file {
        "norm/layer_norm.wgsl" => ("* scale *", "*"),
        "rows/clamp.wgsl" => ("clamp(value,", "clamp(2.0 * value,"),
        "rows/gate_rows.wgsl" => ("gated(y[at], x[at])", "gated(x[at], y[at])"),
        "rows/mean_rows.wgsl" => ("/ f32(COUNT)", "/ f32(COUNT + 1u)"),
        _ => return text,
    };
    text.replace(right, wrong)
}

#[test]
fn wrong_kernels_are_found() {
    block_on(async {
        let gpu = Gpu::new(GpuOptions { edit_kernels: Some(damaged), ..GpuOptions::default() }).await.unwrap();
        let family = FIXTURE.projectors.iter().find(|family| family.name == "gemma4v").unwrap();
        let mut projector = load_projector(gpu.into(), &build_file(&family.projector, &[])).await.unwrap();
        let SelfTest { verdict, wrong } = projector.self_test().await.unwrap();
        let files: BTreeSet<&str> = wrong.iter().filter_map(|kernel| kernel.split(' ').next()).collect();
        assert_eq!(files, BTreeSet::from(["clamp", "gate_rows", "layer_norm", "mean_rows"]));
        assert_eq!(verdict, Verdict::Wrong);
    });
}

#[test]
fn stopping_leaves_nothing_half_done() {
    block_on(async {
        let devices: [Device; 2] = [baseline().await.into(), Cpu::blocking().into()];
        for device in &devices {
            let device_name = device.adapter_name();
            let family = FIXTURE.projectors.iter().find(|family| family.name == "qwen3vl_merger").unwrap();
            let (model, mut projector) = loaded(device, family).await;
            let case = &family.cases[0];
            let stopped = projector.encode(model.chat(), &case.picture(), 0, |_, _| false).await;
            assert_eq!(stopped, Err(EngineError::Interrupted), "{device_name}");
            let parts = projector.encode(model.chat(), &case.picture(), 0, |_, _| true).await.unwrap();
            let found = parts.iter().map(|part| rows(part, 128)).find(|rows| !rows.is_empty()).unwrap();
            assert!(error(&found, &case.expected_rows().next().unwrap()) <= EMBEDDING_BOUND, "{device_name}");
        }
    });
}

#[test]
fn what_does_not_belong_is_refused() {
    let family = |name: &str| FIXTURE.projectors.iter().find(|family| family.name == name).unwrap();
    let device = || -> Device { Cpu::blocking().into() };
    let projector = |name: &str| block_on(load_projector(device(), &build_file(&family(name).projector, &[]))).unwrap();
    let text = |name: &str| block_on(load_text(device(), &build_file(&family(name).text, &FIXTURE.tokenizer)));
    for (own, other) in
        [("qwen2vl_merger", "idefics3"), ("idefics3", "qwen2vl_merger"), ("qwen3vl_merger", "qwen2vl_merger")]
    {
        let found = projector(own).check(&text(other));
        assert!(matches!(found, Err(EngineError::WrongProjector(_))), "{own} for {other}: {found:?}");
    }
    let model = build_file(&family("gemma3").text, &FIXTURE.tokenizer);
    let found = block_on(load_projector(device(), &model)).map(|_| ());
    assert!(matches!(found, Err(EngineError::WrongProjector(_))), "{found:?}");
    let whole = build_file(&family("gemma3").projector, &[]);
    let found = block_on(load_projector(device(), &whole[..whole.len() - 1])).map(|_| ());
    assert!(matches!(found, Err(EngineError::Truncated { .. })), "{found:?}");

    for (width, height, bytes) in [(0, 5, 0), (5, 5, 74), (1 << 20, 1, 3 << 20)] {
        let found = Picture::new(width, height, vec![0; bytes]);
        assert!(matches!(found, Err(EngineError::Prompt(_))), "{found:?}");
    }
}

#[test]
fn every_family_has_a_projector() {
    let kinds: Vec<&str> = FIXTURE.projectors.iter().map(|family| family.name.as_str()).collect();
    for kind in ProjectorConfig::families() {
        assert!(kinds.contains(&kind), "{kind}");
    }
}

impl Family {
    /// Records cells of the table of projectors (`xtask/src/tables.rs`).
    fn note(&self, pixels: &str, embeddings: &str, logits: &str, device_name: &str) {
        let kind = self.name.split('-').next().unwrap_or_default();
        note("projectors", &[kind, published(kind), &self.name, pixels, embeddings, logits, device_name]);
    }
}

/// Published models with a projector.
fn published(kind: &str) -> &'static str {
    match kind {
        "gemma3" => "Gemma 3",
        "gemma4v" => "Gemma 4",
        "idefics3" => "SmolVLM",
        "internvl" => "InternVL",
        "lfm2" => "LFM2 VL",
        "pixtral" => "Pixtral, Mistral Small 3",
        "qwen2vl_merger" => "Qwen 2 VL",
        "qwen2.5vl_merger" => "Qwen 2.5 VL",
        "qwen3vl_merger" => "Qwen 3 VL",
        _ => panic!("{kind} has no models"),
    }
}
