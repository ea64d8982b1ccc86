//! What is kept of a response: itself, for later requests, and the items that the model was given.

use parlance_protocol::openai::{Endpoint, Response, ResponseStatus};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::chunks::to_json;
use crate::error::{RESPONSE_ID, RequestError};

/// Items per page, unless a request says otherwise.
const PAGE_LEN: usize = 20;
/// Maximum items per page.
const MAX_PAGE_LEN: usize = 100;

/// A response as it is kept on a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptResponse {
    /// The response.
    pub response: Response,
    /// The items that the model was given, those of previous responses included.
    pub input: Vec<Value>,
}

impl KeptResponse {
    /// Reads what [`KeptResponse::to_bytes`] wrote. `None` if another version wrote it.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// As bytes, to be kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        to_json(self).to_string().into_bytes()
    }

    /// The items of the conversation so far.
    pub(super) fn items(&self) -> Vec<Value> {
        let output = self.response.output.iter().map(to_json);
        self.input.iter().cloned().chain(output).collect()
    }

    /// An item of the conversation so far.
    pub(super) fn item(&self, id: &str) -> Option<Value> {
        let given = self.input.iter().find(|item| item["id"] == id).cloned();
        given.or_else(|| self.response.output.iter().find(|item| item.id() == id).map(to_json))
    }

    /// The response that a request's `response_id` names.
    ///
    /// # Errors
    /// [`RequestError::Field`] if there is no such parameter.
    pub fn id_of(parameters: &Value) -> Result<&str, RequestError> {
        let id = parameters.get(RESPONSE_ID).and_then(Value::as_str);
        id.ok_or_else(|| RequestError::field(RESPONSE_ID, "it must be a string"))
    }

    /// The error of a request for a response that is not kept.
    pub fn missing(id: &str) -> RequestError {
        RequestError::NoResponse { id: id.to_owned(), param: RESPONSE_ID }
    }

    /// The response to a request about this response, which has ended. Whoever keeps it deletes it.
    ///
    /// # Errors
    /// [`RequestError::Field`] for an invalid parameter, or what cannot be done with a response that has ended.
    pub fn answer(&self, endpoint: Endpoint, parameters: &Value) -> Result<Value, RequestError> {
        match endpoint {
            Endpoint::DeleteResponse => Ok(json!({ "id": self.response.id, "object": "response", "deleted": true })),
            Endpoint::CancelResponse => self.cancelled(),
            Endpoint::InputItems => self.input_items(parameters),
            _ => self.retrieved(parameters),
        }
    }

    fn retrieved(&self, parameters: &Value) -> Result<Value, RequestError> {
        let stream = parameters.get("stream");
        if stream.is_some_and(|stream| *stream == true || *stream == "true") {
            return Err(RequestError::field("stream", "a response that has ended is not streamed again"));
        }
        Ok(to_json(&self.response))
    }

    fn cancelled(&self) -> Result<Value, RequestError> {
        if self.response.status == ResponseStatus::Cancelled {
            return Ok(to_json(&self.response));
        }
        Err(RequestError::field(RESPONSE_ID, "only a response in progress can be cancelled"))
    }

    /// The items that the model was given. The parameters `limit`, `order` and `after` may be strings, as in a query.
    fn input_items(&self, parameters: &Value) -> Result<Value, RequestError> {
        let limit = match parameters.get("limit").filter(|limit| !limit.is_null()) {
            None => PAGE_LEN,
            Some(limit) => {
                let number = limit.as_u64().or_else(|| limit.as_str()?.parse().ok()).map(|number| number as usize);
                let number = number.filter(|number| (1..=MAX_PAGE_LEN).contains(number));
                let message = format!("it must be between 1 and {MAX_PAGE_LEN}");
                number.ok_or_else(|| RequestError::field("limit", message))?
            }
        };
        let mut items: Vec<&Value> = self.input.iter().collect();
        match parameters.get("order").and_then(Value::as_str) {
            None | Some("desc") => items.reverse(),
            Some("asc") => {}
            Some(_) => return Err(RequestError::field("order", "it must be asc or desc")),
        }
        if let Some(after) = parameters.get("after").and_then(Value::as_str) {
            let at = items.iter().position(|item| item["id"] == after);
            let at = at.ok_or_else(|| RequestError::field("after", "there is no such item"))?;
            items.drain(..=at);
        }
        let has_more = items.len() > limit;
        items.truncate(limit);
        let id = |item: Option<&&Value>| item.map(|item| item["id"].clone());
        let (first, last) = (id(items.first()), id(items.last()));
        Ok(json!({ "object": "list", "data": items, "first_id": first, "last_id": last, "has_more": has_more }))
    }
}
