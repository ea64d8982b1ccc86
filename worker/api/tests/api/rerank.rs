//! `/v1/rerank`, with tiny models that the engine's fixtures describe.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use std::sync::LazyLock;

use crate::common::{described_file, list, meta};
use parlance_api::{EmbeddingJob, RequestError, RerankJob};
use parlance_engine::runtime::{Cpu, Encoder, Loaded, Loader, LoaderOptions};
use pollster::block_on;
use serde_json::{Value, json};

static FIXTURE: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../engine/tests/fixtures/architectures.json")).unwrap());

/// The file of a tiny encoder.
fn file(name: &str) -> Vec<u8> {
    let model = list(&FIXTURE["encoders"]).find(|model| model["name"] == name).unwrap();
    described_file(model, &FIXTURE["word_tokenizer"])
}

fn load(name: &str) -> Encoder {
    block_on(async {
        let mut loader = Loader::new(Cpu::blocking(), LoaderOptions::default());
        loader.push(&file(name)).await.unwrap();
        match loader.finish_any().await.unwrap() {
            Loaded::Encoder(encoder) => *encoder,
            Loaded::Decoder(_) | Loaded::Transcriber(_) => panic!("{name} is an encoder"),
        }
    })
}

fn rerank(encoder: &mut Encoder, body: &Value) -> Result<Value, RequestError> {
    let mut job = RerankJob::new(body, meta())?;
    while block_on(job.step(encoder))? {}
    Ok(job.response())
}

const DOCUMENTS: [&str; 3] = ["a", "the lazy dog", "the quick brown fox"];

#[test]
fn documents_are_ranked() {
    let mut encoder = load("bert-rank");
    let body = json!({ "query": "the quick fox", "documents": DOCUMENTS });
    let response = rerank(&mut encoder, &body).unwrap();
    let results = response["results"].as_array().unwrap();
    let scores: Vec<f64> = results.iter().map(|result| result["relevance_score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a > b), "{scores:?}");
    let mut seen: Vec<u64> = results.iter().map(|result| result["index"].as_u64().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2]);
    for (result, score) in results.iter().zip(&scores) {
        let document = DOCUMENTS[result["index"].as_u64().unwrap() as usize];
        let alone = block_on(encoder.rank("the quick fox", &[document])).unwrap();
        assert!((f64::from(alone[0].score) - score).abs() < 1e-6);
        assert_eq!((&result["is_truncated"], result.get("document")), (&json!(false), None));
    }
    let tokens = response["usage"]["prompt_tokens"].as_u64().unwrap();
    assert!(tokens > 9 && response["usage"]["total_tokens"] == tokens);
    assert_eq!((&response["object"], &response["model"]), (&json!("list"), &json!("demo")));
}

#[test]
fn the_best_documents_are_returned_with_their_texts() {
    let mut encoder = load("bert-rank");
    let documents = json!([DOCUMENTS[0], { "text": DOCUMENTS[1] }, "word ".repeat(400)]);
    let body = json!({ "query": "the quick fox", "documents": documents, "top_n": 2, "return_documents": true });
    let response = rerank(&mut encoder, &body).unwrap();
    let results = response["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    for result in results {
        let index = result["index"].as_u64().unwrap() as usize;
        let text = documents[index].as_str().or_else(|| documents[index]["text"].as_str());
        assert_eq!(result["document"]["text"].as_str(), text);
        assert_eq!(result["is_truncated"], index == 2);
    }
}

#[test]
fn embeddings_of_batches_are_those_of_single_texts() {
    let mut encoder = load("bert-mean");
    // More than one batch.
    let texts: Vec<String> = (0..40).map(|index| DOCUMENTS[index % 3].repeat(1 + index * 2)).collect();
    let embed = |encoder: &mut Encoder, input: Value| {
        let mut job = EmbeddingJob::new(&json!({ "input": input }), meta()).unwrap();
        let mut steps = 0;
        while block_on(job.step(encoder)).unwrap() {
            steps += 1;
        }
        (steps, job.response())
    };
    let (steps, response) = embed(&mut encoder, json!(texts));
    assert!(steps > 1 && steps < texts.len(), "{steps}");
    let data = response["data"].as_array().unwrap();
    let vector = |entry: &Value| list(&entry["embedding"]).map(|value| value.as_f64().unwrap()).collect::<Vec<_>>();
    for (index, (text, entry)) in texts.iter().zip(data).enumerate() {
        assert_eq!(entry["index"], index);
        let (_, alone) = embed(&mut encoder, json!(text));
        let cosine: f64 = vector(entry).iter().zip(vector(&alone["data"][0])).map(|(a, b)| a * b).sum();
        assert!((cosine - 1.0).abs() < 1e-5, "{text:?}: {cosine}");
    }
    assert_eq!(data.len(), texts.len());
}

#[test]
fn models_of_another_kind_are_named() {
    let mut embedding_model = load("bert-mean");
    let error = rerank(&mut embedding_model, &json!({ "query": "a", "documents": ["b"] })).unwrap_err();
    assert_eq!((error.param(), error.status()), (Some("model"), 400));
    let mut job = EmbeddingJob::new(&json!({ "input": "a" }), meta()).unwrap();
    let error = block_on(job.step(&mut load("bert-rank"))).unwrap_err();
    assert_eq!((error.param(), error.status()), (Some("model"), 400));
}
