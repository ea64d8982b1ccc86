//! Answering a conversation.

use parlance_engine::EngineError;
use parlance_engine::chat;
use parlance_engine::runtime::Model;
use parlance_engine::sampling::SamplingParams;
use parlance_protocol::{Event, FinishReason, Message, Phase, RequestId, Sampling, Usage};
use web_time::Instant;

use crate::error::WorkerError;
use crate::interrupts::Interrupts;
use crate::port::Port;

/// Seconds for which text is gathered into one event: about a frame, since the page draws no faster.
const DELTA_INTERVAL_SECONDS: f64 = 0.014;

/// A [`parlance_protocol::Request::Chat`] under way.
pub(crate) struct Chat<'a> {
    pub(crate) id: RequestId,
    pub(crate) port: &'a Port,
    pub(crate) interrupts: &'a Interrupts,
}

impl Chat<'_> {
    /// Streams the answer and returns why it ended and what it took.
    pub(crate) async fn run(
        &self,
        model: &mut Model,
        messages: &[Message],
        sampling: Sampling,
        max_tokens: Option<u32>,
    ) -> Result<(FinishReason, Usage), WorkerError> {
        let params = params(sampling);
        params.validate()?;
        let messages: Vec<_> = messages
            .iter()
            .map(|message| chat::Message::new(message.role.as_str(), message.content.as_str()))
            .collect();
        let prompt = model.chat().prompt(&messages)?;
        let mut usage = Usage {
            prompt_tokens: prompt.len() as u32,
            cached_tokens: model.cached_prefix_len(&prompt) as u32,
            ..Usage::default()
        };
        let start = Instant::now();
        let prefilled = model
            .prefill(&prompt, |done, total| {
                let (done, total) = (done as f64, Some(total as f64));
                let seconds = start.elapsed().as_secs_f64();
                self.port.post(&Event::Progress { id: self.id, phase: Phase::Prefill, done, total, seconds });
                !self.interrupts.contains(self.id)
            })
            .await;
        usage.prefill_seconds = start.elapsed().as_secs_f64();
        match prefilled {
            Ok(()) => {}
            Err(EngineError::Interrupted) => return Ok((FinishReason::Interrupted, usage)),
            Err(error) => return Err(error.into()),
        }
        let max_tokens = max_tokens.map_or(usize::MAX, |max| max as usize);
        self.decode(model, &prompt, &params, max_tokens, start, usage).await
    }

    async fn decode(
        &self,
        model: &mut Model,
        prompt: &[u32],
        params: &SamplingParams,
        max_tokens: usize,
        start: Instant,
        mut usage: Usage,
    ) -> Result<(FinishReason, Usage), WorkerError> {
        let decode_start = Instant::now();
        // The generation borrows the model, and the tokenizer lives in it: it is shared, not borrowed.
        let language = model.chat_handle();
        let mut detokenizer = language.detokenizer();
        let mut generation = model.generate(prompt, params, max_tokens)?;
        let mut text = String::new();
        let mut posted = Instant::now();
        let reason = loop {
            if self.interrupts.contains(self.id) {
                break FinishReason::Interrupted;
            }
            let Some(id) = generation.next().await? else { break FinishReason::Length };
            if usage.completion_tokens == 0 {
                usage.first_token_seconds = start.elapsed().as_secs_f64();
            }
            if language.is_stop(id) {
                break FinishReason::Stop;
            }
            usage.completion_tokens += 1;
            text.push_str(&detokenizer.push(id));
            if posted.elapsed().as_secs_f64() >= DELTA_INTERVAL_SECONDS {
                self.post_delta(&mut text);
                posted = Instant::now();
            }
        };
        text.push_str(&detokenizer.finish());
        self.post_delta(&mut text);
        usage.decode_seconds = decode_start.elapsed().as_secs_f64();
        Ok((reason, usage))
    }

    fn post_delta(&self, text: &mut String) {
        if !text.is_empty() {
            self.port.post(&Event::Delta { id: self.id, text: std::mem::take(text) });
        }
    }
}

fn params(sampling: Sampling) -> SamplingParams {
    let Sampling { temperature, top_p, top_k, min_p, repetition_penalty, frequency_penalty, presence_penalty, seed } =
        sampling;
    SamplingParams {
        temperature,
        top_p,
        min_p,
        repetition_penalty,
        frequency_penalty,
        presence_penalty,
        top_k,
        seed: seed.unwrap_or_else(|| (js_sys::Math::random() * f64::from(u32::MAX)) as u32),
    }
}
