//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use parlance_engine::models::CacheFormat;
use parlance_protocol::DeviceChoice;
use parlance_worker_core::projector::is_projector;

use crate::error::StartError;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
parlance-serve [OPTION]... MODEL.gguf...

Serves the OpenAI API at http://127.0.0.1:8080/v1. Of a split model, name any part. With a projector (mmproj) after it, a
model sees images. Whisper (GGUF, or whisper.cpp's ggml-*.bin) turns recordings into text.

  --host ADDRESS        the address to listen on, 127.0.0.1 by default; others require keys
  --port PORT           8080 by default; 0 takes a free one
  --keys FILE           API keys, one per line; PARLANCE_API_KEY in the environment is another
  --name HOST           a host name by which clients reach this server, if not localhost; may be repeated
  --cors ORIGIN         pages of this origin may use the API, for example https://example.org; may be repeated

  --device DEVICE       auto, gpu or cpu
  --threads N           threads on the CPU
  --context TOKENS      context length, for prompt and answer together
  --kv-cache FORMAT     f16 or q8, on a GPU
  --draft MODEL         a smaller model with the same vocabulary, which drafts for the model named before it: answers stay the
                        same, and come faster
  --parallel N          answers that a chat model computes together, each with a context of its own, 4 by default, at most
                        16; fewer if memory is short

  --max-requests N      requests that are read, wait or are answered at a time, 64 by default; others get status 429
  --max-body BYTES      length of a request's body, 8388608 by default
  --timeout SECONDS     from a request's arrival to the end of its answer, 600 by default

  --site DIR            also serve the built site
  --lend                lend pages of the site what a browser cannot do, for the token that is printed at the start:
                        fetching pages of any public host
  --mcp FILE            with --lend: the stdio MCP servers of this file, {\"mcpServers\": {NAME: {\"command\", \"args\", \"env\"}}}
";

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Help,
    Serve(Box<Options>),
}

/// Everything that can be set.
#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) host: IpAddr,
    pub(crate) port: u16,
    /// A file with API keys.
    pub(crate) keys: Option<PathBuf>,
    /// Further names of this host.
    pub(crate) names: Vec<String>,
    /// Other origins whose pages may use the API.
    pub(crate) origins: Vec<String>,
    pub(crate) models: Vec<PathBuf>,
    pub(crate) compute: Compute,
    pub(crate) limits: Limits,
    pub(crate) site: Option<PathBuf>,
    pub(crate) lends: bool,
    /// The configuration of MCP servers.
    pub(crate) mcp: Option<PathBuf>,
}

/// How models are computed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Compute {
    pub(crate) device: DeviceChoice,
    /// Threads on the CPU, including the engine's own.
    pub(crate) threads: usize,
    pub(crate) context_tokens: Option<u32>,
    pub(crate) cache: CacheFormat,
    /// Answers that a chat model computes together.
    pub(crate) parallel: u32,
    /// Models, and the smaller ones that draft for them.
    pub(crate) drafts: Vec<(PathBuf, PathBuf)>,
}

/// What requests may take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
    /// Requests that are read, wait or are answered at a time.
    pub(crate) requests: usize,
    /// Length of a body.
    pub(crate) body_bytes: usize,
    /// From a request's arrival to the end of its answer.
    pub(crate) time: Duration,
}

/// More threads than this gain little (ARCHITECTURE.md, “CPU”).
const MAX_DEFAULT_THREADS: usize = 8;

impl Default for Options {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_DEFAULT_THREADS);
        let device = DeviceChoice::Auto;
        Self {
            host: IpAddr::from([127, 0, 0, 1]),
            port: 8080,
            keys: None,
            names: Vec::new(),
            origins: Vec::new(),
            models: Vec::new(),
            compute: Compute {
                device,
                threads,
                context_tokens: None,
                cache: CacheFormat::F16,
                parallel: 4,
                drafts: Vec::new(),
            },
            limits: Limits { requests: 64, body_bytes: 8 << 20, time: Duration::from_secs(600) },
            site: None,
            lends: false,
            mcp: None,
        }
    }
}

/// Reads the words of a command line, without the program's name.
pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Command, StartError> {
    let mut options = Options::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let Some(option) = word.strip_prefix("--") else {
            options.models.push(word.into());
            continue;
        };
        match option {
            "help" => return Ok(Command::Help),
            "lend" => options.lends = true,
            _ => {
                let value = words.next().ok_or_else(|| usage(format!("{word} needs a value")))?;
                options.set(option, &value)?;
            }
        }
    }
    options.check()?;
    Ok(Command::Serve(Box::new(options)))
}

impl Options {
    fn set(&mut self, option: &str, value: &str) -> Result<(), StartError> {
        match option {
            "host" if value == "localhost" => self.host = IpAddr::from([127, 0, 0, 1]),
            "host" => self.host = number(option, value)?,
            "port" => self.port = number(option, value)?,
            "keys" => self.keys = Some(value.into()),
            "name" => self.names.push(value.to_lowercase()),
            "cors" => self.origins.push(value.trim_end_matches('/').to_lowercase()),
            "device" => self.compute.device = choice(option, value, &DEVICES)?,
            "threads" => self.compute.threads = number::<usize>(option, value)?.max(1),
            "context" => self.compute.context_tokens = Some(number(option, value)?),
            "parallel" => self.compute.parallel = number::<u32>(option, value)?.max(1),
            "draft" => self.compute.drafts.push((self.last_model()?, value.into())),
            "kv-cache" => self.compute.cache = choice(option, value, &CACHES)?,
            "max-requests" => self.limits.requests = number::<usize>(option, value)?.clamp(1, MAX_REQUESTS),
            "max-body" => self.limits.body_bytes = number(option, value)?,
            "timeout" => self.limits.time = Duration::from_secs(number::<u32>(option, value)?.into()),
            "site" => self.site = Some(value.into()),
            "mcp" => self.mcp = Some(value.into()),
            _ => return Err(usage(format!("unknown option --{option}"))),
        }
        Ok(())
    }

    /// The model that was named last, whether or not its projector follows.
    fn last_model(&self) -> Result<PathBuf, StartError> {
        let is_model = |path: &&PathBuf| !is_projector(&path.to_string_lossy());
        let last = self.models.iter().rfind(is_model);
        last.cloned().ok_or_else(|| usage("--draft follows the model that it is for".to_owned()))
    }

    fn check(&self) -> Result<(), StartError> {
        if self.models.is_empty() {
            return Err(usage("name a model file".to_owned()));
        }
        if let Some(origin) = self.origins.iter().find(|origin| !is_origin(origin)) {
            return Err(usage(format!("--cors {origin}: an origin is http:// or https:// and a host, without a path")));
        }
        if self.mcp.is_some() && !self.lends {
            return Err(usage("--mcp needs --lend".to_owned()));
        }
        Ok(())
    }
}

/// A bound on `--max-requests`: each takes memory.
const MAX_REQUESTS: usize = 10_000;

const DEVICES: [(&str, DeviceChoice); 3] =
    [("auto", DeviceChoice::Auto), ("gpu", DeviceChoice::Gpu), ("cpu", DeviceChoice::Cpu)];
const CACHES: [(&str, CacheFormat); 2] = [("f16", CacheFormat::F16), ("q8", CacheFormat::Q8)];

fn usage(message: String) -> StartError {
    StartError::Usage(message)
}

fn number<T: std::str::FromStr>(option: &str, value: &str) -> Result<T, StartError> {
    value.parse().map_err(|_| usage(format!("--{option} cannot be {value}")))
}

fn choice<T: Copy>(option: &str, value: &str, choices: &[(&str, T)]) -> Result<T, StartError> {
    let names = || choices.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" or ");
    let chosen = choices.iter().find(|(name, _)| *name == value);
    chosen.map(|(_, choice)| *choice).ok_or_else(|| usage(format!("--{option} is {}", names())))
}

/// Whether this is an origin as browsers send it.
fn is_origin(origin: &str) -> bool {
    let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', '*', ' ']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_owned)).map_err(|error| error.to_string())
    }

    #[test]
    fn options_replace_the_defaults() {
        let Ok(Command::Serve(options)) = parsed(
            "a.gguf mmproj-a.gguf --draft c.gguf --port 0 --device cpu --parallel 8 --cors https://A.example/ b.gguf --lend",
        ) else {
            panic!("the options are valid");
        };
        let mut expected = Options { port: 0, lends: true, ..Options::default() };
        expected.models = ["a.gguf", "mmproj-a.gguf", "b.gguf"].map(PathBuf::from).to_vec();
        expected.compute.drafts = vec![("a.gguf".into(), "c.gguf".into())];
        expected.origins = vec!["https://a.example".to_owned()];
        expected.compute.device = DeviceChoice::Cpu;
        expected.compute.parallel = 8;
        assert_eq!(*options, expected);
        assert_eq!(parsed("--help"), Ok(Command::Help));
    }

    #[test]
    fn mistakes_are_named() {
        for (line, message) in [
            ("", "name a model file"),
            ("a.gguf --port", "--port needs a value"),
            ("a.gguf --port x", "--port cannot be x"),
            ("a.gguf --parallel x", "--parallel cannot be x"),
            ("--draft b.gguf a.gguf", "--draft follows the model"),
            ("a.gguf --device tpu", "auto or gpu or cpu"),
            ("a.gguf --fast yes", "unknown option --fast"),
            ("a.gguf --cors *", "an origin is"),
            ("a.gguf --cors https://a.example/b", "an origin is"),
            ("a.gguf --mcp f.json", "--mcp needs --lend"),
        ] {
            let error = parsed(line).err().unwrap_or_default();
            assert!(error.contains(message), "{line}: {error}");
        }
    }
}
