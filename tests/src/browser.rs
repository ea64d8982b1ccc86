//! A headless Chromium, and the pages that tests drive in it.

use std::ffi::OsStr;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use headless_chrome::browser::tab::point::Point;
use headless_chrome::protocol::cdp::Runtime::RemoteObject;
use headless_chrome::protocol::cdp::types::Event;
use headless_chrome::protocol::cdp::{DOM, Emulation, Inspector, Page as PageDomain, Storage};
use headless_chrome::{Browser, LaunchOptions, Tab};
use serde_json::Value;

use crate::console::Console;

/// Where to look for the browser if `CHROME` is not set.
const CHROMIUM_PATHS: [&str; 3] = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/// WebGPU on a software adapter, without background traffic.
pub(crate) const WITH_WEBGPU: &[&str] = &[
    "--headless=new",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--disable-quic",
    "--disable-component-update",
    "--hide-scrollbars",
];
/// WebGPU on a graphics card through Vulkan, even without a display.
const WITH_HARDWARE: &[&str] = &[
    "--headless=new",
    "--enable-unsafe-webgpu",
    "--ignore-gpu-blocklist",
    "--use-angle=vulkan",
    "--enable-features=Vulkan,VulkanFromANGLE,DefaultANGLEVulkan",
    "--disable-vulkan-surface",
    "--disable-quic",
    "--disable-component-update",
];
/// For a user who prefers reduced motion: without a graphics card, drawing the animations takes a tenth of the time of
/// all tests.
pub(crate) const REDUCED_MOTION: &str = "--force-prefers-reduced-motion";
/// No WebGPU, as in an older browser.
const WITHOUT_WEBGPU: &[&str] = &[
    "--headless=new",
    "--disable-gpu",
    "--disable-blink-features=WebGPU",
    "--disable-quic",
    "--disable-component-update",
    "--hide-scrollbars",
];

/// The driver's own switch for features, which [`DISABLED_FEATURES`] replaces, because the browser takes only the first.
const DRIVERS_FEATURES: &str = "--disable-features=TranslateUI,BlinkGenPropertyTrees";
/// Features of the window around the page. Rendering the address bar's suggestions, which nobody sees, took longer than
/// the rest of the start.
const DISABLED_FEATURES: &str = "--disable-features=TranslateUI,WebUIOmniboxPopup,WebUIOmniboxAimPopup";
/// The first tab's page, instead of the browser's own, which takes time, too.
const FIRST_PAGE: &str = "about:blank";

/// An error of the browser or another test helper.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The browser or its protocol failed.
    #[error("browser: {0}")]
    Browser(String),
    /// A script threw.
    #[error("script {script:?} threw {message}")]
    Script {
        /// The script.
        script: String,
        /// What it threw.
        message: String,
    },
    /// A condition did not become true.
    #[error("still not true after {0:?}: {1}; text of the page: {2}")]
    Timeout(Duration, String, String),
    /// The tab's process crashed.
    #[error("the tab crashed")]
    Crashed,
    /// A file or socket failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

pub(crate) fn browser_error(error: impl std::fmt::Display) -> Error {
    Error::Browser(error.to_string())
}

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
        match evaluate(script)? {
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
}

impl Drop for Session {
    fn drop(&mut self) {
        // Earlier events arrive before the response to this call; another thread records them.
        let _ = self.browser.get_version();
        thread::sleep(Duration::from_millis(20));
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
        Self::with_switches(has_webgpu, &switches)
    }

    /// Starts the browser with WebGPU and with animations.
    ///
    /// # Errors
    /// If no browser is installed or it does not start.
    pub fn with_animations() -> Result<Self, Error> {
        Self::with_switches(true, WITH_WEBGPU)
    }

    /// Starts the browser with WebGPU and logs all of its network activity to a file.
    ///
    /// # Errors
    /// If no browser is installed or it does not start.
    pub fn with_network_log(path: &Path) -> Result<Self, Error> {
        let log = format!("--log-net-log={}", path.display());
        // The browser's own background requests have nothing to do with the site.
        let quiet =
            ["--disable-background-networking", "--disable-sync", "--no-first-run", "--disable-domain-reliability"];
        let switches: Vec<&str> = WITH_WEBGPU.iter().copied().chain(quiet).chain([log.as_str()]).collect();
        Self::with_switches(true, &switches)
    }

    /// Starts the browser with WebGPU on a graphics card.
    ///
    /// # Errors
    /// If no browser is installed or it does not start.
    pub fn on_hardware() -> Result<Self, Error> {
        Self::with_switches(true, WITH_HARDWARE)
    }

    pub(crate) fn with_switches(has_webgpu: bool, switches: &[&str]) -> Result<Self, Error> {
        let path = std::env::var_os("CHROME")
            .map(PathBuf::from)
            .or_else(|| CHROMIUM_PATHS.iter().map(PathBuf::from).find(|path| path.exists()))
            .ok_or_else(|| browser_error("no Chromium; `cargo xtask setup` installs it"))?;
        let options = LaunchOptions {
            path: Some(path),
            headless: false,
            sandbox: false,
            // Otherwise the driver disables the whole GPU process.
            enable_gpu: has_webgpu,
            window_size: Some((1280, 800)),
            ignore_default_args: vec![OsStr::new(DRIVERS_FEATURES)],
            args: switches.iter().copied().chain([DISABLED_FEATURES, FIRST_PAGE]).map(OsStr::new).collect(),
            // The driver counts only events, not responses, and there may be none for minutes while another engine is
            // measured. Crashes of tabs are detected separately.
            idle_browser_timeout: Duration::from_secs(1800),
            ..Default::default()
        };
        Ok(Self { browser: Browser::new(options).map_err(browser_error)?, console: Arc::default() })
    }

    /// Opens a page.
    ///
    /// # Errors
    /// If the browser does not answer.
    pub fn open(&self, url: &str) -> Result<Page, Error> {
        let tab = self.browser.new_tab().map_err(browser_error)?;
        tab.set_default_timeout(Duration::from_secs(60));
        let is_crashed = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&is_crashed);
        tab.call_method(Inspector::Enable(None)).map_err(browser_error)?;
        tab.add_event_listener(Arc::new(move |event: &Event| {
            if matches!(event, Event::InspectorTargetCrashed(_)) {
                flag.store(true, Ordering::Relaxed);
            }
        }))
        .map_err(browser_error)?;
        self.console.watch(&tab)?;
        let page = Page { tab, is_crashed };
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
    tab: Arc<Tab>,
    /// Whether its process has crashed, so that it will never respond.
    is_crashed: Arc<AtomicBool>,
}

impl Page {
    /// Navigates the tab to a URL.
    ///
    /// # Errors
    /// If the page does not load.
    pub fn navigate(&self, url: &str) -> Result<(), Error> {
        // Polls, because the driver misses events on a busy machine. Retries, because a new tab can lose a URL that it
        // gets while it is still opening, and because Chromium 156 sometimes crashes when a test goes from page to
        // page, for unknown reasons.
        let is_loaded = format!("location.href === {url:?} && document.readyState === 'complete'");
        let mut result = Ok(());
        for seconds in [5, 20, 60] {
            self.is_crashed.store(false, Ordering::Relaxed);
            self.tab.navigate_to(url).map_err(browser_error)?;
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
        let result = self
            .evaluate_raw(script)?
            .map_err(|error| Error::Script { script: expression.to_owned(), message: error.to_string() })?;
        // A rejected promise has a description and no value.
        let Some(json) = result.value.as_ref().and_then(Value::as_str) else {
            let message = result.description.unwrap_or_default();
            return Err(Error::Script { script: expression.to_owned(), message });
        };
        serde_json::from_str(json).map_err(browser_error)
    }

    /// Evaluates a script on a separate thread, because a crashed tab never responds.
    fn evaluate_raw(&self, script: String) -> Result<Result<RemoteObject, impl Display>, Error> {
        let (sender, receiver) = mpsc::channel();
        let tab = Arc::clone(&self.tab);
        // After a crash there is no receiver.
        thread::spawn(move || drop(sender.send(tab.evaluate(&script, true))));
        loop {
            match receiver.recv_timeout(Duration::from_millis(100)) {
                Ok(result) => return Ok(result),
                Err(RecvTimeoutError::Disconnected) => return Err(browser_error("the browser is gone")),
                Err(RecvTimeoutError::Timeout) if self.is_crashed.load(Ordering::Relaxed) => {
                    return Err(Error::Crashed);
                }
                Err(RecvTimeoutError::Timeout) => {}
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
        // A single script, because each call of the driver takes a tenth of a second.
        let middle = format!(
            "(async () => {{
                const element = document.querySelector({selector:?});
                element?.scrollIntoView({{ block: 'nearest', behavior: 'instant' }});
                const place = () => JSON.stringify(element.getBoundingClientRect());
                const before = element && place();
                // Background tabs have no frames.
                await new Promise((done) => (requestAnimationFrame(done), setTimeout(done, 100)));
                if (!element || before != place()) return null;
                const {{ x, y, width, height }} = element.getBoundingClientRect();
                const [left, top] = [x + width / 2, y + height / 2];
                const hit = document.elementFromPoint(left, top);
                const label = hit?.closest('label')?.control;
                return element.contains(hit) || label == element ? [left, top] : null;
            }})()"
        );
        let (what, limit) = (format!("{selector} can be clicked"), Duration::from_secs(30));
        let middle = wait_for_value(|script| self.evaluate(script), &middle, &what, limit)?;
        let [x, y] = [0, 1].map(|index| middle[index].as_f64().unwrap_or_default());
        self.tab.click_point(Point { x, y }).map(drop).map_err(browser_error)
    }

    /// Types into the first element that matches `selector`, all at once, as input methods do.
    ///
    /// # Errors
    /// If there is no such element.
    pub fn type_into(&self, selector: &str, text: &str) -> Result<(), Error> {
        self.click(selector)?;
        self.tab.send_character(text).map(drop).map_err(browser_error)
    }

    /// Sets the value of the first field that matches `selector`, and dispatches the events that browsers do.
    ///
    /// # Errors
    /// If there is no such field.
    pub fn fill(&self, selector: &str, text: &str) -> Result<(), Error> {
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

    /// Presses a key, such as `Enter`.
    ///
    /// # Errors
    /// If there is no such key.
    pub fn press(&self, key: &str) -> Result<(), Error> {
        self.tab.press_key(key).map(drop).map_err(browser_error)
    }

    /// Chooses a file in the first file input that matches `selector`.
    ///
    /// # Errors
    /// If there is no such field.
    pub fn choose_file(&self, selector: &str, path: &Path) -> Result<(), Error> {
        let element = self.tab.find_element(selector).map_err(browser_error)?;
        let files = vec![path.display().to_string()];
        let set =
            DOM::SetFileInputFiles { files, node_id: Some(element.node_id), backend_node_id: None, object_id: None };
        self.tab.call_method(set).map(drop).map_err(browser_error)
    }

    /// Resizes the page, in CSS pixels, with a device pixel ratio of 2.
    ///
    /// # Errors
    /// If the browser refuses.
    pub fn resize(&self, width: u32, height: u32) -> Result<(), Error> {
        let metrics = Emulation::SetDeviceMetricsOverride {
            width,
            height,
            device_scale_factor: 2.0,
            mobile: width < 500,
            scale: None,
            screen_width: None,
            screen_height: None,
            position_x: None,
            position_y: None,
            dont_set_visible_size: None,
            screen_orientation: None,
            viewport: None,
            display_feature: None,
            device_posture: None,
        };
        self.tab.call_method(metrics).map(drop).map_err(browser_error)
    }

    /// Emulates a touch screen, as on a phone.
    ///
    /// # Errors
    /// If the browser refuses.
    pub fn touch(&self) -> Result<(), Error> {
        let touch = Emulation::SetTouchEmulationEnabled { enabled: true, max_touch_points: Some(5) };
        self.tab.call_method(touch).map(drop).map_err(browser_error)
    }

    /// Limits the site's storage quota to `len_bytes`.
    ///
    /// # Errors
    /// If the browser refuses.
    pub fn limit_storage(&self, origin: &str, len_bytes: f64) -> Result<(), Error> {
        let limit = Storage::OverrideQuotaForOrigin { origin: origin.to_owned(), quota_size: Some(len_bytes) };
        self.tab.call_method(limit).map(drop).map_err(browser_error)
    }

    /// Deletes the site's databases. The browser closes those that are open.
    ///
    /// # Errors
    /// If the browser refuses.
    pub fn delete_databases(&self, origin: &str) -> Result<(), Error> {
        let delete = Storage::ClearDataForOrigin { origin: origin.to_owned(), storage_Types: "indexeddb".to_owned() };
        self.tab.call_method(delete).map(drop).map_err(browser_error)
    }

    /// Runs a script before any other on every page that this tab opens from now on.
    ///
    /// # Errors
    /// If the browser refuses.
    pub fn before_every_page(&self, script: &str) -> Result<(), Error> {
        let add = PageDomain::AddScriptToEvaluateOnNewDocument {
            source: script.to_owned(),
            world_name: None,
            include_command_line_api: None,
            run_immediately: None,
        };
        self.tab.call_method(add).map(drop).map_err(browser_error)
    }

    /// Freezes the tab, as browsers do with background tabs, or wakes it.
    ///
    /// # Errors
    /// If the browser refuses.
    pub fn freeze(&self, is_frozen: bool) -> Result<(), Error> {
        let state = if is_frozen {
            PageDomain::SetWebLifecycleStateStateOption::Frozen
        } else {
            PageDomain::SetWebLifecycleStateStateOption::Active
        };
        self.tab.call_method(PageDomain::SetWebLifecycleState { state }).map(drop).map_err(browser_error)
    }

    /// Brings the tab to the front, because background tabs take no clicks.
    ///
    /// # Errors
    /// If the browser does not answer.
    pub fn show(&self) -> Result<(), Error> {
        self.tab.bring_to_front().map(drop).map_err(browser_error)
    }

    /// Closes the tab, as a user does.
    ///
    /// # Errors
    /// If the browser does not answer.
    pub fn close(self) -> Result<(), Error> {
        self.tab.close(false).map(drop).map_err(browser_error)
    }

    /// Saves a screenshot of the viewport.
    ///
    /// # Errors
    /// If the screenshot cannot be taken or written.
    pub fn screenshot(&self, path: &Path) -> Result<(), Error> {
        let png = self
            .tab
            .capture_screenshot(PageDomain::CaptureScreenshotFormatOption::Png, None, None, true)
            .map_err(browser_error)?;
        Ok(std::fs::write(path, png)?)
    }
}
