//! Whether what was read of a growing piece is still there: the bytes before the offset are remembered as a hash.

use std::sync::{Arc, Mutex};

use futures_util::{StreamExt, TryStreamExt};
use provider::ProviderError;

use super::PieceBytes;

/// Bytes that are compared.
pub(super) const TAIL_BYTES: u64 = 64;
/// Bytes that are kept to find them: a reader stops at most one line before the end.
const KEPT_BYTES: usize = (flow::format::LINE_BYTES_MAX + TAIL_BYTES as usize) * 2;

/// The last bytes of a stream. Shared with the stream, which a reader owns.
#[derive(Clone, Default)]
pub(super) struct Tail(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    /// Offset of the first kept byte.
    start: u64,
    /// All bytes that came.
    read: u64,
}

impl Tail {
    /// Watches a stream that begins at an offset.
    pub(super) fn watch(&self, start: u64, keep: bool, bytes: PieceBytes) -> PieceBytes {
        let tail = self.clone();
        tail.with(|kept| kept.start = start);
        bytes.inspect_ok(move |chunk| tail.with(|kept| kept.push(chunk, keep))).boxed()
    }

    /// Stored bytes that came.
    pub(super) fn read(&self) -> u64 {
        self.with(|kept| kept.read)
    }

    /// The hash of the bytes before an offset; empty if they are not known.
    pub(super) fn before(&self, offset: u64) -> String {
        self.with(|kept| {
            let end = usize::try_from(offset.saturating_sub(kept.start)).unwrap_or(usize::MAX);
            let first = end.saturating_sub(TAIL_BYTES as usize);
            match kept.bytes.get(first..end) {
                Some(bytes) if bytes.len() as u64 == TAIL_BYTES.min(offset) => hash(bytes),
                _ => String::new(),
            }
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> T {
        // Nothing in here panics, and a count is right at any time.
        act(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl Kept {
    fn push(&mut self, chunk: &[u8], keep: bool) {
        self.read += chunk.len() as u64;
        if !keep {
            return;
        }
        self.bytes.extend_from_slice(chunk);
        if self.bytes.len() > KEPT_BYTES * 2 {
            let gone = self.bytes.len() - KEPT_BYTES;
            self.bytes.drain(..gone);
            self.start += gone as u64;
        }
    }
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().get(..16).unwrap_or_default().to_owned()
}

/// Takes the remembered bytes off the start of a stream; nothing if they are others.
pub(super) async fn skip_same(
    mut bytes: PieceBytes,
    length: u64,
    expected: &str,
) -> Result<Option<PieceBytes>, ProviderError> {
    let length = length as usize;
    let mut head = Vec::new();
    while head.len() < length {
        match bytes.try_next().await? {
            Some(chunk) => head.extend_from_slice(&chunk),
            None => return Ok(None),
        }
    }
    let rest = head.split_off(length);
    if hash(&head) != expected {
        return Ok(None);
    }
    let rest = futures_util::stream::iter((!rest.is_empty()).then_some(Ok(rest)));
    Ok(Some(rest.chain(bytes).boxed()))
}
