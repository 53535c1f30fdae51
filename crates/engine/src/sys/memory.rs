//! Memory that the kernel may use until it says that it has finished, whoever has lost interest by then.

/// Bytes at a fixed place, that an operation owns while it is under way.
///
/// # Safety
/// The bytes that [`bytes`](Self::bytes) names must stay where they are, readable, until the value is
/// dropped; moving the value must not move them. If [`writable`](Self::writable) is Some, it names the same
/// place, and nobody but the owner of the value writes or reads there.
pub unsafe trait Memory: Send + 'static {
    /// Where the bytes begin, and how many there are.
    fn bytes(&self) -> (*const u8, usize);

    /// Where the bytes begin, if they may be overwritten.
    fn writable(&mut self) -> Option<*mut u8>;
}

// SAFETY: a vector's elements lie on the heap and belong to it alone; it is not resized through this trait.
unsafe impl Memory for Vec<u8> {
    fn bytes(&self) -> (*const u8, usize) {
        (self.as_ptr(), self.len())
    }

    fn writable(&mut self) -> Option<*mut u8> {
        Some(self.as_mut_ptr())
    }
}

// SAFETY: static bytes stay where they are, and are never lent for writing.
unsafe impl Memory for &'static [u8] {
    fn bytes(&self) -> (*const u8, usize) {
        (self.as_ptr(), self.len())
    }

    fn writable(&mut self) -> Option<*mut u8> {
        None
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::Memory;
    use std::sync::Arc;

    /// Memory whose owner can be asked whether it is still there.
    #[derive(Debug)]
    pub(crate) struct Watched {
        pub(crate) bytes: Vec<u8>,
        _alive: Arc<()>,
    }

    impl Watched {
        pub(crate) fn new(length: usize) -> (Self, Arc<()>) {
            let alive = Arc::new(());
            let watched = Self {
                bytes: vec![0; length],
                _alive: Arc::clone(&alive),
            };
            (watched, alive)
        }
    }

    // SAFETY: as of the vector.
    unsafe impl Memory for Watched {
        fn bytes(&self) -> (*const u8, usize) {
            self.bytes.bytes()
        }

        fn writable(&mut self) -> Option<*mut u8> {
            self.bytes.writable()
        }
    }

    /// Memory of either kind, as a caller has both.
    #[derive(Debug)]
    pub(crate) enum Mixed {
        Own(Vec<u8>),
        Constant(&'static [u8]),
    }

    // SAFETY: as of the one or the other.
    unsafe impl Memory for Mixed {
        fn bytes(&self) -> (*const u8, usize) {
            match self {
                Self::Own(bytes) => bytes.bytes(),
                Self::Constant(bytes) => bytes.bytes(),
            }
        }

        fn writable(&mut self) -> Option<*mut u8> {
            match self {
                Self::Own(bytes) => bytes.writable(),
                Self::Constant(bytes) => bytes.writable(),
            }
        }
    }
}
