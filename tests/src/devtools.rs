//! Chromium, driven by the `DevTools` protocol through a pipe. Messages are JSON and end with a zero byte: requests
//! `{ id, sessionId, method, params }`, responses `{ id, result }` or `{ id, error }`, and events
//! `{ sessionId, method, params }`. A session is that of a tab or a service worker; without one, the browser is meant.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::console::Console;
use crate::error::{Error, browser_error};

/// For every browser: controlled by a program, and without work of its own. Rendering the address bar's suggestions,
/// which nobody sees, took longer than the rest of the start.
const SWITCHES: [&str; 27] = [
    "--remote-debugging-pipe",
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--window-size=1280,800",
    "--enable-automation",
    "--password-store=basic",
    "--use-mock-keychain",
    "--force-color-profile=srgb",
    "--metrics-recording-only",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-breakpad",
    "--disable-client-side-phishing-detection",
    "--disable-component-extensions-with-background-pages",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-features=TranslateUI,WebUIOmniboxPopup,WebUIOmniboxAimPopup",
    "--disable-hang-monitor",
    "--disable-ipc-flooding-protection",
    "--disable-popup-blocking",
    "--disable-prompt-on-repost",
    "--disable-renderer-backgrounding",
    "--disable-sync",
];

/// The switch whose values are joined: of several, the browser would take only the last one.
const DISABLED_FEATURES: &str = "--disable-features=";

/// The page of new tabs. The browser's own would take time.
const NEW_TAB: &str = "about:blank";

/// Starts a program that reads the protocol from file 3 and writes it to file 4.
const WITH_PIPES: &str = r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>/dev/null"#;

/// No response takes longer: there may be none for minutes while another engine is measured.
const RESPONSE_LIMIT: Duration = Duration::from_secs(1800);

/// What errors say if a page was left while a script ran in it.
const LEFT: [&str; 3] = ["navigated or closed", "xecution context", "Promise was collected"];

/// A running browser with an empty profile, which ends when this is dropped.
pub(crate) struct Browser {
    process: Child,
    profile: PathBuf,
    connection: Arc<Connection>,
}

impl Browser {
    /// Starts the browser at `path`. Console output of its pages goes to `console`.
    pub(crate) fn start(path: &Path, switches: &[&str], console: Arc<Console>) -> Result<Self, Error> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let profile = std::env::temp_dir().join(format!("parlance-chromium-{}-{number}", std::process::id()));
        let all = SWITCHES.iter().copied().chain(switches.iter().copied());
        let (disabled, others): (Vec<&str>, Vec<&str>) = all.partition(|switch| switch.starts_with(DISABLED_FEATURES));
        let disabled: Vec<&str> = disabled.iter().filter_map(|switch| switch.strip_prefix(DISABLED_FEATURES)).collect();
        let mut command = Command::new("sh");
        command.args(["-c", WITH_PIPES]).arg(path).args(others);
        command.arg(format!("{DISABLED_FEATURES}{}", disabled.join(",")));
        command.arg(format!("--user-data-dir={}", profile.display())).arg(NEW_TAB);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let pipes = process.stdin.take().zip(process.stdout.take());
        let (requests, responses) = pipes.ok_or_else(|| browser_error("the browser has no pipes"))?;
        let connection = Arc::new(Connection { requests: Mutex::new(requests), state: Mutex::default(), console });
        let receiving = Arc::clone(&connection);
        thread::spawn(move || receiving.receive_all(responses));
        Ok(Self { process, profile, connection })
    }

    /// Opens a tab.
    pub(crate) fn open_tab(&self) -> Result<Tab, Error> {
        let created = self.connection.call("", "Target.createTarget", &json!({ "url": NEW_TAB }))?;
        let target = created["targetId"].as_str().unwrap_or_default().to_owned();
        let attach = json!({ "targetId": target, "flatten": true });
        let attached = self.connection.call("", "Target.attachToTarget", &attach)?;
        let session = attached["sessionId"].as_str().unwrap_or_default().to_owned();
        let tab = Tab { connection: Arc::clone(&self.connection), target, session };
        for domain in ["Inspector", "Page", "Runtime", "Log"] {
            tab.call(&format!("{domain}.enable"), &json!({}))?;
        }
        // The browser itself forwards the console output of dedicated workers.
        let filter = json!([{ "type": "service_worker" }]);
        let workers = json!({ "autoAttach": true, "waitForDebuggerOnStart": false, "flatten": true, "filter": filter });
        tab.call("Target.setAutoAttach", &workers)?;
        Ok(tab)
    }

    /// Waits until the events so far have been handled: they arrive before the response to this call.
    pub(crate) fn settle(&self) {
        // An error means that the browser has ended, so that there are no more events.
        let _ = self.connection.call("", "Browser.getVersion", &json!({}));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Lets it write its log of the network. It may have ended.
        let _ = self.connection.call("", "Browser.close", &json!({}));
        let _ = self.process.kill();
        let _ = self.process.wait();
        // Its other processes are still ending and may be writing.
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

/// An open tab.
pub(crate) struct Tab {
    connection: Arc<Connection>,
    target: String,
    session: String,
}

impl Tab {
    /// Calls a method, and returns its result.
    pub(crate) fn call(&self, method: &str, params: &Value) -> Result<Value, Error> {
        self.connection.call(&self.session, method, params)
    }

    /// Closes the tab, as a user does.
    pub(crate) fn close(&self) -> Result<(), Error> {
        self.connection.call("", "Target.closeTarget", &json!({ "targetId": self.target })).map(drop)
    }
}

struct Connection {
    requests: Mutex<ChildStdin>,
    state: Mutex<State>,
    console: Arc<Console>,
}

#[derive(Default)]
struct State {
    last_id: u64,
    /// Calls without a response yet, by id: the session, and who waits.
    waiting: HashMap<u64, (String, Sender<Value>)>,
    /// Sessions of tabs whose process has crashed, so that they never respond.
    crashed: HashSet<String>,
    is_closed: bool,
}

impl Connection {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, session: &str, method: &str, params: &Value) -> Result<Value, Error> {
        match self.send(session, method, params)?.recv_timeout(RESPONSE_LIMIT) {
            Ok(mut response) => match response["error"]["message"].as_str() {
                None => Ok(response["result"].take()),
                Some(message) if LEFT.iter().any(|text| message.contains(text)) => Err(Error::Left),
                Some(message) => Err(browser_error(format!("{method}: {message}"))),
            },
            Err(RecvTimeoutError::Timeout) => Err(browser_error(format!("{method}: no response"))),
            Err(RecvTimeoutError::Disconnected) if self.state().is_closed => Err(browser_error("the browser is gone")),
            Err(RecvTimeoutError::Disconnected) => Err(Error::Crashed),
        }
    }

    /// Sends a request. Its response will arrive at the receiver, unless the tab crashes or the browser ends.
    fn send(&self, session: &str, method: &str, params: &Value) -> Result<Receiver<Value>, Error> {
        let (sender, receiver) = mpsc::channel();
        let mut state = self.state();
        if method == "Page.navigate" {
            // The tab gets a new process.
            state.crashed.remove(session);
        }
        if state.crashed.contains(session) {
            return Err(Error::Crashed);
        }
        if state.is_closed {
            return Err(browser_error("the browser is gone"));
        }
        state.last_id += 1;
        let mut request = json!({ "id": state.last_id, "method": method, "params": params });
        let id = state.last_id;
        state.waiting.insert(id, (session.to_owned(), sender));
        drop(state);
        if !session.is_empty() {
            request["sessionId"] = json!(session);
        }
        let mut bytes = request.to_string().into_bytes();
        bytes.push(0);
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).write_all(&bytes)?;
        Ok(receiver)
    }

    /// Receives messages until the browser ends.
    fn receive_all(&self, responses: ChildStdout) {
        let mut responses = BufReader::new(responses);
        let mut bytes = Vec::new();
        while responses.read_until(0, &mut bytes).is_ok_and(|len| len > 0) {
            bytes.pop();
            if let Ok(message) = serde_json::from_slice(&bytes) {
                self.receive(message);
            }
            bytes.clear();
        }
        let mut state = self.state();
        state.is_closed = true;
        state.waiting.clear();
    }

    fn receive(&self, message: Value) {
        if let Some(id) = message["id"].as_u64() {
            let caller = self.state().waiting.remove(&id);
            if let Some((_, caller)) = caller {
                // It may not be interested.
                let _ = caller.send(message);
            }
            return;
        }
        let params = &message["params"];
        match message["method"].as_str().unwrap_or_default() {
            "Inspector.targetCrashed" => {
                let session = message["sessionId"].as_str().unwrap_or_default();
                let mut state = self.state();
                state.crashed.insert(session.to_owned());
                state.waiting.retain(|_, (waiting, _)| *waiting != session);
            }
            "Target.attachedToTarget" if params["targetInfo"]["type"] == "service_worker" => {
                // An error means that the worker has ended.
                let _ = self.send(params["sessionId"].as_str().unwrap_or_default(), "Runtime.enable", &json!({}));
            }
            method => self.console.record(method, params),
        }
    }
}
