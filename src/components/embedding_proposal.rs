//! Proposes a small embedding model, with which files are found by meaning, too. Nothing is fetched before the user agrees.

use leptos::prelude::*;

use super::allow_host::AllowHost;
use crate::chats::Chats;
use crate::i18n::tr;
use crate::options::model_url;
use crate::settings::SettingsContext;

/// A model that knows English best. Its address is the one that public projects load it from; 22.7 million weights of 8.5 bits and the
/// vocabulary take about 25 MB, which was not checked with the host.
const MODEL: &str = "second-state/All-MiniLM-L6-v2-Embedding-GGUF/all-MiniLM-L6-v2-Q8_0.gguf";

/// A button that chooses the model, or else what the chosen one is doing.
#[component]
pub(crate) fn EmbeddingProposal() -> impl IntoView {
    let chats = expect_context::<Chats>();
    let settings = expect_context::<SettingsContext>().0;
    let model = Memo::new(move |_| settings.read().embedding_model.clone());
    let choose = move |_| MODEL.clone_into(&mut settings.write().embedding_model);
    // Also where the model was chosen in the settings.
    Effect::new(move |_| {
        model.track();
        chats.embed_projects();
    });
    view! {
        <section data-testid="embedding-proposal">
            <Show
                when=move || model.read().is_empty()
                fallback=move || {
                    view! {
                        <AllowHost url=Signal::derive(move || model_url(&model.read())) />
                        <Show when=move || chats.is_embedding().get()>
                            <p role="status">{tr("embedding-files")}</p>
                        </Show>
                    }
                }
            >
                <p>{tr("embedding-proposal")}</p>
                <p class="muted">{tr("embedding-source")}</p>
                <div class="actions">
                    <button on:click=choose>{tr("embedding-download")}</button>
                </div>
            </Show>
        </section>
    }
}
