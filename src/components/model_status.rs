//! What the user has to know of the model before it is ready: the offer to load it, progress, and failure.

use leptos::prelude::*;
use parlance_protocol::{Phase, SelfTest};

use super::allow_source::AllowSource;
use super::failure_notice::FailureNotice;
use super::units;
use super::webgpu_help::WebGpuHelp;
use crate::client::{Client, EngineState, LoadProgress};
use crate::i18n::{t, tf, tr};
use crate::storage;

/// A card above the composer; nothing once a model is ready.
#[component]
pub(crate) fn ModelStatus(on_choose_model: impl Fn() + Copy + Send + 'static) -> impl IntoView {
    let client = expect_context::<Client>();
    let engine = client.engine();
    // One view a kind of state, so that progress does not build the card anew.
    let kind = Memo::new(move |_| std::mem::discriminant(&*engine.read()));
    move || {
        // Read, not tracked: a memo that nobody reads has no sources.
        kind.get();
        match engine.get_untracked() {
            // Unless another model is asked about.
            EngineState::Empty => view! {
                <Show when=move || client.linked_to_ask().is_none()>
                    <Offer />
                </Show>
            }
            .into_any(),
            EngineState::Loading(first) => {
                let progress = Signal::derive(move || match &*engine.read() {
                    EngineState::Loading(progress) => *progress,
                    _ => first,
                });
                view! { <Progress progress /> }.into_any()
            }
            EngineState::Ready(model) => {
                let software = model.is_software.then(|| t("computes-on-cpu"));
                let self_test = match model.self_test {
                    SelfTest::Passed => None,
                    SelfTest::Plain => Some(t("computes-plainly")),
                    SelfTest::Failed => Some(t("gpu-computes-wrongly")),
                };
                let lacks_gpu = model.is_cpu && model.self_test != SelfTest::Failed;
                view! {
                    <Notices notices=software.into_iter().chain(self_test).chain(model.warning).collect() />
                    {lacks_gpu.then(|| view! { <OnCpu /> })}
                }
                .into_any()
            }
            EngineState::Failed(failure) => {
                let smaller = failure.suggested_context_tokens.map(|tokens| {
                    view! {
                        <button class="primary" on:click=move |_| client.retry_with_context(tokens)>
                            {move || tf("load-with-context", [("tokens", units::count(tokens.into()).into())])}
                        </button>
                    }
                });
                let kind = failure.kind;
                view! {
                    <section class="card" data-testid="load-failure">
                        <FailureNotice failure />
                        <div class="actions">
                            <AllowSource kind source=client.last_source() />
                            {smaller}
                            <button class="primary" on:click=move |_| client.retry()>{tr("try-again")}</button>
                            <button on:click=move |_| on_choose_model()>{tr("choose-model")}</button>
                        </div>
                    </section>
                }
                .into_any()
            }
        }
    }
}

/// Asks before the first download.
#[component]
fn Offer() -> impl IntoView {
    let client = expect_context::<Client>();
    let load = move |_| {
        storage::agree_to_load();
        client.load_default_unless_loaded();
    };
    view! {
        <section class="card offer" data-testid="model-offer">
            <p>
                <strong>"SmolLM2 135M"</strong>
                " · "
                {tr("demo-model-offer")}
            </p>
            <button class="primary" on:click=load>{tr("load-model")}</button>
        </section>
    }
}

/// How far loading is: bytes, rate and time left.
#[component]
fn Progress(progress: Signal<LoadProgress>) -> impl IntoView {
    let client = expect_context::<Client>();
    let title = move || match progress.get().phase {
        Phase::Start => t("opening-gpu"),
        Phase::Download => t("downloading-model"),
        Phase::Upload => t("uploading-model"),
        Phase::Prepare | Phase::Prefill => t("getting-ready"),
    };
    let is_download = move || progress.read().phase == Phase::Download;
    let share = move || {
        let LoadProgress { phase, done_bytes, total_bytes, .. } = progress.get();
        match phase {
            Phase::Start => Some(0.0),
            Phase::Download | Phase::Upload => total_bytes.map(|total| done_bytes / total.max(1.0)),
            Phase::Prepare | Phase::Prefill => None,
        }
    };
    view! {
        <section class="card progress" data-testid="load-progress">
            <div class="progress-title">
                <span role="status">{title}</span>
                <span class="progress-detail">{move || detail(progress.get())}</span>
            </div>
            <div
                class="bar"
                role="progressbar"
                aria-label=tr("loading-model")
                aria-valuemin="0"
                aria-valuemax="100"
                aria-valuenow=move || share().map(|share| format!("{:.0}", share * 100.0))
                data-indeterminate=move || share().is_none().to_string()
            >
                <div class="bar-fill" style:transform=move || format!("scaleX({})", share().unwrap_or(1.0))></div>
            </div>
            <div class="actions">
                <button on:click=move |_| client.cancel_load()>{move || if is_download() { t("pause") } else { t("cancel") }}</button>
            </div>
        </section>
    }
}

/// Bytes done and in all, the rate, and the time left.
fn detail(progress: LoadProgress) -> String {
    let LoadProgress { phase, done_bytes, total_bytes, seconds } = progress;
    if !matches!(phase, Phase::Download | Phase::Upload) || done_bytes <= 0.0 {
        return String::new();
    }
    let mut parts = vec![match total_bytes {
        Some(total) => {
            tf("part-of", [("part", units::bytes(done_bytes).into()), ("whole", units::bytes(total).into())])
        }
        None => units::bytes(done_bytes),
    }];
    if seconds > 0.3 {
        let rate = done_bytes / seconds;
        parts.push(format!("{}/s", units::bytes(rate)));
        if let Some(left) = total_bytes.map(|total| (total - done_bytes).max(0.0) / rate) {
            parts.push(tf("time-left", [("time", units::duration(left).into())]));
        }
    }
    parts.join(" · ")
}

/// Says that there is no GPU, and what can be done.
#[component]
fn OnCpu() -> impl IntoView {
    view! {
        <details class="hint" data-testid="on-cpu">
            <summary>{tr("runs-on-cpu")}</summary>
            <WebGpuHelp />
        </details>
    }
}

/// Things to know about a model that is ready.
#[component]
fn Notices(notices: Vec<String>) -> impl IntoView {
    notices.into_iter().map(|notice| view! { <p class="hint" role="status">{notice}</p> }).collect_view()
}
