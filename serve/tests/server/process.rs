//! The server's process.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::LazyLock;

use parlance_tests::hearing::whisper;
use parlance_tests::model_path;
use parlance_tests::seeing::{SeeingModel, hearing_model, seeing_model};
use parlance_tests::tiny::{encoder, talking_model};

use crate::client::{Client, Reply};

/// A tiny chat model, which answers at once, with letters.
pub(crate) const TINY: &str = "talking";
/// A tiny embedding model.
pub(crate) const TINY_ENCODER: &str = "bert-mean";

/// A tiny speech recogniser.
pub(crate) const WHISPER: &str = "whisper";

/// A tiny model that sees, and its projector.
pub(crate) const SEEING: [&str; 2] = ["seeing", "mmproj-seeing"];

/// A tiny model that hears, and its projector.
pub(crate) const LISTENING: [&str; 2] = ["listening", "mmproj-listening"];

/// The file of a tiny model of this name.
pub(crate) fn tiny_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.gguf"))
}

/// Writes the files of tiny models, once.
static TINY_FILES: LazyLock<()> = LazyLock::new(|| {
    std::fs::write(tiny_file(TINY), talking_model().unwrap()).unwrap();
    std::fs::write(tiny_file(TINY_ENCODER), encoder(TINY_ENCODER).unwrap()).unwrap();
    std::fs::write(tiny_file(WHISPER), whisper().unwrap()).unwrap();
    for (files, [name, projector_name]) in [(seeing_model("gemma3"), SEEING), (hearing_model("ultravox"), LISTENING)] {
        let SeeingModel { model, projector } = files.unwrap();
        std::fs::write(tiny_file(name), model).unwrap();
        std::fs::write(tiny_file(projector_name), projector).unwrap();
    }
});

/// A running server, which ends when this is dropped.
pub(crate) struct Server {
    process: Child,
    output: BufReader<ChildStdout>,
    pub(crate) client: Client,
}

impl Server {
    /// Starts a server of the demo model, whose answers make sense and take a while.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_with(options, &[model_path()])
    }

    /// Starts a server of a tiny chat model and a tiny embedding model.
    pub(crate) fn start_tiny(options: &[&str]) -> Self {
        LazyLock::force(&TINY_FILES);
        Self::start_with(options, &[tiny_file(TINY), tiny_file(TINY_ENCODER)])
    }

    /// Starts a server of a tiny model that sees images.
    pub(crate) fn start_seeing() -> Self {
        LazyLock::force(&TINY_FILES);
        Self::start_with(&[], &SEEING.map(tiny_file))
    }

    /// Starts a server of a tiny model that hears recordings.
    pub(crate) fn start_listening() -> Self {
        LazyLock::force(&TINY_FILES);
        Self::start_with(&[], &LISTENING.map(tiny_file))
    }

    /// Starts a server of a tiny chat model that drafts for itself.
    pub(crate) fn start_drafting() -> Self {
        LazyLock::force(&TINY_FILES);
        Self::start_with(&[], &[tiny_file(TINY), "--draft".into(), tiny_file(TINY)])
    }

    /// Starts a server of a tiny chat model and a tiny speech recogniser.
    pub(crate) fn start_hearing() -> Self {
        LazyLock::force(&TINY_FILES);
        Self::start_with(&[], &[tiny_file(TINY), tiny_file(WHISPER)])
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
