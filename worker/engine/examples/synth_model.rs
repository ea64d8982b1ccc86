//! Writes a model of a published shape with synthetic weights, for benchmarks:
//!
//!     cargo run --release -p parlance-engine --example synth_model -- SHAPE FORMAT FILE.gguf

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write as _};

use half::f16;
use parlance_engine::gguf::{TensorType, Value, Writer};
use parlance_engine::kernels::random::Random;

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
    experts: Option<Experts>,
    /// Layers with attention, if the others have short convolutions instead.
    attention_layers: Option<&'static [u64]>,
}

/// Mixtures of experts.
#[derive(Clone, Copy)]
struct Experts {
    count: u64,
    used: u64,
    /// Width of an expert's hidden layer.
    hidden: u64,
    /// Layers at the beginning without experts.
    dense_layers: u64,
    /// They are chosen by the logistic function of their scores and a bias.
    is_biased: bool,
}

/// Without experts and convolutions.
const LLAMA_1B: Shape = Shape {
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
    experts: None,
    attention_layers: None,
};

const SHAPES: [Shape; 6] = [
    Shape {
        name: "smollm2-135m",
        layers: 30,
        width: 576,
        hidden: 1536,
        heads: 9,
        kv_heads: 3,
        vocab: 49_152,
        ..LLAMA_1B
    },
    LLAMA_1B,
    Shape {
        name: "qwen3-4b",
        architecture: "qwen3",
        layers: 36,
        width: 2560,
        hidden: 9728,
        head_dim: 128,
        vocab: 151_936,
        ..LLAMA_1B
    },
    Shape { name: "llama-3.1-8b", layers: 32, width: 4096, hidden: 14_336, head_dim: 128, tied: false, ..LLAMA_1B },
    Shape {
        name: "qwen3-30b-a3b",
        architecture: "qwen3moe",
        layers: 48,
        hidden: 6144,
        kv_heads: 4,
        head_dim: 128,
        vocab: 151_936,
        tied: false,
        experts: Some(Experts { count: 128, used: 8, hidden: 768, dense_layers: 0, is_biased: false }),
        ..LLAMA_1B
    },
    Shape {
        name: "lfm2-8b-a1b",
        architecture: "lfm2moe",
        layers: 24,
        hidden: 7168,
        vocab: 65_536,
        experts: Some(Experts { count: 32, used: 4, hidden: 1792, dense_layers: 2, is_biased: true }),
        attention_layers: Some(&[2, 6, 10, 14, 18, 21]),
        ..LLAMA_1B
    },
];

/// Generated blocks. The others repeat them, because only their number matters.
const BLOCKS: usize = 4096;
/// Taps of short convolutions.
const TAPS: u64 = 3;

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
    for (tensor, (len, padding)) in tensors.iter().zip(writer.data_sizes()) {
        write_weights(&mut file, tensor, len)?;
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
    let Shape { layers, width, vocab, .. } = *shape;
    let mut tensors =
        vec![("token_embd.weight".to_owned(), if shape.tied { output } else { base }, vec![width, vocab])];
    for layer in 0..layers {
        // Like `use_more_bits` of llama.cpp's quantiser: the first and last eighth, and every third layer in between.
        let is_fine = is_mix && (layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2);
        let formats = [base, if is_fine { TensorType::Q6_K } else { base }];
        let parts = mixer(shape, layer, formats).into_iter().chain(feed_forward(shape, layer, formats));
        tensors.extend(parts.map(|(part, kind, dimensions)| (format!("blk.{layer}.{part}"), kind, dimensions)));
    }
    let output_norm = if shape.attention_layers.is_some() { "token_embd_norm" } else { "output_norm" };
    tensors.push((format!("{output_norm}.weight"), TensorType::F32, vec![width]));
    if !shape.tied {
        tensors.push(("output.weight".to_owned(), output, vec![width, vocab]));
    }
    Ok(tensors)
}

/// A tensor of a layer, without the prefix.
type Part = (&'static str, TensorType, Vec<u64>);

/// A layer's attention or short convolution. `fine` is the format of some projections.
fn mixer(shape: &Shape, layer: u64, [base, fine]: [TensorType; 2]) -> Vec<Part> {
    let Shape { width, heads, kv_heads, head_dim, .. } = *shape;
    let (attention, kv) = (heads * head_dim, kv_heads * head_dim);
    let norm = ("attn_norm.weight", TensorType::F32, vec![width]);
    if shape.attention_layers.is_some_and(|layers| !layers.contains(&layer)) {
        return vec![
            norm,
            ("shortconv.in_proj.weight", base, vec![width, 3 * width]),
            ("shortconv.conv.weight", TensorType::F32, vec![TAPS, width]),
            ("shortconv.out_proj.weight", base, vec![width, width]),
        ];
    }
    let mut parts = vec![
        norm,
        ("attn_q.weight", base, vec![width, attention]),
        ("attn_k.weight", base, vec![width, kv]),
        ("attn_v.weight", fine, vec![width, kv]),
        ("attn_output.weight", base, vec![attention, width]),
    ];
    if shape.architecture != "llama" {
        parts.push(("attn_q_norm.weight", TensorType::F32, vec![head_dim]));
        parts.push(("attn_k_norm.weight", TensorType::F32, vec![head_dim]));
    }
    parts
}

/// A layer's feed-forward part.
fn feed_forward(shape: &Shape, layer: u64, [base, fine]: [TensorType; 2]) -> Vec<Part> {
    let Shape { width, hidden, .. } = *shape;
    let norm = ("ffn_norm.weight", TensorType::F32, vec![width]);
    let Some(Experts { count, hidden, is_biased, .. }) = shape.experts.filter(|experts| layer >= experts.dense_layers)
    else {
        return vec![
            norm,
            ("ffn_gate.weight", base, vec![width, hidden]),
            ("ffn_up.weight", base, vec![width, hidden]),
            ("ffn_down.weight", fine, vec![hidden, width]),
        ];
    };
    let mut parts = vec![
        norm,
        ("ffn_gate_inp.weight", TensorType::F32, vec![width, count]),
        ("ffn_gate_exps.weight", base, vec![width, hidden, count]),
        ("ffn_up_exps.weight", base, vec![width, hidden, count]),
        ("ffn_down_exps.weight", fine, vec![hidden, width, count]),
    ];
    if is_biased {
        parts.push(("exp_probs_b.bias", TensorType::F32, vec![count]));
    }
    parts
}

fn describe(writer: &mut Writer, shape: &Shape) {
    let architecture = shape.architecture;
    let text = |text: &str| Value::String(text.to_owned());
    let mut numbers = vec![
        ("block_count", shape.layers),
        ("context_length", 131_072),
        ("embedding_length", shape.width),
        ("feed_forward_length", shape.hidden),
        ("attention.head_count", shape.heads),
        ("attention.key_length", shape.head_dim),
        ("attention.value_length", shape.head_dim),
        ("rope.dimension_count", shape.head_dim),
    ];
    if let Some(Experts { count, used, hidden, dense_layers, is_biased }) = shape.experts {
        numbers.extend([
            ("expert_count", count),
            ("expert_used_count", used),
            ("expert_feed_forward_length", hidden),
            ("leading_dense_block_count", dense_layers),
            // llama.cpp's numbers of the softmax and the logistic function.
            ("expert_gating_func", if is_biased { 2 } else { 1 }),
        ]);
    }
    let kv_heads = match shape.attention_layers {
        Some(layers) => {
            numbers.push(("shortconv.l_cache", TAPS));
            let of_layer = |layer| if layers.contains(&layer) { shape.kv_heads.cast_signed() } else { 0 };
            Value::Integers((0..shape.layers).map(of_layer).collect())
        }
        None => Value::Unsigned(shape.kv_heads),
    };
    writer.metadata("general.architecture", &text(architecture)).metadata("general.name", &text(shape.name));
    for (key, value) in numbers {
        writer.metadata(&format!("{architecture}.{key}"), &Value::Unsigned(value));
    }
    writer
        .metadata(&format!("{architecture}.attention.head_count_kv"), &kv_heads)
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

/// Seeded quants, whose scales are small, so that activations stay finite. The embedding's is larger: tokens remain
/// different from layer to layer, and choose different experts.
fn write_weights(
    file: &mut impl std::io::Write,
    (name, tensor_type, dimensions): &Tensor,
    len_bytes: u64,
) -> std::io::Result<()> {
    let mut random = Random(1);
    if *tensor_type == TensorType::F32 {
        let is_vector = dimensions.len() == 1;
        let mut weight = || if is_vector { 1.0 } else { 0.02 * random.float() };
        return (0..len_bytes / 4).try_for_each(|_| file.write_all(&weight().to_le_bytes()));
    }
    let block_bytes = tensor_type.block_bytes() as usize;
    let mut blocks: Vec<u8> = (0..BLOCKS * block_bytes).map(|_| (random.bits() >> 56) as u8).collect();
    let scale = if name == "token_embd.weight" { 0.1 } else { 1e-4 };
    for block in blocks.chunks_exact_mut(block_bytes) {
        for (at, factor) in scales(*tensor_type) {
            block[*at..at + 2].copy_from_slice(&f16::from_f32(factor * scale).to_le_bytes());
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

/// Offsets of a block's f16 scales, with factors that make the weights' mean zero, or nearly.
fn scales(tensor_type: TensorType) -> &'static [(usize, f32)] {
    match tensor_type {
        TensorType::Q4_1 => &[(0, 1.0), (2, -7.5)],
        TensorType::Q5_1 => &[(0, 1.0), (2, -15.5)],
        TensorType::Q4_K => &[(0, 1.0), (2, 7.5)],
        TensorType::Q5_K => &[(0, 1.0), (2, 15.5)],
        TensorType::NVFP4 => &[(0, 1.0), (2, 1.0)],
        TensorType::TQ1_0 => &[(52, 1.0)],
        TensorType::TQ2_0 => &[(64, 1.0)],
        // With the upper four bits of the scale.
        TensorType::IQ1_M => &[(54, 1.0)],
        TensorType::Q2_K => &[(80, 1.0), (82, 1.5)],
        TensorType::Q3_K => &[(108, 1.0)],
        TensorType::Q6_K => &[(208, 1.0)],
        _ => &[(0, 1.0)],
    }
}
