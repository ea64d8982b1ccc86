//! Writes GGUF files, for tests and for models with synthetic weights.

use super::metadata::Value;
use super::tensor_type::TensorType;

/// Collects metadata and tensors of a file. Format: `docs/gguf.md` in the ggml repository.
#[derive(Debug, Clone, Default)]
pub struct Writer {
    metadata: Vec<u8>,
    metadata_count: u64,
    tensors: Vec<(String, TensorType, Vec<u64>)>,
}

const ALIGNMENT: usize = 32;

impl Writer {
    /// Adds a metadata entry. Integers that fit are written as 32 bits.
    pub fn metadata(&mut self, key: &str, value: &Value) -> &mut Self {
        self.metadata_count += 1;
        write_string(&mut self.metadata, key);
        write_value(&mut self.metadata, value);
        self
    }

    /// Adds a tensor, with `dimensions` innermost first; the data follow the header in the same order.
    pub fn tensor(&mut self, name: &str, tensor_type: TensorType, dimensions: &[u64]) -> &mut Self {
        self.tensors.push((name.to_owned(), tensor_type, dimensions.to_vec()));
        self
    }

    /// The header, padded up to the data of the first tensor.
    pub fn header(&self) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3u32.to_le_bytes());
        bytes.extend((self.tensors.len() as u64).to_le_bytes());
        bytes.extend(self.metadata_count.to_le_bytes());
        bytes.extend(&self.metadata);
        let mut offset = 0u64;
        for (name, tensor_type, dimensions) in &self.tensors {
            write_string(&mut bytes, name);
            bytes.extend((dimensions.len() as u32).to_le_bytes());
            bytes.extend(dimensions.iter().flat_map(|dimension| dimension.to_le_bytes()));
            bytes.extend(tensor_type.number().to_le_bytes());
            bytes.extend(offset.to_le_bytes());
            offset += padded(tensor_bytes(*tensor_type, dimensions));
        }
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        bytes
    }

    /// Sizes of each tensor's data and of the padding after it, in bytes.
    pub fn data_sizes(&self) -> impl Iterator<Item = (u64, u64)> {
        self.tensors.iter().map(|(_, tensor_type, dimensions)| {
            let len = tensor_bytes(*tensor_type, dimensions);
            (len, padded(len) - len)
        })
    }
}

fn tensor_bytes(tensor_type: TensorType, dimensions: &[u64]) -> u64 {
    dimensions.iter().product::<u64>() / tensor_type.block_len() * tensor_type.block_bytes()
}

fn padded(len: u64) -> u64 {
    len.next_multiple_of(ALIGNMENT as u64)
}

fn write_string(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

fn write_array<T>(bytes: &mut Vec<u8>, element_type: u32, elements: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    bytes.extend(9u32.to_le_bytes());
    bytes.extend(element_type.to_le_bytes());
    bytes.extend((elements.len() as u64).to_le_bytes());
    for element in elements {
        write(bytes, element);
    }
}

fn write_value(bytes: &mut Vec<u8>, value: &Value) {
    let mut typed = |number: u32, value: &[u8]| {
        bytes.extend(number.to_le_bytes());
        bytes.extend(value);
    };
    match value {
        Value::Unsigned(value) => match u32::try_from(*value) {
            Ok(value) => typed(4, &value.to_le_bytes()),
            Err(_) => typed(10, &value.to_le_bytes()),
        },
        Value::Signed(value) => match i32::try_from(*value) {
            Ok(value) => typed(5, &value.to_le_bytes()),
            Err(_) => typed(11, &value.to_le_bytes()),
        },
        Value::Float(value) => typed(6, &(*value as f32).to_le_bytes()),
        Value::Bool(value) => typed(7, &[u8::from(*value)]),
        Value::String(text) => {
            typed(8, &[]);
            write_string(bytes, text);
        }
        Value::Integers(values) => {
            // 32 bits if possible: other programs expect that of token types.
            match values.iter().map(|value| i32::try_from(*value)).collect::<Result<Vec<_>, _>>() {
                Ok(values) => write_array(bytes, 5, &values, |bytes, value| bytes.extend(value.to_le_bytes())),
                Err(_) => write_array(bytes, 11, values, |bytes, value| bytes.extend(value.to_le_bytes())),
            }
        }
        Value::Bytes(values) => write_array(bytes, 0, values, |bytes, value| bytes.push(*value)),
        Value::SignedBytes(values) => write_array(bytes, 1, values, |bytes, value| bytes.push(value.cast_unsigned())),
        Value::Floats(values) => write_array(bytes, 6, values, |bytes, value| bytes.extend(value.to_le_bytes())),
        Value::Strings(values) => write_array(bytes, 8, values, |bytes, value| write_string(bytes, value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::{Gguf, Parsed};

    #[test]
    fn written_headers_are_parsed_unchanged() {
        let entries = [
            ("a", Value::Unsigned(7)),
            ("b", Value::Unsigned(1 << 40)),
            ("c", Value::Signed(-3)),
            ("d", Value::Float(0.5)),
            ("e", Value::Bool(true)),
            ("f", Value::String("ä".to_owned())),
            ("g", Value::Integers(vec![1, -2])),
            ("big", Value::Integers(vec![1 << 40])),
            ("bytes", Value::Bytes(vec![0, 255])),
            ("signed", Value::SignedBytes(vec![-1, 127])),
            ("h", Value::Floats(vec![0.25])),
            ("i", Value::Strings(vec!["x".to_owned(), String::new()])),
        ];
        let mut writer = Writer::default();
        for (key, value) in &entries {
            writer.metadata(key, value);
        }
        writer.tensor("t", TensorType::Q4_0, &[32, 3]).tensor("u", TensorType::F32, &[2]);
        let mut bytes = writer.header();
        for (len, padding) in writer.data_sizes() {
            bytes.resize(bytes.len() + (len + padding) as usize, 0);
        }
        let Ok(Parsed::Complete(gguf)) = Gguf::parse(&bytes, Some(bytes.len() as u64)) else {
            panic!("the file is complete");
        };
        for (key, value) in &entries {
            assert_eq!(gguf.metadata.get(key), Some(value), "{key}");
        }
        let shapes: Vec<_> =
            gguf.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.rows(), tensor.cols())).collect();
        assert_eq!(shapes, [("t", 3, 32), ("u", 1, 2)]);
    }
}
