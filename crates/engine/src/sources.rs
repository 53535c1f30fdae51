//! Which file descriptors are watched, for whom, and what the kernel has been told of it. Loop thread only.
//!
//! Each descriptor has a place for a reader and one for a writer. What the kernel watches
//! (`registered`) may be more than what has a watcher: [`Sources::disarm`] leaves the registration
//! in place, so that a wait that follows a wait costs no system call; an event that finds nobody
//! takes the registration back. [`Sources::unwatch`] is the eager form, for descriptors that the
//! loop does not own.
//!
//! A token carries a generation beside the descriptor's number, so that an event of a registration
//! that is gone can never reach the one that has taken over its number.

use std::os::fd::RawFd;
use std::sync::Arc;

use rustix::io::Errno;

use crate::reactor::{Event, Interest, Reactor, Token};

/// Tokens at and above this value are the owner's own (bell, signals): no descriptor reaches it.
pub const TOKEN_RESERVED_MIN: u64 = u64::MAX - 15;

/// One of the two ways a source can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Until a read would not block.
    Read,
    /// Until a write would not block.
    Write,
}

impl Direction {
    fn of(self, interest: &mut Interest) -> &mut bool {
        match self {
            Self::Read => &mut interest.readable,
            Self::Write => &mut interest.writable,
        }
    }
}

#[derive(Debug)]
struct Source<W> {
    reader: Option<W>,
    writer: Option<W>,
    /// What the kernel watches as far as we know. It forgets a descriptor that is closed.
    registered: Interest,
    /// Incremented by each new registration under this descriptor's number.
    generation: u32,
}

impl<W> Default for Source<W> {
    fn default() -> Self {
        Self {
            reader: None,
            writer: None,
            registered: Interest::NONE,
            generation: 0,
        }
    }
}

impl<W> Source<W> {
    fn place(&mut self, direction: Direction) -> &mut Option<W> {
        match direction {
            Direction::Read => &mut self.reader,
            Direction::Write => &mut self.writer,
        }
    }

    fn wanted(&self) -> Interest {
        Interest {
            readable: self.reader.is_some(),
            writable: self.writer.is_some(),
        }
    }

    fn token(&self, fd: RawFd) -> Token {
        Token(u64::from(self.generation & 0x7fff_ffff) << 32 | u64::from(fd.unsigned_abs()))
    }
}

/// The watchers of an event: who waits for reading, who for writing.
#[derive(Debug)]
pub struct Watchers<W> {
    /// Waits for reading, and may.
    pub reader: Option<W>,
    /// Waits for writing, and may.
    pub writer: Option<W>,
}

/// All watched descriptors of a loop, indexed by number (the kernel hands out the smallest free one).
#[derive(Debug)]
pub struct Sources<W, R> {
    reactor: Arc<R>,
    sources: Vec<Source<W>>,
    /// The kernel has reported a registration that we cannot name any more.
    has_orphans: bool,
}

impl<W, R: Reactor> Sources<W, R> {
    /// An empty table over `reactor`.
    pub fn new(reactor: Arc<R>) -> Self {
        Self {
            reactor,
            sources: Vec::new(),
            has_orphans: false,
        }
    }

    /// Watches a descriptor that others own, trusting nothing the kernel was told before.
    ///
    /// Returns the watcher that stood in this place. Fails, with no watcher changed, if the kernel
    /// refuses the descriptor (`EBADF`, `EPERM` for plain files …).
    pub fn watch(
        &mut self,
        fd: RawFd,
        direction: Direction,
        watcher: W,
    ) -> Result<Option<W>, Errno> {
        let mut wanted = self.source(fd)?.wanted();
        *direction.of(&mut wanted) = true;
        self.register(fd, wanted)?;
        Ok(self.source(fd)?.place(direction).replace(watcher))
    }

    /// Watches a descriptor whose registration is known to be good: no system call if it suffices.
    pub fn arm(&mut self, fd: RawFd, direction: Direction, watcher: W) -> Result<Option<W>, Errno> {
        let source = self.source(fd)?;
        let mut wanted = source.registered;
        *direction.of(&mut wanted) = true;
        if wanted != source.registered {
            self.register(fd, wanted)?;
        }
        Ok(self.source(fd)?.place(direction).replace(watcher))
    }

    /// Stops watching in this direction and tells the kernel at once. Returns who was watching.
    pub fn unwatch(&mut self, fd: RawFd, direction: Direction) -> Option<W> {
        let source = self.known(fd)?;
        let watcher = source.place(direction).take();
        let wanted = source.wanted();
        self.shrink(fd, wanted);
        watcher
    }

    /// Stops watching in this direction; the kernel is told only if an event arrives for nobody.
    pub fn disarm(&mut self, fd: RawFd, direction: Direction) -> Option<W> {
        self.known(fd)?.place(direction).take()
    }

    /// Tells the kernel to watch for no more than has a watcher: what [`disarm`](Self::disarm) put off.
    pub fn settle(&mut self, fd: RawFd) {
        if let Some(wanted) = self.known(fd).map(|source| source.wanted()) {
            self.shrink(fd, wanted);
        }
    }

    /// Forgets the descriptor: it is about to be closed, or belongs to somebody else now.
    pub fn forget(&mut self, fd: RawFd) -> Watchers<W> {
        let Some(source) = self.known(fd) else {
            return Watchers {
                reader: None,
                writer: None,
            };
        };
        let watchers = Watchers {
            reader: source.reader.take(),
            writer: source.writer.take(),
        };
        self.shrink(fd, Interest::NONE);
        watchers
    }

    /// Who watches `fd` in this direction.
    #[must_use]
    pub fn watcher(&self, fd: RawFd, direction: Direction) -> Option<&W> {
        let source = self.sources.get(usize::try_from(fd).ok()?)?;
        match direction {
            Direction::Read => source.reader.as_ref(),
            Direction::Write => source.writer.as_ref(),
        }
    }

    /// Whom `event` is for, as `copy` copies them. An event for nobody takes the registration back.
    pub fn watchers_of(&mut self, event: Event, copy: impl Fn(&W) -> W) -> Watchers<W> {
        let Some(fd) = self.registered_under(event.token) else {
            self.has_orphans = true;
            return Watchers {
                reader: None,
                writer: None,
            };
        };
        let Some(source) = self.known(fd) else {
            return Watchers {
                reader: None,
                writer: None,
            };
        };
        let wanted = source.wanted();
        let watchers = Watchers {
            reader: source
                .reader
                .as_ref()
                .filter(|_watcher| event.readable)
                .map(&copy),
            writer: source
                .writer
                .as_ref()
                .filter(|_watcher| event.writable)
                .map(&copy),
        };
        if watchers.reader.is_none() && watchers.writer.is_none() {
            self.has_orphans |= !self.shrink(fd, wanted);
        }
        watchers
    }

    /// Whether the kernel watches a file that is no longer open under the number we knew.
    ///
    /// It does so when a descriptor is closed while a twin (a `dup`, a forked child's) keeps the
    /// file open: the registration belongs to the file, and would be reported without end.
    #[must_use]
    pub fn has_orphans(&self) -> bool {
        self.has_orphans
    }

    /// Makes the reactor start anew, with what is watched now and nothing else.
    ///
    /// If the kernel refuses (no descriptor is free), it is tried again after the next such event.
    pub fn drop_orphans(&mut self) -> Result<(), Errno> {
        self.has_orphans = false;
        self.reactor.renew()?;
        for (fd, source) in (0..).zip(&mut self.sources) {
            let wanted = source.wanted();
            // A descriptor that is refused was closed behind its watcher, as the kernel knew before.
            let is_added =
                !wanted.is_none() && self.reactor.add(fd, wanted, source.token(fd)).is_ok();
            source.registered = if is_added { wanted } else { Interest::NONE };
        }
        Ok(())
    }

    /// The descriptor whose present registration has `token`.
    fn registered_under(&self, token: Token) -> Option<RawFd> {
        let fd = RawFd::try_from(token.0 & 0xffff_ffff).ok()?;
        let source = self.sources.get(usize::try_from(fd).ok()?)?;
        (source.token(fd) == token).then_some(fd)
    }

    /// All watchers, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &W> {
        self.sources
            .iter()
            .flat_map(|source| source.reader.iter().chain(&source.writer))
    }

    /// Forgets all descriptors and hands their watchers to the caller.
    #[must_use = "dropping watchers may run foreign code: drop them outside of any borrow"]
    pub fn take(&mut self) -> Vec<W> {
        let fds = 0..RawFd::try_from(self.sources.len()).unwrap_or(RawFd::MAX);
        fds.map(|fd| self.forget(fd))
            .flat_map(|watchers| watchers.reader.into_iter().chain(watchers.writer))
            .collect()
    }

    fn source(&mut self, fd: RawFd) -> Result<&mut Source<W>, Errno> {
        let index = usize::try_from(fd).map_err(|_negative| Errno::BADF)?;
        if index >= self.sources.len() {
            // A number that was never open must not make the table large: ask the kernel first.
            rustix::io::fcntl_getfd(crate::sys::borrow_fd(fd)?)?;
            self.sources.resize_with(index + 1, Source::default);
        }
        self.sources.get_mut(index).ok_or(Errno::BADF)
    }

    fn known(&mut self, fd: RawFd) -> Option<&mut Source<W>> {
        self.sources.get_mut(usize::try_from(fd).ok()?)
    }

    /// Makes the kernel watch for `wanted`, whatever it thinks of this descriptor.
    fn register(&mut self, fd: RawFd, wanted: Interest) -> Result<(), Errno> {
        let reactor = Arc::clone(&self.reactor);
        let source = self.source(fd)?;
        if !source.registered.is_none() {
            match reactor.modify(fd, wanted, source.token(fd)) {
                Ok(()) => {
                    source.registered = wanted;
                    return Ok(());
                }
                // The descriptor was closed behind us, and its number perhaps taken over.
                Err(errno) => {
                    source.registered = Interest::NONE;
                    if errno != Errno::NOENT {
                        return Err(errno);
                    }
                }
            }
        }
        source.generation = source.generation.wrapping_add(1);
        match reactor.add(fd, wanted, source.token(fd)) {
            Err(Errno::EXIST) => reactor.modify(fd, wanted, source.token(fd))?,
            result => result?,
        }
        source.registered = wanted;
        Ok(())
    }

    /// Makes the kernel watch for no more than `wanted`; whether it knew the descriptor.
    fn shrink(&mut self, fd: RawFd, wanted: Interest) -> bool {
        let reactor = Arc::clone(&self.reactor);
        let Some(source) = self.known(fd).filter(|source| source.registered != wanted) else {
            return true;
        };
        // An error means that the descriptor is closed, and with it the registration.
        let told = if wanted.is_none() {
            reactor.delete(fd)
        } else {
            reactor.modify(fd, wanted, source.token(fd))
        };
        source.registered = if told.is_ok() { wanted } else { Interest::NONE };
        told.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::Epoll;
    use std::os::fd::AsRawFd;

    #[test]
    fn numbers_that_are_not_open_do_not_grow_the_table() {
        let mut sources = Sources::new(Arc::new(Epoll::new().expect("epoll")));
        for fd in [-1, RawFd::MIN, RawFd::MAX, RawFd::MAX - 1] {
            assert_eq!(sources.watch(fd, Direction::Read, ()), Err(Errno::BADF));
            assert_eq!(sources.arm(fd, Direction::Read, ()), Err(Errno::BADF));
            assert!(sources.forget(fd).reader.is_none());
            assert_eq!(sources.unwatch(fd, Direction::Read), None);
            assert_eq!(sources.disarm(fd, Direction::Read), None);
        }
        assert_eq!(sources.sources.len(), 0);
    }

    #[test]
    fn generations_wrap_without_reaching_the_owners_tokens() {
        let mut sources = Sources::new(Arc::new(Epoll::new().expect("epoll")));
        let (reader, _writer) = rustix::pipe::pipe().expect("pipe");
        let fd = reader.as_raw_fd();
        sources.watch(fd, Direction::Read, ()).expect("watch");
        for generation in [u32::MAX - 1, u32::MAX >> 1] {
            sources.unwatch(fd, Direction::Read);
            sources.known(fd).expect("watched before").generation = generation;
            for _ in 0..3 {
                sources.watch(fd, Direction::Read, ()).expect("watch");
                let token = sources.known(fd).expect("watched").token(fd);
                assert!(token.0 < TOKEN_RESERVED_MIN);
                let event = Event {
                    token,
                    readable: true,
                    writable: false,
                };
                assert!(sources.watchers_of(event, Clone::clone).reader.is_some());
                sources.unwatch(fd, Direction::Read);
            }
        }
    }
}
