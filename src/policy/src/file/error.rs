//! What is wrong with a file, with the place: one line for logs, a snippet with a caret for people.
//!
//! Reports are bounded: a file with a million mistakes yields [`ERRORS_MAX`] of them and a count of the rest.

use std::fmt;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::SourceFile;

/// How many errors one load reports.
pub const ERRORS_MAX: usize = 50;

/// How much of a long line an error carries, in characters.
const LINE_MAX: usize = 400;

/// A stretch of one file, by byte offsets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Place {
    /// The number of the file in the load.
    pub file: u32,
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

/// One thing that is wrong with a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileError {
    /// The name of the file; empty if no file is to blame.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The text of the line.
    pub text: String,
    /// How many characters of the line are meant.
    pub width: usize,
    /// What is wrong, in one line.
    pub message: String,
    /// What to do about it; may be empty.
    pub hint: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.file.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
    }
}

impl std::error::Error for FileError {}

impl FileError {
    /// An error about no place in particular.
    pub fn general(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            file: String::new(),
            line: 0,
            column: 0,
            text: String::new(),
            width: 0,
            message: message.into(),
            hint: hint.into(),
        }
    }

    fn at(files: &[SourceFile], place: Place, message: String, hint: String) -> Self {
        let Some(file) = files.get(place.file as usize) else {
            return Self::general(message, hint);
        };
        let start = floor(&file.text, place.start as usize);
        let end = floor(&file.text, place.end as usize).max(start);
        let before = file.text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = file.text.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default();
        let meant = file.text.get(start..end).unwrap_or_default().lines().next().unwrap_or_default();
        Self {
            file: file.name.clone(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            text: line.chars().take(LINE_MAX).collect(),
            width: meant.trim_end().chars().count().max(1),
            message,
            hint,
        }
    }

    /// The error as a snippet: message, place, the line with a caret under what is meant, and the hint.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut report = Group::with_title(Level::ERROR.primary_title(&self.message));
        if !self.file.is_empty() {
            let span = self.span();
            report = report.element(
                Snippet::source(&self.text)
                    .line_start(self.line)
                    .path(&self.file)
                    .annotation(AnnotationKind::Primary.span(span)),
            );
        }
        if !self.hint.is_empty() {
            report = report.element(Level::HELP.message(&self.hint));
        }
        renderer.render(&[report]).to_string()
    }

    /// The stretch of [`FileError::text`] that is meant, in bytes.
    fn span(&self) -> std::ops::Range<usize> {
        let offset = |characters: usize| {
            self.text.char_indices().nth(characters).map_or(self.text.len(), |(offset, _)| offset)
        };
        let first = self.column.saturating_sub(1);
        offset(first)..offset(first + self.width)
    }
}

/// The last character boundary that is not after `offset`.
fn floor(text: &str, offset: usize) -> usize {
    let offset = offset.min(text.len());
    (0..=offset).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// Collects errors while files are read, so that people see all of them at once.
#[derive(Debug)]
pub struct Problems<'a> {
    files: &'a [SourceFile],
    errors: Vec<FileError>,
    omitted: usize,
}

impl<'a> Problems<'a> {
    /// No problem yet.
    pub fn new(files: &'a [SourceFile]) -> Self {
        Self { files, errors: Vec::new(), omitted: 0 }
    }

    /// Whether nothing is wrong so far.
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// Whether further errors are only counted: then an expensive hint is not worth working out.
    pub fn is_full(&self) -> bool {
        self.errors.len() >= ERRORS_MAX
    }

    /// Something is wrong at a place.
    pub fn report(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        if self.is_full() {
            self.omitted += 1;
            return;
        }
        self.errors.push(FileError::at(self.files, place, message.into(), hint.into()));
    }

    /// `file:line:column` of a place, to name the other of two places.
    pub fn position(&self, place: Place) -> String {
        let there = FileError::at(self.files, place, String::new(), String::new());
        format!("{}:{}:{}", there.file, there.line, there.column)
    }

    /// Something exists twice: the error is at the second place and names the first.
    pub fn report_duplicate(&mut self, what: &str, second: Place, first: Place) {
        let hint =
            if self.is_full() { String::new() } else { format!("the other is at {}", self.position(first)) };
        self.report(
            second,
            format!("{what} is defined twice"),
            format!("{hint}; delete or rename one of the two"),
        );
    }

    /// The value, if nothing is wrong.
    ///
    /// # Errors
    /// Everything that was reported, in the order of files and lines; the last says how many were left out.
    pub fn finish<T>(mut self, value: T) -> Result<T, Vec<FileError>> {
        if self.errors.is_empty() {
            return Ok(value);
        }
        let order = |error: &FileError| self.files.iter().position(|file| file.name == error.file);
        self.errors.sort_by_key(|error| (order(error), error.line, error.column));
        if self.omitted > 0 {
            let message = format!("{} more errors are not shown", self.omitted);
            self.errors.push(FileError::general(message, "correct the ones above first"));
        }
        Err(self.errors)
    }
}
