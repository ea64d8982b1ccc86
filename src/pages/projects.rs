//! The projects page: instructions, files and chats that belong together.

use leptos::prelude::*;
use parlance_protocol::library::Project;

use crate::chats::Chats;
use crate::components::embedding_proposal::EmbeddingProposal;
use crate::components::page_header::PageHeader;
use crate::components::project_card::ProjectCard;
use crate::components::readings_list::ReadingsList;
use crate::i18n::tr;

/// The projects page.
#[component]
pub(crate) fn ProjectsPage() -> impl IntoView {
    let chats = expect_context::<Chats>();
    let name = RwSignal::new(String::new());
    let create = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let text = name.get_untracked().trim().to_owned();
        if !text.is_empty() {
            chats.new_project(text);
            name.set(String::new());
        }
    };
    let projects = chats.projects();
    let has_projects = Memo::new(move |_| !projects.read().is_empty());
    view! {
        <main class="page">
            <PageHeader title="projects" />
            <p>{tr("projects-text")}</p>
            <form class="row" on:submit=create>
                <input
                    id="project-name"
                    dir="auto"
                    placeholder=tr("project-name")
                    aria-label=tr("project-name")
                    prop:value=name
                    on:input:target=move |event| name.set(event.target().value())
                />
                <button type="submit" class="primary">
                    {tr("new-project")}
                </button>
            </form>
            <ReadingsList readings=chats.readings() />
            <Show
                when=move || has_projects.get()
                fallback=|| view! { <p class="empty" data-testid="no-projects">{tr("projects-empty")}</p> }
            >
                <EmbeddingProposal />
            </Show>
            <For each=move || projects.get() key=|project: &Project| (project.id, project.name.clone()) let(project)>
                <ProjectCard project />
            </For>
        </main>
    }
}
