//! Lets a smaller model draft the answers of a model before that is loaded.

use leptos::prelude::*;

use super::units;
use crate::catalogue::{self, CatalogueModel, Fit, device_gb, draft_for};
use crate::client::{Client, Inspection};
use crate::i18n::{tf, tr};
use crate::options::model_url;

/// A model, and the one that drafts for it.
type Pair = (CatalogueModel, CatalogueModel);

/// A checkbox for the draft model that the catalogue proposes for the model at a URL, if it does. It is checked if both fit
/// this device well. `on_change` gets the draft model's URL.
#[component]
pub(crate) fn DraftChoice(url: String, on_change: impl Fn(Option<String>) + Copy + Send + 'static) -> impl IntoView {
    let client = expect_context::<Client>();
    let catalogue = LocalResource::new(catalogue::fetch);
    let pair = Memo::new(move |_| draft_for(&catalogue.get().flatten()?, &url));
    let is_checked = RwSignal::new(false);
    // Whether it was checked for the user.
    let is_proposed = RwSignal::new(false);
    let choose = move |draft: Option<&CatalogueModel>| {
        is_checked.set(draft.is_some());
        on_change(draft.and_then(|draft| model_url(&draft.url)));
    };
    Effect::watch(
        move || pair.get(),
        move |pair: &Option<Pair>, _, _| {
            if let Some((_, draft)) = pair.as_ref().filter(|pair| client.may_use_gpu() && fits(pair)) {
                is_proposed.set(true);
                choose(Some(draft));
            }
        },
        true,
    );
    Effect::new(move |_| {
        let has_failed = matches!(&*client.inspection().read(), Some(Inspection::Failed(_)));
        // What nobody asked for must not stand in the way of the model.
        if has_failed && is_proposed.get_untracked() {
            is_proposed.set(false);
            choose(None);
        }
    });
    let change = move |event| {
        is_proposed.set(false);
        let pair = pair.get_untracked().filter(|_| event_target_checked(&event));
        choose(pair.as_ref().map(|(_, draft)| draft));
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
                        <input
                            type="checkbox"
                            id="draft-model"
                            prop:checked=move || is_checked.get()
                            on:change=change
                        />
                        {move || label(&draft)}
                    </label>
                </details>
            }
        })
    }
}

/// Whether both fit this device well.
fn fits((model, draft): &Pair) -> bool {
    Fit::of((model.size_mb + draft.size_mb) * 1e6, device_gb()) == Fit::Good
}
