//! Test inputs and expected results of what happens to rows.

use super::bench::{BEFORE, Bench};
use super::layers::{read, written};
use super::references::TOKENS;
use crate::kernels::Grid;
use crate::kernels::rows::{AddRows, Clamp, MeanRows, gate_rows, reference};
use crate::models::Activation;

impl Bench<'_> {
    /// Tests the addition of parts of rows.
    pub(super) fn add_rows(&mut self, rows: &AddRows) {
        let [x, y] = [rows.stride, rows.len].map(|len| self.random.floats(TOKENS * len as usize));
        let scale = self.random.floats(if rows.scaled { rows.len as usize } else { 0 });
        let mut sums = y.clone();
        reference::add_rows(&mut sums, &x, &scale, rows);
        let mut variables = vec![read("x", &x), written("y", &y, &sums)];
        variables.extend(rows.scaled.then(|| read("scale", &scale)));
        self.compare((rows.shader(), Grid::TokensInX), TOKENS, &variables);
    }

    /// Tests the mean of rows.
    pub(super) fn mean_rows(&mut self, rows: &MeanRows) {
        let (len, count) = (rows.len as usize, rows.count as usize);
        let x = self.random.floats(TOKENS * count * len);
        let [means, factors] = [(); 2].map(|()| self.random.floats(len));
        let y = vec![BEFORE; TOKENS * len];
        let averages = reference::mean_rows(&x, rows, [&means, &factors]);
        let mut variables = vec![read("x", &x), written("y", &y, &averages)];
        if rows.standard {
            variables.extend([read("mean", &means), read("factor", &factors)]);
        }
        self.compare((rows.shader(), Grid::TokensInX), TOKENS, &variables);
    }

    /// Tests bounds.
    pub(super) fn clamp(&mut self, clamp: &Clamp) {
        let (x, bounds) = (self.random.floats(TOKENS * clamp.stride as usize), [-0.2, 0.5, -0.6, 0.1]);
        let mut bounded = x.clone();
        reference::clamp(&mut bounded, &bounds, clamp);
        let y = vec![BEFORE; x.len()];
        let mut variables = vec![read("bounds", &bounds)];
        if clamp.in_place {
            variables.push(written("y", &x, &bounded));
        } else {
            variables.extend([read("x", &x), written("y", &y, &bounded)]);
        }
        self.compare((clamp.shader(), Grid::TokensInX), TOKENS, &variables);
    }

    /// Tests gates.
    pub(super) fn gate_rows(&mut self, len: u32, activation: Activation) {
        let [x, y] = [(); 2].map(|()| self.random.floats(TOKENS * len as usize));
        let mut gated = y.clone();
        reference::gate_rows(&mut gated, &x, activation);
        self.compare((gate_rows(len, activation), Grid::TokensInX), TOKENS, &[read("x", &x), written("y", &y, &gated)]);
    }
}
