//! Answers of the native engine, to compare with those in browsers.
#![allow(clippy::unwrap_used, reason = "a test without the native answer has nothing to compare with")]

use parlance_engine::chat::Message;
use parlance_engine::runtime::{Cpu, Loader, LoaderOptions};
use parlance_engine::sampling::SamplingParams;

use crate::model_path;

/// The demo model's greedy answer on the CPU, of at most `max_tokens` tokens.
///
/// # Panics
/// If the model is missing or fails.
pub fn answer(question: &str, max_tokens: usize) -> String {
    let bytes = std::fs::read(model_path()).unwrap();
    pollster::block_on(async {
        let mut loader = Loader::new(Cpu::blocking(), LoaderOptions::default());
        loader.push(&bytes).await.unwrap();
        let mut model = loader.finish().await.unwrap();
        let prompt = model.chat().prompt(&[Message::new("user", question)]).unwrap();
        model.prefill(&prompt, |_, _| true).await.unwrap();
        let chat = model.chat_handle();
        let mut detokenizer = chat.detokenizer();
        let mut text = String::new();
        let mut generation = model.generate(&prompt, &SamplingParams::GREEDY, max_tokens).unwrap();
        while let Some(id) = generation.next().await.unwrap() {
            if chat.is_stop(id) {
                break;
            }
            text.push_str(&detokenizer.push(id));
        }
        text + &detokenizer.finish()
    })
}
