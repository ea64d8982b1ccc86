//! The images of a message as thumbnails, and one of them in full.

use leptos::prelude::*;
use parlance_protocol::library::Image;
use web_sys::KeyboardEvent;

use super::dialog::Dialog;
use super::icon_button::IconButton;
use crate::i18n::tr;
use crate::images::{Images, Missing};

/// Thumbnails that open the image in full. Those of the composer are `editable`: they can be described and removed.
#[component]
pub(crate) fn Thumbnails(
    #[prop(into)] images: Signal<Vec<Image>>,
    #[prop(optional)] editable: Option<RwSignal<Vec<Image>>>,
) -> impl IntoView {
    let urls = expect_context::<Images>();
    Effect::new(move |_| {
        let unknown = images.with(|images| urls.unknown(images));
        if !unknown.is_empty() {
            leptos::task::spawn_local(urls.load(unknown));
        }
    });
    // The index of the image that is shown in full.
    let open = RwSignal::new(None::<usize>);
    let remove = move |index: usize| {
        if let Some(images) = editable {
            images.update(|images| {
                if index < images.len() {
                    images.remove(index);
                }
            });
        }
    };
    let one = move |(index, image): (usize, Image)| {
        view! {
            <li class="thumbnail">
                <button type="button" aria-haspopup="dialog" on:click=move |_| open.set(Some(index))>
                    <Picture image />
                </button>
                {editable.map(|_| view! { <IconButton icon="close" label="remove" on_press=move || remove(index) /> })}
            </li>
        }
    };
    // Untracked, because describing an image must not open it anew.
    let shown = move || open.get().and_then(|index| images.with_untracked(|images| images.get(index).cloned()));
    view! {
        <Show when=move || !images.read().is_empty()>
            <ul class="thumbnails">{move || images.get().into_iter().enumerate().map(one).collect_view()}</ul>
        </Show>
        {move || {
            shown()
                .map(|image| {
                    view! { <FullView image editable on_close=move || open.set(None) /> }
                })
        }}
    }
}

/// The image, or a text where it is not on this device.
#[component]
fn Picture(image: Image) -> impl IntoView {
    let urls = expect_context::<Images>();
    move || match urls.url(&image.digest) {
        Some(Ok(url)) => {
            view! { <img src=url alt=image.alt.clone() width=image.width height=image.height /> }.into_any()
        }
        Some(Err(Missing)) => view! { <span class="muted">{tr("image-missing")}</span> }.into_any(),
        None => ().into_any(),
    }
}

/// An image in full, with its description.
#[component]
fn FullView(
    image: Image,
    editable: Option<RwSignal<Vec<Image>>>,
    on_close: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let size = format!("{} × {}", image.width, image.height);
    let description = match editable {
        Some(images) => view! { <Description image=image.clone() images on_done=on_close /> }.into_any(),
        None => view! { <p dir="auto">{image.alt.clone()}</p> }.into_any(),
    };
    view! {
        <Dialog title="image" on_close>
            <figure class="full-image">
                <Picture image />
                <figcaption>
                    {description} <p class="muted">{size}</p>
                </figcaption>
            </figure>
        </Dialog>
    }
}

/// A field for the alternative text of one of the composer's images.
#[component]
fn Description(
    image: Image,
    images: RwSignal<Vec<Image>>,
    on_done: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let digest = image.digest;
    let describe = move |text: String| {
        images.update(|images| {
            for image in images.iter_mut().filter(|image| image.digest == digest) {
                image.alt.clone_from(&text);
            }
        });
    };
    // Enter must not send the message that the image belongs to.
    let on_key = move |event: KeyboardEvent| {
        if event.key() == "Enter" && !event.is_composing() {
            event.prevent_default();
            on_done();
        }
    };
    view! {
        <label>
            {tr("image-description")}
            <input
                dir="auto"
                data-testid="image-description"
                prop:value=image.alt
                on:input:target=move |event| describe(event.target().value())
                on:keydown=on_key
            />
        </label>
    }
}
