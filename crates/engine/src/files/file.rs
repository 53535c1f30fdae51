//! An open file whose descriptor stays open for as long as an operation needs its number. Any thread may use it.
//!
//! Every operation holds a [`Lease`]. Closing waits for the last lease, and from the moment it is asked for
//! nobody gets a new one: a number that is in use can never come to name somebody else's file.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::fs::{AtFlags, FileType, StatxFlags};
use rustix::io::Errno;

use super::mounts;
use crate::sys;
use crate::sys::attempts::Way;

/// What takes the descriptor of a file that is closing, once nobody uses it any more.
pub(crate) type Closer = Box<dyn FnOnce(Descriptor) + Send>;

/// A descriptor, and whether it is ours to close.
#[derive(Debug)]
pub(crate) enum Descriptor {
    Owned(OwnedFd),
    /// Somebody else's, who keeps it open.
    Lent(RawFd),
}

impl Descriptor {
    fn number(&self) -> RawFd {
        match self {
            Self::Owned(fd) => fd.as_raw_fd(),
            Self::Lent(fd) => *fd,
        }
    }
}

#[derive(Default)]
struct State {
    /// None once it is closed.
    descriptor: Option<Descriptor>,
    /// Operations and calls that are under way.
    leases: usize,
    /// Waits for the last lease.
    closer: Option<Closer>,
}

struct Shared {
    state: Mutex<State>,
    /// What it is, as far as it matters here.
    nature: OnceLock<Nature>,
    /// The file system has said that it cannot tell whether a read would wait.
    refuses_reads: AtomicBool,
    /// The same of writes, of which fewer file systems can tell.
    refuses_writes: AtomicBool,
    /// Whether it lies in memory and nowhere else. Asked of files that cannot tell whether a read would wait.
    is_in_memory: OnceLock<bool>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open file, shared by those who use it. It is closed by [`Operation::Close`](super::Operation::Close), or
/// when the last clone goes.
#[derive(Clone)]
pub struct File(Arc<Shared>);

impl std::fmt::Debug for File {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("File").field(&self.number()).finish()
    }
}

impl From<OwnedFd> for File {
    fn from(fd: OwnedFd) -> Self {
        Self::with_descriptor(Descriptor::Owned(fd))
    }
}

impl File {
    fn with_descriptor(descriptor: Descriptor) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                descriptor: Some(descriptor),
                ..State::default()
            }),
            nature: OnceLock::new(),
            refuses_reads: AtomicBool::new(false),
            refuses_writes: AtomicBool::new(false),
            is_in_memory: OnceLock::new(),
        }))
    }

    /// A file whose descriptor somebody else closes, after this is closed. `EBADF` for a negative number.
    pub fn lent(fd: RawFd) -> Result<Self, Errno> {
        sys::borrow_fd(fd)?;
        Ok(Self::with_descriptor(Descriptor::Lent(fd)))
    }

    /// A file that owns a descriptor which somebody else has opened and left to it. `EBADF` if it is none.
    pub fn adopted(fd: RawFd) -> Result<Self, Errno> {
        sys::adopt_fd(fd).map(Self::from)
    }

    /// Whether somebody else closes the descriptor.
    #[must_use]
    pub fn is_lent(&self) -> bool {
        matches!(self.0.lock().descriptor, Some(Descriptor::Lent(_)))
    }

    /// The descriptor's number; None once closing has begun.
    #[must_use]
    pub fn number(&self) -> Option<RawFd> {
        let state = self.0.lock();
        match (&state.descriptor, &state.closer) {
            (Some(descriptor), None) => Some(descriptor.number()),
            _ => None,
        }
    }

    /// Lends the descriptor for a call; `EBADF` once closing has begun.
    pub fn with<R>(
        &self,
        access: impl FnOnce(BorrowedFd<'_>) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        let lease = self.lend()?;
        access(lease.as_fd())
    }

    /// Lends the descriptor's number until the lease is dropped; `EBADF` once closing has begun.
    pub(crate) fn lend(&self) -> Result<Lease, Errno> {
        let mut state = self.0.lock();
        let (Some(descriptor), None) = (&state.descriptor, &state.closer) else {
            return Err(Errno::BADF);
        };
        let fd = sys::borrow_fd(descriptor.number())?;
        state.leases += 1;
        drop(state);
        Ok(Lease {
            shared: Arc::clone(&self.0),
            fd,
        })
    }

    /// Begins to close: the descriptor if nobody uses it; otherwise `closer` will get it, from
    /// whoever returns the last lease. `EBADF` if closing has begun before.
    pub(crate) fn close_with(&self, closer: Closer) -> Result<Option<Descriptor>, Errno> {
        let mut state = self.0.lock();
        if state.descriptor.is_none() || state.closer.is_some() {
            return Err(Errno::BADF);
        }
        if state.leases == 0 {
            return Ok(state.descriptor.take());
        }
        state.closer = Some(closer);
        Ok(None)
    }

    /// Gives the descriptor up, if nobody uses it; whether it did. Fails as the kernel's `close`.
    pub(crate) fn close_now(&self) -> Result<bool, Errno> {
        let mut state = self.0.lock();
        if state.leases > 0 || state.closer.is_some() {
            return Ok(false);
        }
        let descriptor = state.descriptor.take();
        drop(state);
        match descriptor {
            Some(Descriptor::Owned(fd)) => sys::close_fd(fd).map(|()| true),
            descriptor => Ok(descriptor.is_some()),
        }
    }

    /// Whether it is known that the file lies in memory and nowhere else.
    pub(crate) fn is_known_in_memory(&self) -> bool {
        self.0.is_in_memory.get() == Some(&true)
    }

    /// Finds out whether the file lies in memory and nowhere else.
    pub(crate) fn is_in_memory(&self, fd: BorrowedFd<'_>) -> bool {
        *self.0.is_in_memory.get_or_init(|| {
            let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
            let mask = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
            let stat = rustix::fs::statx(fd, c"", flags, mask);
            stat.is_ok_and(|stat| {
                let is_plain = FileType::from_raw_mode(u32::from(stat.stx_mode));
                is_plain == FileType::RegularFile && mounts::is_in_memory(&stat)
            })
        })
    }

    /// Whether the file system has refused to say whether a call would wait.
    pub(crate) fn refuses_attempts(&self, way: Way) -> bool {
        self.refusals(way).load(Ordering::Relaxed)
    }

    /// Notes that it has.
    pub(crate) fn refuse_attempts(&self, way: Way) {
        self.refusals(way).store(true, Ordering::Relaxed);
    }

    fn refusals(&self, way: Way) -> &AtomicBool {
        match way {
            Way::In => &self.0.refuses_reads,
            Way::Out => &self.0.refuses_writes,
        }
    }
}

/// What a file is, as far as reads and writes differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    /// Waits for the disk at most.
    Plain,
    /// May wait for somebody else, and has no offsets: a FIFO or socket.
    Stream,
    /// May wait for somebody else: a terminal, among others.
    Device,
}

/// The right to use a descriptor's number.
pub(crate) struct Lease {
    shared: Arc<Shared>,
    fd: BorrowedFd<'static>,
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_tuple("Lease")
            .field(&self.fd.as_raw_fd())
            .finish()
    }
}

impl AsFd for Lease {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd
    }
}

impl Lease {
    /// What the file is. The kernel is asked once, and asks no other machine.
    pub(crate) fn nature(&self) -> Nature {
        *self.shared.nature.get_or_init(|| {
            let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
            // A kernel without this call is asked in the old way, which may wait for a server.
            let mode = rustix::fs::statx(self.fd, c"", flags, StatxFlags::TYPE)
                .map(|stat| u32::from(stat.stx_mode))
                .or_else(|_| rustix::fs::fstat(self.fd).map(|stat| stat.st_mode));
            match mode.map(FileType::from_raw_mode) {
                Ok(FileType::Fifo | FileType::Socket) => Nature::Stream,
                Ok(FileType::CharacterDevice) => Nature::Device,
                _ => Nature::Plain,
            }
        })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.leases -= 1;
        if state.leases > 0 {
            return;
        }
        if let Some(closer) = state.closer.take() {
            let descriptor = state.descriptor.take();
            // The closer wakes the loop, and may drop what it captured.
            drop(state);
            if let Some(descriptor) = descriptor {
                closer(descriptor);
            }
        }
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use std::sync::mpsc;

    fn pipe_file() -> File {
        let (reader, _writer) = rustix::pipe::pipe().expect("pipe");
        File::from(reader)
    }

    #[test]
    fn a_file_that_nobody_uses_gives_its_descriptor_up_at_once() {
        let file = pipe_file();
        let descriptor = file.close_with(Box::new(|_| ())).expect("open");
        assert!(descriptor.is_some());
        assert_eq!(file.number(), None);
        assert_eq!(file.lend().expect_err("closed"), Errno::BADF);
        assert_eq!(
            file.close_with(Box::new(|_| ())).expect_err("closed"),
            Errno::BADF
        );
    }

    #[test]
    fn closing_waits_for_the_last_lease_and_lets_nobody_in() {
        let file = pipe_file();
        let leases = [file.lend().expect("open"), file.lend().expect("open")];
        let (closed, descriptors) = mpsc::channel();
        let closer = Box::new(move |descriptor| closed.send(descriptor).expect("receiver lives"));
        assert!(file.close_with(closer).expect("open").is_none());
        assert_eq!(file.lend().expect_err("closing"), Errno::BADF);
        assert_eq!(file.number(), None);
        let [first, last] = leases;
        drop(first);
        assert!(descriptors.try_recv().is_err());
        rustix::fs::fstat(last.as_fd()).expect("still open");
        drop(last);
        assert!(descriptors.try_recv().is_ok());
    }

    #[test]
    fn the_last_clone_closes_what_is_owned_and_leaves_open_what_is_lent() {
        let (reader, writer) = rustix::pipe::pipe().expect("pipe");
        drop(File::lent(writer.as_raw_fd()).expect("a number"));
        rustix::io::write(&writer, b"x").expect("left open");
        let file = File::from(writer);
        let other = file.clone();
        drop(file);
        other.with(|fd| rustix::io::write(fd, b"y")).expect("open");
        drop(other);
        let mut bytes = [0; 4];
        assert_eq!(rustix::io::read(&reader, &mut bytes), Ok(2));
        assert_eq!(rustix::io::read(&reader, &mut bytes), Ok(0), "closed");
        assert_eq!(File::lent(-1).expect_err("negative"), Errno::BADF);
    }

    #[test]
    fn a_file_is_known_for_what_it_is() {
        let file = File::from(std::fs::File::open("/").map(OwnedFd::from).expect("open"));
        assert_eq!(file.lend().expect("open").nature(), Nature::Plain);
        assert_eq!(pipe_file().lend().expect("open").nature(), Nature::Stream);
        let null = std::fs::File::open("/dev/null").map(OwnedFd::from);
        let file = File::from(null.expect("open"));
        assert_eq!(file.lend().expect("open").nature(), Nature::Device);
    }
}
