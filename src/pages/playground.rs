//! A playground for structured output: a prompt, a JSON schema, and an answer that matches it.

use leptos::prelude::*;
use parlance_protocol::openai::{ChatCompletionRequest, JsonSchema, RequestMessage, ResponseFormat};
use parlance_protocol::{Failure, RequestId};

use crate::client::{AnswerEvent, Client};
use crate::components::failure_notice::FailureNotice;
use crate::components::page_header::PageHeader;
use crate::i18n::{t, tr};
use crate::storage;

const EXAMPLE_SCHEMA: &str = r#"{
  "type": "object",
  "properties": {
    "city": { "type": "string", "maxLength": 40 },
    "country": { "type": "string", "maxLength": 40 },
    "population_millions": { "type": "number", "minimum": 0, "maximum": 100 }
  },
  "required": ["city", "country", "population_millions"],
  "additionalProperties": false
}"#;

/// The playground.
#[component]
pub(crate) fn PlaygroundPage() -> impl IntoView {
    let client = expect_context::<Client>();
    let prompt = RwSignal::new(t("playground-prompt"));
    let schema = RwSignal::new(EXAMPLE_SCHEMA.to_owned());
    let schema_error = RwSignal::new(None::<String>);
    let answer = RwSignal::new(String::new());
    let failure = RwSignal::new(None::<Failure>);
    let running = RwSignal::new(None::<RequestId>);
    let handle = move |event: AnswerEvent| match event {
        AnswerEvent::Delta { content, .. } => answer.update(|answer| answer.push_str(&content)),
        AnswerEvent::Finished { .. } | AnswerEvent::Lost => running.set(None),
        AnswerEvent::Failed(error) => {
            running.set(None);
            failure.set(Some(error));
        }
        AnswerEvent::Prefill(_) | AnswerEvent::See(_) | AnswerEvent::Started { .. } => {}
    };
    let run = move |_| {
        let parsed = serde_json::from_str(&schema.read_untracked());
        schema_error.set(parsed.as_ref().err().map(ToString::to_string));
        let Ok(parsed) = parsed else { return };
        answer.set(String::new());
        failure.set(None);
        storage::agree_to_load();
        let json_schema = JsonSchema { schema: Some(parsed), ..JsonSchema::default() };
        let request = ChatCompletionRequest {
            messages: vec![RequestMessage::new("user", prompt.get_untracked())],
            response_format: Some(ResponseFormat {
                kind: "json_schema".to_owned(),
                json_schema: Some(json_schema),
                schema: None,
                regex: None,
                grammar: None,
            }),
            temperature: Some(0.3),
            enable_thinking: Some(false),
            ..ChatCompletionRequest::default()
        };
        running.set(Some(client.ask(request, handle)));
    };
    let stop = move |_| {
        if let Some(id) = running.get_untracked() {
            client.interrupt(id);
        }
    };
    view! {
        <main class="page">
            <PageHeader title="playground" />
            <p>{tr("playground-text")}</p>
            <section>
                <h2>
                    <label for="prompt">{tr("prompt")}</label>
                </h2>
                <textarea
                    id="prompt"
                    class="field"
                    rows="2"
                    dir="auto"
                    prop:value=prompt
                    on:input:target=move |event| prompt.set(event.target().value())
                ></textarea>
                <h2>
                    <label for="schema">{tr("json-schema")}</label>
                </h2>
                <textarea
                    id="schema"
                    class="field mono"
                    rows="11"
                    dir="ltr"
                    spellcheck="false"
                    aria-invalid=move || schema_error.read().is_some().to_string()
                    prop:value=schema
                    on:input:target=move |event| schema.set(event.target().value())
                ></textarea>
                {move || schema_error.get().map(|error| view! { <p class="failure-message" role="alert">{error}</p> })}
                <div class="actions">
                    <Show
                        when=move || running.read().is_some()
                        fallback=move || {
                            view! {
                                <button class="primary" data-testid="run-schema" on:click=run>
                                    {tr("generate")}
                                </button>
                            }
                        }
                    >
                        <button on:click=stop>{tr("stop")}</button>
                    </Show>
                </div>
            </section>
            <Output answer failure is_running=Signal::derive(move || running.read().is_some()) />
        </main>
    }
}

/// The answer as it is generated, or why it failed.
#[component]
fn Output(answer: RwSignal<String>, failure: RwSignal<Option<Failure>>, is_running: Signal<bool>) -> impl IntoView {
    view! {
        <section>
            <h2>{tr("response")}</h2>
            <pre
                class="output"
                tabindex="0"
                data-testid="schema-answer"
                data-running=move || is_running.get().to_string()
            >
                {answer}
            </pre>
            {move || failure.get().map(|failure| view! { <FailureNotice failure /> })}
        </section>
    }
}
