//! Which requests wait for the engine.

use parlance_protocol::openai::Endpoint;
use parlance_protocol::{Request, RequestId, Settings};

/// What happens with a request when it arrives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Route {
    /// It changes settings, at once.
    Configure(Settings),
    /// It stops another request of its client, whether that waits or is under way.
    Interrupt(RequestId),
    /// It is answered at once, whatever the engine is doing.
    AtOnce(RequestId),
    /// It waits for the engine.
    Queue,
}

/// The route of a request.
pub fn route(request: &Request) -> Route {
    match request {
        Request::Configure { settings, .. } => Route::Configure(*settings),
        Request::Interrupt { id } => Route::Interrupt(*id),
        Request::Inspect { id, .. }
        | Request::Fetch { id, .. }
        | Request::Storage { id }
        | Request::Import { id }
        | Request::Delete { id, .. }
        | Request::DeleteConversations { id }
        | Request::Verify { id, .. } => Route::AtOnce(*id),
        Request::Api { id, endpoint, .. } if !needs_model(*endpoint) => Route::AtOnce(*id),
        Request::Load { .. }
        | Request::Api { .. }
        | Request::Unload { .. }
        | Request::CountTokens { .. }
        | Request::SaveConversation { .. }
        | Request::RestoreConversation { .. } => Route::Queue,
    }
}

/// Whether a request is one for answers of a model: those are computed together.
pub fn is_for_answers(request: &Request) -> bool {
    use Endpoint::{ChatCompletions, Completions, Responses};
    matches!(request, Request::Api { endpoint: ChatCompletions | Completions | Responses, .. })
}

fn needs_model(endpoint: Endpoint) -> bool {
    match endpoint {
        Endpoint::ChatCompletions
        | Endpoint::Completions
        | Endpoint::Responses
        | Endpoint::Embeddings
        | Endpoint::Rerank
        | Endpoint::Transcriptions
        | Endpoint::Translations => true,
        Endpoint::RetrieveResponse
        | Endpoint::DeleteResponse
        | Endpoint::CancelResponse
        | Endpoint::InputItems
        | Endpoint::Models
        | Endpoint::RetrieveModel => false,
    }
}

#[cfg(test)]
mod tests {
    use parlance_protocol::ModelSource;
    use serde_json::Value;

    use super::*;

    #[test]
    fn only_what_needs_a_model_waits_for_the_engine() {
        let source = ModelSource::Url { url: "https://host/m.gguf".to_owned() };
        let api = |endpoint| Request::Api { id: 1, endpoint, body: Value::Null };
        let load = Request::Load {
            id: 1,
            source: source.clone(),
            projector: None,
            draft_model: None,
            context_tokens: None,
            beside: false,
            unless_loaded: false,
        };
        assert_eq!(route(&load), Route::Queue);
        for endpoint in [
            Endpoint::ChatCompletions,
            Endpoint::Responses,
            Endpoint::Embeddings,
            Endpoint::Rerank,
            Endpoint::Transcriptions,
        ] {
            assert_eq!(route(&api(endpoint)), Route::Queue);
        }
        let fetch = Request::Fetch { id: 1, source: source.clone(), projector: None };
        let inspect = Request::Inspect { id: 1, source, projector: None, draft_model: None, context_tokens: None };
        let delete = Request::Delete { id: 1, url: String::new() };
        let cancel = api(Endpoint::CancelResponse);
        let models = [Endpoint::Models, Endpoint::RetrieveModel].map(api);
        for request in [inspect, fetch, delete, Request::Storage { id: 1 }, cancel].into_iter().chain(models) {
            assert_eq!(route(&request), Route::AtOnce(1));
        }
        assert_eq!(route(&Request::Interrupt { id: 7 }), Route::Interrupt(7));
        let settings = Settings { idle_unload_seconds: Some(1.0), ..Settings::default() };
        assert_eq!(route(&Request::Configure { settings, tokens: None }), Route::Configure(settings));
    }
}
