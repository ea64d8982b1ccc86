//! Kernel layouts from the command line.

use std::error::Error;

use parlance_engine::kernels::linear::{LinearTuning, Tiles};
use parlance_engine::runtime::{Gpu, GpuOptions, Tuning};

/// Choices from `NAME=VALUE,...`.
pub(crate) fn choices(text: &str) -> Result<Vec<(String, u32)>, Box<dyn Error>> {
    let choice = |choice: &str| -> Result<(String, u32), Box<dyn Error>> {
        let (name, value) = choice.split_once('=').ok_or("--tune takes NAME=VALUE,...")?;
        Ok((name.to_owned(), value.parse()?))
    };
    text.split(',').map(choice).collect()
}

/// Opens the GPU, with these choices applied in order to its default layout.
pub(crate) async fn open_gpu(options: GpuOptions, choices: &[(String, u32)]) -> Result<Gpu, Box<dyn Error>> {
    let default = Gpu::new(options).await?.tuning();
    let tuning = choices.iter().try_fold(default, |tuning, (name, value)| with(tuning, name, *value))?;
    Ok(Gpu::new(GpuOptions { tuning: Some(tuning), ..options }).await?)
}

fn with(mut tuning: Tuning, name: &str, value: u32) -> Result<Tuning, Box<dyn Error>> {
    match name {
        "decode.integers" if value == 0 => tuning.decode_integers = None,
        "decode.integers" => tuning = tuning.with_integers(),
        "decode.shared_codebook" if value == 0 => {}
        "decode.shared_codebook" => tuning = tuning.with_shared_codebooks(),
        "prefill_large.prefetch" => {
            tuning.prefill_large.prefetch = value != 0;
            tuning.prefill_narrow.prefetch = value != 0;
        }
        "several.prefetch" => tuning.several.prefetch = value != 0,
        "several_narrow.prefetch" => tuning.several_narrow.prefetch = value != 0,
        "prefill_large.tiles" => {
            tuning.prefill_large.tiles = *[Tiles::None, Tiles::Shared, Tiles::Packed, Tiles::Cooperative]
                .get(value as usize)
                .ok_or("prefill_large.tiles is 0, 1, 2 or 3")?;
        }
        _ => *number(&mut tuning, name)? = value,
    }
    Ok(tuning)
}

fn number<'t>(tuning: &'t mut Tuning, name: &str) -> Result<&'t mut u32, Box<dyn Error>> {
    if let Some((layout, field)) = name.split_once('.') {
        let layout = match layout {
            "decode_integers" => Some(tuning.decode_integers.as_mut().ok_or("set decode.integers=1 first")?),
            "several" => Some(&mut tuning.several),
            "several_narrow" => Some(&mut tuning.several_narrow),
            _ => None,
        };
        if let Some(layout) = layout {
            return number_of(layout, field).ok_or_else(|| format!("unknown parameter {name}").into());
        }
    }
    Ok(match name {
        "decode.workgroup" => &mut tuning.decode.workgroup,
        "decode.lanes" => &mut tuning.decode.lanes,
        "decode.steps" => &mut tuning.decode.steps,
        "decode.pairs" => &mut tuning.decode.pairs,
        "prefill.workgroup" => &mut tuning.prefill.workgroup,
        "prefill.lanes" => &mut tuning.prefill.lanes,
        "prefill.pairs" => &mut tuning.prefill.pairs,
        "prefill.tokens" => &mut tuning.prefill.tokens,
        "prefill_batch" => &mut tuning.prefill_batch,
        "prefill_narrow.pairs" => &mut tuning.prefill_narrow.pairs,
        "prefill_narrow.tokens" => &mut tuning.prefill_narrow.tokens,
        "prefill_narrow.steps" => &mut tuning.prefill_narrow.steps,
        "prefill_narrow.row_groups" => &mut tuning.prefill_narrow.row_groups,
        "narrow_tokens" => &mut tuning.narrow_tokens,
        "few_tokens" => &mut tuning.few_tokens,
        "matvec_tokens" => &mut tuning.matvec_tokens,
        "activation_mib" => &mut tuning.activation_mib,
        "attention_workgroup" => &mut tuning.attention_workgroup,
        "attention_splits.middle" => &mut tuning.attention_splits[1].splits,
        "attention_splits.long" => &mut tuning.attention_splits[2].splits,
        "attention_splits.long_from" => &mut tuning.attention_splits[2].from,
        "decode_large.workgroup" => &mut tuning.decode_large.workgroup,
        "decode_large.lanes" => &mut tuning.decode_large.lanes,
        "decode_large.steps" => &mut tuning.decode_large.steps,
        "decode_large.pairs" => &mut tuning.decode_large.pairs,
        "prefill_large.pairs" => &mut tuning.prefill_large.pairs,
        "prefill_large.tokens" => &mut tuning.prefill_large.tokens,
        "prefill_large.workgroup" => &mut tuning.prefill_large.workgroup,
        "prefill_large.steps" => &mut tuning.prefill_large.steps,
        "few_threads" => &mut tuning.few_threads,
        "projected_weights" => &mut tuning.projected_weights,
        _ => return Err(format!("unknown parameter {name}").into()),
    })
}

/// A number of the layout for several lanes.
fn number_of<'t>(layout: &'t mut LinearTuning, field: &str) -> Option<&'t mut u32> {
    Some(match field {
        "workgroup" => &mut layout.workgroup,
        "lanes" => &mut layout.lanes,
        "steps" => &mut layout.steps,
        "pairs" => &mut layout.pairs,
        "tokens" => &mut layout.tokens,
        _ => return None,
    })
}
