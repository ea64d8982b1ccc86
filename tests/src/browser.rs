//! A headless Chromium, and the pages that tests drive in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::console::Console;
use crate::devtools::{Browser, Tab};
use crate::error::{Error, browser_error};

/// Where to look for the browser if `CHROME` is not set.
const CHROMIUM_PATHS: [&str; 3] = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/// WebGPU on a software adapter, without background traffic.
pub(crate) const WITH_WEBGPU: &[&str] =
    &["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--disable-quic", "--hide-scrollbars"];
/// WebGPU on a graphics card through Vulkan, even without a display.
const WITH_HARDWARE: &[&str] = &[
    "--enable-unsafe-webgpu",
    "--ignore-gpu-blocklist",
    "--use-angle=vulkan",
    "--enable-features=Vulkan,VulkanFromANGLE,DefaultANGLEVulkan",
    "--disable-vulkan-surface",
    "--disable-quic",
];
/// For a user who prefers reduced motion: without a graphics card, drawing the animations takes a tenth of the time of
/// all tests.
pub(crate) const REDUCED_MOTION: &str = "--force-prefers-reduced-motion";
/// No adapter for WebGPU.
const WITHOUT_WEBGPU: &[&str] = &[
    "--disable-gpu",
    "--disable-features=WebGPU,WebGPUService",
    "--disable-blink-features=WebGPU",
    "--disable-quic",
    "--hide-scrollbars",
];

/// Waits until an expression is true in a page, where `evaluate` evaluates it.
pub(crate) fn wait_for(
    evaluate: impl Fn(&str) -> Result<Value, Error>,
    expression: &str,
    limit: Duration,
) -> Result<(), Error> {
    let script = format!("!!({expression}) || null");
    wait_for_value(evaluate, &script, expression, limit).map(drop)
}

/// How long to wait before the next look at a page, after `waited`. Each look takes time from what is waited for, which
/// for a model is many seconds.
fn pause(waited: Duration) -> Duration {
    (waited / 10).clamp(Duration::from_millis(30), Duration::from_millis(250))
}

/// Waits until a script returns something other than `null`. `what` describes the wait in errors.
fn wait_for_value(
    evaluate: impl Fn(&str) -> Result<Value, Error>,
    script: &str,
    what: &str,
    limit: Duration,
) -> Result<Value, Error> {
    let start = Instant::now();
    loop {
        // The page that follows is looked at, too.
        let value = match evaluate(script) {
            Err(Error::Left) => Value::Null,
            result => result?,
        };
        match value {
            Value::Null if start.elapsed() > limit => {
                let text = evaluate("document.body.innerText")?.to_string();
                return Err(Error::Timeout(limit, what.to_owned(), text));
            }
            Value::Null => thread::sleep(pause(start.elapsed())),
            value => return Ok(value),
        }
    }
}

/// A running browser with an empty profile. Dropping it panics if its console has output that the test does not expect.
pub struct Session {
    browser: Browser,
    console: Arc<Console>,
    has_webgpu: bool,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.browser.settle();
        let lines = self.console.unexpected();
        let output = lines.join("\n");
        if thread::panicking() {
            println!("console output:\n{output}");
        } else {
            assert!(lines.is_empty(), "unexpected console output:\n{output}");
        }
    }
}

impl Session {
    /// Starts the browser, with or without WebGPU, without animations.
    ///
    /// # Errors
    /// If no browser is installed or it does not start.
    pub fn start(has_webgpu: bool) -> Result<Self, Error> {
        let switches = if has_webgpu { WITH_WEBGPU } else { WITHOUT_WEBGPU };
        let switches: Vec<&str> = switches.iter().copied().chain([REDUCED_MOTION]).collect();
        let mut session = Self::with_switches(&switches)?;
        session.has_webgpu = has_webgpu;
        Ok(session)
    }

    /// Starts the browser with WebGPU and with animations.
    ///
    /// # Errors
    /// If no browser is installed or it does not start.
    pub fn with_animations() -> Result<Self, Error> {
        Self::with_switches(WITH_WEBGPU)
    }

    /// Starts the browser with a microphone that hears a WAV file once, and may be used without asking.
    ///
    /// # Errors
    /// If no browser is installed or it does not start.
    pub fn with_microphone(recording: &Path) -> Result<Self, Error> {
        Self::hearing(&format!("{}%noloop", recording.display()))
    }

    /// The same with a microphone that hears the file over and over.
    ///
    /// # Errors
    /// If no browser is installed or it does not start.
    pub fn with_microphone_in_a_loop(recording: &Path) -> Result<Self, Error> {
        Self::hearing(&recording.display().to_string())
    }

    /// Starts the browser with a microphone that hears `recording`, in the notation of Chromium.
    fn hearing(recording: &str) -> Result<Self, Error> {
        let heard = format!("--use-file-for-fake-audio-capture={recording}");
        let microphone = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", heard.as_str()];
        let switches: Vec<&str> = WITH_WEBGPU.iter().copied().chain([REDUCED_MOTION]).chain(microphone).collect();
        Self::with_switches(&switches)
    }

    /// Starts the browser with WebGPU and logs all of its network activity to a file.
    ///
    /// # Errors
    /// If no browser is installed or it does not start.
    pub fn with_network_log(path: &Path) -> Result<Self, Error> {
        let log = format!("--log-net-log={}", path.display());
        // The browser's own requests have nothing to do with the site.
        let quiet = "--disable-domain-reliability";
        let switches: Vec<&str> = WITH_WEBGPU.iter().copied().chain([quiet, log.as_str()]).collect();
        Self::with_switches(&switches)
    }

    /// Starts the browser with WebGPU on a graphics card.
    ///
    /// # Errors
    /// If no browser is installed or it does not start.
    pub fn on_hardware() -> Result<Self, Error> {
        Self::with_switches(WITH_HARDWARE)
    }

    pub(crate) fn with_switches(switches: &[&str]) -> Result<Self, Error> {
        let path = std::env::var_os("CHROME")
            .map(PathBuf::from)
            .or_else(|| CHROMIUM_PATHS.iter().map(PathBuf::from).find(|path| path.exists()))
            .ok_or_else(|| browser_error("no Chromium; `cargo xtask setup` installs it"))?;
        let console = Arc::<Console>::default();
        Ok(Self { browser: Browser::start(&path, switches, Arc::clone(&console))?, console, has_webgpu: true })
    }

    /// Opens a page.
    ///
    /// # Errors
    /// If the browser does not answer.
    pub fn open(&self, url: &str) -> Result<Page, Error> {
        let page = Page { tab: self.browser.open_tab()? };
        if !self.has_webgpu {
            // Chromium has the interface all the same, but older browsers do not.
            page.before_every_page("delete Navigator.prototype.gpu")?;
        }
        page.navigate(url)?;
        Ok(page)
    }

    /// Declares that the test causes console output that contains this text.
    pub fn expect_in_console(&self, text: &str) {
        self.console.expect(text);
    }
}

/// An open page.
pub struct Page {
    tab: Tab,
}

impl Page {
    /// Navigates the tab to a URL.
    ///
    /// # Errors
    /// If the page does not load.
    pub fn navigate(&self, url: &str) -> Result<(), Error> {
        // Retries, because a new tab can lose a URL that it gets while it is still opening, and because Chromium 156
        // sometimes crashes when a test goes from page to page, for unknown reasons.
        let is_loaded = format!("location.href === {url:?} && document.readyState === 'complete'");
        let mut result = Ok(());
        for seconds in [5, 20, 60] {
            let navigated = self.tab.call("Page.navigate", &json!({ "url": url }))?;
            if let Some(error) = navigated["errorText"].as_str() {
                return Err(browser_error(format!("{url}: {error}")));
            }
            result = self.wait_for(&is_loaded, Duration::from_secs(seconds));
            match &result {
                Ok(()) => break,
                Err(Error::Crashed) => println!("the tab crashed while navigating to {url}; retrying"),
                Err(_) => {}
            }
        }
        result
    }

    /// Navigates within the site like one of its links, without reloading the page.
    ///
    /// # Errors
    /// If the page does not answer.
    pub fn follow(&self, path: &str) -> Result<(), Error> {
        let script = format!("(history.pushState({{}}, '', {path:?}), dispatchEvent(new PopStateEvent('popstate')))");
        self.evaluate(&script).map(drop)
    }

    /// The JSON value of an expression; promises are awaited.
    ///
    /// # Errors
    /// If it throws.
    pub fn evaluate(&self, expression: &str) -> Result<Value, Error> {
        // Values without a JSON form, such as functions, become null.
        let script = format!("(async () => JSON.stringify((await ({expression})) ?? null) ?? 'null')()");
        let response = self.tab.call("Runtime.evaluate", &json!({ "expression": script, "awaitPromise": true }))?;
        let result = &response["result"];
        match result["value"].as_str() {
            Some(json) if response["exceptionDetails"].is_null() => serde_json::from_str(json).map_err(browser_error),
            // What was thrown need not be an error.
            thrown => {
                let message = result["description"].as_str().or(thrown).unwrap_or_default().to_owned();
                Err(Error::Script { script: expression.to_owned(), message })
            }
        }
    }

    /// Waits until an expression is true.
    ///
    /// # Errors
    /// [`Error::Timeout`] with the page's text.
    pub fn wait_for(&self, expression: &str, limit: Duration) -> Result<(), Error> {
        wait_for(|script| self.evaluate(script), expression, limit)
    }

    /// The text of the first element that matches `selector`, once there is one.
    ///
    /// # Errors
    /// [`Error::Timeout`].
    pub fn text(&self, selector: &str) -> Result<String, Error> {
        let element = format!("document.querySelector({selector:?})");
        self.wait_for(&element, Duration::from_secs(30))?;
        Ok(self.evaluate(&format!("{element}.innerText"))?.as_str().unwrap_or_default().to_owned())
    }

    /// Clicks the first element that matches `selector`, once it exists, does not move and is not covered.
    ///
    /// # Errors
    /// [`Error::Timeout`].
    pub fn click(&self, selector: &str) -> Result<(), Error> {
        let middle = format!(
            "(async () => {{
                const element = document.querySelector({selector:?});
                element?.scrollIntoView({{ block: 'nearest', behavior: 'instant' }});
                const place = () => JSON.stringify(element.getBoundingClientRect());
                const before = element && place();
                // What is still being laid out moves. Background tabs have no frames.
                for (let frame = 0; frame < 3; frame++) {{
                    await new Promise((done) => (requestAnimationFrame(done), setTimeout(done, 100)));
                    if (!element?.isConnected || before != place()) return null;
                }}
                const {{ x, y, width, height }} = element.getBoundingClientRect();
                const [left, top] = [x + width / 2, y + height / 2];
                const isReached = (hit) => element.contains(hit) || hit?.closest('label')?.control == element;
                if (!isReached(document.elementFromPoint(left, top))) return null;
                // If the page moves the element away meanwhile, the click must not reach another one.
                window.clickGuard = (event) => {{
                    if (isReached(event.target)) return;
                    window.hasMissed = true;
                    event.preventDefault();
                    event.stopImmediatePropagation();
                }};
                window.hasMissed = false;
                window.addEventListener('click', clickGuard, {{ capture: true, once: true }});
                return [left, top];
            }})()"
        );
        let (what, limit) = (format!("{selector} can be clicked"), Duration::from_secs(30));
        let start = Instant::now();
        while start.elapsed() < limit {
            let middle = wait_for_value(|script| self.evaluate(script), &middle, &what, limit)?;
            self.click_at(&middle)?;
            // A click may also have left the page.
            let has_missed = "(removeEventListener('click', window.clickGuard, true), window.hasMissed === true)";
            if !matches!(self.evaluate(has_missed), Ok(Value::Bool(true))) {
                break;
            }
        }
        Ok(())
    }

    fn click_at(&self, middle: &Value) -> Result<(), Error> {
        let [x, y] = [0, 1].map(|index| middle[index].as_f64().unwrap_or_default());
        for (kind, button, clicks) in
            [("mouseMoved", "none", 0), ("mousePressed", "left", 1), ("mouseReleased", "left", 1)]
        {
            let event = json!({ "type": kind, "x": x, "y": y, "button": button, "clickCount": clicks });
            self.tab.call("Input.dispatchMouseEvent", &event)?;
        }
        Ok(())
    }

    /// Types into the first element that matches `selector`, all at once, as input methods do.
    ///
    /// # Errors
    /// If there is no such element.
    pub fn type_into(&self, selector: &str, text: &str) -> Result<(), Error> {
        self.click(selector)?;
        self.tab.call("Input.insertText", &json!({ "text": text })).map(drop)
    }

    /// Sets the value of the first field that matches `selector`, once there is one, and dispatches the events that browsers do.
    ///
    /// # Errors
    /// [`Error::Timeout`] if there is no such field.
    pub fn fill(&self, selector: &str, text: &str) -> Result<(), Error> {
        self.wait_for(&format!("document.querySelector({selector:?})"), Duration::from_secs(30))?;
        let script = format!(
            "(() => {{
                const field = document.querySelector({selector:?});
                field.focus();
                field.value = {text:?};
                for (const kind of ['input', 'change']) field.dispatchEvent(new Event(kind, {{ bubbles: true }}));
            }})()"
        );
        self.evaluate(&script).map(drop)
    }

    /// Presses a key: a capital letter, or one of those named here.
    ///
    /// # Errors
    /// If there is no such key.
    pub fn press(&self, key: &str) -> Result<(), Error> {
        // Its code, the older number of it, and the text that it enters.
        let (code, number, text) = match key.as_bytes() {
            b"Enter" => ("Enter".to_owned(), 13, "\r"),
            b"Escape" => ("Escape".to_owned(), 27, ""),
            b"Tab" => ("Tab".to_owned(), 9, ""),
            [letter @ b'A'..=b'Z'] => (format!("Key{key}"), *letter, key),
            [digit @ b'0'..=b'9'] => (format!("Digit{key}"), *digit, key),
            _ => return Err(browser_error(format!("no key {key}"))),
        };
        let down = if text.is_empty() { "rawKeyDown" } else { "keyDown" };
        for kind in [down, "keyUp"] {
            let event =
                json!({ "type": kind, "key": key, "code": code, "text": text, "windowsVirtualKeyCode": number });
            self.tab.call("Input.dispatchKeyEvent", &event)?;
        }
        Ok(())
    }

    /// Chooses a file in the first file input that matches `selector`.
    ///
    /// # Errors
    /// If there is no such field.
    pub fn choose_file(&self, selector: &str, path: &Path) -> Result<(), Error> {
        self.choose_files(selector, &[path])
    }

    /// Chooses files in the first file input that matches `selector`.
    ///
    /// # Errors
    /// If there is no such field.
    pub fn choose_files(&self, selector: &str, paths: &[&Path]) -> Result<(), Error> {
        let field = json!({ "expression": format!("document.querySelector({selector:?})") });
        let field = self.tab.call("Runtime.evaluate", &field)?;
        let files: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        let choice = json!({ "files": files, "objectId": field["result"]["objectId"] });
        self.tab.call("DOM.setFileInputFiles", &choice).map(drop)
    }

    /// Resizes the page, in CSS pixels, with a device pixel ratio of 2.
    ///
    /// # Errors
    /// If the browser refuses.
    pub fn resize(&self, width: u32, height: u32) -> Result<(), Error> {
        let is_phone = width < 500;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 2, "mobile": is_phone });
        self.tab.call("Emulation.setDeviceMetricsOverride", &metrics).map(drop)
    }

    /// Emulates a touch screen, as on a phone.
    ///
    /// # Errors
    /// If the browser refuses.
    pub fn touch(&self) -> Result<(), Error> {
        self.tab.call("Emulation.setTouchEmulationEnabled", &json!({ "enabled": true, "maxTouchPoints": 5 })).map(drop)
    }

    /// Limits the site's storage quota to `len_bytes`.
    ///
    /// # Errors
    /// If the browser refuses.
    pub fn limit_storage(&self, origin: &str, len_bytes: f64) -> Result<(), Error> {
        let limit = json!({ "origin": origin, "quotaSize": len_bytes });
        self.tab.call("Storage.overrideQuotaForOrigin", &limit).map(drop)
    }

    /// Deletes the site's databases. The browser closes those that are open.
    ///
    /// # Errors
    /// If the browser refuses.
    pub fn delete_databases(&self, origin: &str) -> Result<(), Error> {
        let delete = json!({ "origin": origin, "storageTypes": "indexeddb" });
        self.tab.call("Storage.clearDataForOrigin", &delete).map(drop)
    }

    /// Runs a script before any other on every page that this tab opens from now on.
    ///
    /// # Errors
    /// If the browser refuses.
    pub fn before_every_page(&self, script: &str) -> Result<(), Error> {
        self.tab.call("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": script })).map(drop)
    }

    /// Freezes the tab, as browsers do with background tabs, or wakes it.
    ///
    /// # Errors
    /// If the browser refuses.
    pub fn freeze(&self, is_frozen: bool) -> Result<(), Error> {
        let state = if is_frozen { "frozen" } else { "active" };
        self.tab.call("Page.setWebLifecycleState", &json!({ "state": state })).map(drop)
    }

    /// Brings the tab to the front, because background tabs take no clicks.
    ///
    /// # Errors
    /// If the browser does not answer.
    pub fn show(&self) -> Result<(), Error> {
        self.tab.call("Page.bringToFront", &json!({})).map(drop)
    }

    /// Closes the tab, as a user does.
    ///
    /// # Errors
    /// If the browser does not answer.
    pub fn close(self) -> Result<(), Error> {
        self.tab.close()
    }

    /// Saves a screenshot of the viewport.
    ///
    /// # Errors
    /// If the screenshot cannot be taken or written.
    pub fn screenshot(&self, path: &Path) -> Result<(), Error> {
        let image = self.tab.call("Page.captureScreenshot", &json!({ "format": "png" }))?;
        let png = STANDARD.decode(image["data"].as_str().unwrap_or_default()).map_err(browser_error)?;
        Ok(std::fs::write(path, png)?)
    }
}
