//! The server's process.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use crate::client::{Client, Reply};

/// The demo model's name.
pub(crate) const DEMO: &str = "SmolLM2-135M-Instruct.Q4_1";

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The demo model.
pub(crate) fn demo_model() -> PathBuf {
    root().join(format!("models/{DEMO}.gguf"))
}

/// A running server, which ends when this is dropped.
pub(crate) struct Server {
    process: Child,
    output: BufReader<ChildStdout>,
    pub(crate) client: Client,
}

impl Server {
    /// Starts a server of the demo model.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_with(options, &[demo_model()])
    }

    /// Starts a server of these models.
    pub(crate) fn start_with(options: &[&str], models: &[PathBuf]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_parlance-serve"));
        command.args(["--port", "0", "--device", "cpu", "--threads", "2", "--context", "1024"]);
        command.args(options).args(models).env_remove("PARLANCE_API_KEY");
        // The log would only clutter the tests'.
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let line = next_line(&mut output);
        let (_, address) =
            line.split_once(" at http://").expect("it does not start; `cargo xtask setup` fetches models");
        let port = address.trim_end_matches("/v1").rsplit(':').next().unwrap().parse().unwrap();
        Self { process, output, client: Client::new(port) }
    }

    /// The next line of the server's output.
    pub(crate) fn next_line(&mut self) -> String {
        next_line(&mut self.output)
    }

    pub(crate) fn post(&self, path: &str, body: &serde_json::Value) -> Reply {
        self.client.post(path, &body.to_string())
    }

    /// Asks the server to stop.
    pub(crate) fn terminate(&self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Waits for the end of the process.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn next_line(output: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}
