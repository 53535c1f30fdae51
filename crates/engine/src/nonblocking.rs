//! Non-blocking mode on loan: a descriptor has it while a [`NonBlocking`] lives, and then what it had before. Any thread.
//!
//! The mode belongs to the open file, not to the descriptor: a terminal or an inherited pipe shares
//! it with other processes, to whom a mode left behind means reads that fail. So whoever switched
//! it switches it back. Within this process, too, several descriptors may be one file (standard
//! input and output of a terminal): then the last of them switches back, whichever was first.

use std::os::fd::RawFd;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::sys::borrow_fd;

/// Every loan of this process that has not ended.
static LOANS: Mutex<Vec<Loan>> = Mutex::new(Vec::new());

/// One descriptor that needs its file to be non-blocking.
#[derive(Debug)]
struct Loan {
    /// Names the loan.
    number: u64,
    fd: RawFd,
    /// Device and inode: what tells that the descriptor's number has not changed hands.
    file: (u64, u64),
    /// Whether the file is to become blocking again when the loan ends.
    restores: bool,
}

impl Loan {
    /// The flags of the file, unless the descriptor is closed or another file's by now.
    fn flags(&self) -> Option<OFlags> {
        (file_of(self.fd) == Ok(self.file)).then(|| flags_of(self.fd).ok())?
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
    process: u32,
}

impl NonBlocking {
    /// Puts the file of `fd` into non-blocking mode.
    pub fn lend(fd: RawFd) -> Result<Self, Errno> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let file = file_of(fd)?;
        let mut loans = loans();
        let flags = flags_of(fd)?;
        let restores = !flags.contains(OFlags::NONBLOCK);
        if restores {
            set_flags(fd, flags | OFlags::NONBLOCK)?;
        }
        loans.push(Loan {
            number,
            fd,
            file,
            restores,
        });
        Ok(Self {
            number,
            process: process::id(),
        })
    }
}

impl Drop for NonBlocking {
    fn drop(&mut self) {
        if self.process != process::id() {
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
            other.file == loan.file
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

fn flags_of(fd: RawFd) -> Result<OFlags, Errno> {
    rustix::fs::fcntl_getfl(borrow_fd(fd)?)
}

fn set_flags(fd: RawFd, flags: OFlags) -> Result<(), Errno> {
    rustix::fs::fcntl_setfl(borrow_fd(fd)?, flags)
}

fn file_of(fd: RawFd) -> Result<(u64, u64), Errno> {
    let stat = rustix::fs::fstat(borrow_fd(fd)?)?;
    Ok((stat.st_dev, stat.st_ino))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{PipeFlags, pipe, pipe_with};
    use std::os::fd::{AsFd, AsRawFd};

    fn is_nonblocking(fd: impl AsFd) -> bool {
        let flags = rustix::fs::fcntl_getfl(fd).expect("open");
        flags.contains(OFlags::NONBLOCK)
    }

    fn lend(fd: impl AsFd) -> NonBlocking {
        NonBlocking::lend(fd.as_fd().as_raw_fd()).expect("open")
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
