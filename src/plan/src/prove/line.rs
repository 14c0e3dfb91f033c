//! The address line: every address of both families in order, cut into cells that no set of an end cuts further.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use policy::AddressSet;

const FIRST_V4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const FIRST_V6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// Addresses for documentation (RFC 5737, RFC 3849): they say more in a witness than `0.0.0.0`.
const EXAMPLES: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];

/// Index of a cell.
pub(crate) type Cell = usize;

/// The first address of each cell.
// INVARIANT: sorted (IPv4 before IPv6, as `IpAddr` is), each once, the first address of each family among them:
// a cell ends before the next one starts, and never holds both families.
pub(crate) struct Line {
    starts: Vec<IpAddr>,
}

impl Line {
    /// Cuts the line where any of the sets starts or ends.
    pub(crate) fn cut<'a>(sets: impl Iterator<Item = &'a AddressSet>) -> Self {
        let mut starts = vec![FIRST_V4, FIRST_V6];
        for (first, last) in sets.flat_map(ranges) {
            starts.push(first);
            starts.extend(next(last));
        }
        starts.sort_unstable();
        starts.dedup();
        Self { starts }
    }

    /// Every cell.
    pub(crate) fn cells(&self) -> std::ops::Range<Cell> {
        0..self.starts.len()
    }

    /// The first address of a cell, and that of the next one.
    pub(crate) fn bounds(&self, cell: Cell) -> (IpAddr, Option<IpAddr>) {
        (self.starts[cell], self.starts.get(cell + 1).copied())
    }

    /// The cell of an address; logarithmic.
    pub(crate) fn cell(&self, address: IpAddr) -> Cell {
        self.starts.partition_point(|start| *start <= address).saturating_sub(1)
    }

    /// For each cell the numbers of the sets that hold it, in the order given. Linear in cells held.
    ///
    /// Each set must be one that the line was cut by: then it holds a cell whole or not at all.
    pub(crate) fn covered_by<'a>(&self, sets: impl Iterator<Item = (u32, &'a AddressSet)>) -> Vec<Vec<u32>> {
        let mut covered = vec![Vec::new(); self.starts.len()];
        for (number, set) in sets {
            for (first, last) in ranges(set) {
                for cell in &mut covered[self.cell(first)..=self.cell(last)] {
                    cell.push(number);
                }
            }
        }
        covered
    }

    /// The addresses of a cell that are not among `taken` (sorted), in order; one that starts at `0.0.0.0` or `::` gives
    /// an address first that people know as an example.
    pub(crate) fn free<'a>(&'a self, cell: Cell, taken: &'a [IpAddr]) -> impl Iterator<Item = IpAddr> + 'a {
        let end = self.starts.get(cell + 1).copied();
        let inside = move |address: &IpAddr| end.is_none_or(|end| *address < end);
        let start = self.starts.get(cell).copied();
        let says_little = start.is_some_and(|start| start.is_unspecified());
        let examples = EXAMPLES.into_iter().filter(move |&e| says_little && self.cell(e) == cell);
        let all = std::iter::successors(start, |address| next(*address));
        let all = examples.chain(all.take_while(inside));
        all.filter(|address| taken.binary_search(address).is_err())
    }
}

/// The ranges of a set, IPv4 first, both ends included.
fn ranges(set: &AddressSet) -> impl Iterator<Item = (IpAddr, IpAddr)> + '_ {
    let v4 =
        set.v4().ranges().iter().map(|&(first, last)| (IpAddr::V4(first.into()), IpAddr::V4(last.into())));
    let v6 =
        set.v6().ranges().iter().map(|&(first, last)| (IpAddr::V6(first.into()), IpAddr::V6(last.into())));
    v4.chain(v6)
}

/// The next address of the family.
fn next(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => v4.to_bits().checked_add(1).map(|bits| IpAddr::V4(bits.into())),
        IpAddr::V6(v6) => v6.to_bits().checked_add(1).map(|bits| IpAddr::V6(bits.into())),
    }
}
