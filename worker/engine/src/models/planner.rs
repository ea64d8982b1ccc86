//! Looks up tensors, checks their shapes, and decides how matrices are stacked and split.

use std::collections::HashSet;

use super::plan::{
    ArrangedPlan, Arrangement, ExpansionPlan, GateUpPlan, MatrixId, MatrixPlan, Product, Segment, VectorId, VectorPlan,
    WeightPlan,
};
use crate::error::{EngineError, Result};
use crate::gguf::{Gguf, KERNEL_BLOCK_LEN, Metadata, TensorType, stream_bytes};

/// Splits fall on multiples of this many rows, which fill whole words in every format.
pub(super) const SPLIT_ROWS: u32 = 8;

/// Collects the matrices and vectors of a model.
pub(super) struct Planner<'a> {
    gguf: &'a Gguf,
    max_binding_bytes: u64,
    pub(super) weights: WeightPlan,
    known: HashSet<String>,
}

impl<'a> Planner<'a> {
    /// # Errors
    /// If any tensor has an unsupported format. Checked first, so that this is the reason given.
    pub(super) fn new(gguf: &'a Gguf, max_binding_bytes: u64) -> Result<Self> {
        match gguf.tensors.iter().find(|tensor| matches!(tensor.tensor_type, TensorType::Other(_))) {
            None => Ok(Self { gguf, max_binding_bytes, weights: WeightPlan::default(), known: HashSet::new() }),
            Some(tensor) => {
                Err(EngineError::UnsupportedFormat { tensor: tensor.name.clone(), format: tensor.tensor_type })
            }
        }
    }

    /// The file's metadata.
    pub(super) fn metadata(&self) -> &'a Metadata {
        &self.gguf.metadata
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.gguf.tensor(name).is_some()
    }

    /// Number of rows of a tensor, if the file has it.
    pub(super) fn rows(&self, name: &str) -> Option<u64> {
        self.gguf.tensor(name).map(crate::gguf::TensorInfo::rows)
    }

    /// A vector of `len` floats.
    pub(super) fn vector(&mut self, name: String, len: u32) -> Result<VectorId> {
        self.vectors_of(&[(name, len)])
    }

    /// A vector of `len` floats, if the file has it.
    pub(super) fn optional_vector(&mut self, name: String, len: u32) -> Result<Option<VectorId>> {
        self.has(&name).then(|| self.vector(name, len)).transpose()
    }

    /// Several vectors, concatenated.
    pub(super) fn vectors_of(&mut self, parts: &[(String, u32)]) -> Result<VectorId> {
        for (name, len) in parts {
            self.floats(name, 1, *len)?;
        }
        Ok(self.add_vector(parts.iter().map(|(name, len)| (Some(name.clone()), *len)).collect()))
    }

    /// Several vectors, concatenated; those that the file lacks are zeros.
    pub(super) fn optional_vectors_of(&mut self, parts: &[(String, u32)]) -> Result<VectorId> {
        let mut tensors = Vec::new();
        for (name, len) in parts {
            let has = self.has(name);
            if has {
                self.floats(name, 1, *len)?;
            }
            tensors.push((has.then(|| name.clone()), *len));
        }
        Ok(self.add_vector(tensors))
    }

    /// A vector of `len` floats, which the file may have as a row or as a column.
    pub(super) fn elements(&mut self, name: String, len: u32) -> Result<VectorId> {
        let is_column = self.tensor(&name)?.cols() == 1;
        let (rows, cols) = if is_column { (len, 1) } else { (1, len) };
        self.floats(&name, rows, cols)?;
        Ok(self.add_vector(vec![(Some(name), len)]))
    }

    /// A table of floats that kernels read as one vector, in row-major order.
    pub(super) fn table(&mut self, name: String, rows: u32, cols: u32) -> Result<VectorId> {
        self.floats(&name, rows, cols)?;
        Ok(self.add_vector(vec![(Some(name), rows * cols)]))
    }

    /// Checks that a tensor has this shape and is F32.
    fn floats(&mut self, name: &str, rows: u32, cols: u32) -> Result<()> {
        match self.checked(name, rows, cols)? {
            TensorType::F32 => Ok(()),
            format => Err(EngineError::UnsupportedFormat { tensor: name.to_owned(), format }),
        }
    }

    fn add_vector(&mut self, tensors: Vec<(Option<String>, u32)>) -> VectorId {
        self.weights.vectors.push(VectorPlan { tensors });
        VectorId(self.weights.vectors.len() - 1)
    }

    /// Ignores tensors whose names start with `prefix`.
    pub(super) fn ignore(&mut self, prefix: &str) {
        self.ignore_where(|name| name.starts_with(prefix));
    }

    /// Ignores tensors by their names.
    pub(super) fn ignore_where(&mut self, is_ignored: impl Fn(&str) -> bool) {
        let names = self.gguf.tensors.iter().map(|tensor| &tensor.name).filter(|name| is_ignored(name));
        let names: Vec<String> = names.cloned().collect();
        self.known.extend(names.iter().cloned());
        self.weights.ignored.extend(names);
    }

    /// A vector that stays on the host, if the file has it. Returns its name.
    pub(super) fn optional_host_vector(&mut self, name: &str, len: u32) -> Result<Option<String>> {
        if !self.has(name) {
            return Ok(None);
        }
        self.checked(name, 1, len)?;
        self.weights.host.push(name.to_owned());
        Ok(Some(name.to_owned()))
    }

    /// A matrix of `cols` columns that stays on the host. Returns its number of rows.
    pub(super) fn host_matrix(&mut self, name: &str, cols: u32) -> Result<u32> {
        let rows = u32::try_from(self.tensor(name)?.rows()).unwrap_or(u32::MAX);
        self.checked(name, rows, cols)?;
        if rows == 0 {
            return Err(EngineError::malformed(format!("the tensor “{name}” has no rows")));
        }
        self.weights.host.push(name.to_owned());
        Ok(rows)
    }

    /// A matrix, split between rows if it exceeds a binding.
    pub(super) fn matrix(&mut self, name: String, rows: u32, cols: u32) -> Result<Product> {
        let segment = self.segment(name, rows, cols)?;
        self.stack(&[segment], cols, SPLIT_ROWS)
    }

    /// The matrix of a convolution, whose tensor is `[rows][channels][taps]`. Its rows are padded to whole blocks.
    pub(super) fn convolution(&mut self, name: String, rows: u32, [channels, taps]: [u32; 2]) -> Result<Product> {
        let tensor = self.tensor(&name)?;
        let shape = [taps, channels, rows].map(u64::from);
        if tensor.dimensions != shape {
            let message = format!("the tensor “{name}” is {:?}, but {shape:?} is expected", tensor.dimensions);
            return Err(EngineError::malformed(message));
        }
        let (cols, tensor_type) = (channels * taps, tensor.tensor_type);
        if !cols.is_multiple_of(KERNEL_BLOCK_LEN as u32) {
            return Ok(vec![self.arranged(name, [rows, cols], Arrangement::Rows)?]);
        }
        if tensor_type.block_len() > 1 {
            return Err(EngineError::UnsupportedFormat { tensor: name, format: tensor_type });
        }
        self.known.insert(name.clone());
        let segment = Segment { tensor: name, first_row: 0, rows };
        if rows > self.max_rows(tensor_type, cols) {
            return Err(self.too_large(&segment, tensor_type, cols));
        }
        Ok(vec![self.add(MatrixPlan { segments: vec![segment], tensor_type, rows, cols, first_row: 0 })])
    }

    /// All rows of a tensor, after checking its shape.
    pub(super) fn segment(&mut self, tensor: String, rows: u32, cols: u32) -> Result<Segment> {
        self.checked(&tensor, rows, cols)?;
        Ok(Segment { tensor, first_row: 0, rows })
    }

    /// Stacks matrices that share an input: into one matrix if their formats match and a binding is large enough,
    /// otherwise into several. Splits fall on multiples of `unit_rows` rows.
    pub(super) fn stack(&mut self, segments: &[Segment], cols: u32, unit_rows: u32) -> Result<Product> {
        let mut product = Product::new();
        let mut first_row = 0;
        for segment in segments {
            let tensor_type = self.checked_segment(segment, cols)?;
            let max_rows = self.max_rows(tensor_type, cols) / unit_rows * unit_rows;
            if max_rows == 0 {
                return Err(self.too_large(segment, tensor_type, cols));
            }
            let last = product.last().map(|id: &MatrixId| &mut self.weights.matrices[id.0]);
            let fits = last.filter(|last| {
                last.tensor_type == tensor_type
                    && u64::from(last.rows) * u64::from(cols / 32) % 8 == 0
                    && last.rows.checked_add(segment.rows).is_some_and(|rows| rows <= max_rows)
            });
            if let Some(last) = fits {
                last.rows += segment.rows;
                last.segments.push(segment.clone());
                first_row += segment.rows;
                continue;
            }
            for start in (0..segment.rows).step_by(max_rows as usize) {
                let rows = max_rows.min(segment.rows - start);
                let part = Segment { tensor: segment.tensor.clone(), first_row: segment.first_row + start, rows };
                product.push(self.add(MatrixPlan { segments: vec![part], tensor_type, rows, cols, first_row }));
                first_row += rows;
            }
        }
        Ok(product)
    }

    /// Stacks gate and up projections in matrices that contain the same rows of both; `None` if their formats differ.
    fn paired(&mut self, gate: &Segment, up: &Segment, cols: u32) -> Result<Option<Product>> {
        let tensor_type = self.checked_segment(gate, cols)?;
        let is_aligned = u64::from(gate.rows) * u64::from(cols / 32) % 8 == 0;
        if tensor_type != self.checked_segment(up, cols)? || !is_aligned {
            return Ok(None);
        }
        let max_rows = self.max_rows(tensor_type, cols) / 2 / SPLIT_ROWS * SPLIT_ROWS;
        if max_rows == 0 {
            return Err(self.too_large(gate, tensor_type, cols));
        }
        let mut product = Product::new();
        for start in (0..gate.rows).step_by(max_rows as usize) {
            let rows = max_rows.min(gate.rows - start);
            let part = |of: &Segment| Segment { tensor: of.tensor.clone(), first_row: of.first_row + start, rows };
            let segments = vec![part(gate), part(up)];
            product.push(self.add(MatrixPlan { segments, tensor_type, rows: 2 * rows, cols, first_row: start }));
        }
        Ok(Some(product))
    }

    /// The same for `count` experts, each with its rows of both; `None` also if a binding is too small.
    pub(super) fn paired_experts(
        &mut self,
        [gate, up]: [&Segment; 2],
        count: u32,
        cols: u32,
    ) -> Result<Option<MatrixId>> {
        let tensor_type = self.checked_segment(gate, cols)?;
        let own_rows = gate.rows / count;
        let is_aligned = u64::from(own_rows) * u64::from(cols / 32) % 8 == 0;
        let rows = gate.rows.checked_mul(2).filter(|rows| *rows <= self.max_rows(tensor_type, cols));
        let Some(rows) = rows.filter(|_| is_aligned) else { return Ok(None) };
        if tensor_type != self.checked_segment(up, cols)? {
            return Ok(None);
        }
        let part = |of: &Segment, expert: u32| Segment {
            tensor: of.tensor.clone(),
            first_row: expert * own_rows,
            rows: own_rows,
        };
        let segments = (0..count).flat_map(|expert| [part(gate, expert), part(up, expert)]).collect();
        Ok(Some(self.add(MatrixPlan { segments, tensor_type, rows, cols, first_row: 0 })))
    }

    /// Gate and up projections, stacked if possible. Gates that are cut off must be apart.
    pub(super) fn gate_up(&mut self, gate: Segment, up: Segment, cols: u32, cutoff: Option<f32>) -> Result<GateUpPlan> {
        let paired = if cutoff.is_none() { self.paired(&gate, &up, cols)? } else { None };
        if let Some(product) = paired {
            return Ok(GateUpPlan::Paired(product));
        }
        let [gate, up] = [gate, up].map(|segment| self.stack(&[segment], cols, SPLIT_ROWS));
        Ok(GateUpPlan::Apart { gate: gate?, up: up?, cutoff })
    }

    /// A matrix that must not be split.
    pub(super) fn whole(&mut self, name: String, rows: u32, cols: u32) -> Result<MatrixId> {
        if let [id] = self.matrix(name.clone(), rows, cols)?.as_slice() {
            return Ok(*id);
        }
        let segment = Segment { tensor: name, first_row: 0, rows };
        let tensor_type = self.checked_segment(&segment, cols)?;
        Err(self.too_large(&segment, tensor_type, cols))
    }

    /// The matrices for the keys and for the values of `heads` heads, which one tensor has together, see
    /// [`ExpansionPlan`].
    pub(super) fn expansion(
        &mut self,
        tensor: String,
        heads: u32,
        [key_rows, value_rows]: [u32; 2],
        cols: u32,
    ) -> Result<(MatrixId, MatrixId)> {
        self.checked(&tensor, heads * (key_rows + value_rows), cols)?;
        let f16 =
            |rows, cols| MatrixPlan { segments: Vec::new(), tensor_type: TensorType::F16, rows, cols, first_row: 0 };
        let keys = self.add(f16(heads * cols, key_rows));
        let values = self.add(f16(heads * value_rows, cols));
        self.weights.expansions.push(ExpansionPlan { tensor, heads, key_rows, value_rows, cols, keys, values });
        Ok((keys, values))
    }

    /// A matrix whose columns are padded to whole blocks, from a tensor of floats in some order, see [`ArrangedPlan`].
    pub(super) fn arranged(
        &mut self,
        name: String,
        [rows, cols]: [u32; 2],
        arrangement: Arrangement,
    ) -> Result<MatrixId> {
        let tensor = self.tensor(&name)?;
        let tensor_type = match tensor.tensor_type {
            TensorType::F16 => TensorType::F16,
            TensorType::F32 | TensorType::BF16 => TensorType::F32,
            format => return Err(EngineError::UnsupportedFormat { tensor: name, format }),
        };
        let count = tensor.cols().checked_mul(tensor.rows());
        if count != Some(u64::from(rows) * u64::from(cols)) {
            return Err(misshapen(tensor, rows.into(), cols));
        }
        let padded = cols.next_multiple_of(32);
        if stream_bytes(tensor_type, rows, padded).largest() > self.max_binding_bytes {
            return Err(self.too_large(&Segment { tensor: name, first_row: 0, rows }, tensor_type, padded));
        }
        self.known.insert(name.clone());
        let matrix = self.add(MatrixPlan { segments: Vec::new(), tensor_type, rows, cols: padded, first_row: 0 });
        self.weights.arranged.push(ArrangedPlan { tensor: name, matrix, rows, cols, arrangement });
        Ok(matrix)
    }

    /// Checks that no tensor of the file is unknown: the model would be computed wrongly without it.
    pub(super) fn check_complete(&self, architecture: &str) -> Result<()> {
        match self.gguf.tensors.iter().find(|tensor| !self.known.contains(&tensor.name)) {
            Some(unknown) => Err(EngineError::UnsupportedArchitecture(format!(
                "{architecture} with the extra tensor {}",
                unknown.name
            ))),
            None => Ok(()),
        }
    }

    fn add(&mut self, matrix: MatrixPlan) -> MatrixId {
        self.weights.matrices.push(matrix);
        MatrixId(self.weights.matrices.len() - 1)
    }

    /// Maximum number of rows of `cols` columns in a binding.
    fn max_rows(&self, tensor_type: TensorType, cols: u32) -> u32 {
        let row_bytes = stream_bytes(tensor_type, SPLIT_ROWS, cols).largest().div_ceil(u64::from(SPLIT_ROWS)).max(1);
        u32::try_from(self.max_binding_bytes / row_bytes).unwrap_or(u32::MAX)
    }

    fn too_large(&self, segment: &Segment, tensor_type: TensorType, cols: u32) -> EngineError {
        EngineError::TooLarge(format!(
            "the tensor “{}” needs {} MiB, but this device supports at most {} MiB per binding",
            segment.tensor,
            stream_bytes(tensor_type, segment.rows, cols).largest() >> 20,
            self.max_binding_bytes >> 20
        ))
    }

    /// Checks a range of a tensor's rows; several ranges may make up one tensor.
    fn checked_segment(&mut self, segment: &Segment, cols: u32) -> Result<TensorType> {
        let tensor = self.tensor(&segment.tensor)?;
        let end = u64::from(segment.first_row) + u64::from(segment.rows);
        if tensor.cols() != u64::from(cols) || tensor.rows() < end {
            return Err(misshapen(tensor, end, cols));
        }
        let tensor_type = tensor.tensor_type;
        self.known.insert(segment.tensor.clone());
        Ok(tensor_type)
    }

    /// Checks a whole tensor.
    fn checked(&mut self, name: &str, rows: u32, cols: u32) -> Result<TensorType> {
        let tensor = self.tensor(name)?;
        if tensor.cols() != u64::from(cols) || tensor.rows() != u64::from(rows) {
            return Err(misshapen(tensor, rows.into(), cols));
        }
        let tensor_type = tensor.tensor_type;
        self.known.insert(name.to_owned());
        Ok(tensor_type)
    }

    fn tensor(&self, name: &str) -> Result<&'a crate::gguf::TensorInfo> {
        self.gguf.require_tensor(name)
    }
}

fn misshapen(tensor: &crate::gguf::TensorInfo, rows: u64, cols: u32) -> EngineError {
    EngineError::malformed(format!(
        "the tensor “{}” is {} by {}, but {rows} by {cols} is expected",
        tensor.name,
        tensor.rows(),
        tensor.cols()
    ))
}
