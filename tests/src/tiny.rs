//! Tiny models, for tests that do not need a real one.

use std::io;

use parlance_engine::gguf::{TensorType, Value, Writer};
use parlance_engine::kernels::random::Random;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::root;

/// Descriptions from `make_architectures.py` of the engine's tests: metadata with key and type, and tensors without
/// weights.
#[derive(Deserialize)]
struct Fixture {
    tokenizer: Vec<Entry>,
    models: Vec<Described>,
    word_tokenizer: Vec<Entry>,
    encoders: Vec<Described>,
}

impl Fixture {
    fn read() -> io::Result<Self> {
        let fixture = std::fs::read(root().join("worker/engine/tests/fixtures/architectures.json"))?;
        Ok(serde_json::from_slice(&fixture)?)
    }
}

/// A metadata entry: key, type and value.
pub(crate) type Entry = (String, String, Json);

#[derive(Deserialize)]
struct Described {
    name: String,
    metadata: Vec<Entry>,
    tensors: Vec<DescribedTensor>,
}

#[derive(Deserialize)]
struct DescribedTensor {
    name: String,
    shape: Vec<u64>,
    offset: f32,
    scale: f32,
}

/// A Llama model of 1 MB whose weights are zeros. It answers nonsense.
///
/// # Errors
/// If the fixture cannot be read.
pub fn tiny_model() -> io::Result<Vec<u8>> {
    file(&[], None, |_, len_bytes| vec![0; len_bytes])
}

/// The tokens that models which talk generate, each a letter.
pub(crate) const LETTERS: std::ops::RangeInclusive<usize> = b'a' as usize..=b'z' as usize;

/// A Llama model of 200 KB with random weights in `Q4_1`, whose kernels compile quickly. Its greedy answers are letters
/// until a limit is reached, and depend on all previous tokens, so that wrong computations change them.
///
/// # Errors
/// If the fixture cannot be read.
pub fn talking_model() -> io::Result<Vec<u8>> {
    let changes = [("llama.context_length".to_owned(), Value::Unsigned(8192))];
    let mut random = Random(1);
    file(&changes, Some(TensorType::Q4_1), |tensor, len_bytes| {
        if tensor.shape.len() == 1 {
            return (0..len_bytes / 4).flat_map(|_| (1.0 + 0.4 * random.float()).to_le_bytes()).collect();
        }
        let mut bytes = random.weights(TensorType::Q4_1, tensor.shape.iter().product::<u64>() as usize);
        if tensor.name == "output.weight" {
            let rows = bytes.chunks_exact_mut(len_bytes / tensor.shape[1] as usize);
            rows.enumerate().filter(|(row, _)| !LETTERS.contains(row)).for_each(|(_, row)| row.fill(0));
        }
        bytes
    })
}

/// An embedding model (`bert-mean`) or a ranker (`bert-rank`) of 300 KB with random weights.
///
/// # Errors
/// If the fixture cannot be read, or does not describe it.
pub fn encoder(name: &str) -> io::Result<Vec<u8>> {
    let Fixture { word_tokenizer, encoders, .. } = Fixture::read()?;
    let model = encoders.into_iter().find(|model| model.name == name).ok_or_else(missing)?;
    let mut index = 0;
    written(&model, &word_tokenizer, &[], None, |tensor, len_bytes| {
        index += 1;
        let mut random = Random(index << 32);
        let mut weight = || tensor.offset + tensor.scale * random.float();
        (0..len_bytes / 4).flat_map(|_| weight().to_le_bytes()).collect()
    })
}

fn missing() -> io::Error {
    io::Error::other("the fixture does not describe the model")
}

/// The fixture's first model with some metadata changed, with matrices in the given format (by default F32), and with
/// the bytes that `data` returns for each tensor.
fn file(
    changes: &[(String, Value)],
    matrices: Option<TensorType>,
    data: impl FnMut(&DescribedTensor, usize) -> Vec<u8>,
) -> io::Result<Vec<u8>> {
    let Fixture { tokenizer, models, .. } = Fixture::read()?;
    written(models.first().ok_or_else(missing)?, &tokenizer, changes, matrices, data)
}

/// The file of a model, as in [`file`].
fn written(
    model: &Described,
    tokenizer: &[Entry],
    changes: &[(String, Value)],
    matrices: Option<TensorType>,
    mut data: impl FnMut(&DescribedTensor, usize) -> Vec<u8>,
) -> io::Result<Vec<u8>> {
    let mut writer = Writer::default();
    for (key, kind, value) in model.metadata.iter().chain(tokenizer) {
        match changes.iter().find(|(changed, _)| changed == key) {
            Some((_, value)) => writer.metadata(key, value),
            None => writer.metadata(key, &metadata_value(kind, value)?),
        };
    }
    for DescribedTensor { name, shape, .. } in &model.tensors {
        let matrix_type = matrices.filter(|_| shape.len() > 1);
        writer.tensor(name, matrix_type.unwrap_or(TensorType::F32), shape);
    }
    let mut bytes = writer.header();
    for (tensor, (len, padding)) in model.tensors.iter().zip(writer.data_sizes()) {
        bytes.extend(data(tensor, len as usize));
        bytes.resize(bytes.len() + padding as usize, 0);
    }
    Ok(bytes)
}

pub(crate) fn metadata_value(kind: &str, value: &Json) -> io::Result<Value> {
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
