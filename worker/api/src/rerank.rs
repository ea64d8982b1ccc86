//! `/v1/rerank`.

use parlance_engine::runtime::Encoder;
use parlance_protocol::openai::{EmbeddingUsage, RankedDocument, RerankRequest, RerankResult, Reranking};
use serde_json::Value;

use crate::chunks::to_json;
use crate::embeddings::batch_len;
use crate::error::RequestError;
use crate::meta::Meta;
use crate::parse::read;

/// A rerank request in progress.
pub struct RerankJob {
    query: String,
    documents: Vec<String>,
    /// Number of results to return.
    top_n: usize,
    return_documents: bool,
    meta: Meta,
    /// In the order of the documents.
    results: Vec<RerankResult>,
    tokens: u32,
}

impl RerankJob {
    /// Parses the body of a rerank request.
    ///
    /// # Errors
    /// [`RequestError`], which names the invalid field.
    pub fn new(body: &Value, meta: Meta) -> Result<Self, RequestError> {
        let request: RerankRequest = read(body)?;
        if request.query.is_empty() {
            return Err(RequestError::field("query", "it must be a string that is not empty"));
        }
        let documents = texts(&request.documents)?;
        let top_n = match request.top_n {
            Some(0) => return Err(RequestError::field("top_n", "it must be at least 1")),
            Some(top_n) => top_n as usize,
            None => documents.len(),
        };
        Ok(Self {
            query: request.query,
            documents,
            top_n,
            return_documents: request.return_documents.unwrap_or_default(),
            meta,
            results: Vec::new(),
            tokens: 0,
        })
    }

    /// Ranks the next documents; returns `false` if there are no more.
    ///
    /// # Errors
    /// Errors of the engine, or a model that is no ranker. A later call continues with the same documents.
    pub async fn step(&mut self, encoder: &mut Encoder) -> Result<bool, RequestError> {
        let rest = &self.documents[self.results.len()..];
        if rest.is_empty() {
            return Ok(false);
        }
        if !encoder.can_rank() {
            return Err(RequestError::field("model", "it is an embedding model, not a ranker"));
        }
        let batch = &rest[..batch_len(rest)];
        let rankings = encoder.rank(&self.query, batch).await?;
        for (document, ranking) in batch.iter().zip(rankings) {
            self.tokens += ranking.tokens as u32;
            self.results.push(RerankResult {
                index: self.results.len() as u32,
                relevance_score: ranking.score,
                document: self.return_documents.then(|| RankedDocument { text: document.clone() }),
                is_truncated: ranking.is_truncated,
            });
        }
        Ok(true)
    }

    /// The response: the best documents first.
    pub fn response(self) -> Value {
        let mut results = self.results;
        results.sort_by(|a, b| b.relevance_score.total_cmp(&a.relevance_score));
        results.truncate(self.top_n);
        to_json(&Reranking {
            object: "list".to_owned(),
            model: self.meta.model,
            results,
            usage: EmbeddingUsage { prompt_tokens: self.tokens, total_tokens: self.tokens },
        })
    }
}

/// The documents, which are strings or objects with a `text`.
fn texts(documents: &[Value]) -> Result<Vec<String>, RequestError> {
    if documents.is_empty() {
        return Err(RequestError::field("documents", "there must be at least one"));
    }
    let text = |(index, document): (usize, &Value)| {
        let text = document.as_str().or_else(|| document.get("text")?.as_str());
        text.map(str::to_owned).ok_or_else(|| {
            let message = "it must be a string or an object with the string “text”";
            RequestError::field(format!("documents[{index}]"), message)
        })
    };
    documents.iter().enumerate().map(text).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(body: &Value) -> Result<RerankJob, String> {
        let meta = Meta { random: 1, created: 1, model: "ranker".to_owned() };
        RerankJob::new(body, meta).map_err(|error| error.param().unwrap_or_default().to_owned())
    }

    #[test]
    fn invalid_fields_are_named() {
        let cases = [
            (json!({ "documents": ["a"] }), "query"),
            (json!({ "query": 1, "documents": ["a"] }), "query"),
            (json!({ "query": "q" }), "documents"),
            (json!({ "query": "q", "documents": "a" }), "documents"),
            (json!({ "query": "q", "documents": ["a", 1] }), "documents[1]"),
            (json!({ "query": "q", "documents": [{ "title": "a" }] }), "documents[0]"),
            (json!({ "query": "q", "documents": ["a"], "top_n": 0 }), "top_n"),
            (json!({ "query": "q", "documents": ["a"], "return_documents": "yes" }), "return_documents"),
        ];
        for (body, param) in cases {
            assert_eq!(parsed(&body).err().as_deref(), Some(param), "{body}");
        }
    }

    #[test]
    fn the_best_documents_come_first() {
        let body = json!({ "query": "q", "documents": ["a", { "text": "b" }, "c"], "top_n": 2 });
        let mut job = parsed(&body).unwrap_or_else(|param| panic!("{param}"));
        assert_eq!(job.documents, ["a", "b", "c"]);
        for (index, relevance_score) in [0.25, -1.0, 3.5].into_iter().enumerate() {
            let index = index as u32;
            job.results.push(RerankResult { index, relevance_score, document: None, is_truncated: false });
        }
        job.tokens = 12;
        let expected = json!({
            "object": "list",
            "model": "ranker",
            "results": [
                { "index": 2, "relevance_score": 3.5, "is_truncated": false },
                { "index": 0, "relevance_score": 0.25, "is_truncated": false },
            ],
            "usage": { "prompt_tokens": 12, "total_tokens": 12 },
        });
        assert_eq!(job.response(), expected);
    }
}
