//! The sight of a projector: from a picture to what stands for it in a prompt.

use std::collections::HashMap;
use std::sync::Arc;

use super::prompt::{EmbeddingSpan, Part};
use crate::chat::Chat;
use crate::error::{EngineError, Result};
use crate::models::{BREAK, CLASS, PATCH_BIAS, POSITIONS, PictureConfig, Position, ProjectorConfig, ProjectorPlan};
use crate::runtime::backend::{Tower, TowerInput, TowerOutput};
use crate::vision::{Cut, PatchGrid, PatchInput, PatchTables, Picture, Size, check_size};

/// A projector of pictures.
pub(super) struct Sight {
    pub(super) config: ProjectorConfig,
    pictures: PictureConfig,
    /// The most pixels of a part of a picture for which the device has room.
    max_pixels: u32,
    tables: PatchTables,
    /// That of the last part of a picture: squares, and often pictures, have the same size.
    grid: Option<Arc<PatchGrid>>,
    /// What follows a row of embeddings: `[embedding_len]`, or empty.
    row_break: Vec<f32>,
    pub(super) tower: Box<dyn Tower>,
}

impl Sight {
    /// `host` has the tensors that stay on the host.
    pub(super) fn new(
        (config, plan): (ProjectorConfig, &ProjectorPlan),
        pictures: PictureConfig,
        tower: Box<dyn Tower>,
        max_binding_bytes: u64,
        host: &mut HashMap<String, Vec<f32>>,
    ) -> Self {
        let mut take = |name: &str| host.remove(name).unwrap_or_default();
        let rows = plan.max_rows(&config, max_binding_bytes);
        let (positions, bias, class) = (take(POSITIONS), take(PATCH_BIAS), take(CLASS));
        let mut tables = PatchTables { positions, bias, class };
        tables.shrink(&config, &pictures);
        let max_pixels = rows.saturating_mul(config.patch.pow(2));
        Self { max_pixels, tables, grid: None, row_break: take(BREAK), config, pictures, tower }
    }

    /// Tables of the host, in which fine-tuned towers differ.
    pub(super) fn tables(&self) -> impl Iterator<Item = &f32> {
        let PatchTables { positions, bias, class } = &self.tables;
        positions.iter().chain(bias).chain(class)
    }

    /// Number of tokens and embeddings in a prompt that stand for a picture of `width` by `height` pixels.
    ///
    /// # Errors
    /// [`EngineError::Prompt`] if it is too large, or [`EngineError::Tokenizer`].
    pub(super) fn token_count(&self, chat: &Chat, width: u32, height: u32) -> Result<usize> {
        check_size([width, height])?;
        let cut = self.cut([width, height]);
        let parts = cut.sizes().map(|size| self.embedding_count(size));
        Ok(parts.sum::<usize>() + self.markers(&cut, chat)?.iter().map(Vec::len).sum::<usize>())
    }

    /// What stands for a picture in a prompt, as `Projector::encode`.
    pub(super) async fn encode(
        &mut self,
        chat: &Chat,
        picture: &Picture,
        id: u64,
        mut on_progress: impl FnMut(usize, usize) -> bool,
    ) -> Result<Vec<Part>> {
        let cut = self.cut(picture.size());
        let markers = self.markers(&cut, chat)?;
        let pictures = cut.parts(picture, &self.pictures);
        let (layers, count) = (self.config.layers as usize, pictures.len());
        let mut parts = Vec::new();
        for (index, (picture, before)) in pictures.iter().zip(&markers).enumerate() {
            let grid = self.grid(picture.size());
            let input = PatchInput::new(picture, (&self.config, &self.pictures), grid);
            let report = &mut |done: usize| on_progress(index * layers + done, count * layers);
            let output = self.tower.embeddings(&TowerInput::from(&input), report).await?;
            parts.push(Part::Tokens(before.clone()));
            parts.push(Part::Embeddings(self.span(Part::id(id, index), &input.grid, output)));
        }
        if !on_progress(count * layers, count * layers) {
            return Err(EngineError::Interrupted);
        }
        parts.extend(markers.last().map(|after| Part::Tokens(after.clone())));
        parts.retain(|part| !part.is_empty());
        Ok(parts)
    }

    /// The grid of a part of a picture.
    fn grid(&mut self, size: Size) -> Arc<PatchGrid> {
        let known = self.grid.take().filter(|grid| grid.is_for(size, &self.config));
        let grid = known.unwrap_or_else(|| Arc::new(PatchGrid::new(size, &self.config, &self.tables)));
        Arc::clone(self.grid.insert(grid))
    }

    fn cut(&self, size: Size) -> Cut {
        Cut::new(&self.pictures, size, self.config.patch * self.config.merge, self.max_pixels)
    }

    /// Number of rows in a prompt for a part of a picture.
    fn embedding_count(&self, size: Size) -> usize {
        let [columns, rows] = size.map(|side| (side / (self.config.patch * self.config.merge)) as usize);
        let breaks = if self.row_break.is_empty() { 0 } else { rows.saturating_sub(1) };
        columns * rows + breaks
    }

    /// The control tokens before each part of a picture, and after the last one.
    fn markers(&self, cut: &Cut, chat: &Chat) -> Result<Vec<Vec<u32>>> {
        let markers = self.pictures.markers;
        let mut texts = vec![vec![markers.before.to_owned()]];
        if let Some(squares) = cut.squares {
            let [columns, rows] = squares.grid;
            for (row, column) in (1..=rows).flat_map(|row| (1..=columns).map(move |column| (row, column))) {
                let tile = markers.tile.replace("{row}", &row.to_string()).replace("{column}", &column.to_string());
                // The text continues what follows the square before.
                let last = texts.len() - 1;
                texts[last].push(tile);
                let end = if column == columns && row < rows { markers.row_end } else { "" };
                texts.push(vec![end.to_owned()]);
            }
            let last = texts.len() - 1;
            texts[last].push(markers.overview[0].to_owned());
        }
        let overview_end = if cut.squares.is_some() { markers.overview[1] } else { "" };
        texts.push(vec![overview_end.to_owned(), markers.after.to_owned()]);
        let encode = |texts: &Vec<String>| -> Result<Vec<u32>> {
            let ids = texts.iter().filter(|text| !text.is_empty()).map(|text| chat.tokenizer().encode(text));
            Ok(ids.collect::<Result<Vec<_>>>()?.concat())
        };
        texts.iter().map(encode).collect()
    }

    /// Embeddings of a part, row by row, as a span.
    fn span(&self, id: u64, grid: &PatchGrid, output: TowerOutput) -> EmbeddingSpan {
        let (len, count, places) = (self.config.embedding_len as usize, grid.places.len(), &grid.places);
        let mut rows = in_order(output.rows, places);
        let deepstack = in_order(output.deepstack, places);
        if !self.row_break.is_empty() {
            rows = rows.chunks(grid.columns as usize * len).collect::<Vec<_>>().join(&self.row_break[..]);
        }
        let place = |index: u32| [0, index / grid.columns, index % grid.columns];
        let positions: Vec<Position> =
            if self.config.grid { (0..count as u32).map(place).collect() } else { Vec::new() };
        let longer = grid.columns.max(count as u32 / grid.columns);
        let position_len = if self.config.grid { longer } else { (rows.len() / len) as u32 };
        EmbeddingSpan { id, rows, deepstack, positions, position_len, two_way: self.config.two_way }
    }
}

/// Rows of equal length that belong at these places, in order; none if there are none.
fn in_order(rows: Vec<f32>, places: &[u32]) -> Vec<f32> {
    if places.iter().copied().eq(0..places.len() as u32) {
        return rows;
    }
    let len = rows.len() / places.len();
    let mut ordered = vec![0.0; rows.len()];
    for (index, place) in places.iter().enumerate() {
        ordered[*place as usize * len..][..len].copy_from_slice(&rows[index * len..][..len]);
    }
    ordered
}
