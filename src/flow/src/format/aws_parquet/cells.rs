//! What stands in the cells of a column: numbers, addresses, names, or one of a few words.

use std::net::IpAddr;

use rustc_hash::FxHashMap;

use crate::format::field::{address, unsigned};

/// A cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cell<T> {
    /// A value.
    Value(T),
    /// Nothing, `-` or a number below 0.
    Absent,
    /// Something that cannot be read, by its place among those of the column.
    Bad(u32),
}

/// How the values of a column are made.
pub(super) trait Kind: Default {
    /// What a cell holds.
    type Value: Copy;

    /// From a number from 0.
    fn number(&mut self, number: i64) -> Option<Self::Value>;

    /// From a text that is not empty and not `-`.
    fn text(&mut self, text: &[u8]) -> Option<Self::Value>;
}

/// Numbers from 0, also where a writer wrote them as text.
#[derive(Default)]
pub(super) struct Numbers;

impl Kind for Numbers {
    type Value = i64;

    fn number(&mut self, number: i64) -> Option<i64> {
        Some(number)
    }

    fn text(&mut self, text: &[u8]) -> Option<i64> {
        unsigned(text)?.try_into().ok()
    }
}

/// Addresses.
#[derive(Default)]
pub(super) struct Addresses;

impl Kind for Addresses {
    type Value = IpAddr;

    fn number(&mut self, _number: i64) -> Option<IpAddr> {
        None
    }

    fn text(&mut self, text: &[u8]) -> Option<IpAddr> {
        address(text)
    }
}

/// Names, by number.
#[derive(Default)]
pub(super) struct Names {
    numbers: FxHashMap<Box<str>, u32>,
    names: Vec<Box<str>>,
}

impl Names {
    pub(super) fn name(&self, number: u32) -> Option<&str> {
        self.names.get(number as usize).map(AsRef::as_ref)
    }
}

impl Kind for Names {
    type Value = u32;

    fn number(&mut self, _number: i64) -> Option<u32> {
        None
    }

    fn text(&mut self, text: &[u8]) -> Option<u32> {
        let text = std::str::from_utf8(text).ok()?;
        if let Some(&number) = self.numbers.get(text) {
            return Some(number);
        }
        let number = u32::try_from(self.names.len()).ok()?;
        self.names.push(text.into());
        self.numbers.insert(text.into(), number);
        Some(number)
    }
}

/// One of a few words.
pub(super) trait Word: Copy {
    /// Which one a text is.
    fn of(text: &[u8]) -> Option<Self>;
}

/// Words of one kind.
pub(super) struct Words<W>(std::marker::PhantomData<W>);

impl<W> Default for Words<W> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<W: Word> Kind for Words<W> {
    type Value = W;

    fn number(&mut self, _number: i64) -> Option<W> {
        None
    }

    fn text(&mut self, text: &[u8]) -> Option<W> {
        W::of(text)
    }
}
