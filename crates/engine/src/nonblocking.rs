//! Non-blocking mode on loan: a descriptor has it while a [`NonBlocking`] lives, and then what it had before. Any thread.
//!
//! The mode belongs to the open file, not to the descriptor: a terminal or an inherited pipe shares
//! it with other processes, to whom a mode left behind means reads that fail. So whoever switched
//! it switches it back. Within this process, too, several descriptors may be one file (standard
//! input and output of a terminal): then the last of them switches back, whichever was first.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fd::AsFd;
use rustix::fs::{OFlags, Stat};
use rustix::io::Errno;

use crate::process::Process;
use crate::sys::borrow_fd;

/// Every loan of this process that has not ended.
static LOANS: Mutex<Vec<Loan>> = Mutex::new(Vec::new());

/// What is asked of an open file before its mode is lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenFile {
    /// Device and inode.
    identity: (u64, u64),
    /// Its flags, as they were.
    pub(crate) flags: OFlags,
}

impl OpenFile {
    /// The file of `fd`, of which `stat` is known already.
    pub(crate) fn of(fd: impl AsFd, stat: &Stat) -> Result<Self, Errno> {
        Ok(Self {
            identity: identity_of(stat),
            flags: rustix::fs::fcntl_getfl(fd)?,
        })
    }
}

/// One descriptor that needs its file to be non-blocking.
#[derive(Debug)]
struct Loan {
    /// Names the loan.
    number: u64,
    fd: RawFd,
    /// What tells that the descriptor's number has not changed hands.
    identity: (u64, u64),
    /// Whether the file is to become blocking again when the loan ends.
    restores: bool,
}

impl Loan {
    /// The flags of the file, unless the descriptor is closed or another file's by now.
    fn flags(&self) -> Option<OFlags> {
        let fd = borrow_fd(self.fd).ok()?;
        let stat = rustix::fs::fstat(fd).ok()?;
        (identity_of(&stat) == self.identity).then(|| rustix::fs::fcntl_getfl(fd).ok())?
    }

    /// Sets or clears non-blocking mode. A descriptor that is closed has none, and needs none.
    fn set(&self, is_nonblocking: bool) {
        if let Some(mut flags) = self.flags() {
            flags.set(OFlags::NONBLOCK, is_nonblocking);
            let _closed_meanwhile = set_flags(self.fd, flags);
        }
    }
}

/// Keeps the file of a descriptor in non-blocking mode. To be dropped before the descriptor is closed.
#[derive(Debug)]
pub struct NonBlocking {
    number: u64,
    /// The process that switched the mode: a forked child must not switch it back under its parent.
    process: Process,
}

impl NonBlocking {
    /// Puts `file`, which is that of `fd`, into non-blocking mode.
    pub fn lend(fd: RawFd, file: OpenFile) -> Result<Self, Errno> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let restores = !file.flags.contains(OFlags::NONBLOCK);
        let mut loans = loans();
        if restores {
            set_flags(fd, file.flags | OFlags::NONBLOCK)?;
        }
        loans.push(Loan {
            number,
            fd,
            identity: file.identity,
            restores,
        });
        Ok(Self {
            number,
            process: Process::current(),
        })
    }
}

impl Drop for NonBlocking {
    fn drop(&mut self) {
        if !self.process.is_current() {
            return;
        }
        let mut loans = loans();
        let Some(index) = loans.iter().position(|loan| loan.number == self.number) else {
            return;
        };
        let loan = loans.swap_remove(index);
        if !loan.restores {
            return;
        }
        loan.set(false);
        // Whoever lost the mode by that shares the file: it gets the mode back, and the duty with it.
        let heir = loans.iter_mut().find(|other| {
            other.identity == loan.identity
                && other
                    .flags()
                    .is_some_and(|flags| !flags.contains(OFlags::NONBLOCK))
        });
        if let Some(heir) = heir {
            heir.set(true);
            heir.restores = true;
        }
    }
}

fn loans() -> MutexGuard<'static, Vec<Loan>> {
    LOANS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn set_flags(fd: RawFd, flags: OFlags) -> Result<(), Errno> {
    rustix::fs::fcntl_setfl(borrow_fd(fd)?, flags)
}

fn identity_of(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{PipeFlags, pipe, pipe_with};
    use std::os::fd::AsRawFd;

    fn is_nonblocking(fd: impl AsFd) -> bool {
        let flags = rustix::fs::fcntl_getfl(fd).expect("open");
        flags.contains(OFlags::NONBLOCK)
    }

    fn lend(fd: impl AsFd) -> NonBlocking {
        let stat = rustix::fs::fstat(&fd).expect("open");
        let file = OpenFile::of(&fd, &stat).expect("open");
        NonBlocking::lend(fd.as_fd().as_raw_fd(), file).expect("open")
    }

    #[test]
    fn the_mode_is_lent_and_taken_back() {
        let (reader, writer) = pipe().expect("pipe");
        let loan = lend(&reader);
        assert!(is_nonblocking(&reader));
        assert!(!is_nonblocking(&writer), "a file of its own");
        drop(loan);
        assert!(!is_nonblocking(&reader));
    }

    #[test]
    fn a_mode_that_was_there_before_stays() {
        let (reader, _writer) = pipe_with(PipeFlags::NONBLOCK).expect("pipe");
        drop(lend(&reader));
        assert!(is_nonblocking(&reader));
    }

    #[test]
    fn the_last_descriptor_of_a_file_takes_the_mode_back_whichever_was_first() {
        for first_ends_first in [true, false] {
            let (reader, writer) = pipe().expect("pipe");
            let twin = rustix::io::dup(&reader).expect("dup");
            let _other_end = lend(&writer);
            let (first, second) = (lend(&reader), lend(&twin));
            let (next, last) = if first_ends_first {
                (first, second)
            } else {
                (second, first)
            };
            drop(next);
            assert!(is_nonblocking(&reader));
            drop(last);
            assert!(!is_nonblocking(&reader));
        }
    }

    #[test]
    fn a_number_that_has_changed_hands_is_left_alone() {
        let (reader, _writer) = pipe().expect("pipe");
        let (other, _its_writer) = pipe_with(PipeFlags::NONBLOCK).expect("pipe");
        let loan = lend(&reader);
        let mut number = reader;
        rustix::io::dup2(&other, &mut number).expect("dup2");
        drop(loan);
        assert!(is_nonblocking(&number));
    }
}
