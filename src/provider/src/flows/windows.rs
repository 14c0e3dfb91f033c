//! Pieces of a log that is asked by time: CloudWatch Logs and Cloud Logging have entries, not objects.
//!
//! A window is read once, when it has been over for so long that what belongs to it has arrived. So each record is read
//! once without any memory of single entries. INVARIANT: windows follow each other without gap or overlap.

use flow::Format;

use crate::flows::{FlowCursor, Packing, Piece};

/// How a log is cut into windows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Windows {
    /// What the windows are of: the start of their keys.
    pub of: String,
    /// What is in them.
    pub format: Format,
    /// From when on the log is read, Unix seconds, where nothing was read before.
    pub since: i64,
    /// Width of a window in seconds.
    pub width_s: i64,
    /// How long after its end a window is complete, in seconds.
    pub settle_s: i64,
}

impl Windows {
    /// The windows that are complete at `now` and not yet read, oldest first, at most `max`.
    pub fn pieces(&self, cursor: &FlowCursor, now: i64, max: usize) -> Vec<Piece> {
        let width = self.width_s.max(1);
        // A process that was stopped for longer than it reads back at first goes on where it was.
        let first = if cursor.horizon > 0 { cursor.horizon } else { self.since };
        let first = first.div_euclid(width) * width;
        let complete = now.saturating_sub(self.settle_s);
        let starts = (0..).map(|step| first + step * width).take_while(|start| start + width <= complete);
        starts
            .map(|start| self.piece(start, start + width))
            .filter(|piece| !cursor.pieces.contains_key(&piece.key))
            .take(max)
            .collect()
    }

    fn piece(&self, start: i64, end: i64) -> Piece {
        Piece {
            key: format!("{}@{start}", self.of),
            version: String::new(),
            offset: 0,
            end: None,
            format: self.format.clone(),
            packing: Packing::Plain,
            modified: end,
        }
    }

    /// From when to when a piece of these windows is, Unix seconds; `None` if it is not one.
    pub fn span(&self, piece: &Piece) -> Option<(i64, i64)> {
        let start: i64 = piece.key.strip_prefix(&self.of)?.strip_prefix('@')?.parse().ok()?;
        Some((start, start + self.width_s.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flows::Progress;

    fn windows() -> Windows {
        let format = Format::GcpJsonLines;
        Windows { of: "p/log".to_owned(), format, since: 1_000, width_s: 300, settle_s: 60 }
    }

    fn starts(cursor: &FlowCursor, now: i64, max: usize) -> Vec<i64> {
        let windows = windows();
        windows
            .pieces(cursor, now, max)
            .iter()
            .filter_map(|p| windows.span(p))
            .map(|(start, _)| start)
            .collect()
    }

    #[test]
    fn a_window_is_read_when_it_is_complete() {
        let cursor = FlowCursor::default();
        assert_eq!(starts(&cursor, 1_259, 9), Vec::<i64>::new());
        assert_eq!(starts(&cursor, 1_260, 9), [900]);
        assert_eq!(starts(&cursor, 2_000, 9), [900, 1_200, 1_500]);
        assert_eq!(starts(&cursor, 2_000, 2), [900, 1_200]);
    }

    #[test]
    fn what_was_read_is_not_read_again() {
        let mut cursor = FlowCursor::default();
        let done = Progress { version: String::new(), offset: 7, modified: 1_500, tail: String::new() };
        cursor.pieces.insert("p/log@1200".to_owned(), done);
        assert_eq!(starts(&cursor, 2_000, 9), [900, 1_500]);
        // The horizon is the end of the last window that was forgotten.
        cursor.horizon = 1_500;
        assert_eq!(starts(&cursor, 2_000, 9), [1_500]);
        cursor.horizon = 300;
        assert_eq!(starts(&cursor, 2_000, 2), [300, 600], "what is before `since` and was not read is read");
    }
}
