//! Helpers for tests of the chat page.

use std::time::Duration;

use crate::{Error, Page};

/// For everything that waits for a model, which a software adapter on two cores runs slowly.
pub const MODEL_TIMEOUT: Duration = Duration::from_secs(180);
/// For everything that the page does without a model.
pub const PAGE_TIMEOUT: Duration = Duration::from_secs(45);
/// Script: true once a model is ready.
pub const READY: &str = "document.querySelector('.model-button[data-state=ready]')";
/// Script: the element of the last answer.
pub const LAST_ANSWER: &str = "[...document.querySelectorAll('[data-role=assistant]')].at(-1)";
/// Script: the text of the last answer so far.
pub const LAST_TEXT: &str =
    "([...document.querySelectorAll('[data-role=assistant] .markdown')].at(-1)?.innerText ?? '')";

/// Accepts the model that the page offers to load: the default model, or the one in the URL.
///
/// # Errors
/// If the page offers no model.
pub fn load_from_link(page: &Page) -> Result<(), Error> {
    page.click("[data-testid=model-offer] button.primary")
}

/// Starts a new conversation.
///
/// # Errors
/// [`Error::Timeout`] if there is no button for it, or another conversation stays on screen.
pub fn new_chat(page: &Page) -> Result<(), Error> {
    page.click("[data-testid=new-chat]")?;
    page.wait_for("!document.querySelector('[data-role=assistant]')", PAGE_TIMEOUT)
}

/// Sends a question.
///
/// # Errors
/// If there is no composer.
pub fn ask(page: &Page, question: &str) -> Result<(), Error> {
    page.type_into("#message", question)?;
    page.press("Enter")
}

/// Waits until the last answer is complete and returns its text.
///
/// # Errors
/// [`Error::Timeout`].
pub fn answer(page: &Page) -> Result<String, Error> {
    page.wait_for(&format!("{LAST_ANSWER}?.dataset.active === 'false'"), MODEL_TIMEOUT)?;
    page.wait_for(&format!("{LAST_ANSWER}.querySelector('.markdown[data-complete=true]')"), MODEL_TIMEOUT)?;
    let text = page.evaluate(&format!("{LAST_ANSWER}.querySelector('.markdown').innerText.trim()"))?;
    Ok(text.as_str().unwrap_or_default().to_owned())
}
