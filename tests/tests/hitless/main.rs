//! Hitless on the data plane: real driver, real SDK over HTTP, simulated cloud whose interfaces hear of each change
//! after their own delay.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod calm;
mod case;
mod change;
mod crashes;
mod crossing;
mod dark;
mod estate;
mod faults;
mod fear;
mod journal;
mod oracle;
mod packets;
mod shop;
mod tally;
mod unreadable;
mod watch;
