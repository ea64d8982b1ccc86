//! Requests whose answers are computed together: each gets what it gets alone, can be stopped alone, and waits for nobody.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use std::cell::{Cell, RefCell};
use std::future::{pending, ready};
use std::rc::Rc;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use crate::common::{chat, codec, load_with, meta, with_fields};
use parlance_api::{Callers, Control, Ended, Job, PreparedResponse, Processors, ResponseJob, Work};
use parlance_engine::runtime::{Cpu, LoaderOptions, Model, NativeThreads};
use pollster::block_on;
use serde_json::{Value, json};

const SEQUENCES: usize = 3;

static MODEL: LazyLock<Mutex<Model>> = LazyLock::new(|| {
    let device = Cpu::blocking().with_threads(Arc::new(NativeThreads::start(1, 100_000))).into();
    let further_sequences = SEQUENCES as u32 - 1;
    let options = LoaderOptions { context_tokens: Some(1024), further_sequences, ..LoaderOptions::default() };
    Mutex::new(load_with(device, options))
});

/// The demo model with memory for several sequences, none of which it knows.
fn model() -> MutexGuard<'static, Model> {
    let mut model = MODEL.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(model.sequence_count(), SEQUENCES);
    model.reset();
    model
}

/// What clients received, in order: chunks, and prompts' progress as numbers.
type Log = Rc<RefCell<Vec<(usize, Value)>>>;

/// A client.
struct Tab {
    number: usize,
    log: Log,
    is_stopped: Rc<Cell<bool>>,
}

impl Control for Tab {
    fn prefilling(&self, done: usize, _total: usize) {
        self.log.borrow_mut().push((self.number, json!(done)));
    }

    fn chunk(&self, chunk: Value) {
        self.log.borrow_mut().push((self.number, chunk));
    }

    async fn stopped(&self) {
        if self.is_stopped.get() {
            ready(()).await;
        } else {
            pending::<()>().await;
        }
    }
}

/// Several clients of one model.
struct Tabs<'m> {
    model: &'m mut Model,
    callers: Callers<Tab>,
    log: Log,
    stops: Vec<Rc<Cell<bool>>>,
    /// What each was answered.
    responses: Vec<Option<Value>>,
}

impl<'m> Tabs<'m> {
    fn new(model: &'m mut Model) -> Self {
        let (callers, log) = (Callers::default(), Log::default());
        Self { model, callers, log, stops: Vec::new(), responses: Vec::new() }
    }

    fn add(&mut self, work: Work) {
        let (number, log, is_stopped) = (self.stops.len(), Rc::clone(&self.log), Rc::<Cell<bool>>::default());
        self.stops.push(Rc::clone(&is_stopped));
        self.responses.push(None);
        self.callers.add(work, Tab { number, log, is_stopped });
    }

    fn ask(&mut self, body: &Value) {
        let job = Job::chat(&codec(self.model), body, meta(), &Processors::new()).unwrap();
        self.add(Work::Completion(Box::new(job)));
    }

    fn turn(&mut self) {
        for Ended { control, result, .. } in block_on(self.callers.turn(self.model, &|| false)).unwrap() {
            self.responses[control.number] = Some(result.unwrap().unwrap_or_default());
        }
    }

    fn finish(&mut self) {
        while !self.callers.is_empty() {
            self.turn();
        }
    }

    /// The numbers of the clients that received chunks, in order.
    fn order(&self) -> Vec<usize> {
        self.log.borrow().iter().filter(|(_, event)| event.is_object()).map(|(number, _)| *number).collect()
    }

    /// The text that a client received so far.
    fn streamed(&self, tab: usize) -> String {
        let log = self.log.borrow();
        let own = log.iter().filter(|(number, _)| *number == tab);
        own.filter_map(|(_, chunk)| chunk["choices"][0]["delta"]["content"].as_str()).collect()
    }
}

fn question(text: &str, fields: Value) -> Value {
    let messages = json!([{ "role": "user", "content": text }]);
    with_fields(json!({ "messages": messages, "temperature": 0, "max_tokens": 24 }), fields)
}

/// What an answer says, without times and rounding.
fn essence(response: &Value) -> Vec<Value> {
    let choices = response["choices"].as_array().unwrap().iter().map(|choice| {
        let tokens = choice["logprobs"]["content"]
            .as_array()
            .map(|tokens| tokens.iter().map(|token| token["token"].clone()).collect::<Vec<_>>());
        json!([choice["message"], choice["finish_reason"], tokens])
    });
    choices.collect()
}

fn alone(model: &mut Model, body: &Value) -> Value {
    model.reset();
    chat(model, body)
}

#[test]
fn requests_computed_together_get_the_answers_that_they_get_alone() {
    let mut model = model();
    let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] });
    let format = json!({ "type": "json_schema", "json_schema": { "name": "s", "schema": schema, "strict": true } });
    let requests = [
        question("What is the capital of France?", json!({})),
        question(
            "Write a poem about the sea.",
            json!({ "temperature": 0.9, "top_p": 0.9, "seed": 3, "max_tokens": 40 }),
        ),
        question("Name a city in JSON.", json!({ "response_format": format, "max_tokens": 60 })),
        question("What is the capital of France?", json!({ "stop": ["zzz", "ce is P"] })),
        question("Count to five.", json!({ "logprobs": true, "top_logprobs": 2, "frequency_penalty": 0.5 })),
        question("What is the capital of France?", json!({ "logit_bias": { "6181": -100 } })),
    ];
    let mut tabs = Tabs::new(&mut model);
    for request in &requests {
        tabs.ask(request);
    }
    tabs.finish();
    let responses = std::mem::take(&mut tabs.responses);
    for (request, response) in requests.iter().zip(responses) {
        assert_eq!(essence(&response.unwrap()), essence(&alone(&mut model, request)), "{request}");
    }
}

#[test]
fn several_choices_share_their_prompt_and_their_steps() {
    let mut model = model();
    let request = question("Tell me a story.", json!({ "n": 4, "temperature": 1.0, "seed": 8, "max_tokens": 12 }));
    let mut tabs = Tabs::new(&mut model);
    tabs.ask(&with_fields(request.clone(), json!({ "stream": true })));
    tabs.finish();
    let last_prompt = tabs.log.borrow().iter().rposition(|(_, event)| event.is_number()).unwrap();
    let mut read: Vec<u64> = tabs.log.borrow()[..last_prompt].iter().filter_map(|(_, event)| event.as_u64()).collect();
    read.retain(|done| *done > 0);
    assert!(read.is_sorted(), "the prompt was read once: {read:?}");
    let indices = |log: &[(usize, Value)]| -> Vec<u64> {
        log.iter().filter_map(|(_, chunk)| chunk["choices"][0]["index"].as_u64()).collect()
    };
    let indices = indices(&tabs.log.borrow());
    let first_end = indices.iter().rposition(|index| *index == 0).unwrap();
    assert!(indices[..first_end].contains(&1) && indices[..first_end].contains(&2), "{indices:?}");

    let mut tabs = Tabs::new(&mut model);
    tabs.ask(&request);
    tabs.finish();
    let response = tabs.responses[0].take().unwrap();
    assert_eq!(essence(&response), essence(&alone(&mut model, &request)));
    assert_eq!(response["usage"]["completion_tokens"], 48);
}

#[test]
fn a_request_is_stopped_alone_and_the_next_takes_its_place() {
    let mut model = model();
    let long = |text: &str| question(text, json!({ "stream": true, "max_tokens": 40 }));
    let asked = ["Describe a forest.", "Describe a river.", "Describe a mountain.", "Describe a desert."];
    let mut tabs = Tabs::new(&mut model);
    for text in &asked {
        tabs.ask(&long(text));
    }
    while tabs.streamed(1).is_empty() {
        tabs.turn();
    }
    assert_eq!(tabs.streamed(3), "", "there is no room for the fourth");
    tabs.stops[1].set(true);
    let received = tabs.log.borrow().len();
    tabs.turn();
    let after = tabs.log.borrow()[received..].to_vec();
    let end = after.iter().rfind(|(number, _)| *number == 1).unwrap();
    assert_eq!(end.1["choices"][0]["finish_reason"], "abort", "{after:?}");
    assert!(tabs.responses[1].is_some());
    tabs.finish();
    let texts = [0, 2, 3].map(|tab| tabs.streamed(tab));
    for (text, tab) in texts.iter().zip([0, 2, 3]) {
        let expected = alone(&mut model, &question(asked[tab], json!({ "max_tokens": 40 })));
        assert_eq!(*text, crate::common::content(&expected), "{}", asked[tab]);
    }

    // One that has not begun ends, too.
    let mut tabs = Tabs::new(&mut model);
    tabs.ask(&question("Hi", json!({})));
    tabs.stops[0].set(true);
    tabs.finish();
    assert_eq!(tabs.responses[0].as_ref().unwrap()["choices"][0]["finish_reason"], "abort");
}

#[test]
fn nobody_waits_for_the_long_prompt_of_another() {
    let mut model = model();
    let mut tabs = Tabs::new(&mut model);
    tabs.ask(&question("Describe a forest.", json!({ "stream": true, "max_tokens": 300 })));
    tabs.ask(&question("Describe a river.", json!({ "stream": true, "max_tokens": 300 })));
    while tabs.streamed(1).is_empty() {
        tabs.turn();
    }
    let long = "The quick brown fox jumps over the lazy dog. ".repeat(16);
    tabs.ask(&question(&long, json!({ "stream": true, "max_tokens": 4 })));
    let before = tabs.order().len();
    while tabs.streamed(2).is_empty() {
        tabs.turn();
    }
    let meanwhile = tabs.order()[before..].to_vec();
    for tab in [0, 1] {
        assert!(meanwhile.iter().filter(|other| **other == tab).count() >= 3, "{meanwhile:?}");
    }
    // Answers that have begun get their tokens at the same rate.
    let lens = [0, 1].map(|tab| meanwhile.iter().filter(|other| **other == tab).count());
    assert!(lens[0].abs_diff(lens[1]) <= 2, "{lens:?}");
    tabs.stops.iter().for_each(|stop| stop.set(true));
    tabs.finish();
}

#[test]
fn an_answer_whose_context_is_full_ends_and_others_go_on() {
    let mut model = model();
    // Almost fills the context of 1,024 tokens.
    let long = "word ".repeat(980);
    let full = question(&long, json!({ "max_tokens": null, "logit_bias": { "2": -100, "0": -100 } }));
    let short = question("What is the capital of France?", json!({}));
    let mut tabs = Tabs::new(&mut model);
    tabs.ask(&full);
    tabs.ask(&short);
    tabs.finish();
    let [full, short] = [0, 1].map(|tab| tabs.responses[tab].take().unwrap());
    assert_eq!(full["choices"][0]["finish_reason"], "length", "{full}");
    assert_eq!(full["usage"]["total_tokens"], 1024 + 1, "{full}");
    assert_eq!(crate::common::content(&short), "The capital of France is Paris.");
}

#[test]
fn an_answer_that_is_alone_has_the_decode_loop_until_another_comes() {
    let mut model = model();
    let counted = "one, two, three, four, five, six, seven, eight, nine, ten, one, two,";
    let messages = json!([
        { "role": "user", "content": "Count to ten, again and again." },
        { "role": "assistant", "content": counted },
    ]);
    let request = json!({
        "messages": messages, "continue_final_message": true, "max_tokens": 20, "temperature": 0, "prompt_lookup": true,
    });
    let expected = essence(&alone(&mut model, &request));
    model.reset();
    let mut tabs = Tabs::new(&mut model);
    tabs.ask(&request);
    // Only the decode loop makes drafts. It takes one turn.
    tabs.turn();
    let response = tabs.responses[0].take().unwrap();
    assert_eq!(essence(&response), expected);
    let drafts = &response["usage"]["completion_tokens_details"];
    assert!(drafts["accepted_prediction_tokens"].as_u64() >= Some(3), "{response}");

    // It leaves the loop for another one, and returns to it.
    let mut tabs = Tabs::new(&mut model);
    tabs.ask(&request);
    let calls = Cell::new(0);
    let others = || calls.replace(calls.get() + 1) >= 6;
    assert!(block_on(tabs.callers.turn(tabs.model, &others)).unwrap().is_empty());
    tabs.ask(&question("What is the capital of France?", json!({})));
    tabs.finish();
    assert_eq!(essence(&tabs.responses[0].take().unwrap()), expected);
    let other = tabs.responses[1].take().unwrap();
    assert_eq!(crate::common::content(&other), "The capital of France is Paris.");
}

#[test]
fn responses_and_completions_are_computed_together() {
    let mut model = model();
    let body = json!({ "input": "What is the capital of France?", "temperature": 0, "stream": true });
    let codec = codec(&model);
    let prepared = PreparedResponse::new(&body, &[], &meta()).unwrap();
    let images = parlance_api::Media::default();
    let job = ResponseJob::with_media(&codec, prepared, images, meta(), &Processors::new()).unwrap();
    let mut tabs = Tabs::new(&mut model);
    tabs.add(Work::Response(Box::new(job)));
    tabs.ask(&question("What is the capital of France?", json!({})));
    tabs.finish();
    let log = tabs.log.borrow();
    let events: Vec<&Value> =
        log.iter().filter(|(number, event)| *number == 0 && event.is_object()).map(|own| &own.1).collect();
    assert_eq!(events.first().unwrap()["type"], "response.created");
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.completed", "{last}");
    assert_eq!(last["response"]["output"][0]["content"][0]["text"], "The capital of France is Paris.");
    let other = tabs.responses[1].as_ref().unwrap();
    assert_eq!(crate::common::content(other), "The capital of France is Paris.");
}
