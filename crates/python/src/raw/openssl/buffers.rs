//! Encrypted bytes between OpenSSL and the transport below.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes in the hands of another, which stay where they are while they are lent.
#[derive(Clone, Copy)]
struct Lent {
    start: *const u8,
    length: usize,
}

/// What the two ends of the BIO share.
pub(super) struct Buffers {
    /// Encrypted bytes that have arrived and nobody has read; `read` of them are gone.
    kept: Vec<u8>,
    read: usize,
    /// More of them, where they have arrived. Empty unless lent.
    lent: Lent,
    /// Encrypted bytes that are to be sent.
    pub(super) outgoing: Vec<u8>,
}

// SAFETY: what is lent is only read, and the lender waits until it has taken it back.
unsafe impl Send for Buffers {}

impl Buffers {
    pub(super) fn new() -> Self {
        Self {
            kept: Vec::new(),
            read: 0,
            lent: NOTHING,
            outgoing: Vec::new(),
        }
    }

    /// Lends bytes until they are taken back.
    ///
    /// # Safety
    ///
    /// They stay where they are until then.
    pub(super) unsafe fn lend(&mut self, bytes: &[u8]) {
        self.lent = Lent {
            start: bytes.as_ptr(),
            length: bytes.len(),
        };
    }

    /// How many encrypted bytes nobody has read.
    pub(super) fn unread(&self) -> usize {
        self.kept.len() - self.read + self.lent.length
    }

    /// Copies what there is, at most `length` bytes, to `place`.
    ///
    /// # Safety
    ///
    /// `place` is valid for `length` bytes.
    pub(super) unsafe fn read_to(&mut self, place: *mut u8, length: usize) -> usize {
        let rest = self.kept.get(self.read..).unwrap_or_default();
        if !rest.is_empty() {
            let count = rest.len().min(length);
            // SAFETY: both are valid for `count` bytes, and OpenSSL's memory is not ours.
            unsafe { std::ptr::copy_nonoverlapping(rest.as_ptr(), place, count) };
            self.read += count;
            if self.read == self.kept.len() {
                self.kept.clear();
                self.read = 0;
            }
            return count;
        }
        let count = self.lent.length.min(length);
        if count > 0 {
            // SAFETY: the lender has lent that many bytes, and waits; `place` is valid for more.
            unsafe { std::ptr::copy_nonoverlapping(self.lent.start, place, count) };
            // SAFETY: `count` is within what is lent.
            self.lent.start = unsafe { self.lent.start.add(count) };
            self.lent.length -= count;
        }
        count
    }

    /// Ends the loan; what nobody has read is kept.
    pub(super) fn take_back(&mut self) {
        if self.lent.length > 0 {
            // SAFETY: still lent, for this many bytes.
            let rest = unsafe { std::slice::from_raw_parts(self.lent.start, self.lent.length) };
            self.kept.extend_from_slice(rest);
        }
        self.lent = NOTHING;
    }
}

const NOTHING: Lent = Lent {
    start: std::ptr::null(),
    length: 0,
};

/// Buffers that a BIO and its owner share.
pub(super) type Shared = Mutex<Buffers>;

pub(super) fn locked(shared: &Shared) -> MutexGuard<'_, Buffers> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
