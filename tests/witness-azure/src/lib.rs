//! Nothing: the witness is in `tests/models.rs`.
