//! The state of the model: the offer to load it, progress, failures, and notices about the loaded model.

use leptos::prelude::*;
use parlance_protocol::{Phase, SelfTest};

use super::allow_host::AllowHostOnFailure;
use super::failure_notice::FailureNotice;
use super::units;
use super::webgpu_help::WebGpuHelp;
use crate::client::{Client, EngineState, LoadProgress};
use crate::failure::warning_sentence;
use crate::i18n::{t, tf, tr};
use crate::storage;

/// A card above the composer; only notices once a model is ready.
#[component]
pub(crate) fn ModelStatus(on_choose_model: impl Fn() + Copy + Send + 'static) -> impl IntoView {
    let client = expect_context::<Client>();
    let engine = client.engine();
    // One view per kind of state, so that progress does not rebuild the card.
    let kind = Memo::new(move |_| std::mem::discriminant(&*engine.read()));
    move || {
        // Rerun only when the kind of state changes.
        kind.get();
        match engine.get_untracked() {
            // Unless a linked model is offered instead.
            EngineState::Empty => view! {
                <Show when=move || client.link_to_confirm().is_none()>
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
                let software = model.is_software.then(|| t("software-webgpu"));
                let self_test = match model.self_test {
                    SelfTest::Passed => None,
                    SelfTest::Plain => Some(t("self-test-fallback")),
                    SelfTest::Failed => Some(t("self-test-failed")),
                };
                let warnings = model.warnings.iter().map(warning_sentence);
                let lacks_gpu = model.is_cpu && model.self_test != SelfTest::Failed;
                view! {
                    <Notices notices=software.into_iter().chain(self_test).chain(warnings).collect() />
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
                            <AllowHostOnFailure kind source=client.last_source() />
                            {smaller}
                            <button class="primary" on:click=move |_| client.retry()>{tr("try-again")}</button>
                            <button on:click=move |_| on_choose_model()>{tr("select-model")}</button>
                        </div>
                    </section>
                }
                .into_any()
            }
        }
    }
}

/// Offers the demo model before the first download.
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

/// Progress of loading: bytes, rate and time left.
#[component]
fn Progress(progress: Signal<LoadProgress>) -> impl IntoView {
    let client = expect_context::<Client>();
    let title = move || match progress.get().phase {
        Phase::Start => t("starting-engine"),
        Phase::Download => t("downloading-model"),
        Phase::Upload => t("uploading-model"),
        Phase::Prepare | Phase::See | Phase::Prefill | Phase::Decode | Phase::Listen => t("preparing"),
    };
    let is_download = move || progress.read().phase == Phase::Download;
    let share = move || {
        let LoadProgress { phase, done_bytes, total_bytes, .. } = progress.get();
        match phase {
            Phase::Start => Some(0.0),
            Phase::Download | Phase::Upload => total_bytes.map(|total| done_bytes / total.max(1.0)),
            Phase::Prepare | Phase::See | Phase::Prefill | Phase::Decode | Phase::Listen => None,
        }
    };
    view! {
        <section class="card progress" data-testid="load-progress">
            <div class="progress-title">
                <span role="status">{title}</span>
                <span class="progress-detail">{move || detail(progress.get())}</span>
            </div>
            <Bar share=Signal::derive(share) />
            <div class="actions">
                <button on:click=move |_| client.cancel_load()>{move || if is_download() { t("pause") } else { t("cancel") }}</button>
            </div>
        </section>
    }
}

/// A bar of which a share is filled; all of it moves while the share is unknown.
#[component]
pub(crate) fn Bar(share: Signal<Option<f64>>) -> impl IntoView {
    view! {
        <div
            class="bar"
            role="progressbar"
            aria-label=tr("loading-model")
            aria-valuemin="0"
            aria-valuemax="100"
            aria-valuenow=move || share.get().map(|share| format!("{:.0}", share * 100.0))
            data-indeterminate=move || share.get().is_none().to_string()
        >
            <div class="bar-fill" style:transform=move || format!("scaleX({})", share.get().unwrap_or(1.0))></div>
        </div>
    }
}

/// Bytes done and in total, rate, and time left.
pub(crate) fn detail(progress: LoadProgress) -> String {
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

/// Notes that no GPU is used, with help on enabling one.
#[component]
fn OnCpu() -> impl IntoView {
    view! {
        <details class="hint" data-testid="on-cpu">
            <summary>{tr("runs-on-cpu")}</summary>
            <WebGpuHelp />
        </details>
    }
}

/// Notices about the loaded model.
#[component]
fn Notices(notices: Vec<String>) -> impl IntoView {
    notices.into_iter().map(|notice| view! { <p class="hint" role="status">{notice}</p> }).collect_view()
}
