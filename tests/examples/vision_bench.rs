//! Measures how long it takes to encode a picture, with projectors of published shapes and synthetic weights:
//!
//!     cargo run --release -p parlance-tests --example vision_bench -- SHAPE WIDTHxHEIGHT
//!         [--cpu THREADS] [--runs 5] [--write FILE]
//!
//! Shapes are `siglip-so400m` (Gemma 3's, for squares), `qwen3-vl` and `smolvlm-256m`. `--write` also writes the projector, so
//! that other programs can be measured with it.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use parlance_engine::gguf::{TensorType, Value, Writer};
use parlance_engine::kernels::random::Random;
use parlance_engine::runtime::{
    Cpu, Device, Gpu, GpuOptions, Loader, LoaderOptions, NativeThreads, Part, Projector, ProjectorLoader,
};
use parlance_tests::seeing::{picture, seeing_model};
use pollster::block_on;

/// Weights that are generated; matrices repeat them, because only their number matters.
const WEIGHTS: usize = 1 << 16;

/// A projector's shape.
struct Shape {
    name: &'static str,
    /// Its family, as files name it.
    family: &'static str,
    layers: u64,
    width: u64,
    heads: u64,
    hidden: u64,
    patch: u64,
    /// The patches of a side that are combined.
    merge: u64,
    /// Width of the model that it belongs to.
    text_width: u64,
    /// Layers whose results are added to the model's first layers.
    deepstack: &'static [u64],
}

static SHAPES: [Shape; 3] = [
    Shape {
        name: "siglip-so400m",
        family: "gemma3",
        layers: 27,
        width: 1152,
        heads: 16,
        hidden: 4304,
        patch: 14,
        merge: 4,
        text_width: 2560,
        deepstack: &[],
    },
    Shape {
        name: "qwen3-vl",
        family: "qwen3vl_merger",
        layers: 27,
        width: 1152,
        heads: 16,
        hidden: 4304,
        patch: 16,
        merge: 2,
        text_width: 2560,
        deepstack: &[8, 16, 24],
    },
    Shape {
        name: "smolvlm-256m",
        family: "idefics3",
        layers: 12,
        width: 768,
        heads: 12,
        hidden: 3072,
        patch: 16,
        merge: 4,
        text_width: 576,
        deepstack: &[],
    },
];

/// The tensors of a projector.
#[derive(Default)]
struct Tensors(Vec<(String, TensorType, Vec<u64>)>);

impl Tensors {
    fn vector(&mut self, name: &str, len: u64) {
        self.0.push((name.to_owned(), TensorType::F32, vec![len]));
    }

    fn matrix(&mut self, name: &str, dimensions: &[u64]) {
        self.0.push((name.to_owned(), TensorType::F16, dimensions.to_vec()));
    }

    fn norm(&mut self, name: &str, len: u64) {
        self.vector(&format!("{name}.weight"), len);
        self.vector(&format!("{name}.bias"), len);
    }

    fn linear(&mut self, name: &str, cols: u64, rows: u64) {
        self.matrix(&format!("{name}.weight"), &[cols, rows]);
        self.vector(&format!("{name}.bias"), rows);
    }

    /// The tensors of a shape, for pictures of this side where the family takes squares.
    fn of(shape: &Shape, side: u64) -> Self {
        let Shape { layers, width, hidden, patch, text_width, .. } = *shape;
        let merged = width * shape.merge * shape.merge;
        let mut tensors = Self::default();
        tensors.matrix("v.patch_embd.weight", &[patch, patch, 3, width]);
        tensors.vector("v.patch_embd.bias", width);
        let positions = if shape.family == "qwen3vl_merger" { 48 * 48 } else { (side / patch) * (side / patch) };
        tensors.0.push(("v.position_embd.weight".to_owned(), TensorType::F32, vec![width, positions]));
        for layer in 0..layers {
            let part = |name: &str| format!("v.blk.{layer}.{name}");
            tensors.norm(&part("ln1"), width);
            if shape.family == "qwen3vl_merger" {
                tensors.linear(&part("attn_qkv"), width, 3 * width);
            } else {
                for name in ["attn_q", "attn_k", "attn_v"] {
                    tensors.linear(&part(name), width, width);
                }
            }
            tensors.linear(&part("attn_out"), width, width);
            tensors.norm(&part("ln2"), width);
            tensors.linear(&part("ffn_up"), width, hidden);
            tensors.linear(&part("ffn_down"), hidden, width);
        }
        tensors.norm("v.post_ln", width);
        match shape.family {
            "gemma3" => {
                tensors.vector("mm.soft_emb_norm.weight", width);
                tensors.matrix("mm.input_projection.weight", &[text_width, width]);
            }
            "idefics3" => tensors.matrix("mm.model.fc.weight", &[merged, text_width]),
            _ => {
                tensors.matrix("v.patch_embd.weight.1", &[patch, patch, 3, width]);
                tensors.linear("mm.0", merged, merged);
                tensors.linear("mm.2", merged, text_width);
                for layer in shape.deepstack {
                    let part = |name: &str| format!("v.deepstack.{layer}.{name}");
                    tensors.norm(&part("norm"), merged);
                    tensors.linear(&part("fc1"), merged, merged);
                    tensors.linear(&part("fc2"), merged, text_width);
                }
            }
        }
        tensors
    }
}

/// The file of a projector.
fn file(shape: &Shape, side: u64) -> Vec<u8> {
    let mut writer = Writer::default();
    let text = |text: &str| Value::String(text.to_owned());
    writer.metadata("general.architecture", &text("clip")).metadata("general.name", &text(shape.name));
    writer.metadata("clip.projector_type", &text(shape.family));
    for flag in ["clip.has_vision_encoder", "clip.use_gelu"] {
        writer.metadata(flag, &Value::Bool(true));
    }
    let merge = if shape.family == "qwen3vl_merger" { "spatial_merge_size" } else { "projector.scale_factor" };
    for (key, number) in [
        ("image_size", side),
        ("preproc_image_size", 2048),
        ("patch_size", shape.patch),
        ("embedding_length", shape.width),
        ("feed_forward_length", shape.hidden),
        ("block_count", shape.layers),
        ("projection_dim", shape.text_width),
        ("attention.head_count", shape.heads),
        (merge, shape.merge),
    ] {
        writer.metadata(&format!("clip.vision.{key}"), &Value::Unsigned(number));
    }
    writer.metadata("clip.vision.attention.layer_norm_epsilon", &Value::Float(1e-6));
    for key in ["image_mean", "image_std"] {
        writer.metadata(&format!("clip.vision.{key}"), &Value::Floats(vec![0.5; 3]));
    }
    let Tensors(tensors) = Tensors::of(shape, side);
    for (name, kind, dimensions) in &tensors {
        writer.tensor(name, *kind, dimensions);
    }
    let weights = Random(1).weights(TensorType::F16, WEIGHTS);
    let mut bytes = writer.header();
    for ((name, kind, _), (len, padding)) in tensors.iter().zip(writer.data_sizes()) {
        if *kind == TensorType::F16 {
            bytes.extend(weights.iter().cycle().take(len as usize));
        } else {
            let value: f32 = if name.ends_with("bias") { 0.0 } else { 1.0 };
            bytes.extend(value.to_le_bytes().iter().cycle().take(len as usize));
        }
        bytes.resize(bytes.len() + padding as usize, 0);
    }
    bytes
}

struct Arguments {
    shape: &'static Shape,
    size: [u32; 2],
    /// On the CPU.
    threads: Option<usize>,
    runs: usize,
    write: Option<String>,
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, Box<dyn Error>> {
    let (Some(name), Some(size)) = (words.next(), words.next()) else {
        return Err("usage: vision_bench SHAPE WIDTHxHEIGHT [--cpu THREADS] [--runs N] [--write FILE]".into());
    };
    let shape = SHAPES.iter().find(|shape| shape.name == name).ok_or_else(|| format!("unknown shape {name}"))?;
    let (width, height) = size.split_once('x').ok_or("a size is WIDTHxHEIGHT")?;
    let size = [width.parse()?, height.parse()?];
    let mut arguments = Arguments { shape, size, threads: None, runs: 5, write: None };
    while let Some(option) = words.next() {
        let value = words.next().ok_or_else(|| format!("{option} needs a value"))?;
        match option.as_str() {
            "--cpu" => arguments.threads = Some(value.parse()?),
            "--runs" => arguments.runs = value.parse()?,
            "--write" => arguments.write = Some(value),
            _ => return Err(format!("unknown option {option}").into()),
        }
    }
    Ok(arguments)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = parse(std::env::args().skip(1))?;
    // Idefics's parts are squares of 512 pixels.
    let side = if arguments.shape.family == "idefics3" { 512 } else { u64::from(arguments.size[0]) };
    let bytes = file(arguments.shape, side);
    if let Some(path) = &arguments.write {
        std::fs::write(path, &bytes)?;
    }
    block_on(measure(&arguments, &bytes))
}

async fn measure(arguments: &Arguments, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let device: Device = match arguments.threads {
        Some(0 | 1) => Cpu::blocking().into(),
        Some(threads) => Cpu::blocking().with_threads(Arc::new(NativeThreads::start(threads - 1, 1 << 16))).into(),
        None => Gpu::new(GpuOptions::default()).await?.into(),
    };
    let adapter = device.adapter_name().to_owned();
    // A model of the family, for the tokens around a picture.
    let mut loader = Loader::new(Cpu::blocking(), LoaderOptions::default());
    loader.push(&seeing_model(arguments.shape.family)?.model).await?;
    let model = loader.finish().await?;
    let mut loader = ProjectorLoader::new(device, Some(bytes.len() as u64));
    for chunk in bytes.chunks(8 << 20) {
        loader.push(chunk).await?;
    }
    let mut projector: Projector = loader.finish()?;
    let picture = picture(arguments.size);
    let mut times = Vec::new();
    let mut embeddings = 0;
    // Once to warm up.
    for run in 0..=arguments.runs {
        let start = Instant::now();
        let parts = projector.encode(model.chat(), &picture, run as u64, |_, _| true).await?;
        if run > 0 {
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        let count = |part: &Part| match part {
            Part::Tokens(_) => 0,
            Part::Embeddings(span) => span.rows.len() / arguments.shape.text_width as usize,
        };
        embeddings = parts.iter().map(count).sum();
    }
    times.sort_by(f64::total_cmp);
    let ([width, height], name) = (arguments.size, arguments.shape.name);
    let (best, median) = (times.first().ok_or("no runs")?, times[times.len() / 2]);
    println!("{name}, {width} × {height}, {adapter}: {median:.1} ms, at best {best:.1} ms, {embeddings} embeddings");
    Ok(())
}
