//! `OpenAI`'s Python client, unmodified.

use std::process::Command;

use crate::process::{Server, demo_model, root};

#[test]
fn the_openai_package_works_with_the_server() {
    let packages = root().join("target/test-data/python");
    assert!(packages.is_dir(), "`cargo xtask setup` fetches the openai package");
    let models = [demo_model(), root().join("target/test-data/all-MiniLM-L6-v2.F16.gguf")];
    let server = Server::start_with(&[], &models);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server/openai_client.py");
    let python = ["python3", "python"].into_iter().find_map(|python| {
        let mut command = Command::new(python);
        command.arg(script).arg(format!("{}/v1", server.client.url())).env("PYTHONPATH", &packages);
        command.output().ok()
    });
    let output = python.expect("Python is installed, since the demo model comes from a Python package");
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&text));
}
