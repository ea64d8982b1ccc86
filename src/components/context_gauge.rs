//! How full the model's context is, with what fills it.

use leptos::html::Details;
use leptos::prelude::*;
use wasm_bindgen::JsCast as _;
use web_sys::{FocusEvent, HtmlDetailsElement, KeyboardEvent, Node};

use super::chat_statistics::ChatStatistics;
use super::focus::element;
use super::load_with_context::LoadWithContext;
use super::units;
use crate::chats::{Chats, ContextUse};
use crate::client::{Client, EngineState};
use crate::i18n::{tf, tr};

/// The share of the context from which on it counts as nearly full.
const NEARLY_FULL: f64 = 0.8;

/// A bar with numbers, which opens a list of what fills the context, with ways to make room. Shown while a model is ready.
#[component]
pub(crate) fn ContextGauge() -> impl IntoView {
    let client = expect_context::<Client>();
    let chats = expect_context::<Chats>();
    let limit = Memo::new(move |_| match &*client.engine().read() {
        EngineState::Ready(model) => Some(f64::from(model.context_tokens.max(1))),
        _ => None,
    });
    // Apart from the draft, which changes with every key.
    let known = Memo::new(move |_| chats.context_use());
    let used = Memo::new(move |_| chats.with_draft(known.get()));
    let share = move || limit.get().map_or(0.0, |limit| used.read().total() / limit);
    let is_open = RwSignal::new(false);
    let gauge = NodeRef::<Details>::new();
    let close = move || {
        if let Some(gauge) = element(gauge) {
            gauge.set_open(false);
        }
    };
    let on_focus_out = move |event: FocusEvent| {
        let next = event.related_target().and_then(|target| target.dyn_into::<Node>().ok());
        if element(gauge).is_some_and(|gauge| !gauge.contains(next.as_ref())) {
            close();
        }
    };
    let on_key = move |event: KeyboardEvent| {
        if event.key() == "Escape" && is_open.get_untracked() {
            // Must not stop an answer as well.
            event.stop_propagation();
            close();
        }
    };
    let level = move || match share() {
        share if share >= 1.0 => "full",
        share if share >= NEARLY_FULL => "nearly-full",
        _ => "free",
    };
    let text = move || {
        let tokens = |count: f64| units::count(count.round());
        let used = tokens(used.read().total());
        tf("context-gauge", [("used", used.into()), ("limit", tokens(limit.get().unwrap_or(0.0)).into())])
    };
    view! {
        <Show when=move || limit.get().is_some()>
            <details
                class="context-gauge"
                data-testid="context-gauge"
                data-level=level
                node_ref=gauge
                on:focusout=on_focus_out
                on:keydown=on_key
                on:toggle=move |event| is_open.set(is_details_open(&event))
            >
                <summary>
                    <span class="gauge" aria-hidden="true">
                        <span style:transform=move || format!("scaleX({:.3})", share().min(1.0))></span>
                    </span>
                    <span>{text}</span>
                </summary>
                <Show when=move || is_open.get()>
                    <ContextPanel used />
                </Show>
            </details>
        </Show>
    }
}

/// What fills the context, what can be done about it, and what the chat has taken so far.
#[component]
fn ContextPanel(used: Memo<ContextUse>) -> impl IntoView {
    let client = expect_context::<Client>();
    let chats = expect_context::<Chats>();
    let part = |(label, tokens): (&'static str, f64)| {
        view! {
            <li>
                <span>{tr(label)}</span>
                <span>{units::count(tokens.round())}</span>
            </li>
        }
    };
    let parts = move || used.read().parts().into_iter().map(part).collect_view();
    let left_out = move || {
        let count = used.read().left_out;
        (count > 0).then(|| tf("context-left-out", [("count", count.into())]))
    };
    let is_answering = chats.is_answering();
    let is_summarising = chats.is_summarising();
    let can_summarise = Memo::new(move |_| chats.digest_end().is_some() && !is_answering.get());
    view! {
        // Focusable, so that a click into it does not close it.
        <div class="context-panel" tabindex="-1">
            <h2>{tr("context-contents")}</h2>
            <ul>{parts}</ul>
            <p>{tr("context-estimate")}</p>
            {move || left_out().map(|text| view! { <p>{text}</p> })}
            <div class="actions">
                <Show when=move || can_summarise.get() && !is_summarising.get()>
                    <button class="small" data-testid="summarise" on:click=move |_| chats.summarise()>
                        {tr("summarize")}
                    </button>
                </Show>
                <Show when=move || !is_answering.get()>
                    <LoadWithContext prompt_tokens=0 on_choose=move |tokens| client.retry_with_context(tokens) />
                </Show>
            </div>
            <Show when=move || is_summarising.get()>
                <p role="status">{tr("summarizing")}</p>
            </Show>
            <ChatStatistics />
        </div>
    }
}

/// Whether the element of a `toggle` event is open now.
fn is_details_open(event: &web_sys::Event) -> bool {
    let details = event.target().and_then(|target| target.dyn_into::<HtmlDetailsElement>().ok());
    details.is_some_and(|details| details.open())
}
