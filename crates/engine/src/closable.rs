//! A file descriptor that can be closed while others still refer to its owner. Any thread may use it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{PoisonError, RwLock};

use rustix::io::Errno;

/// A descriptor until it is closed; `EBADF` after.
#[derive(Debug)]
pub(crate) struct Closable(RwLock<Option<OwnedFd>>);

impl Closable {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self(RwLock::new(Some(fd)))
    }

    /// Lends the descriptor, which stays open until `access` returns.
    pub(crate) fn with<R>(
        &self,
        access: impl FnOnce(BorrowedFd<'_>) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        let fd = self.0.read().unwrap_or_else(PoisonError::into_inner);
        fd.as_ref()
            .map_or(Err(Errno::BADF), |fd| access(fd.as_fd()))
    }

    /// Puts another descriptor in its place and closes the old one; refused with `EBADF` once closed.
    pub(crate) fn replace(&self, fd: OwnedFd) -> Result<(), Errno> {
        let mut place = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match place.as_mut() {
            Some(old) => {
                *old = fd;
                Ok(())
            }
            None => Err(Errno::BADF),
        }
    }

    /// Closes the descriptor, once nobody uses it. May be called again.
    pub(crate) fn close(&self) {
        drop(
            self.0
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_closed_descriptor_is_refused_and_closed_once() {
        let (reader, writer) = rustix::pipe::pipe().expect("pipe");
        let closable = Closable::new(writer);
        closable
            .with(|fd| rustix::io::write(fd, b"x"))
            .expect("still open");
        closable.close();
        closable.close();
        assert_eq!(
            closable.with(|fd| rustix::io::write(fd, b"x")),
            Err(Errno::BADF)
        );
        let mut buffer = [0; 4];
        assert_eq!(rustix::io::read(&reader, &mut buffer), Ok(1));
        assert_eq!(
            rustix::io::read(&reader, &mut buffer),
            Ok(0),
            "the writer is closed"
        );
    }
}
