//! Dequantisation, bit for bit, against the `gguf` package or llama.cpp (`fixtures/make_fixtures.py`).
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use crate::common::note;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parlance_engine::gguf::TensorType;
use parlance_engine::gguf::dequantize::dequantize;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    format: String,
    bytes: String,
    floats: String,
}

#[test]
fn every_format_is_bit_exact() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../fixtures/dequantize.json")).unwrap();
    let mut formats = Vec::new();
    for case in cases {
        let tensor_type = (0..64).filter_map(TensorType::from_number).find(|kind| kind.name() == case.format).unwrap();
        let bytes = STANDARD.decode(case.bytes).unwrap();
        let expected = STANDARD.decode(case.floats).unwrap();
        let actual: Vec<u8> =
            dequantize(tensor_type, &bytes).unwrap().iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(actual, expected, "{}", case.format);
        let bits = tensor_type.block_bytes() as f64 * 8.0 / tensor_type.block_len() as f64;
        note("formats", &[&case.format, &bits.to_string(), "bit for bit", "", "", "", ""]);
        formats.push(case.format);
    }
    for tensor_type in TensorType::supported() {
        assert!(formats.iter().any(|format| format == tensor_type.name()), "{tensor_type}");
    }
}

#[test]
fn partial_blocks_and_unsupported_formats_are_rejected() {
    assert_eq!(dequantize(TensorType::Q4_0, &[0; 17]), None);
    assert_eq!(dequantize(TensorType::Other(9), &[0; 36]), None);
}
