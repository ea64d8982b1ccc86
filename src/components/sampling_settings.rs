//! Sampling settings: presets and individual parameters.

use leptos::prelude::*;

use crate::i18n::tr;
use crate::settings::{Sampling, SettingsContext};

/// A numeric parameter. `key` is its message id, `range` its minimum, maximum and step.
struct Number {
    key: &'static str,
    help: &'static str,
    range: (f64, f64, f64),
    get: fn(&Sampling) -> Option<f64>,
    set: fn(&mut Sampling, Option<f64>),
}

const NUMBERS: [Number; 7] = [
    Number {
        key: "temperature",
        help: "temperature-help",
        range: (0.0, 2.0, 0.05),
        get: |sampling| Some(sampling.temperature.into()),
        set: |sampling, value| sampling.temperature = value.unwrap_or(0.7) as f32,
    },
    Number {
        key: "top-p",
        help: "top-p-help",
        range: (0.0, 1.0, 0.01),
        get: |sampling| Some(sampling.top_p.into()),
        set: |sampling, value| sampling.top_p = value.unwrap_or(1.0) as f32,
    },
    Number {
        key: "top-k",
        help: "top-k-help",
        range: (0.0, 1000.0, 1.0),
        get: |sampling| Some(sampling.top_k.into()),
        set: |sampling, value| sampling.top_k = value.unwrap_or_default() as u32,
    },
    Number {
        key: "min-p",
        help: "min-p-help",
        range: (0.0, 1.0, 0.01),
        get: |sampling| Some(sampling.min_p.into()),
        set: |sampling, value| sampling.min_p = value.unwrap_or_default() as f32,
    },
    Number {
        key: "repetition-penalty",
        help: "repetition-penalty-help",
        range: (1.0, 2.0, 0.01),
        get: |sampling| Some(sampling.repetition_penalty.into()),
        set: |sampling, value| sampling.repetition_penalty = value.unwrap_or(1.0) as f32,
    },
    Number {
        key: "max-tokens",
        help: "max-tokens-help",
        range: (1.0, 131_072.0, 1.0),
        get: |sampling| sampling.max_tokens.map(f64::from),
        set: |sampling, value| sampling.max_tokens = value.map(|value| value as u32),
    },
    Number {
        key: "seed",
        help: "seed-help",
        range: (0.0, 4_294_967_295.0, 1.0),
        get: |sampling| sampling.seed.map(f64::from),
        set: |sampling, value| sampling.seed = value.map(|value| value as u32),
    },
];

const PRESETS: [(&str, Sampling); 3] = [
    ("preset-precise", Sampling::PRECISE),
    ("preset-balanced", Sampling::BALANCED),
    ("preset-creative", Sampling::CREATIVE),
];

/// Presets and parameters.
#[component]
pub(crate) fn SamplingSettings() -> impl IntoView {
    let settings = expect_context::<SettingsContext>().0;
    let presets = PRESETS.map(|(label, preset)| {
        let choose = move |_| {
            let Sampling { max_tokens, seed, .. } = settings.read_untracked().sampling;
            settings.write().sampling = Sampling { max_tokens, seed, ..preset };
        };
        let is_chosen = move || {
            let Sampling { max_tokens, seed, .. } = settings.read().sampling;
            (settings.read().sampling == Sampling { max_tokens, seed, ..preset }).to_string()
        };
        view! {
            <button aria-pressed=is_chosen on:click=choose>
                {tr(label)}
            </button>
        }
    });
    view! {
        <section>
            <h2>{tr("sampling")}</h2>
            <div class="actions">{presets}</div>
            {NUMBERS.map(|number| view! { <NumberField number /> })}
        </section>
    }
}

#[component]
fn NumberField(number: Number) -> impl IntoView {
    let settings = expect_context::<SettingsContext>().0;
    let Number { key, help, range: (min, max, step), get, set } = number;
    // Round to the step, because 0.7 is not exact in `f32`.
    let value = move || {
        let value = get(&settings.read().sampling);
        value.map(|value| ((value / step).round() * step * 1e6).round() / 1e6).map(|value| value.to_string())
    };
    let change = move |event| {
        let value = event_target_value(&event).parse::<f64>().ok().map(|value| value.clamp(min, max));
        set(&mut settings.write().sampling, value);
    };
    let help_id = format!("{key}-help");
    view! {
        <div class="number-field">
            <label for=key>{tr(key)}</label>
            <input
                id=key
                type="number"
                min=min
                max=max
                step=step
                aria-describedby=help_id.clone()
                prop:value=move || value().unwrap_or_default()
                on:change=change
            />
            <p id=help_id>{tr(help)}</p>
        </div>
    }
}
