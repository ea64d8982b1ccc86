//! A small preprocessor for WGSL, which has neither includes nor conditional compilation.
//!
//! - `#include "path"` includes a file once; paths are relative to `kernels/`.
//! - `#ifdef NAME`, `#else` and `#endif` can be nested.
//! - `#repeat i COUNT` to `#end` repeats lines, with `$i` replaced by 0, 1 and so on. COUNT is a constant or a number.
//! - Numeric constants are prepended as `const` declarations.
//! - The words FORMAT and EPILOGUE in include paths are replaced.
//!
//! Repetition is textual because some shader compilers do not unroll loops, and then keep arrays that are indexed in a
//! loop in slow memory.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// All files that can be compiled or included.
const FILES: &[(&str, &str)] = &[
    ("attention/append.wgsl", include_str!("attention/append.wgsl")),
    ("attention/attention.wgsl", include_str!("attention/attention.wgsl")),
    ("attention/attention_batch.wgsl", include_str!("attention/attention_batch.wgsl")),
    ("attention/attention_common.wgsl", include_str!("attention/attention_common.wgsl")),
    ("attention/attention_cooperative.wgsl", include_str!("attention/attention_cooperative.wgsl")),
    ("attention/attention_gate.wgsl", include_str!("attention/attention_gate.wgsl")),
    ("attention/attention_merge.wgsl", include_str!("attention/attention_merge.wgsl")),
    ("attention/attention_tiled.wgsl", include_str!("attention/attention_tiled.wgsl")),
    ("attention/cache_row.wgsl", include_str!("attention/cache_row.wgsl")),
    ("attention/latent.wgsl", include_str!("attention/latent.wgsl")),
    ("attention/projected_head.wgsl", include_str!("attention/projected_head.wgsl")),
    ("convolution/convolution.wgsl", include_str!("convolution/convolution.wgsl")),
    ("convolution/convolution_input.wgsl", include_str!("convolution/convolution_input.wgsl")),
    ("convolution/convolution_state.wgsl", include_str!("convolution/convolution_state.wgsl")),
    ("delta_net/delta_net.wgsl", include_str!("delta_net/delta_net.wgsl")),
    ("shared/softplus.wgsl", include_str!("shared/softplus.wgsl")),
    ("state_space/state_space.wgsl", include_str!("state_space/state_space.wgsl")),
    ("streams/correct.wgsl", include_str!("streams/correct.wgsl")),
    ("streams/expand.wgsl", include_str!("streams/expand.wgsl")),
    ("streams/merge.wgsl", include_str!("streams/merge.wgsl")),
    ("streams/predict.wgsl", include_str!("streams/predict.wgsl")),
    ("embed/embed.wgsl", include_str!("embed/embed.wgsl")),
    ("experts/expert_sum.wgsl", include_str!("experts/expert_sum.wgsl")),
    ("experts/group.wgsl", include_str!("experts/group.wgsl")),
    ("experts/route.wgsl", include_str!("experts/route.wgsl")),
    ("formats/bf16.wgsl", include_str!("formats/bf16.wgsl")),
    ("formats/block.wgsl", include_str!("formats/block.wgsl")),
    ("formats/codebook.wgsl", include_str!("formats/codebook.wgsl")),
    ("formats/codes.wgsl", include_str!("formats/codes.wgsl")),
    ("formats/common_scales.wgsl", include_str!("formats/common_scales.wgsl")),
    ("formats/entries_of_one_word.wgsl", include_str!("formats/entries_of_one_word.wgsl")),
    ("formats/entries_of_two_words.wgsl", include_str!("formats/entries_of_two_words.wgsl")),
    ("formats/even_signs.wgsl", include_str!("formats/even_signs.wgsl")),
    ("formats/f16.wgsl", include_str!("formats/f16.wgsl")),
    ("formats/f32.wgsl", include_str!("formats/f32.wgsl")),
    ("formats/five_bit_block.wgsl", include_str!("formats/five_bit_block.wgsl")),
    ("formats/fp4_quad.wgsl", include_str!("formats/fp4_quad.wgsl")),
    ("formats/half_scale.wgsl", include_str!("formats/half_scale.wgsl")),
    ("formats/half_words.wgsl", include_str!("formats/half_words.wgsl")),
    ("formats/high_bits.wgsl", include_str!("formats/high_bits.wgsl")),
    ("formats/integers.wgsl", include_str!("formats/integers.wgsl")),
    ("formats/iq1_block.wgsl", include_str!("formats/iq1_block.wgsl")),
    ("formats/iq1_m.wgsl", include_str!("formats/iq1_m.wgsl")),
    ("formats/iq1_s.wgsl", include_str!("formats/iq1_s.wgsl")),
    ("formats/iq2_s.wgsl", include_str!("formats/iq2_s.wgsl")),
    ("formats/iq2_scales.wgsl", include_str!("formats/iq2_scales.wgsl")),
    ("formats/iq2_xs.wgsl", include_str!("formats/iq2_xs.wgsl")),
    ("formats/iq2_xxs.wgsl", include_str!("formats/iq2_xxs.wgsl")),
    ("formats/iq3_s.wgsl", include_str!("formats/iq3_s.wgsl")),
    ("formats/iq3_xxs.wgsl", include_str!("formats/iq3_xxs.wgsl")),
    ("formats/iq4_block.wgsl", include_str!("formats/iq4_block.wgsl")),
    ("formats/iq4_nl.wgsl", include_str!("formats/iq4_nl.wgsl")),
    ("formats/iq4_xs.wgsl", include_str!("formats/iq4_xs.wgsl")),
    ("formats/k_scales.wgsl", include_str!("formats/k_scales.wgsl")),
    ("formats/mxfp4.wgsl", include_str!("formats/mxfp4.wgsl")),
    ("formats/nibbles.wgsl", include_str!("formats/nibbles.wgsl")),
    ("formats/nvfp4.wgsl", include_str!("formats/nvfp4.wgsl")),
    ("formats/one_word.wgsl", include_str!("formats/one_word.wgsl")),
    ("formats/q1_0.wgsl", include_str!("formats/q1_0.wgsl")),
    ("formats/q2_0.wgsl", include_str!("formats/q2_0.wgsl")),
    ("formats/q2_k.wgsl", include_str!("formats/q2_k.wgsl")),
    ("formats/q3_k.wgsl", include_str!("formats/q3_k.wgsl")),
    ("formats/q4_0.wgsl", include_str!("formats/q4_0.wgsl")),
    ("formats/q4_1.wgsl", include_str!("formats/q4_1.wgsl")),
    ("formats/q4_k.wgsl", include_str!("formats/q4_k.wgsl")),
    ("formats/q5_0.wgsl", include_str!("formats/q5_0.wgsl")),
    ("formats/q5_1.wgsl", include_str!("formats/q5_1.wgsl")),
    ("formats/q5_k.wgsl", include_str!("formats/q5_k.wgsl")),
    ("formats/q6_k.wgsl", include_str!("formats/q6_k.wgsl")),
    ("formats/q8_0.wgsl", include_str!("formats/q8_0.wgsl")),
    ("formats/signed_block.wgsl", include_str!("formats/signed_block.wgsl")),
    ("formats/signed_eights.wgsl", include_str!("formats/signed_eights.wgsl")),
    ("formats/signed_fours.wgsl", include_str!("formats/signed_fours.wgsl")),
    ("formats/signed_quad.wgsl", include_str!("formats/signed_quad.wgsl")),
    ("formats/signed_scales.wgsl", include_str!("formats/signed_scales.wgsl")),
    ("formats/ternary.wgsl", include_str!("formats/ternary.wgsl")),
    ("formats/two_bit_block.wgsl", include_str!("formats/two_bit_block.wgsl")),
    ("formats/two_words.wgsl", include_str!("formats/two_words.wgsl")),
    ("linear/cooperative.wgsl", include_str!("linear/cooperative.wgsl")),
    ("linear/epilogues/gated.wgsl", include_str!("linear/epilogues/gated.wgsl")),
    ("linear/epilogues/qkv.wgsl", include_str!("linear/epilogues/qkv.wgsl")),
    ("linear/epilogues/store.wgsl", include_str!("linear/epilogues/store.wgsl")),
    ("linear/halve.wgsl", include_str!("linear/halve.wgsl")),
    ("linear/input_tile.wgsl", include_str!("linear/input_tile.wgsl")),
    ("linear/integer_tile.wgsl", include_str!("linear/integer_tile.wgsl")),
    ("linear/linear.wgsl", include_str!("linear/linear.wgsl")),
    ("linear/matvec.wgsl", include_str!("linear/matvec.wgsl")),
    ("linear/matvec_integers.wgsl", include_str!("linear/matvec_integers.wgsl")),
    ("linear/merged_input.wgsl", include_str!("linear/merged_input.wgsl")),
    ("linear/product_bindings.wgsl", include_str!("linear/product_bindings.wgsl")),
    ("linear/quantise.wgsl", include_str!("linear/quantise.wgsl")),
    ("linear/rounded.wgsl", include_str!("linear/rounded.wgsl")),
    ("linear/several_tokens.wgsl", include_str!("linear/several_tokens.wgsl")),
    ("linear/tile.wgsl", include_str!("linear/tile.wgsl")),
    ("linear/tiled.wgsl", include_str!("linear/tiled.wgsl")),
    ("linear/tiled_packed.wgsl", include_str!("linear/tiled_packed.wgsl")),
    ("linear/vector_input.wgsl", include_str!("linear/vector_input.wgsl")),
    ("norm/add_norm.wgsl", include_str!("norm/add_norm.wgsl")),
    ("norm/gate_cutoff.wgsl", include_str!("norm/gate_cutoff.wgsl")),
    ("norm/gated_norm.wgsl", include_str!("norm/gated_norm.wgsl")),
    ("norm/head_norm.wgsl", include_str!("norm/head_norm.wgsl")),
    ("norm/layer_norm.wgsl", include_str!("norm/layer_norm.wgsl")),
    ("repack/eight_bits.wgsl", include_str!("repack/eight_bits.wgsl")),
    ("repack/even_signs.wgsl", include_str!("repack/even_signs.wgsl")),
    ("repack/half_first.wgsl", include_str!("repack/half_first.wgsl")),
    ("repack/iq1_s.wgsl", include_str!("repack/iq1_s.wgsl")),
    ("repack/iq2_s.wgsl", include_str!("repack/iq2_s.wgsl")),
    ("repack/iq2_xs.wgsl", include_str!("repack/iq2_xs.wgsl")),
    ("repack/iq2_xxs.wgsl", include_str!("repack/iq2_xxs.wgsl")),
    ("repack/iq3_s.wgsl", include_str!("repack/iq3_s.wgsl")),
    ("repack/iq3_xxs.wgsl", include_str!("repack/iq3_xxs.wgsl")),
    ("repack/k_blocks.wgsl", include_str!("repack/k_blocks.wgsl")),
    ("repack/mxfp4.wgsl", include_str!("repack/mxfp4.wgsl")),
    ("repack/nibbles.wgsl", include_str!("repack/nibbles.wgsl")),
    ("repack/pairs_of_bits.wgsl", include_str!("repack/pairs_of_bits.wgsl")),
    ("repack/plain.wgsl", include_str!("repack/plain.wgsl")),
    ("repack/put_scales.wgsl", include_str!("repack/put_scales.wgsl")),
    ("repack/q1_0.wgsl", include_str!("repack/q1_0.wgsl")),
    ("repack/q2_0.wgsl", include_str!("repack/q2_0.wgsl")),
    ("repack/q2_k.wgsl", include_str!("repack/q2_k.wgsl")),
    ("repack/q3_k.wgsl", include_str!("repack/q3_k.wgsl")),
    ("repack/q4_k.wgsl", include_str!("repack/q4_k.wgsl")),
    ("repack/q5_0.wgsl", include_str!("repack/q5_0.wgsl")),
    ("repack/q5_1.wgsl", include_str!("repack/q5_1.wgsl")),
    ("repack/q5_k.wgsl", include_str!("repack/q5_k.wgsl")),
    ("repack/q6_k.wgsl", include_str!("repack/q6_k.wgsl")),
    ("repack/quants_first.wgsl", include_str!("repack/quants_first.wgsl")),
    ("repack/repack.wgsl", include_str!("repack/repack.wgsl")),
    ("repack/scales_first.wgsl", include_str!("repack/scales_first.wgsl")),
    ("repack/spread_bits.wgsl", include_str!("repack/spread_bits.wgsl")),
    ("repack/tq1_0.wgsl", include_str!("repack/tq1_0.wgsl")),
    ("repack/tq2_0.wgsl", include_str!("repack/tq2_0.wgsl")),
    ("rows/add_rows.wgsl", include_str!("rows/add_rows.wgsl")),
    ("rows/clamp.wgsl", include_str!("rows/clamp.wgsl")),
    ("rows/gate_rows.wgsl", include_str!("rows/gate_rows.wgsl")),
    ("rows/mean_rows.wgsl", include_str!("rows/mean_rows.wgsl")),
    ("sampling/logit_scan.wgsl", include_str!("sampling/logit_scan.wgsl")),
    ("sampling/sample.wgsl", include_str!("sampling/sample.wgsl")),
    ("sampling/sampling.wgsl", include_str!("sampling/sampling.wgsl")),
    ("shared/activation.wgsl", include_str!("shared/activation.wgsl")),
    ("shared/head_shape.wgsl", include_str!("shared/head_shape.wgsl")),
    ("shared/place.wgsl", include_str!("shared/place.wgsl")),
    ("shared/span_sum.wgsl", include_str!("shared/span_sum.wgsl")),
    ("shared/state.wgsl", include_str!("shared/state.wgsl")),
    ("shared/to_half.wgsl", include_str!("shared/to_half.wgsl")),
    ("shared/workgroup_sum.wgsl", include_str!("shared/workgroup_sum.wgsl")),
    ("taps/taps.wgsl", include_str!("taps/taps.wgsl")),
    ("transcript/progress.wgsl", include_str!("transcript/progress.wgsl")),
    ("transcript/token_choice.wgsl", include_str!("transcript/token_choice.wgsl")),
    ("transcript/token_scan.wgsl", include_str!("transcript/token_scan.wgsl")),
];

/// A kernel with its compile-time options; the key of its pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shader {
    /// Path relative to `kernels/`.
    pub file: &'static str,
    /// Replacements for the words FORMAT and EPILOGUE in include paths.
    pub parts: BTreeMap<&'static str, &'static str>,
    /// Names for `#ifdef`.
    pub defines: Vec<&'static str>,
    /// `const NAME: u32` declarations.
    pub constants: BTreeMap<&'static str, u32>,
    /// `const NAME: f32` declarations, as bits, so that the key can be hashed.
    pub float_constants: BTreeMap<&'static str, u32>,
}

impl Shader {
    /// A kernel without options.
    pub fn new(file: &'static str) -> Self {
        Self {
            file,
            parts: BTreeMap::new(),
            defines: Vec::new(),
            constants: BTreeMap::new(),
            float_constants: BTreeMap::new(),
        }
    }

    /// Human-readable name: file, format, epilogue and shape.
    pub fn name(&self) -> String {
        let (_, file) = self.file.rsplit_once('/').unwrap_or(("", self.file));
        let mut name = file.trim_end_matches(".wgsl").to_owned();
        for part in self.parts.values() {
            name = format!("{name} {part}");
        }
        if let (Some(rows), Some(cols)) = (self.constants.get("ROWS"), self.constants.get("COLS")) {
            name = format!("{name} {rows} x {cols}");
        }
        name
    }

    /// Sets the file that replaces FORMAT or EPILOGUE.
    #[must_use]
    pub fn part(mut self, word: &'static str, choice: &'static str) -> Self {
        self.parts.insert(word, choice);
        self
    }

    /// Defines `name` if `condition` holds.
    #[must_use]
    pub fn define_if(mut self, condition: bool, name: &'static str) -> Self {
        if condition {
            self.defines.push(name);
        }
        self
    }

    /// Declares an integer constant.
    #[must_use]
    pub fn constant(mut self, name: &'static str, value: u32) -> Self {
        self.constants.insert(name, value);
        self
    }

    /// Declares a float constant.
    #[must_use]
    pub fn float(mut self, name: &'static str, value: f32) -> Self {
        self.float_constants.insert(name, value.to_bits());
        self
    }
}

/// The WGSL of a shader, ready to compile.
///
/// # Panics
/// If a kernel includes a file that does not exist. That is a bug in this crate, which `every_kernel_expands` detects.
pub fn expand(shader: &Shader) -> String {
    let mut enables = String::new();
    let mut body = String::new();
    let mut included = Vec::new();
    expand_file(shader, shader.file, &mut included, &mut enables, &mut body);
    let mut text = enables;
    for (name, value) in &shader.constants {
        let _ = writeln!(text, "const {name}: u32 = {value}u;");
    }
    for (name, bits) in &shader.float_constants {
        let _ = writeln!(text, "const {name}: f32 = {:?}f;", f32::from_bits(*bits));
    }
    text.push_str(&body);
    text
}

/// How a kernel uses a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// `var<uniform>`
    Uniform,
    /// `var<storage, read>`
    Read,
    /// `var<storage, read_write>`
    ReadWrite,
}

/// A variable of a kernel that needs a buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundVariable {
    /// Name in the WGSL.
    pub name: String,
    /// Binding number in group 0.
    pub number: u32,
    /// How the kernel uses it.
    pub access: Access,
}

/// The variables of expanded WGSL that need buffers.
pub fn bound_variables(text: &str) -> Vec<BoundVariable> {
    text.lines().filter_map(bound_variable).collect()
}

fn bound_variable(line: &str) -> Option<BoundVariable> {
    let (number, rest) = line.strip_prefix("@group(0) @binding(")?.split_once(") var<")?;
    let (access, rest) = rest.split_once("> ")?;
    let (name, _) = rest.split_once(':')?;
    let access = match access {
        "uniform" => Access::Uniform,
        "storage, read" => Access::Read,
        "storage, read_write" => Access::ReadWrite,
        _ => return None,
    };
    Some(BoundVariable { name: name.to_owned(), number: number.parse().ok()?, access })
}

fn expand_file(shader: &Shader, path: &str, included: &mut Vec<String>, enables: &mut String, body: &mut String) {
    if included.iter().any(|earlier| earlier == path) {
        return;
    }
    included.push(path.to_owned());
    let Some((_, text)) = FILES.iter().find(|(name, _)| *name == path) else {
        unreachable!("the kernel {} includes {path}, which does not exist", shader.file);
    };
    // One entry per nested #ifdef: whether its lines are kept.
    let mut kept = Vec::new();
    for line in repeat(shader, &text.lines().map(str::to_owned).collect::<Vec<_>>()) {
        if let Some(name) = line.strip_prefix("#ifdef ") {
            kept.push(shader.defines.contains(&name.trim()));
        } else if line.starts_with("#else") {
            if let Some(last) = kept.last_mut() {
                *last = !*last;
            }
        } else if line.starts_with("#endif") {
            kept.pop();
        } else if kept.contains(&false) {
        } else if let Some(quoted) = line.strip_prefix("#include ") {
            let mut target = quoted.trim().trim_matches('"').to_owned();
            for (word, choice) in &shader.parts {
                target = target.replace(word, choice);
            }
            expand_file(shader, &target, included, enables, body);
        } else if line.starts_with("enable ") {
            // Directives must precede all declarations.
            enables.push_str(&line);
            enables.push('\n');
        } else {
            body.push_str(&line);
            body.push('\n');
        }
    }
}

/// Expands every `#repeat` in `lines`, outer ones first.
fn repeat(shader: &Shader, lines: &[String]) -> Vec<String> {
    let mut result = Vec::new();
    let mut rest = lines;
    while let Some((line, after)) = rest.split_first() {
        rest = after;
        let Some(header) = line.trim_start().strip_prefix("#repeat ") else {
            result.push(line.clone());
            continue;
        };
        let (name, count) = header.split_once(' ').unwrap_or((header, "0"));
        let count = count.parse().ok().or_else(|| shader.constants.get(count).copied()).unwrap_or(0);
        let end = matching_end(after);
        for i in 0..count {
            let copy: Vec<_> =
                after[..end].iter().map(|line| line.replace(&format!("${name}"), &i.to_string())).collect();
            result.extend(repeat(shader, &copy));
        }
        rest = &after[(end + 1).min(after.len())..];
    }
    result
}

/// Index of the `#end` that closes the `#repeat` before `lines`.
fn matching_end(lines: &[String]) -> usize {
    let mut depth = 0;
    lines
        .iter()
        .position(|line| {
            let line = line.trim_start();
            if line.starts_with("#repeat ") {
                depth += 1;
            } else if line == "#end" {
                if depth == 0 {
                    return true;
                }
                depth -= 1;
            }
            false
        })
        .unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn includes_defines_and_constants_are_expanded() {
        let shader = Shader::new("linear/linear.wgsl")
            .part("FORMAT", "q4_1")
            .part("EPILOGUE", "store")
            .define_if(true, "NORM")
            .define_if(false, "RESIDUAL")
            .constant("ROWS", 4)
            .float("EPS", 1e-5);
        let text = expand(&shader);
        assert!(text.starts_with("const ROWS: u32 = 4u;\nconst EPS: f32 = 1e-5f;\n"), "{text}");
        assert!(text.contains("norm_weight: array"));
        assert!(text.contains("y[at] = pair_results.x;"));
        assert!(!text.contains("v += before;"));
        assert_eq!(text.matches("struct Block").count(), 1);
        assert!(!text.contains('#'), "no directives are left");
        assert!(!text.contains("enable subgroups"));
    }

    #[test]
    fn enable_directives_come_first() {
        let shader = Shader::new("linear/matvec.wgsl")
            .part("FORMAT", "f32")
            .part("EPILOGUE", "store")
            .define_if(true, "SUBGROUP_ENABLE")
            .constant("ROWS", 4);
        assert!(expand(&shader).starts_with("enable subgroups;\nconst ROWS"));
    }

    #[test]
    fn repeats_nest_and_count_by_constants() {
        let shader = Shader::new("linear/linear.wgsl").constant("N", 2);
        let lines = ["#repeat i N", "a$i", "    #repeat j 2", "b$i$j", "    #end", "#end", "c"].map(str::to_owned);
        assert_eq!(repeat(&shader, &lines), ["a0", "b00", "b01", "a1", "b10", "b11", "c"]);
    }
}
