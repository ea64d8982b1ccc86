//! Failures and warnings in the interface's language.

use parlance_protocol::{Failure, Reason, Warning, WarningReason};

use crate::components::units;
use crate::i18n::{t, tf};

/// A sentence that describes a failure. Reactive. A failure without a known reason uses the engine's English message.
pub(crate) fn sentence(failure: &Failure) -> String {
    sentence_of(&failure.reason, &failure.message)
}

/// A sentence about a model that works. Reactive.
pub(crate) fn warning_sentence(warning: &Warning) -> String {
    match &warning.reason {
        WarningReason::NoTemplate => t("warning-no-template"),
        WarningReason::UnusableTemplate { detail } => detailed("warning-unusable-template", detail),
        WarningReason::DistrustedTemplate => t("warning-distrusted-template"),
        WarningReason::NotStored { reason } => {
            tf("warning-not-stored", [("reason", sentence_of(reason, &warning.message).into())])
        }
        WarningReason::SmallerContext { requested_tokens, context_tokens } => {
            counted("warning-smaller-context", *requested_tokens, *context_tokens)
        }
        WarningReason::NoSight { name, detail } => no_sight(name, detail),
        WarningReason::Other => capitalised(&warning.message),
    }
}

fn sentence_of(reason: &Reason, message: &str) -> String {
    match reason {
        Reason::NoWebGpu => t("failure-no-webgpu"),
        Reason::NoGpu { detail } => detailed("failure-no-gpu", detail),
        Reason::HttpStatus { status, url } => {
            tf("failure-http-status", [("status", (*status).into()), ("url", url.into())])
        }
        Reason::Network { detail } => detailed("failure-network", detail),
        Reason::NotAllowed { host } => tf("failure-not-allowed", [("host", host.into())]),
        Reason::Changed => t("failure-changed"),
        Reason::BadAnswer { detail } => detailed("failure-bad-answer", detail),
        Reason::Damaged => t("failure-damaged"),
        Reason::WrongChecksum { name } => tf("failure-wrong-checksum", [("name", name.into())]),
        Reason::UnusableCopy { detail } => detailed("failure-unusable-copy", detail),
        Reason::BadPin { files } => tf("failure-bad-pin", [("files", (*files).into())]),
        Reason::NotGguf { found } => detailed("failure-not-gguf", found),
        Reason::GgufVersion { version } => tf("failure-gguf-version", [("version", (*version).into())]),
        Reason::CutShort { len_bytes, needed_bytes } => {
            sized("failure-cut-short", ("length", *len_bytes), ("needed", *needed_bytes))
        }
        Reason::Malformed { detail } => detailed("failure-malformed", detail),
        Reason::MissingEntry { name } => tf("failure-missing-entry", [("name", name.into())]),
        Reason::MissingTensor { name } => tf("failure-missing-tensor", [("name", name.into())]),
        Reason::Architecture { name } => tf("failure-architecture", [("name", name.into())]),
        Reason::Format { tensor, format } => {
            tf("failure-format", [("tensor", tensor.into()), ("format", format.into())])
        }
        Reason::Tokenizer { detail } => detailed("failure-tokenizer", detail),
        Reason::Template { detail } => detailed("failure-template", detail),
        Reason::Gpu { detail } => detailed("failure-gpu", detail),
        Reason::WrongResults => t("failure-wrong-results"),
        Reason::TooLarge { detail } => detailed("failure-too-large", detail),
        Reason::OutOfMemory { detail } => detailed("failure-out-of-memory", detail),
        Reason::ContextTooLarge { context_tokens, max_context_tokens } => {
            counted("failure-context-too-large", *context_tokens, *max_context_tokens)
        }
        Reason::ContextFull { prompt_tokens, context_tokens } => {
            counted("failure-context-full", *prompt_tokens, *context_tokens)
        }
        Reason::QuestionTooLong { prompt_tokens, context_tokens } => {
            counted("failure-question-too-long", *prompt_tokens, *context_tokens)
        }
        Reason::CannotChat => t("failure-cannot-chat"),
        Reason::CannotSee { model } => tf("failure-cannot-see", [("model", model.into())]),
        Reason::HearsNothing { model } => tf("failure-hears-nothing", [("model", model.into())]),
        Reason::WrongProjector { name, detail } => no_sight(name, detail),
        Reason::WrongDraft { detail } => detailed("failure-wrong-draft", detail),
        Reason::OnlyChats => t("failure-only-chats"),
        Reason::CannotHear => t("failure-cannot-hear"),
        Reason::Recording { detail } => detailed("failure-recording", detail),
        Reason::NoModel => t("failure-no-model"),
        Reason::QueueFull => t("failure-queue-full"),
        Reason::NoStorage => t("failure-no-storage"),
        Reason::NotKept => t("failure-not-kept"),
        Reason::StorageFull { needed_bytes, free_bytes: Some(free_bytes) } if *needed_bytes > 0.0 => {
            sized("failure-storage-full-by", ("needed", *needed_bytes), ("free", *free_bytes))
        }
        Reason::StorageFull { .. } => t("failure-storage-full"),
        Reason::Storage { detail } => detailed("failure-storage", detail),
        Reason::BadAddress => t("failure-bad-address"),
        Reason::SeveralModels => t("failure-several-models"),
        Reason::Field { name, detail } => {
            tf("failure-field", [("name", name.into()), ("detail", trimmed(detail).into())])
        }
        Reason::Grammar { detail } => detailed("failure-grammar", detail),
        Reason::Interrupted => t("failure-interrupted"),
        Reason::EngineStopped { detail } => detailed("failure-engine-stopped", detail),
        Reason::Other => capitalised(message),
    }
}

fn detailed(key: &str, detail: &str) -> String {
    tf(key, [("detail", trimmed(detail).into())])
}

fn no_sight(name: &str, detail: &str) -> String {
    tf("failure-wrong-projector", [("name", name.into()), ("detail", trimmed(detail).into())])
}

/// Drops the full stop, because the message has its own.
fn trimmed(detail: &str) -> &str {
    detail.trim_end_matches('.')
}

/// A message with a token count and the limit it exceeds.
fn counted(key: &str, tokens: u32, room: u32) -> String {
    tf(key, [("tokens", units::count(tokens.into()).into()), ("room", units::count(room.into()).into())])
}

/// A message with two sizes in bytes.
fn sized(key: &str, first: (&'static str, f64), second: (&'static str, f64)) -> String {
    tf(key, [first, second].map(|(name, bytes)| (name, units::bytes(bytes).into())))
}

/// The message with an initial capital and a final full stop.
fn capitalised(message: &str) -> String {
    let mut characters = message.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if message.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", characters.as_str())
}

#[cfg(test)]
mod tests {
    use parlance_protocol::FailureKind;
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn a_failure_is_described_by_its_reason_or_else_its_message() {
        let failure = Failure::new(FailureKind::BadRequest, "no model is loaded");
        assert_eq!(sentence(&failure), "No model is loaded.");
        assert_eq!(capitalised("Done."), "Done.");
        assert_eq!(capitalised(""), ".");
        let text = |reason| sentence(&failure.clone().with_reason(reason));
        let detail = "fetch failed.".to_owned();
        assert_eq!(text(Reason::Network { detail }), "The model could not be downloaded: fetch failed.");
        let full = text(Reason::ContextFull { prompt_tokens: 5300, context_tokens: 512 });
        assert_eq!(full, "Context length exceeded: this chat has 5,300 tokens, but the context length is 512.");
        let full = |free_bytes| text(Reason::StorageFull { needed_bytes: 2e9, free_bytes });
        assert!(full(Some(1e6)).contains("2.00 GB needed, 1.0 MB left"));
        assert!(!full(None).contains("needed,"));
    }

    #[wasm_bindgen_test]
    fn a_warning_is_described_by_its_reason_or_else_its_message() {
        let text = |reason| warning_sentence(&Warning::new(reason, "it is slow"));
        let smaller = text(WarningReason::SmallerContext { requested_tokens: 4096, context_tokens: 1024 });
        assert!(smaller.contains("4,096 tokens; it has 1,024"), "{smaller}");
        let unstored = text(WarningReason::NotStored { reason: Reason::NoStorage });
        assert!(unstored.contains("This browser offers no file storage."), "{unstored}");
        assert_eq!(text(WarningReason::Other), "It is slow.");
    }
}
