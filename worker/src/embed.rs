//! Turning texts into vectors.

use parlance_engine::EngineError;
use parlance_engine::runtime::Loaded;
use parlance_protocol::Embedding;

use crate::error::WorkerError;

/// The vectors of `texts`, in order, unless `is_stopped`.
pub(crate) async fn embed(
    model: Option<&Loaded>,
    texts: &[String],
    is_stopped: impl Fn() -> bool,
) -> Result<Vec<Embedding>, WorkerError> {
    let encoder = match model {
        Some(Loaded::Encoder(encoder)) => encoder,
        Some(Loaded::Decoder(_)) => {
            return Err(WorkerError::BadRequest("the model loaded is for chats; load an embedding model"));
        }
        None => return Err(WorkerError::NO_MODEL),
    };
    let mut embeddings = Vec::with_capacity(texts.len());
    for text in texts {
        if is_stopped() {
            return Err(EngineError::Interrupted.into());
        }
        let embedding = encoder.embed(text).await?;
        embeddings.push(Embedding {
            vector: embedding.vector,
            tokens: embedding.tokens as u32,
            is_truncated: embedding.is_truncated,
        });
    }
    Ok(embeddings)
}
