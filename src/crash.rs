//! Shows a notice when the page's own code panics: its wasm cannot continue, but all chats are saved, so a reload recovers.

use leptos::prelude::document;
use wasm_bindgen::JsCast as _;
use web_sys::HtmlElement;

use crate::i18n::t;

/// Installs a panic hook that shows the panic message with a reload link and logs the details to the console.
pub(crate) fn report_panics() {
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        // Creating and inserting these elements does not fail.
        let _ = show(info.payload_as_str().unwrap_or_default());
    }));
}

fn show(reason: &str) -> Option<()> {
    const ID: &str = "crash";
    let document = document();
    if document.get_element_by_id(ID).is_some() {
        return None;
    }
    let notice = document.create_element("div").ok()?;
    notice.set_id(ID);
    notice.set_attribute("role", "alert").ok()?;
    let text = document.create_element("p").ok()?;
    text.set_text_content(Some(&t("page-crashed")));
    let details = document.create_element("code").ok()?;
    details.set_text_content(Some(reason));
    // A plain link to this page, because none of the page's code runs any more.
    let link = document.create_element("a").ok()?.dyn_into::<HtmlElement>().ok()?;
    link.set_attribute("href", "").ok()?;
    // Otherwise the router intercepts the click and nothing is loaded.
    link.set_attribute("rel", "external").ok()?;
    link.set_class_name("button");
    link.set_text_content(Some(&t("reload")));
    notice.append_child(&text).ok()?;
    notice.append_child(&link).ok()?;
    notice.append_child(&details).ok()?;
    document.body()?.append_child(&notice).ok()?;
    Some(())
}
