//! The header of all pages except the chat.

use leptos::prelude::*;

use super::icons::Icon;
use super::tab_title::set_tab_title;
use crate::i18n::tr;

/// Links to the other pages, and the title, given as a message id.
#[component]
pub(crate) fn PageHeader(title: &'static str) -> impl IntoView {
    set_tab_title(tr(title));
    view! {
        <header class="page-header">
            <nav aria-label=tr("pages")>
                <a class="back" href=".">
                    <Icon name="back" />
                    {tr("chat")}
                </a>
                <a href="catalogue">{tr("models")}</a>
                <a href="projects">{tr("projects")}</a>
                <a href="storage">{tr("storage")}</a>
                <a href="settings">{tr("settings")}</a>
                <a href="performance">{tr("performance")}</a>
                <a href="playground">{tr("playground")}</a>
            </nav>
            <h1>{tr(title)}</h1>
        </header>
    }
}
