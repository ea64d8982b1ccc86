//! Answers prompts greedily on the CPU, and prints a line of JSON for each, `{prompt, tokens, leads}`: the tokens of the
//! prompt as the model's template renders it, those of the answer, and by how much the logit of each exceeds all others:
//!
//!     cargo run --release -p parlance-engine --example greedy -- MODEL.gguf MAX_TOKENS PROMPT...
//!
//! `cargo xtask compare-model` compares the answers with llama.cpp's.

#[path = "measuring/loading.rs"]
mod loading;

use std::error::Error;
use std::path::Path;

use parlance_engine::chat::Message;
use parlance_engine::runtime::{Cpu, LoaderOptions, Model};
use parlance_engine::sampling::SamplingParams;
use serde_json::{Value, json};

use loading::load;

/// Room for a prompt and its answer.
const CONTEXT_TOKENS: u32 = 1024;

/// By how much a token's logit exceeds all others.
fn lead(logits: &[f32], token: u32) -> f32 {
    let others = logits.iter().enumerate().filter(|(id, _)| *id != token as usize);
    logits[token as usize] - others.map(|(_, logit)| *logit).fold(f32::MIN, f32::max)
}

async fn answer(model: &mut Model, question: &str, max_tokens: usize) -> Result<Value, Box<dyn Error>> {
    let chat = model.chat_handle();
    let prompt = chat.prompt(&[Message::new("user", question)])?;
    model.prefill(&prompt, |_, _| true).await?;
    let mut steps = model.generate_stepwise(&prompt, &SamplingParams::GREEDY)?;
    let (mut tokens, mut leads) = (Vec::new(), Vec::new());
    while tokens.len() < max_tokens && steps.begin().await? {
        let logits = steps.logits().await?;
        let token = steps.choose(None, false).await?.token;
        tokens.push(token);
        leads.push(lead(&logits, token));
        if chat.is_stop(token) {
            break;
        }
    }
    Ok(json!({ "prompt": prompt, "tokens": tokens, "leads": leads }))
}

async fn run(model: &Path, max_tokens: usize, prompts: &[String]) -> Result<(), Box<dyn Error>> {
    let options = LoaderOptions { context_tokens: Some(CONTEXT_TOKENS), ..LoaderOptions::default() };
    let (mut model, _) = load(Cpu::blocking(), model, options).await?;
    for prompt in prompts {
        println!("{}", answer(&mut model, prompt, max_tokens).await?);
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, max_tokens, prompts @ ..] = &arguments[..] else {
        return Err("usage: greedy MODEL.gguf MAX_TOKENS PROMPT...".into());
    };
    pollster::block_on(run(Path::new(model), max_tokens.parse()?, prompts))
}
