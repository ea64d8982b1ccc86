//! A loaded embedding model or ranker.

use async_trait::async_trait;

use super::head::Head;
use crate::error::{EngineError, Result};
use crate::runtime::backend::{Decoder, Embedder};
use crate::runtime::device::Device;
use crate::runtime::measuring::{SelfTest, Verdict};
use crate::tokenizer::Tokenizer;

/// An embedding model or a ranker in memory.
pub struct Encoder {
    pub(in crate::runtime) device: Device,
    pub(in crate::runtime) name: String,
    /// Maximum number of tokens in a text.
    pub(in crate::runtime) context: u32,
    pub(in crate::runtime) kv_bytes: u64,
    pub(in crate::runtime) tokenizer: Tokenizer,
    /// A ranker's prompt, in which `{query}` and `{document}` are replaced.
    pub(in crate::runtime) rank_prompt: Option<String>,
    pub(in crate::runtime) embedder: Box<dyn Embedder>,
    pub(in crate::runtime) head: Head,
}

/// The embedding of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// Normalised to length one.
    pub vector: Vec<f32>,
    /// Number of tokens in the text.
    pub tokens: usize,
    /// Whether the text was too long and its end was cut off.
    pub is_truncated: bool,
}

/// How well a document answers a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranking {
    /// Higher is better: a likelihood from models that answer “yes” or “no”, otherwise any number.
    pub score: f32,
    /// Number of tokens in query and document.
    pub tokens: usize,
    /// Whether both together were too long and the document's end was cut off.
    pub is_truncated: bool,
}

/// A text's tokens.
struct Input {
    ids: Vec<u32>,
    is_truncated: bool,
}

impl Encoder {
    /// Its name, from `general.name`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Maximum number of tokens in a text.
    pub fn context_tokens(&self) -> u32 {
        self.context
    }

    /// Size of the keys and values of a text in bytes.
    pub fn kv_bytes(&self) -> u64 {
        self.kv_bytes
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Whether it is a ranker, not an embedding model.
    pub fn can_rank(&self) -> bool {
        self.head.can_rank()
    }

    /// Embeds texts, all at once.
    ///
    /// # Errors
    /// [`EngineError::Prompt`] if this is a ranker, [`EngineError::Tokenizer`], or whatever the device reported.
    pub async fn embed(&mut self, texts: &[impl AsRef<str>]) -> Result<Vec<Embedding>> {
        if self.can_rank() {
            return Err(EngineError::Prompt("this model ranks documents, and has no embeddings".to_owned()));
        }
        let inputs: Vec<Input> = texts.iter().map(|text| self.single(text.as_ref())).collect::<Result<_>>()?;
        let hidden = self.hidden(&inputs).await?;
        let embedding = |(Input { ids, is_truncated }, hidden): (Input, Vec<f32>)| {
            let vector = self.head.vector(&hidden);
            Embedding { vector, tokens: ids.len(), is_truncated }
        };
        Ok(inputs.into_iter().zip(hidden).map(embedding).collect())
    }

    /// Ranks documents for a query, all at once.
    ///
    /// # Errors
    /// [`EngineError::Prompt`] if this is no ranker, [`EngineError::Tokenizer`], or whatever the device reported.
    pub async fn rank(&mut self, query: &str, documents: &[impl AsRef<str>]) -> Result<Vec<Ranking>> {
        if !self.can_rank() {
            return Err(EngineError::Prompt("this is an embedding model, not a ranker".to_owned()));
        }
        let pairs = documents.iter().map(|document| self.pair(query, document.as_ref()));
        let inputs: Vec<Input> = pairs.collect::<Result<_>>()?;
        let hidden = self.hidden(&inputs).await?;
        let ranking = |(Input { ids, is_truncated }, hidden): (Input, Vec<f32>)| {
            let score = self.head.score(&hidden);
            Ranking { score, tokens: ids.len(), is_truncated }
        };
        Ok(inputs.into_iter().zip(hidden).map(ranking).collect())
    }

    async fn hidden(&mut self, inputs: &[Input]) -> Result<Vec<Vec<f32>>> {
        let texts: Vec<&[u32]> = inputs.iter().map(|input| input.ids.as_slice()).collect();
        self.embedder.hidden(&texts).await
    }

    /// The tokens of a text.
    fn single(&self, text: &str) -> Result<Input> {
        let ids = self.tokenizer.wrap(self.tokenizer.encode_plain(text)?);
        self.input(ids, usize::from(self.tokenizer.adds_end()))
    }

    /// The tokens of a query and a document.
    fn pair(&self, query: &str, document: &str) -> Result<Input> {
        let tokenizer = &self.tokenizer;
        let Some((before, after)) = self.rank_prompt.as_deref().and_then(|prompt| prompt.split_once("{document}"))
        else {
            let ids = tokenizer.wrap_pair(tokenizer.encode_plain(query)?, &tokenizer.encode_plain(document)?);
            return self.input(ids, usize::from(tokenizer.adds_end()));
        };
        // Only the prompt can contain control tokens.
        let [query, document] = [query, document].map(|text| tokenizer.guard(text));
        let [before, after] = [before, after].map(|part| part.replace("{query}", &query));
        // Not piece by piece: a token may begin in the prompt and end in the document.
        let ids = tokenizer.encode(&format!("{before}{document}{after}"))?;
        self.input(ids, tokenizer.encode(&after)?.len())
    }

    /// Cuts tokens off that exceed the context, before the last `tail` ones.
    fn input(&self, mut ids: Vec<u32>, tail: usize) -> Result<Input> {
        let context = self.context as usize;
        let is_truncated = ids.len() > context;
        if is_truncated {
            let tail = tail.min(context);
            ids.drain(context - tail..ids.len() - tail);
        }
        if ids.is_empty() {
            return Err(EngineError::Tokenizer("the text has no tokens".to_owned()));
        }
        Ok(Input { ids, is_truncated })
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
    ///
    /// # Errors
    /// As [`Model::kernels_id`](super::Model::kernels_id).
    pub fn kernels_id(&self) -> Result<u64> {
        self.embedder.kernels_id()
    }
}

/// The layers of a decoder as an embedder.
pub(in crate::runtime) struct DecoderEmbedder {
    pub(in crate::runtime) decoder: Box<dyn Decoder>,
    /// A text's tokens attend to each other in both directions, so they have to be in one batch.
    pub(in crate::runtime) two_way: bool,
}

impl DecoderEmbedder {
    /// The hidden states of one text: `[ids][embedding_len]`.
    async fn hidden_of(&mut self, ids: &[u32]) -> Result<Vec<f32>> {
        let Self { decoder, two_way } = self;
        decoder.clear_state();
        let (mut hidden, mut position) = (Vec::new(), 0);
        while position < ids.len() {
            let batch_len = if *two_way { ids.len() } else { decoder.batch_len() };
            let batch = &ids[position..(position + batch_len).min(ids.len())];
            hidden.extend(decoder.batch_hidden(position, batch).await?);
            position += batch.len();
        }
        Ok(hidden)
    }
}

#[async_trait(?Send)]
impl Embedder for DecoderEmbedder {
    async fn hidden(&mut self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let mut all = Vec::with_capacity(texts.len());
        for ids in texts {
            all.push(self.hidden_of(ids).await?);
        }
        Ok(all)
    }

    fn max_tokens(&self) -> usize {
        if self.two_way { self.decoder.max_batch_len() } else { usize::MAX }
    }

    fn kernels_id(&self) -> Result<u64> {
        self.decoder.kernels_id()
    }

    async fn wrong_kernels(&self) -> Result<Vec<String>> {
        self.decoder.prepare().await?;
        self.decoder.wrong_kernels().await
    }
}
