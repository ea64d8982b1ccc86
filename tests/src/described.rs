//! Models as the fixtures of the engine's tests describe them: metadata with key and type, and tensors without weights.

use std::io;

use parlance_engine::gguf::{TensorType, Value, Writer};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::root;

/// A metadata entry: key, type and value.
pub(crate) type Entry = (String, String, Json);

/// A model.
#[derive(Deserialize)]
pub(crate) struct Described {
    /// Empty if there is only one.
    #[serde(default)]
    pub(crate) name: String,
    pub(crate) metadata: Vec<Entry>,
    pub(crate) tensors: Vec<DescribedTensor>,
}

/// A tensor with random weights around `offset`.
#[derive(Clone, Deserialize)]
pub(crate) struct DescribedTensor {
    pub(crate) name: String,
    pub(crate) shape: Vec<u64>,
    pub(crate) offset: f32,
    pub(crate) scale: f32,
}

/// A fixture of the engine's tests.
pub(crate) fn read<T: DeserializeOwned>(name: &str) -> io::Result<T> {
    let fixture = std::fs::read(root().join("worker/engine/tests/fixtures").join(name))?;
    Ok(serde_json::from_slice(&fixture)?)
}

impl Described {
    /// The file, with more metadata, and with the bytes that `data` returns for each tensor and length.
    pub(crate) fn file(
        &self,
        more: &[Entry],
        data: impl FnMut(&DescribedTensor, usize) -> Vec<u8>,
    ) -> io::Result<Vec<u8>> {
        Ok(self.file_with(&self.values(more)?, TensorType::F32, data))
    }

    /// Its metadata, and more.
    pub(crate) fn values(&self, more: &[Entry]) -> io::Result<Vec<(String, Value)>> {
        let entries = self.metadata.iter().chain(more);
        entries.map(|(key, kind, entry)| Ok((key.clone(), value(kind, entry)?))).collect()
    }

    /// The file with other metadata, and matrices of a type.
    pub(crate) fn file_with(
        &self,
        metadata: &[(String, Value)],
        matrices: TensorType,
        mut data: impl FnMut(&DescribedTensor, usize) -> Vec<u8>,
    ) -> Vec<u8> {
        let mut writer = Writer::default();
        for (key, value) in metadata {
            writer.metadata(key, value);
        }
        for DescribedTensor { name, shape, .. } in &self.tensors {
            writer.tensor(name, if shape.len() > 1 { matrices } else { TensorType::F32 }, shape);
        }
        let mut bytes = writer.header();
        for (tensor, (len, padding)) in self.tensors.iter().zip(writer.data_sizes()) {
            bytes.extend(data(tensor, len as usize));
            bytes.resize(bytes.len() + padding as usize, 0);
        }
        bytes
    }
}

fn value(kind: &str, value: &Json) -> io::Result<Value> {
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
