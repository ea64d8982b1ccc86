//! A loaded embedding model.

use crate::error::{EngineError, Result};
use crate::models::{EncoderConfig, Pooling};
use crate::runtime::backend::Embedder;
use crate::runtime::device::Device;
use crate::runtime::measuring::{SelfTest, Verdict};
use crate::tokenizer::Tokenizer;

/// An embedding model in memory.
pub struct Encoder {
    device: Device,
    config: EncoderConfig,
    tokenizer: Tokenizer,
    embedder: Box<dyn Embedder>,
}

/// The embedding of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// Normalised to length one: `[embedding_len]`.
    pub vector: Vec<f32>,
    /// Number of tokens in the text.
    pub tokens: usize,
    /// Whether the text was too long and its end was cut off.
    pub is_truncated: bool,
}

impl Encoder {
    pub(in crate::runtime) fn new(
        device: Device,
        config: EncoderConfig,
        tokenizer: Tokenizer,
        embedder: Box<dyn Embedder>,
    ) -> Self {
        Self { device, config, tokenizer, embedder }
    }

    /// The hyperparameters.
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Embeds a text.
    ///
    /// # Errors
    /// [`EngineError::Tokenizer`], or whatever the device reported.
    pub async fn embed(&self, text: &str) -> Result<Embedding> {
        let mut ids = self.tokenizer.wrap(self.tokenizer.encode_plain(text)?);
        let context = self.config.context as usize;
        let is_truncated = ids.len() > context;
        if is_truncated {
            // Keep the end-of-sequence token.
            let end = ids.pop();
            ids.truncate(context - 1);
            ids.extend(end);
        }
        if ids.is_empty() {
            return Err(EngineError::Tokenizer("the text has no tokens".to_owned()));
        }
        let hidden = self.embedder.hidden(&ids).await?;
        let width = self.config.embedding_len as usize;
        Ok(Embedding { vector: pool(&hidden, width, self.config.pooling), tokens: ids.len(), is_truncated })
    }

    /// Like [`Model::self_test`](super::Model::self_test), but these kernels have no plain layout.
    ///
    /// # Errors
    /// As [`Model::self_test`](super::Model::self_test).
    pub async fn self_test(&self) -> Result<SelfTest> {
        let wrong = self.embedder.wrong_kernels().await?;
        Ok(SelfTest { verdict: if wrong.is_empty() { Verdict::Sound } else { Verdict::Wrong }, wrong })
    }

    /// Like [`Model::kernels_id`](super::Model::kernels_id).
    pub fn kernels_id(&self) -> u64 {
        self.embedder.kernels_id()
    }
}

/// Pools the hidden states of all tokens into one vector of length one: `hidden` is `[tokens][width]`.
fn pool(hidden: &[f32], width: usize, pooling: Pooling) -> Vec<f32> {
    let rows = hidden.chunks_exact(width);
    let mut pooled = vec![0.0; width];
    let used: Box<dyn Iterator<Item = &[f32]>> = match pooling {
        Pooling::Mean => Box::new(rows),
        Pooling::First => Box::new(rows.take(1)),
        Pooling::Last => Box::new(rows.rev().take(1)),
    };
    for row in used {
        for (sum, value) in pooled.iter_mut().zip(row) {
            *sum += f64::from(*value);
        }
    }
    let length = pooled.iter().map(|value| value * value).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    pooled.iter().map(|value| (value / length) as f32).collect()
}
