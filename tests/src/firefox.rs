//! A headless Firefox, driven by Marionette, the protocol that geckodriver uses.
//!
//! A message is its length in bytes, a colon, and JSON: `[0, number, command, parameters]` or
//! `[1, number, error, result]`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::browser::wait_for;
use crate::error::{Error, browser_error};

/// Where to look for the browser if `FIREFOX` is not set.
const PATHS: [&str; 2] = ["/usr/bin/firefox-esr", "/usr/bin/firefox"];
/// How long the browser may take to start.
const START_LIMIT: Duration = Duration::from_secs(90);
/// The file in the profile that has the browser's output.
const CONSOLE: &str = "console.txt";
/// How long a script may take.
const SCRIPT_LIMIT_MS: u64 = 300_000;
/// Preferences for automation: any free port, and no background connections.
const PREFERENCES: &str = r#"
user_pref("marionette.port", 0);
user_pref("app.update.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("extensions.update.enabled", false);
user_pref("devtools.console.stdout.content", true);
user_pref("browser.dom.window.dump.enabled", true);
"#;

/// Prefixes of lines that report errors of a page.
const ERRORS: [&str; 2] = ["JavaScript error: http://127.0.0.1", "console.error:"];

/// Prefix of a harmless error: the browser cannot fetch its own remote settings.
const HARMLESS: &str = "console.error: RSLoader";

/// A running Firefox with one page. Dropping it ends the browser, and panics if its console has errors.
pub struct Firefox {
    process: Child,
    profile: PathBuf,
    connection: Mutex<Connection>,
}

struct Connection {
    stream: BufReader<TcpStream>,
    last: u64,
}

impl Firefox {
    /// Starts the browser with an empty profile.
    ///
    /// # Errors
    /// If no browser is installed or it does not start.
    pub fn start() -> Result<Self, Error> {
        let path = std::env::var_os("FIREFOX")
            .map(PathBuf::from)
            .or_else(|| PATHS.iter().map(PathBuf::from).find(|path| path.exists()))
            .ok_or_else(|| browser_error("no Firefox; `cargo xtask setup` installs it"))?;
        let profile = std::env::temp_dir().join(format!("parlance-firefox-{}", std::process::id()));
        std::fs::create_dir_all(&profile)?;
        std::fs::write(profile.join("user.js"), PREFERENCES)?;
        let console = std::fs::File::create(profile.join(CONSOLE))?;
        let process = Command::new(path)
            .args(["--headless", "--no-remote", "--marionette", "--profile"])
            .arg(&profile)
            .env("HOME", &profile)
            .stdout(console.try_clone()?)
            .stderr(console)
            .spawn()?;
        let firefox = Unconnected { process: Some(process), profile };
        let stream = firefox.connect()?;
        firefox.begin(stream)
    }

    /// Navigates to a URL and waits until the page is loaded.
    ///
    /// # Errors
    /// If it cannot be loaded.
    pub fn navigate(&self, url: &str) -> Result<(), Error> {
        self.command("WebDriver:Navigate", &json!({ "url": url })).map(drop)
    }

    /// The JSON value of an expression; promises are awaited.
    ///
    /// # Errors
    /// If it throws.
    pub fn evaluate(&self, expression: &str) -> Result<Value, Error> {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             (async () => JSON.stringify((await ({expression})) ?? null) ?? 'null')().then(
                 (json) => done('=' + json),
                 (error) => done('!' + error),
             );"
        );
        let result = self.command("WebDriver:ExecuteAsyncScript", &json!({ "script": script, "args": [] }))?;
        let text = result["value"].as_str().unwrap_or_default();
        match text.split_at_checked(1) {
            Some(("=", json)) => serde_json::from_str(json).map_err(browser_error),
            _ => Err(Error::Script { script: expression.to_owned(), message: text.to_owned() }),
        }
    }

    /// Waits until an expression is true.
    ///
    /// # Errors
    /// [`Error::Timeout`] with the page's text.
    pub fn wait_for(&self, expression: &str, limit: Duration) -> Result<(), Error> {
        wait_for(|script| self.evaluate(script), expression, limit)
    }

    /// Saves a screenshot of the viewport.
    ///
    /// # Errors
    /// If the screenshot cannot be taken or written.
    pub fn screenshot(&self, path: &Path) -> Result<(), Error> {
        use base64::Engine as _;
        let result = self.command("WebDriver:TakeScreenshot", &json!({ "full": false }))?;
        let png = base64::engine::general_purpose::STANDARD.decode(result["value"].as_str().unwrap_or_default());
        Ok(std::fs::write(path, png.map_err(browser_error)?)?)
    }

    fn command(&self, name: &str, parameters: &Value) -> Result<Value, Error> {
        self.connection.lock().map_err(browser_error)?.command(name, parameters)
    }
}

impl Drop for Firefox {
    fn drop(&mut self) {
        let output = std::fs::read(self.profile.join(CONSOLE)).unwrap_or_default();
        end(&mut self.process, &self.profile);
        let output = String::from_utf8_lossy(&output);
        let is_error =
            |line: &&str| ERRORS.iter().any(|prefix| line.starts_with(prefix)) && !line.starts_with(HARMLESS);
        let errors: Vec<&str> = output.lines().filter(is_error).collect();
        assert!(thread::panicking() || errors.is_empty(), "console output:\n{}", errors.join("\n"));
    }
}

/// Ends a browser and removes its profile. Errors do not matter, because the profile is a temporary folder.
fn end(process: &mut Child, profile: &Path) {
    let _ = process.kill();
    let _ = process.wait();
    let _ = std::fs::remove_dir_all(profile);
}

/// A browser that may still be starting.
struct Unconnected {
    process: Option<Child>,
    profile: PathBuf,
}

impl Unconnected {
    /// Waits for the port that the browser writes to its profile.
    fn connect(&self) -> Result<TcpStream, Error> {
        let start = Instant::now();
        loop {
            let port = std::fs::read_to_string(self.profile.join("MarionetteActivePort")).ok();
            let port = port.and_then(|port| port.trim().parse::<u16>().ok());
            if let Some(stream) = port.and_then(|port| TcpStream::connect(("127.0.0.1", port)).ok()) {
                return Ok(stream);
            }
            if start.elapsed() > START_LIMIT {
                return Err(browser_error("Firefox does not start"));
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn begin(mut self, stream: TcpStream) -> Result<Firefox, Error> {
        let mut connection = Connection { stream: BufReader::new(stream), last: 0 };
        // The browser first introduces itself.
        connection.message()?;
        connection.command("WebDriver:NewSession", &json!({ "capabilities": {} }))?;
        connection.command("WebDriver:SetTimeouts", &json!({ "script": SCRIPT_LIMIT_MS, "pageLoad": 60_000 }))?;
        let Some(process) = self.process.take() else { unreachable!("it is only taken here") };
        Ok(Firefox { process, profile: self.profile.clone(), connection: Mutex::new(connection) })
    }
}

impl Drop for Unconnected {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            end(process, &self.profile);
        }
    }
}

impl Connection {
    fn message(&mut self) -> Result<Value, Error> {
        let mut len = Vec::new();
        self.stream.read_until(b':', &mut len)?;
        let len = String::from_utf8_lossy(&len).trim_end_matches(':').parse::<usize>().map_err(browser_error)?;
        let mut json = vec![0; len];
        self.stream.read_exact(&mut json)?;
        serde_json::from_slice(&json).map_err(browser_error)
    }

    fn command(&mut self, name: &str, parameters: &Value) -> Result<Value, Error> {
        self.last += 1;
        let message = json!([0, self.last, name, parameters]).to_string();
        write!(self.stream.get_mut(), "{}:{message}", message.len())?;
        let mut answer = self.message()?;
        match &answer[2] {
            Value::Null => Ok(answer[3].take()),
            error => Err(Error::Browser(format!("{name}: {error}"))),
        }
    }
}
