//! Every tensor and every number of a projector matters: if one changes, the comparison with mtmd fails.

use parlance_engine::runtime::{Cpu, Model};
use parlance_engine::vision::Picture;
use pollster::block_on;
use serde_json::Value;

use super::{EMBEDDING_BOUND, FIXTURE, Family, error, load_projector, load_text, rows};
use crate::common::{Described, build_file};
use crate::mutations::reversed_or_rotated;

/// A family whose projector is changed, and the model that it belongs to.
struct Subject<'f> {
    family: &'f Family,
    model: Model,
}

impl<'f> Subject<'f> {
    fn new(family: &'f Family) -> Self {
        let text = build_file(&family.text, &FIXTURE.tokenizer);
        Self { family, model: block_on(load_text(Cpu::blocking().into(), &text)) }
    }

    /// The error of the first picture's embeddings if the projector or the picture changes; infinite if it is refused, or
    /// their number is another.
    fn error_of(&self, projector: &Described, change: impl FnOnce(Picture) -> Picture) -> f64 {
        let case = &self.family.cases[0];
        let result = block_on(async {
            let mut projector = load_projector(Cpu::blocking().into(), &build_file(projector, &[])).await?;
            projector.check(&self.model)?;
            let changed = change(case.picture());
            projector.encode(self.model.chat(), &changed, 0, |_, _| true).await
        });
        let Ok(parts) = result else { return f64::INFINITY };
        let found = parts.iter().map(|part| rows(part, 128)).filter(|rows| !rows.is_empty());
        let (found, expected): (Vec<_>, Vec<_>) = (found.collect(), case.expected_rows().collect());
        if found.iter().map(Vec::len).ne(expected.iter().map(Vec::len)) {
            return f64::INFINITY;
        }
        found.iter().zip(&expected).map(|(own, expected)| error(own, expected)).fold(0.0, f64::max)
    }
}

#[test]
fn the_comparison_notices_every_tensor_and_number() {
    // Metadata that has no effect: names, what the tensors tell, and sizes that other entries limit.
    const WITHOUT_EFFECT: [&str; 5] =
        ["general.name", "has_vision_encoder", "projection_dim", "feed_forward_length", "vision.image_size"];
    let mut unnoticed = Vec::new();
    for family in &FIXTURE.projectors {
        let subject = Subject::new(family);
        let mut check = |what: String, found: f64| {
            if found < 5.0 * EMBEDDING_BOUND {
                unnoticed.push((&family.name, what, found));
            }
        };
        let has_rope = family.name.starts_with("qwen") || family.name.starts_with("pixtral");
        for name in family.projector.tensor_names() {
            // A softmax ignores what is the same for all keys.
            if name.ends_with("attn_k.bias") && !has_rope {
                continue;
            }
            let changed = family.projector.with_changed_tensor(name, reversed_or_rotated);
            check(name.to_owned(), subject.error_of(&changed, |picture| picture));
        }
        for index in 0..family.projector.metadata.len() {
            let (key, _, value) = &family.projector.metadata[index];
            if WITHOUT_EFFECT.iter().any(|ending| key.ends_with(ending)) {
                continue;
            }
            for changed_value in other_values(key, value) {
                let mut changed = family.projector.clone();
                changed.metadata[index].2 = changed_value.clone();
                check(format!("{key} = {changed_value}"), subject.error_of(&changed, |picture| picture));
            }
        }
        let patch = block_on(load_projector(Cpu::blocking().into(), &build_file(&family.projector, &[])));
        let patch = patch.unwrap().sight().unwrap().patch;
        let found = subject.error_of(&family.projector, |picture| with_swapped_patches(&picture, patch));
        check("the order of patches".to_owned(), found);
    }
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
}

/// Values that clearly differ: of lists, in one element each.
fn other_values(key: &str, value: &Value) -> Vec<Value> {
    let other = |value: &Value| match value {
        Value::Bool(flag) => (!flag).into(),
        Value::String(text) => format!("{text}-other").into(),
        _ if key.ends_with("epsilon") => 0.2.into(),
        number => match number.as_u64() {
            Some(number) => (2 * number).into(),
            None => (number.as_f64().unwrap() + 0.1).into(),
        },
    };
    let Value::Array(elements) = value else { return vec![other(value)] };
    let with_other = |index: usize| {
        let mut changed = elements.clone();
        changed[index] = other(&elements[index]);
        Value::Array(changed)
    };
    (0..elements.len()).map(with_other).collect()
}

/// The picture with its first two patches swapped.
fn with_swapped_patches(picture: &Picture, patch: u32) -> Picture {
    let ([width, height], mut rgb) = (picture.size(), picture.rgb().to_vec());
    let len = 3 * patch as usize;
    for row in rgb.chunks_exact_mut(3 * width as usize).take(patch as usize) {
        let (first, second) = row[..2 * len].split_at_mut(len);
        first.swap_with_slice(second);
    }
    Picture::new(width, height, rgb).unwrap()
}
