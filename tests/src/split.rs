//! Splits a model into several files, like llama.cpp's `gguf-split`.

use std::io;

use parlance_engine::gguf::{Gguf, Parsed, Value, Writer};

/// Splits `model`, a complete file, into `count` files.
///
/// # Errors
/// If `model` is not a complete GGUF file.
pub(crate) fn split(model: &[u8], count: usize) -> io::Result<Vec<Vec<u8>>> {
    let Ok(Parsed::Complete(gguf)) = Gguf::parse(model, Some(model.len() as u64)) else {
        return Err(io::Error::other("the model is not complete"));
    };
    let tensors_per_part = gguf.tensors.len().div_ceil(count);
    let parts = gguf.tensors.chunks(tensors_per_part).enumerate().map(|(number, tensors)| {
        let mut writer = Writer::default();
        if number == 0 {
            // Only the first part has the metadata.
            for (key, value) in gguf.metadata.iter() {
                writer.metadata(key, value);
            }
        }
        writer
            .metadata("split.no", &Value::Unsigned(number as u64))
            .metadata("split.count", &Value::Unsigned(count as u64))
            .metadata("split.tensors.count", &Value::Signed(gguf.tensors.len() as i64));
        for tensor in tensors {
            writer.tensor(&tensor.name, tensor.tensor_type, &tensor.dimensions);
        }
        let mut bytes = writer.header();
        for (tensor, (len, padding)) in tensors.iter().zip(writer.data_sizes()) {
            bytes.extend_from_slice(&model[tensor.offset_bytes as usize..][..len as usize]);
            bytes.resize(bytes.len() + padding as usize, 0);
        }
        bytes
    });
    Ok(parts.collect())
}
