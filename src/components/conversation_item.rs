//! One conversation in the sidebar, with its menu.

use leptos::html::{Details, Input};
use leptos::prelude::*;
use parlance_protocol::library::{ConversationSummary, ExportFormat, Id};
use wasm_bindgen::JsCast as _;
use web_sys::{FocusEvent, HtmlElement, KeyboardEvent, Node};

use super::files::download;
use super::focus::{element, focus_composer};
use super::icons::Icon;
use super::marked::Marked;
use crate::chats::Chats;
use crate::i18n::tr;

/// The property of a conversation that is being edited inline.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Editing {
    Title,
    Folder,
    Tags,
}

/// A button that opens the conversation, and its menu.
#[component]
pub(crate) fn ConversationItem(
    summary: ConversationSummary,
    on_choose: impl Fn(Id) + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let chats = expect_context::<Chats>();
    let id = summary.id;
    let title = summary.title.clone();
    let editing = RwSignal::new(None);
    let summary = StoredValue::new(summary);
    let is_current = move || chats.current_id() == Some(id);
    let save = move |what: Editing, text: String| {
        editing.set(None);
        let text = text.trim().to_owned();
        summary.with_value(|summary| {
            chats.change(summary, |summary| match what {
                Editing::Title if text.is_empty() => {}
                Editing::Title => {
                    summary.title = text;
                    summary.is_title_given = true;
                }
                Editing::Folder => summary.folder = Some(text).filter(|text| !text.is_empty()),
                Editing::Tags => summary.tags = tags_of(&text),
            });
        });
    };
    let excerpt = move || {
        let excerpt = chats.found(id).map(|found| found.excerpt).filter(|excerpt| !excerpt.is_empty());
        excerpt.map(|pieces| {
            view! {
                <p class="excerpt" dir="auto">
                    <Marked pieces />
                </p>
            }
        })
    };
    let row = move || {
        let Some(what) = editing.get() else {
            let title = title.clone();
            let title = move || match chats.found(id) {
                Some(found) if !found.title.is_empty() => view! { <Marked pieces=found.title /> }.into_any(),
                _ => title.clone().into_any(),
            };
            return view! {
                <SelectBox id />
                <button
                    class="conversation"
                    dir="auto"
                    aria-current=move || is_current().then_some("page")
                    on:click=move |_| on_choose(id)
                >
                    {title}
                </button>
                <ItemMenu summary editing />
                <Tags tags=summary.with_value(|summary| summary.tags.clone()) />
                {excerpt}
            }
            .into_any();
        };
        let text = summary.with_value(|summary| match what {
            Editing::Title => summary.title.clone(),
            Editing::Folder => summary.folder.clone().unwrap_or_default(),
            Editing::Tags => summary.tags.join(", "),
        });
        view! { <InlineEditor what text on_save=move |text| save(what, text) on_cancel=move || editing.set(None) /> }
            .into_any()
    };
    view! { <li class="conversation-item" data-id=id.to_string()>{row}</li> }
}

/// The tags in a text, without commas and `#`.
fn tags_of(text: &str) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    for tag in text.split(',') {
        // A search for a tag is one word.
        let tag = tag.trim().trim_start_matches('#').split_whitespace().collect::<Vec<_>>().join("-");
        if !tag.is_empty() && !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags
}

/// The conversation's tags; each is a search for others that have it.
#[component]
fn Tags(tags: Vec<String>) -> impl IntoView {
    let query = expect_context::<Chats>().query();
    let one = move |tag: String| {
        let wanted = format!("#{tag}");
        let label = wanted.clone();
        view! {
            <button class="tag" dir="auto" on:click=move |_| query.set(wanted.clone())>
                {label}
            </button>
        }
    };
    (!tags.is_empty()).then(|| view! { <div class="tags">{tags.into_iter().map(one).collect_view()}</div> })
}

/// Chooses the conversation for an action on several, while that is possible.
#[component]
fn SelectBox(id: Id) -> impl IntoView {
    let chats = expect_context::<Chats>();
    let selection = chats.selection();
    view! {
        <Show when=move || selection.read().is_some()>
            <input
                type="checkbox"
                aria-label=tr("select-chat")
                prop:checked=move || selection.read().as_ref().is_some_and(|chosen| chosen.contains(&id))
                on:change=move |_| chats.toggle_selected(id)
            />
        </Show>
    }
}

/// A field that edits the title, the folder or the tags inline.
#[component]
fn InlineEditor(
    what: Editing,
    text: String,
    on_save: impl Fn(String) + Copy + 'static,
    on_cancel: impl Fn() + Copy + 'static,
) -> impl IntoView {
    let field = NodeRef::<Input>::new();
    Effect::new(move |_| {
        if let Some(field) = field.get() {
            // A mounted field can be focused.
            let _ = field.focus();
            field.select();
        }
    });
    let value = move || element(field).map(|field| field.value()).unwrap_or_default();
    // Removing the field blurs it, which must not save again.
    let is_over = StoredValue::new(false);
    let end = move |saves: bool| {
        if is_over.try_update_value(|is_over| std::mem::replace(is_over, true)) == Some(false) {
            if saves { on_save(value()) } else { on_cancel() }
        }
    };
    let on_key = move |event: KeyboardEvent| match event.key().as_str() {
        "Enter" if !event.is_composing() => {
            end(true);
            focus_composer();
        }
        "Escape" => {
            // Must not stop an answer as well.
            event.stop_propagation();
            end(false);
            focus_composer();
        }
        _ => {}
    };
    let label = match what {
        Editing::Title => "title",
        Editing::Folder => "folder",
        Editing::Tags => "tags",
    };
    view! {
        <input
            node_ref=field
            dir="auto"
            value=text
            placeholder=tr(label)
            aria-label=tr(label)
            on:keydown=on_key
            on:blur=move |_| end(true)
        />
    }
}

/// The menu of a conversation.
#[component]
fn ItemMenu(summary: StoredValue<ConversationSummary>, editing: RwSignal<Option<Editing>>) -> impl IntoView {
    let chats = expect_context::<Chats>();
    let menu = NodeRef::<Details>::new();
    let on_focus_out = move |event: FocusEvent| {
        let next = event.related_target().and_then(|target| target.dyn_into::<Node>().ok());
        if let Some(menu) = element(menu).filter(|menu| !menu.contains(next.as_ref())) {
            menu.set_open(false);
        }
    };
    let on_key = move |event: KeyboardEvent| {
        if let Some(menu) = element(menu).filter(|menu| event.key() == "Escape" && menu.open()) {
            // Must not stop an answer as well.
            event.stop_propagation();
            menu.set_open(false);
            let button = menu.query_selector("summary").ok().flatten();
            if let Some(button) = button.and_then(|button| button.dyn_into::<HtmlElement>().ok()) {
                // A mounted button can be focused.
                let _ = button.focus();
            }
        }
    };
    // After choosing an entry.
    let close = move || {
        if let Some(menu) = element(menu) {
            menu.set_open(false);
        }
        focus_composer();
    };
    let id = summary.with_value(|summary| summary.id);
    let is_pinned = summary.with_value(|summary| summary.is_pinned);
    let pin = move |_| {
        close();
        summary.with_value(|summary| chats.change(summary, |summary| summary.is_pinned = !is_pinned));
    };
    let export = move |format: ExportFormat, kind: &'static str| {
        close();
        leptos::task::spawn_local(async move {
            if let Some(file) = chats.export(Some(vec![id]), format).await {
                download(&file.name, kind, &file.text);
            }
        });
    };
    view! {
        <details
            class="menu"
            node_ref=menu
            on:focusout=on_focus_out
            on:keydown=on_key
        >
            <summary class="icon-button" aria-label=tr("more") title=tr("more")>
                <Icon name="more" />
            </summary>
            // Focusable for browsers that do not focus buttons on click; there, the menu would close before the click.
            <div class="menu-items" tabindex="-1">
                <button on:click=move |_| editing.set(Some(Editing::Title))>{tr("rename")}</button>
                <button on:click=pin>{tr(if is_pinned { "unpin" } else { "pin" })}</button>
                <button on:click=move |_| editing.set(Some(Editing::Folder))>{tr("move-to-folder")}</button>
                <button on:click=move |_| editing.set(Some(Editing::Tags))>{tr("tags")}</button>
                <button on:click=move |_| export(ExportFormat::Markdown, "text/markdown")>{tr("export-markdown")}</button>
                <button on:click=move |_| export(ExportFormat::Json, "application/json")>{tr("export-json")}</button>
                <button class="danger" on:click=move |_| { close(); chats.delete(id); }>{tr("delete")}</button>
            </div>
        </details>
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::tags_of;

    #[wasm_bindgen_test]
    fn tags_are_words_between_commas() {
        assert_eq!(tags_of(" zoo, #to read ,zoo,, # "), ["zoo", "to-read"]);
        assert!(tags_of("").is_empty());
    }
}
