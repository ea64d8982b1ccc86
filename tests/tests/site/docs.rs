//! Every command of the guides works as it stands, or shortened by what is said here.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use parlance_tests::root;

const PAGES: [&str; 8] = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/api.md",
    "docs/deploy.md",
    "docs/features.md",
    "docs/guide.md",
    "docs/performance.md",
    "docs/workers.md",
];
const PROGRAMS: [&str; 5] = ["cargo ", "curl ", "python3 ", "npm ", "trunk "];
const MODEL: &str = "models/SmolLM2-135M-Instruct.Q4_1.gguf";

/// How a command is tried.
enum How {
    /// With these words replaced, and more at its end.
    Run(&'static [(&'static str, &'static str)], &'static str),
    /// It serves under this address until it is stopped; then the other commands run.
    Serve(&'static str, &'static [&'static str]),
    /// Not here.
    Elsewhere(#[allow(dead_code, reason = "for whoever reads this")] &'static str),
}

const SHORT: &str = "--cpu --runs 1 --tokens 4 --prefill 8";
const COMMANDS: [(&str, How); 24] = [
    ("cargo xtask serve", How::Serve("127.0.0.1:8080", &[])),
    ("cargo xtask test", How::Elsewhere("this test is part of it")),
    ("cargo xtask build", How::Run(&[], "")),
    ("cargo xtask check", How::Elsewhere("it installs tools that only releases need")),
    ("cargo xtask model FILE.gguf", How::Run(&[("FILE.gguf", MODEL)], "")),
    (
        "cargo run --release -p parlance-engine --example generate -- --model models/SmolLM2-135M-Instruct.Q4_1.gguf --prompt \"What is the capital of France?\" --max-tokens 64 --temperature 0",
        // The tests were built with it.
        How::Run(
            &[
                ("cargo run --release -p parlance-engine --example generate --", "target/checked/examples/generate"),
                ("64", "4"),
            ],
            "--cpu",
        ),
    ),
    ("cargo xtask bench --json", How::Run(&[], SHORT)),
    (
        "cargo xtask bench --browser --peer wllama",
        How::Run(&[(" --peer wllama", "")], "--runs 1 --tokens 4 --prompt 32"),
    ),
    (
        "cargo xtask bench --peer llama.cpp",
        How::Elsewhere("it needs llama.cpp; worker/engine/tests/native/bench.rs has a stand-in"),
    ),
    ("cargo xtask bench --peer wllama", How::Elsewhere("it measures another engine, for minutes")),
    ("cargo xtask bench --cpu --guesses", How::Run(&[], "--runs 1 --tokens 8 --prefill 8 --context 16")),
    ("cargo xtask bench --autotune", How::Run(&[], "--runs 1 --tokens 8 --prefill 8 --context 16")),
    ("cargo xtask bench --browser --hardware", How::Elsewhere("it needs a graphics card")),
    ("cargo xtask profile --context 512", How::Run(&[("512", "16")], "")),
    (
        "cargo xtask synth-model qwen3-4b Q4_K_M /tmp/qwen3-4b.gguf",
        How::Run(&[("qwen3-4b Q4_K_M", "smollm2-135m Q4_0"), ("/tmp/qwen3-4b.gguf", "target/made-up.gguf")], ""),
    ),
    ("cargo xtask synth-model qwen3-4b Q4_0 FILE", How::Elsewhere("the one before")),
    (
        "cargo xtask bench --model /tmp/qwen3-4b.gguf --context 512,8000",
        How::Run(&[("/tmp/qwen3-4b.gguf", "target/made-up.gguf"), ("512,8000", "16,32")], SHORT),
    ),
    ("cargo test --profile checked -p parlance-engine --lib", How::Elsewhere("part of cargo xtask test")),
    ("cargo test --profile checked -p parlance-text", How::Elsewhere("part of cargo xtask test")),
    ("cargo test --profile checked -p parlance --bin parlance", How::Elsewhere("part of cargo xtask test")),
    ("cargo fmt --all --check", How::Elsewhere("part of cargo xtask check")),
    (
        "python3 -m http.server --directory dist 8000",
        How::Serve(
            "127.0.0.1:8000",
            &[
                "curl --silent --show-error --fail --head --header \"Range: bytes=0-3\" http://localhost:8000/models/SmolLM2-135M-Instruct.Q4_1.gguf",
            ],
        ),
    ),
    (
        "curl --silent --show-error --fail --head --header \"Range: bytes=0-3\" http://localhost:8000/models/SmolLM2-135M-Instruct.Q4_1.gguf",
        How::Elsewhere("with the server above"),
    ),
    ("cargo xtask help", How::Run(&[], "")),
];

/// The commands in a page's blocks of code; remarks stand behind several spaces.
fn commands(text: &str) -> Vec<String> {
    let joined = text.replace(" \\\n        ", " ");
    let lines = joined.lines().filter_map(|line| line.strip_prefix("    "));
    let commands = lines.filter(|line| PROGRAMS.iter().any(|program| line.starts_with(program)));
    commands.map(|line| line.split("   ").next().unwrap_or(line).trim().to_owned()).collect()
}

fn shell(command: &str) -> Command {
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("exec {command}")]).current_dir(root()).stdin(Stdio::null()).stdout(Stdio::null());
    // What is shipped takes minutes to build; the commands are tried with what the tests have built.
    shell.env("PARLANCE_BUILD", "tested");
    shell
}

/// A server that ends with its test, and all that it started.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-TERM", "--", &group]).status();
        let _ = self.0.wait();
    }
}

fn is_served(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let mut answer = String::new();
    let asked = stream.write_all(format!("GET / HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes());
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.contains("<title>Parlance</title>")
}

fn run(command: &str) {
    let status = shell(command).status().unwrap();
    assert!(status.success(), "{command}: {status}");
}

#[test]
fn every_command_of_the_guides_works() {
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for page in PAGES {
        for command in commands(&std::fs::read_to_string(root().join(page)).unwrap()) {
            let (name, _) = COMMANDS.iter().find(|(name, _)| *name == command).unwrap_or_else(|| {
                panic!("{page} has a command that nobody tries: {command}");
            });
            known.insert(name);
        }
    }
    assert!(known.len() >= 15, "{known:?}");
    for (command, how) in COMMANDS {
        let start = Instant::now();
        match how {
            How::Run(replaced, more) => {
                let command = replaced.iter().fold(command.to_owned(), |text, (from, to)| text.replace(from, to));
                run(&format!("{command} {more}"));
            }
            How::Serve(address, others) => {
                use std::os::unix::process::CommandExt as _;
                let command = command.replace("--directory dist ", "--directory target/test-site ");
                let serving = Serving(shell(&command).process_group(0).spawn().unwrap());
                while !is_served(address) {
                    assert!(start.elapsed() < Duration::from_secs(300), "{command} serves nothing");
                    std::thread::sleep(Duration::from_millis(300));
                }
                for other in others {
                    run(other);
                }
                drop(serving);
            }
            How::Elsewhere(_) => continue,
        }
        println!("{:.0} s: {command}", start.elapsed().as_secs_f64());
    }
}
