//! Plain CPU twins of the kernels: the simplest code that gives the right numbers, for tests and the self-test to compare with.

pub mod attention;
pub mod cache;
pub mod dequantize;
pub mod embed;
pub mod experts;
pub mod linear;
pub mod random;
pub mod repack;
pub mod sampling;
