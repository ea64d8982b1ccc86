//! Answers that are computed together: each gets the text that it gets alone, can be stopped alone, and waits for nobody's
//! prompt.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use parlance_engine::EngineError;
use parlance_engine::runtime::{Choice, Device, Loader, LoaderOptions, Model, Schedule, Turn};
use parlance_engine::sampling::{SamplingParams, SamplingPlan};
use pollster::block_on;

use crate::architectures::{CONTEXT, FIXTURE, file};
use crate::hybrids::{devices, with_batches_of};

/// Models whose layers leave all kinds of memory.
const MODELS: [&str; 4] = ["qwen3", "gemma3", "lfm2", "qwen35"];
const SEQUENCES: usize = 3;

const RANDOM: SamplingParams = SamplingParams {
    temperature: 0.9,
    top_k: 40,
    top_p: 0.95,
    repetition_penalty: 1.2,
    presence_penalty: 0.4,
    seed: 5,
    ..SamplingParams::GREEDY
};

/// Someone with a prompt.
#[derive(Clone)]
struct Caller {
    prompt: Vec<u32>,
    params: SamplingParams,
    /// Number of tokens that it wants.
    limit: usize,
    text: Vec<u32>,
    /// Its sequence, once it has one.
    sequence: Option<usize>,
    is_reading: bool,
}

impl Caller {
    fn new(prompt: &[u32], params: SamplingParams, limit: usize) -> Self {
        Self { prompt: prompt.to_vec(), params, limit, text: Vec::new(), sequence: None, is_reading: true }
    }

    /// What its answer is sampled with, after a part of it.
    fn plan(&self) -> SamplingPlan<'static> {
        SamplingPlan { generated: self.text.len(), ..(&self.params).into() }
    }

    fn is_done(&self) -> bool {
        self.text.len() >= self.limit
    }

    /// Its text if nobody else asks.
    async fn alone(&self, model: &mut Model) -> Vec<u32> {
        model.prefill(&self.prompt, |_, _| true).await.unwrap();
        let mut generation = model.generate(&self.prompt, self.plan(), self.limit).unwrap();
        let mut text = Vec::new();
        while let Some(token) = generation.next().await.unwrap() {
            text.push(token);
        }
        text
    }
}

/// Computes turns until all callers have their texts, or as many as these, and returns them.
async fn serve(model: &mut Model, callers: &mut [Caller], most: usize) -> Vec<Turn> {
    let mut schedule = Schedule::default();
    let mut turns = Vec::new();
    while turns.len() < most {
        seat(model, callers).await;
        let active =
            |caller: &Caller, reads: bool| caller.sequence.is_some() && caller.is_reading == reads && !caller.is_done();
        let readers: Vec<usize> = (0..callers.len()).filter(|index| active(&callers[*index], true)).collect();
        let writers: Vec<usize> = (0..callers.len()).filter(|index| active(&callers[*index], false)).collect();
        let Some(turn) = schedule.next(&readers, !writers.is_empty()) else { break };
        match turn {
            Turn::Read(reader) => read(model, &mut callers[reader]).await,
            Turn::Step => step(model, callers, &writers).await,
        }
        schedule.note(turn, 1.0);
        turns.push(turn);
    }
    turns
}

/// Gives free sequences to callers who wait for one, in order.
async fn seat(model: &mut Model, callers: &mut [Caller]) {
    for index in 0..callers.len() {
        let taken =
            |sequence: &usize| callers.iter().any(|other| other.sequence == Some(*sequence) && !other.is_done());
        let free: Vec<usize> = (0..model.sequence_count()).filter(|sequence| !taken(sequence)).collect();
        let caller = &mut callers[index];
        if caller.sequence.is_some() {
            continue;
        }
        let Some(sequence) = model.best_sequence(&caller.prompt, &free) else { return };
        model.select(sequence);
        caller.sequence = Some(sequence);
        if model.begin_prompt(&caller.prompt).await.unwrap() == 0 {
            join(model, caller);
        }
    }
}

fn join(model: &mut Model, caller: &mut Caller) {
    model.join(&caller.prompt, caller.plan()).unwrap();
    caller.is_reading = false;
}

async fn read(model: &mut Model, caller: &mut Caller) {
    model.select(caller.sequence.unwrap());
    let most = model.piece_len();
    if model.read_piece(&caller.prompt, most).await.unwrap() == 0 {
        join(model, caller);
    }
}

async fn step(model: &mut Model, callers: &mut [Caller], writers: &[usize]) {
    let most = model.max_joint();
    for writers in writers.chunks(most) {
        let sequences: Vec<usize> = writers.iter().map(|index| callers[*index].sequence.unwrap()).collect();
        let begun = model.begin_step(&sequences).await.unwrap();
        let steps = begun.choose(&vec![Choice::default(); writers.len()]).await.unwrap();
        for (index, step) in writers.iter().zip(steps) {
            callers[*index].text.push(step.token);
        }
    }
}

/// The devices that several models can use at once, with such small batches that prompts are read in several pieces.
async fn shared_devices() -> Vec<(&'static str, Device)> {
    let devices = devices().await.into_iter().filter(|(name, _)| *name != "threads");
    devices.map(|(name, device)| (name, with_batches_of(&device, 16))).collect()
}

async fn load(device: &Device, name: &str, options: LoaderOptions) -> Model {
    let mut loader = Loader::new(device.clone(), options);
    loader.push(&file(name)).await.unwrap();
    loader.finish().await.unwrap()
}

async fn load_for_several(device: &Device, name: &str) -> Model {
    let further_sequences = SEQUENCES as u32 - 1;
    let options = LoaderOptions { context_tokens: Some(CONTEXT), further_sequences, ..LoaderOptions::default() };
    let model = load(device, name, options).await;
    assert_eq!(model.sequence_count(), SEQUENCES, "{name}");
    model
}

/// More callers than sequences, some of them greedy.
fn callers() -> [Caller; 5] {
    let ids = &FIXTURE.long.ids;
    [
        Caller::new(&ids[..50], SamplingParams::GREEDY, 24),
        Caller::new(&ids[60..130], RANDOM, 9),
        Caller::new(&ids[20..35], SamplingParams { seed: 6, ..RANDOM }, 30),
        Caller::new(&ids[..80], SamplingParams::GREEDY, 12),
        Caller::new(&ids[37..90], RANDOM, 16),
    ]
}

#[test]
fn answers_computed_together_are_those_computed_alone() {
    block_on(async {
        for (device_name, device) in shared_devices().await {
            let models = if device_name == "a graphics card" { &MODELS[..2] } else { &MODELS[..] };
            for name in models.iter().copied() {
                let mut alone = crate::architectures::load(device.clone(), &file(name)).await;
                let mut model = load_for_several(&device, name).await;
                let mut callers = callers();
                serve(&mut model, &mut callers, usize::MAX).await;
                for (index, caller) in callers.into_iter().enumerate() {
                    let expected = Caller { text: Vec::new(), ..caller.clone() }.alone(&mut alone).await;
                    assert_eq!(caller.text, expected, "caller {index} of {name} on {device_name}");
                }
            }
        }
    });
}

#[test]
fn a_long_prompt_is_read_between_the_steps_of_others() {
    block_on(async {
        for (device_name, device) in shared_devices().await {
            let mut alone = crate::architectures::load(device.clone(), &file("qwen3")).await;
            let mut model = load_for_several(&device, "qwen3").await;
            let ids = &FIXTURE.long.ids;
            let mut callers = vec![Caller::new(&ids[..20], SamplingParams::GREEDY, 40)];
            while callers[0].text.is_empty() {
                serve(&mut model, &mut callers, 1).await;
            }
            callers.push(Caller::new(&ids[10..140], SamplingParams::GREEDY, 3));
            let turns = serve(&mut model, &mut callers, usize::MAX).await;
            let pieces = turns.iter().filter(|turn| **turn == Turn::Read(1)).count();
            assert!(pieces >= 3, "{device_name}: {turns:?}");
            let is_read = |turn: &Turn| matches!(turn, Turn::Read(_));
            assert!(!turns.windows(2).any(|pair| pair.iter().all(is_read)), "{device_name}: {turns:?}");
            for caller in &callers {
                let expected = Caller { text: Vec::new(), ..caller.clone() }.alone(&mut alone).await;
                assert_eq!(caller.text, expected, "{device_name}");
            }
        }
    });
}

#[test]
fn an_answer_that_stops_leaves_the_others_alone_and_its_sequence_to_the_next() {
    block_on(async {
        for (device_name, device) in shared_devices().await {
            for name in ["qwen3", "lfm2"] {
                let what = format!("{name} on {device_name}");
                let mut alone = crate::architectures::load(device.clone(), &file(name)).await;
                let mut model = load_for_several(&device, name).await;
                let mut callers = callers();
                while callers[0].text.len() < 4 {
                    serve(&mut model, &mut callers[..3], 1).await;
                }
                // The first one wants no more, and the fourth has been waiting.
                let stopped = callers[0].text.len();
                callers[0].limit = stopped;
                serve(&mut model, &mut callers[..4], usize::MAX).await;
                assert_eq!(callers[3].sequence, callers[0].sequence, "{what}: their prompts begin alike");
                for caller in &callers[..4] {
                    let expected = Caller { text: Vec::new(), ..caller.clone() }.alone(&mut alone).await;
                    assert_eq!(caller.text, expected, "{what}");
                }
                // An answer can go on alone, and together again.
                let all = [&callers[3].prompt[..], &callers[3].text].concat();
                model.select(callers[3].sequence.unwrap());
                model.prefill(&all, |_, _| true).await.unwrap();
                let plan = SamplingPlan { generated: callers[3].text.len(), ..(&SamplingParams::GREEDY).into() };
                let mut generation = model.generate(&all, plan, 5).unwrap();
                while let Some(token) = generation.next().await.unwrap() {
                    callers[3].text.push(token);
                }
                let whole = Caller { limit: callers[3].text.len() + 4, text: Vec::new(), ..callers[3].clone() };
                let all = [&callers[3].prompt[..], &callers[3].text].concat();
                let mut last = Caller { prompt: all, limit: 4, text: Vec::new(), ..callers[3].clone() };
                last.sequence = None;
                last.is_reading = true;
                serve(&mut model, std::slice::from_mut(&mut last), usize::MAX).await;
                let text = [&callers[3].text[..], &last.text].concat();
                assert_eq!(text, whole.alone(&mut alone).await, "{what}");
            }
        }
    });
}

#[test]
fn a_prompt_that_another_sequence_holds_is_copied() {
    block_on(async {
        for (device_name, device) in shared_devices().await {
            for name in MODELS {
                let what = format!("{name} on {device_name}");
                let mut model = load_for_several(&device, name).await;
                let prompt = &FIXTURE.long.ids[..70];
                model.select(0);
                model.prefill(prompt, |_, _| true).await.unwrap();
                let expected = model.decode_logits(prompt[69]).await.unwrap();
                model.select(2);
                assert_eq!(model.cached_prefix_len(prompt), 69, "{what}");
                assert_eq!(model.begin_prompt(prompt).await.unwrap(), 0, "{what}");
                assert_eq!(model.decode_logits(prompt[69]).await.unwrap(), expected, "{what}");
                // The one that it was copied from is as it was.
                model.select(0);
                assert_eq!(model.cached_len(), 70, "{what}");
                assert_eq!(model.best_sequence(prompt, &[1, 2]), Some(2), "{what}");
                assert_eq!(model.best_sequence(&FIXTURE.long.ids[90..], &[0, 1, 2]), Some(1), "{what}: it is empty");
            }
        }
    });
}

#[test]
fn choices_are_restricted_and_logits_returned_for_each_answer() {
    block_on(async {
        for (device_name, device) in shared_devices().await {
            let mut model = load_for_several(&device, "qwen3").await;
            let mut alone = crate::architectures::load(device.clone(), &file("qwen3")).await;
            let prompts = [&FIXTURE.long.ids[..40], &FIXTURE.long.ids[50..75]];
            for (sequence, prompt) in prompts.into_iter().enumerate() {
                model.select(sequence);
                model.prefill(prompt, |_, _| true).await.unwrap();
                model.join(prompt, &SamplingParams::GREEDY).unwrap();
            }
            let only = 77;
            let mut allowed = vec![0u32; model.config().vocab.div_ceil(32) as usize];
            allowed[only / 32] |= 1 << (only % 32);
            let mut begun = model.begin_step(&[1, 0]).await.unwrap();
            let mut changed = begun.logits(1).await.unwrap();
            let likeliest = changed.iter().copied().fold(f32::MIN, f32::max);
            changed[3] = likeliest + 1.0;
            begun.set_logits(1, &changed);
            let restricted = Choice { allowed: Some(&allowed), wants_logits: true };
            let steps = begun.choose(&[restricted, Choice::default()]).await.unwrap();
            assert_eq!([steps[0].token, steps[1].token], [only as u32, 3], "{device_name}");
            assert_eq!(steps[1].logits, None, "{device_name}");
            alone.prefill(prompts[1], |_, _| true).await.unwrap();
            let expected = alone.decode_logits(*prompts[1].last().unwrap()).await.unwrap();
            let found = crate::architectures::divergence(steps[0].logits.as_ref().unwrap(), &expected).abs();
            assert!(found < 1e-5, "{device_name}: {found:.1e}");
        }
    });
}

#[test]
fn a_full_context_is_told_and_memory_limits_the_number_of_sequences() {
    block_on(async {
        for (device_name, device) in shared_devices().await {
            let mut model = load_for_several(&device, "qwen3").await;
            let prompt: Vec<u32> = FIXTURE.long.ids.iter().copied().cycle().take(CONTEXT as usize - 2).collect();
            model.select(1);
            model.prefill(&prompt, |_, _| true).await.unwrap();
            model.join(&prompt, &SamplingParams::GREEDY).unwrap();
            let mut count = 0;
            while model.has_room(1) {
                model.begin_step(&[1]).await.unwrap().choose(&[Choice::default()]).await.unwrap();
                count += 1;
            }
            assert_eq!(count, 3, "{device_name}");
            let refused = model.begin_step(&[1]).await.err();
            assert!(matches!(refused, Some(EngineError::ContextOverflow { .. })), "{device_name}: {refused:?}");

            let context_tokens = Some(CONTEXT);
            let kv_bytes = model.config().kv_bytes(CONTEXT) / SEQUENCES as u64;
            for (spare_bytes, expected) in [(None, 16), (Some(0), 1), (Some(2 * kv_bytes), 3)] {
                let options =
                    LoaderOptions { context_tokens, further_sequences: 99, spare_bytes, ..LoaderOptions::default() };
                let found = load(&device, "qwen3", options).await.sequence_count();
                assert_eq!(found, expected, "{device_name}, {spare_bytes:?}");
            }
        }
    });
}
