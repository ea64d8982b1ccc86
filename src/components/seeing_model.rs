//! Names a model that sees images, where the loaded one does not.

use leptos::prelude::*;
use parlance_protocol::{ModelSource, StoredModel};

use crate::catalogue;
use crate::client::{Client, EngineState};
use crate::i18n::{tf, tr};

/// Whether the loaded model is known to see no images. Reactive.
pub(crate) fn is_blind(client: Client) -> bool {
    matches!(&*client.engine().read(), EngineState::Ready(model) if !model.can_see)
}

/// Says that the loaded model cannot see the images of the composer, and which one can.
#[component]
pub(crate) fn BlindModel() -> impl IntoView {
    let client = expect_context::<Client>();
    let name = move || match &*client.engine().read() {
        EngineState::Ready(model) => model.name.clone(),
        _ => String::new(),
    };
    view! {
        <div class="hint" role="status" data-testid="blind-model">
            <p>{move || tf("failure-cannot-see", [("model", name().into())])}</p>
            <SeeingModel />
        </div>
    }
}

/// A model that sees: one that is on this device, or else the first of the catalogue.
#[component]
pub(crate) fn SeeingModel() -> impl IntoView {
    let client = expect_context::<Client>();
    client.list_stored();
    let catalogue = LocalResource::new(catalogue::fetch);
    let stored = move || {
        let storage = client.stored().get()?.ok()?;
        storage.models.into_iter().find(|model| model.can_see && model.done_bytes >= model.len_bytes)
    };
    let listed = move || catalogue.get().flatten()?.into_iter().find(|model| model.sees).map(|model| model.name);
    move || match stored() {
        Some(StoredModel { name, url, .. }) => {
            let load = move |_| client.load(ModelSource::Url { url: url.clone() }, Vec::new(), None);
            view! {
                <p>{named(name)}</p>
                <button type="button" on:click=load>{tr("load")}</button>
            }
            .into_any()
        }
        None => view! {
            <p>{listed().map(named)}</p>
            <a class="button" href="catalogue">{tr("all-models")}</a>
        }
        .into_any(),
    }
}

fn named(name: String) -> String {
    tf("model-that-sees", [("model", name.into())])
}
