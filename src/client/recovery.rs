//! When the worker dies: a new one takes over, once, and what was under way goes on.

use leptos::prelude::*;
use parlance_protocol::{Failure, FailureKind, Reason};

use super::{AnswerEvent, Asked, Client, EngineState, Inspection, Link};
use crate::i18n::tf;
use crate::transport::Transport;

impl Client {
    /// The worker runs: what has waited for that is posted.
    pub(super) fn started(self) {
        let posted = self.link.with_value(|link| link.transport.as_ref().map(Transport::started));
        if let Some(Err(message)) = posted {
            self.worker_died(&message);
        }
    }

    /// Gives up the worker of this number if it still has not started.
    pub(super) fn check_start(self, worker: u32) {
        let is_starting = |link: &Link| link.transport.as_ref().is_some_and(|transport| !transport.has_started());
        let is_silent = |link: &Link| link.worker_count == worker && is_starting(link);
        if self.link.with_value(is_silent) {
            self.worker_died("it did not start within a minute");
        }
    }

    /// Ends the worker. One that had run is replaced, and its answers go on in the new one; if that dies, too, before it got anything done,
    /// or a worker cannot even start, the user is told and may try again.
    pub(super) fn worker_died(self, message: &str) {
        let had_run = self.link.with_value(|link| link.transport.as_ref().is_some_and(Transport::has_started));
        let was_recovering = self.link.with_value(|link| link.is_recovering);
        let answers = self.link.try_update_value(|link| {
            link.transport = None;
            // Those who wait hear that their senders are gone.
            link.replies.clear();
            std::mem::take(&mut link.answers)
        });
        let answers = answers.unwrap_or_default();
        if had_run && !was_recovering {
            self.link.update_value(|link| link.is_recovering = true);
            self.notice.set(Some(tf("engine-restarted", [("message", message.into())])));
            self.end_inspection();
            if !matches!(self.engine.get_untracked(), EngineState::Empty) {
                self.retry();
            }
            let mut open: Vec<_> = answers.into_iter().collect();
            open.sort_unstable_by_key(|(id, _)| *id);
            tell(open.into_iter().map(|(_, asked)| asked), || AnswerEvent::Lost);
            return;
        }
        let failure = Failure::new(
            FailureKind::Crashed,
            format!("The engine stopped working: {message}. Your conversation is still here; try again."),
        )
        .with_reason(Reason::EngineStopped { detail: message.to_owned() });
        self.link.update_value(|link| link.is_recovering = false);
        let told = failure.clone();
        tell(answers.into_values(), move || AnswerEvent::Failed(told.clone()));
        if self.inspection.read_untracked().is_some() {
            self.inspection.set(Some(Inspection::Failed(failure.clone())));
        }
        self.engine.set(EngineState::Failed(failure));
    }
}

/// Tells those who have asked, in a task of its own: a worker can die while it is asked, and whoever asks notes that they did before they hear
/// what came of it.
fn tell(askers: impl Iterator<Item = Asked>, event: impl Fn() -> AnswerEvent + 'static) {
    let askers: Vec<Asked> = askers.collect();
    leptos::task::spawn_local(async move {
        for asked in askers {
            asked.tell(event());
        }
    });
}
