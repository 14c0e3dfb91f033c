//! A simulated Google Cloud organisation: so far what Google's own documents say of the two interfaces.

pub mod discovery;
pub mod schema;

mod text;

pub use schema::{Complaint, Problem};
