//! The performance page: generation speed, memory use, and a benchmark whose result can be copied.

use leptos::prelude::*;
use parlance_protocol::openai::{ChatCompletionRequest, RequestMessage, Usage};
use parlance_protocol::{Failure, ModelInfo};
use serde_json::json;

use crate::client::{AnswerEvent, Client, EngineState};
use crate::components::failure_notice::FailureNotice;
use crate::components::files::copy;
use crate::components::page_header::PageHeader;
use crate::components::plot::Plot;
use crate::components::units;
use crate::i18n::{t, tf, tr};

/// Answers per benchmark; the medians are reported.
const RUNS: usize = 3;
/// Tokens per answer.
const TOKENS: u32 = 64;
/// Repetitions of the sentence that makes up the prompt.
const SENTENCES: usize = 12;

/// The performance page.
#[component]
pub(crate) fn PerformancePage() -> impl IntoView {
    let client = expect_context::<Client>();
    let rates = Signal::derive(move || {
        client.usages().read().iter().map(|usage| usage.extra.decode_tokens_per_s).collect::<Vec<_>>()
    });
    let last = move || {
        client.usages().read().last().map(|usage| {
            tf(
                "last-response",
                [
                    ("rate", units::rate(usage.extra.decode_tokens_per_s).into()),
                    ("prefill", units::rate(usage.extra.prefill_tokens_per_s).into()),
                    ("seconds", units::decimal(usage.extra.time_to_first_token_s, 2).into()),
                ],
            )
        })
    };
    view! {
        <main class="page">
            <PageHeader title="performance" />
            {move || match client.engine().get() {
                EngineState::Ready(model) => view! { <ModelStats model=model.clone() /> <Benchmark model /> }.into_any(),
                _ => view! { <p class="empty">{tr("no-model-loaded")}</p> }.into_any(),
            }}
            <section>
                <h2>{tr("generation-speed")}</h2>
                <Show
                    when=move || !rates.read().is_empty()
                    fallback=|| view! { <p class="empty">{tr("no-responses")}</p> }
                >
                    <Plot values=rates label=Signal::derive(|| t("generation-speed")) />
                    <p>{last}</p>
                </Show>
            </section>
        </main>
    }
}

/// The model, its device and its memory use.
#[component]
fn ModelStats(model: ModelInfo) -> impl IntoView {
    let adapter = if model.adapter.is_empty() { "WebGPU".to_owned() } else { model.adapter };
    let features = if model.features.is_empty() { "–".to_owned() } else { model.features.join(", ") };
    let rows = [
        ("model", model.name),
        ("adapter", adapter),
        ("features", features),
        ("weights", units::bytes(model.weight_bytes)),
        ("kv-cache", units::bytes(model.kv_bytes)),
        ("peak-ram", units::bytes(model.peak_memory_bytes)),
    ];
    let rows = rows.map(|(name, value)| {
        view! {
            <tr>
                <th scope="row">{tr(name)}</th>
                <td>{value}</td>
            </tr>
        }
    });
    view! {
        <section>
            <table class="facts-table">
                <tbody>{rows}</tbody>
            </table>
        </section>
    }
}

/// State of the benchmark.
#[derive(Clone)]
enum State {
    Idle,
    Running(Vec<Usage>),
    Done(Vec<Usage>),
    Failed(Failure),
}

/// Generates several answers and shows the medians.
#[component]
fn Benchmark(model: ModelInfo) -> impl IntoView {
    let client = expect_context::<Client>();
    let state = RwSignal::new(State::Idle);
    let is_running = move || matches!(&*state.read(), State::Running(_));
    let model = StoredValue::new(model);
    let result = move |runs: Vec<Usage>| {
        let [decode, prefill, first] = medians(&runs);
        let shown = tf(
            "benchmark-result",
            [
                ("rate", units::rate(decode).into()),
                ("prefill", units::rate(prefill).into()),
                ("seconds", units::decimal(first, 2).into()),
            ],
        );
        let report = model.with_value(|model| {
            json!({
                "model": model.name, "adapter": model.adapter, "features": model.features, "runs": runs.len(),
                "prompt_tokens": runs.first().map(|usage| usage.prompt_tokens), "answer_tokens": TOKENS,
                "decode_tokens_per_s": decode, "prefill_tokens_per_s": prefill, "time_to_first_token_s": first,
            })
        });
        view! {
            <p data-testid="benchmark-result">{shown}</p>
            <div class="actions">
                <button on:click=move |_| copy(&format!("{report:#}"))>{tr("copy-result")}</button>
            </div>
        }
    };
    view! {
        <section>
            <h2>{tr("benchmark")}</h2>
            <p>{tr("benchmark-text")}</p>
            <div class="actions">
                <button class="primary" data-testid="benchmark" disabled=is_running on:click=move |_| run(client, state, Vec::new())>
                    {tr("run-benchmark")}
                </button>
            </div>
            {move || match state.get() {
                State::Idle => ().into_any(),
                State::Running(runs) => {
                    let count = tf("part-of", [("part", (runs.len() + 1).into()), ("whole", RUNS.into())]);
                    view! { <p role="status">{count}</p> }.into_any()
                }
                State::Done(runs) => result(runs).into_any(),
                State::Failed(failure) => view! { <FailureNotice failure /> }.into_any(),
            }}
        </section>
    }
}

/// Generates one answer, and repeats until there are enough runs.
fn run(client: Client, state: RwSignal<State>, runs: Vec<Usage>) {
    // Each prompt starts differently, so that none of it is cached.
    let prompt = format!("{} {}", runs.len(), "The quick brown fox jumps over the lazy dog. ".repeat(SENTENCES));
    let request = ChatCompletionRequest {
        messages: vec![RequestMessage::new("user", format!("{prompt} Continue this text for as long as you can."))],
        temperature: Some(0.0),
        max_tokens: Some(TOKENS),
        enable_thinking: Some(false),
        ..ChatCompletionRequest::default()
    };
    state.set(State::Running(runs.clone()));
    client.ask(request, move |event| match event {
        AnswerEvent::Finished { usage, .. } => {
            let mut runs = runs.clone();
            runs.push(usage);
            if runs.len() < RUNS { run(client, state, runs) } else { state.set(State::Done(runs)) }
        }
        AnswerEvent::Failed(failure) => state.set(State::Failed(failure)),
        AnswerEvent::Lost => run(client, state, Vec::new()),
        AnswerEvent::Prefill(_) | AnswerEvent::See(_) | AnswerEvent::Started { .. } | AnswerEvent::Delta { .. } => {}
    });
}

/// Medians of decode speed, prefill speed and time to first token.
fn medians(runs: &[Usage]) -> [f64; 3] {
    let figures: [fn(&Usage) -> f64; 3] = [
        |usage| usage.extra.decode_tokens_per_s,
        |usage| usage.extra.prefill_tokens_per_s,
        |usage| usage.extra.time_to_first_token_s,
    ];
    figures.map(|figure| {
        let mut values: Vec<f64> = runs.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    })
}
