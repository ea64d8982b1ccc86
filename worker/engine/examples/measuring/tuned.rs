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
        "prefill_large.coalesced" => {
            tuning.prefill_large.coalesced = value != 0;
            tuning.prefill_narrow.coalesced = value != 0;
        }
        "encode_halves" => tuning.encode_halves = value != 0,
        "encode_large.prefetch" => tuning.encode_large.prefetch = value != 0,
        "encode_slim.prefetch" => tuning.encode_slim.prefetch = value != 0,
        "encode_large.coalesced" => tuning.encode_large.coalesced = value != 0,
        "encode_slim.coalesced" => tuning.encode_slim.coalesced = value != 0,
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
    if let Some((layout, field)) = name.split_once('.').filter(|(layout, _)| *layout != "attention_splits") {
        return field_of(layout_of(tuning, layout)?, field);
    }
    Ok(match name {
        "prefill_batch" => &mut tuning.prefill_batch,
        "narrow_tokens" => &mut tuning.narrow_tokens,
        "few_tokens" => &mut tuning.few_tokens,
        "matvec_tokens" => &mut tuning.matvec_tokens,
        "tiled_weights" => &mut tuning.tiled_weights,
        "busy_tiles" => &mut tuning.busy_tiles,
        "activation_mib" => &mut tuning.activation_mib,
        "attention_workgroup" => &mut tuning.attention_workgroup,
        "attention_splits.middle" => &mut tuning.attention_splits[1].splits,
        "attention_splits.long" => &mut tuning.attention_splits[2].splits,
        "attention_splits.long_from" => &mut tuning.attention_splits[2].from,
        "few_threads" => &mut tuning.few_threads,
        "projected_weights" => &mut tuning.projected_weights,
        _ => return Err(format!("unknown parameter {name}").into()),
    })
}

fn layout_of<'t>(tuning: &'t mut Tuning, name: &str) -> Result<&'t mut LinearTuning, Box<dyn Error>> {
    Ok(match name {
        "decode" => &mut tuning.decode,
        "decode_large" => &mut tuning.decode_large,
        "decode_integers" => tuning.decode_integers.as_mut().ok_or("set decode.integers=1 first")?,
        "prefill" => &mut tuning.prefill,
        "prefill_large" => &mut tuning.prefill_large,
        "prefill_narrow" => &mut tuning.prefill_narrow,
        "several" => &mut tuning.several,
        "several_narrow" => &mut tuning.several_narrow,
        "encode_large" => &mut tuning.encode_large,
        "encode_slim" => &mut tuning.encode_slim,
        _ => return Err(format!("unknown layout {name}").into()),
    })
}

fn field_of<'t>(layout: &'t mut LinearTuning, name: &str) -> Result<&'t mut u32, Box<dyn Error>> {
    Ok(match name {
        "workgroup" => &mut layout.workgroup,
        "lanes" => &mut layout.lanes,
        "steps" => &mut layout.steps,
        "pairs" => &mut layout.pairs,
        "tokens" => &mut layout.tokens,
        "row_groups" => &mut layout.row_groups,
        "unroll" => &mut layout.unroll,
        _ => return Err(format!("unknown parameter {name} of a layout").into()),
    })
}
