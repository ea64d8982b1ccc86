//! Console output of pages, their workers and the service worker. A test fails if it does not expect a line.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

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

    /// Records an event of a page or a service worker, if it is about its console.
    pub(crate) fn record(&self, method: &str, params: &Value) {
        match method {
            "Runtime.consoleAPICalled" => {
                let arguments = params["args"].as_array().into_iter().flatten();
                let texts: Vec<String> = arguments
                    .map(|argument| match &argument["value"] {
                        Value::Null => text(&argument["description"]),
                        value => text(value),
                    })
                    .collect();
                self.add(format!("{}: {}", text(&params["type"]), texts.join(" ")));
            }
            "Runtime.exceptionThrown" => {
                let details = &params["exceptionDetails"];
                let [thrown, issue] = [&details["exception"]["description"], &details["exceptionMetaData"]].map(text);
                self.add(format!("{}: {thrown} {issue}", text(&details["text"])));
            }
            "Log.entryAdded" if params["entry"]["level"] != "verbose" => {
                let [source, level, what, url] =
                    ["source", "level", "text", "url"].map(|name| text(&params["entry"][name]));
                self.add(format!("{source} {level}: {what} {url}"));
            }
            _ => {}
        }
    }

    fn add(&self, line: String) {
        let mut lines = lock(&self.lines);
        // Repeated lines add nothing.
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
}

/// A JSON value as text.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
