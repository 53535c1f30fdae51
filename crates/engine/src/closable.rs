//! A file descriptor that can be closed while others still refer to its owner. Any thread may use it.
//!
//! A forked child inherits the descriptor, and with it a share in its parent's file, which is refused to it. It may
//! put a file of its own in the place, and it may close its descriptor, which leaves the parent's as it is.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, TryLockError};

use rustix::io::Errno;

use crate::process::{Owner, Process};
use crate::sys::forks;

/// A descriptor until it is closed; `EBADF` after.
#[derive(Debug)]
pub(crate) struct Closable {
    fd: RwLock<Option<OwnedFd>>,
    /// The process that made it. A forked child inherits the lock as it was, which may be held by a thread that
    /// the child does not have.
    maker: Process,
    /// The process whose file it is: the maker, or a child that has put one of its own in the place.
    owner: Owner,
}

impl Closable {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self {
            fd: RwLock::new(Some(fd)),
            maker: Process::current(),
            owner: Owner::current(),
        }
    }

    /// Whether the file is that of a process from which this one was forked.
    #[inline]
    pub(crate) fn is_inherited(&self) -> bool {
        !self.owner.is_current()
    }

    /// Lends the descriptor, which stays open until `access` returns. `EBADF` if its file is inherited.
    pub(crate) fn with<R>(
        &self,
        access: impl FnOnce(BorrowedFd<'_>) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        if self.is_inherited() {
            return Err(Errno::BADF);
        }
        let fd = self.read()?;
        fd.as_ref()
            .map_or(Err(Errno::BADF), |fd| access(fd.as_fd()))
    }

    /// Puts another file in its place and lets go of the old one; refused with `EBADF` once closed.
    pub(crate) fn replace(&self, fd: OwnedFd) -> Result<(), Errno> {
        if !self.maker.is_current() {
            return self.supersede(fd);
        }
        let mut place = self.fd.write().unwrap_or_else(PoisonError::into_inner);
        match place.as_mut() {
            Some(old) => {
                *old = fd;
                Ok(())
            }
            None => Err(Errno::BADF),
        }
    }

    /// In a forked child, puts another file under the number, for which nobody has to let go of the lock.
    fn supersede(&self, fd: OwnedFd) -> Result<(), Errno> {
        let place = self.read()?;
        forks::put_in_place(fd, place.as_ref().ok_or(Errno::BADF)?.as_fd())?;
        self.owner.take_over();
        Ok(())
    }

    /// Keeps others from closing. A forked child does not wait for its turn, which may never come.
    fn read(&self) -> Result<RwLockReadGuard<'_, Option<OwnedFd>>, Errno> {
        if self.maker.is_current() {
            return Ok(self.fd.read().unwrap_or_else(PoisonError::into_inner));
        }
        match self.fd.try_read() {
            Ok(fd) => Ok(fd),
            Err(TryLockError::Poisoned(fd)) => Ok(fd.into_inner()),
            Err(TryLockError::WouldBlock) => Err(Errno::BADF),
        }
    }

    /// Closes the descriptor, once nobody uses it. May be called again.
    ///
    /// In a forked child nobody is waited for: what was in use at the fork stays open until the child ends.
    pub(crate) fn close(&self) {
        let place = if self.maker.is_current() {
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
