//! `/v1/embeddings`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use parlance_engine::runtime::{self, Encoder};
use parlance_protocol::openai::{Embedding, EmbeddingList, EmbeddingRequest, EmbeddingUsage};
use serde_json::Value;

use crate::chunks::to_json;
use crate::error::RequestError;
use crate::meta::Meta;
use crate::parse::{read, strings};

/// Bytes of texts that are computed together. In between a request can be stopped.
const BATCH_BYTES: usize = 4096;

/// Number of the first of some texts to compute together; at least one.
pub(crate) fn batch_len(texts: &[String]) -> usize {
    let mut len_bytes = 0;
    let fits = texts.iter().take_while(|text| {
        len_bytes += text.len();
        len_bytes <= BATCH_BYTES
    });
    fits.count().max(1)
}

/// An embedding request in progress.
pub struct EmbeddingJob {
    texts: Vec<String>,
    as_base64: bool,
    dimensions: Option<u32>,
    meta: Meta,
    data: Vec<Embedding>,
    tokens: u32,
}

impl EmbeddingJob {
    /// Parses the body of an embedding request.
    ///
    /// # Errors
    /// [`RequestError`], which names the invalid field.
    pub fn new(body: &Value, meta: Meta) -> Result<Self, RequestError> {
        let request: EmbeddingRequest = read(body)?;
        let as_base64 = match request.encoding_format.as_deref() {
            None | Some("float") => false,
            Some("base64") => true,
            Some(_) => return Err(RequestError::field("encoding_format", "it must be float or base64")),
        };
        let texts = strings(&request.input, "input")?;
        Ok(Self { texts, as_base64, dimensions: request.dimensions, meta, data: Vec::new(), tokens: 0 })
    }

    /// Computes the next embeddings; returns `false` if there are no more.
    ///
    /// # Errors
    /// Errors of the engine, or a model that has no embeddings. A later call continues with the same texts.
    pub async fn step(&mut self, encoder: &mut Encoder) -> Result<bool, RequestError> {
        let rest = &self.texts[self.data.len()..];
        if rest.is_empty() {
            return Ok(false);
        }
        if encoder.can_rank() {
            return Err(RequestError::field("model", "it is a ranker, which has no embeddings"));
        }
        for embedding in encoder.embed(&rest[..batch_len(rest)]).await? {
            self.add(embedding)?;
        }
        Ok(true)
    }

    fn add(&mut self, embedding: runtime::Embedding) -> Result<(), RequestError> {
        let len = embedding.vector.len();
        if self.dimensions.is_some_and(|dimensions| dimensions as usize != len) {
            return Err(RequestError::field("dimensions", format!("this model's embeddings have {len} dimensions")));
        }
        self.tokens += embedding.tokens as u32;
        let value = if self.as_base64 {
            let bytes: Vec<u8> = embedding.vector.iter().flat_map(|value| value.to_le_bytes()).collect();
            BASE64_STANDARD.encode(bytes).into()
        } else {
            embedding.vector.into()
        };
        self.data.push(Embedding {
            object: "embedding".to_owned(),
            index: self.data.len() as u32,
            embedding: value,
            is_truncated: embedding.is_truncated,
        });
        Ok(())
    }

    /// The response.
    pub fn response(self) -> Value {
        to_json(&EmbeddingList {
            object: "list".to_owned(),
            data: self.data,
            model: self.meta.model,
            usage: EmbeddingUsage { prompt_tokens: self.tokens, total_tokens: self.tokens },
        })
    }
}
