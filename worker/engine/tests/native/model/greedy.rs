//! The answers that `cargo xtask compare-model` compares with llama.cpp's.

use std::process::Command;

use parlance_engine::chat::Message;
use parlance_engine::sampling::SamplingParams;
use pollster::block_on;
use serde_json::{Value, json};

use super::{QUESTION, argmax, generate, model_path, shared};
use crate::common::On;

const TOKENS: usize = 6;

#[test]
fn each_prompt_has_a_line_with_its_tokens_its_greedy_answer_and_the_lead_of_each_token() {
    // Examples are built beside the tests, in a folder of their own.
    let program = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples/greedy");
    let questions = [QUESTION, "Count to ten."];
    let output = Command::new(program).arg(model_path()).arg(TOKENS.to_string()).args(questions).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), questions.len());

    let mut model = shared(On::Cpu);
    for (line, question) in lines.iter().zip(questions) {
        let prompt = model.chat().prompt(&[Message::new("user", question)]).unwrap();
        let answer = generate(&mut model, &prompt, &SamplingParams::GREEDY, TOKENS);
        assert_eq!((&line["prompt"], &line["tokens"]), (&json!(prompt), &json!(answer)));

        block_on(model.prefill(&prompt, |_, _| true)).unwrap();
        let mut logits = block_on(model.decode_logits(prompt[prompt.len() - 1])).unwrap();
        let highest = logits[answer[0] as usize];
        logits[answer[0] as usize] = f32::MIN;
        let expected = highest - logits[argmax(&logits) as usize];
        let leads: Vec<f32> = serde_json::from_value(line["leads"].clone()).unwrap();
        assert_eq!(leads.len(), TOKENS);
        assert!((leads[0] - expected).abs() < 1e-3, "{leads:?}, {expected}");
    }
}
