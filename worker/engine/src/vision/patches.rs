//! A picture as the input of a tower. Patches that are combined to an embedding follow each other, so that combining
//! them takes no kernel; so do those of a window.

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

impl PatchInput {
    /// The input for a picture whose sides are multiples of an embedding's, as a projector of pictures takes it.
    pub fn new(
        picture: &Picture,
        (config, pictures): (&ProjectorConfig, &PictureConfig),
        tables: &PatchTables,
    ) -> Self {
        let [columns, rows] = picture.size().map(|side| side / config.patch);
        let (places, window_ends) = places([columns, rows].map(|count| count / config.merge), config);
        let (merge, merged_columns) = (config.merge, columns / config.merge);
        let patches_of = |place: &u32| {
            let [left, top] = [place % merged_columns * merge, place / merged_columns * merge];
            (0..merge * merge).map(move |offset| [left + offset % merge, top + offset / merge])
        };
        let grid: Vec<Size> = places.iter().flat_map(patches_of).collect();
        let mut input = Self {
            patches: grid.iter().flat_map(|place| patch(picture, *place, (config.patch, pictures))).collect(),
            added: added(&grid, [columns, rows], config, tables),
            angles: grid.iter().flat_map(|[column, row]| config.angles(*row, *column)).collect(),
            windows: windows(&window_ends, config.merged_rows()),
            places,
            columns: merged_columns,
        };
        if config.rope.is_none() {
            input.angles.truncate(1);
        }
        if config.has_class {
            input.patches.resize(input.patches.len() + config.patch_len().next_multiple_of(32) as usize, 0.0);
        }
        input
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

/// The colours of a patch, normalised: `[3][patch][patch]`, padded.
fn patch(picture: &Picture, [column, row]: Size, (side, pictures): (u32, &PictureConfig)) -> Vec<f32> {
    let len = (3 * side * side).next_multiple_of(32) as usize;
    let (side, width) = (side as usize, picture.size()[0] as usize);
    let (top, left) = (row as usize * side, column as usize * side);
    let mut values = Vec::with_capacity(len);
    for colour in 0..3 {
        let (mean, deviation) = (pictures.mean[colour], pictures.deviation[colour]);
        for line in top..top + side {
            let pixels = &picture.rgb()[3 * (line * width + left)..][..3 * side];
            let own = pixels.iter().skip(colour).step_by(3);
            values.extend(own.map(|byte| (f32::from(*byte) / 255.0 - mean) / deviation));
        }
    }
    values.resize(len, 0.0);
    values
}

/// The sum of position embedding and bias of each patch, and the class after them.
fn added(grid: &[Size], size: Size, config: &ProjectorConfig, tables: &PatchTables) -> Vec<f32> {
    let width = config.width as usize;
    let table = positions(size, config, tables);
    let mut added = Vec::with_capacity((grid.len() + 1) * width);
    for [column, row] in grid {
        let at = (row * size[0] + column) as usize * width;
        let position = table.get(at..at + width).unwrap_or_default();
        let bias = tables.bias.iter().copied().chain(std::iter::repeat(0.0));
        let position = position.iter().copied().chain(std::iter::repeat(0.0));
        added.extend(bias.zip(position).take(width).map(|(bias, position)| bias + position));
    }
    if config.has_class {
        let last = tables.positions.len().saturating_sub(width);
        let position = tables.positions[last..].iter().copied().chain(std::iter::repeat(0.0));
        added.extend(tables.class.iter().zip(position).map(|(class, position)| class + position));
    }
    added
}

/// The position embeddings of a grid: `[rows][columns][width]`, or empty.
fn positions([columns, rows]: Size, config: &ProjectorConfig, tables: &PatchTables) -> Vec<f32> {
    let width = config.width as usize;
    if config.positions == PatchPositions::Summed {
        let (by_column, by_row) = tables.positions.split_at(tables.positions.len() / 2);
        let sum = |(row, column): (&[f32], &[f32])| row.iter().zip(column).map(|(a, b)| a + b).collect::<Vec<_>>();
        let pairs = by_row
            .chunks_exact(width)
            .take(rows as usize)
            .flat_map(|row| by_column.chunks_exact(width).take(columns as usize).map(move |column| (row, column)));
        return pairs.flat_map(sum).collect();
    }
    let side = ((tables.positions.len() / width) as u32).isqrt();
    if tables.positions.is_empty() || config.positions == PatchPositions::Fixed || [columns, rows] == [side; 2] {
        return tables.positions.clone();
    }
    let weights = |to: u32| weights(config.positions, side, to);
    // Rows first: they are `[side * width]` long.
    let tall = resampled(&tables.positions, &weights(rows), 1, side as usize * width);
    resampled(&tall, &weights(columns), rows as usize, width)
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
            let mut sums = vec![0.0; len];
            for (input, weight) in inputs {
                sums.iter_mut().zip(&part[input * len..][..len]).for_each(|(sum, value)| *sum += weight * value);
            }
            result.extend(sums);
        }
    }
    result
}
