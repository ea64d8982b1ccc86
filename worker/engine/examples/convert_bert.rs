//! Converts a BERT sentence-embedding model from its published form to GGUF:
//!
//!     cargo run --release -p parlance-engine --example convert_bert -- FOLDER FILE.gguf
//!
//! FOLDER holds `config.json`, `vocab.txt` and `model.safetensors` (F32). Matrices become F16.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::path::Path;

use half::f16;
use parlance_engine::gguf::{TensorType, Value, Writer};
use serde::Deserialize;

#[derive(Deserialize)]
struct Config {
    hidden_size: u64,
    intermediate_size: u64,
    layer_norm_eps: f64,
    max_position_embeddings: u64,
    num_attention_heads: u64,
    num_hidden_layers: u64,
}

/// An entry of a safetensors header.
#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [usize; 2],
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(target)) = (arguments.next(), arguments.next()) else {
        return Err("usage: convert_bert FOLDER FILE.gguf".into());
    };
    let folder = Path::new(&folder);
    let config: Config = serde_json::from_slice(&std::fs::read(folder.join("config.json"))?)?;
    let vocabulary = std::fs::read_to_string(folder.join("vocab.txt"))?;
    let weights = std::fs::read(folder.join("model.safetensors"))?;
    let (header, data) = split(&weights)?;

    let mut writer = Writer::default();
    describe(&mut writer, &config, &vocabulary);
    let mut contents = Vec::new();
    for (name, entry) in header.iter().filter_map(|(name, entry)| Some((gguf_name(name)?, entry))) {
        if entry.dtype != "F32" {
            return Err(format!("{name} is {}, not F32", entry.dtype).into());
        }
        let bytes = data.get(entry.data_offsets[0]..entry.data_offsets[1]).ok_or("the weights are truncated")?;
        // Like llama.cpp's converter, keeps vectors that are added to the embedding exact.
        let is_matrix =
            entry.shape.len() == 2 && !["position_embd.weight", "token_types.weight"].contains(&name.as_str());
        let dimensions: Vec<u64> = entry.shape.iter().rev().copied().collect();
        writer.tensor(&name, if is_matrix { TensorType::F16 } else { TensorType::F32 }, &dimensions);
        contents.push(if is_matrix { to_f16(bytes) } else { bytes.to_vec() });
    }
    let mut file = std::fs::File::create(target)?;
    file.write_all(&writer.header())?;
    for (content, (_, padding)) in contents.iter().zip(writer.data_sizes()) {
        file.write_all(content)?;
        file.write_all(&vec![0; usize::try_from(padding)?])?;
    }
    Ok(())
}

/// The entries of a safetensors header, by name.
type Entries = BTreeMap<String, Entry>;

/// A safetensors file: eight bytes with the header's length, the header in JSON, the data.
fn split(weights: &[u8]) -> Result<(Entries, &[u8]), Box<dyn Error>> {
    let (len, rest) = weights.split_first_chunk::<8>().ok_or("the weights are truncated")?;
    let len = usize::try_from(u64::from_le_bytes(*len))?;
    let header = rest.get(..len).ok_or("the weights are truncated")?;
    let entries: BTreeMap<String, serde_json::Value> = serde_json::from_slice(header)?;
    let entries = entries.into_iter().filter(|(name, _)| name != "__metadata__");
    let entries = entries.map(|(name, entry)| Ok((name, serde_json::from_value(entry)?)));
    Ok((entries.collect::<Result<_, serde_json::Error>>()?, &rest[len..]))
}

fn describe(writer: &mut Writer, config: &Config, vocabulary: &str) {
    let text = |text: &str| Value::String(text.to_owned());
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    // Like llama.cpp, marks tokens that start a word, not those that continue one.
    let tokens: Vec<String> = vocabulary
        .lines()
        .map(|token| match token.strip_prefix("##") {
            Some(rest) => rest.to_owned(),
            None if special.contains(&token) => token.to_owned(),
            None => format!("\u{2581}{token}"),
        })
        .collect();
    let kinds = tokens.iter().map(|token| if special.contains(&token.as_str()) { 3 } else { 1 }).collect();
    let id = |name: &str| Value::Unsigned(tokens.iter().position(|token| token == name).unwrap_or_default() as u64);
    writer
        .metadata("general.architecture", &text("bert"))
        .metadata("general.name", &text("all-MiniLM-L6-v2"))
        .metadata("bert.block_count", &Value::Unsigned(config.num_hidden_layers))
        .metadata("bert.context_length", &Value::Unsigned(config.max_position_embeddings))
        .metadata("bert.embedding_length", &Value::Unsigned(config.hidden_size))
        .metadata("bert.feed_forward_length", &Value::Unsigned(config.intermediate_size))
        .metadata("bert.attention.head_count", &Value::Unsigned(config.num_attention_heads))
        .metadata("bert.attention.layer_norm_epsilon", &Value::Float(config.layer_norm_eps))
        .metadata("bert.attention.causal", &Value::Bool(false))
        .metadata("bert.pooling_type", &Value::Unsigned(1))
        .metadata("tokenizer.ggml.model", &text("bert"))
        .metadata("tokenizer.ggml.pre", &text("default"))
        .metadata("tokenizer.ggml.token_type_count", &Value::Unsigned(2))
        .metadata("tokenizer.ggml.bos_token_id", &id("[CLS]"))
        .metadata("tokenizer.ggml.seperator_token_id", &id("[SEP]"))
        .metadata("tokenizer.ggml.unknown_token_id", &id("[UNK]"))
        .metadata("tokenizer.ggml.padding_token_id", &id("[PAD]"))
        .metadata("tokenizer.ggml.token_type", &Value::Integers(kinds))
        .metadata("tokenizer.ggml.tokens", &Value::Strings(tokens));
}

/// The name of a tensor in GGUF, or `None` for one that is not needed.
fn gguf_name(name: &str) -> Option<String> {
    let fixed = [
        ("embeddings.word_embeddings", "token_embd"),
        ("embeddings.position_embeddings", "position_embd"),
        ("embeddings.token_type_embeddings", "token_types"),
        ("embeddings.LayerNorm", "token_embd_norm"),
    ];
    let parts = [
        ("attention.self.query", "attn_q"),
        ("attention.self.key", "attn_k"),
        ("attention.self.value", "attn_v"),
        ("attention.output.dense", "attn_output"),
        ("attention.output.LayerNorm", "attn_output_norm"),
        ("intermediate.dense", "ffn_up"),
        ("output.dense", "ffn_down"),
        ("output.LayerNorm", "layer_output_norm"),
    ];
    let (stem, kind) = name.rsplit_once('.')?;
    if let Some((_, own)) = fixed.iter().find(|(known, _)| *known == stem) {
        return Some(format!("{own}.{kind}"));
    }
    let (layer, part) = stem.strip_prefix("encoder.layer.")?.split_once('.')?;
    let (_, own) = parts.iter().find(|(known, _)| *known == part)?;
    Some(format!("blk.{layer}.{own}.{kind}"))
}

fn to_f16(bytes: &[u8]) -> Vec<u8> {
    let floats = bytes.chunks_exact(4).map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    floats.flat_map(|value| f16::from_f32(value).to_le_bytes()).collect()
}
