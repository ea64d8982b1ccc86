//! `logit_scan.wgsl` and `sample.wgsl`.

use parlance_engine::kernels;
use parlance_engine::kernels::Grid;
use parlance_engine::kernels::sampling::{RING_LEN, chunk_count, logit_scan, sample};
use parlance_engine::runtime::{Dispatch, Gpu};
use parlance_engine::sampling::{IN_PROMPT, SamplingParams};

use crate::common::{Random, assert_close, plain_device};
use crate::{gpu_tests, read, run, state};

gpu_tests! {
    sampling_matches_its_reference_and_feeds_tokens_back,
    the_draw_follows_the_probabilities,
    rounding_of_the_logits_rarely_changes_the_draw,
    forbidden_tokens_are_never_chosen_and_bias_comes_before_penalties,
}

/// What a request adds to sampling.
#[derive(Default)]
struct Choice {
    /// A bit per token.
    allowed: Option<Vec<u32>>,
    bias: Option<Vec<f32>>,
}

/// The sampler's dispatches and buffers.
struct Sampler {
    dispatches: [Dispatch; 2],
    logits: wgpu::Buffer,
    state: wgpu::Buffer,
    next: wgpu::Buffer,
    ring: wgpu::Buffer,
    history: wgpu::Buffer,
}

impl Sampler {
    fn new(gpu: &Gpu, logits: &[f32], history: &[u32], params: &SamplingParams, step: u32) -> Self {
        Self::with_choice(gpu, logits, history, params, step, &Choice::default())
    }

    fn with_choice(
        gpu: &Gpu,
        logits: &[f32],
        history: &[u32],
        params: &SamplingParams,
        step: u32,
        choice: &Choice,
    ) -> Self {
        let vocab = logits.len() as u32;
        let state = state(gpu, 40, 1, step);
        let sampling = gpu.buffer("sampling", 48, wgpu::BufferUsages::UNIFORM);
        gpu.queue().write_buffer(&sampling, 0, bytemuck::bytes_of(params));
        let switches = [u32::from(choice.allowed.is_some()), u32::from(choice.bias.is_some())];
        gpu.queue().write_buffer(&sampling, 32, bytemuck::cast_slice(&switches));
        let allowed = gpu.storage_buffer_with("allowed", choice.allowed.as_deref().unwrap_or(&[0]));
        let bias = gpu.storage_buffer_with("bias", choice.bias.as_deref().unwrap_or(&[0.0]));
        let logits = gpu.storage_buffer_with("logits", logits);
        let history = gpu.storage_buffer_with("history", history);
        let candidates = gpu.storage_buffer("candidates", u64::from(chunk_count(vocab)) * 8);
        let next = gpu.storage_buffer("next", 4);
        let ring = gpu.storage_buffer("ring", u64::from(RING_LEN) * 4);
        let scan = [
            ("sampling", &sampling),
            ("logits", &logits),
            ("history", &history),
            ("candidates", &candidates),
            ("allowed", &allowed),
            ("bias", &bias),
            ("state", &state),
        ];
        let choose = [
            ("sampling", &sampling),
            ("logits", &logits),
            ("candidates", &candidates),
            ("state", &state),
            ("next_id", &next),
            ("ring", &ring),
            ("history", &history),
        ];
        let dispatches = [
            Dispatch::new(gpu, &logit_scan(vocab), &scan, Grid::Fixed([chunk_count(vocab), 1, 1])),
            Dispatch::new(gpu, &sample(vocab), &choose, Grid::Fixed([1, 1, 1])),
        ];
        Self { dispatches, logits, state, next, ring, history }
    }
}

async fn sampling_matches_its_reference_and_feeds_tokens_back() {
    let greedy = SamplingParams::GREEDY;
    let warm = SamplingParams { temperature: 0.8, seed: 11, ..greedy };
    let cases = [
        greedy,
        SamplingParams { repetition_penalty: 1.3, frequency_penalty: 0.5, presence_penalty: 1.0, ..greedy },
        warm,
        SamplingParams { top_k: 40, ..warm },
        SamplingParams { top_p: 0.9, ..warm },
        SamplingParams { min_p: 0.05, ..warm },
        SamplingParams { top_k: 50, top_p: 0.8, min_p: 0.02, repetition_penalty: 1.1, ..warm },
        SamplingParams { top_k: 1, temperature: 2.0, ..warm },
        SamplingParams { top_k: 1_000_000, top_p: 1e-6, ..warm },
    ];
    let gpu = plain_device().await;
    let mut random = Random(6);
    for (case, vocab) in cases.iter().flat_map(|case| [(case, 5003usize), (case, 300)]) {
        for step in 0..4 {
            let logits: Vec<f32> = (0..vocab).map(|_| 8.0 * random.float() + 3.0 * random.float()).collect();
            let history: Vec<u32> = (0..vocab)
                .map(|_| match random.bits() % 8 {
                    0 => IN_PROMPT,
                    1 => IN_PROMPT | 2,
                    2 => 3,
                    _ => 0,
                })
                .collect();
            let sampler = Sampler::new(&gpu, &logits, &history, case, step);
            run(&gpu, &sampler.dispatches, 1);

            let penalised: Vec<f32> = logits
                .iter()
                .zip(&history)
                .map(|(logit, seen)| kernels::sampling::reference::penalise(*logit, *seen, case))
                .collect();
            // The draw is checked with the GPU's own logits, so that a different last bit cannot move a threshold.
            let actual: Vec<f32> = read(&gpu, &sampler.logits, vocab).await;
            assert_close(&actual, &penalised, 1e-6, "penalised logits");
            let id = read::<u32>(&gpu, &sampler.next, 1).await[0] as usize;
            let what = format!("{case:?}, vocab {vocab}, step {step}");
            if case.temperature == 0.0 {
                let best = actual.iter().copied().fold(f32::MIN, f32::max);
                assert_eq!(id, actual.iter().position(|logit| *logit == best).unwrap(), "{what}");
            } else {
                assert_draw(&actual, case, step, id, &what);
            }
            assert_eq!(read::<u32>(&gpu, &sampler.state, 4).await, [41, 1, step + 1, 0], "{what}");
            assert_eq!(read::<u32>(&gpu, &sampler.ring, 4).await[step as usize] as usize, id, "{what}");
            assert_eq!(read::<u32>(&gpu, &sampler.history, vocab).await[id], history[id] + 1, "{what}");
        }
    }
}

/// Asserts that the draw is the reference's or nearly ties with it, because `log` and `exp` differ in the last bits.
fn assert_draw(logits: &[f32], params: &SamplingParams, step: u32, id: usize, what: &str) {
    let runners: Vec<_> = kernels::sampling::reference::race(logits, params, step).collect();
    let highest = runners.iter().map(|(_, score)| *score).fold(f32::MIN, f32::max);
    let Some((_, score)) = runners.iter().find(|(runner, _)| *runner == id) else {
        panic!("{what}: {id} is not among the {} candidates", runners.len());
    };
    assert!(highest - score < 1e-4, "{what}: {id} has {score}, and the winner {highest}");
}

async fn the_draw_follows_the_probabilities() {
    let gpu = plain_device().await;
    // Probabilities 1/2, 1/4, 1/8, 1/8.
    let logits = [4.0f32, 2.0, 1.0, 1.0].map(f32::ln);
    let params = SamplingParams { temperature: 1.0, seed: 5, ..SamplingParams::GREEDY };
    let mut counts = [0u32; 4];
    let draws = 800;
    for step in 0..draws {
        let sampler = Sampler::new(&gpu, &logits, &[0; 4], &params, step);
        run(&gpu, &sampler.dispatches, 1);
        counts[read::<u32>(&gpu, &sampler.next, 1).await[0] as usize] += 1;
    }
    for (count, share) in counts.iter().zip([0.5, 0.25, 0.125, 0.125]) {
        // Four standard deviations.
        let expected = f64::from(draws) * share;
        let bound = 4.0 * (expected * (1.0 - share)).sqrt();
        assert!((f64::from(*count) - expected).abs() < bound, "{counts:?}");
    }
}

/// An answer that continues on another device, where sums are rounded differently, continues with the same words.
async fn rounding_of_the_logits_rarely_changes_the_draw() {
    let gpu = plain_device().await;
    let mut random = Random(12);
    // A flat tail has most of the probability, so that a draw by cumulative sums would move by many tokens.
    let params = SamplingParams { temperature: 1.2, seed: 9, ..SamplingParams::GREEDY };
    let logits: Vec<f32> = (0..20_000).map(|_| 3.0 * random.float()).collect();
    let rounded: Vec<f32> = logits.iter().map(|logit| logit + 1e-3 * random.float()).collect();
    let mut changed = 0;
    for step in 0..50 {
        let mut ids = Vec::new();
        for logits in [&logits, &rounded] {
            let sampler = Sampler::new(&gpu, logits, &vec![0; 20_000], &params, step);
            run(&gpu, &sampler.dispatches, 1);
            ids.push(read::<u32>(&gpu, &sampler.next, 1).await[0]);
        }
        changed += u32::from(ids[0] != ids[1]);
    }
    assert!(changed <= 1, "{changed} of 50");
}

async fn forbidden_tokens_are_never_chosen_and_bias_comes_before_penalties() {
    let vocab = 2100usize;
    let greedy = SamplingParams { repetition_penalty: 1.2, ..SamplingParams::GREEDY };
    let warm = SamplingParams { temperature: 1.5, top_k: 40, top_p: 0.9, seed: 3, ..greedy };
    let gpu = plain_device().await;
    let mut random = Random(8);
    for (params, step) in [greedy, warm].iter().flat_map(|params| (0..4).map(move |step| (params, step))) {
        let logits: Vec<f32> = (0..vocab).map(|_| 8.0 * random.float()).collect();
        let bias: Vec<f32> =
            (0..vocab).map(|_| if random.bits().is_multiple_of(4) { 6.0 * random.float() } else { 0.0 }).collect();
        let history: Vec<u32> =
            (0..vocab).map(|_| if random.bits().is_multiple_of(3) { IN_PROMPT } else { 0 }).collect();
        // Few tokens, as with a grammar; the last word is only partly used.
        let allowed: Vec<u32> =
            (0..vocab.div_ceil(32)).map(|_| (random.bits() & random.bits() & random.bits()) as u32).collect();
        let is_allowed = |id: usize| allowed[id / 32] >> (id % 32) & 1 == 1;
        let choice = Choice { allowed: Some(allowed.clone()), bias: Some(bias.clone()) };
        let sampler = Sampler::with_choice(&gpu, &logits, &history, params, step, &choice);
        run(&gpu, &sampler.dispatches, 1);

        let expected: Vec<f32> = (0..vocab)
            .map(|id| {
                if is_allowed(id) {
                    kernels::sampling::reference::penalise(logits[id] + bias[id], history[id], params)
                } else {
                    kernels::sampling::reference::FORBIDDEN
                }
            })
            .collect();
        let actual: Vec<f32> = read(&gpu, &sampler.logits, vocab).await;
        assert_close(&actual, &expected, 1e-6, "adjusted logits");
        let id = read::<u32>(&gpu, &sampler.next, 1).await[0] as usize;
        assert!(is_allowed(id), "{params:?}, step {step}: {id} is forbidden");
        if params.temperature == 0.0 {
            let best = actual.iter().copied().fold(f32::MIN, f32::max);
            assert_eq!(actual[id], best);
        }
    }
}
