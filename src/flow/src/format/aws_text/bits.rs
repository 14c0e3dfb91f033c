//! Many bytes compared at once: a bit for each that equals one that is looked for.

use wide::u8x16;

/// Bit `n` of each mask: whether byte `n` equals that byte.
#[inline]
pub(super) fn equal<const N: usize>(chunk: &[u8; 64], bytes: [u8; N]) -> [u64; N] {
    let (parts, _) = chunk.as_chunks::<16>();
    let mut masks = [0; N];
    for (place, part) in parts.iter().enumerate() {
        for (mask, byte) in masks.iter_mut().zip(bytes) {
            *mask |= u64::from(equal_16(part, byte)) << (16 * place);
        }
    }
    masks
}

/// Two instructions on most processors.
#[inline]
pub(super) fn equal_16(part: &[u8; 16], byte: u8) -> u16 {
    u8x16::new(*part).simd_eq(u8x16::splat(byte)).to_bitmask() as u16
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn each_bit_says_whether_its_byte_equals() {
        let mut rng = fastrand::Rng::with_seed(4);
        let mut found = 0;
        for _ in 0..50_000 {
            let byte = rng.u8(..);
            let near = [byte, byte, byte.wrapping_add(1), byte.wrapping_sub(1), byte ^ 0x80, 0];
            let chunk: [u8; 64] =
                std::array::from_fn(|_| if rng.bool() { *rng.choice(&near).unwrap() } else { rng.u8(..) });
            let expected = (0..64).filter(|&at| chunk[at] == byte).fold(0, |mask, at| mask | 1u64 << at);
            assert_eq!(equal(&chunk, [byte]), [expected], "{byte} in {chunk:?}");
            let part = chunk.first_chunk().unwrap();
            assert_eq!(equal_16(part, byte), expected as u16, "{byte} in {part:?}");
            found += expected.count_ones();
        }
        assert!(found > 500_000);
    }
}
