//! Tiny encoders and rankers (`fixtures/make_architectures.py`): their vectors and scores against those in double
//! precision, and against llama.cpp's. The results are recorded for `docs/models.md`.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parlance_engine::kernels::linear::Tiles;
use parlance_engine::models::CacheFormat;
use parlance_engine::runtime::{Cpu, Device, Encoder, Gpu, GpuOptions, Loaded, SelfTest, Verdict};
use pollster::block_on;

use crate::architectures::{FIXTURE, as_on_hardware, family, load_any, published};
use crate::common::{On, build_file, note};

/// How far vectors and scores may be from those in double precision (RMS, relative).
const EXACT_BOUND: f64 = 1e-4;
/// How far vectors may be from llama.cpp's (cosine distance), which rounds more: see `fixtures/exact_encoders.py`.
const VECTOR_BOUND: f64 = 1e-4;
/// The same for scores (RMS, relative).
const SCORE_BOUND: f64 = 5e-3;

#[test]
fn encoders_match_double_precision_and_llama_cpp() {
    let gpus = [GpuOptions { baseline: true, ..GpuOptions::default() }, GpuOptions::default()];
    let [plain, all] = gpus.map(|options| block_on(Gpu::new(options)).unwrap());
    let hardware = as_on_hardware(&all, Tiles::Shared);
    let open = |column: usize| match column {
        0 => Device::from(plain.clone()),
        1 => Device::from(hardware.clone()),
        2 => Device::from(Cpu::blocking()),
        _ => block_on(On::Threads.open()),
    };
    for (case, column) in FIXTURE.encoders.iter().flat_map(|case| (0..4).map(move |column| (case, column))) {
        let bytes = build_file(&case.model, &FIXTURE.word_tokenizer);
        let [others, exact] = [&case.vectors, &case.exact].map(|base64| floats(base64));
        let name = case.model.name.as_str();
        let Loaded::Encoder(mut encoder) = block_on(load_any(open(column), &bytes, CacheFormat::F16)) else {
            panic!("{name} is not an encoder");
        };
        let results = results(&mut encoder);
        let error = relative_error(&results, &exact);
        let (distance, bound) = if encoder.can_rank() {
            (relative_error(&results, &others), SCORE_BOUND)
        } else {
            (cosine_distance(&results, &others), VECTOR_BOUND)
        };
        let SelfTest { verdict, wrong } = block_on(encoder.self_test()).unwrap();
        assert_eq!((verdict, wrong), (Verdict::Sound, Vec::new()), "{name}");
        println!("{name}: error {error:.1e}, {distance:.1e} from llama.cpp");
        assert!(error <= EXACT_BOUND && distance <= bound, "{name}: {error}, {distance}");
        let (mut cells, text) = ([""; 7], EXACT_BOUND.to_string());
        let family = family(&case.model);
        let row = if encoder.can_rank() { format!("{family}, scores") } else { family.to_owned() };
        (cells[0], cells[1], cells[2], cells[3 + column]) = (row.as_str(), published(family), name, text.as_str());
        note("encoders", &cells);
    }
}

/// f32 in base64.
pub(crate) fn floats(base64: &str) -> Vec<f32> {
    let bytes = STANDARD.decode(base64).unwrap();
    bytes.chunks_exact(4).map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect()
}

/// The embeddings of all texts, or a ranker's scores of all but the first for that.
fn results(encoder: &mut Encoder) -> Vec<f32> {
    if encoder.can_rank() {
        let (query, documents) = FIXTURE.texts.split_first().unwrap();
        return documents.iter().map(|document| block_on(encoder.rank(query, document)).unwrap().score).collect();
    }
    let mut results = Vec::new();
    for text in &FIXTURE.texts {
        let vector = block_on(encoder.embed(text)).unwrap().vector;
        let length: f64 = vector.iter().map(|a| f64::from(*a).powi(2)).sum();
        assert!((length - 1.0).abs() < 1e-5, "{text:?} has length {length}");
        results.extend(vector);
    }
    results
}

/// The RMS of the differences, relative to that of the reference.
pub(crate) fn relative_error(results: &[f32], reference: &[f32]) -> f64 {
    assert_eq!(results.len(), reference.len());
    let square = |value: f64| value * value;
    let differences = results.iter().zip(reference).map(|(own, expected)| f64::from(*own) - f64::from(*expected));
    let error: f64 = differences.map(square).sum();
    (error / reference.iter().map(|value| square(f64::from(*value))).sum::<f64>()).sqrt()
}

/// The largest cosine distance of the texts' embeddings from the reference.
fn cosine_distance(results: &[f32], reference: &[f32]) -> f64 {
    assert_eq!(results.len(), reference.len());
    let len = reference.len() / FIXTURE.texts.len();
    let dot = |(a, b): (&[f32], &[f32])| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    results.chunks_exact(len).zip(reference.chunks_exact(len)).map(|pair| 1.0 - dot(pair)).fold(0.0, f64::max)
}
