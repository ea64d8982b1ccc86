//! An error message with help.

use leptos::prelude::*;
use parlance_protocol::{Failure, FailureKind, Reason};

use super::seeing_model::SeeingModel;
use super::webgpu_help::WebGpuHelp;
use crate::failure::sentence;
use crate::i18n::tr;

/// A description of the failure and what the user can do.
#[component]
pub(crate) fn FailureNotice(failure: Failure) -> impl IntoView {
    let help = match failure.kind {
        FailureKind::Unsupported if matches!(failure.reason, Reason::CannotSee { .. }) => {
            view! { <SeeingModel /> }.into_any()
        }
        FailureKind::NoWebGpu => view! { <WebGpuHelp /> }.into_any(),
        FailureKind::Network => view! { <p>{tr("help-network")}</p> }.into_any(),
        FailureKind::BadModel | FailureKind::Unsupported | FailureKind::TooLarge => {
            view! { <p>{tr("help-other-model")}</p> }.into_any()
        }
        FailureKind::Storage => view! { <p><a href="storage">{tr("help-storage")}</a></p> }.into_any(),
        FailureKind::ContextOverflow if matches!(failure.reason, Reason::QuestionTooLong { .. }) => ().into_any(),
        FailureKind::ContextOverflow => view! { <p><a href="settings">{tr("help-new-chat")}</a></p> }.into_any(),
        FailureKind::NotAllowed => view! { <p>{tr("help-not-allowed")}</p> }.into_any(),
        FailureKind::Gpu | FailureKind::Crashed | FailureKind::BadRequest | FailureKind::Interrupted => ().into_any(),
    };
    view! {
        <div class="failure" role="alert">
            <p class="failure-message">{move || sentence(&failure)}</p>
            {help}
        </div>
    }
}
