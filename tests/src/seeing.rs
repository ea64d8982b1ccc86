//! Tiny models that see or hear, and what the native engine makes of a conversation with pictures.
#![allow(clippy::unwrap_used, reason = "a test without the native answer has nothing to compare with")]

use std::io;

use parlance_engine::kernels::random::Random;
use parlance_engine::runtime::{
    Cpu, Device, Loader, LoaderOptions, Model, Part, Projector, ProjectorLoader, Prompt, Span,
};
use parlance_engine::sampling::SamplingParams;
use parlance_engine::template::TemplateOptions;
use parlance_engine::vision::Picture;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::described::{Described, DescribedTensor, Entry, read};
use crate::tiny::LETTERS;

/// Stands for a picture in a text.
const MARK: char = '\u{FDD1}';
/// The chat template of models that other engines load, too.
const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}\
    {% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
/// The matrix from hidden states to logits, where it is not that of the tokens' embeddings.
const HEAD: &str = "output.weight";

/// Descriptions from `make_vision.py` and `make_hearing.py` of the engine's tests.
#[derive(Deserialize)]
struct Fixture {
    tokenizer: Vec<Entry>,
    projectors: Vec<Family>,
}

#[derive(Deserialize)]
struct Family {
    name: String,
    text: Described,
    projector: Described,
}

impl DescribedTensor {
    /// The same tensor of a model that is `to` wide, not `from`.
    fn widened(mut self, from: u64, to: u64) -> Self {
        // What leads back to the hidden state has as many rows as that is wide; everything else has as many columns.
        let leads_back = ["attn_output.weight", "ffn_down.weight"].iter().any(|name| self.name.ends_with(name));
        if let Some(len) = self.shape.get_mut(usize::from(leads_back)).filter(|len| **len == from) {
            *len = to;
        }
        self
    }

    /// Whether a weight belongs to a token that [`talking_seeing_model`] never generates.
    fn is_silent(&self, index: u64) -> bool {
        self.name == HEAD && !LETTERS.contains(&((index / self.shape[0]) as usize))
    }
}

/// The files of a tiny model that sees or hears.
pub struct SeeingModel {
    /// The model.
    pub model: Vec<u8>,
    /// Its projector.
    pub projector: Vec<u8>,
}

/// A tiny model with a projector of this family, with random weights.
///
/// # Errors
/// If the fixture cannot be read, or has no such family.
pub fn seeing_model(family: &str) -> io::Result<SeeingModel> {
    let (tokenizer, Family { text, projector, .. }) = described(family)?;
    Ok(SeeingModel { model: file(&text, &tokenizer)?, projector: file(&projector, &[])? })
}

/// A tiny model with a projector of sounds of this family, with random weights.
///
/// # Errors
/// If the fixture cannot be read, or has no such family.
pub fn hearing_model(family: &str) -> io::Result<SeeingModel> {
    let (tokenizer, Family { text, projector, .. }) = described_in("hearing.json", family)?;
    Ok(SeeingModel { model: file(&text, &tokenizer)?, projector: file(&projector, &[])? })
}

/// A tiny model that sees, with a head of its own, which makes its greedy answers letters until a limit is reached. They depend on what it
/// sees.
///
/// # Errors
/// If the fixture cannot be read, or has no such family.
pub fn talking_seeing_model(family: &str) -> io::Result<SeeingModel> {
    let (tokenizer, Family { mut text, projector, .. }) = described(family)?;
    let embeddings = text.tensors.first().ok_or_else(|| io::Error::other("the model has no tensors"))?;
    // Clear differences between logits, so that rounding chooses no letter.
    let head = DescribedTensor { name: HEAD.to_owned(), shape: embeddings.shape.clone(), offset: 0.0, scale: 1.0 };
    text.tensors.push(head);
    Ok(SeeingModel { model: file(&text, &tokenizer)?, projector: file(&projector, &[])? })
}

/// A model with a chat template that is as small as one of this family and width can be, and has room for large pictures.
/// Embeddings of pictures are added to `deepstack` of its layers.
pub(crate) fn text_of_width(family: &str, width: u64, deepstack: u64) -> io::Result<Vec<u8>> {
    let (mut tokenizer, Family { mut text, .. }) = described(family)?;
    tokenizer.push(("tokenizer.chat_template".to_owned(), "string".to_owned(), CHATML.into()));
    let layers = deepstack.max(1);
    for (key, _, value) in &mut text.metadata {
        match key.rsplit('.').next() {
            Some("embedding_length") => *value = width.into(),
            Some("block_count") => *value = layers.into(),
            Some("n_deepstack_layers") => *value = deepstack.into(),
            Some("context_length") => *value = 4096.into(),
            Some("sliding_window") => *value = 1024.into(),
            _ => {}
        }
    }
    let own_width = text.tensors.first().map_or(0, |embeddings| embeddings.shape[0]);
    let (first, others): (Vec<_>, Vec<_>) = std::mem::take(&mut text.tensors)
        .into_iter()
        .filter(|tensor| tensor.name.starts_with("blk.0.") || !tensor.name.starts_with("blk."))
        .partition(|tensor| tensor.name.starts_with("blk."));
    let all = (0..layers).flat_map(|layer| {
        let part_of = move |tensor: &DescribedTensor| DescribedTensor {
            name: tensor.name.replacen("blk.0.", &format!("blk.{layer}."), 1),
            ..tensor.clone()
        };
        first.iter().map(part_of)
    });
    text.tensors = others.iter().cloned().chain(all).map(|tensor| tensor.widened(own_width, width)).collect();
    file(&text, &tokenizer)
}

/// The tokenizer of the tiny models, and what the fixture says of a family.
fn described(family: &str) -> io::Result<(Vec<Entry>, Family)> {
    described_in("vision.json", family)
}

fn described_in(fixture: &str, family: &str) -> io::Result<(Vec<Entry>, Family)> {
    let Fixture { tokenizer, projectors } = read(fixture)?;
    let family = projectors.into_iter().find(|known| known.name == family);
    Ok((tokenizer, family.ok_or_else(|| io::Error::other("the fixture has no such family"))?))
}

fn file(described: &Described, more: &[Entry]) -> io::Result<Vec<u8>> {
    let mut random = Random(1);
    described.file(more, |tensor, len_bytes| {
        let weight = |index: u64| {
            let weight = tensor.offset + tensor.scale * random.float();
            if tensor.is_silent(index) { 0.0 } else { weight }
        };
        (0..len_bytes as u64 / 4).map(weight).flat_map(f32::to_le_bytes).collect()
    })
}

/// A picture of this width and height; [`PICTURE`] draws the same in a page.
///
/// # Panics
/// If it has no pixels, or too many.
pub fn picture([width, height]: [u32; 2]) -> Picture {
    let pixel = |x: u32, y: u32| {
        let [from_left, from_top] = [(x, width), (y, height)].map(|(at, side)| (2 * at).abs_diff(side));
        let red = x * 255 / (width - 1);
        let green = if (x / 7 + y / 5) % 2 == 1 { 230 } else { y * 180 / height };
        let blue = (from_left.pow(2) + from_top.pow(2)) / 40 % 256;
        [red, green, blue].map(|colour| colour as u8)
    };
    let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y)));
    Picture::new(width, height, rgb.collect()).unwrap()
}

/// Script: a function that draws a picture of some width and height, as a PNG file.
pub const PICTURE: &str = "async (width, height) => {
    const data = new ImageData(width, height);
    for (let y = 0; y < height; y += 1) {
        for (let x = 0; x < width; x += 1) {
            const [left, top] = [Math.abs(2 * x - width), Math.abs(2 * y - height)];
            const red = Math.floor(x * 255 / (width - 1));
            const green = (Math.floor(x / 7) + Math.floor(y / 5)) % 2 === 1 ? 230 : Math.floor(y * 180 / height);
            const blue = Math.floor((left * left + top * top) / 40) % 256;
            data.data.set([red, green, blue, 255], 4 * (y * width + x));
        }
    }
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext('2d').putImageData(data, 0, 0);
    return new File([await canvas.convertToBlob()], 'picture.png', { type: 'image/png' });
}";

/// A message: its role, the size of the picture that it begins with, and its text.
pub type Turn<'t> = (&'t str, Option<[u32; 2]>, &'t str);

/// A model that sees, on the CPU.
struct Seeing {
    model: Model,
    projector: Projector,
}

impl Seeing {
    async fn load(files: &SeeingModel) -> Self {
        let device: Device = Cpu::blocking().into();
        let mut loader = Loader::new(device.clone(), LoaderOptions::default());
        loader.push(&files.model).await.unwrap();
        let model = loader.finish().await.unwrap();
        let mut loader = ProjectorLoader::new(device, Some(files.projector.len() as u64));
        loader.push(&files.projector).await.unwrap();
        let projector = loader.finish().unwrap();
        projector.check(&model).unwrap();
        Self { model, projector }
    }

    /// The parts of the prompt that asks for what follows a conversation.
    async fn parts(&mut self, turns: &[Turn<'_>]) -> Vec<Part> {
        let chat = self.model.chat_handle();
        let message = |(role, picture, text): &Turn<'_>| {
            let mark = picture.map(|_| MARK.to_string()).unwrap_or_default();
            json!({ "role": role, "content": format!("{mark}{text}") })
        };
        let messages: Json = turns.iter().map(message).collect();
        let text = chat.prompt_text(&messages, &TemplateOptions::default()).unwrap();
        let mut parts = Vec::new();
        let mut sizes = turns.iter().filter_map(|(_, picture, _)| *picture);
        for (index, text) in text.split(MARK).enumerate() {
            if index == 0 {
                parts.push(Part::Tokens(chat.encode_prompt(text).unwrap()));
                continue;
            }
            let picture = picture(sizes.next().unwrap());
            parts.extend(self.projector.encode(&chat, &picture, index as u64, |_, _| true).await.unwrap());
            parts.push(Part::Tokens(chat.tokenizer().encode(text).unwrap()));
        }
        parts
    }

    /// The greedy answer of this many tokens.
    async fn answer(&mut self, turns: &[Turn<'_>], tokens: usize) -> String {
        let parts = self.parts(turns).await;
        let prompt = Prompt(parts.iter().map(Part::span).collect());
        self.model.prefill(&prompt, |_, _| true).await.unwrap();
        let chat = self.model.chat_handle();
        let mut detokenizer = chat.detokenizer();
        let mut text = String::new();
        let mut generation = self.model.generate(&prompt, &SamplingParams::GREEDY, tokens).unwrap();
        while let Some(id) = generation.next().await.unwrap() {
            text.push_str(&detokenizer.push(id));
        }
        text + &detokenizer.finish()
    }
}

/// The log probabilities of the five likeliest tokens after a conversation, on the CPU.
///
/// # Panics
/// If the engine fails.
pub fn top_log_probs(files: &SeeingModel, turns: &[Turn<'_>]) -> Vec<f64> {
    pollster::block_on(async {
        let mut seeing = Seeing::load(files).await;
        let parts = seeing.parts(turns).await;
        let prompt = Prompt(parts.iter().map(Part::span).collect());
        seeing.model.prefill(&prompt, |_, _| true).await.unwrap();
        let Some(Span::Tokens([.., last])) = prompt.0.last() else { panic!("a prompt ends with a token") };
        let logits = seeing.model.decode_logits(*last).await.unwrap();

        let sum: f64 = logits.iter().map(|logit| f64::from(*logit).exp()).sum();
        let mut log_probs: Vec<f64> = logits.iter().map(|logit| f64::from(*logit) - sum.ln()).collect();
        log_probs.sort_by(|a, b| b.total_cmp(a));
        log_probs.truncate(5);
        log_probs
    })
}

/// The greedy answers of this many tokens to questions that are asked one after the other, each about a picture of its own of
/// this size, on the CPU.
///
/// # Panics
/// If the engine fails.
pub fn answers(files: &SeeingModel, questions: &[([u32; 2], &str)], tokens: usize) -> Vec<String> {
    pollster::block_on(async {
        let mut seeing = Seeing::load(files).await;
        let mut answers: Vec<String> = Vec::new();
        while answers.len() < questions.len() {
            let mut turns: Vec<Turn<'_>> = Vec::new();
            for (index, (size, question)) in questions[..=answers.len()].iter().enumerate() {
                turns.push(("user", Some(*size), *question));
                turns.extend(answers.get(index).map(|answer| ("assistant", None, answer.as_str())));
            }
            let answer = seeing.answer(&turns, tokens).await;
            answers.push(answer);
        }
        answers
    })
}
