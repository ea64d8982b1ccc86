//! Plain CPU twins of the kernels: the simplest code that gives the right numbers, for tests to compare with.

pub mod attention;
pub mod dequantize;
pub mod embed;
pub mod experts;
pub mod linear;
pub mod repack;
pub mod sampling;
