//! What users should know of a model that works.

use serde::{Deserialize, Serialize};

use crate::Reason;

/// What users should know of a model, although it works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Warning {
    /// What it is about, for translated messages.
    #[serde(default)]
    pub reason: WarningReason,
    /// An English sentence.
    pub message: String,
}

impl Warning {
    /// A warning.
    pub fn new(reason: WarningReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    /// The messages of all warnings, if there are any.
    pub fn text(warnings: &[Self]) -> Option<String> {
        let messages: Vec<&str> = warnings.iter().map(|warning| warning.message.as_str()).collect();
        (!messages.is_empty()).then(|| messages.join(" "))
    }
}

/// What a warning is about, with the values that a message about it needs. A `detail` is a technical message in English,
/// as in [`Reason`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
#[allow(missing_docs, reason = "fields are named for what they are")]
pub enum WarningReason {
    /// The file has no chat template; `ChatML` replaces it.
    NoTemplate,
    /// The file's chat template cannot be used; `ChatML` replaces it.
    UnusableTemplate { detail: String },
    /// The file's chat template crashed the engine before; `ChatML` replaces it.
    DistrustedTemplate,
    /// The model could not be stored on this device.
    NotStored { reason: Reason },
    /// There is not enough memory for the context length that was requested.
    SmallerContext { requested_tokens: u32, context_tokens: u32 },
    /// The projector that lies beside the model cannot be used with it.
    NoSight { name: String, detail: String },
    /// Unknown, or added by a newer version: only the message describes it.
    #[default]
    #[serde(other)]
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_have_a_code_and_those_of_newer_versions_can_be_read() -> serde_json::Result<()> {
        let reason = WarningReason::NotStored { reason: Reason::NoStorage };
        let json = serde_json::to_string(&Warning::new(reason, "m"))?;
        assert_eq!(json, r#"{"reason":{"code":"not_stored","reason":{"code":"no_storage"}},"message":"m"}"#);
        let newer = serde_json::from_str::<Warning>(r#"{"reason":{"code":"unheard_of","detail":"d"},"message":"m"}"#)?;
        assert_eq!(newer, Warning::new(WarningReason::Other, "m"));
        assert_eq!(Warning::text(&[newer.clone(), newer]).as_deref(), Some("m m"));
        assert_eq!(Warning::text(&[]), None);
        Ok(())
    }
}
