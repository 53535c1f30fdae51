//! Linux's epoll. Timeouts in nanoseconds by `epoll_pwait2`, in milliseconds on kernels before 5.11.

use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;

use super::{Event, Interest, Reactor, Token};
use crate::closable::Closable;
use crate::sys;
use crate::waker::EventBell;

/// How many events one poll can return. More wait for the next poll: readiness is level-triggered.
const EVENTS_MAX: usize = 256;

/// An epoll instance.
#[derive(Debug)]
pub struct Epoll {
    fd: Closable,
    /// The bell, which outlives every renewal: its descriptor and its token.
    bell: Mutex<Option<(RawFd, Token)>>,
}

impl Epoll {
    /// Makes an instance. Fails when the process is out of file descriptors.
    pub fn new() -> Result<Self, Errno> {
        Ok(Self {
            fd: Closable::new(epoll::create(CreateFlags::CLOEXEC)?),
            bell: Mutex::new(None),
        })
    }

    /// Watches a bell: edge-triggered, so that it need not be silenced.
    pub fn add_bell(&self, bell: &EventBell, token: Token) -> Result<(), Errno> {
        let bell = bell.with_fd(|bell| Ok(bell.as_raw_fd()))?;
        self.fd.with(|epoll| add_bell(epoll, bell, token))?;
        *self.bell.lock().unwrap_or_else(PoisonError::into_inner) = Some((bell, token));
        Ok(())
    }

    /// Whether the instance is that of a process from which this one was forked.
    ///
    /// The kernel would take what a child tells it for what the parent says: every call is refused with
    /// `EBADF`, until [`renew`](Reactor::renew) gives the child an instance of its own.
    #[inline]
    pub fn is_inherited(&self) -> bool {
        self.fd.is_inherited()
    }

    /// Closes the instance, and with it every watch. Each later call is refused with `EBADF`.
    pub fn close(&self) {
        self.fd.close();
    }
}

fn add_bell(epoll: impl AsFd, bell: RawFd, token: Token) -> Result<(), Errno> {
    let (bell, data) = (sys::borrow_fd(bell)?, EventData::new_u64(token.0));
    epoll::add(epoll, bell, data, EventFlags::IN | EventFlags::ET)
}

fn flags_of(interest: Interest) -> EventFlags {
    let mut flags = EventFlags::empty();
    flags.set(EventFlags::IN, interest.readable);
    flags.set(EventFlags::OUT, interest.writable);
    flags
}

fn event_of(event: &epoll::Event) -> Event {
    let flags = event.flags;
    Event {
        token: Token(event.data.u64()),
        readable: flags.intersects(EventFlags::OUT.complement()),
        writable: flags.intersects(EventFlags::IN.complement()),
    }
}

impl Reactor for Epoll {
    fn add(&self, fd: RawFd, interest: Interest, token: Token) -> Result<(), Errno> {
        let (source, data) = (sys::borrow_fd(fd)?, EventData::new_u64(token.0));
        self.fd
            .with(|epoll| epoll::add(epoll, source, data, flags_of(interest)))
    }

    fn modify(&self, fd: RawFd, interest: Interest, token: Token) -> Result<(), Errno> {
        let (source, data) = (sys::borrow_fd(fd)?, EventData::new_u64(token.0));
        self.fd
            .with(|epoll| epoll::modify(epoll, source, data, flags_of(interest)))
    }

    fn delete(&self, fd: RawFd) -> Result<(), Errno> {
        let source = sys::borrow_fd(fd)?;
        self.fd.with(|epoll| epoll::delete(epoll, source))
    }

    fn renew(&self) -> Result<(), Errno> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        if let Some((bell, token)) = *self.bell.lock().unwrap_or_else(PoisonError::into_inner) {
            add_bell(&epoll, bell, token)?;
        }
        self.fd.replace(epoll)
    }

    fn poll(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> Result<(), Errno> {
        events.clear();
        let mut buffer = [std::mem::MaybeUninit::<epoll::Event>::uninit(); EVENTS_MAX];
        let polled = self.fd.with(|epoll| {
            let reported = sys::epoll_wait(epoll, &mut buffer, timeout)?;
            events.extend(reported.iter().map(event_of));
            Ok(())
        });
        match polled {
            Err(Errno::INTR) => {
                events.push(Event::INTERRUPTION);
                Ok(())
            }
            result => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::pipe;
    use std::time::Instant;

    fn poll(reactor: &Epoll, timeout: Duration) -> Vec<Event> {
        let mut events = Vec::new();
        reactor.poll(&mut events, Some(timeout)).expect("poll");
        events
    }

    #[test]
    fn a_pipe_is_writable_at_once_and_readable_after_a_write() {
        let reactor = Epoll::new().expect("epoll");
        let (reader, writer) = pipe().expect("pipe");
        reactor
            .add(reader.as_raw_fd(), Interest::READABLE, Token(1))
            .expect("add reader");
        reactor
            .add(writer.as_raw_fd(), Interest::WRITABLE, Token(2))
            .expect("add writer");
        assert_eq!(
            poll(&reactor, Duration::ZERO),
            [Event {
                token: Token(2),
                readable: false,
                writable: true
            }]
        );
        rustix::io::write(&writer, b"x").expect("write");
        let events = poll(&reactor, Duration::ZERO);
        assert!(events.contains(&Event {
            token: Token(1),
            readable: true,
            writable: false
        }));
    }

    #[test]
    fn a_hang_up_is_reported_to_reader_and_writer() {
        let reactor = Epoll::new().expect("epoll");
        let (reader, writer) = pipe().expect("pipe");
        drop(reader);
        reactor
            .add(writer.as_raw_fd(), Interest::WRITABLE, Token(7))
            .expect("add");
        assert_eq!(
            poll(&reactor, Duration::ZERO),
            [Event {
                token: Token(7),
                readable: true,
                writable: true
            }]
        );
    }

    #[test]
    fn a_fractional_timeout_is_never_early() {
        let reactor = Epoll::new().expect("epoll");
        for micros in [1, 10, 150, 999, 1_001] {
            let timeout = Duration::from_micros(micros);
            let begin = Instant::now();
            assert!(poll(&reactor, timeout).is_empty());
            assert!(begin.elapsed() >= timeout);
        }
    }

    #[test]
    fn a_fd_that_is_not_open_is_an_error_not_a_crash() {
        let reactor = Epoll::new().expect("epoll");
        assert_eq!(
            reactor.add(-1, Interest::READABLE, Token(1)),
            Err(Errno::BADF)
        );
        assert_eq!(
            reactor.add(i32::MAX, Interest::READABLE, Token(1)),
            Err(Errno::BADF)
        );
        assert_eq!(reactor.delete(i32::MAX), Err(Errno::BADF));
    }
}
