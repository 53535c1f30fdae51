//! Bytes that were written to a file and have not gone to the kernel yet: they follow each other, and go in one call.

/// Held writes of one file.
#[derive(Debug)]
pub struct HeldWrites {
    bytes: Vec<u8>,
    /// How many bytes are held at most.
    limit: usize,
}

impl HeldWrites {
    /// Nothing yet, and never more than `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            limit,
        }
    }

    /// Whether there is nothing.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What is held.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether so many bytes more are too many: then all has to go first.
    #[inline]
    #[must_use]
    pub fn is_full_with(&self, count: usize) -> bool {
        self.bytes.len().saturating_add(count) > self.limit
    }

    /// Whether so many bytes are better not held at all.
    #[must_use]
    pub fn is_too_small_for(&self, count: usize) -> bool {
        count > self.limit
    }

    /// Holds bytes, which must not be too many.
    #[inline]
    pub fn hold(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Gives everything out, to be written.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Takes back what was given out, after the first `done` bytes have been written: the rest is still held.
    pub fn take_back(&mut self, mut memory: Vec<u8>, done: usize) {
        memory.drain(..done.min(memory.len()));
        self.bytes = memory;
    }

    /// The first `done` bytes have been written.
    pub fn drop_first(&mut self, done: usize) {
        self.bytes.drain(..done.min(self.bytes.len()));
    }

    /// Forgets everything.
    pub fn forget(&mut self) {
        self.bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_failed_write_has_left_is_still_held() {
        let mut held = HeldWrites::new(8);
        held.hold(b"abcdef");
        let memory = held.take();
        assert!(held.is_empty());
        held.take_back(memory, 2);
        assert_eq!(held.bytes(), b"cdef");
        held.drop_first(1);
        assert_eq!((held.bytes(), held.len()), (&b"def"[..], 3));
    }

    #[test]
    fn no_more_is_held_than_the_limit() {
        let mut held = HeldWrites::new(8);
        held.hold(b"abcdef");
        assert!(!held.is_full_with(2));
        assert!(held.is_full_with(3));
        assert!(!held.is_too_small_for(8));
        assert!(held.is_too_small_for(9));
    }
}
