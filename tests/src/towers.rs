//! Models that see, with towers of published shapes and synthetic weights: for benchmarks, in which only their size matters.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use parlance_engine::gguf::{TensorType, Value, Writer};
use parlance_engine::kernels::random::Random;
use serde_json::{Value as Json, json};

use crate::seeing::{SeeingModel, text_of_width};

/// Weights that are generated; matrices repeat them, because only their number matters.
const WEIGHTS: usize = 1 << 16;

/// A projector's shape.
#[derive(Debug)]
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

static SHAPES: [Shape; 4] = [
    // Gemma 3's, for squares.
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
    // Of Qwen3-VL 8B.
    Shape {
        name: "qwen3-vl",
        family: "qwen3vl_merger",
        layers: 27,
        width: 1152,
        heads: 16,
        hidden: 4304,
        patch: 16,
        merge: 2,
        text_width: 4096,
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
    // For tests of the benchmarks themselves.
    Shape {
        name: "tiny",
        family: "gemma3",
        layers: 1,
        width: 64,
        heads: 2,
        hidden: 96,
        patch: 14,
        merge: 4,
        text_width: 128,
        deepstack: &[],
    },
];

/// What is measured if nothing else is asked for.
const ALL: &str = "siglip-so400m@448x448,siglip-so400m@896x896,qwen3-vl@1024x1024,smolvlm-256m@960x720";

/// A picture of some size, seen through a tower of some shape: `SHAPE@WIDTHxHEIGHT`.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    shape: &'static Shape,
    /// Width and height of the picture in pixels.
    pub size: [u32; 2],
}

impl Case {
    /// The cases of a list with commas; `all` are those of docs/performance.md.
    ///
    /// # Errors
    /// A sentence for people.
    pub fn list(text: &str) -> Result<Vec<Self>, String> {
        let text = if text == "all" { ALL } else { text };
        text.split(',').map(str::parse).collect()
    }

    /// The projector, and a model as small as one can be that it belongs to.
    ///
    /// # Errors
    /// If the fixture of tiny models cannot be read.
    pub fn files(&self) -> io::Result<SeeingModel> {
        let Shape { family, text_width, deepstack, .. } = *self.shape;
        let model = text_of_width(family, text_width, deepstack.len() as u64)?;
        Ok(SeeingModel { model, projector: file(self.shape, self.side()) })
    }

    /// Writes both into a folder, as files that are named after the case, and returns their paths.
    ///
    /// # Errors
    /// As [`Self::files`], or if the folder has no room.
    pub fn write(&self, folder: &Path) -> io::Result<[PathBuf; 2]> {
        let SeeingModel { model, projector } = self.files()?;
        std::fs::create_dir_all(folder)?;
        let paths = [format!("{self}.gguf"), format!("mmproj-{self}.gguf")].map(|name| folder.join(name));
        for (path, bytes) in paths.iter().zip([model, projector]) {
            std::fs::write(path, bytes)?;
        }
        Ok(paths)
    }

    /// A result: a row of `cargo xtask bench`. `about` has the adapter and its features.
    pub fn row(&self, case: &str, metric: &str, value: f64, unit: &str, about: &Json) -> Json {
        let [width, height] = self.size;
        json!({
            "case": format!("{case} of {width} × {height}"), "model": self.shape.name, "metric": metric, "value": value,
            "unit": unit, "adapter": about["adapter"], "features": about["features"],
        })
    }

    /// The median and the shortest of some times in milliseconds; nothing if there are none.
    pub fn rows(&self, case: &str, metric: &str, mut times_ms: Vec<f64>, about: &Json) -> Vec<Json> {
        times_ms.sort_by(f64::total_cmp);
        let (median, best) = (times_ms.get(times_ms.len() / 2), times_ms.first());
        let of = |what: &str, time_ms: &f64| self.row(case, &format!("{metric}, {what}"), *time_ms, "ms", about);
        median.map(|time_ms| of("median", time_ms)).into_iter().chain(best.map(|time_ms| of("best", time_ms))).collect()
    }

    /// The side of the pictures that the tower is for: Idefics cuts larger ones into squares.
    fn side(&self) -> u64 {
        if self.shape.family == "idefics3" { 512 } else { u64::from(self.size[0]) }
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("“{text}” is not SHAPE@WIDTHxHEIGHT, such as smolvlm-256m@960x720");
        let (name, size) = text.split_once('@').ok_or_else(wrong)?;
        let (width, height) = size.split_once('x').ok_or_else(wrong)?;
        let names: Vec<&str> = SHAPES.iter().map(|shape| shape.name).collect();
        let shape = SHAPES.iter().find(|shape| shape.name == name);
        let shape = shape.ok_or_else(|| format!("“{name}” is not one of the shapes {}", names.join(", ")))?;
        let pixels = |text: &str| text.parse::<u32>().map_err(|_| wrong());
        Ok(Self { shape, size: [pixels(width)?, pixels(height)?] })
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [width, height] = self.size;
        write!(f, "{}@{width}x{height}", self.shape.name)
    }
}

/// Prints rows as JSON or for people.
pub fn print_rows(rows: &[Json], is_json: bool) {
    if is_json {
        println!("{}", Json::from(rows));
        return;
    }
    for row in rows {
        let text = |name: &str| row[name].as_str().unwrap_or_default();
        let value = row["value"].as_f64().unwrap_or_default();
        println!("{:<16} {:<44} {:<20} {value:>10.1} {}", text("model"), text("case"), text("metric"), text("unit"));
    }
}

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
