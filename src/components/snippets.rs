//! An editor for named texts: personas and prompts.

use leptos::prelude::*;

use super::icon_button::IconButton;
use crate::i18n::tr;
use crate::settings::{Settings, SettingsContext, Snippet};

/// An editable list. `of` and `of_mut` select the texts in the settings; `title` and `text` are message ids.
#[component]
pub(crate) fn Snippets(
    title: &'static str,
    text: &'static str,
    of: fn(&Settings) -> &Vec<Snippet>,
    of_mut: fn(&mut Settings) -> &mut Vec<Snippet>,
) -> impl IntoView {
    let settings = expect_context::<SettingsContext>().0;
    // Rebuild rows only when their number changes, so that fields keep the focus.
    let count = Memo::new(move |_| of(&settings.read()).len());
    let row = move |index: usize| {
        let field = move |get: fn(&Snippet) -> String| of(&settings.read()).get(index).map(get).unwrap_or_default();
        let change = move |set: fn(&mut Snippet, String), value: String| {
            if let Some(snippet) = of_mut(&mut settings.write()).get_mut(index) {
                set(snippet, value);
            }
        };
        view! {
            <li class="snippet">
                <input
                    aria-label=tr("name")
                    placeholder=tr("name")
                    prop:value=move || field(|snippet| snippet.name.clone())
                    on:change:target=move |event| {
                        change(|snippet, value| snippet.name = value, event.target().value().replace(' ', "-"));
                    }
                />
                <textarea
                    class="field"
                    rows="2"
                    dir="auto"
                    aria-label=tr("text")
                    placeholder=tr("text")
                    prop:value=move || field(|snippet| snippet.text.clone())
                    on:change:target=move |event| {
                        change(|snippet, value| snippet.text = value, event.target().value());
                    }
                ></textarea>
                <IconButton
                    icon="trash"
                    label="remove"
                    on_press=move || drop(of_mut(&mut settings.write()).remove(index))
                />
            </li>
        }
    };
    view! {
        <section data-testid=title>
            <h2>{tr(title)}</h2>
            <p>{tr(text)}</p>
            <ul class="snippets">{move || (0..count.get()).map(row).collect_view()}</ul>
            <div class="actions">
                <button on:click=move |_| of_mut(&mut settings.write()).push(Snippet::default())>{tr("add")}</button>
            </div>
        </section>
    }
}
