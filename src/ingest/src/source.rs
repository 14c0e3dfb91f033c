//! Where flow logs are read from.

pub(crate) mod growing;
pub mod layout;
pub mod objects;
pub mod whole;

pub use layout::Layout;
pub use objects::Objects;
pub use whole::whole;
