//! `OpenAI`'s Python client, unmodified.

use std::path::Path;
use std::process::Command;

use parlance_tests::hearing::{ggml_whisper, recording as recording_of, wav};
use parlance_tests::{model_path, root};

use crate::process::Server;

/// What a program prints that has the client's packages.
fn python(arguments: &[&str]) -> String {
    let packages = root().join("target/test-data/python");
    assert!(packages.is_dir(), "`cargo xtask setup` fetches the openai package");
    let output = ["python3", "python"].into_iter().find_map(|python| {
        let mut command = Command::new(python);
        command.args(arguments).env("PYTHONPATH", &packages).output().ok()
    });
    let output = output.expect("Python is installed, since the demo model comes from a Python package");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).unwrap()
}

/// The program in docs/server.md, for a server at this URL.
fn documented(url: &str) -> String {
    let page = std::fs::read_to_string(root().join("docs/server.md")).unwrap();
    let (_, rest) = page.split_once("```python\n").unwrap();
    let (program, _) = rest.split_once("```").unwrap();
    program.replace("http://127.0.0.1:8080", url)
}

#[test]
fn the_openai_package_works_with_the_server() {
    let embeddings = root().join("target/test-data/all-MiniLM-L6-v2.F16.gguf");
    let speech = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ggml-tiny.bin");
    std::fs::write(&speech, ggml_whisper().unwrap()).unwrap();
    let recording = speech.with_file_name("recording.wav");
    std::fs::write(&recording, wav(&recording_of(2.0))).unwrap();
    let server = Server::start_with(&[], &[model_path(), embeddings, speech]);
    let url = server.client.url();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server/openai_client.py");
    let output = python(&[script, &format!("{url}/v1"), recording.to_str().unwrap()]);
    assert!(output.contains("errors: passed"));
    assert!(!python(&["-c", &documented(&url)]).trim().is_empty(), "it prints an answer");
}
