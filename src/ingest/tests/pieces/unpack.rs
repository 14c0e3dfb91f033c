//! Unpacking: all members, all bytes before a damage, the damage with its place, and never more than was allowed.

use ingest::unpack::{DamageKind, Limits, Unpacker};
use provider::flows::Packing;

use crate::seen::gzip;

/// What comes out of packed bytes that come in pieces of a size, and what was wrong: offset and kind.
fn unpack_by(packed: &[u8], size: usize, limits: Limits) -> (Vec<u8>, Option<(u64, DamageKind)>) {
    let mut unpacker = Unpacker::new(Packing::Gzip, limits);
    let mut out = Vec::new();
    let fed = packed.chunks(size).try_for_each(|piece| unpacker.feed(piece, &mut |bytes| out.append(bytes)));
    let damage = fed.and_then(|()| unpacker.finish()).err();
    if damage.is_none() {
        assert_eq!((unpacker.packed(), unpacker.unpacked()), (packed.len() as u64, out.len() as u64));
    }
    (out, damage.map(|damage| (damage.offset, damage.kind)))
}

fn unpack(packed: &[u8]) -> (Vec<u8>, Option<(u64, DamageKind)>) {
    unpack_by(packed, usize::MAX, Limits::default())
}

/// Text that packs to about a fifth, as flow logs do.
fn text(bytes: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(bytes as u64);
    let mut text = Vec::new();
    while text.len() < bytes {
        text.extend(format!("2 1 eni-{:04} 10.0.0.{} ACCEPT OK\n", rng.u32(..10_000), rng.u8(..)).bytes());
    }
    text.truncate(bytes);
    text
}

/// Trap: a file may have several members, and some decoders silently read the first alone.
#[test]
fn all_members_are_read() {
    let parts = [text(100_000), Vec::new(), text(1), text(300_000)];
    let packed: Vec<u8> = parts.iter().flat_map(|part| gzip(part)).collect();
    for size in [1, 7, 1000, usize::MAX] {
        assert_eq!(unpack_by(&packed, size, Limits::default()), (parts.concat(), None), "by {size}");
    }
}

#[test]
fn zeros_may_fill_the_last_block() {
    let mut packed = gzip(b"hello\n");
    packed.extend([0; 512]);
    assert_eq!(unpack(&packed), (b"hello\n".to_vec(), None));
    packed.extend(gzip(b"more\n"));
    let damage = Some((packed.len() as u64 - gzip(b"more\n").len() as u64, DamageKind::Trailing));
    assert_eq!(unpack(&packed), (b"hello\n".to_vec(), damage));
}

#[test]
fn what_follows_and_is_no_member_is_damage_with_its_place() {
    let mut packed = gzip(b"hello\n");
    let end = packed.len() as u64;
    packed.extend(b"2 1 eni-1");
    assert_eq!(unpack(&packed), (b"hello\n".to_vec(), Some((end, DamageKind::Trailing))));
}

#[test]
fn what_is_no_gzip_at_all_is_corrupt_from_its_first_byte() {
    assert_eq!(unpack(b"version account-id\n"), (Vec::new(), Some((0, DamageKind::Corrupt))));
    assert_eq!(unpack(b""), (Vec::new(), Some((0, DamageKind::Truncated))));
}

#[test]
fn everything_before_the_cut_comes_out() {
    let text = text(4000);
    let first = gzip(&text[..1500]);
    let packed = [first.clone(), gzip(&text[1500..])].concat();
    let mut longest = 0;
    for cut in 0..packed.len() {
        let (out, damage) = unpack(&packed[..cut]);
        assert!(text.starts_with(&out), "cut at {cut}");
        assert!(out.len() >= longest, "cut at {cut}");
        longest = out.len();
        let expected = (cut != first.len()).then_some((cut as u64, DamageKind::Truncated));
        assert_eq!(damage, expected, "cut at {cut}");
    }
    assert_eq!(longest, text.len());
}

/// A byte that is wrong anywhere: it is found, unless it is one that says nothing about the data (a time, a system).
#[test]
fn a_wrong_byte_is_found() {
    let text = text(3000);
    let packed = [gzip(&text[..1000]), gzip(&text[1000..])].concat();
    let mut unnoticed = 0;
    for at in 0..packed.len() {
        for bit in 0..8 {
            let mut wrong = packed.clone();
            wrong[at] ^= 1 << bit;
            let (out, damage) = unpack(&wrong);
            match damage {
                None => {
                    assert_eq!(out, text, "byte {at}, bit {bit}");
                    unnoticed += 1;
                }
                Some((offset, _)) => assert!(offset <= packed.len() as u64),
            }
        }
    }
    println!("{unnoticed} of {} wrong bits are in fields that say nothing of the data", packed.len() * 8);
    assert!(unnoticed < 2 * 8 * 10);
}

#[test]
fn a_wrong_checksum_is_found_and_what_came_before_is_kept() {
    let mut packed = gzip(&text(500));
    let at = packed.len() - 8;
    packed[at] ^= 1;
    let (out, damage) = unpack(&packed);
    assert_eq!(out, text(500));
    assert_eq!(damage.map(|(_, kind)| kind), Some(DamageKind::Corrupt));
}

/// A small file that claims to be a huge one.
#[test]
fn a_bomb_is_stopped_by_its_ratio() {
    let packed = gzip(&vec![b'7'; 40 << 20]);
    let (out, damage) = unpack(&packed);
    assert_eq!(damage.map(|(_, kind)| kind), Some(DamageKind::Ratio(200)));
    assert!(out.len() <= 16 << 20, "{} bytes came out", out.len());
    let generous = Limits { ratio_max: 1100, ..Limits::default() };
    let (out, damage) = unpack_by(&packed, 1000, generous);
    assert_eq!((out.len(), damage), (40 << 20, None));
}

#[test]
fn no_more_than_the_total_comes_out() {
    let text = text(600_000);
    let limits = Limits { total_bytes_max: 300_000, ..Limits::default() };
    let (out, damage) = unpack_by(&gzip(&text), 1000, limits);
    assert_eq!(damage.map(|(_, kind)| kind), Some(DamageKind::Total(300_000)));
    assert!(text.starts_with(&out) && out.len() <= 300_000 && out.len() > 100_000);

    let mut plain = Unpacker::new(Packing::Plain, limits);
    let mut out: Vec<u8> = Vec::new();
    let damage = plain.feed(&text, &mut |bytes| out.append(bytes)).unwrap_err();
    assert_eq!((out.len(), damage.offset, damage.kind), (300_000, 300_000, DamageKind::Total(300_000)));
    plain.feed(&text, &mut |_| panic!("nothing comes after a damage")).unwrap();
}
