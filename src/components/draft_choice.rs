//! Lets a smaller model draft the answers of a model before that is loaded.

use leptos::prelude::*;

use super::units;
use crate::catalogue::{self, CatalogueModel, draft_for};
use crate::i18n::{tf, tr};
use crate::options::model_url;

/// A checkbox for the draft model that the catalogue proposes for the model at a URL, if it does. `on_change` gets the draft
/// model's URL.
#[component]
pub(crate) fn DraftChoice(url: String, on_change: impl Fn(Option<String>) + Copy + Send + 'static) -> impl IntoView {
    let catalogue = LocalResource::new(catalogue::fetch);
    let pair = Memo::new(move |_| draft_for(&catalogue.get().flatten()?, &url));
    let change = move |event| {
        let pair = pair.get_untracked().filter(|_| event_target_checked(&event));
        on_change(pair.and_then(|(_, draft)| model_url(&draft.url)));
    };
    let label = move |draft: &CatalogueModel| {
        let size = units::rounded_bytes(draft.size_mb * 1e6);
        tf("draft-model", [("name", draft.name.clone().into()), ("size", size.into())])
    };
    move || {
        pair.get().map(|(_, draft)| {
            view! {
                <details class="advanced">
                    <summary>{tr("advanced")}</summary>
                    <label class="choice-label">
                        <input type="checkbox" id="draft-model" on:change=change />
                        {move || label(&draft)}
                    </label>
                </details>
            }
        })
    }
}
