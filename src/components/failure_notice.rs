//! An error, with the help that its kind calls for.

use leptos::prelude::*;
use parlance_protocol::{Failure, FailureKind};

use super::webgpu_help::WebGpuHelp;
use crate::i18n::tr;

/// The failure's sentence and what can be done.
#[component]
pub(crate) fn FailureNotice(failure: Failure) -> impl IntoView {
    let help = match failure.kind {
        FailureKind::NoWebGpu => view! { <WebGpuHelp /> }.into_any(),
        FailureKind::Network => view! { <p>{tr("help-network")}</p> }.into_any(),
        FailureKind::BadModel | FailureKind::Unsupported | FailureKind::TooLarge => {
            view! { <p>{tr("help-other-model")}</p> }.into_any()
        }
        FailureKind::Storage => view! { <p><a href="storage">{tr("help-storage")}</a></p> }.into_any(),
        FailureKind::ContextOverflow => view! { <p>{tr("help-new-chat")}</p> }.into_any(),
        FailureKind::NotAllowed => view! { <p>{tr("help-not-allowed")}</p> }.into_any(),
        FailureKind::Gpu | FailureKind::Crashed | FailureKind::BadRequest | FailureKind::Interrupted => ().into_any(),
    };
    view! {
        <div class="failure" role="alert">
            <p class="failure-message">{sentence(&failure.message)}</p>
            {help}
        </div>
    }
}

/// The message with a capital at its start and a full stop at its end.
fn sentence(message: &str) -> String {
    let mut characters = message.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if message.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", characters.as_str())
}

#[cfg(test)]
mod tests {
    use super::sentence;

    #[test]
    fn messages_become_sentences() {
        assert_eq!(sentence("no model is loaded"), "No model is loaded.");
        assert_eq!(sentence("Done."), "Done.");
        assert_eq!(sentence(""), ".");
    }
}
