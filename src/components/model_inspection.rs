//! Details of a model before it is loaded: what it is, its memory use, and the context length to load it with.

use leptos::prelude::*;
use parlance_protocol::{ModelDescription, ModelSource};

use super::allow_host::AllowHostOnFailure;
use super::draft_choice::DraftChoice;
use super::failure_notice::FailureNotice;
use super::units;
use crate::client::{Candidate, Client, Inspection};
use crate::failure::warning_sentence;
use crate::i18n::{t, tf, tr};

/// Inspects a model, of which only the header is fetched, and offers to load it.
#[component]
pub(crate) fn ModelInspection(
    candidate: Candidate,
    on_load: impl Fn(Candidate, Option<u32>) + Copy + Send + 'static,
) -> impl IntoView {
    let client = expect_context::<Client>();
    let inspection = StoredValue::new(client.inspect(candidate.clone(), None));
    on_cleanup(move || client.end_inspection_of(inspection.get_value()));
    let url = match &candidate.source {
        ModelSource::Url { url } => Some(url.clone()),
        ModelSource::File { .. } => None,
    };
    let candidate = StoredValue::new_local(candidate);
    let inspect_with =
        move |context_tokens| inspection.set_value(client.inspect(candidate.get_value(), context_tokens));
    let use_draft = move |draft| {
        candidate.update_value(|candidate| candidate.draft = draft);
        inspect_with(None);
    };
    let view = move || match client.inspection().get() {
        None => ().into_any(),
        Some(Inspection::Pending) => view! { <p role="status">{tr("reading-header")}</p> }.into_any(),
        Some(Inspection::Failed(failure)) => {
            let smaller = failure.suggested_context_tokens.map(|tokens| {
                view! {
                    <button on:click=move |_| inspect_with(Some(tokens))>
                        {move || tf("try-context", [("tokens", units::count(tokens.into()).into())])}
                    </button>
                }
            });
            let (kind, source) = (failure.kind, candidate.with_value(|candidate| candidate.source.clone()));
            view! {
                <FailureNotice failure />
                <AllowHostOnFailure kind source=Some(source) />
                {smaller}
            }
            .into_any()
        }
        Some(Inspection::Done(model)) => {
            let load = move |context_tokens| on_load(candidate.get_value(), context_tokens);
            view! { <Description model on_context=move |tokens| inspect_with(Some(tokens)) on_load=load /> }.into_any()
        }
    };
    view! {
        <section class="inspection" data-testid="inspection">
            {view} {url.map(|url| view! { <DraftChoice url on_change=use_draft /> })}
        </section>
    }
}

/// The details of a model that can be loaded. `on_context` is called with the context length that the user selects.
#[component]
fn Description(
    model: ModelDescription,
    on_context: impl Fn(u32) + Copy + Send + 'static,
    on_load: impl Fn(Option<u32>) + Copy + Send + 'static,
) -> impl IntoView {
    let parameters = tf("parameters", [("count", units::count(model.parameters).into())]);
    let files = (model.parts > 1).then(|| tf("in-files", [("count", model.parts.into())]));
    let length = units::bytes(model.len_bytes);
    let parts = [model.architecture.clone(), parameters, model.formats.join(" + "), length].into_iter().chain(files);
    let summary = parts.collect::<Vec<_>>().join(" · ");
    let memory = tf(
        "memory-estimate",
        [
            ("total", units::bytes(model.total_bytes()).into()),
            ("weights", units::bytes(model.weight_bytes).into()),
            ("context", units::bytes(model.kv_bytes).into()),
            ("tokens", units::count(model.context_tokens.into()).into()),
            ("scratch", units::bytes(model.scratch_bytes).into()),
        ],
    );
    let warnings = model.warnings.iter().map(warning_sentence).map(|text| view! { <p class="hint">{text}</p> });
    let warnings = warnings.collect_view();
    let sight = model.projector.as_ref().map(|name| tf("sees-with", [("name", name.into())]));
    let drafts = model.draft_model.as_ref().map(|name| tf("drafts-with", [("name", name.into())]));
    let storage = storage_text(&model);
    let context_tokens = model.context_tokens;
    let form = model.can_chat.then(|| {
        let contexts = contexts(model.max_context_tokens, context_tokens);
        let change = move |event| {
            if let Ok(tokens) = event_target_value(&event).parse() {
                on_context(tokens);
            }
        };
        let options = contexts.into_iter().map(|tokens| {
            let label = units::count(tokens.into());
            view! {
                <option value=tokens selected=tokens == context_tokens>
                    {label}
                </option>
            }
        });
        view! {
            <div class="row">
                <label for="context-tokens">{tr("context-length")}</label>
                <select id="context-tokens" on:change=change>
                    {options.collect_view()}
                </select>
                <button class="primary" on:click=move |_| on_load(Some(context_tokens))>
                    {tr("load")}
                </button>
            </div>
        }
    });
    let refusal = (!model.can_chat).then(|| t("cannot-chat"));
    view! {
        <h3>{model.name}</h3>
        <p>{summary}</p>
        {sight.map(|sight| view! { <p>{sight}</p> })}
        {drafts.map(|drafts| view! { <p>{drafts}</p> })}
        <p>{memory}</p>
        <p>{storage}</p>
        {warnings}
        {refusal.map(|refusal| view! { <p class="failure-message">{refusal}</p> })}
        {form}
    }
}

/// How much of this device's storage a download takes.
fn storage_text(model: &ModelDescription) -> String {
    let missing = model.len_bytes - model.stored_bytes;
    if missing <= 0.0 {
        return t("already-downloaded");
    }
    let partial = if model.stored_bytes > 0.0 {
        tf("partly-downloaded", [("size", units::bytes(model.stored_bytes).into())])
    } else {
        String::new()
    };
    match model.free_bytes {
        Some(free) => {
            let key = if free < missing { "storage-insufficient" } else { "storage-needed" };
            let sizes = [("missing", units::bytes(missing).into()), ("free", units::bytes(free).into())];
            format!("{} {partial}", tf(key, sizes)).trim().to_owned()
        }
        None => partial,
    }
}

/// Context lengths to choose from: powers of two up to the maximum, and the current one.
fn contexts(max_tokens: u32, current: u32) -> Vec<u32> {
    let mut contexts: Vec<u32> = (9..18).map(|power| 1 << power).filter(|tokens| *tokens < max_tokens).collect();
    contexts.extend([max_tokens.min(1 << 18), current]);
    contexts.sort_unstable();
    contexts.dedup();
    contexts
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::contexts;

    #[wasm_bindgen_test]
    fn contexts_end_with_the_maximum() {
        assert_eq!(contexts(2048, 2048), [512, 1024, 2048]);
        assert_eq!(contexts(5000, 4096), [512, 1024, 2048, 4096, 5000]);
        assert_eq!(contexts(300, 300), [300]);
        assert_eq!(contexts(1 << 20, 4096).last(), Some(&(1 << 18)));
    }
}
