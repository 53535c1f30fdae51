//! A file descriptor that can be closed while others still refer to its owner. Any thread may use it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{PoisonError, RwLock, TryLockError};

use rustix::io::Errno;

/// A descriptor until it is closed; `EBADF` after.
#[derive(Debug)]
pub(crate) struct Closable {
    fd: RwLock<Option<OwnedFd>>,
    /// The process that made it. A forked child inherits the lock as it was, which may be held by a thread that
    /// the child does not have.
    process: u32,
}

impl Closable {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self {
            fd: RwLock::new(Some(fd)),
            process: std::process::id(),
        }
    }

    /// Lends the descriptor, which stays open until `access` returns.
    pub(crate) fn with<R>(
        &self,
        access: impl FnOnce(BorrowedFd<'_>) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        let fd = self.fd.read().unwrap_or_else(PoisonError::into_inner);
        fd.as_ref()
            .map_or(Err(Errno::BADF), |fd| access(fd.as_fd()))
    }

    /// Puts another descriptor in its place and closes the old one; refused with `EBADF` once closed.
    pub(crate) fn replace(&self, fd: OwnedFd) -> Result<(), Errno> {
        let mut place = self.fd.write().unwrap_or_else(PoisonError::into_inner);
        match place.as_mut() {
            Some(old) => {
                *old = fd;
                Ok(())
            }
            None => Err(Errno::BADF),
        }
    }

    /// Closes the descriptor, once nobody uses it. May be called again.
    ///
    /// In a forked child nobody is waited for: what was in use at the fork stays open until the child ends.
    pub(crate) fn close(&self) {
        let place = if self.process == std::process::id() {
            Some(self.fd.write().unwrap_or_else(PoisonError::into_inner))
        } else {
            match self.fd.try_write() {
                Ok(place) => Some(place),
                Err(TryLockError::Poisoned(place)) => Some(place.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            }
        };
        if let Some(mut place) = place {
            drop(place.take());
        }
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
