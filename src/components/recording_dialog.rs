//! A recording with its transcript: a player, text with times, and files of it.

use leptos::html::Audio;
use leptos::prelude::*;
use parlance_protocol::library::Attachment;
use parlance_protocol::openai::{TranscriptPart, subtitles};
use parlance_protocol::{Failure, FailureKind, RequestId};
use web_sys::{File, Url};

use super::dialog::Dialog;
use super::failure_notice::FailureNotice;
use super::files::download;
use super::focus::element;
use super::model_status::Bar;
use super::speech_model::{SpeechLoad, SpeechModel};
use super::units::clock;
use crate::chats::Chats;
use crate::client::{Client, TranscriptEvent};
use crate::i18n::{t, tf, tr};

/// Endings of files that are recordings. Browsers know no kind of some of them.
const ENDINGS: [&str; 9] = [".mp3", ".m4a", ".ogg", ".oga", ".opus", ".wav", ".webm", ".mp4", ".flac"];

/// Whether a file is a recording, by its kind and its name.
pub(crate) fn is_recording(file: &File) -> bool {
    let name = file.name().to_lowercase();
    file.type_().starts_with("audio/") || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// How far a transcript is.
#[derive(Debug, Clone, PartialEq)]
enum Status {
    /// There is no model yet.
    Waiting,
    /// The share of the recording that is decoded.
    Decoding(f64),
    /// Seconds that are transcribed, of all.
    Listening(f64, f64),
    Finished,
    Failed(Failure),
}

/// The transcript of a recording; a copy of the handle may outlive the dialog.
#[derive(Clone, Copy)]
struct Transcript {
    status: RwSignal<Status>,
    parts: RwSignal<Vec<TranscriptPart>>,
    request: StoredValue<Option<RequestId>>,
}

impl Transcript {
    fn take(self, event: TranscriptEvent) {
        // The dialog may be gone.
        let _ = match event {
            TranscriptEvent::Decoding(share) => self.status.try_set(Status::Decoding(share)),
            TranscriptEvent::Listening(seconds, total) => self.status.try_set(Status::Listening(seconds, total)),
            TranscriptEvent::Finished => self.status.try_set(Status::Finished),
            TranscriptEvent::Failed(failure) => self.status.try_set(Status::Failed(failure)),
            TranscriptEvent::Part(part) => {
                self.parts.try_update(|parts| parts.push(part));
                None
            }
        };
    }
}

/// The dialog of a recording.
#[component]
pub(crate) fn RecordingDialog(file: File, on_close: impl Fn() + Copy + Send + Sync + 'static) -> impl IntoView {
    let (client, chats) = (expect_context::<Client>(), expect_context::<Chats>());
    client.list_stored();
    let transcript = Transcript {
        status: RwSignal::new(Status::Waiting),
        parts: RwSignal::new(Vec::new()),
        request: StoredValue::new(None),
    };
    let name = file.name();
    let url = Url::create_object_url_with_blob(&file).unwrap_or_default();
    let file = StoredValue::new_local(file);
    let begin = move |model: String| {
        transcript.status.set(Status::Decoding(0.0));
        leptos::task::spawn_local(async move {
            if let Err(failure) = client.load_speech(model).await {
                return transcript.take(TranscriptEvent::Failed(failure));
            }
            let Some(file) = file.try_get_value() else { return };
            let request = client.transcribe(&file, move |event| transcript.take(event));
            let _ = transcript.request.try_set_value(Some(request));
        });
    };
    Effect::new(move |_| {
        if let Some(model) = client.speech_model().filter(|_| transcript.status.get_untracked() == Status::Waiting) {
            begin(model);
        }
    });
    let (player, nothing) = (NodeRef::<Audio>::new(), || ());
    let used_url = url.clone();
    on_cleanup(move || {
        if let Some(request) = transcript.request.try_get_value().flatten() {
            client.interrupt(request);
        }
        // It is not used any more.
        let _ = Url::revoke_object_url(&used_url);
    });
    let seek = move |seconds: f64| {
        if let Some(player) = element(player) {
            player.set_current_time(seconds);
            // Browsers may refuse to play, but the user has just clicked.
            let _ = player.play();
        }
    };
    let attach_name = name.clone();
    let attach = move || {
        let text = subtitles::text(&transcript.parts.read_untracked());
        chats.attachments().update(|files| files.push(Attachment::new(format!("{attach_name}.txt"), text)));
        on_close();
    };
    view! {
        <Dialog title="recording" on_close>
            <section class="recording" data-testid="recording">
                <p dir="auto">{name.clone()}</p>
                <audio node_ref=player controls src=url></audio>
                <Show when=move || *transcript.status.read() == Status::Waiting && client.speech_model().is_none()>
                    <SpeechModel on_ready=nothing />
                </Show>
                <Progress status=transcript.status.into() />
                <Parts parts=transcript.parts.into() on_seek=seek />
                <Save name parts=transcript.parts.into() on_attach=attach />
            </section>
        </Dialog>
    }
}

/// How far the transcript is, and why it ended early.
#[component]
fn Progress(status: Signal<Status>) -> impl IntoView {
    let share = move || match status.get() {
        Status::Decoding(share) => Some(share),
        Status::Listening(seconds, total) => Some(seconds / total.max(0.1)),
        _ => None,
    };
    let text = move || match status.get() {
        Status::Waiting => String::new(),
        Status::Decoding(_) => t("decoding-recording"),
        Status::Listening(seconds, total) => {
            tf("transcribed-of", [("done", clock(seconds).into()), ("total", clock(total).into())])
        }
        Status::Finished => t("transcript-complete"),
        Status::Failed(_) => t("transcript-incomplete"),
    };
    let failure = move || match status.get() {
        Status::Failed(failure) if failure.kind != FailureKind::Interrupted => {
            Some(view! { <FailureNotice failure /> })
        }
        _ => None,
    };
    view! {
        <SpeechLoad />
        <p role="status" data-testid="transcript-status">{text}</p>
        <Show when=move || matches!(*status.read(), Status::Decoding(_) | Status::Listening(..))>
            <Bar share=Signal::derive(share) />
        </Show>
        {failure}
    }
}

/// The segments, with buttons that play from where they begin.
#[component]
fn Parts(parts: Signal<Vec<TranscriptPart>>, on_seek: impl Fn(f64) + Copy + Send + Sync + 'static) -> impl IntoView {
    let one = move |part: TranscriptPart| {
        let start = part.start;
        view! {
            <li>
                <button type="button" class="small" title=tr("play-from-here") on:click=move |_| on_seek(start)>
                    {clock(start)}
                </button>
                <span dir="auto">{part.text.trim().to_owned()}</span>
            </li>
        }
    };
    view! {
        <ol class="transcript" data-testid="transcript" aria-label=tr("transcript")>
            <For each=move || parts.get() key=|part| part.id let:part>
                {one(part)}
            </For>
        </ol>
    }
}

/// A form in which transcripts are saved: its label's key, extension, MIME type, and how it is written.
type Form = (&'static str, &'static str, &'static str, fn(&[TranscriptPart]) -> String);

/// Saves the transcript, or attaches it to the message in the composer.
#[component]
fn Save(
    name: String,
    parts: Signal<Vec<TranscriptPart>>,
    on_attach: impl Fn() + Send + Sync + 'static,
) -> impl IntoView {
    let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem).to_owned();
    let forms: [Form; 3] = [
        ("save-as-text", "txt", "text/plain", subtitles::text),
        ("save-as-srt", "srt", "application/x-subrip", subtitles::srt),
        ("save-as-vtt", "vtt", "text/vtt", subtitles::vtt),
    ];
    let buttons = forms.map(|(label, ending, kind, form)| {
        let file = format!("{stem}.{ending}");
        let save = move |_| download(&file, kind, &form(&parts.read_untracked()));
        view! {
            <button type="button" data-testid=label on:click=save>
                {tr(label)}
            </button>
        }
    });
    view! {
        <div class="actions" hidden=move || parts.read().is_empty()>
            {buttons.into_iter().collect_view()}
            <button type="button" class="primary" data-testid="attach-transcript" on:click=move |_| on_attach()>
                {tr("attach-transcript")}
            </button>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn recordings_are_known_by_their_names() {
        let file = |name: &str| File::new_with_blob_sequence(&js_sys::Array::new(), name);
        let is_one = |name: &str| file(name).is_ok_and(|file| is_recording(&file));
        assert!(["a.MP3", "talk.m4a", "b.opus", "c.webm"].into_iter().all(is_one));
        assert!(!["a.txt", "mp3", "model.gguf"].into_iter().any(is_one));
    }
}
