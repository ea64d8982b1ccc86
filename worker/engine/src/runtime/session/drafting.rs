//! A smaller model that drafts for another, which verifies several of its tokens at once (Leviathan et al. 2023, "Fast
//! Inference from Transformers via Speculative Decoding"). The text is that of the other model.

use super::drafter::{DraftRecord, Feigned};
use super::model::Model;
use super::prompt::{Prompt, Span};
use crate::error::Result;
use crate::kernels::random::Random;

/// Seed of the random numbers for [`Model::feign_drafts`].
const FEIGNED_SEED: u64 = 1;

impl Model {
    /// Lets a smaller model on the same device draft the answers of this one. It should have a context of the same length;
    /// longer texts go on without drafts.
    ///
    /// # Errors
    /// [`EngineError::WrongDraft`](crate::EngineError::WrongDraft) if it has another vocabulary.
    pub fn set_draft(&mut self, draft: Self) -> Result<()> {
        self.chat.tokenizer().check_draft(draft.chat.tokenizer())?;
        self.drafting = DraftRecord::default();
        self.draft = Some(Box::new(draft));
        Ok(())
    }

    /// The model that drafts for this one.
    pub fn draft(&self) -> Option<&Self> {
        self.draft.as_deref()
    }

    /// Like [`Model::prefill`], but the draft model computes the prompt, too, so that it takes part in the answer. Without
    /// one, or if the prompt has embeddings or is too long for it, this is the same. Progress is that of both together.
    ///
    /// # Errors
    /// As [`Model::prefill`].
    pub async fn prefill_with_draft<'p>(
        &mut self,
        prompt: impl Into<Prompt<'p>>,
        mut on_progress: impl FnMut(usize, usize) -> bool,
    ) -> Result<()> {
        let prompt = prompt.into();
        let own = self.begin_prompt(&prompt).await?;
        let Some(draft) = self.draft.as_mut().filter(|draft| draft.can_read(&prompt)) else {
            return self.read_rest(&prompt, own, |done| on_progress(done, own)).await;
        };
        let total = own + draft.begin_prompt(&prompt).await?;
        self.read_rest(&prompt, own, |done| on_progress(done, total)).await?;
        match &mut self.draft {
            Some(draft) => draft.read_rest(&prompt, total - own, |done| on_progress(own + done, total)).await,
            None => Ok(()),
        }
    }

    /// Whether a prompt consists of tokens that this model knows, with room for an answer.
    fn can_read(&self, prompt: &Prompt<'_>) -> bool {
        let is_known = |span: &Span<'_>| match span {
            Span::Tokens(ids) => ids.iter().all(|id| *id < self.config.vocab),
            Span::Embeddings(_) => false,
        };
        prompt.0.iter().all(is_known) && prompt.elements(self.width()).len() < self.context as usize
    }

    /// For benchmarks: from now on each token that the draft model drafts is replaced by the one of `answer` in its place,
    /// with this likelihood, or else by another one. So models without training have drafts of known quality, which take as
    /// long as real ones.
    pub fn feign_drafts(&mut self, answer: Vec<u32>, acceptance: f64) {
        let feigned = Feigned { answer, acceptance, random: Random(FEIGNED_SEED) };
        self.drafting = DraftRecord { feigned: Some(feigned), ..DraftRecord::default() };
    }
}
