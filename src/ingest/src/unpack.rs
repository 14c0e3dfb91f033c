//! Packed bytes of a piece into the bytes of its text, a window at a time.
//!
//! A gzip file may have several members (RFC 1952, 2.2): all are read. What comes before a damage is handed on, and the damage
//! is told with its place. How much may come out is bounded, in total and for each byte that went in: a small file can
//! claim to be a huge one.

use flate2::{Decompress, FlushDecompress, Status};
use provider::flows::Packing;
use thiserror::Error;

/// So much is unpacked at once: large against the cost of handing it on, small against the caches of a processor.
pub const WINDOW_BYTES: usize = 256 << 10;
/// The ratio is looked at when so much has come out: small texts of one line repeated are not suspicious.
const RATIO_BYTES_MIN: u64 = 16 << 20;
/// How a gzip member begins.
const MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Deflate with the largest window.
const WINDOW_BITS: u8 = 15;

/// How much may come out of a piece.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of a piece, unpacked.
    pub total_bytes_max: u64,
    /// Bytes that come out for each that goes in. Flow logs have 4 to 20; gzip cannot do more than 1032.
    pub ratio_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { total_bytes_max: 64 << 30, ratio_max: 200 }
    }
}

/// What is wrong with packed bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum DamageKind {
    /// They end in the middle of a member.
    #[error("the gzip data ends too early")]
    Truncated,
    /// They are not what gzip writes. What came out shortly before may be wrong.
    #[error("the gzip data is corrupt, or its checksum is wrong")]
    Corrupt,
    /// Something that is no member follows a whole one.
    #[error("what follows is no gzip data")]
    Trailing,
    /// [`Limits::total_bytes_max`].
    #[error("more than {0} bytes come out of it")]
    Total(u64),
    /// [`Limits::ratio_max`].
    #[error("more than {0} bytes come out of each byte of it")]
    Ratio(u64),
}

/// Where packed bytes go wrong. All that came out of them before was handed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("byte {offset}: {kind}")]
pub struct Damage {
    /// Byte offset in the packed bytes, as near as the decompressor can tell.
    pub offset: u64,
    /// What.
    pub kind: DamageKind,
}

/// Unpacks one piece.
#[derive(Debug)]
pub struct Unpacker {
    limits: Limits,
    packed: u64,
    unpacked: u64,
    way: Way,
    /// What came out and was not taken yet, and room for more.
    window: Vec<u8>,
}

#[derive(Debug)]
enum Way {
    Plain,
    Gzip(Box<Place>),
    /// Nothing more is read.
    Damaged,
}

#[derive(Debug)]
enum Place {
    /// Before a member, which must come.
    First,
    /// Between members: another may come, or zeros to fill a block.
    Between,
    /// Only zeros may come.
    Padding,
    /// In a member.
    Inside(Decompress),
}

impl Unpacker {
    /// Of a piece that is packed like this.
    pub fn new(packing: Packing, limits: Limits) -> Self {
        let way = match packing {
            Packing::Plain => Way::Plain,
            Packing::Gzip => Way::Gzip(Box::new(Place::First)),
        };
        Self { limits, packed: 0, unpacked: 0, way, window: Vec::new() }
    }

    /// How many bytes went in.
    pub fn packed(&self) -> u64 {
        self.packed
    }

    /// How many bytes came out.
    pub fn unpacked(&self) -> u64 {
        self.unpacked
    }

    /// Unpacks the next bytes and hands on what comes out, a window at a time. Whoever takes it may give another buffer for it,
    /// and may leave bytes: they come again with the next ones, or with [`Unpacker::rest`].
    ///
    /// # Errors
    /// Damage and limits; nothing comes out after that.
    pub fn feed(&mut self, packed: &[u8], take: &mut impl FnMut(&mut Vec<u8>)) -> Result<(), Damage> {
        let Self { window, .. } = self;
        let result = match &mut self.way {
            Way::Damaged => Ok(()),
            Way::Plain => {
                let room = self.limits.total_bytes_max - self.unpacked;
                let bytes = &packed[..packed.len().min(usize::try_from(room).unwrap_or(usize::MAX))];
                self.packed += bytes.len() as u64;
                self.unpacked += bytes.len() as u64;
                for bytes in bytes.chunks(WINDOW_BYTES) {
                    window.extend_from_slice(bytes);
                    take(window);
                }
                let is_all = bytes.len() == packed.len();
                if is_all { Ok(()) } else { Err(DamageKind::Total(self.limits.total_bytes_max)) }
            }
            Way::Gzip(place) => {
                place.feed(packed, &mut self.packed, &mut self.unpacked, self.limits, window, take)
            }
        };
        result.map_err(|kind| self.damage(kind))
    }

    /// What was left by who takes, at the end or at a damage.
    pub fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.window)
    }

    /// Says whether what came in was whole.
    ///
    /// # Errors
    /// A member that has no end.
    pub fn finish(&mut self) -> Result<(), Damage> {
        match &self.way {
            Way::Gzip(place) if matches!(**place, Place::First | Place::Inside(_)) => {
                Err(self.damage(DamageKind::Truncated))
            }
            _ => Ok(()),
        }
    }

    fn damage(&mut self, kind: DamageKind) -> Damage {
        self.way = Way::Damaged;
        Damage { offset: self.packed, kind }
    }
}

impl Place {
    fn feed(
        &mut self,
        mut packed: &[u8],
        taken: &mut u64,
        given: &mut u64,
        limits: Limits,
        window: &mut Vec<u8>,
        take: &mut impl FnMut(&mut Vec<u8>),
    ) -> Result<(), DamageKind> {
        // A member may have more to give when all of its bytes are in.
        let mut is_full = false;
        while !packed.is_empty() || is_full {
            let Self::Inside(member) = self else {
                let Some(&byte) = packed.first() else { break };
                *self = begin(self, byte)?;
                if matches!(self, Self::Padding) {
                    packed = &packed[1..];
                    *taken += 1;
                }
                continue;
            };
            let (before, left) = (member.total_in(), window.len());
            // A buffer without room would make no way.
            window.reserve(WINDOW_BYTES.saturating_sub(left).max(1));
            let status = member.decompress_vec(packed, window, FlushDecompress::None);
            let used = member.total_in() - before;
            *taken += used;
            packed = packed.get(used as usize..).unwrap_or_default();
            is_full = window.len() == window.capacity();
            let out = window.len() - left;
            *given += out as u64;
            if let Err(damage) = check(limits, *taken, *given) {
                window.truncate(left);
                return Err(damage);
            }
            if out > 0 {
                take(window);
            }
            match status {
                Ok(Status::StreamEnd) => (*self, is_full) = (Self::Between, false),
                Ok(_) if used == 0 && out == 0 && !packed.is_empty() => return Err(DamageKind::Corrupt),
                Ok(_) => {}
                Err(_) => return Err(DamageKind::Corrupt),
            }
        }
        Ok(())
    }
}

/// What a byte outside of members begins.
fn begin(place: &Place, byte: u8) -> Result<Place, DamageKind> {
    match (place, byte) {
        (Place::First | Place::Between, byte) if byte == MAGIC[0] => {
            Ok(Place::Inside(Decompress::new_gzip(WINDOW_BITS)))
        }
        (Place::Between | Place::Padding, 0) => Ok(Place::Padding),
        (Place::First, _) => Err(DamageKind::Corrupt),
        _ => Err(DamageKind::Trailing),
    }
}

fn check(limits: Limits, taken: u64, given: u64) -> Result<(), DamageKind> {
    if given > limits.total_bytes_max {
        return Err(DamageKind::Total(limits.total_bytes_max));
    }
    if given > RATIO_BYTES_MIN && given / limits.ratio_max.max(1) > taken {
        return Err(DamageKind::Ratio(limits.ratio_max));
    }
    Ok(())
}
