//! The smallest model that loads, for tests of what befalls a model's file.

use std::io;

use parlance_engine::gguf::{TensorType, Value, Writer};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::root;

/// What `make_architectures.py` of the engine's tests describes: metadata by key and type, and models without weights.
#[derive(Deserialize)]
struct Fixture {
    tokenizer: Vec<Entry>,
    models: Vec<Described>,
}

type Entry = (String, String, Json);

#[derive(Deserialize)]
struct Described {
    metadata: Vec<Entry>,
    tensors: Vec<DescribedTensor>,
}

#[derive(Deserialize)]
struct DescribedTensor {
    name: String,
    shape: Vec<u64>,
    #[serde(rename = "type")]
    kind: String,
}

/// The file of a llama of 1 MB with zeros in the place of its weights. It answers nonsense.
///
/// # Errors
/// If the fixture cannot be read.
pub fn tiny_model() -> io::Result<Vec<u8>> {
    let fixture = std::fs::read(root().join("worker/engine/tests/fixtures/architectures.json"))?;
    let Fixture { tokenizer, models } = serde_json::from_slice(&fixture)?;
    let model = models.into_iter().next().ok_or_else(|| io::Error::other("the fixture describes no model"))?;
    let mut writer = Writer::default();
    for (key, kind, value) in model.metadata.iter().chain(&tokenizer) {
        writer.metadata(key, &described(kind, value)?);
    }
    for DescribedTensor { name, shape, kind } in &model.tensors {
        let tensor_type = TensorType::supported().find(|tensor_type| tensor_type.name() == kind);
        writer.tensor(name, tensor_type.ok_or_else(|| io::Error::other(format!("no format {kind}")))?, shape);
    }
    let mut bytes = writer.header();
    let data_bytes: u64 = writer.data_sizes().map(|(len, padding)| len + padding).sum();
    bytes.resize(bytes.len() + data_bytes as usize, 0);
    Ok(bytes)
}

fn described(kind: &str, value: &Json) -> io::Result<Value> {
    let value = value.clone();
    Ok(match kind {
        "u32" => Value::Unsigned(serde_json::from_value(value)?),
        "f32" => Value::Float(serde_json::from_value(value)?),
        "bool" => Value::Bool(serde_json::from_value(value)?),
        "string" => Value::String(serde_json::from_value(value)?),
        "i32s" => Value::Integers(serde_json::from_value(value)?),
        "f32s" => Value::Floats(serde_json::from_value(value)?),
        _ => Value::Strings(serde_json::from_value(value)?),
    })
}
