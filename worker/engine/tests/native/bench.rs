//! The JSON output of `cargo xtask bench`, which other programs read.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A fake of llama.cpp's `llama-bench`, with the same output, once for prompts and once for contexts.
const LLAMA_BENCH: &str = r#"#!/bin/sh
common='"build_commit": "79e0b68c", "backends": "CPU", "cpu_info": "a CPU", "gpu_info": "", "n_gpu_layers": 0'
case "$*" in
    *"-r 1 -n 0 -d 0 -p 8 -ngl 0 -t 1") echo "[{$common, \"n_prompt\": 8, \"n_depth\": 0, \"samples_ts\": [30, 10, 20]}]" ;;
    *"-r 1 -p 0 -n 4 -d 16 -ngl 0 -t 1") echo "[{$common, \"n_prompt\": 0, \"n_depth\": 16, \"samples_ts\": [5]}]" ;;
    *) exit 1 ;;
esac
"#;

/// The built example, whose folder is next to that of the tests.
fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.ancestors().nth(2).unwrap().join("examples/bench")
}

#[test]
fn rows_say_what_was_measured_and_where_and_so_do_those_of_llama_cpp() {
    let fake = std::env::temp_dir().join(format!("llama-bench-{}", std::process::id()));
    std::fs::write(&fake, LLAMA_BENCH).unwrap();
    std::fs::set_permissions(&fake, std::fs::Permissions::from_mode(0o755)).unwrap();
    let arguments = "--cpu --json --peer llama.cpp --runs 1 --tokens 4 --prefill 8 --context 16 --callers 1,3 \
        --draft models/SmolLM2-135M-Instruct.Q4_1.gguf --acceptance 0.5";
    let output = Command::new(program())
        .args(arguments.split_whitespace())
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .env("LLAMA_BENCH", &fake)
        .output()
        .unwrap();
    std::fs::remove_file(&fake).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    for row in &rows {
        let keys: Vec<_> = row.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["case", "model", "metric", "value", "unit", "adapter", "features"]);
        assert!(row["value"].is_number() && row["model"] == "SmolLM2-135M-Instruct.Q4_1", "{row}");
    }
    let value = |case: &str| {
        let row = rows.iter().find(|row| row["case"] == case && row["metric"] == "rate");
        row.unwrap_or_else(|| panic!("no {case} in {rows:?}"))["value"].as_f64().unwrap()
    };
    assert!(value("prefill 8") > 0.0 && value("decode at 16") > 0.0);
    assert!(value("decode at 16, 1 callers") > 0.0 && value("decode at 16, 3 callers") > 0.0);
    assert!(value("decode at 16, drafted") > 0.0 && value("decode at 16, acceptance 0.5") > 0.0);
    assert_eq!(["prefill 8", "decode at 16"].map(|case| value(&format!("llama.cpp: {case}")) as u32), [20, 5]);
}
