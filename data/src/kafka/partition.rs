//! Kafka's default partitioner, so that whoever knows a customer knows the partition.

/// The partition of `key` among `partitions`: what Java's default partitioner and librdkafka's
/// `murmur2_random` choose for a key that is not null. `partitions` of 0 count as 1.
#[must_use]
pub fn partition_of(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % partitions.max(1)
}

/// MurmurHash2 with Kafka's seed.
fn murmur2(key: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const FACTOR: u32 = 0x5bd1_e995;
    // Java's arithmetic wraps, and so does its length: keys of 4 GiB do not exist.
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let (words, rest) = key.as_chunks::<4>();
    let mut hash = words.iter().fold(SEED ^ length, |hash, word| {
        let word = u32::from_le_bytes(*word).wrapping_mul(FACTOR);
        hash.wrapping_mul(FACTOR) ^ (word ^ (word >> 24)).wrapping_mul(FACTOR)
    });
    if !rest.is_empty() {
        let last = rest.iter().rev().fold(0, |last, byte| (last << 8) | u32::from(*byte));
        hash = (hash ^ last).wrapping_mul(FACTOR);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(FACTOR);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From Kafka's own `UtilsTest.testMurmur2`.
    const KNOWN: [(&str, i32); 6] = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ];

    #[test]
    fn hashes_as_kafka_does() {
        for (key, hash) in KNOWN {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
    }

    #[test]
    fn a_negative_hash_finds_a_partition_too() {
        for (key, hash) in KNOWN {
            let expected = (hash & i32::MAX) % 7;
            assert_eq!(i64::from(partition_of(key.as_bytes(), 7)), i64::from(expected), "{key}");
        }
        assert_eq!(partition_of(b"abc", 1), 0);
        assert_eq!(partition_of(b"abc", 0), 0);
        assert_eq!(partition_of(b"", 4), (murmur2(b"") & 0x7fff_ffff) % 4);
    }
}
