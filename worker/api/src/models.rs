//! `/v1/models`.

use parlance_protocol::model_name;
use parlance_protocol::openai::{ModelEntry, ModelList};
use serde_json::Value;

use crate::chunks::to_json;
use crate::error::RequestError;

/// The response to `GET /v1/models`.
pub fn model_list(models: Vec<ModelEntry>) -> Value {
    to_json(&ModelList { object: "list".to_owned(), data: models })
}

/// The response to `GET /v1/models/{model}`: the entry of the model that the parameter `model` names.
///
/// # Errors
/// [`RequestError`] if there is no such model, or no name.
pub fn find_model(models: &[ModelEntry], parameters: &Value) -> Result<Value, RequestError> {
    let name = parameters.get("model").and_then(Value::as_str);
    let name = name.ok_or_else(|| RequestError::field("model", "it must be a string"))?;
    let found = models.iter().find(|model| model.id == model_name(name));
    found.map(to_json).ok_or_else(|| RequestError::NoModel(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use parlance_protocol::Abilities;
    use parlance_protocol::openai::Capability;
    use serde_json::json;

    use super::*;

    #[test]
    fn models_are_listed_and_found_by_name() {
        let abilities = Abilities { capabilities: vec![Capability::Chat], context_tokens: 512 };
        let models = [ModelEntry::new("a.Q4_0".to_owned(), Some(abilities)), ModelEntry::new("b".to_owned(), None)];
        let list = model_list(models.to_vec());
        assert_eq!(list["object"], "list");
        let first = json!({
            "id": "a.Q4_0", "object": "model", "created": 0, "owned_by": "parlance", "capabilities": ["chat"],
            "context_length": 512,
        });
        assert_eq!((&list["data"][0], &list["data"][1]["id"]), (&first, &json!("b")));
        for name in ["a.Q4_0", "a.Q4_0.gguf"] {
            assert_eq!(find_model(&models, &json!({ "model": name })), Ok(first.clone()));
        }
        let error = find_model(&models, &json!({ "model": "c" })).err().map(|error| error.failure());
        let fields = error.map(|failure| (failure.status, failure.error.param, failure.error.code));
        assert_eq!(fields, Some((404, Some("model".to_owned()), Some("model_not_found".to_owned()))));
        assert_eq!(find_model(&models, &json!({})).err().map(|error| error.status()), Some(400));
    }
}
