//! Chat completion requests, before their images and sounds are fetched.

use parlance_protocol::openai::ChatCompletionRequest;
use serde_json::Value;
use web_time::Instant;

use crate::error::RequestError;
use crate::media::MediaRequest;
use crate::meta::Meta;
use crate::parse::{self, Conversation, Options};

/// A chat completion request. Its images and sounds have to be fetched before it becomes a [`Job`](crate::Job).
pub struct ChatRequest {
    pub(crate) conversation: Conversation,
    pub(crate) options: Options,
    /// When it was parsed.
    pub(crate) start: Instant,
}

impl ChatRequest {
    /// Parses the body of a chat completion request.
    ///
    /// # Errors
    /// [`RequestError`], which names the invalid field.
    pub fn new(body: &Value, meta: &Meta) -> Result<Self, RequestError> {
        Self::of(parse::read(body)?, meta)
    }

    /// Validates a chat completion request.
    ///
    /// # Errors
    /// As [`ChatRequest::new`].
    pub(crate) fn of(request: ChatCompletionRequest, meta: &Meta) -> Result<Self, RequestError> {
        let start = Instant::now();
        let (conversation, options) = parse::chat(request, meta.random as u32)?;
        Ok(Self { conversation, options, start })
    }

    /// The images and sounds that it has, in order.
    pub fn media(&self) -> &[MediaRequest] {
        &self.conversation.media
    }
}
