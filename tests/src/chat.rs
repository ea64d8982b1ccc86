//! The chat page as tests use it.

use std::time::Duration;

use crate::{Error, Page};

/// Software rendering on two cores takes its time.
pub const LONG: Duration = Duration::from_secs(180);
/// True once a model is ready.
pub const READY: &str = "document.querySelector('.model-button[data-state=ready]')";
/// The last answer.
pub const LAST_ANSWER: &str = "[...document.querySelectorAll('[data-role=assistant]')].at(-1)";

/// The text of the last answer so far.
pub const LAST_TEXT: &str =
    "([...document.querySelectorAll('[data-role=assistant] .markdown')].at(-1)?.innerText ?? '')";
/// Begins a new conversation.
pub const NEW_CHAT: &str = "[data-testid=new-chat]";

/// Agrees to load the model that the page asks about: the first one, or that of the address.
///
/// # Errors
/// If the page does not ask.
pub fn load_from_link(page: &Page) -> Result<(), Error> {
    page.click("[data-testid=model-offer] button.primary")
}

/// Sends a question.
///
/// # Errors
/// If there is no composer.
pub fn ask(page: &Page, question: &str) -> Result<(), Error> {
    page.type_into("#message", question)?;
    page.press("Enter")
}

/// Waits for the end of the last answer and returns its text.
///
/// # Errors
/// [`Error::Timeout`].
pub fn answer(page: &Page) -> Result<String, Error> {
    page.wait_for(&format!("{LAST_ANSWER}?.dataset.active === 'false'"), LONG)?;
    page.wait_for(&format!("{LAST_ANSWER}.querySelector('.markdown[data-complete=true]')"), LONG)?;
    let text = page.evaluate(&format!("{LAST_ANSWER}.querySelector('.markdown').innerText.trim()"))?;
    Ok(text.as_str().unwrap_or_default().to_owned())
}
