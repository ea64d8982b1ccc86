//! The tensors of a speech recogniser, by their names in the file: those of OpenAI's models.

use super::encoder_plan::NormPlan;
use super::plan::{Product, VectorId, WeightPlan};
use super::planner::{Planner, SPLIT_ROWS};
use super::speech::{SPEECH_ARCHITECTURE, SpeechConfig, StackConfig, TAPS};
use crate::error::Result;
use crate::gguf::Gguf;

/// A matrix with its bias.
#[derive(Debug, Clone, PartialEq)]
pub struct BiasedProduct {
    /// The matrix.
    pub product: Product,
    /// The bias.
    pub bias: VectorId,
}

/// Attention of a layer to its own input.
#[derive(Debug, Clone, PartialEq)]
pub struct SelfAttentionPlan {
    /// Norm of the input.
    pub norm: NormPlan,
    /// Query, key and value projections.
    pub qkv: BiasedProduct,
    /// Output projection.
    pub output: BiasedProduct,
}

/// Attention of a layer of the decoder to the encoder's output.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossAttentionPlan {
    /// Norm of the input.
    pub norm: NormPlan,
    /// Query projection.
    pub query: BiasedProduct,
    /// Key and value projections of the encoder's output.
    pub kv: BiasedProduct,
    /// Output projection.
    pub output: BiasedProduct,
}

/// A layer of the encoder or the decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct SpeechLayerPlan {
    /// Attention to its own input.
    pub attention: SelfAttentionPlan,
    /// Attention to the encoder's output, in the decoder.
    pub cross: Option<CrossAttentionPlan>,
    /// Norm before the feed-forward part.
    pub feed_forward_norm: NormPlan,
    /// Up projection.
    pub up: BiasedProduct,
    /// Down projection.
    pub down: BiasedProduct,
}

/// The layers of the encoder or the decoder, with what is around them.
#[derive(Debug, Clone, PartialEq)]
pub struct StackPlan {
    /// Position embedding.
    pub positions: Product,
    /// Layers in order.
    pub layers: Vec<SpeechLayerPlan>,
    /// Norm after the last layer.
    pub norm: NormPlan,
}

/// The tensors of a speech recogniser.
#[derive(Debug, Clone, PartialEq)]
pub struct SpeechPlan {
    /// Every matrix and vector.
    pub weights: WeightPlan,
    /// The two convolutions. A row of their matrices is `[channels][TAPS]`, padded to whole blocks.
    pub convolutions: [BiasedProduct; 2],
    /// The encoder.
    pub encoder: StackPlan,
    /// Token embedding and output head.
    pub embedding: Product,
    /// The decoder.
    pub decoder: StackPlan,
}

impl SpeechPlan {
    /// Plans the file's tensors for bindings of up to `max_binding_bytes`, as [`super::ModelPlan::new`] does.
    ///
    /// # Errors
    /// The first tensor that is missing, misshapen, unsupported or unknown.
    pub fn new(gguf: &Gguf, config: &SpeechConfig, max_binding_bytes: u64) -> Result<Self> {
        let mut planner = Planner::new(gguf, max_binding_bytes)?;
        let width = config.embedding_len;
        let mut convolution = |name: &str, channels: u32| -> Result<BiasedProduct> {
            let product = planner.convolution(format!("encoder.{name}.weight"), width, [channels, TAPS])?;
            Ok(BiasedProduct { product, bias: planner.elements(format!("encoder.{name}.bias"), width)? })
        };
        let convolutions = [convolution("conv1", config.mels)?, convolution("conv2", width)?];
        let [encoder, decoder] = [
            StackPlanner { planner: &mut planner, width, side: "encoder" }.plan(config.encoder, "ln_post")?,
            StackPlanner { planner: &mut planner, width, side: "decoder" }.plan(config.decoder, "ln")?,
        ];
        let embedding = planner.matrix("decoder.token_embedding.weight".to_owned(), config.vocab, width)?;
        planner.check_complete(SPEECH_ARCHITECTURE)?;
        Ok(Self { weights: planner.weights, convolutions, encoder, embedding, decoder })
    }
}

struct StackPlanner<'p, 'g> {
    planner: &'p mut Planner<'g>,
    width: u32,
    side: &'static str,
}

impl StackPlanner<'_, '_> {
    fn plan(&mut self, config: StackConfig, norm: &str) -> Result<StackPlan> {
        let positions = format!("{}.positional_embedding", self.side);
        Ok(StackPlan {
            positions: self.planner.matrix(positions, config.context, self.width)?,
            layers: (0..config.layers).map(|layer| self.layer(layer)).collect::<Result<_>>()?,
            norm: self.norm(&format!("{}.{norm}", self.side))?,
        })
    }

    fn layer(&mut self, layer: u32) -> Result<SpeechLayerPlan> {
        let width = self.width;
        let name = |part: &str| format!("{}.blocks.{layer}.{part}", self.side);
        let (norm, feed_forward_norm, cross) = (name("attn_ln"), name("mlp_ln"), name("cross_attn"));
        let [query, key, value, output] = ["query", "key", "value", "out"].map(|part| name(&format!("attn.{part}")));
        let [up, down] = [name("mlp.0"), name("mlp.2")];
        let has_cross = self.side == "decoder";
        Ok(SpeechLayerPlan {
            attention: SelfAttentionPlan {
                norm: self.norm(&norm)?,
                qkv: self.stacked(&[query, key, value])?,
                output: self.biased(&output, width, width)?,
            },
            cross: has_cross.then(|| self.cross(&cross)).transpose()?,
            feed_forward_norm: self.norm(&feed_forward_norm)?,
            up: self.biased(&up, 4 * width, width)?,
            down: self.biased(&down, width, 4 * width)?,
        })
    }

    fn cross(&mut self, name: &str) -> Result<CrossAttentionPlan> {
        let [query, key, value, output] = ["query", "key", "value", "out"].map(|part| format!("{name}.{part}"));
        Ok(CrossAttentionPlan {
            norm: self.norm(&format!("{name}_ln"))?,
            query: self.biased(&query, self.width, self.width)?,
            kv: self.stacked(&[key, value])?,
            output: self.biased(&output, self.width, self.width)?,
        })
    }

    fn norm(&mut self, name: &str) -> Result<NormPlan> {
        let weight = self.planner.vector(format!("{name}.weight"), self.width)?;
        Ok((weight, Some(self.planner.vector(format!("{name}.bias"), self.width)?)))
    }

    fn biased(&mut self, name: &str, rows: u32, cols: u32) -> Result<BiasedProduct> {
        let product = self.planner.matrix(format!("{name}.weight"), rows, cols)?;
        Ok(BiasedProduct { product, bias: self.planner.vector(format!("{name}.bias"), rows)? })
    }

    /// Projections of the same input. Keys have no bias.
    fn stacked(&mut self, names: &[String]) -> Result<BiasedProduct> {
        let width = self.width;
        let segments = names.iter().map(|name| self.planner.segment(format!("{name}.weight"), width, width));
        let segments = segments.collect::<Result<Vec<_>>>()?;
        let biases: Vec<_> = names.iter().map(|name| (format!("{name}.bias"), width)).collect();
        Ok(BiasedProduct {
            product: self.planner.stack(&segments, width, SPLIT_ROWS)?,
            bias: self.planner.optional_vectors_of(&biases)?,
        })
    }
}
