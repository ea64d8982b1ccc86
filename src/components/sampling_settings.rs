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

/// Presets and parameters of the settings.
#[component]
pub(crate) fn SamplingSettings() -> impl IntoView {
    let settings = expect_context::<SettingsContext>().0;
    let sampling = Signal::derive(move || settings.read().sampling);
    view! {
        <section>
            <h2>{tr("sampling")}</h2>
            <SamplingFields sampling on_change=move |changed| settings.write().sampling = changed />
        </section>
    }
}

/// Presets, and the parameters one by one, which are folded.
#[component]
pub(crate) fn SamplingFields(
    sampling: Signal<Sampling>,
    on_change: impl Fn(Sampling) + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let presets = PRESETS.map(|(label, preset)| {
        let with_limits = move |Sampling { max_tokens, seed, .. }: Sampling| Sampling { max_tokens, seed, ..preset };
        let choose = move |_| on_change(with_limits(sampling.get_untracked()));
        let is_chosen = move || (sampling.get() == with_limits(sampling.get())).to_string();
        view! {
            <button type="button" aria-pressed=is_chosen on:click=choose>
                {tr(label)}
            </button>
        }
    });
    view! {
        <div class="actions">{presets}</div>
        <details class="advanced">
            <summary>{tr("advanced")}</summary>
            {NUMBERS.map(|number| view! { <NumberField number sampling on_change /> })}
        </details>
    }
}

#[component]
fn NumberField(
    number: Number,
    sampling: Signal<Sampling>,
    on_change: impl Fn(Sampling) + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let Number { key, help, range: (min, max, step), get, set } = number;
    // Round to the step, because 0.7 is not exact in `f32`.
    let value = move || {
        let value = get(&sampling.read());
        value.map(|value| ((value / step).round() * step * 1e6).round() / 1e6).map(|value| value.to_string())
    };
    let change = move |event| {
        let value = event_target_value(&event).parse::<f64>().ok().map(|value| value.clamp(min, max));
        let mut changed = sampling.get_untracked();
        set(&mut changed, value);
        on_change(changed);
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
