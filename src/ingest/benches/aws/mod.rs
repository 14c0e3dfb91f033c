//! What the benchmark of AWS text is made of.

pub mod engines;
pub mod generate;
pub mod product;
pub mod store;
pub mod sums;
