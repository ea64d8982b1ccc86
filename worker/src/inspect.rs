//! Describing a model before it is loaded: what it is, and whether it fits.

use std::collections::BTreeMap;

use parlance_engine::EngineError;
use parlance_engine::fit::{Description, DeviceLimits, ProjectorDescription};
use parlance_engine::gguf::{Gguf, TensorInfo};
use parlance_engine::models::{CacheFormat, ModelConfig};
use parlance_protocol::{ModelDescription, Settings, Warning, is_ggml_name, model_name};
use parlance_worker_core::hosts::AllowedHosts;

use crate::device;
use crate::error::WorkerError;
use crate::load::cache_format;
use crate::model_info::template_warning;
use crate::projector::Found;
use crate::resident::LoadSpec;
use crate::source::{ModelHeaders, Part};
use crate::storage::{Store, try_template, usage};

/// Reads a model's header and plans it for this device.
pub(crate) async fn inspect(
    spec: LoadSpec,
    store: Option<&Store>,
    allowed_hosts: &AllowedHosts,
    settings: Settings,
) -> Result<ModelDescription, WorkerError> {
    let found = Found::of(&spec, store, allowed_hosts).await?;
    let parts = Part::of(&spec.source, spec.files, store, allowed_hosts).await?;
    let stored_bytes = stored_bytes(&parts, store).await;
    let (headers, len_bytes) = match parts.as_slice() {
        [part] if is_ggml_name(&part.name()) => match part.ggml_header().await? {
            (Some(header), len_bytes) => (vec![header], len_bytes),
            (None, len_bytes) => return Ok(unread(part, len_bytes as f64, stored_bytes as f64).await),
        },
        parts => {
            let ModelHeaders { ggufs, len_bytes, .. } = ModelHeaders::of(parts).await?;
            (ggufs, len_bytes)
        }
    };
    let gguf = Gguf::merge(&headers)?;
    let device = device::open(settings.device).await?;
    let limits = device.limits();
    let cache = device.cache_format(cache_format(settings.kv_cache));
    let mut description = Description::new(&gguf, limits)?.with_cache(cache);
    if let Some(chat) = description.chat_mut() {
        try_template(store, chat).await?;
    }
    let fit = description.fit(spec.context_tokens, limits)?;
    let warnings: Vec<Warning> = match &description {
        Description::Decoder { chat, .. } => template_warning(chat).into_iter().collect(),
        Description::Encoder(_) | Description::Speech(_) => Vec::new(),
    };
    let described = ModelDescription {
        name: gguf.metadata.string("general.name").unwrap_or("unnamed model").to_owned(),
        architecture: gguf.metadata.require_string("general.architecture")?.to_owned(),
        formats: formats(&gguf.tensors),
        parameters: gguf.tensors.iter().map(|tensor| tensor.rows() as f64 * tensor.cols() as f64).sum(),
        len_bytes: len_bytes as f64,
        parts: headers.len() as u32,
        weight_bytes: fit.weight_bytes as f64,
        kv_bytes: fit.kv_bytes as f64,
        scratch_bytes: fit.scratch_bytes as f64,
        context_tokens: fit.context_tokens,
        max_context_tokens: fit.max_context_tokens,
        can_chat: matches!(description, Description::Decoder { .. }),
        projector: None,
        draft_model: None,
        warning: Warning::text(&warnings),
        warnings,
        stored_bytes: stored_bytes as f64,
        free_bytes: usage().await.map(|usage| usage.free_bytes() as f64),
    };
    let described = match (found, &description) {
        (Some(found), Description::Decoder { config, .. }) => {
            with_projector(described, &found, store, (config, limits)).await?
        }
        _ => described,
    };
    let Some(draft) = spec.draft else { return Ok(described) };
    let parts = Part::of(&draft.source, draft.files, store, allowed_hosts).await?;
    with_draft(described, &description, &parts, (limits, cache), store).await
}

/// The description of a model with its draft model.
async fn with_draft(
    model: ModelDescription,
    described: &Description,
    parts: &[Part],
    (limits, cache): (DeviceLimits, CacheFormat),
    store: Option<&Store>,
) -> Result<ModelDescription, WorkerError> {
    let ModelHeaders { ggufs, len_bytes, .. } = ModelHeaders::of(parts).await?;
    let draft = Description::new(Gguf::merge(&ggufs)?.as_ref(), limits)?.with_cache(cache);
    match (described, &draft) {
        (Description::Decoder { chat, .. }, Description::Decoder { chat: small, .. }) => {
            chat.tokenizer().check_draft(small.tokenizer())?;
        }
        _ => return Err(EngineError::WrongDraft("only chat models have drafts, and make them".to_owned()).into()),
    }
    let fit = draft.fit(Some(model.context_tokens), limits)?;
    Ok(ModelDescription {
        draft_model: parts.first().map(Part::name),
        len_bytes: model.len_bytes + len_bytes as f64,
        parts: model.parts + parts.len() as u32,
        weight_bytes: model.weight_bytes + fit.weight_bytes as f64,
        kv_bytes: model.kv_bytes + fit.kv_bytes as f64,
        scratch_bytes: model.scratch_bytes + fit.scratch_bytes as f64,
        stored_bytes: model.stored_bytes + stored_bytes(parts, store).await as f64,
        ..model
    })
}

/// The description of a file of whisper.cpp that is yet to be fetched: nothing is known but its length.
async fn unread(part: &Part, len_bytes: f64, stored_bytes: f64) -> ModelDescription {
    ModelDescription {
        name: model_name(&part.name()).to_owned(),
        architecture: "whisper".to_owned(),
        formats: Vec::new(),
        parameters: 0.0,
        len_bytes,
        parts: 1,
        weight_bytes: len_bytes,
        kv_bytes: 0.0,
        scratch_bytes: 0.0,
        context_tokens: 0,
        max_context_tokens: 0,
        can_chat: false,
        projector: None,
        draft_model: None,
        warning: None,
        warnings: Vec::new(),
        stored_bytes,
        free_bytes: usage().await.map(|usage| usage.free_bytes() as f64),
    }
}

/// The description of a model with its projector. One that merely lies beside the model and is of no use is not counted.
async fn with_projector(
    model: ModelDescription,
    found: &Found,
    store: Option<&Store>,
    (config, limits): (&ModelConfig, DeviceLimits),
) -> Result<ModelDescription, WorkerError> {
    let parts = std::slice::from_ref(&found.part);
    let planned = async {
        let ModelHeaders { ggufs, len_bytes, .. } = ModelHeaders::of(parts).await?;
        let description = ProjectorDescription::new(Gguf::merge(&ggufs)?.as_ref(), limits)?;
        description.check_for(config)?;
        Ok::<_, WorkerError>((description.fit(limits), len_bytes))
    };
    let (fit, len_bytes) = match planned.await {
        Ok(planned) => planned,
        Err(error) if found.is_wanted => {
            return Err(found.refused(&error));
        }
        Err(_) => return Ok(model),
    };
    Ok(ModelDescription {
        projector: Some(found.name()),
        len_bytes: model.len_bytes + len_bytes as f64,
        parts: model.parts + 1,
        weight_bytes: model.weight_bytes + fit.weight_bytes as f64,
        scratch_bytes: model.scratch_bytes + fit.scratch_bytes as f64,
        stored_bytes: model.stored_bytes + stored_bytes(parts, store).await as f64,
        ..model
    })
}

/// Bytes of a model that are on this device.
async fn stored_bytes(parts: &[Part], store: Option<&Store>) -> u64 {
    let mut bytes = 0;
    for part in parts {
        bytes += match (part, store) {
            (Part::Stored(entry), _) => entry.file.done_bytes(),
            (Part::Url(file), Some(store)) => store.find(file).await.map_or(0, |entry| entry.file.done_bytes()),
            _ => 0,
        };
    }
    bytes
}

/// The formats of matrices, the largest share of bytes first.
fn formats(tensors: &[TensorInfo]) -> Vec<String> {
    let mut bytes: BTreeMap<&str, u64> = BTreeMap::new();
    for tensor in tensors.iter().filter(|tensor| tensor.rows() > 1) {
        *bytes.entry(tensor.tensor_type.name()).or_default() += tensor.len_bytes;
    }
    let mut formats: Vec<_> = bytes.into_iter().collect();
    formats.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    formats.into_iter().map(|(name, _)| name.to_owned()).collect()
}
