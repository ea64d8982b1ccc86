//! Additions to the HTML of an answer: a toolbar above each code block, with its language, copy and download, and above each
//! table, which gets a scrollable frame, a button that copies it as CSV. A single listener handles all clicks.

use leptos::prelude::*;
use wasm_bindgen::JsCast as _;
use web_sys::{Element, HtmlElement, MouseEvent};

use super::files::{copy, download};
use super::focus::found;
use super::table_csv::csv_of;
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

fn add_frame(table: &Element) -> Option<()> {
    let bar = element("div", "table-toolbar")?;
    let copy = button("csv", &t("copy-csv"))?;
    bar.append_child(&copy).ok()?;
    table.parent_node()?.insert_before(&bar, Some(table)).ok()?;
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
        let button = button(action, &label)?;
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

/// A button that [`press`] handles.
fn button(action: &str, label: &str) -> Option<Element> {
    let button = element("button", "code-button")?;
    button.set_attribute("type", "button").ok()?;
    button.set_attribute("data-code", action).ok()?;
    button.set_text_content(Some(label));
    Some(button)
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
    let action = button.get_attribute("data-code")?;
    if action == "csv" {
        let table = button.parent_element()?.next_element_sibling()?.query_selector("table").ok()??;
        copy(&csv_of(&table));
        say_copied(button, "copy-csv");
        return Some(());
    }
    let block = button.closest(".code").ok()??.query_selector("pre").ok()??;
    let code = block.text_content()?;
    if action == "copy" {
        copy(&code);
        say_copied(button, "copy");
    } else {
        let language = block.get_attribute("data-language").unwrap_or_default();
        download(&format!("code.{}", extension(&language)), "text/plain", &code);
    }
    Some(())
}

/// Shows for a moment that something was copied, in place of the message with this id.
fn say_copied(button: &Element, label: &'static str) {
    button.set_text_content(Some(&t("copied")));
    let button = button.clone();
    set_timeout(move || button.set_text_content(Some(&t(label))), std::time::Duration::from_secs(2));
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
