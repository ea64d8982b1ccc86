//! MCP servers that speak through standard input and output, for clients that speak MCP's Streamable HTTP: each session
//! is a process. Only the owner's configuration says which programs there are.
//!
//! Protocol: <https://modelcontextprotocol.io/specification/2025-06-18/basic/transports>.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::secret::random_hex;
use crate::body::read_json;
use crate::error::{Refusal, StartError, json_response};
use crate::log;

/// Sessions at a time, over all servers.
const MAX_SESSIONS: usize = 16;
/// Unused sessions end when another one needs their place.
const IDLE_TIME: Duration = Duration::from_secs(1800);
/// How long a server may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(120);
/// Length of a message, either way.
const MAX_MESSAGE_BYTES: usize = 4 << 20;
/// Messages that a client may leave unread; later ones are dropped.
const UNREAD_MESSAGES: usize = 64;
/// What processes know of this one's environment, as in MCP's own clients. It has the API key.
const ENVIRONMENT: [&str; 7] = ["HOME", "LANG", "PATH", "SYSTEMROOT", "TEMP", "TMPDIR", "USER"];

const SESSION: &str = "mcp-session-id";

/// The configuration, as other MCP clients have it.
#[derive(Deserialize)]
struct Config {
    #[serde(rename = "mcpServers")]
    servers: BTreeMap<String, Program>,
}

/// How to start a server.
#[derive(Deserialize)]
struct Program {
    command: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    cwd: Option<PathBuf>,
}

/// The servers of a configuration, and their sessions.
#[derive(Default)]
pub(super) struct Servers {
    programs: BTreeMap<String, Program>,
    sessions: Mutex<HashMap<String, Arc<Session>>>,
}

/// A process. It ends when this is dropped.
struct Session {
    server: String,
    wire: Arc<Wire>,
    used: Mutex<Instant>,
    _process: Child,
}

/// What leads to a process and back.
struct Wire {
    input: tokio::sync::Mutex<ChildStdin>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Who waits for the response to which request.
    waiting: HashMap<String, oneshot::Sender<String>>,
    /// Who takes messages that are no responses.
    listener: Option<mpsc::Sender<String>>,
    has_ended: bool,
}

impl Servers {
    pub(super) fn read(file: &Path) -> Result<Self, StartError> {
        let text = std::fs::read_to_string(file).map_err(|error| StartError::File(file.to_owned(), error))?;
        let config: Config =
            serde_json::from_str(&text).map_err(|error| StartError::Config(file.to_owned(), error.to_string()))?;
        Ok(Self { programs: config.servers, sessions: Mutex::default() })
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.programs.keys().map(String::as_str).collect()
    }

    /// Sends a client's message, and waits for the response if it is a request.
    pub(super) async fn send(&self, server: &str, request: Request) -> Result<Response, Refusal> {
        let (parts, mut body) = request.into_parts();
        let message = read_json(&mut body, MAX_MESSAGE_BYTES).await?;
        let method = message.get("method").and_then(Value::as_str);
        if !message.is_object() {
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "invalid_message", "the body must be one message"));
        }
        let (id, session) = match method {
            Some("initialize") => self.start(server)?,
            _ => self.session(server, &parts.headers)?,
        };
        let mut response = if let (Some(request), Some(_)) = (message.get("id"), method) {
            let response = session.wire.call(&request.to_string(), &message).await?;
            json_response(StatusCode::OK, response)
        } else {
            session.wire.write(&message).await?;
            StatusCode::ACCEPTED.into_response()
        };
        if let Ok(id) = HeaderValue::try_from(id) {
            response.headers_mut().insert(SESSION, id);
        }
        Ok(response)
    }

    /// A stream of the server's own messages.
    pub(super) fn receive(&self, server: &str, headers: &HeaderMap) -> Result<Response, Refusal> {
        let (_, session) = self.session(server, headers)?;
        let (sender, messages) = mpsc::channel(UNREAD_MESSAGES);
        session.wire.lock().listener = Some(sender);
        // The session has the other end of the channel, so they end together.
        let events = stream::unfold(messages, |mut messages: mpsc::Receiver<String>| async move {
            let message = messages.recv().await?;
            Some((Ok::<_, Infallible>(format!("data: {message}\n\n")), messages))
        });
        let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
        Ok((headers, Body::from_stream(events)).into_response())
    }

    /// Ends a session.
    pub(super) fn end(&self, server: &str, headers: &HeaderMap) -> Result<(), Refusal> {
        let (id, _) = self.session(server, headers)?;
        self.lock().remove(&id);
        Ok(())
    }

    fn session(&self, server: &str, headers: &HeaderMap) -> Result<(String, Arc<Session>), Refusal> {
        let id = headers.get(SESSION).and_then(|id| id.to_str().ok()).unwrap_or_default();
        let session = self.lock().get(id).filter(|session| session.server == server).cloned();
        let session = session.filter(|session| !session.wire.lock().has_ended).ok_or_else(|| {
            Refusal::new(StatusCode::NOT_FOUND, "unknown_session", "there is no such session; initialize one")
        })?;
        *session.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        Ok((id.to_owned(), session))
    }

    fn start(&self, server: &str) -> Result<(String, Arc<Session>), Refusal> {
        let failed = |message: String| Refusal::new(StatusCode::BAD_GATEWAY, "server_failed", message);
        let program = self.programs.get(server).ok_or_else(|| {
            Refusal::new(StatusCode::NOT_FOUND, "unknown_server", "the configuration has no such server")
        })?;
        let mut sessions = self.lock();
        sessions.retain(|_, session| !session.is_over());
        if sessions.len() >= MAX_SESSIONS {
            return Err(Refusal::too_many());
        }
        let id = random_hex().map_err(failed)?;
        let session = program.start(server).map_err(|error| failed(format!("{server} did not start: {error}")))?;
        let session = Arc::new(session);
        sessions.insert(id.clone(), Arc::clone(&session));
        Ok((id, session))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Program {
    fn start(&self, server: &str) -> std::io::Result<Session> {
        let mut command = Command::new(&self.command);
        let known = ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        command.args(&self.args).env_clear().envs(known).envs(&self.env);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        if let Some(folder) = &self.cwd {
            command.current_dir(folder);
        }
        let mut process = command.spawn()?;
        let missing = || std::io::Error::other("it has no standard input and output");
        let input = process.stdin.take().ok_or_else(missing)?;
        let output = process.stdout.take().ok_or_else(missing)?;
        let wire = Arc::new(Wire { input: tokio::sync::Mutex::new(input), state: Mutex::default() });
        tokio::spawn(read(output, Arc::clone(&wire)));
        Ok(Session { server: server.to_owned(), wire, used: Mutex::new(Instant::now()), _process: process })
    }
}

impl Session {
    /// Whether nobody needs it any more.
    fn is_over(&self) -> bool {
        let used = *self.used.lock().unwrap_or_else(PoisonError::into_inner);
        self.wire.lock().has_ended || used.elapsed() >= IDLE_TIME
    }
}

impl Wire {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request, and waits for its response.
    async fn call(&self, id: &str, request: &Value) -> Result<String, Refusal> {
        let failed = |message: &str| Refusal::new(StatusCode::BAD_GATEWAY, "server_failed", message);
        let (sender, response) = oneshot::channel();
        {
            let mut state = self.lock();
            if state.waiting.contains_key(id) {
                return Err(Refusal::new(StatusCode::BAD_REQUEST, "invalid_message", "another request has this id"));
            }
            if state.has_ended {
                return Err(failed("the server has ended"));
            }
            state.waiting.insert(id.to_owned(), sender);
        }
        let _waiting = Waiting { wire: self, id };
        self.write(request).await?;
        match timeout(ANSWER_TIME, response).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(_)) => Err(failed("the server has ended")),
            Err(_) => Err(failed("the server did not answer in time")),
        }
    }

    async fn write(&self, message: &Value) -> Result<(), Refusal> {
        let line = format!("{message}\n");
        let mut input = self.input.lock().await;
        let written = async {
            input.write_all(line.as_bytes()).await?;
            input.flush().await
        };
        let written = timeout(ANSWER_TIME, written).await.map_err(std::io::Error::other).flatten();
        written.map_err(|error| Refusal::new(StatusCode::BAD_GATEWAY, "server_failed", error.to_string()))
    }

    /// Passes on a server's message, or refuses a request that nobody takes.
    async fn pass_on(&self, line: &str) {
        let Ok(message) = serde_json::from_str::<Value>(line) else {
            return log::note("an MCP server wrote something that is no message");
        };
        let id = message.get("id");
        let unheard = {
            let mut state = self.lock();
            if message.get("method").is_none() {
                if let Some(sender) = id.and_then(|id| state.waiting.remove(&id.to_string())) {
                    // Whoever waited may have left.
                    let _ = sender.send(line.to_owned());
                }
                return;
            }
            state.listener.as_ref().is_none_or(|listener| listener.try_send(line.to_owned()).is_err())
        };
        if let (true, Some(id)) = (unheard, id) {
            let error = json!({ "code": -32601, "message": "no client takes requests" });
            // If it cannot be written, the process has ended, which `read` notices.
            let _ = self.write(&json!({ "jsonrpc": "2.0", "id": id, "error": error })).await;
        }
    }
}

/// A request that waits for its response, which nobody waits for once this is dropped.
struct Waiting<'a> {
    wire: &'a Wire,
    id: &'a str,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.wire.lock().waiting.remove(self.id);
    }
}

/// Reads a process's messages, one in each line, until it ends.
async fn read(output: ChildStdout, wire: Arc<Wire>) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    loop {
        line.clear();
        let limit = MAX_MESSAGE_BYTES as u64 + 1;
        match (&mut output).take(limit).read_until(b'\n', &mut line).await {
            Ok(len) if (1..=MAX_MESSAGE_BYTES).contains(&len) => {}
            _ => break,
        }
        let text = String::from_utf8_lossy(&line);
        if !text.trim().is_empty() {
            wire.pass_on(text.trim()).await;
        }
    }
    let mut state = wire.lock();
    state.has_ended = true;
    // Whoever waits is told by the closed channels.
    state.waiting.clear();
    state.listener = None;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers each line with one that has the same id, and once asks something itself.
    const ECHO: &str = r#"while read -r line; do
        id=$(printf %s "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
        [ -n "$id" ] && printf '{"jsonrpc":"2.0","id":%s,"result":{"home":"%s","secret":"%s"}}\n' "$id" "$GREETING" "$PARLANCE_API_KEY"
        case "$line" in *'"initialize"'*) printf '{"jsonrpc":"2.0","id":7,"method":"roots/list"}\n' ;; esac
    done"#;

    fn servers() -> Servers {
        let env = BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())]);
        let args = vec!["-c".to_owned(), ECHO.to_owned()];
        let echo = Program { command: "sh".to_owned(), args, env, cwd: None };
        let gone = Program { command: "true".to_owned(), args: Vec::new(), env: BTreeMap::new(), cwd: None };
        let programs = BTreeMap::from([("echo".to_owned(), echo), ("gone".to_owned(), gone)]);
        Servers { programs, sessions: Mutex::default() }
    }

    fn request(session: Option<&str>, message: &Value) -> Request {
        let mut request = Request::new(Body::from(message.to_string()));
        if let Some(session) = session.and_then(|session| HeaderValue::from_str(session).ok()) {
            request.headers_mut().insert(SESSION, session);
        }
        request
    }

    async fn text(response: Response) -> String {
        let bytes = axum::body::to_bytes(response.into_body(), MAX_MESSAGE_BYTES).await.unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap_or_else(|error| panic!("{error}")).block_on(test);
    }

    #[test]
    fn a_session_is_a_process() {
        run(async {
            let servers = servers();
            let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize" });
            let response = servers.send("echo", request(None, &initialize)).await;
            let response = response.unwrap_or_else(|refusal| panic!("{refusal:?}"));
            let session =
                response.headers().get(SESSION).and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
            assert_eq!(session.len(), 64);
            let answer = text(response).await;
            assert_eq!(answer, r#"{"jsonrpc":"2.0","id":1,"result":{"home":"hello","secret":""}}"#);

            let call = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
            let notification = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
            let status = async |session: Option<&str>, message: &Value| {
                let response = servers.send("echo", request(session, message)).await;
                response.map_or_else(|refusal| refusal.status(), |response| response.status())
            };
            assert_eq!(status(Some(&session), &notification).await, StatusCode::ACCEPTED);
            assert_eq!(status(Some(&session), &call).await, StatusCode::OK);
            assert_eq!(status(Some("another"), &call).await, StatusCode::NOT_FOUND);
            assert_eq!(status(None, &call).await, StatusCode::NOT_FOUND);
            assert_eq!(status(Some(&session), &json!([call])).await, StatusCode::BAD_REQUEST);

            let mut headers = HeaderMap::new();
            headers.extend(HeaderValue::from_str(&session).ok().map(|id| (SESSION_NAME, id)));
            assert!(servers.end("gone", &headers).is_err(), "it is a session of another server");
            assert!(servers.end("echo", &headers).is_ok());
            assert_eq!(status(Some(&session), &call).await, StatusCode::NOT_FOUND);
        });
    }

    const SESSION_NAME: axum::http::HeaderName = axum::http::HeaderName::from_static(SESSION);

    #[test]
    fn processes_that_end_or_are_unknown_are_errors() {
        run(async {
            let servers = servers();
            let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize" });
            for (server, expected) in [("gone", StatusCode::BAD_GATEWAY), ("unknown", StatusCode::NOT_FOUND)] {
                let status = servers.send(server, request(None, &initialize)).await.map_err(|refusal| refusal.status());
                assert_eq!(status.err(), Some(expected), "{server}");
            }
        });
    }
}
