//! The storage page: downloaded models, their sizes, and free space.

use leptos::html::Input;
use leptos::prelude::*;

use crate::client::Client;
use crate::components::failure_notice::FailureNotice;
use crate::components::files::list;
use crate::components::focus::element;
use crate::components::notice::Notice;
use crate::components::page_header::PageHeader;
use crate::components::storage_list::StorageList;
use crate::i18n::tr;
use crate::storage;

/// The storage page.
#[component]
pub(crate) fn StoragePage() -> impl IntoView {
    let client = expect_context::<Client>();
    client.list_stored();
    let is_persisted = LocalResource::new(storage::is_persisted);
    let keep = Action::new_local(move |(): &()| async move {
        storage::persist().await;
        is_persisted.refetch();
    });
    let field = NodeRef::<Input>::new();
    let import = move |_| {
        if let Some(files) = element(field).and_then(|field| field.files()) {
            client.import(list(&files));
        }
    };
    let persistence = move || {
        is_persisted.get().map(|is_persisted| {
            if is_persisted {
                view! { <p>{tr("storage-persistent")}</p> }.into_any()
            } else {
                view! {
                    <div class="row">
                        <p>{tr("storage-evictable")}</p>
                        <button on:click=move |_| { keep.dispatch(()); }>{tr("persist")}</button>
                    </div>
                }
                .into_any()
            }
        })
    };
    view! {
        <main class="page">
            <PageHeader title="storage" />
            <Notice />
            {move || match client.stored().get() {
                None => view! { <p role="status">{tr("loading")}</p> }.into_any(),
                Some(Err(failure)) => view! { <FailureNotice failure /> }.into_any(),
                Some(Ok(storage)) => view! { <StorageList storage /> }.into_any(),
            }}
            <section>{persistence}</section>
            <section>
                <h2>
                    <label for="import-file">{tr("import-model")}</label>
                </h2>
                <p>{tr("import-model-text")}</p>
                <input id="import-file" node_ref=field type="file" accept=".gguf,.bin" multiple on:change=import />
            </section>
        </main>
    }
}
