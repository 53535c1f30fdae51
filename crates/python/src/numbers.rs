//! Maps whose keys are numbers that nobody outside chooses, descriptors and addresses, and so need no defence.
//!
//! Hashed as the standard library does it, against keys that are chosen to collide, the five look-ups that a short
//! connection makes took 650 instructions of 19,000.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by numbers.
pub(crate) type NumberMap<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// What belongs to each of many objects, by their addresses.
pub(crate) type ByAddress<V> = NumberMap<usize, V>;

/// 2^64 divided by the golden ratio (Knuth, The Art of Computer Programming, volume 3, section 6.4).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Spreads numbers over all bits of a hash.
#[derive(Default)]
pub(crate) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        // Maps look at the lowest bits and at the highest ones; the product has the better ones above.
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(GOLDEN);
    }

    #[inline]
    fn write_i32(&mut self, number: i32) {
        self.write_u64(u64::from(number.unsigned_abs()));
    }

    #[inline]
    fn write_usize(&mut self, number: usize) {
        // An address has 64 bits at most.
        self.write_u64(number as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_follow_each_other_differ_where_maps_look() {
        let hash = |number: i32| {
            let mut hasher = NumberHasher::default();
            hasher.write_i32(number);
            hasher.finish()
        };
        let lowest: std::collections::HashSet<u64> = (0..128).map(|fd| hash(fd) & 127).collect();
        let highest: std::collections::HashSet<u64> = (0..128).map(|fd| hash(fd) >> 57).collect();
        assert!(lowest.len() > 64, "{}", lowest.len());
        assert!(highest.len() > 64, "{}", highest.len());
    }

    #[test]
    fn what_was_put_in_is_found() {
        let mut map = NumberMap::default();
        for address in (0..100_000_usize).step_by(16) {
            map.insert(address, address);
        }
        assert_eq!(map.get(&1_600), Some(&1_600));
        assert_eq!(map.get(&1_601), None);
    }
}
