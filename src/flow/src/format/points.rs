//! The points that a reader met, so that a sink is asked once for each.

use rustc_hash::FxHashMap;

use crate::sink::PointId;

/// How many points are remembered; after that the table starts anew, and the sink is asked again.
const POINTS_MAX: usize = 1 << 16;

/// Points by the words that a log names them with.
#[derive(Debug, Default)]
pub(super) struct Points {
    known: FxHashMap<Box<[u8]>, PointId>,
    /// What is looked up; kept for its memory.
    key: Vec<u8>,
}

impl Points {
    /// The number of the point of some words, as many for each point of a log. `ask` asks the sink.
    #[inline]
    pub(super) fn number(&mut self, words: &[Option<&str>], ask: impl FnOnce() -> PointId) -> PointId {
        self.key.clear();
        for word in words {
            // With their lengths, no words run into each other. No word is so long that it is taken for none.
            let length = word.map_or(u32::MAX, |word| word.len() as u32);
            self.key.extend_from_slice(&length.to_ne_bytes());
            self.key.extend_from_slice(word.unwrap_or_default().as_bytes());
        }
        if let Some(&number) = self.known.get(self.key.as_slice()) {
            return number;
        }
        if self.known.len() >= POINTS_MAX {
            self.known.clear();
        }
        let number = ask();
        self.known.insert(self.key.as_slice().into(), number);
        number
    }
}
