//! What this device can run, and a model for it.

use leptos::prelude::*;

use super::units;
use crate::allowed_hosts;
use crate::catalogue::{self, CatalogueModel, Task, propose, room_bytes};
use crate::client::{Client, EngineState};
use crate::i18n::{t, tf, tr};
use crate::storage;

/// How large a model the user wants, by the maximum bytes of the download, names by which the page knows it, and message ids.
const SIZES: [(f64, &str, &str); 3] =
    [(1e9, "small", "size-small"), (3e9, "medium", "size-medium"), (f64::INFINITY, "large", "size-large")];

/// Proposes a model by size and task, as long as no model but the demo model is in use.
#[component]
pub(crate) fn Proposal() -> impl IntoView {
    let client = expect_context::<Client>();
    let catalogue = LocalResource::new(catalogue::fetch);
    let device_gb = catalogue::device_gb();
    let room = Memo::new(move |_| room_bytes(device_gb, client.may_use_gpu()));
    let task = RwSignal::new(Task::default());
    let size = RwSignal::new(1_usize);
    let proposed = Memo::new(move |_| {
        let limit_bytes = SIZES.get(size.get()).map_or(f64::INFINITY, |(limit_bytes, ..)| *limit_bytes);
        propose(&catalogue.get().flatten()?, task.get(), limit_bytes.min(room.get())).cloned()
    });
    let is_wanted = Memo::new(move |_| {
        let has_no_other = match &*client.engine().read() {
            EngineState::Ready(model) => client.is_demo(model),
            _ => storage::preferred_model().is_none(),
        };
        has_no_other && client.download().read().is_none()
    });
    let room_text = move || {
        let key = if client.may_use_gpu() { "device-room" } else { "device-room-cpu" };
        tf(key, [("size", units::rounded_bytes(room.get()).into())])
    };
    view! {
        <Show when=move || is_wanted.get() && proposed.read().is_some()>
            <section class="proposal" data-testid="proposal">
                <h3>{tr("proposal-title")}</h3>
                <p>{room_text}</p>
                <div class="row">
                    <TaskSelect task />
                    <SizeSelect size />
                </div>
                {move || proposed.get().map(|model| view! { <ProposedModel model /> })}
            </section>
        </Show>
    }
}

/// What the model is for.
#[component]
fn TaskSelect(task: RwSignal<Task>) -> impl IntoView {
    let change = move |event| {
        let name = event_target_value(&event);
        if let Some((chosen, ..)) = Task::ALL.into_iter().find(|(_, known, _)| *known == name) {
            task.set(chosen);
        }
    };
    let options = Task::ALL.map(|(one, name, label)| {
        view! {
            <option value=name selected=move || task.get() == one>
                {tr(label)}
            </option>
        }
    });
    view! {
        <select id="proposal-task" aria-label=tr("task") on:change=change>
            {options}
        </select>
    }
}

/// How large the download may be: an index into [`SIZES`].
#[component]
fn SizeSelect(size: RwSignal<usize>) -> impl IntoView {
    let change = move |event| {
        let name = event_target_value(&event);
        if let Some(index) = SIZES.iter().position(|(_, known, _)| *known == name) {
            size.set(index);
        }
    };
    let options = SIZES.map(|(_, name, label)| {
        view! {
            <option value=name selected=name == "medium">
                {tr(label)}
            </option>
        }
    });
    view! {
        <select id="proposal-size" aria-label=tr("model-size") on:change=change>
            {options}
        </select>
    }
}

/// The model, with a button that fetches it.
#[component]
fn ProposedModel(model: CatalogueModel) -> impl IntoView {
    let client = expect_context::<Client>();
    let chosen = model.chosen();
    let host = chosen.as_ref().filter(|chosen| allowed_hosts::needs_permission(&chosen.url));
    let host = host.and_then(|chosen| allowed_hosts::origin_of(&chosen.url));
    let must_allow = host.is_some();
    let size_bytes = model.size_mb * 1e6;
    let label = move || {
        let size = units::rounded_bytes(size_bytes);
        match host.clone() {
            Some(host) => tf("allow-and-download", [("host", host.into()), ("size", size.into())]),
            None => tf("download-model", [("size", size.into())]),
        }
    };
    let fetch = move |_| {
        let Some(chosen) = chosen.clone() else { return };
        if must_allow {
            // The download starts when the page has been reloaded.
            storage::want_model(Some(&chosen));
            storage::agree_to_load();
            allowed_hosts::allow_here(&chosen.url);
        } else {
            client.fetch(chosen);
        }
    };
    let (_, fit_key) = model.fit(catalogue::device_gb()).names();
    let (licence, quant, about) = (model.licence, model.quant, format!("about-{}", model.about));
    let facts = move || format!("{} · {licence} · {quant}", t(fit_key));
    view! {
        <p>
            <strong>{model.name}</strong>
            " · "
            {move || t(&about)}
        </p>
        <p class="facts">{facts}</p>
        <div class="actions">
            <button class="primary" data-testid="fetch-proposed" on:click=fetch>
                {label}
            </button>
            <a class="button" href="catalogue">
                {tr("all-models")}
            </a>
        </div>
        <p class="facts">{tr("demo-meanwhile")}</p>
    }
}
