//! Writes a model of a published shape with synthetic weights, for benchmarks:
//!
//!     cargo run --release -p parlance-engine --example synth_model -- SHAPE FORMAT FILE.gguf

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write as _};

use half::f16;
use parlance_engine::gguf::{TensorType, Value, Writer};

/// A decoder's shape.
struct Shape {
    name: &'static str,
    architecture: &'static str,
    layers: u64,
    width: u64,
    hidden: u64,
    heads: u64,
    kv_heads: u64,
    head_dim: u64,
    vocab: u64,
    tied: bool,
}

const SHAPES: [Shape; 4] = [
    Shape {
        name: "smollm2-135m",
        architecture: "llama",
        layers: 30,
        width: 576,
        hidden: 1536,
        heads: 9,
        kv_heads: 3,
        head_dim: 64,
        vocab: 49_152,
        tied: true,
    },
    Shape {
        name: "llama-3.2-1b",
        architecture: "llama",
        layers: 16,
        width: 2048,
        hidden: 8192,
        heads: 32,
        kv_heads: 8,
        head_dim: 64,
        vocab: 128_256,
        tied: true,
    },
    Shape {
        name: "qwen3-4b",
        architecture: "qwen3",
        layers: 36,
        width: 2560,
        hidden: 9728,
        heads: 32,
        kv_heads: 8,
        head_dim: 128,
        vocab: 151_936,
        tied: true,
    },
    Shape {
        name: "llama-3.1-8b",
        architecture: "llama",
        layers: 32,
        width: 4096,
        hidden: 14_336,
        heads: 32,
        kv_heads: 8,
        head_dim: 128,
        vocab: 128_256,
        tied: false,
    },
];

/// Generated blocks. The others repeat them, because only their number matters.
const BLOCKS: usize = 4096;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(name), Some(format), Some(target)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("usage: synth_model SHAPE FORMAT FILE.gguf".into());
    };
    let names: Vec<_> = SHAPES.iter().map(|shape| shape.name).collect();
    let shape = SHAPES
        .iter()
        .find(|shape| shape.name == name)
        .ok_or_else(|| format!("unknown shape {name}; there are {}", names.join(", ")))?;
    let tensors = tensors(shape, &format)?;
    let mut writer = Writer::default();
    describe(&mut writer, shape);
    for (name, tensor_type, dimensions) in &tensors {
        writer.tensor(name, *tensor_type, dimensions);
    }
    let mut file = BufWriter::with_capacity(1 << 20, File::create(target)?);
    file.write_all(&writer.header())?;
    for ((_, tensor_type, _), (len, padding)) in tensors.iter().zip(writer.data_sizes()) {
        write_weights(&mut file, *tensor_type, len)?;
        file.write_all(&vec![0; usize::try_from(padding)?])?;
    }
    file.flush()?;
    Ok(())
}

/// Name, format and dimensions, innermost first.
type Tensor = (String, TensorType, Vec<u64>);

/// Every tensor. `Q4_K_M` is llama.cpp's mix: half of the value and down projections in `Q6_K`.
fn tensors(shape: &Shape, format: &str) -> Result<Vec<Tensor>, Box<dyn Error>> {
    let is_mix = format == "Q4_K_M";
    let base = if is_mix { "Q4_K" } else { format };
    let base = TensorType::supported()
        .find(|tensor_type| tensor_type.name() == base)
        .ok_or_else(|| format!("unknown format {format}"))?;
    let output = if is_mix { TensorType::Q6_K } else { base };
    let Shape { layers, width, hidden, heads, kv_heads, head_dim, vocab, .. } = *shape;
    let (attention, kv) = (heads * head_dim, kv_heads * head_dim);
    let mut tensors =
        vec![("token_embd.weight".to_owned(), if shape.tied { output } else { base }, vec![width, vocab])];
    for layer in 0..layers {
        // Like `use_more_bits` of llama.cpp's quantiser: the first and last eighth, and every third layer in between.
        let is_fine = is_mix && (layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2);
        let fine = if is_fine { TensorType::Q6_K } else { base };
        let mut add = |part: &str, tensor_type, dimensions: &[u64]| {
            tensors.push((format!("blk.{layer}.{part}.weight"), tensor_type, dimensions.to_vec()));
        };
        add("attn_norm", TensorType::F32, &[width]);
        add("attn_q", base, &[width, attention]);
        add("attn_k", base, &[width, kv]);
        add("attn_v", fine, &[width, kv]);
        if shape.architecture == "qwen3" {
            add("attn_q_norm", TensorType::F32, &[head_dim]);
            add("attn_k_norm", TensorType::F32, &[head_dim]);
        }
        add("attn_output", base, &[attention, width]);
        add("ffn_norm", TensorType::F32, &[width]);
        add("ffn_gate", base, &[width, hidden]);
        add("ffn_up", base, &[width, hidden]);
        add("ffn_down", fine, &[hidden, width]);
    }
    tensors.push(("output_norm.weight".to_owned(), TensorType::F32, vec![width]));
    if !shape.tied {
        tensors.push(("output.weight".to_owned(), output, vec![width, vocab]));
    }
    Ok(tensors)
}

fn describe(writer: &mut Writer, shape: &Shape) {
    let architecture = shape.architecture;
    let text = |text: &str| Value::String(text.to_owned());
    let numbers = [
        ("block_count", shape.layers),
        ("context_length", 131_072),
        ("embedding_length", shape.width),
        ("feed_forward_length", shape.hidden),
        ("attention.head_count", shape.heads),
        ("attention.head_count_kv", shape.kv_heads),
        ("attention.key_length", shape.head_dim),
        ("attention.value_length", shape.head_dim),
        ("rope.dimension_count", shape.head_dim),
    ];
    writer.metadata("general.architecture", &text(architecture)).metadata("general.name", &text(shape.name));
    for (key, value) in numbers {
        writer.metadata(&format!("{architecture}.{key}"), &Value::Unsigned(value));
    }
    writer
        .metadata(&format!("{architecture}.attention.layer_norm_rms_epsilon"), &Value::Float(1e-5))
        .metadata(&format!("{architecture}.rope.freq_base"), &Value::Float(500_000.0))
        .metadata("tokenizer.ggml.model", &text("gpt2"))
        .metadata("tokenizer.ggml.pre", &text("gpt-2"))
        .metadata("tokenizer.ggml.eos_token_id", &Value::Unsigned(0));
    // Tokens that occur in no text, because their content does not matter.
    let tokens = (0..shape.vocab).map(|id| match id {
        0 => "a".to_owned(),
        1 => "b".to_owned(),
        2 => "ab".to_owned(),
        10 => "\u{10A}".to_owned(),
        other => format!("t{other}"),
    });
    writer
        .metadata("tokenizer.ggml.tokens", &Value::Strings(tokens.collect()))
        .metadata("tokenizer.ggml.token_type", &Value::Integers(vec![1; shape.vocab as usize]))
        .metadata("tokenizer.ggml.merges", &Value::Strings(vec!["a b".to_owned()]));
}

/// Seeded quants with small scales, so that activations stay finite.
fn write_weights(file: &mut impl std::io::Write, tensor_type: TensorType, len_bytes: u64) -> std::io::Result<()> {
    let block_bytes = tensor_type.block_bytes() as usize;
    let scales: &[usize] = match tensor_type {
        TensorType::F32 => {
            let one = 1.0f32.to_le_bytes();
            return (0..len_bytes / 4).try_for_each(|_| file.write_all(&one));
        }
        TensorType::Q4_1 | TensorType::Q5_1 | TensorType::Q4_K | TensorType::Q5_K | TensorType::NVFP4 => &[0, 2],
        TensorType::TQ1_0 => &[52],
        TensorType::TQ2_0 => &[64],
        // With the upper four bits of the scale.
        TensorType::IQ1_M => &[54],
        TensorType::Q2_K => &[80, 82],
        TensorType::Q3_K => &[108],
        TensorType::Q6_K => &[208],
        _ => &[0],
    };
    let mut state = 1u64;
    let mut blocks: Vec<u8> = (0..BLOCKS * block_bytes)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect();
    for block in blocks.chunks_exact_mut(block_bytes) {
        for at in scales {
            block[*at..at + 2].copy_from_slice(&f16::from_f32(1e-4).to_le_bytes());
        }
    }
    let mut left = len_bytes as usize;
    while left > 0 {
        let len = left.min(blocks.len());
        file.write_all(&blocks[..len])?;
        left -= len;
    }
    Ok(())
}
