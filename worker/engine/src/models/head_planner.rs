//! Plans what follows the layers of embedding models and rankers.

use super::planner::Planner;
use super::pooling::{HeadActivation, HeadLayer, HeadPlan, HeadResult, Pooling};
use crate::error::{EngineError, Result};

/// The heads of a family.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadStyle {
    /// Pooling if the file names none; without it, the model generates text.
    pub(super) pooling: Option<Pooling>,
    /// Pooling of rankers.
    pub(super) ranking: Pooling,
    /// Activation of rankers between their two layers.
    pub(super) activation: HeadActivation,
    /// What rankers compute.
    pub(super) result: HeadResult,
    /// Epsilon of a ranker's norm.
    pub(super) norm_eps: f32,
}

/// Plans the head of a model that is `width` wide; `None` if it generates text.
///
/// # Errors
/// An unknown kind of pooling, or a tensor that is missing or misshapen.
pub(super) fn plan_head(
    planner: &mut Planner<'_>,
    architecture: &str,
    style: HeadStyle,
    width: u32,
) -> Result<Option<HeadPlan>> {
    // llama.cpp's numbers.
    let pooling = match (planner.metadata().u32(&format!("{architecture}.pooling_type")), style.pooling) {
        (None, Some(pooling)) => pooling,
        (None | Some(0), None) => return Ok(None),
        (Some(1), _) => Pooling::Mean,
        (Some(2), _) => Pooling::First,
        (Some(3), _) => Pooling::Last,
        (Some(4), _) => return ranking(planner, style, width).map(Some),
        (Some(other), _) => {
            let what = format!("{architecture} with pooling {other}");
            return Err(EngineError::UnsupportedArchitecture(what));
        }
    };
    Ok(Some(HeadPlan { pooling, layers: projections(planner, width)?, result: HeadResult::Vector }))
}

/// The head of a ranker: one layer or two.
fn ranking(planner: &mut Planner<'_>, style: HeadStyle, width: u32) -> Result<HeadPlan> {
    let (mut layers, mut len) = (Vec::new(), width);
    if planner.has("cls.weight") {
        let weight = "cls.weight".to_owned();
        len = planner.host_matrix(&weight, width)?;
        let norm = planner.optional_host_vector("cls.norm.weight", len)?;
        layers.push(HeadLayer {
            weight,
            bias: planner.optional_host_vector("cls.bias", len)?,
            activation: style.activation,
            norm: norm.map(|norm| (norm, style.norm_eps)),
        });
    }
    if layers.is_empty() || planner.has("cls.output.weight") {
        let weight = "cls.output.weight".to_owned();
        len = planner.host_matrix(&weight, len)?;
        let bias = planner.optional_host_vector("cls.output.bias", len)?;
        layers.push(HeadLayer { weight, bias, activation: HeadActivation::None, norm: None });
    }
    let wanted = if style.result == HeadResult::Answers { 2 } else { 1 };
    if len != wanted {
        return Err(EngineError::UnsupportedArchitecture(format!("a ranker with {len} outputs")));
    }
    Ok(HeadPlan { pooling: style.ranking, layers, result: style.result })
}

/// Projections of the pooled vector (`EmbeddingGemma`), if the file has them.
fn projections(planner: &mut Planner<'_>, width: u32) -> Result<Vec<HeadLayer>> {
    let (mut layers, mut len) = (Vec::new(), width);
    for weight in ["dense_2.weight", "dense_3.weight"].map(str::to_owned) {
        if planner.has(&weight) {
            len = planner.host_matrix(&weight, len)?;
            layers.push(HeadLayer { weight, bias: None, activation: HeadActivation::None, norm: None });
        }
    }
    Ok(layers)
}
