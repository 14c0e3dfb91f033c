//! Files of logs as they grow: what is written where, and what a folder then holds.

use std::collections::BTreeMap;

/// Bytes that are written into a file or blob from an offset on; what was there is replaced, the file ends behind them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Written {
    /// The name in the bucket or container.
    pub key: String,
    /// Where the bytes begin: the length of the file, or less where its end is written anew.
    pub offset: u64,
    /// What is written.
    pub bytes: Vec<u8>,
}

/// What a folder holds after all of these.
pub fn gather(all: impl IntoIterator<Item = Written>) -> BTreeMap<String, Vec<u8>> {
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for one in all {
        let file = files.entry(one.key).or_default();
        file.truncate(usize::try_from(one.offset).unwrap_or(usize::MAX));
        file.extend(one.bytes);
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_later_replaces_the_end() {
        let of = |offset, text: &str| Written { key: "k".to_owned(), offset, bytes: text.into() };
        let files = gather([of(0, "[1]"), of(2, ",2]"), of(4, ",3]")]);
        assert_eq!(files.get("k").map(Vec::as_slice), Some(b"[1,2,3]".as_slice()));
    }
}
