//! Console output of pages, their workers and the service worker. A test fails if it does not expect a line.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use headless_chrome::Tab;
use headless_chrome::protocol::cdp::types::Event;
use headless_chrome::protocol::cdp::{Log, Runtime, Target};
use serde_json::{Value, json};

use crate::Error;
use crate::browser::browser_error;

/// Allowed on every page: the browser's own remarks on its WebGPU.
const HARMLESS: [&str; 3] = [
    "The powerPreference option is currently ignored",
    "WebGPU is experimental on this platform",
    "Failed to create WebGPU Context Provider",
];

/// The consoles of a browser's pages.
#[derive(Default)]
pub(crate) struct Console {
    lines: Mutex<Vec<String>>,
    expected: Mutex<Vec<String>>,
}

impl Console {
    /// Records the output of a tab and its workers from now on. The browser itself forwards that of dedicated workers.
    pub(crate) fn watch(self: &Arc<Self>, tab: &Arc<Tab>) -> Result<(), Error> {
        let (console, weak) = (Arc::clone(self), Arc::downgrade(tab));
        tab.add_event_listener(Arc::new(move |event: &Event| match event {
            Event::AttachedToTarget(event) => {
                let session = event.params.session_id.clone();
                let Some(tab) = weak.upgrade() else { return };
                // Not on this thread, which receives the events that the call waits for.
                thread::spawn(move || enable_console(&tab, session));
            }
            event => console.record(event),
        }))
        .map_err(browser_error)?;
        tab.call_method(Runtime::Enable(None)).map_err(browser_error)?;
        tab.call_method(Log::Enable(None)).map_err(browser_error)?;
        let service_workers = json!([{ "type": "service_worker" }]);
        let attach = Target::SetAutoAttach {
            auto_attach: true,
            wait_for_debugger_on_start: false,
            flatten: Some(false),
            filter: serde_json::from_value(service_workers).map_err(browser_error)?,
        };
        tab.call_method(attach).map(drop).map_err(browser_error)
    }

    /// Allows lines with this text.
    pub(crate) fn expect(&self, text: &str) {
        lock(&self.expected).push(text.to_owned());
    }

    /// The lines that are not allowed.
    pub(crate) fn unexpected(&self) -> Vec<String> {
        let expected = lock(&self.expected);
        let is_expected = |line: &String| {
            let harmless = HARMLESS.iter().copied();
            expected.iter().map(String::as_str).chain(harmless).any(|text| line.contains(text))
        };
        lock(&self.lines).iter().filter(|line| !is_expected(line)).cloned().collect()
    }

    fn record(&self, event: &Event) {
        match event {
            Event::RuntimeConsoleAPICalled(event) => {
                let texts = event.params.args.iter().map(|argument| {
                    let value =
                        argument.value.as_ref().map(|value| value.as_str().map_or(value.to_string(), str::to_owned));
                    value.or_else(|| argument.description.clone()).unwrap_or_default()
                });
                let texts: Vec<String> = texts.collect();
                self.add(&format!("{:?}: {}", event.params.Type, texts.join(" ")));
            }
            Event::RuntimeExceptionThrown(event) => {
                let details = &event.params.exception_details;
                let thrown = details.exception.as_ref().and_then(|thrown| thrown.description.as_deref());
                self.add(&format!("{}: {}", details.text, thrown.unwrap_or_default()));
            }
            Event::LogEntryAdded(event) if event.params.entry.level != Log::LogEntryLevel::Verbose => {
                let entry = &event.params.entry;
                self.add(&format!(
                    "{:?} {:?}: {} {}",
                    entry.source,
                    entry.level,
                    entry.text,
                    entry.url.as_deref().unwrap_or_default()
                ));
            }
            Event::ReceivedMessageFromTarget(event) => self.record_service_worker(&event.params.message),
            _ => {}
        }
    }

    /// Records a protocol message from the service worker.
    fn record_service_worker(&self, message: &str) {
        let message: Value = serde_json::from_str(message).unwrap_or_default();
        let parameters = &message["params"];
        match message["method"].as_str() {
            Some("Runtime.consoleAPICalled") => self.add(&format!("service worker: {}", parameters["args"])),
            Some("Runtime.exceptionThrown") => {
                let details = &parameters["exceptionDetails"];
                let [thrown, issue] = [&details["exception"]["description"], &details["exceptionMetaData"]];
                self.add(&format!("service worker: {} {thrown} {issue}", details["text"]));
            }
            _ => {}
        }
    }

    fn add(&self, line: &str) {
        let mut lines = lock(&self.lines);
        // Repeated lines add nothing.
        if !lines.iter().any(|known| known == line) {
            lines.push(line.to_owned());
        }
    }
}

/// Enables a service worker's console events.
fn enable_console(tab: &Tab, session: Target::SessionID) {
    // The id is arbitrary, because nothing waits for the response.
    let message = json!({ "id": 0, "method": "Runtime.enable" }).to_string();
    let send = Target::SendMessageToTarget { message, session_id: Some(session), target_id: None };
    // An error means that the worker has ended.
    let _ = tab.call_method(send);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
