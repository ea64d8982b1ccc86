//! Changing the context length of the loaded model.

use leptos::prelude::*;

use super::{Client, EngineState, LoadRequest};

impl Client {
    /// Reloads the last model with another context length.
    pub(crate) fn retry_with_context(self, context_tokens: u32) {
        if let Some((_, request)) = self.link.with_value(|link| link.load.clone()) {
            // The model is loaded already, but with the old context length.
            self.load_request(LoadRequest { context_tokens: Some(context_tokens), unless_loaded: false, ..request });
        }
    }

    /// A larger context length in which a prompt of `prompt_tokens` fits; `None` if the model allows none or another tab loaded it. Reactive.
    pub(crate) fn larger_context(self, prompt_tokens: u32) -> Option<u32> {
        let (context_tokens, max_tokens) = match &*self.engine.read() {
            EngineState::Ready(model) => (model.context_tokens, model.max_context_tokens),
            _ => return None,
        };
        let is_ours = self.link.with_value(|link| link.load.is_some());
        larger(context_tokens, max_tokens, prompt_tokens).filter(|_| is_ours)
    }
}

/// Doubles `context_tokens` until the prompt and an answer fit, up to `max_tokens`.
fn larger(context_tokens: u32, max_tokens: u32, prompt_tokens: u32) -> Option<u32> {
    let with_answer = prompt_tokens.saturating_add(prompt_tokens / 4);
    let mut tokens = context_tokens.max(1).saturating_mul(2);
    while tokens < with_answer.min(max_tokens) {
        tokens = tokens.saturating_mul(2);
    }
    let tokens = tokens.min(max_tokens);
    (tokens > context_tokens.max(prompt_tokens)).then_some(tokens)
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::larger;

    #[wasm_bindgen_test]
    fn a_context_is_doubled_until_the_prompt_fits_with_an_answer() {
        assert_eq!(larger(512, 8192, 0), Some(1024));
        assert_eq!(larger(512, 8192, 1000), Some(2048));
        assert_eq!(larger(4096, 8192, 7900), Some(8192));
        assert_eq!(larger(4096, 8192, 8192), None);
        assert_eq!(larger(8192, 8192, 0), None);
        assert_eq!(larger(0, u32::MAX, u32::MAX), None);
    }
}
