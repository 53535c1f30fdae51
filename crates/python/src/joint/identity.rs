//! Sets of Python objects that are compared by identity.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Spreads addresses: objects lie 16 bytes apart at least, so that the low bits say nothing.
#[derive(Default)]
pub(crate) struct AddressHasher(u64);

/// 2^64 divided by the golden ratio (Knuth, The Art of Computer Programming, volume 3, section 6.4).
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_usize(usize::from(*byte));
        }
    }

    #[inline]
    fn write_usize(&mut self, address: usize) {
        self.0 = (self.0 ^ (address as u64 >> 4)).wrapping_mul(GOLDEN);
    }
}

/// What belongs to each of many objects, by their addresses.
pub(crate) type ByAddress<V> = HashMap<usize, V, BuildHasherDefault<AddressHasher>>;
