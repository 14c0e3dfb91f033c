//! Flow logs and summaries for the commands: which logs the configuration names, what exists, what was seen.

pub mod estate;
pub mod seen;
pub mod sources;
pub mod window;
