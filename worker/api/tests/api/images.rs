//! Images in requests to a tiny model that sees: encoded once, in their places, counted, dropped with their turns.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::cell::Cell;
use std::future::pending;
use std::path::Path;
use std::rc::Rc;

use parlance_api::{
    ChatCodec, ChatRequest, Control, Image, ImageRequest, Job, Media, MediaRequest, Medium, PreparedResponse,
    Processors, RequestError, ResponseJob, Senses,
};
use parlance_engine::gguf::{TensorType, Value as Entry, Writer};
use parlance_engine::kernels::random::Random;
use parlance_engine::runtime::{Cpu, Loader, LoaderOptions, Model, ProjectorLoader};
use parlance_engine::vision::Picture;
use pollster::block_on;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::common::{Listener, codec, meta};

/// Key, type and value.
type Metadata = (String, String, Value);

/// Descriptions from `make_vision.py` or `make_hearing.py` of the engine's tests.
#[derive(Deserialize)]
struct Fixture {
    tokenizer: Vec<Metadata>,
    projectors: Vec<Family>,
}

#[derive(Deserialize)]
pub(crate) struct Family {
    name: String,
    pub(crate) text: Described,
    pub(crate) projector: Described,
}

#[derive(Deserialize)]
pub(crate) struct Described {
    metadata: Vec<Metadata>,
    tensors: Vec<DescribedTensor>,
}

#[derive(Deserialize)]
struct DescribedTensor {
    name: String,
    shape: Vec<u64>,
    offset: f32,
    scale: f32,
}

impl Described {
    pub(crate) fn file(&self, more: &[Metadata]) -> Vec<u8> {
        let mut writer = Writer::default();
        for (key, kind, value) in self.metadata.iter().chain(more) {
            writer.metadata(key, &entry(kind, value.clone()));
        }
        for tensor in &self.tensors {
            writer.tensor(&tensor.name, TensorType::F32, &tensor.shape);
        }
        let mut bytes = writer.header();
        let mut random = Random(1);
        for (tensor, (len, padding)) in self.tensors.iter().zip(writer.data_sizes()) {
            for _ in 0..len / 4 {
                bytes.extend((tensor.offset + tensor.scale * random.float()).to_le_bytes());
            }
            bytes.resize(bytes.len() + padding as usize, 0);
        }
        bytes
    }
}

fn entry(kind: &str, value: Value) -> Entry {
    match kind {
        "u32" => Entry::Unsigned(serde_json::from_value(value).unwrap()),
        "f32" => Entry::Float(serde_json::from_value(value).unwrap()),
        "bool" => Entry::Bool(serde_json::from_value(value).unwrap()),
        "string" => Entry::String(serde_json::from_value(value).unwrap()),
        "i32s" => Entry::Integers(serde_json::from_value(value).unwrap()),
        "f32s" => Entry::Floats(serde_json::from_value(value).unwrap()),
        _ => Entry::Strings(serde_json::from_value(value).unwrap()),
    }
}

/// A tiny model that sees.
struct Seeing {
    model: Model,
    senses: Senses,
    codec: Rc<ChatCodec>,
    /// How many images were decoded.
    decoded: Rc<Cell<usize>>,
    /// How many were encoded.
    encoded: usize,
}

/// The tokenizer of the tiny models of a fixture, and the descriptions of one of them and its projector.
pub(crate) fn fixture_of(file: &str, name: &str) -> (Vec<Metadata>, Family) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/fixtures").join(file);
    let Fixture { tokenizer, projectors } = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    (tokenizer, projectors.into_iter().find(|family| family.name == name).unwrap())
}

/// The same of one that sees.
fn fixture() -> (Vec<Metadata>, Family) {
    fixture_of("vision.json", "qwen3vl_merger")
}

/// The senses of a model with this projector.
pub(crate) fn senses(projector: &Described) -> Senses {
    let mut loader = ProjectorLoader::new(Cpu::blocking(), None);
    block_on(loader.push(&projector.file(&[]))).unwrap();
    Senses::new(loader.finish().unwrap())
}

impl Seeing {
    fn load() -> Self {
        let (tokenizer, family) = fixture();
        let model = block_on(async {
            let mut loader = Loader::new(Cpu::blocking(), LoaderOptions::default());
            loader.push(&family.text.file(&tokenizer)).await.unwrap();
            loader.finish().await.unwrap()
        });
        let (senses, codec) = (senses(&family.projector), codec(&model));
        Self { model, senses, codec, decoded: Rc::default(), encoded: 0 }
    }

    /// The images that a request names, which are `data:` and a number that tells their colour.
    fn images(&self, requests: &[MediaRequest]) -> Media {
        let image = |url: &str| {
            let (colour, decoded) = (url["data:".len()..].parse::<u8>().unwrap(), Rc::clone(&self.decoded));
            let picture = move || {
                decoded.set(decoded.get() + 1);
                let rgb = (0..96 * 64 * 3).map(|index: u32| colour.wrapping_mul((index / 7) as u8)).collect();
                let picture = Picture::new(96, 64, rgb).map_err(RequestError::from);
                Box::pin(std::future::ready(picture)) as parlance_api::PictureFuture
            };
            Image { digest: colour.into(), width: 96, height: 64, picture: Box::new(picture) }
        };
        let images = requests.iter().map(|request| Medium::Image(image(&named(request).url))).collect();
        Media::new(images, Some(self.senses.projector()), self.codec.chat(), "tiny").unwrap()
    }

    /// The response to these messages.
    fn chat(&mut self, messages: &Value, more: Value, listener: &Listener) -> Result<Value, RequestError> {
        // Without the tokens that end an answer. Log probabilities are the model's own all the same.
        let bias = json!({ "257": -100, "258": -100, "259": -100 });
        let mut body = json!({
            "messages": messages, "temperature": 0, "max_tokens": 1, "logprobs": true, "logit_bias": bias,
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let request = ChatRequest::new(&body, &meta())?;
        let images = self.images(request.media());
        let mut job = Job::chat_with_media(&self.codec, request, images, meta(), &Processors::new())?;
        let before = listener.encoded.get();
        let response = block_on(async {
            job.perceive(&self.codec, Some(&mut self.senses), listener).await?;
            Ok(job.run(&mut self.model, listener).await?.unwrap())
        });
        self.encoded += listener.encoded.get() - before;
        response
    }

    /// The log probability of the likeliest token, and the usage.
    fn answer(&mut self, messages: &Value, more: Value) -> (f64, Value) {
        let mut response = self.chat(messages, more, &Listener::default()).unwrap();
        let logprob = response["choices"][0]["logprobs"]["content"][0]["logprob"].as_f64().unwrap();
        (logprob, response["usage"].take())
    }
}

/// The image that a request names.
fn named(request: &MediaRequest) -> &ImageRequest {
    match request {
        MediaRequest::Image(image) => image,
        MediaRequest::Sound(_) => panic!("there are only images"),
    }
}

fn question(images: &[u8], text: &str) -> Value {
    let images =
        images.iter().map(|colour| json!({ "type": "image_url", "image_url": { "url": format!("data:{colour}") } }));
    let content: Vec<Value> = images.chain([json!({ "type": "text", "text": text })]).collect();
    json!({ "role": "user", "content": content })
}

fn count(usage: &Value, name: &str) -> u64 {
    usage["prompt_tokens_details"][name].as_u64().unwrap_or_default()
}

#[test]
fn an_image_is_encoded_once_and_its_rows_are_reused() {
    let mut seeing = Seeing::load();
    let first = json!([question(&[3], "a")]);
    let (alone, usage) = seeing.answer(&first, json!({}));
    let image_tokens = count(&usage, "image_tokens");
    assert!(image_tokens > 4 && usage["prompt_tokens"].as_u64() > Some(image_tokens), "{usage}");
    assert_eq!((count(&usage, "cached_tokens"), seeing.encoded), (0, 1));
    assert!(usage["extra"]["image_encode_s"].as_f64() > Some(0.0), "{usage}");
    // The next turn reuses its rows; another image is encoded.
    let next = json!([question(&[3], "a"), { "role": "assistant", "content": "b" }, question(&[5], "c")]);
    let (cached, usage) = seeing.answer(&next, json!({}));
    assert_eq!((count(&usage, "image_tokens"), seeing.encoded), (2 * image_tokens, 2));
    assert!(count(&usage, "cached_tokens") > image_tokens, "{usage}");
    // Without the KV cache the answer is the same, and nothing is encoded again.
    seeing.model.reset();
    let (again, usage) = seeing.answer(&next, json!({}));
    assert_eq!((count(&usage, "cached_tokens"), seeing.encoded), (0, 2));
    assert!(usage["extra"]["image_encode_s"].is_null(), "{usage}");
    assert!((again - cached).abs() < 1e-4, "{again} and {cached}");
    // Another image in the same place gives another answer.
    let (other, _) = seeing.answer(&json!([question(&[9], "a")]), json!({}));
    assert!((other - alone).abs() > 1e-4, "{other} and {alone}");
    // So does another order.
    let (ordered, _) = seeing.answer(&json!([question(&[3, 9], "a")]), json!({}));
    let (swapped, _) = seeing.answer(&json!([question(&[9, 3], "a")]), json!({}));
    assert!((ordered - swapped).abs() > 1e-4, "{ordered} and {swapped}");
    // What is not encoded is not decoded either.
    assert_eq!((seeing.encoded, seeing.decoded.get()), (3, 3));
}

#[test]
fn edits_and_branches_keep_what_was_seen() {
    let mut seeing = Seeing::load();
    let asked = |text: &str| json!([question(&[3], text)]);
    let (first, usage) = seeing.answer(&asked("a"), json!({}));
    let image_tokens = count(&usage, "image_tokens");
    // Another text after the image, and another answer to the first.
    let branch = json!([question(&[3], "a"), { "role": "assistant", "content": "b" }, question(&[], "c")]);
    for messages in [&asked("z"), &branch] {
        let (_, usage) = seeing.answer(messages, json!({}));
        assert!(count(&usage, "cached_tokens") >= image_tokens, "{usage}");
    }
    let (again, usage) = seeing.answer(&asked("a"), json!({}));
    assert!(count(&usage, "cached_tokens") >= image_tokens && (again - first).abs() < 1e-4, "{again}: {usage}");
    assert_eq!(seeing.encoded, 1);
    // A message before it moves the image: its rows are computed again, from the same embeddings.
    let moved = json!([question(&[], "c"), { "role": "assistant", "content": "b" }, question(&[3], "a")]);
    let (_, usage) = seeing.answer(&moved, json!({}));
    assert!(count(&usage, "cached_tokens") < image_tokens, "{usage}");
    assert_eq!(seeing.encoded, 1);
}

#[test]
fn all_images_of_a_conversation_are_kept_and_only_others_make_room() {
    let seeing = Seeing::load();
    let mut seeing = Seeing { senses: seeing.senses.with_max_kept_floats(0), ..seeing };
    let answer = json!({ "role": "assistant", "content": "b" });
    let mut conversation = Vec::new();
    for (colour, encoded) in [(3, 1), (5, 2), (9, 3)] {
        conversation.push(question(&[colour], "a"));
        seeing.answer(&json!(conversation), json!({}));
        assert_eq!(seeing.encoded, encoded, "only the new image is encoded");
        conversation.push(answer.clone());
    }
    // Those of another conversation take their place.
    seeing.answer(&json!([question(&[7], "a")]), json!({}));
    assert_eq!(seeing.encoded, 4);
    conversation.push(question(&[], "c"));
    seeing.answer(&json!(conversation), json!({}));
    assert_eq!(seeing.encoded, 7);
}

#[test]
fn what_another_projector_saw_is_not_reused() {
    let mut seeing = Seeing::load();
    let messages = json!([question(&[3], "a")]);
    let (first, usage) = seeing.answer(&messages, json!({}));
    let image_tokens = count(&usage, "image_tokens");
    // One of the same name and size, as a fine-tuned version may have.
    let (_, Family { mut projector, .. }) = fixture();
    let positions = projector.tensors.iter_mut().find(|tensor| tensor.name == "v.position_embd.weight").unwrap();
    positions.scale *= 2.0;
    seeing.senses = senses(&projector);
    let (second, usage) = seeing.answer(&messages, json!({}));
    assert!(count(&usage, "cached_tokens") < image_tokens, "{usage}");
    assert!((second - first).abs() > 1e-4 && seeing.encoded == 2, "{first} and {second}");
}

#[test]
fn images_are_dropped_with_their_turns_and_not_encoded() {
    let mut seeing = Seeing::load();
    // More turns than the context of 256 tokens has room for.
    let answer = json!({ "role": "assistant", "content": "b" });
    let turns: Vec<Value> = (1..=40).flat_map(|colour| [question(&[colour], "a"), answer.clone()]).collect();
    let messages = [turns, vec![question(&[50], "c")]].concat();
    let listener = Listener::default();
    let response = seeing.chat(&json!(messages), json!({ "truncation": "auto" }), &listener).unwrap();
    let dropped = response["dropped_messages"].as_u64().unwrap() as usize;
    assert!((20..80).contains(&dropped), "{response}");
    assert_eq!(seeing.decoded.get(), (messages.len() - dropped).div_ceil(2), "only those that are kept are decoded");
    let too_long = seeing.chat(&json!(messages), json!({}), &listener).unwrap_err();
    assert_eq!(too_long.body().error.code.as_deref(), Some("context_length_exceeded"));
}

#[test]
fn a_request_that_is_stopped_encodes_nothing() {
    let mut seeing = Seeing::load();
    let listener = Listener { stop_after: Some(0), ..Listener::default() };
    let response = seeing.chat(&json!([question(&[3], "a")]), json!({}), &listener).unwrap();
    assert_eq!(response["choices"][0]["finish_reason"], "abort");
    assert_eq!(seeing.decoded.get(), 0);
}

/// Stops a request at the first report of an image's progress.
#[derive(Default)]
struct Impatient {
    reports: Cell<usize>,
}

impl Control for Impatient {
    fn prefilling(&self, _done: usize, _total: usize) {}

    fn seeing(&self, _done: usize, _total: usize) {
        self.reports.set(self.reports.get() + 1);
    }

    fn chunk(&self, _chunk: Value) {}

    async fn stopped(&self) {
        if self.reports.get() == 0 {
            pending::<()>().await;
        }
    }
}

#[test]
fn a_request_that_is_stopped_while_it_sees_goes_no_further() {
    let mut seeing = Seeing::load();
    let messages = json!([question(&[3], "a")]);
    let request = ChatRequest::new(&json!({ "messages": messages }), &meta()).unwrap();
    let images = seeing.images(request.media());
    let mut job = Job::chat_with_media(&seeing.codec, request, images, meta(), &Processors::new()).unwrap();
    let control = Impatient::default();
    let response = block_on(async {
        job.perceive(&seeing.codec, Some(&mut seeing.senses), &control).await.unwrap();
        job.run(&mut seeing.model, &control).await.unwrap().unwrap()
    });
    assert_eq!(response["choices"][0]["finish_reason"], "abort");
    assert_eq!(control.reports.get(), 1, "no layer is computed any more");
    // Nothing of it is left behind.
    let (stopped, _) = seeing.answer(&messages, json!({}));
    let (whole, _) = Seeing::load().answer(&messages, json!({}));
    assert_eq!(seeing.encoded, 1);
    assert!((stopped - whole).abs() < 1e-4, "{stopped} and {whole}");
}

#[test]
fn a_response_sees_what_a_chat_completion_sees() {
    let mut seeing = Seeing::load();
    let content = json!([{ "type": "input_image", "image_url": "data:3" }, { "type": "input_text", "text": "a" }]);
    let body =
        json!({ "input": [{ "role": "user", "content": content }], "stream": true, "max_output_tokens": 1, "seed": 1 });
    let refused = ResponseJob::new(&seeing.codec, &body, &[], meta(), &Processors::new()).err().unwrap();
    assert_eq!(refused.body().error.code.as_deref(), Some("images_not_supported"));

    let request = PreparedResponse::new(&body, &[], &meta()).unwrap();
    assert_eq!(named(&request.media()[0]).param, "input[0].content[0].image_url");
    let images = seeing.images(request.media());
    let mut job = ResponseJob::with_media(&seeing.codec, request, images, meta(), &Processors::new()).unwrap();
    let listener = Listener::default();
    block_on(async {
        job.perceive(&seeing.codec, Some(&mut seeing.senses), &listener).await.unwrap();
        assert_eq!(listener.chunks.borrow()[0]["type"], "response.created", "the stream has begun");
        job.run(&mut seeing.model, &listener).await.unwrap();
    });
    let response = json!(job.response());
    let (_, usage) = seeing.answer(&json!([question(&[3], "a")]), json!({}));
    assert_eq!(response["usage"]["input_tokens"], usage["prompt_tokens"], "{response}");
    assert_eq!(seeing.decoded.get(), 1);
}
