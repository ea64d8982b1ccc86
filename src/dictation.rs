//! Dictation: what the microphone hears becomes text, provisionally while somebody speaks and finally when they have
//! finished. Hands-free, it goes on from there: the text is sent, the answer is read aloud, and speaking interrupts it.
//! What was recorded is in memory only, and gone when it is text.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures::channel::oneshot;
use js_sys::Int16Array;
use leptos::prelude::*;
use parlance_microphone::Voice;
use parlance_protocol::Failure;
use parlance_protocol::openai::{TranscriptPart, subtitles};
use web_sys::SpeechSynthesisUtterance;

use crate::chats::{Chats, Toast};
use crate::client::{Client, TranscriptEvent};
use crate::failure::sentence;
use crate::i18n::t;
use crate::microphone::{Microphone, MicrophoneFault};
use crate::storage;

const SAMPLE_RATE: usize = 16_000;
/// Maximum length of a dictation.
const MAX_SAMPLES: usize = 10 * 60 * SAMPLE_RATE;
/// Less is no word.
const MIN_SAMPLES: usize = SAMPLE_RATE / 4;
/// How much has to be new before the text on screen is renewed.
const LIVE_SAMPLES: usize = SAMPLE_RATE * 3 / 2;
/// Above this, only what was said last is heard again for the text on screen.
const LIVE_WINDOW_SAMPLES: usize = 20 * SAMPLE_RATE;

/// What is going on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum DictationState {
    /// Nothing.
    #[default]
    Idle,
    /// The model is loaded, or the microphone is opened.
    Opening,
    /// Somebody may speak.
    Listening,
    /// The final text is computed.
    Transcribing,
}

/// Why there is no text.
enum Trouble {
    Microphone(MicrophoneFault),
    Failure(Failure),
}

/// The handle to dictation; cheap to copy.
#[derive(Clone, Copy)]
pub(crate) struct Dictation {
    client: Client,
    chats: Chats,
    state: RwSignal<DictationState>,
    level: RwSignal<f32>,
    is_hands_free: RwSignal<bool>,
    /// Whether the user wants to speak, but there is no model that listens.
    needs_model: RwSignal<bool>,
    is_stopped: StoredValue<bool>,
    /// Told when the answer is complete, or the conversation over.
    awaited: StoredValue<Option<oneshot::Sender<()>>>,
}

impl Dictation {
    pub(crate) fn new(client: Client, chats: Chats) -> Self {
        let dictation = Self {
            client,
            chats,
            state: RwSignal::default(),
            level: RwSignal::new(0.0),
            is_hands_free: RwSignal::new(false),
            needs_model: RwSignal::new(false),
            is_stopped: StoredValue::new(false),
            awaited: StoredValue::new(None),
        };
        let is_answering = chats.is_answering();
        Effect::new(move |_| {
            let is_over = !is_answering.get() || !dictation.is_hands_free.get();
            if let Some(sender) = dictation.awaited.try_update_value(|sender| sender.take_if(|_| is_over)).flatten() {
                // Whoever waited may be gone.
                let _ = sender.send(());
            }
        });
        dictation
    }

    /// What is going on.
    pub(crate) fn state(self) -> Signal<DictationState> {
        self.state.into()
    }

    /// How loud it is, from 0 to 1.
    pub(crate) fn level(self) -> Signal<f32> {
        self.level.into()
    }

    /// Whether the user talks with the model.
    pub(crate) fn is_hands_free(self) -> Signal<bool> {
        self.is_hands_free.into()
    }

    /// Whether a model that listens has to be chosen first.
    pub(crate) fn needs_model(self) -> RwSignal<bool> {
        self.needs_model
    }

    /// Writes what is said into the composer, or stops.
    pub(crate) fn toggle(self) {
        self.begin(false);
    }

    /// Talks with the model, or stops.
    pub(crate) fn toggle_hands_free(self) {
        self.begin(true);
    }

    fn begin(self, is_hands_free: bool) {
        if self.state.get_untracked() != DictationState::Idle || self.is_hands_free.get_untracked() {
            return self.stop();
        }
        self.is_stopped.set_value(false);
        self.is_hands_free.set(is_hands_free);
        self.state.set(DictationState::Opening);
        leptos::task::spawn_local(async move {
            let result = self.hear(is_hands_free).await;
            self.is_hands_free.set(false);
            self.state.set(DictationState::Idle);
            self.level.set(0.0);
            if let Err(trouble) = result {
                self.notify(match trouble {
                    Trouble::Microphone(fault) => t(fault.key()),
                    Trouble::Failure(failure) => sentence(&failure),
                });
            }
        });
    }

    /// Listens with the model that is on this device, or has the user choose one.
    async fn hear(self, is_hands_free: bool) -> Result<(), Trouble> {
        let Some(url) = self.client.find_speech_model().await.map_err(Trouble::Failure)? else {
            self.needs_model.set(true);
            return Ok(());
        };
        self.client.load_speech(url).await.map_err(Trouble::Failure)?;
        if is_hands_free { self.converse().await } else { self.dictate().await.map(|_| ()) }
    }

    /// Ends what is being said, and the conversation.
    pub(crate) fn stop(self) {
        self.is_stopped.set_value(true);
        self.is_hands_free.set(false);
        self.client.cancel_speech_load();
        be_quiet();
    }

    fn notify(self, text: String) {
        self.chats.toast().set(Some(Toast { text, undo: None }));
    }

    /// Writes what is said into the composer, after what is there. Returns whether something was said.
    async fn dictate(self) -> Result<bool, Trouble> {
        let (draft, before) = (self.chats.draft(), self.chats.draft().get_untracked());
        let write = move |text: &str| {
            let space = if before.is_empty() || before.ends_with(char::is_whitespace) { "" } else { " " };
            draft.set(if text.is_empty() { before.clone() } else { format!("{before}{space}{text}") });
        };
        let text = self.listen(Rc::new(write)).await?;
        if text.is_empty() && !self.is_stopped.get_value() {
            self.notify(t("nothing-heard"));
        }
        Ok(!text.is_empty())
    }

    /// Listens, sends, and reads the answer aloud, until the user stops.
    async fn converse(self) -> Result<(), Trouble> {
        while self.is_hands_free.get_untracked() {
            let has_spoken = self.dictate().await?;
            self.state.set(DictationState::Idle);
            if has_spoken
                && self.is_hands_free.get_untracked()
                && let Some(answer) = self.ask().await
            {
                read_aloud(&answer);
            }
        }
        Ok(())
    }

    /// Sends what was said, after the answer in progress if there is one, and waits for the answer. There is none to be read if the
    /// user has stopped, or looks at another conversation.
    async fn ask(self) -> Option<String> {
        let chats = self.chats;
        let last = || chats.branch().with_untracked(|branch| branch.last().copied());
        let before = last();
        self.answered().await;
        let text = chats.draft().get_untracked().trim().to_owned();
        if !self.is_hands_free.get_untracked() || last() != before || text.is_empty() {
            return None;
        }
        // Sending implies consent to load the model.
        storage::agree_to_load();
        chats.send(text);
        let answer = last();
        self.answered().await;
        let is_read = self.is_hands_free.get_untracked() && last() == answer;
        is_read.then(|| chats.last_text()).filter(|text| !text.is_empty())
    }

    /// Waits until the answer on screen is complete, or the user stops.
    async fn answered(self) {
        if self.chats.is_answering().get_untracked() {
            let (sender, answered) = oneshot::channel();
            self.awaited.set_value(Some(sender));
            // Without a sender nobody waits any more, either.
            let _ = answered.await;
        }
    }

    /// Listens until somebody has finished or the user stops. `write` gets the text so far, and then the final one, which
    /// is returned.
    async fn listen(self, write: Rc<dyn Fn(&str)>) -> Result<String, Trouble> {
        self.state.set(DictationState::Opening);
        let mut microphone = Microphone::open().await.map_err(Trouble::Microphone)?;
        self.state.set(DictationState::Listening);
        let live = Live::of(self.client, &write);
        let (mut samples, mut has_spoken, mut fault) = (Vec::<i16>::new(), false, None);
        while !self.is_stopped.get_value() && samples.len() < MAX_SAMPLES {
            match microphone.next().await {
                Ok(heard) => {
                    samples.extend_from_slice(&heard.samples);
                    self.level.set(heard.level);
                    if heard.voice == Voice::Finished {
                        break;
                    }
                    if heard.voice == Voice::Speaking {
                        has_spoken = true;
                        // Whoever speaks does not want to hear the rest of the answer.
                        be_quiet();
                        live.renew(&samples);
                    }
                }
                // What was said until then is kept.
                Err(other) => {
                    fault = Some(other);
                    break;
                }
            }
        }
        drop(microphone);
        live.is_over.set(true);
        self.level.set(0.0);
        self.state.set(DictationState::Transcribing);
        let mut text = String::new();
        if has_spoken && samples.len() >= MIN_SAMPLES {
            let parts = transcribed(self.client, &samples).await.map_err(Trouble::Failure)?;
            text = subtitles::text(&parts);
        }
        write(&text);
        match fault {
            Some(fault) => Err(Trouble::Microphone(fault)),
            None => Ok(text),
        }
    }
}

/// The text on screen while somebody speaks.
#[derive(Clone)]
struct Live {
    client: Client,
    write: Rc<dyn Fn(&str)>,
    /// What is no longer heard again, and where the rest begins.
    settled: Rc<RefCell<(String, usize)>>,
    /// Number of samples that were heard so far.
    heard: Rc<Cell<usize>>,
    is_busy: Rc<Cell<bool>>,
    is_over: Rc<Cell<bool>>,
}

impl Live {
    fn of(client: Client, write: &Rc<dyn Fn(&str)>) -> Self {
        Self {
            client,
            write: Rc::clone(write),
            settled: Rc::default(),
            heard: Rc::default(),
            is_busy: Rc::default(),
            is_over: Rc::default(),
        }
    }

    /// Renews the text if there is something new, unless that is being done.
    fn renew(&self, samples: &[i16]) {
        if self.is_busy.get() || samples.len() < self.heard.get() + LIVE_SAMPLES {
            return;
        }
        self.is_busy.set(true);
        self.heard.set(samples.len());
        let start = self.settled.borrow().1.min(samples.len());
        let (live, part) = (self.clone(), samples[start..].to_vec());
        leptos::task::spawn_local(async move {
            // What fails here fails again in the end, and is reported then.
            if let Ok(parts) = transcribed(live.client, &part).await
                && !live.is_over.get()
            {
                live.show(&parts, part.len());
            }
            live.is_busy.set(false);
        });
    }

    fn show(&self, parts: &[TranscriptPart], len: usize) {
        let mut settled = self.settled.borrow_mut();
        let text = |parts: &[TranscriptPart]| subtitles::text(parts);
        let join = |before: &str, after: &str| format!("{before} {after}").trim().to_owned();
        (self.write)(&join(&settled.0, &text(parts)));
        if let [before @ .., last] = parts
            && len > LIVE_WINDOW_SAMPLES
            && !before.is_empty()
        {
            let start = settled.1 + (last.start * SAMPLE_RATE as f64) as usize;
            *settled = (join(&settled.0, &text(before)), start);
        }
    }
}

/// What is said in a recording.
async fn transcribed(client: Client, samples: &[i16]) -> Result<Vec<TranscriptPart>, Failure> {
    let (sender, receiver) = oneshot::channel();
    let (sender, parts) = (Cell::new(Some(sender)), RefCell::new(Vec::new()));
    client.transcribe(&Int16Array::from(samples), move |event| {
        let result = match event {
            TranscriptEvent::Part(part) => return parts.borrow_mut().push(part),
            TranscriptEvent::Decoding(_) | TranscriptEvent::Listening(..) => return,
            TranscriptEvent::Finished => Ok(parts.take()),
            TranscriptEvent::Failed(failure) => Err(failure),
        };
        if let Some(sender) = sender.take() {
            // Whoever asked may be gone.
            let _ = sender.send(result);
        }
    });
    match receiver.await {
        Ok(result) => result,
        // The request was given up.
        Err(_) => Ok(Vec::new()),
    }
}

/// Reads text aloud with the browser's speech synthesis.
pub(crate) fn read_aloud(text: &str) {
    let Ok(voice) = window().speech_synthesis() else { return };
    if let Ok(utterance) = SpeechSynthesisUtterance::new_with_text(text) {
        voice.speak(&utterance);
    }
}

/// Stops reading aloud. Says whether something was read.
pub(crate) fn be_quiet() -> bool {
    let Ok(voice) = window().speech_synthesis() else { return false };
    let was_speaking = voice.speaking();
    if was_speaking {
        voice.cancel();
    }
    was_speaking
}
