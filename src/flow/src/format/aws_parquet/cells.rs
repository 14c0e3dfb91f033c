//! What stands in the cells of a column: numbers, addresses, names, or one of a few words.
//!
//! A cell of any column is a number in 64 bits, so that a batch of them is small and moves fast. From 0 on it is a value's
//! code, of which the column's kind makes the value; below, there is none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::names::Table;
use crate::format::field::{address, unsigned};

/// A cell, packed.
pub(super) type Code = i64;

/// The code of a cell with nothing in it. Those below are of cells that cannot be read.
pub(super) const ABSENT: Code = -1;

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

impl Cell<Code> {
    pub(super) fn of(code: Code) -> Self {
        match code {
            0.. => Self::Value(code),
            ABSENT => Self::Absent,
            _ => Self::Bad(u32::try_from(-2 - code).unwrap_or(u32::MAX)),
        }
    }

    pub(super) fn code(self) -> Code {
        match self {
            Self::Value(code) => code,
            Self::Absent => ABSENT,
            Self::Bad(number) => -2 - Code::from(number),
        }
    }
}

/// How the values of a column are made. Codes are from 0.
pub(super) trait Kind: Default {
    /// What a cell holds.
    type Value: Copy;

    /// The code of a number from 0.
    fn number(&mut self, number: i64) -> Option<Code>;

    /// The code of a text that is not empty and not `-`.
    fn text(&mut self, text: &[u8]) -> Option<Code>;

    /// The value of a code that this gave.
    fn value(&self, code: Code) -> Option<Self::Value>;

    /// How many values are kept aside because a code cannot hold them.
    fn kept(&self) -> usize {
        0
    }

    /// Forgets those but for the first so many.
    fn keep(&mut self, _count: usize) {}
}

/// Numbers from 0, also where a writer wrote them as text.
#[derive(Default)]
pub(super) struct Numbers;

impl Kind for Numbers {
    type Value = i64;

    fn number(&mut self, number: i64) -> Option<Code> {
        Some(number)
    }

    fn text(&mut self, text: &[u8]) -> Option<Code> {
        unsigned(text)?.try_into().ok()
    }

    fn value(&self, code: Code) -> Option<i64> {
        Some(code)
    }
}

/// Addresses: the code of a short one is its bits, that of a long one its place behind all those.
#[derive(Default)]
pub(super) struct Addresses {
    long: Vec<Ipv6Addr>,
}

const LONG_FROM: Code = 1 << 32;

impl Kind for Addresses {
    type Value = IpAddr;

    fn number(&mut self, _number: i64) -> Option<Code> {
        None
    }

    fn text(&mut self, text: &[u8]) -> Option<Code> {
        match address(text)? {
            IpAddr::V4(short) => Some(short.to_bits().into()),
            IpAddr::V6(long) => {
                self.long.push(long);
                Some(LONG_FROM - 1 + Code::try_from(self.long.len()).ok()?)
            }
        }
    }

    #[inline]
    fn value(&self, code: Code) -> Option<IpAddr> {
        if let Ok(short) = u32::try_from(code) {
            return Some(Ipv4Addr::from_bits(short).into());
        }
        let place = usize::try_from(code - LONG_FROM).ok()?;
        self.long.get(place).map(|long| IpAddr::V6(*long))
    }

    fn kept(&self) -> usize {
        self.long.len()
    }

    fn keep(&mut self, count: usize) {
        self.long.truncate(count);
    }
}

/// Names, by number.
#[derive(Default)]
pub(super) struct Names(Table);

impl Names {
    /// The name of a code.
    pub(super) fn of_code(&self, code: Code) -> Option<&str> {
        self.0.name(code.try_into().ok()?)
    }
}

impl Kind for Names {
    type Value = u32;

    fn number(&mut self, _number: i64) -> Option<Code> {
        None
    }

    fn text(&mut self, text: &[u8]) -> Option<Code> {
        self.0.number(text).map(Code::from)
    }

    fn value(&self, code: Code) -> Option<u32> {
        code.try_into().ok()
    }
}

/// One of a few words.
pub(super) trait Word: Copy + 'static {
    /// All of them, by code.
    const ALL: &[(&'static [u8], Self)];
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

    fn number(&mut self, _number: i64) -> Option<Code> {
        None
    }

    fn text(&mut self, text: &[u8]) -> Option<Code> {
        W::ALL.iter().position(|(word, _)| *word == text)?.try_into().ok()
    }

    #[inline]
    fn value(&self, code: Code) -> Option<W> {
        W::ALL.get(usize::try_from(code).ok()?).map(|(_, word)| *word)
    }
}
