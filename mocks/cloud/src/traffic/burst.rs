//! Packets over a time: evenly spread, and counted in any part of it without looking at each.

/// Packets and bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes of them.
    pub bytes: u64,
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
    }
}

/// Packets from a first to a last one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Burst {
    /// When the first is sent, in milliseconds since 1970.
    pub start_ms: u64,
    /// From the first to the last.
    pub duration_ms: u64,
    /// All of them.
    pub count: Count,
}

/// What of a burst falls into a part of the time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    /// Packets and bytes.
    pub count: Count,
    /// When the first of them is sent.
    pub first_ms: u64,
    /// When the last of them is sent.
    pub last_ms: u64,
    /// Whether the very first packet is among them.
    pub has_first: bool,
    /// Whether the very last packet is among them.
    pub has_last: bool,
}

impl Burst {
    /// What falls into `from_ms..to_ms`; nothing if no packet does.
    ///
    /// INVARIANT: the shares of parts that cover the time add up to the whole.
    pub fn between(&self, from_ms: u64, to_ms: u64) -> Option<Share> {
        let (first, end) = (self.before(from_ms), self.before(to_ms));
        if first >= end {
            return None;
        }
        let bytes = self.bytes_of(end) - self.bytes_of(first);
        Some(Share {
            count: Count { packets: end - first, bytes },
            first_ms: self.time_of(first),
            last_ms: self.time_of(end - 1),
            has_first: first == 0,
            has_last: end == self.count.packets,
        })
    }

    /// The beginnings of the windows of a length into which packets may fall, in order.
    pub fn windows(&self, length_ms: u64) -> impl Iterator<Item = u64> + use<> {
        let last_ms = self.start_ms + self.duration_ms;
        let begin = self.start_ms - self.start_ms % length_ms;
        (begin..=last_ms).step_by(usize::try_from(length_ms).unwrap_or(usize::MAX))
    }

    /// How many packets are sent before a time.
    fn before(&self, at_ms: u64) -> u64 {
        let packets = self.count.packets;
        let Some(since) = at_ms.checked_sub(self.start_ms).filter(|since| *since > 0) else { return 0 };
        if packets <= 1 || since > self.duration_ms {
            return packets;
        }
        // Packet i is sent i × duration / (packets − 1) after the first: those with i × duration < since × (packets − 1).
        let (since, gaps) = (u128::from(since), u128::from(packets - 1));
        let number = (since * gaps).div_ceil(u128::from(self.duration_ms));
        u64::try_from(number).unwrap_or(u64::MAX).min(packets)
    }

    fn time_of(&self, packet: u64) -> u64 {
        let gaps = u128::from(self.count.packets.saturating_sub(1).max(1));
        let after = u128::from(packet) * u128::from(self.duration_ms) / gaps;
        self.start_ms + u64::try_from(after).unwrap_or(u64::MAX)
    }

    /// Bytes of the first packets.
    fn bytes_of(&self, packets: u64) -> u64 {
        let bytes =
            u128::from(self.count.bytes) * u128::from(packets) / u128::from(self.count.packets.max(1));
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}
