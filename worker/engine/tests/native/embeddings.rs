//! A real embedding model against llama.cpp, and against itself in double precision (`fixtures/make_embeddings.py`).
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::path::PathBuf;

use crate::common::{On, note};
use crate::encoders::{floats, relative_error};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parlance_engine::EngineError;
use parlance_engine::runtime::{Encoder, Loaded, Loader, LoaderOptions};
use pollster::block_on;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    text: String,
    /// llama.cpp's embedding: f16 in base64.
    vector: String,
    /// The embedding in double precision: f32 in base64.
    exact: String,
}

/// How far embeddings may be from those in double precision (RMS, relative).
const EXACT_BOUND: f64 = 1e-4;
/// How far they may be from llama.cpp's (cosine distance), which rounds the inputs of GELU to f16.
const BOUND: f64 = 1e-4;

fn model_bytes() -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/test-data/all-MiniLM-L6-v2.F16.gguf");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; `cargo xtask setup` creates it", path.display()))
}

async fn loader(on: On) -> Loader {
    let mut loader = Loader::new(on.open().await, LoaderOptions::default());
    for chunk in model_bytes().chunks(1_000_003) {
        loader.push(chunk).await.unwrap();
    }
    loader
}

async fn encoder(on: On) -> Encoder {
    match loader(on).await.finish_any().await.unwrap() {
        Loaded::Encoder(encoder) => *encoder,
        Loaded::Decoder(_) => panic!("the model is an encoder"),
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn embeddings_match_double_precision_and_llama_cpp_and_are_meaningful() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../fixtures/embeddings.json")).unwrap();
    for on in [On::GPU, On::Cpu] {
        check_vectors(&mut block_on(encoder(on)), &cases);
        note("published", &["all-MiniLM-L6-v2, F16", "text embeddings", on.name(), &EXACT_BOUND.to_string()]);
    }
}

fn check_vectors(encoder: &mut Encoder, cases: &[Case]) {
    let mut vectors = Vec::new();
    for case in cases {
        let bytes = STANDARD.decode(&case.vector).unwrap();
        let expected: Vec<f32> =
            bytes.chunks_exact(2).map(|half| half::f16::from_le_bytes([half[0], half[1]]).to_f32()).collect();
        let embedding = block_on(encoder.embed(&case.text)).unwrap();
        assert!(!embedding.is_truncated, "{:?}", case.text);
        let distance = 1.0 - cosine(&embedding.vector, &expected);
        let error = relative_error(&embedding.vector, &floats(&case.exact));
        println!("error {error:.1e}, {distance:.1e} from llama.cpp: {:?}", &case.text[..case.text.len().min(20)]);
        assert!(error <= EXACT_BOUND && distance <= BOUND, "{:?}: {error}, {distance}", case.text);
        vectors.push(embedding.vector);
    }
    let (cat, feline, revenue) = (&vectors[0], &vectors[1], &vectors[2]);
    assert!(cosine(cat, feline) > 0.4 && cosine(cat, revenue) < 0.1);
}

#[test]
fn texts_that_are_too_long_are_truncated_and_flagged() {
    let mut encoder = block_on(encoder(On::Cpu));
    let embedding = block_on(encoder.embed(&"word ".repeat(600))).unwrap();
    assert!(embedding.is_truncated);
    assert_eq!(embedding.tokens, 512);
}

#[test]
fn an_embedding_model_cannot_chat() {
    let error = block_on(async { loader(On::Cpu).await.finish().await }).err();
    assert!(matches!(error, Some(EngineError::WrongKind(_))), "{error:?}");
}
