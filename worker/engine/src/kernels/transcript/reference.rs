//! Reference of `token_scan.wgsl` and `token_choice.wgsl`.

use super::Transcript;

/// The token after those `said`, and the logarithm of its likelihood. Tokens in `never` are not considered. The rules are
/// those of OpenAI's `ApplyTimestampRules`, with one token at a time.
pub fn choose(logits: &[f32], said: &[u32], never: &[u32], transcript: &Transcript) -> (u32, f64) {
    let Transcript { end, first_time, latest_start, .. } = *transcript;
    let is_time = |id: u32| id >= first_time;
    let last_time = said.iter().rfind(|id| is_time(**id)).copied();
    let is_allowed = |id: u32| {
        if never.contains(&id) {
            return false;
        }
        match said {
            [] => is_time(id) && id <= first_time + latest_start,
            // A segment has started.
            [first] if is_time(*first) => !is_time(id),
            [.., before, last] if is_time(*before) && is_time(*last) => !is_time(id),
            // It has ended.
            [.., last] if is_time(*last) => id >= end && (!is_time(id) || id >= *last),
            _ => !is_time(id) || last_time.is_none_or(|time| id > time),
        }
    };
    let allowed: Vec<(u32, f64)> =
        (0..).zip(logits).filter(|(id, _)| is_allowed(*id)).map(|(id, logit)| (id, f64::from(*logit))).collect();
    let total = |of: &[(u32, f64)]| of.iter().map(|(_, logit)| logit.exp()).sum::<f64>().ln();
    let (times, texts): (Vec<_>, Vec<_>) = allowed.iter().copied().partition(|(id, _)| is_time(*id));
    let likeliest_text = texts.iter().map(|(_, logit)| *logit).fold(f64::NEG_INFINITY, f64::max);
    let candidates = if total(&times) > likeliest_text { times } else { allowed };
    let best = candidates.iter().copied().reduce(|best, other| if other.1 > best.1 { other } else { best });
    let (id, logit) = best.unwrap_or_default();
    (id, logit - total(&candidates))
}
