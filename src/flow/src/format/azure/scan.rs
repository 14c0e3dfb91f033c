//! Cuts the elements of `records` out of a document that comes in any pieces.
//!
//! Knows strings, escapes and brackets, and no more: whether what is between the brackets is JSON is for its parser to say. Kinds
//! of brackets are not told apart, so that one bad element cannot swallow the next ones.

use memchr::memchr2;

/// What the bytes that were looked at end with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// Nothing of interest.
    Nothing,
    /// A place between elements where a reader can go on.
    Between,
    /// The bracket that begins an element.
    Begin,
    /// The bracket that ends it.
    End,
    /// The first byte of something among the elements that is no object.
    StrayBegin,
    /// The place after it.
    StrayEnd,
    /// The first byte of something that is no document.
    Unexpected,
    /// The bracket that ends a document that has no `records`.
    NoRecords,
}

/// The scanner.
pub(super) struct Scan {
    place: Place,
    brackets: Brackets,
    /// The last string in the document's own object, of which only the first bytes matter.
    key: Vec<u8>,
    has_records: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before or after a document. `true` once something there was reported.
    Outside(bool),
    /// In the document's own object.
    Members,
    /// In a string there.
    Key,
    /// In a value there that is not ours.
    Foreign,
    /// Among the elements of `records`.
    Elements,
    /// In one of them.
    Element,
    /// In something there that is no object.
    Stray,
}

const RECORDS: &[u8] = b"records";

impl Scan {
    /// At the beginning of a document.
    pub(super) fn new() -> Self {
        Self {
            place: Place::Outside(false),
            brackets: Brackets::default(),
            key: Vec::new(),
            has_records: false,
        }
    }

    /// After an element.
    pub(super) fn among_elements() -> Self {
        Self { place: Place::Elements, has_records: true, ..Self::new() }
    }

    pub(super) fn is_inside_element(&self) -> bool {
        self.place == Place::Element
    }

    /// Whether a document has begun and has not ended.
    pub(super) fn is_inside_document(&self) -> bool {
        !matches!(self.place, Place::Outside(_))
    }

    /// Whether in something among the elements.
    pub(super) fn is_inside_part(&self) -> bool {
        matches!(self.place, Place::Element | Place::Stray)
    }

    /// Looks at bytes up to the next thing of interest: how many bytes those are (none only before a change of place), and
    /// what it is.
    pub(super) fn next(&mut self, bytes: &[u8]) -> (usize, Found) {
        match self.place {
            Place::Outside(reported) => self.outside(bytes, reported),
            Place::Members => self.members(bytes),
            Place::Key => self.key(bytes),
            Place::Foreign => self.nested(bytes, Place::Members, Found::Nothing),
            Place::Elements => self.elements(bytes),
            Place::Element => self.nested(bytes, Place::Elements, Found::End),
            Place::Stray => self.stray(bytes),
        }
    }

    fn outside(&mut self, bytes: &[u8], reported: bool) -> (usize, Found) {
        // Some writers begin with a byte order mark.
        let blank = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, 0xef | 0xbb | 0xbf);
        for (at, byte) in bytes.iter().enumerate() {
            if *byte == b'{' {
                *self = Self { place: Place::Members, ..Self::new() };
                return (at + 1, Found::Nothing);
            }
            if !reported && !blank(byte) {
                self.place = Place::Outside(true);
                return (at + 1, Found::Unexpected);
            }
        }
        (bytes.len(), Found::Nothing)
    }

    fn members(&mut self, bytes: &[u8]) -> (usize, Found) {
        let Some(at) = bytes.iter().position(|byte| b"\"{}[]".contains(byte)) else {
            return (bytes.len(), Found::Nothing);
        };
        let found = match bytes.get(at) {
            Some(b'"') => {
                self.key.clear();
                self.brackets = Brackets { string: true, ..Brackets::default() };
                self.place = Place::Key;
                Found::Nothing
            }
            Some(b'[') if self.key == RECORDS => {
                (self.place, self.has_records) = (Place::Elements, true);
                Found::Between
            }
            Some(b'{' | b'[') => {
                self.brackets = Brackets { depth: 1, ..Brackets::default() };
                self.place = Place::Foreign;
                Found::Nothing
            }
            Some(b'}') => {
                self.place = Place::Outside(false);
                if self.has_records { Found::Nothing } else { Found::NoRecords }
            }
            _ => Found::Nothing,
        };
        (at + 1, found)
    }

    fn key(&mut self, bytes: &[u8]) -> (usize, Found) {
        for (at, byte) in bytes.iter().enumerate() {
            self.brackets.step(*byte);
            if !self.brackets.string {
                self.place = Place::Members;
                return (at + 1, Found::Nothing);
            }
            if self.key.len() <= RECORDS.len() {
                self.key.push(*byte);
            }
        }
        (bytes.len(), Found::Nothing)
    }

    fn elements(&mut self, bytes: &[u8]) -> (usize, Found) {
        let blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == b',';
        let Some(at) = bytes.iter().position(|byte| !blank(byte)) else {
            return (bytes.len(), Found::Nothing);
        };
        let found = match bytes.get(at) {
            Some(b'{' | b'[') => {
                self.brackets = Brackets { depth: 1, ..Brackets::default() };
                self.place = Place::Element;
                Found::Begin
            }
            Some(b']') => {
                self.key.clear();
                self.place = Place::Members;
                Found::Nothing
            }
            other => {
                self.brackets = Brackets { string: other == Some(&b'"'), ..Brackets::default() };
                self.place = Place::Stray;
                Found::StrayBegin
            }
        };
        (at + 1, found)
    }

    fn nested(&mut self, bytes: &[u8], after: Place, found: Found) -> (usize, Found) {
        match self.brackets.end(bytes) {
            Some(end) => {
                self.place = after;
                (end, found)
            }
            None => (bytes.len(), Found::Nothing),
        }
    }

    fn stray(&mut self, bytes: &[u8]) -> (usize, Found) {
        for (at, byte) in bytes.iter().enumerate() {
            if !self.brackets.string && b",[]{".contains(byte) {
                // The byte itself belongs to what comes next.
                self.place = Place::Elements;
                return (at, Found::StrayEnd);
            }
            self.brackets.step(*byte);
        }
        (bytes.len(), Found::Nothing)
    }
}

/// How deep in brackets a place is, and whether in a string.
#[derive(Clone, Copy, Default)]
struct Brackets {
    depth: u64,
    string: bool,
    escaped: bool,
}

impl Brackets {
    fn step(&mut self, byte: u8) {
        if self.string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }

    /// One past the bracket that ends it, if that is among the bytes. Strings are skipped at the speed of `memchr`.
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if self.string && !self.escaped {
                at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
                self.step(*bytes.get(at)?);
                at += 1;
                continue;
            }
            self.step(byte);
            at += 1;
            if self.depth == 0 {
                return Some(at);
            }
        }
        None
    }
}
