//! Goes forward over a JSON text once, keeping nothing: for readers that know what they look for.
//!
//! Takes part of the JSON that there is, and of that only what `serde_json` takes as well. Everything else is `None`: no JSON, an
//! escape in a text that is wanted, a number that is none of ours, deep nesting. Who gets it must ask `serde_json`.

/// Values in values that are gone past.
const DEPTH_MAX: u32 = 32;

/// A place in a text.
pub(in crate::format) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the beginning of a text.
    pub(in crate::format) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Whether nothing but blanks follows.
    pub(in crate::format) fn is_at_end(&mut self) -> bool {
        self.blank();
        self.at == self.text.len()
    }

    /// Goes past an object. `member` is called at each value, with its name, and must go past it.
    #[inline]
    pub(in crate::format) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, &'a str) -> Option<()>,
    ) -> Option<()> {
        self.begin(b'{')?;
        if self.ends(b'}') {
            return Some(());
        }
        loop {
            let name = self.text()?;
            self.begin(b':')?;
            member(self, name)?;
            if !self.goes_on(b'}')? {
                return Some(());
            }
        }
    }

    /// A text without escapes.
    #[inline]
    pub(in crate::format) fn text(&mut self) -> Option<&'a str> {
        self.begin(b'"')?;
        let end = self.special()?;
        let text = self.text.get(self.at..end)?;
        self.at = end;
        self.take(b'"')?;
        Some(text)
    }

    /// A whole number from 0, written as a number or as a text of digits.
    #[inline]
    pub(in crate::format) fn number(&mut self) -> Option<u64> {
        self.blank();
        if self.peek() == Some(b'"') {
            return crate::format::field::unsigned(self.text()?.as_bytes());
        }
        let begin = self.at;
        self.digits()?;
        // A fraction that follows is no end of a value.
        crate::format::field::unsigned(self.text.get(begin..self.at)?.as_bytes())
    }

    /// Goes past a value, whatever it is.
    pub(in crate::format) fn skip(&mut self) -> Option<()> {
        self.skip_within(DEPTH_MAX)
    }

    fn skip_within(&mut self, depth: u32) -> Option<()> {
        self.blank();
        match self.peek()? {
            b'"' => self.skip_text(),
            b'{' => self.skip_object(depth.checked_sub(1)?),
            b'[' => self.skip_array(depth.checked_sub(1)?),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.skip_number(),
        }
    }

    fn skip_object(&mut self, depth: u32) -> Option<()> {
        self.begin(b'{')?;
        if self.ends(b'}') {
            return Some(());
        }
        loop {
            self.blank();
            self.skip_text()?;
            self.begin(b':')?;
            self.skip_within(depth)?;
            if !self.goes_on(b'}')? {
                return Some(());
            }
        }
    }

    fn skip_array(&mut self, depth: u32) -> Option<()> {
        self.begin(b'[')?;
        if self.ends(b']') {
            return Some(());
        }
        loop {
            self.skip_within(depth)?;
            if !self.goes_on(b']')? {
                return Some(());
            }
        }
    }

    #[inline]
    fn skip_text(&mut self) -> Option<()> {
        self.take(b'"')?;
        loop {
            self.at = self.special()?;
            if self.take(b'"').is_some() {
                return Some(());
            }
            self.skip_escape()?;
        }
    }

    #[cold]
    fn skip_escape(&mut self) -> Option<()> {
        self.take(b'\\')?;
        let rest = self.text.as_bytes().get(self.at..)?;
        self.at += match rest {
            [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 1,
            [b'u', digits @ ..] if digits.get(..4)?.iter().all(u8::is_ascii_hexdigit) => 5,
            _ => return None,
        };
        Some(())
    }

    fn skip_number(&mut self) -> Option<()> {
        let _ = self.take(b'-');
        self.digits()?;
        if self.take(b'.').is_some() {
            self.some_digits()?;
        }
        if self.take(b'e').or_else(|| self.take(b'E')).is_some() {
            let _ = self.take(b'+').or_else(|| self.take(b'-'));
            self.some_digits()?;
        }
        Some(())
    }

    /// Digits without a zero in front of others.
    fn digits(&mut self) -> Option<()> {
        let begin = self.at;
        let is_zero = self.peek() == Some(b'0');
        self.some_digits()?;
        (!is_zero || self.at == begin + 1).then_some(())
    }

    fn some_digits(&mut self) -> Option<()> {
        let begin = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > begin).then_some(())
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let rest = self.text.as_bytes().get(self.at..)?;
        self.at += word.len();
        rest.starts_with(word.as_bytes()).then_some(())
    }

    /// Blanks, and then a byte.
    #[inline]
    fn begin(&mut self, byte: u8) -> Option<()> {
        self.blank();
        self.take(byte)
    }

    /// Whether it ends before the first of its parts.
    #[inline]
    fn ends(&mut self, end: u8) -> bool {
        self.begin(end).is_some()
    }

    /// After a part: whether another one follows.
    #[inline]
    fn goes_on(&mut self, end: u8) -> Option<bool> {
        self.blank();
        match self.peek()? {
            b',' => {
                self.at += 1;
                Some(true)
            }
            byte if byte == end => {
                self.at += 1;
                Some(false)
            }
            _ => None,
        }
    }

    #[inline]
    fn take(&mut self, byte: u8) -> Option<()> {
        if self.peek()? != byte {
            return None;
        }
        self.at += 1;
        Some(())
    }

    #[inline]
    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is special within a text: a quote, a backslash, a control character.
    #[inline]
    fn special(&self) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let mut at = self.at;
        // Eight bytes at a time: the lowest high bit that is set marks the first special one.
        while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            let found = specials(u64::from_le_bytes(*chunk));
            if found != 0 {
                return Some(at + (found.trailing_zeros() / 8) as usize);
            }
            at += 8;
        }
        let rest = bytes.get(at..)?;
        let found = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' '));
        found.map(|found| at + found)
    }
}

/// Marks special bytes by their high bits. Marks over the lowest one mean nothing.
#[inline]
fn specials(chunk: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    let quotes = chunk ^ u64::from_ne_bytes([b'"'; 8]);
    let backslashes = chunk ^ u64::from_ne_bytes([b'\\'; 8]);
    let controls = chunk.wrapping_sub(u64::from_ne_bytes([b' '; 8])) & !chunk;
    let zeros = |bytes: u64| bytes.wrapping_sub(ONES) & !bytes;
    (zeros(quotes) | zeros(backslashes) | controls) & HIGHS
}
