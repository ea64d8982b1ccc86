//! A request for answers, of any endpoint: a completion, or a response.

use parlance_engine::runtime::Model;
use serde_json::Value;

use crate::answer::Answer;
use crate::codec::ChatCodec;
use crate::control::Control;
use crate::error::RequestError;
use crate::job::Job;
use crate::responses::ResponseJob;
use crate::senses::Senses;

/// A request whose answers are computed by [`Callers`](crate::Callers).
pub enum Work {
    /// A chat or text completion.
    Completion(Box<Job>),
    /// A response of the Responses API.
    Response(Box<ResponseJob>),
}

impl Work {
    /// Encodes the images and sounds of the prompt, as [`Job::perceive`] does.
    pub(crate) async fn perceive(
        &self,
        codec: &ChatCodec,
        senses: Option<&mut Senses>,
        control: &impl Control,
    ) -> Result<(), RequestError> {
        match self {
            Self::Completion(job) => job.perceive(codec, senses, control).await,
            Self::Response(job) => job.perceive(codec, senses, control).await,
        }
    }

    /// Ends a stream of typed events with an error. Returns `false` if this is none, or has not begun: then the error itself
    /// is the response.
    pub fn fail(&self, message: &str, control: &impl Control) -> bool {
        match self {
            Self::Completion(_) => false,
            Self::Response(job) => job.fail(message, control),
        }
    }

    fn job(&self) -> &Job {
        match self {
            Self::Completion(job) => job,
            Self::Response(job) => job.job(),
        }
    }

    /// The number of its answers.
    pub(crate) fn len(&self) -> usize {
        self.job().len()
    }

    /// One of its answers.
    pub(crate) fn answer(&self, index: usize) -> &Answer {
        self.job().answer(index)
    }

    /// One of its answers, to compute it.
    pub(crate) fn answer_mut(&mut self, index: usize) -> &mut Answer {
        match self {
            Self::Completion(job) => job.answer_mut(index),
            Self::Response(job) => job.job_mut().answer_mut(index),
        }
    }

    /// Generates an answer alone, see [`Job::run_answer`].
    pub(crate) async fn run_answer(
        &mut self,
        index: usize,
        model: &mut Model,
        control: &impl Control,
        others: &dyn Fn() -> bool,
    ) -> Result<(), RequestError> {
        match self {
            Self::Completion(job) => job.run_answer(index, model, control, others).await,
            Self::Response(job) => {
                let (job, events) = job.parts(control);
                job.run_answer(index, model, &events, others).await
            }
        }
    }

    /// Reports how far the prompt of an answer is.
    pub(crate) fn prefilling(&mut self, done: usize, total: usize, control: &impl Control) {
        match self {
            Self::Completion(_) => control.prefilling(done, total),
            Self::Response(job) => job.parts(control).1.prefilling(done, total),
        }
    }

    /// Emits what is due of an answer, see [`Job::emit`].
    pub(crate) fn emit(&mut self, index: usize, control: &impl Control) {
        match self {
            Self::Completion(job) => job.emit(index, control),
            Self::Response(job) => {
                let (job, events) = job.parts(control);
                job.emit(index, &events);
            }
        }
    }

    /// The response after the last answer; `None` if it was streamed.
    pub(crate) fn end(&mut self, control: &impl Control) -> Option<Value> {
        match self {
            Self::Completion(job) => job.end(control),
            Self::Response(job) => job.end(control),
        }
    }
}
