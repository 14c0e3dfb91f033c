//! Queries over summaries: what is chosen, summed by what, sorted how, which page of it.
//!
//! ```text
//! words ─word─▶ Query ─filter─▶ rows ─group─▶ sums ─sort, page─▶ Table ─render─▶ text, JSON, CSV
//! ```
//!
//! Ask over [`Summaries::merged`](crate::Summaries::merged), or flows that both ends saw count twice.
//!
//! Summaries do not have the addresses of workloads: their ends are labels and network. A query by address finds ends
//! that nobody known holds and, where [`Known::holders`] is given, workloads with the labels of who holds the address;
//! the notes of the [`Table`] say which.

mod filter;
mod group;
mod key;
mod name;
mod page;
mod render;
mod table;
mod word;

pub use filter::{Held, HoldersOf, Known, select};
pub(crate) use group::add;
pub use group::{Request, run};
pub use key::{By, NotAKey, NotASort, SORT_WORDS, Sort};
pub(crate) use name::telling_names;
pub use page::{NotAToken, Token};
pub(crate) use render::block_text;
pub use table::{Cell, Column, Table};
pub use word::{At, Condition, EndIs, Query, ServiceIs, WORDS, Word, WordError};
