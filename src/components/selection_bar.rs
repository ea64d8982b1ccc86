//! Actions on the chats that are chosen in the sidebar.

use leptos::prelude::*;
use parlance_protocol::library::ExportFormat;

use super::files::download;
use super::focus::focus_composer;
use crate::chats::Chats;
use crate::i18n::{tf, tr};

/// How many are chosen, and buttons. Nothing while none can be chosen.
#[component]
pub(crate) fn SelectionBar() -> impl IntoView {
    let chats = expect_context::<Chats>();
    let selection = chats.selection();
    let count = Memo::new(move |_| selection.read().as_ref().map(std::collections::BTreeSet::len));
    let has_none = move || count.get().unwrap_or(0) == 0;
    // The bar disappears with the button that was pressed, which would lose the focus.
    let end = move || {
        selection.set(None);
        focus_composer();
    };
    let pin = move |_| {
        chats.pin_selected();
        focus_composer();
    };
    let export = move |_| {
        let chosen = chats.selected();
        end();
        leptos::task::spawn_local(async move {
            if let Some(file) = chats.export(Some(chosen), ExportFormat::Json).await {
                download(&file.name, "application/json", &file.text);
            }
        });
    };
    let delete = move |_| {
        chats.delete_selected();
        focus_composer();
    };
    view! {
        <Show when=move || count.read().is_some()>
            <div class="selection-bar" data-testid="selection-bar">
                <p role="status">{move || tf("selected-count", [("count", count.get().unwrap_or(0).into())])}</p>
                <button class="small" disabled=has_none on:click=pin>
                    {tr("pin")}
                </button>
                <button class="small" disabled=has_none on:click=export>
                    {tr("export-json")}
                </button>
                <button class="small danger" disabled=has_none on:click=delete>
                    {tr("delete")}
                </button>
                <button class="small" on:click=move |_| end()>
                    {tr("cancel")}
                </button>
            </div>
        </Show>
    }
}
