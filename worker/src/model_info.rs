//! What clients are told about a loaded model.

use parlance_engine::chat::Chat;
use parlance_engine::models::ModelConfig;
use parlance_engine::runtime::Loaded;
use parlance_engine::template::TemplateWarning;
use parlance_protocol::{ModelInfo, ModelSource, SelfTest, Warning, WarningReason, model_name};
use parlance_worker_core::address::file_name;
use web_time::Instant;

/// Describes a model that was read from `len_bytes` bytes since `start`; `warnings` are what the user should know of the
/// way here. Its capabilities, its projector and the result of its self-test are left out.
pub(crate) fn model_info(
    source: &ModelSource,
    loaded: &Loaded,
    len_bytes: u64,
    warnings: Vec<Warning>,
    start: Instant,
) -> ModelInfo {
    let (device, own_name, context_tokens) = match loaded {
        Loaded::Decoder(model) => (model.device(), model.config().name.as_str(), model.context_tokens()),
        Loaded::Encoder(encoder) => (encoder.device(), encoder.name(), encoder.context_tokens()),
        Loaded::Transcriber(transcriber) => {
            (transcriber.device(), transcriber.name(), transcriber.config().decoder.context)
        }
    };
    let template = match loaded {
        Loaded::Decoder(model) => template_warning(model.chat()),
        Loaded::Encoder(_) | Loaded::Transcriber(_) => None,
    };
    let warnings: Vec<Warning> = template.into_iter().chain(warnings).chain(context_warning(loaded)).collect();
    let (weight_bytes, kv_bytes) = device_bytes(loaded, len_bytes);
    ModelInfo {
        name: display_name(source, own_name),
        url: match source {
            ModelSource::Url { url } => Some(url.clone()),
            ModelSource::File { .. } => None,
        },
        can_chat: matches!(loaded, Loaded::Decoder(_)),
        capabilities: Vec::new(),
        can_see: false,
        context_tokens,
        max_context_tokens: max_context_tokens(loaded),
        adapter: device.adapter_name().to_owned(),
        is_software: device.is_software(),
        is_cpu: device.is_cpu(),
        self_test: SelfTest::default(),
        features: device.feature_names().into_iter().map(str::to_owned).collect(),
        weight_bytes: weight_bytes as f64,
        kv_bytes: kv_bytes as f64,
        warning: Warning::text(&warnings),
        warnings,
        len_bytes: len_bytes as f64,
        load_seconds: start.elapsed().as_secs_f64(),
        peak_memory_bytes: memory_bytes(),
    }
}

/// Bytes of weights, and of KV cache and recurrent state, on the device; `len_bytes` are those of the files.
pub(crate) fn device_bytes(loaded: &Loaded, len_bytes: u64) -> (u64, u64) {
    match loaded {
        Loaded::Decoder(model) => (model.weight_bytes(), model.config().kv_bytes(model.context_tokens())),
        Loaded::Encoder(encoder) => (len_bytes, encoder.kv_bytes()),
        Loaded::Transcriber(transcriber) => (transcriber.weight_bytes(), transcriber.config().kv_bytes()),
    }
}

/// What the user should know of a model's chat template.
pub(crate) fn template_warning(chat: &Chat) -> Option<Warning> {
    let warning = chat.template_warning()?;
    let reason = match warning {
        TemplateWarning::Missing => WarningReason::NoTemplate,
        TemplateWarning::Unusable(detail) => WarningReason::UnusableTemplate { detail: detail.clone() },
        TemplateWarning::Distrusted => WarningReason::DistrustedTemplate,
    };
    Some(Warning::new(reason, warning.to_string()))
}

fn context_warning(loaded: &Loaded) -> Option<Warning> {
    let Loaded::Decoder(model) = loaded else { return None };
    let (requested_tokens, context_tokens) = (model.requested_context_tokens(), model.context_tokens());
    let message = format!(
        "There is not enough memory for a context of {requested_tokens} tokens; it has {context_tokens}. A smaller model \
         would leave more."
    );
    let reason = WarningReason::SmallerContext { requested_tokens, context_tokens };
    (requested_tokens > context_tokens).then(|| Warning::new(reason, message))
}

/// The longest context that may fit: at most what there was memory for, if that was too little.
fn max_context_tokens(loaded: &Loaded) -> u32 {
    match loaded {
        Loaded::Decoder(model) if model.requested_context_tokens() > model.context_tokens() => model.context_tokens(),
        Loaded::Decoder(model) => {
            // A longer context takes the place of further sequences.
            let alone = ModelConfig { sequences: 1, ..model.config().clone() };
            alone.max_context(model.device().limits())
        }
        Loaded::Encoder(encoder) => encoder.context_tokens(),
        Loaded::Transcriber(transcriber) => transcriber.config().decoder.context,
    }
}

/// The file's name without its extension, which tells size and quantisation; without a file name, the metadata's name.
fn display_name(source: &ModelSource, own_name: &str) -> String {
    let file = match source {
        ModelSource::Url { url } => file_name(url),
        ModelSource::File { name } => name,
    };
    match model_name(file) {
        "" => own_name.to_owned(),
        name => name.to_owned(),
    }
}

/// The size of the wasm memory, which never shrinks.
#[cfg(target_family = "wasm")]
fn memory_bytes() -> f64 {
    const PAGE_BYTES: f64 = 65_536.0;
    core::arch::wasm32::memory_size::<0>() as f64 * PAGE_BYTES
}

/// Unknown: the worker runs on wasm only, but its code is also checked natively.
#[cfg(not(target_family = "wasm"))]
fn memory_bytes() -> f64 {
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_named_after_its_file() {
        let url = |url: &str| display_name(&ModelSource::Url { url: url.to_owned() }, "own");
        assert_eq!(url("https://host/m-Q4_1.gguf?download=true#sha256=1"), "m-Q4_1");
        assert_eq!(url("https://host/"), "own");
        assert_eq!(display_name(&ModelSource::File { name: "mine.gguf".to_owned() }, "own"), "mine");
    }
}
