//! Above the composer: the project that the chat belongs to.

use leptos::prelude::*;

use super::icons::Icon;
use crate::chats::Chats;

/// A link to the projects. Nothing if the chat belongs to none.
#[component]
pub(crate) fn ProjectNote() -> impl IntoView {
    let chats = expect_context::<Chats>();
    move || {
        chats.project().map(|project| {
            view! {
                <a class="project-note" href="projects" dir="auto">
                    <Icon name="folder" />
                    {project.name}
                </a>
            }
        })
    }
}
