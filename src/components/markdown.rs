//! Growing Markdown, rendered to HTML by the library. New text is sent in batches, at most once per frame and while no rendering is
//! pending, and only changed blocks are updated.

use leptos::html::Div;
use leptos::prelude::*;
use leptos::reactive::owner::LocalStorage;
use parlance_protocol::library::Id;

use super::streamed_text::StreamedText;
use super::{citations, code_toolbar};
use crate::library::{Library, Rendered};

/// What has been sent to the library.
#[derive(Default)]
struct Progress {
    /// The text sent so far.
    sent: String,
    /// Whether it was marked as final.
    is_finished: bool,
    /// Whether a frame or the library's response is pending.
    is_waiting: bool,
}

#[derive(Clone, Copy)]
struct GrowingText {
    key: Id,
    library: Library,
    text: Signal<String>,
    is_active: Signal<bool>,
    blocks: RwSignal<Vec<ArcRwSignal<String>>>,
    has_failed: RwSignal<bool>,
    /// Whether the complete text is on screen.
    is_complete: RwSignal<bool>,
    progress: StoredValue<Progress, LocalStorage>,
}

/// Shows `text`, which grows while `is_active`. `key` identifies it to the library. It may refer to `sources` by their numbers.
#[component]
pub(crate) fn Markdown(
    key: Id,
    text: Signal<String>,
    is_active: Signal<bool>,
    #[prop(optional)] sources: Option<Signal<usize>>,
) -> impl IntoView {
    let text = GrowingText {
        key,
        library: expect_context(),
        text,
        is_active,
        blocks: RwSignal::new(Vec::new()),
        has_failed: RwSignal::new(false),
        is_complete: RwSignal::new(false),
        progress: StoredValue::new_local(Progress::default()),
    };
    Effect::new(move |_| {
        text.text.track();
        text.is_active.track();
        text.schedule();
    });
    let blocks = move || text.blocks.get().into_iter().enumerate();
    view! {
        <Show
            when=move || text.has_failed.get()
            fallback=move || {
                view! {
                    <div class="text markdown" data-complete=move || text.is_complete.get().to_string()>
                        <For each=blocks key=|(index, _)| *index let((_, html))>
                            <Block html sources />
                        </For>
                    </div>
                }
            }
        >
            <StreamedText text=text.text />
        </Show>
    }
}

/// One block, sanitised by the library.
#[component]
fn Block(html: ArcRwSignal<String>, sources: Option<Signal<usize>>) -> impl IntoView {
    let place = NodeRef::<Div>::new();
    Effect::new(move |_| {
        if let Some(place) = place.get() {
            place.set_inner_html(&html.read());
            code_toolbar::add(&place);
            citations::add(&place, sources.and_then(|sources| sources.try_get()).unwrap_or(0));
        }
    });
    view! { <div class="block" dir="auto" node_ref=place></div> }
}

impl GrowingText {
    /// Sends new text in the next frame, unless something is already pending.
    fn schedule(self) {
        let is_idle = self.progress.try_update_value(|progress| !std::mem::replace(&mut progress.is_waiting, true));
        if is_idle == Some(true) {
            request_animation_frame(move || self.send());
        }
    }

    fn send(self) {
        // The view may have been disposed.
        let (Some(text), Some(is_active)) = (self.text.try_get_untracked(), self.is_active.try_get_untracked()) else {
            return;
        };
        let request = self.progress.try_update_value(|progress| {
            if !text.starts_with(&progress.sent) || (progress.is_finished && text.len() > progress.sent.len()) {
                *progress = Progress::default();
            }
            let known_bytes = progress.sent.len();
            let added = text[known_bytes..].to_owned();
            if added.is_empty() && (is_active || progress.is_finished) {
                progress.is_waiting = false;
                return None;
            }
            progress.sent = text;
            progress.is_finished = !is_active;
            progress.is_waiting = true;
            Some((known_bytes as u32, added))
        });
        let Some((known_bytes, added)) = request.flatten() else { return };
        leptos::task::spawn_local(async move {
            let rendered = self.library.render(self.key, known_bytes, added, !is_active).await;
            let alive = self.progress.try_update_value(|progress| progress.is_waiting = false).is_some();
            match rendered {
                Ok(rendered) if alive => {
                    self.show(rendered);
                    self.is_complete.set(!is_active);
                    self.schedule();
                }
                // Fall back to plain text.
                Err(_) if alive => self.has_failed.set(true),
                _ => {}
            }
        });
    }

    fn show(self, rendered: Rendered) {
        let Rendered { first_block, blocks: new } = rendered;
        let length = first_block + new.len();
        let (replaced, shown) =
            self.blocks.with_untracked(|blocks| (blocks.get(first_block..).map(<[_]>::to_vec), blocks.len()));
        let replaced = replaced.unwrap_or_default();
        for (signal, html) in replaced.iter().zip(&new) {
            signal.set(html.clone());
        }
        if length != shown {
            self.blocks.update(|blocks| {
                blocks.truncate(length);
                blocks.extend(new.into_iter().skip(replaced.len()).map(ArcRwSignal::new));
            });
        }
    }
}
