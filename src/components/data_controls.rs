//! Export, import and deletion of all conversations.

use leptos::html::Input;
use leptos::prelude::*;
use parlance_protocol::library::ExportFormat;

use super::delete_button::DeleteButton;
use super::files::{self, download};
use super::focus::element;
use crate::chats::{Chats, Toast};
use crate::client::Client;
use crate::i18n::{tf, tr};

/// Export, import, delete.
#[component]
pub(crate) fn DataControls() -> impl IntoView {
    let chats = expect_context::<Chats>();
    let client = expect_context::<Client>();
    let field = NodeRef::<Input>::new();
    let is_confirming = RwSignal::new(false);
    let export = move |format: ExportFormat, kind: &'static str| {
        leptos::task::spawn_local(async move {
            if let Some(file) = chats.export(None, format).await {
                download(&file.name, kind, &file.text);
            }
        });
    };
    let import = move |_| {
        let Some(field) = element(field) else { return };
        let chosen = field.files().map(|chosen| files::list(&chosen));
        // So that the same file can be chosen again.
        field.set_value("");
        leptos::task::spawn_local(async move {
            let mut texts = Vec::new();
            for file in chosen.unwrap_or_default() {
                texts.extend(files::text(&file).await);
            }
            let text = match chats.import(texts).await {
                Ok((added, known)) => tf("imported", [("added", added.into()), ("known", known.into())]),
                Err(message) => message,
            };
            chats.toast().set(Some(Toast { text, undo: None }));
        });
    };
    let delete = move || {
        is_confirming.set(false);
        chats.delete_all();
        client.delete_saved_caches();
    };
    view! {
        <section data-testid="data">
            <h2>{tr("data")}</h2>
            <p>{tr("data-text")}</p>
            <div class="actions">
                <button on:click=move |_| export(ExportFormat::Json, "application/json")>{tr("export-all-json")}</button>
                <button on:click=move |_| export(ExportFormat::Markdown, "text/markdown")>{tr("export-all-markdown")}</button>
            </div>
            <h3>
                <label for="import-conversations">{tr("import-conversations")}</label>
            </h3>
            <p>{tr("import-conversations-text")}</p>
            <input
                id="import-conversations"
                node_ref=field
                type="file"
                accept=".json,application/json"
                multiple
                on:change=import
            />
            <Show when=move || is_confirming.get()>
                <p>{tr("delete-all-text")}</p>
            </Show>
            <div class="actions">
                <DeleteButton label="delete-all" class="danger" test_id="delete-all" is_confirming on_confirm=delete />
            </div>
        </section>
    }
}
