//! A picture as the input of a tower. Patches that are combined to an embedding follow each other, so that combining
//! them takes no kernel; so do those of a window.

use std::borrow::Cow;
use std::sync::Arc;

use super::resize::taps;
use super::{Picture, Size};
use crate::models::{Filter, PatchPositions, PictureConfig, ProjectorConfig};

/// Tables that stay on the host.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PatchTables {
    /// Position embeddings: `[positions][width]`, or empty.
    pub positions: Vec<f32>,
    /// Bias of the patch embedding: `[width]`, or empty.
    pub bias: Vec<f32>,
    /// The row that follows the patches: `[width]`, or empty.
    pub class: Vec<f32>,
}

impl PatchTables {
    /// Forgets positions that no picture has.
    pub fn shrink(&mut self, config: &ProjectorConfig, pictures: &PictureConfig) {
        if config.positions == PatchPositions::Summed {
            let len = self.positions.len() / 2;
            let longest = pictures.max_pixels().unwrap_or(0) / (config.patch.pow(2) * config.merge);
            let kept = (longest as usize * config.width as usize).min(len);
            self.positions.copy_within(len..len + kept, kept);
            self.positions.truncate(2 * kept);
            self.positions.shrink_to_fit();
        }
    }
}

/// The input of a tower. A class follows the patches as a row of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchInput {
    /// Colours of each patch, `[rows][3][patch][patch]`, each row padded with zeros to a multiple of 32.
    pub patches: Vec<f32>,
    /// What pictures of this size share.
    pub grid: Arc<PatchGrid>,
}

/// What a tower needs to know of a picture besides its colours.
#[derive(Debug, PartialEq)]
pub struct PatchGrid {
    /// Columns and rows of patches.
    pub size: Size,
    /// Column and row of each patch: `[patches]`.
    patches: Vec<Size>,
    /// What is added to the patch embeddings: `[rows][width]`.
    pub added: Vec<f32>,
    /// RoPE angles: `[rows][rope_dim / 2]`; without RoPE there is one.
    pub angles: Vec<[f32; 2]>,
    /// The first row of each row's window, and the one after the last: `[rows]`, or empty.
    pub windows: Vec<[u32; 2]>,
    /// Where each embedding belongs, row by row: `[embeddings]`.
    pub places: Vec<u32>,
    /// Number of embeddings in a row of the picture.
    pub columns: u32,
}

impl PatchGrid {
    /// The grid of patches of a picture whose sides are multiples of an embedding's.
    pub fn new(picture_size: Size, config: &ProjectorConfig, tables: &PatchTables) -> Self {
        let size = picture_size.map(|side| side / config.patch);
        let (places, window_ends) = places(size.map(|count| count / config.merge), config);
        let (merge, columns) = (config.merge, size[0] / config.merge);
        let patches_of = |place: &u32| {
            let [left, top] = [place % columns * merge, place / columns * merge];
            (0..merge * merge).map(move |offset| [left + offset % merge, top + offset / merge])
        };
        let patches: Vec<Size> = places.iter().flat_map(patches_of).collect();
        Self {
            added: added(&patches, size, config, tables),
            angles: config.angles(&patches),
            windows: windows(&window_ends, config.merged_rows()),
            size,
            patches,
            places,
            columns,
        }
    }

    /// Whether pictures of this size have it.
    pub fn is_for(&self, picture_size: Size, config: &ProjectorConfig) -> bool {
        self.size == picture_size.map(|side| side / config.patch)
    }
}

impl PatchInput {
    /// The input for a picture of the grid's size, as a projector of pictures takes it.
    pub fn new(
        picture: &Picture,
        (config, pictures): (&ProjectorConfig, &PictureConfig),
        grid: Arc<PatchGrid>,
    ) -> Self {
        Self { patches: colours(picture, &grid.patches, (config, pictures)), grid }
    }
}

/// The embeddings of a grid in the order of the tower, window by window if there are any, and the number of embeddings
/// up to the end of each window.
fn places([columns, rows]: Size, config: &ProjectorConfig) -> (Vec<u32>, Vec<u32>) {
    let Some(windows) = config.windows else { return ((0..columns * rows).collect(), Vec::new()) };
    let (mut places, mut ends) = (Vec::new(), Vec::new());
    let side = windows.side as usize;
    for top in (0..rows).step_by(side) {
        for left in (0..columns).step_by(side) {
            for row in top..(top + windows.side).min(rows) {
                places.extend((left..(left + windows.side).min(columns)).map(|column| row * columns + column));
            }
            ends.push(places.len() as u32);
        }
    }
    (places, ends)
}

/// The window of each patch, where `merged` patches make an embedding.
fn windows(ends: &[u32], merged: u32) -> Vec<[u32; 2]> {
    let starts = [0].into_iter().chain(ends.iter().copied());
    let windows = starts.zip(ends).map(|(start, end)| [start * merged, end * merged]);
    windows.flat_map(|window| (window[0]..window[1]).map(move |_| window)).collect()
}

/// The colours of patches, normalised: `[patches][3][patch][patch]`, padded, then zeros for a class.
fn colours(picture: &Picture, patches: &[Size], (config, pictures): (&ProjectorConfig, &PictureConfig)) -> Vec<f32> {
    let (side, width) = (config.patch as usize, picture.size()[0] as usize);
    let len = config.patch_len().next_multiple_of(32) as usize;
    let levels = levels(pictures);
    let mut values = vec![0.0; (patches.len() + usize::from(config.has_class)) * len];
    for ([column, row], patch) in patches.iter().zip(values.chunks_exact_mut(len)) {
        for line in 0..side {
            let start = (*row as usize * side + line) * width + *column as usize * side;
            let pixels = picture.rgb()[3 * start..][..3 * side].as_chunks::<3>().0;
            for (colour, levels) in levels.iter().enumerate() {
                let own = &mut patch[(colour * side + line) * side..][..side];
                own.iter_mut().zip(pixels).for_each(|(value, pixel)| *value = levels[usize::from(pixel[colour])]);
            }
        }
    }
    values
}

/// The normalised value of each byte, by colour.
fn levels(pictures: &PictureConfig) -> [[f32; 256]; 3] {
    let (means, deviations) = (pictures.mean, pictures.deviation);
    let mut levels = [[0.0; 256]; 3];
    for (colour, levels) in levels.iter_mut().enumerate() {
        for (byte, level) in (0u8..=255).zip(levels) {
            *level = (f32::from(byte) / 255.0 - means[colour]) / deviations[colour];
        }
    }
    levels
}

/// The sum of position embedding and bias of each patch, and the class after them.
fn added(patches: &[Size], size: Size, config: &ProjectorConfig, tables: &PatchTables) -> Vec<f32> {
    let width = config.width as usize;
    let table = positions(size, config, tables);
    let mut added = Vec::with_capacity((patches.len() + usize::from(config.has_class)) * width);
    let mut push = |first: &[f32], second: &[f32]| {
        let start = added.len();
        added.extend_from_slice(first);
        added.resize(start + width, 0.0);
        added[start..].iter_mut().zip(second).for_each(|(sum, value)| *sum += value);
    };
    for [column, row] in patches {
        let at = (row * size[0] + column) as usize * width;
        push(&tables.bias, table.get(at..at + width).unwrap_or_default());
    }
    if config.has_class {
        let last = tables.positions.len().saturating_sub(width);
        push(&tables.class, &tables.positions[last..]);
    }
    added
}

/// The position embeddings of a grid: `[rows][columns][width]`, or empty.
fn positions<'t>([columns, rows]: Size, config: &ProjectorConfig, tables: &'t PatchTables) -> Cow<'t, [f32]> {
    let width = config.width as usize;
    if config.positions == PatchPositions::Summed {
        let (by_column, by_row) = tables.positions.split_at(tables.positions.len() / 2);
        let mut all = Vec::with_capacity((rows * columns) as usize * width);
        for row in by_row.chunks_exact(width).take(rows as usize) {
            for column in by_column.chunks_exact(width).take(columns as usize) {
                all.extend(row.iter().zip(column).map(|(a, b)| a + b));
            }
        }
        return Cow::Owned(all);
    }
    let side = ((tables.positions.len() / width) as u32).isqrt();
    if tables.positions.is_empty() || config.positions == PatchPositions::Fixed || [columns, rows] == [side; 2] {
        return Cow::Borrowed(&tables.positions);
    }
    let weights = |to: u32| weights(config.positions, side, to);
    // Rows first: they are `[side * width]` long.
    let tall = resampled(&tables.positions, &weights(rows), 1, side as usize * width);
    Cow::Owned(resampled(&tall, &weights(columns), rows as usize, width))
}

/// The inputs of each output along one axis, with their weights.
fn weights(positions: PatchPositions, from: u32, to: u32) -> Vec<Vec<(usize, f32)>> {
    if positions == PatchPositions::Resized {
        return taps(Filter::Bilinear, from, to)
            .map(|taps| (taps.first..).zip(taps.weights.iter().map(|weight| *weight as f32)).collect())
            .collect();
    }
    let step = if to > 1 { f64::from(from - 1) / f64::from(to - 1) } else { 0.0 };
    let between = |index: u32| {
        let at = f64::from(index) * step;
        let first = (at as u32).min(from - 1);
        let share = (at - f64::from(first)) as f32;
        vec![(first as usize, 1.0 - share), ((first + 1).min(from - 1) as usize, share)]
    };
    (0..to).map(between).collect()
}

/// Weighted sums along the middle axis of `[outer][inputs][len]`.
fn resampled(table: &[f32], weights: &[Vec<(usize, f32)>], outer: usize, len: usize) -> Vec<f32> {
    let inputs = table.len() / outer / len;
    let mut result = Vec::with_capacity(outer * weights.len() * len);
    for part in table.chunks_exact(inputs * len) {
        for inputs in weights {
            let start = result.len();
            result.resize(start + len, 0.0);
            for (input, weight) in inputs {
                let values = &part[input * len..][..len];
                result[start..].iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
            }
        }
    }
    result
}
