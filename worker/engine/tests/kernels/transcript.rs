//! `token_scan.wgsl` and `token_choice.wgsl`.

use parlance_engine::kernels::transcript::reference::choose;
use parlance_engine::kernels::transcript::{PROGRESS_WORDS, Transcript, bits};
use parlance_engine::runtime::{Dispatch, Gpu};

use crate::common::{Random, plain_device};
use crate::{gpu_tests, read, run, state};

gpu_tests! {
    tokens_follow_the_rules,
}

/// More than two chunks of the scan, of which the last has text and times.
const TRANSCRIPT: Transcript = Transcript { vocab: 2500, end: 2380, first_time: 2400, latest_start: 50, ring_len: 16 };
/// What was said before.
const POSITION: u32 = 9;

async fn tokens_follow_the_rules() {
    let gpu = plain_device().await;
    let mut random = Random(50);
    let said: [&[u32]; 8] = [
        &[],
        &[2405],
        &[2405, 5],
        &[2405, 5, 2410],
        &[2405, 5, 2410, 2410],
        &[2405, 5, 2410, 2410, 9],
        &[2405, 5, 2410, 2450],
        &[5, 6],
    ];
    // Times that are likelier than text, about as likely, and less likely.
    for (said, shift) in said.into_iter().flat_map(|said| [0.0, -3.0, -12.0].map(|shift| (said, shift))) {
        let mut logits: Vec<f32> = random.floats(2500).iter().map(|logit| 8.0 * logit).collect();
        logits[2400..].iter_mut().for_each(|logit| *logit += shift);
        let mut never: Vec<u32> = (0..40).map(|_| (random.bits() % 2380) as u32).collect();
        never.extend([7, 2390, 2399]);
        let (id, log_likelihood) = choose(&logits, said, &never, &TRANSCRIPT);
        let (ring, progress, fed) = choose_on_gpu(&gpu, &logits, said, &never).await;
        let what = format!("after {said:?}, times shifted by {shift}");
        assert_eq!(ring[said.len()][0], id, "{what}");
        let actual = f64::from(f32::from_bits(ring[said.len()][1]));
        assert!((actual - log_likelihood).abs() < 1e-4, "{actual}, not {log_likelihood}, {what}");
        let last_time = said.iter().chain([&id]).rfind(|id| **id >= 2400).copied();
        let expected = [said.len() as u32 + 1, id, said.last().copied().unwrap_or(u32::MAX), last_time.unwrap_or(0)];
        assert_eq!((progress, fed), (expected, [POSITION + 1, id, POSITION + 1]), "{what}");
    }
}

/// What is recorded, what was said, and position, token and position that are fed next.
async fn choose_on_gpu(
    gpu: &Gpu,
    logits: &[f32],
    said: &[u32],
    never: &[u32],
) -> (Vec<[u32; 2]>, [u32; PROGRESS_WORDS], [u32; 3]) {
    let before = said.len().checked_sub(2).map_or(u32::MAX, |at| said[at]);
    let last_time = said.iter().rfind(|id| **id >= 2400).copied().unwrap_or(0);
    let progress = [said.len() as u32, said.last().copied().unwrap_or(u32::MAX), before, last_time];
    let progress = gpu.storage_buffer_with("progress", &progress);
    let logits = gpu.storage_buffer_with("logits", logits);
    let never = gpu.storage_buffer_with("never", &bits(TRANSCRIPT.vocab, never));
    let parts = gpu.storage_buffer("parts", u64::from(TRANSCRIPT.part_words()) * 4);
    let ring = gpu.storage_buffer("ring", u64::from(TRANSCRIPT.ring_len) * 8);
    let state = state(gpu, POSITION, 1, 0);
    let [ids, positions] = ["ids", "positions"].map(|label| gpu.storage_buffer(label, 4));
    let (scan, scan_grid) = TRANSCRIPT.scan();
    let bound = [("logits", &logits), ("never", &never), ("progress", &progress), ("parts", &parts)];
    let scan = Dispatch::new(gpu, &scan, &bound, scan_grid);
    let (choice, choice_grid) = TRANSCRIPT.choice();
    let bound = [
        ("parts", &parts),
        ("progress", &progress),
        ("ring", &ring),
        ("state", &state),
        ("ids", &ids),
        ("positions", &positions),
    ];
    run(gpu, &[scan, Dispatch::new(gpu, &choice, &bound, choice_grid)], 1);
    let progress: Vec<u32> = read(gpu, &progress, PROGRESS_WORDS).await;
    let fed = [read(gpu, &state, 1).await, read(gpu, &ids, 1).await, read(gpu, &positions, 1).await];
    let fed = fed.map(|words: Vec<u32>| words[0]);
    (read(gpu, &ring, TRANSCRIPT.ring_len as usize).await, progress.try_into().unwrap(), fed)
}
