//! Pieces that get longer after they were read.

use flow::Format;
use provider::{Packing, Piece};

/// Nothing comes any more to a piece of a time so long ago: Azure's hour, and two hours for what is late.
const GROWS_S: i64 = 3 * 3600;

/// Whether a piece can get longer without what was read becoming another: then a reader can go on at the offset.
pub(crate) fn may_grow(piece: &Piece) -> bool {
    let format = matches!(piece.format, Format::AzureJson | Format::GcpJsonLines | Format::AwsLines(_));
    piece.packing == Packing::Plain && format
}

/// Whether what it lacks is still to be expected. If it comes later than that, it is read nonetheless.
pub(crate) fn is_growing(piece: &Piece, now: i64) -> bool {
    may_grow(piece) && now < piece.modified.saturating_add(GROWS_S)
}
