//! The head of a page beside the chat.

use leptos::prelude::*;

use super::icons::Icon;
use super::tab_title::name_tab;
use crate::i18n::tr;

/// A way back and the title, by the key of its message.
#[component]
pub(crate) fn PageHeader(title: &'static str) -> impl IntoView {
    name_tab(tr(title));
    view! {
        <header class="page-header">
            <nav aria-label=tr("pages")>
                <a class="back" href=".">
                    <Icon name="back" />
                    {tr("chat")}
                </a>
                <a href="catalogue">{tr("models")}</a>
                <a href="storage">{tr("storage")}</a>
                <a href="settings">{tr("settings")}</a>
                <a href="performance">{tr("performance")}</a>
                <a href="playground">{tr("playground")}</a>
            </nav>
            <h1>{tr(title)}</h1>
        </header>
    }
}
