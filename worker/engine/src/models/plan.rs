//! Which tensors a model consists of and which of them are fused into one matrix.

use super::ModelConfig;
use crate::error::{EngineError, Result};
use crate::gguf::{Gguf, TensorType};
use crate::kernels::format_name;

/// One matrix on the GPU: one tensor, or several stacked by rows.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixPlan {
    /// The tensors and how many rows each has, in the order of their rows.
    pub tensors: Vec<(String, u32)>,
    /// Their common format.
    pub tensor_type: TensorType,
    /// Rows of all of them.
    pub rows: u32,
    /// Columns.
    pub cols: u32,
}

impl MatrixPlan {
    /// The tensors' names, for messages and debugging tools.
    pub fn label(&self) -> String {
        self.tensors.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" + ")
    }
}

/// A decoder layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerPlan {
    /// RMS norm before attention.
    pub attention_norm: String,
    /// Query, key and value projections: one matrix, or three where their formats differ.
    pub qkv: Vec<MatrixPlan>,
    /// Output projection of the attention.
    pub attention_output: MatrixPlan,
    /// RMS norm before the feed-forward layer.
    pub feed_forward_norm: String,
    /// Gate, then up projection.
    pub gate_up: MatrixPlan,
    /// Down projection.
    pub down: MatrixPlan,
}

/// A whole decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelPlan {
    /// Token embedding.
    pub embedding: MatrixPlan,
    /// Layers in order.
    pub layers: Vec<LayerPlan>,
    /// Norm before the output head.
    pub output_norm: String,
    /// Output head; `None` where it is the embedding (tied).
    pub output: Option<MatrixPlan>,
}

/// The tensor that holds divisors of RoPE's frequencies (Llama 3's scaling).
pub const ROPE_FREQUENCIES: &str = "rope_freqs.weight";

impl ModelPlan {
    /// Plans the file's tensors and checks that each is there, has the right shape and a supported format,
    /// and that none is left over: an unknown tensor means a model that would be computed wrongly.
    ///
    /// # Errors
    /// The first tensor that is missing, misshapen, unsupported or unknown.
    pub fn new(gguf: &Gguf, config: &ModelConfig) -> Result<Self> {
        // First of all, so that this is what a file of an unsupported quantisation is refused for.
        if let Some(tensor) = gguf.tensors.iter().find(|tensor| format_name(tensor.tensor_type).is_none()) {
            return Err(EngineError::UnsupportedFormat { tensor: tensor.name.clone(), format: tensor.tensor_type });
        }
        let planner = Planner { gguf };
        let (width, attention, hidden) = (config.embedding_len, config.attention_len(), config.feed_forward_len);
        let kv_rows = config.heads.kv_heads * config.heads.head_dim;
        let layers = (0..config.layers)
            .map(|layer| {
                let name = |part: &str| format!("blk.{layer}.{part}.weight");
                Ok(LayerPlan {
                    attention_norm: planner.vector(name("attn_norm"), width)?,
                    qkv: planner.stack(
                        &[(name("attn_q"), attention), (name("attn_k"), kv_rows), (name("attn_v"), kv_rows)],
                        width,
                    )?,
                    attention_output: planner.matrix(name("attn_output"), width, attention)?,
                    feed_forward_norm: planner.vector(name("ffn_norm"), width)?,
                    gate_up: planner.fused(&[(name("ffn_gate"), hidden), (name("ffn_up"), hidden)], width)?,
                    down: planner.matrix(name("ffn_down"), width, hidden)?,
                })
            })
            .collect::<Result<_>>()?;
        let output = match gguf.tensor("output.weight") {
            Some(_) => Some(planner.matrix("output.weight".to_owned(), config.vocab, width)?),
            None => None,
        };
        if gguf.tensor(ROPE_FREQUENCIES).is_some() {
            planner.vector(ROPE_FREQUENCIES.to_owned(), config.heads.rope_dim / 2)?;
        }
        let plan = Self {
            embedding: planner.matrix("token_embd.weight".to_owned(), config.vocab, width)?,
            layers,
            output_norm: planner.vector("output_norm.weight".to_owned(), width)?,
            output,
        };
        plan.check_complete(gguf)?;
        Ok(plan)
    }

    /// Every matrix, in no particular order.
    pub fn matrices(&self) -> impl Iterator<Item = &MatrixPlan> {
        self.layers
            .iter()
            .flat_map(|layer| layer.qkv.iter().chain([&layer.attention_output, &layer.gate_up, &layer.down]))
            .chain([&self.embedding])
            .chain(&self.output)
    }

    /// The name of every norm weight.
    pub fn vectors(&self) -> impl Iterator<Item = &String> {
        self.layers
            .iter()
            .flat_map(|layer| [&layer.attention_norm, &layer.feed_forward_norm])
            .chain([&self.output_norm])
    }

    fn check_complete(&self, gguf: &Gguf) -> Result<()> {
        let known: std::collections::HashSet<&str> = self
            .matrices()
            .flat_map(|matrix| matrix.tensors.iter().map(|(name, _)| name))
            .chain(self.vectors())
            .map(String::as_str)
            .chain([ROPE_FREQUENCIES])
            .collect();
        match gguf.tensors.iter().find(|tensor| !known.contains(tensor.name.as_str())) {
            Some(unknown) => {
                Err(EngineError::UnsupportedArchitecture(format!("llama with the extra tensor {}", unknown.name)))
            }
            None => Ok(()),
        }
    }
}

/// Looks tensors up and checks their shapes.
struct Planner<'a> {
    gguf: &'a Gguf,
}

impl Planner<'_> {
    fn vector(&self, name: String, len: u32) -> Result<String> {
        let tensor_type = self.checked(&name, 1, len)?;
        if tensor_type != TensorType::F32 {
            return Err(EngineError::UnsupportedFormat { tensor: name, format: tensor_type });
        }
        Ok(name)
    }

    fn matrix(&self, name: String, rows: u32, cols: u32) -> Result<MatrixPlan> {
        let tensor_type = self.checked(&name, rows, cols)?;
        Ok(MatrixPlan { tensors: vec![(name, rows)], tensor_type, rows, cols })
    }

    /// One matrix of all parts if their formats agree, else one a part.
    fn stack(&self, parts: &[(String, u32)], cols: u32) -> Result<Vec<MatrixPlan>> {
        let matrices: Vec<_> =
            parts.iter().map(|(name, rows)| self.matrix(name.clone(), *rows, cols)).collect::<Result<_>>()?;
        let tensor_type = matrices[0].tensor_type;
        if matrices.iter().any(|matrix| matrix.tensor_type != tensor_type) {
            return Ok(matrices);
        }
        let rows = matrices.iter().map(|matrix| matrix.rows).sum();
        let tensors = matrices.into_iter().flat_map(|matrix| matrix.tensors).collect();
        Ok(vec![MatrixPlan { tensors, tensor_type, rows, cols }])
    }

    /// One matrix of all parts, whose formats must agree.
    fn fused(&self, parts: &[(String, u32)], cols: u32) -> Result<MatrixPlan> {
        let mut matrices = self.stack(parts, cols)?;
        match (matrices.pop(), matrices.is_empty()) {
            (Some(matrix), true) => Ok(matrix),
            (Some(odd), false) => Err(EngineError::UnsupportedFormat { tensor: odd.label(), format: odd.tensor_type }),
            (None, _) => unreachable!("a stack has at least one part"),
        }
    }

    fn checked(&self, name: &str, rows: u32, cols: u32) -> Result<TensorType> {
        let tensor = self.gguf.tensor(name).ok_or_else(|| EngineError::MissingTensor(name.to_owned()))?;
        if tensor.cols() != u64::from(cols) || tensor.rows() != u64::from(rows) {
            return Err(EngineError::malformed(format!(
                "the tensor “{name}” is {} by {}, where {rows} by {cols} is expected",
                tensor.rows(),
                tensor.cols()
            )));
        }
        Ok(tensor.tensor_type)
    }
}
