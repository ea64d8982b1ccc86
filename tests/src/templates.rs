//! Model files with custom chat templates.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use parlance_engine::gguf::{Gguf, Parsed, Value, Writer};

use crate::{model_path, root};

const TEMPLATE: &str = "tokenizer.chat_template";

/// Writes a copy of the demo model with another chat template, and zeros instead of weights. It is meant to be
/// inspected, which renders the template, but not to be loaded.
///
/// # Errors
/// If there is no demo model, or the file cannot be written.
pub fn file_with_template(name: &str, template: &str) -> io::Result<PathBuf> {
    let model = std::fs::read(model_path())?;
    let Ok(Parsed::Complete(gguf)) = Gguf::parse(&model, Some(model.len() as u64)) else {
        return Err(io::Error::other("the demo model is not complete"));
    };
    let mut writer = Writer::default();
    for (key, value) in gguf.metadata.iter().filter(|(key, _)| *key != TEMPLATE) {
        writer.metadata(key, value);
    }
    writer.metadata(TEMPLATE, &Value::String(template.to_owned()));
    for tensor in &gguf.tensors {
        writer.tensor(&tensor.name, tensor.tensor_type, &tensor.dimensions);
    }
    let header = writer.header();
    let data_bytes: u64 = writer.data_sizes().map(|(len, padding)| len + padding).sum();
    let path = root().join("target").join(Path::new(name).with_extension("gguf"));
    let mut file = File::create(&path)?;
    file.write_all(&header)?;
    file.set_len(header.len() as u64 + data_bytes)?;
    Ok(path)
}
