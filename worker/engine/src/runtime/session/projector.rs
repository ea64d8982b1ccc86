//! A loaded projector: from a picture to what stands for it in a prompt.

use std::collections::HashMap;
use std::sync::Arc;

use super::model::Model;
use super::prompt::{EmbeddingSpan, Span};
use crate::chat::Chat;
use crate::error::{EngineError, Result};
use crate::models::{BREAK, CLASS, PATCH_BIAS, POSITIONS, Position, ProjectorConfig, ProjectorPlan};
use crate::runtime::backend::{Tower, TowerOutput};
use crate::runtime::device::Device;
use crate::runtime::measuring::{Profile, SelfTest, Verdict};
use crate::vision::{Cut, PatchGrid, PatchInput, PatchTables, Picture, Size, check_size};

/// A part of what stands for a picture in a prompt.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Control tokens.
    Tokens(Vec<u32>),
    /// Embeddings of the picture, or of a square of it.
    Embeddings(EmbeddingSpan),
}

impl Part {
    /// The part as a span of a prompt.
    pub fn span(&self) -> Span<'_> {
        match self {
            Self::Tokens(ids) => Span::Tokens(ids),
            Self::Embeddings(span) => Span::Embeddings(span),
        }
    }
}

/// A projector in memory.
pub struct Projector {
    device: Device,
    config: ProjectorConfig,
    id: u64,
    weight_bytes: u64,
    /// The most pixels of a part of a picture for which the device has room.
    max_pixels: u32,
    tables: PatchTables,
    /// That of the last part of a picture: squares, and often pictures, have the same size.
    grid: Option<Arc<PatchGrid>>,
    /// What follows a row of embeddings: `[embedding_len]`, or empty.
    row_break: Vec<f32>,
    tower: Box<dyn Tower>,
}

impl Projector {
    /// `host` has the tensors that stay on the host.
    pub(in crate::runtime) fn new(
        device: Device,
        (config, plan): (ProjectorConfig, ProjectorPlan),
        tower: Box<dyn Tower>,
        mut host: HashMap<String, Vec<f32>>,
    ) -> Self {
        let mut take = |name: &str| host.remove(name).unwrap_or_default();
        let rows = plan.max_rows(&config, device.limits().max_binding_bytes);
        let (positions, bias, class) = (take(POSITIONS), take(PATCH_BIAS), take(CLASS));
        let mut tables = PatchTables { positions, bias, class };
        tables.shrink(&config);
        let weight_bytes = plan.weights.len_bytes();
        Self {
            id: id(&config.name, weight_bytes, &tables),
            weight_bytes,
            max_pixels: rows.saturating_mul(config.patch.pow(2)),
            tables,
            grid: None,
            row_break: take(BREAK),
            device,
            config,
            tower,
        }
    }

    /// Its name, from `general.name`.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Tells it from other projectors, whose embeddings of a picture are others: by its name, its size, and the weights that
    /// are on the host, in which fine-tuned towers differ.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The hyperparameters.
    pub fn config(&self) -> &ProjectorConfig {
        &self.config
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Size of the weights in bytes.
    pub fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    /// Checks that it belongs to a model.
    ///
    /// # Errors
    /// [`EngineError::WrongProjector`].
    pub fn check(&self, model: &Model) -> Result<()> {
        self.config.check_for(model.config())
    }

    /// Like [`Model::self_test`].
    ///
    /// # Errors
    /// As [`Model::self_test`].
    pub async fn self_test(&mut self) -> Result<SelfTest> {
        let wrong = self.tower.wrong_kernels().await?;
        if wrong.is_empty() {
            return Ok(SelfTest { verdict: Verdict::Sound, wrong });
        }
        self.make_plain();
        let is_plain_right = self.tower.wrong_kernels().await?.is_empty();
        Ok(SelfTest { verdict: if is_plain_right { Verdict::Plain } else { Verdict::Wrong }, wrong })
    }

    /// Like [`Model::make_plain`].
    pub fn make_plain(&mut self) {
        self.tower.make_plain();
    }

    /// Like [`Model::kernels_id`].
    ///
    /// # Errors
    /// As [`Model::kernels_id`].
    pub async fn kernels_id(&mut self) -> Result<u64> {
        self.tower.kernels_id().await
    }

    /// Number of tokens and embeddings in a prompt that stand for a picture of `width` by `height` pixels.
    ///
    /// # Errors
    /// [`EngineError::Prompt`] if it is too large, or [`EngineError::Tokenizer`].
    pub fn token_count(&self, chat: &Chat, width: u32, height: u32) -> Result<usize> {
        check_size([width, height])?;
        let cut = self.cut([width, height]);
        let parts = cut.sizes().map(|size| self.embedding_count(size));
        Ok(parts.sum::<usize>() + self.markers(&cut, chat)?.iter().map(Vec::len).sum::<usize>())
    }

    /// What stands for a picture in a prompt of the model whose tokens `chat` knows. `id` identifies the picture, as a
    /// digest does: equal parts are reused in the KV cache.
    ///
    /// `on_progress` is called with (layers done, layers in total) and returns whether to continue.
    ///
    /// # Errors
    /// [`EngineError::Interrupted`] if `on_progress` returned `false`, [`EngineError::Tokenizer`], or whatever the device
    /// reported.
    pub async fn encode(
        &mut self,
        chat: &Chat,
        picture: &Picture,
        id: u64,
        mut on_progress: impl FnMut(usize, usize) -> bool,
    ) -> Result<Vec<Part>> {
        let cut = self.cut(picture.size());
        let markers = self.markers(&cut, chat)?;
        let pictures = cut.parts(picture, &self.config.pictures);
        let (layers, count) = (self.config.layers as usize, pictures.len());
        let mut parts = Vec::new();
        for (index, (picture, before)) in pictures.iter().zip(&markers).enumerate() {
            let grid = self.grid(picture.size());
            let input = PatchInput::new(picture, &self.config, grid);
            let report = &mut |done: usize| on_progress(index * layers + done, count * layers);
            let output = self.tower.embeddings(&input, report).await?;
            // Squares of a picture differ by their place in it.
            let id = id.wrapping_add((index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            parts.push(Part::Tokens(before.clone()));
            parts.push(Part::Embeddings(self.span(id, &input.grid, output)));
        }
        if !on_progress(count * layers, count * layers) {
            return Err(EngineError::Interrupted);
        }
        parts.extend(markers.last().map(|after| Part::Tokens(after.clone())));
        parts.retain(|part| !matches!(part, Part::Tokens(ids) if ids.is_empty()));
        Ok(parts)
    }

    /// Times the tower's kernels on the part of a picture that was encoded last: medians of `runs` runs.
    ///
    /// # Errors
    /// [`EngineError::NoGpu`] if it is on the CPU or the GPU has no timestamps, [`EngineError::Prompt`] if nothing was
    /// encoded yet, or whatever the GPU reported.
    pub async fn profile(&self, runs: usize) -> Result<Profile> {
        self.tower.profile(runs).await
    }

    /// The grid of a part of a picture.
    fn grid(&mut self, size: Size) -> Arc<PatchGrid> {
        let known = self.grid.take().filter(|grid| grid.is_for(size, &self.config));
        let grid = known.unwrap_or_else(|| Arc::new(PatchGrid::new(size, &self.config, &self.tables)));
        Arc::clone(self.grid.insert(grid))
    }

    fn cut(&self, size: Size) -> Cut {
        Cut::new(&self.config.pictures, size, self.config.patch * self.config.merge, self.max_pixels)
    }

    /// Number of rows in a prompt for a part of a picture.
    fn embedding_count(&self, size: Size) -> usize {
        let [columns, rows] = size.map(|side| (side / (self.config.patch * self.config.merge)) as usize);
        let breaks = if self.row_break.is_empty() { 0 } else { rows.saturating_sub(1) };
        columns * rows + breaks
    }

    /// The control tokens before each part of a picture, and after the last one.
    fn markers(&self, cut: &Cut, chat: &Chat) -> Result<Vec<Vec<u32>>> {
        let markers = self.config.pictures.markers;
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

/// FNV-1a, of whole words.
fn id(name: &str, weight_bytes: u64, PatchTables { positions, bias, class }: &PatchTables) -> u64 {
    let floats = [positions, bias, class].into_iter().flatten().map(|float| u64::from(float.to_bits()));
    let words = name.bytes().map(u64::from).chain([weight_bytes]).chain(floats);
    words.fold(0xcbf2_9ce4_8422_2325, |hash, word| (hash ^ word).wrapping_mul(0x0100_0000_01b3))
}
