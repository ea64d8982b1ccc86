//! The user's model files that later visits can read in place, in browsers with persistent file handles.

use js_sys::{Array, Function, Object, Promise, Reflect};
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{File, FileSystemFileHandle};

use super::icon_button::IconButton;
use crate::i18n::tr;
use crate::library::Library;

/// The browser's file picker that returns handles; not every browser has it.
const PICKER: &str = "showOpenFilePicker";

/// Remembered files, and a button to add more. Empty in browsers without persistent handles.
#[component]
pub(crate) fn RememberedFiles(on_choose: impl Fn(Vec<File>) + Copy + Send + 'static) -> impl IntoView {
    let library = expect_context::<Library>();
    let files = LocalResource::new(move || library.files());
    let choose = move |_| {
        leptos::task::spawn_local(async move {
            // The user may cancel.
            let Some(handles) = pick().await else { return };
            let chosen = read(&handles).await;
            if let Some(first) = chosen.first() {
                // Files that cannot be remembered can still be used.
                let _ = library.put_files(first.name(), handles.into()).await;
                files.refetch();
                on_choose(chosen);
            }
        });
    };
    let forget = move |name: String| {
        leptos::task::spawn_local(async move {
            // If this fails, the file stays in the list.
            let _ = library.delete_files(name).await;
            files.refetch();
        });
    };
    let one = move |(name, handles): (String, Array)| {
        let (shown, forgotten) = (name.clone(), name);
        let open = move |_| {
            let handles = handles.clone();
            leptos::task::spawn_local(async move {
                let chosen = read(&handles).await;
                if !chosen.is_empty() {
                    on_choose(chosen);
                }
            });
        };
        view! {
            <li>
                <button class="small" on:click=open>{shown}</button>
                <IconButton icon="close" label="remove" on_press=move || forget(forgotten.clone()) />
            </li>
        }
    };
    has_picker().then(|| {
        view! {
            <div class="actions">
                <button type="button" data-testid="remember-file" on:click=choose>
                    {tr("choose-and-remember")}
                </button>
            </div>
            <ul class="remembered">
                {move || files.get().and_then(Result::ok).unwrap_or_default().into_iter().map(one).collect_view()}
            </ul>
        }
    })
}

fn has_picker() -> bool {
    Reflect::get(&window(), &PICKER.into()).is_ok_and(|picker| picker.is_function())
}

/// Lets the user choose files and returns their handles.
async fn pick() -> Option<Array> {
    let options = Object::new();
    Reflect::set(&options, &"multiple".into(), &true.into()).ok()?;
    let picker: Function = Reflect::get(&window(), &PICKER.into()).ok()?.dyn_into().ok()?;
    let chosen: Promise = picker.call1(&window(), &options).ok()?.dyn_into().ok()?;
    JsFuture::from(chosen).await.ok()?.dyn_into().ok()
}

/// The files behind handles, after asking for permission if the browser requires it. Empty if any of them cannot be read.
async fn read(handles: &Array) -> Vec<File> {
    let mut files = Vec::new();
    for handle in handles.iter() {
        match read_one(handle).await {
            Some(file) => files.push(file),
            None => return Vec::new(),
        }
    }
    files
}

async fn read_one(handle: JsValue) -> Option<File> {
    // Not in web-sys yet. Browsers without it need no permission.
    if let Ok(request) = Reflect::get(&handle, &"requestPermission".into()).and_then(JsCast::dyn_into::<Function>) {
        let answer: Promise = request.call0(&handle).ok()?.dyn_into().ok()?;
        if JsFuture::from(answer).await.ok()?.as_string().as_deref() != Some("granted") {
            return None;
        }
    }
    let handle: FileSystemFileHandle = handle.dyn_into().ok()?;
    JsFuture::from(handle.get_file()).await.ok()?.dyn_into().ok()
}
