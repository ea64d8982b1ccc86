//! Additions to the HTML of an answer: a toolbar above each code block, with its language, copy and download, and a scrollable frame
//! around each table. A single listener handles all clicks.

use leptos::prelude::*;
use wasm_bindgen::JsCast as _;
use web_sys::{Element, HtmlElement, MouseEvent};

use super::files::{copy, download};
use crate::i18n::t;

/// Adds toolbars to the code blocks and frames to the tables under `place`.
pub(crate) fn add(place: &Element) {
    // Creating and inserting these elements does not fail.
    for block in found(place, "pre") {
        let _ = add_toolbar(&block);
    }
    for table in found(place, "table") {
        let _ = add_frame(&table);
    }
}

/// The elements under `place` that match a selector.
fn found(place: &Element, selector: &str) -> Vec<Element> {
    let Ok(nodes) = place.query_selector_all(selector) else { return Vec::new() };
    (0..nodes.length()).filter_map(|index| nodes.get(index)?.dyn_into::<Element>().ok()).collect()
}

fn add_frame(table: &Element) -> Option<()> {
    let frame = element("div", "table")?;
    // So that it can be scrolled with the keyboard.
    frame.set_attribute("tabindex", "0").ok()?;
    table.parent_node()?.insert_before(&frame, Some(table)).ok()?;
    frame.append_child(table).ok()?;
    Some(())
}

fn add_toolbar(block: &Element) -> Option<()> {
    let bar = element("div", "code-toolbar")?;
    let language = element("span", "code-language")?;
    language.set_text_content(block.get_attribute("data-language").as_deref());
    bar.append_child(&language).ok()?;
    for (action, label) in [("copy", t("copy")), ("download", t("download"))] {
        let button = element("button", "code-button")?;
        button.set_attribute("type", "button").ok()?;
        button.set_attribute("data-code", action).ok()?;
        button.set_text_content(Some(&label));
        bar.append_child(&button).ok()?;
    }
    block.set_attribute("tabindex", "0").ok()?;
    let parent = block.parent_node()?;
    let frame = element("div", "code")?;
    parent.insert_before(&frame, Some(block)).ok()?;
    frame.append_child(&bar).ok()?;
    frame.append_child(block).ok()?;
    Some(())
}

fn element(tag: &str, class: &str) -> Option<Element> {
    let element = document().create_element(tag).ok()?;
    element.set_class_name(class);
    Some(element)
}

/// Handles clicks on toolbar buttons, and on footnote references, which must not leave the page.
pub(crate) fn on_click(event: &MouseEvent) {
    let Some(target) = event.target().and_then(|target| target.dyn_into::<Element>().ok()) else { return };
    if let Ok(Some(button)) = target.closest("[data-code]") {
        press(&button);
    } else if let Ok(Some(link)) = target.closest("a[href^='#note-']") {
        event.prevent_default();
        show_footnote(&link);
    }
}

fn press(button: &Element) -> Option<()> {
    let block = button.closest(".code").ok()??.query_selector("pre").ok()??;
    let code = block.text_content()?;
    if button.get_attribute("data-code")? == "copy" {
        copy(&code);
        button.set_text_content(Some(&t("copied")));
        let button = button.clone();
        set_timeout(move || button.set_text_content(Some(&t("copy"))), std::time::Duration::from_secs(2));
    } else {
        let language = block.get_attribute("data-language").unwrap_or_default();
        download(&format!("code.{}", extension(&language)), "text/plain", &code);
    }
    Some(())
}

fn show_footnote(link: &Element) -> Option<()> {
    let number = link.get_attribute("href")?.strip_prefix("#note-")?.parse::<u32>().ok()?;
    let message = link.closest(".message").ok()??;
    let note = message.query_selector(&format!("[data-footnote='{number}']")).ok()??;
    note.dyn_into::<HtmlElement>().ok()?.scroll_into_view();
    Some(())
}

/// The usual file extension of a language named in an answer.
fn extension(language: &str) -> &str {
    match language {
        "" | "text" | "plaintext" => "txt",
        "rust" => "rs",
        "python" => "py",
        "javascript" => "js",
        "typescript" => "ts",
        "markdown" => "md",
        "bash" | "shell" | "zsh" => "sh",
        "ruby" => "rb",
        "kotlin" => "kt",
        "csharp" | "c#" => "cs",
        "c++" => "cpp",
        "yaml" => "yml",
        other => other,
    }
}
