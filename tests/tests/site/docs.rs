//! Every command in the docs works, as written or in a shorter form that is defined here.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use parlance_tests::root;

const PAGES: [&str; 14] = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/api.md",
    "docs/deploy.md",
    "docs/documents.md",
    "docs/features.md",
    "docs/guide.md",
    "docs/package.md",
    "docs/performance.md",
    "docs/server.md",
    "docs/transformers.md",
    "docs/webllm.md",
    "docs/wllama.md",
    "docs/workers.md",
];
const PROGRAMS: [&str; 5] = ["cargo ", "curl ", "python3 ", "npm ", "trunk "];
const MODEL: &str = "models/SmolLM2-135M-Instruct.Q4_1.gguf";

/// How a command is tested.
enum Check {
    /// Run it with these words replaced, and with more arguments.
    Run(&'static [(&'static str, &'static str)], &'static str),
    /// Run the other commands while it serves at this address, then stop it.
    Serve(&'static str, &'static [&'static str]),
    /// Do not run it, for this reason.
    Skip(#[allow(dead_code, reason = "for readers")] &'static str),
}

/// A question to the native server.
const ASK: &str = "curl --silent --show-error --fail http://127.0.0.1:8080/v1/chat/completions --data '{\"messages\": [{\"role\": \"user\", \"content\": \"What is the capital of France?\"}], \"max_tokens\": 20}'";
const QUICK: &str = "--cpu --runs 1 --tokens 4 --prefill 8";
const COMMANDS: [(&str, Check); 41] = [
    ("cargo xtask serve", Check::Serve("127.0.0.1:8080", &[])),
    ("cargo xtask test", Check::Skip("this test is part of it")),
    ("cargo xtask build", Check::Skip("the site that these tests use was built in the same way, by cargo xtask test")),
    ("cargo xtask package", Check::Skip("part of cargo xtask test")),
    ("npm install @parlance-chat/engine", Check::Skip("package.rs installs the package from an archive")),
    ("cargo xtask check", Check::Skip("it installs tools that only releases need")),
    ("cargo xtask model FILE.gguf", Check::Run(&[("FILE.gguf", MODEL)], "")),
    (
        "cargo run --release -p parlance-engine --example generate -- --model models/SmolLM2-135M-Instruct.Q4_1.gguf --prompt \"What is the capital of France?\" --max-tokens 64 --temperature 0",
        // The tests' build includes it.
        Check::Run(
            &[
                ("cargo run --release -p parlance-engine --example generate --", "target/checked/examples/generate"),
                ("64", "4"),
            ],
            "--cpu",
        ),
    ),
    ("cargo xtask bench --json", Check::Run(&[], QUICK)),
    (
        "cargo xtask bench --browser --peer wllama",
        Check::Run(&[(" --peer wllama", "")], "--runs 1 --tokens 4 --prompt 32 --visits 1"),
    ),
    (
        "cargo xtask bench --peer llama.cpp",
        Check::Skip("it needs llama.cpp; worker/engine/tests/native/bench.rs has a fake one"),
    ),
    ("cargo xtask bench --peer wllama", Check::Skip("it benchmarks another engine for minutes")),
    (
        "cargo xtask bench --callers 1,8",
        Check::Run(&[("1,8", "1,2")], "--cpu --runs 1 --tokens 8 --prefill 8 --context 16"),
    ),
    ("cargo xtask bench --cpu --guesses", Check::Run(&[], "--runs 1 --tokens 8 --prefill 8 --context 16")),
    (
        "cargo xtask bench --draft FILE",
        Check::Run(&[("FILE", MODEL)], "--acceptance 0.8 --runs 1 --tokens 8 --prefill 8 --context 16"),
    ),
    ("cargo xtask bench --autotune", Check::Run(&[], "--runs 1 --tokens 8 --prefill 8 --context 16")),
    ("cargo xtask bench --browser --hardware", Check::Skip("it needs a graphics card")),
    ("cargo xtask bench --browser --pin", Check::Skip("like the one with wllama")),
    ("cargo xtask profile --context 512", Check::Run(&[("512", "16")], "")),
    (
        "cargo xtask synth-model qwen3-4b Q4_K_M /tmp/qwen3-4b.gguf",
        Check::Run(&[("qwen3-4b Q4_K_M", "smollm2-135m Q4_0"), ("/tmp/qwen3-4b.gguf", "target/synthetic.gguf")], ""),
    ),
    ("cargo xtask synth-model qwen3-4b Q4_0 FILE", Check::Skip("like the one before")),
    (
        "cargo xtask bench --model /tmp/qwen3-4b.gguf --context 512,8000",
        Check::Run(&[("/tmp/qwen3-4b.gguf", "target/synthetic.gguf"), ("512,8000", "16,32")], QUICK),
    ),
    ("cargo xtask bench --tune decode.integers=1", Check::Run(&[], "--runs 1 --tokens 8 --prefill 8 --context 16")),
    ("cargo xtask compare-documents", Check::Skip("it needs LibreOffice, and takes minutes")),
    ("cargo xtask bench-search", Check::Skip("it computes thousands of embeddings, which takes minutes")),
    ("cargo xtask bench --pictures all", Check::Run(&[("all", "tiny@112x112")], "--cpu --runs 1")),
    ("cargo xtask bench --browser --pictures all", Check::Run(&[("all", "tiny@112x112")], "--runs 1")),
    ("cargo xtask bench --speech all", Check::Skip("it fetches published weights, and takes minutes")),
    (
        "cargo xtask bench --speech all --cpu --threads 2 --peer whisper.cpp",
        Check::Skip("like the one before, with another engine, too"),
    ),
    ("cargo xtask bench --browser --speech all", Check::Skip("like the one before, in Chromium")),
    ("cargo xtask compare-speech --cpu", Check::Skip("it fetches published weights, and takes minutes")),
    ("cargo test --profile checked -p parlance-engine --lib", Check::Skip("part of cargo xtask test")),
    ("cargo test --profile checked -p parlance-text", Check::Skip("part of cargo xtask test")),
    (
        "cargo test --profile checked -p parlance --target wasm32-unknown-unknown",
        Check::Skip("part of cargo xtask test"),
    ),
    ("cargo fmt --all --check", Check::Skip("part of cargo xtask check")),
    (
        "python3 -m http.server --directory dist 8000",
        Check::Serve(
            "127.0.0.1:8000",
            &[
                "curl --silent --show-error --fail --head --header \"Range: bytes=0-3\" http://localhost:8000/models/SmolLM2-135M-Instruct.Q4_1.gguf",
            ],
        ),
    ),
    (
        "curl --silent --show-error --fail --head --header \"Range: bytes=0-3\" http://localhost:8000/models/SmolLM2-135M-Instruct.Q4_1.gguf",
        Check::Skip("runs with the server above"),
    ),
    (
        "cargo run --release -p parlance-serve -- models/SmolLM2-135M-Instruct.Q4_1.gguf",
        Check::Skip("like the next one, without the site"),
    ),
    (
        "cargo run --release -p parlance-serve -- --site dist models/SmolLM2-135M-Instruct.Q4_1.gguf",
        Check::Serve("127.0.0.1:8080", &[ASK]),
    ),
    (ASK, Check::Skip("runs with the server above")),
    ("cargo xtask help", Check::Run(&[], "")),
];

/// The commands in a page's code blocks, without the remarks that follow several spaces.
fn commands(text: &str) -> Vec<String> {
    let joined = text.replace(" \\\n        ", " ");
    let lines = joined.lines().filter_map(|line| line.strip_prefix("    "));
    let commands = lines.filter(|line| PROGRAMS.iter().any(|program| line.starts_with(program)));
    commands.map(|line| line.split("   ").next().unwrap_or(line).trim().to_owned()).collect()
}

fn shell(command: &str) -> Command {
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("exec {command}")]).current_dir(root()).stdin(Stdio::null()).stdout(Stdio::null());
    // A release build takes minutes; commands run what the tests have built.
    shell.env("PARLANCE_BUILD", "tested");
    shell
}

/// A server. Dropping it ends it and all processes that it started.
struct ServerProcess(Child);

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-TERM", "--", &group]).status();
        let _ = self.0.wait();
    }
}

fn is_served(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let mut answer = String::new();
    let sent = stream.write_all(format!("GET / HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes());
    sent.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.contains("<title>Parlance</title>")
}

fn run(command: &str) {
    let status = shell(command).status().unwrap();
    assert!(status.success(), "{command}: {status}");
}

#[test]
fn every_command_in_the_docs_works() {
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for page in PAGES {
        for command in commands(&std::fs::read_to_string(root().join(page)).unwrap()) {
            let (name, _) = COMMANDS.iter().find(|(name, _)| *name == command).unwrap_or_else(|| {
                panic!("{page} has a command that is not tested: {command}");
            });
            known.insert(name);
        }
    }
    assert!(known.len() >= 15, "{known:?}");
    for (command, check) in COMMANDS {
        let start = Instant::now();
        match check {
            Check::Run(replaced, more) => {
                let command = replaced.iter().fold(command.to_owned(), |text, (from, to)| text.replace(from, to));
                run(&format!("{command} {more}"));
            }
            Check::Serve(address, others) => {
                use std::os::unix::process::CommandExt as _;
                // The tests' builds of the site and of the server.
                let built = [
                    ("--directory dist ", "--directory target/test-site "),
                    ("--site dist ", "--site target/test-site "),
                    ("cargo run --release -p parlance-serve --", "target/checked/parlance-serve --device cpu"),
                ];
                let command = built.iter().fold(command.to_owned(), |text, (from, to)| text.replace(from, to));
                let server = ServerProcess(shell(&command).process_group(0).spawn().unwrap());
                while !is_served(address) {
                    assert!(start.elapsed() < Duration::from_secs(300), "{command} does not serve the site");
                    std::thread::sleep(Duration::from_millis(300));
                }
                for other in others {
                    run(other);
                }
                drop(server);
            }
            Check::Skip(_) => continue,
        }
        println!("{:.0} s: {command}", start.elapsed().as_secs_f64());
    }
}
