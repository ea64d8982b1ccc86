//! A project: its name and instructions, its files, and its chats.

use leptos::html::Input;
use leptos::prelude::*;
use parlance_protocol::library::{ConversationSummary, Id, Project, ProjectFile};

use super::delete_button::DeleteButton;
use super::files::list;
use super::focus::element;
use super::icon_button::IconButton;
use super::navigation::{use_go_to_chat, use_open_chat};
use super::units;
use crate::chats::Chats;
use crate::i18n::{tf, tr};
use crate::library::Library;
use crate::options::model_url;
use crate::settings::SettingsContext;

/// A project of the list.
#[component]
pub(crate) fn ProjectCard(project: Project) -> impl IntoView {
    let chats = expect_context::<Chats>();
    let go = use_go_to_chat();
    let id = project.id;
    let project = StoredValue::new(project);
    let change = move |change: &dyn Fn(&mut Project)| {
        project.update_value(change);
        chats.put_project(project.get_value());
    };
    let rename = move |event: web_sys::Event| {
        let name = event_target_value(&event).trim().to_owned();
        if !name.is_empty() {
            change(&|project| project.name.clone_from(&name));
        }
    };
    let instruct = move |event: web_sys::Event| {
        let instructions = event_target_value(&event);
        change(&|project| project.instructions.clone_from(&instructions));
    };
    let new_chat = move |_| {
        chats.open_in_project(id);
        go(None);
    };
    let (name, instructions) = project.with_value(|project| (project.name.clone(), project.instructions.clone()));
    view! {
        <section class="project" data-project=id.to_string()>
            <input class="project-name" dir="auto" aria-label=tr("project-name") value=name on:change=rename />
            <label>
                {tr("project-instructions")}
                <textarea class="field" rows="3" dir="auto" prop:value=instructions on:change=instruct></textarea>
            </label>
            <Files project=id />
            <Conversations project=id />
            <div class="actions">
                <button class="primary" data-testid="new-project-chat" on:click=new_chat>
                    {tr("new-chat")}
                </button>
                <DeleteButton
                    label="delete-project"
                    class="danger"
                    is_confirming=RwSignal::new(false)
                    on_confirm=move || chats.delete_project(id)
                />
            </div>
        </section>
    }
}

/// The project's files, and a field that adds more.
#[component]
fn Files(project: Id) -> impl IntoView {
    let chats = expect_context::<Chats>();
    let library = expect_context::<Library>();
    let settings = expect_context::<SettingsContext>().0;
    let field = NodeRef::<Input>::new();
    let files = LocalResource::new(move || {
        chats.project_changes().track();
        library.project_files(project, model_url(&settings.read().embedding_model).unwrap_or_default())
    });
    let add = move |_| {
        let Some(field) = element(field) else { return };
        let chosen = field.files().map(|chosen| list(&chosen)).unwrap_or_default();
        // So that the same file can be chosen again.
        field.set_value("");
        chats.add_to_project(project, chosen);
    };
    let one = move |file: ProjectFile| {
        let id = file.id;
        let details = move || {
            let (size, count) = (units::bytes(file.len_bytes), units::count(file.passages.into()));
            let embedded = units::count(file.embedded.into());
            tf("project-file", [("size", size.into()), ("count", count.into()), ("embedded", embedded.into())])
        };
        view! {
            <li class="row">
                <span dir="auto">{file.name.clone()} " " <span class="muted">{details}</span></span>
                <IconButton icon="close" label="remove" on_press=move || chats.delete_project_file(id) />
            </li>
        }
    };
    view! {
        <h2>
            <label for=format!("add-{project}")>{tr("project-files")}</label>
        </h2>
        <ul class="project-files">
            {move || files.get().and_then(Result::ok).unwrap_or_default().into_iter().map(one).collect_view()}
        </ul>
        <input id=format!("add-{project}") node_ref=field type="file" multiple on:change=add />
    }
}

/// Links to the project's chats.
#[component]
fn Conversations(project: Id) -> impl IntoView {
    let chats = expect_context::<Chats>();
    let open = StoredValue::new_local(use_open_chat());
    let own = Memo::new(move |_| {
        let all = chats.list().get().unwrap_or_default();
        all.into_iter().filter(|summary| summary.project == Some(project)).collect::<Vec<ConversationSummary>>()
    });
    let one = move |summary: ConversationSummary| {
        view! {
            <li>
                <button class="small" dir="auto" on:click=move |_| open.with_value(|open| open(Some(summary.id)))>
                    {summary.title}
                </button>
            </li>
        }
    };
    view! {
        <Show when=move || !own.read().is_empty()>
            <h2>{tr("conversations")}</h2>
            <ul class="project-chats">{move || own.get().into_iter().map(one).collect_view()}</ul>
        </Show>
    }
}
