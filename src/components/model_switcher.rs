//! The models on this device, to switch between.

use leptos::prelude::*;
use parlance_protocol::StoredModel;
use parlance_protocol::library::ChatModel;

use super::units;
use crate::client::{Client, EngineState};
use crate::i18n::{t, tr};
use crate::names::{chosen, format};
use crate::options::is_same_model;

/// From this many models on there is a field to filter them.
const MANY: usize = 7;

/// A list with a button for each model. Nothing if there is none.
#[component]
pub(crate) fn ModelSwitcher(on_choose: impl Fn(ChatModel) + Copy + Send + Sync + 'static) -> impl IntoView {
    let client = expect_context::<Client>();
    client.list_stored();
    let query = RwSignal::new(String::new());
    let models = Memo::new(move |_| client.chat_models());
    let found = move || {
        let words = query.read().to_lowercase();
        let mut models = models.get();
        models.retain(|model| words.split_whitespace().all(|word| model.name.to_lowercase().contains(word)));
        models
    };
    let list = move || found().into_iter().map(|model| view! { <ModelChoice model on_choose /> }).collect_view();
    view! {
        <Show when=move || !models.read().is_empty()>
            <section data-testid="model-switcher">
                <h3>{tr("models-here")}</h3>
                <Show when=move || { models.read().len() >= MANY }>
                    <input
                        type="search"
                        placeholder=tr("filter-models")
                        aria-label=tr("filter-models")
                        on:input:target=move |event| query.set(event.target().value())
                    />
                </Show>
                <ul class="model-choices">{list}</ul>
            </section>
        </Show>
    }
}

/// A model; the one in use is marked.
#[component]
fn ModelChoice(model: StoredModel, on_choose: impl Fn(ChatModel) + Copy + Send + Sync + 'static) -> impl IntoView {
    let client = expect_context::<Client>();
    let url = model.url.clone();
    let is_current = Memo::new(move |_| match &*client.engine().read() {
        EngineState::Ready(ready) => ready.url.as_deref().is_some_and(|ready| is_same_model(ready, &url)),
        _ => false,
    });
    let chosen = chosen(&model);
    let name = chosen.name.clone();
    let facts = move || {
        let size = units::bytes(model.len_bytes);
        let sees = model.can_see.then(|| t("sees-images"));
        format(&model.name).into_iter().chain([size]).chain(sees).collect::<Vec<_>>().join(" · ")
    };
    view! {
        <li>
            <button
                type="button"
                class="model-choice"
                aria-current=move || is_current.get().then_some("true")
                on:click=move |_| on_choose(chosen.clone())
            >
                <span>{name}</span>
                <span class="facts">{facts}</span>
            </button>
        </li>
    }
}
