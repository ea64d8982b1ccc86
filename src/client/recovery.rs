//! Recovery from a crashed worker: it is replaced once, and pending answers continue in the new one.

use leptos::prelude::*;
use parlance_protocol::{Failure, FailureKind, Reason};

use super::{AnswerEvent, Client, EngineState, Inspection, Link, PendingAnswer};
use crate::i18n::tf;
use crate::transport::Transport;

impl Client {
    /// The worker is ready: posts the queued messages.
    pub(super) fn started(self) {
        let posted = self.link.with_value(|link| link.transport.as_ref().map(Transport::started));
        if let Some(Err(message)) = posted {
            self.worker_died(&message);
        }
    }

    /// Gives up on a worker that is still starting.
    pub(super) fn check_start(self, worker: u32) {
        let is_starting = |link: &Link| link.transport.as_ref().is_some_and(|transport| !transport.has_started());
        let is_silent = |link: &Link| link.worker_count == worker && is_starting(link);
        if self.link.with_value(is_silent) {
            self.worker_died("it did not start within a minute");
        }
    }

    /// Terminates the worker. A worker that had been running is replaced; its answers continue in the new one, and an inspection is repeated.
    /// If that one also dies before it finishes anything, or a worker cannot start at all, the failure is shown and the user may try again.
    pub(super) fn worker_died(self, message: &str) {
        let had_run = self.link.with_value(|link| link.transport.as_ref().is_some_and(Transport::has_started));
        let was_recovering = self.link.with_value(|link| link.is_recovering);
        let answers = self.link.try_update_value(|link| {
            link.transport = None;
            // Dropping the senders fails the pending calls.
            link.replies.clear();
            std::mem::take(&mut link.answers)
        });
        self.end_transcripts(message);
        let answers = answers.unwrap_or_default();
        if had_run && !was_recovering {
            self.link.update_value(|link| link.is_recovering = true);
            self.notice.set(Some(tf("engine-restarted", [("message", message.into())])));
            let is_inspecting = matches!(&*self.inspection.read_untracked(), Some(Inspection::Pending));
            if is_inspecting {
                self.request_inspection();
            }
            if !matches!(self.engine.get_untracked(), EngineState::Empty) {
                self.retry();
            }
            let mut open: Vec<_> = answers.into_iter().collect();
            open.sort_unstable_by_key(|(id, _)| *id);
            report(open.into_iter().map(|(_, answer)| answer), || AnswerEvent::Lost);
            self.continue_fetch();
            return;
        }
        let failure = Failure::new(
            FailureKind::Crashed,
            format!("The engine crashed: {message}. Your chat is still here; try again."),
        )
        .with_reason(Reason::EngineStopped { detail: message.to_owned() });
        self.link.update_value(|link| link.is_recovering = false);
        let reported = failure.clone();
        report(answers.into_values(), move || AnswerEvent::Failed(reported.clone()));
        if self.inspection.read_untracked().is_some() {
            self.inspection.set(Some(Inspection::Failed(failure.clone())));
        }
        if self.link.with_value(|link| link.download.is_some()) {
            self.fetch_failed(failure.clone());
        }
        self.engine.set(EngineState::Failed(failure));
    }
}

/// Reports an event to the callers of pending answers. Deferred to a task, because a worker can die while a request is posted to it, and the
/// caller has to record its request before it hears of the outcome.
fn report(answers: impl Iterator<Item = PendingAnswer>, event: impl Fn() -> AnswerEvent + 'static) {
    let answers: Vec<PendingAnswer> = answers.collect();
    leptos::task::spawn_local(async move {
        for answer in answers {
            answer.report(event());
        }
    });
}
