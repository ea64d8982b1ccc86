//! Tiny models, for tests that do not need a real one.

use std::io;

use parlance_engine::gguf::{TensorType, Value};
use parlance_engine::kernels::random::Random;
use serde::Deserialize;

use crate::described::{Described, DescribedTensor, Entry, read};

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
        read("architectures.json")
    }
}

/// A Llama model of 1 MB whose weights are zeros. It answers nonsense.
///
/// # Errors
/// If the fixture cannot be read.
pub fn tiny_model() -> io::Result<Vec<u8>> {
    file(&[], TensorType::F32, |_, len_bytes| vec![0; len_bytes])
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
    file(&changes, TensorType::Q4_1, |tensor, len_bytes| {
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
    model.file(&word_tokenizer, |tensor, len_bytes| {
        index += 1;
        let mut random = Random(index << 32);
        let mut weight = || tensor.offset + tensor.scale * random.float();
        (0..len_bytes / 4).flat_map(|_| weight().to_le_bytes()).collect()
    })
}

fn missing() -> io::Error {
    io::Error::other("the fixture does not describe the model")
}

/// The fixture's first model with some metadata changed, with matrices in the given format, and with
/// the bytes that `data` returns for each tensor.
fn file(
    changes: &[(String, Value)],
    matrices: TensorType,
    data: impl FnMut(&DescribedTensor, usize) -> Vec<u8>,
) -> io::Result<Vec<u8>> {
    let Fixture { tokenizer, models, .. } = Fixture::read()?;
    let model = models.first().ok_or_else(missing)?;
    let mut metadata = model.values(&tokenizer)?;
    for (key, value) in &mut metadata {
        if let Some((_, changed)) = changes.iter().find(|(changed, _)| changed == key) {
            value.clone_from(changed);
        }
    }
    Ok(model.file_with(&metadata, matrices, data))
}
