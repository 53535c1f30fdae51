//! One client: a connection and the one request that may be in flight on it.
//!
//! All states are in two counters: bytes of the request sent, bytes of the reply received. Sockets are non-blocking and
//! watched edge-triggered, so each call goes on until the kernel has nothing more for it.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// What is sent, and what must come back; one for all clients.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// The bytes of each request.
    request: Vec<u8>,
    /// Bytes of each reply. If it is the length of the request, the reply must be the request.
    reply_len: usize,
}

impl Exchange {
    pub(crate) fn new(request_len: usize, reply_len: usize) -> Self {
        // Bytes of a xorshift generator: no period that could hide a reply shifted by some bytes.
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let request = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_be_bytes()[0]
        });
        Self {
            request: request.take(request_len).collect(),
            reply_len,
        }
    }

    /// The bytes of each request.
    pub(crate) fn request(&self) -> &[u8] {
        &self.request
    }

    /// Whether `chunk` may stand at `offset` of a reply.
    fn accepts(&self, offset: usize, chunk: &[u8]) -> bool {
        let end = offset + chunk.len();
        end <= self.reply_len
            && (self.reply_len != self.request.len() || self.request[offset..end] == *chunk)
    }
}

/// Whether the reply is complete.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Waiting,
    Complete { latency: Duration, at: Instant },
}

/// One connection and its request in flight.
#[derive(Debug)]
pub(crate) struct Client {
    stream: OwnedFd,
    /// Bytes of the current request already sent.
    sent: usize,
    /// Bytes of the current reply already received.
    received: usize,
    /// When the request in flight (for a connection per request: its connection) began; `None` while idle.
    begin: Option<Instant>,
}

impl Client {
    /// Begin to connect from `source`, without waiting for it.
    pub(crate) fn connecting(source: Ipv4Addr, server: SocketAddrV4) -> io::Result<Self> {
        let socket = new_socket(AddressFamily::INET)?;
        rustix::net::bind(&socket, &SocketAddrV4::new(source, 0))?;
        match rustix::net::connect(&socket, &server) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(errno) => return Err(errno.into()),
        }
        rustix::net::sockopt::set_tcp_nodelay(&socket, true)?;
        Ok(Self::idle(socket))
    }

    /// Connect to a Unix socket, which takes no time.
    pub(crate) fn connected(server: &Path) -> io::Result<Self> {
        let socket = new_socket(AddressFamily::UNIX)?;
        rustix::net::connect(&socket, &SocketAddrUnix::new(server)?)?;
        Ok(Self::idle(socket))
    }

    fn idle(stream: OwnedFd) -> Self {
        Self {
            stream,
            sent: 0,
            received: 0,
            begin: None,
        }
    }

    pub(crate) fn stream(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Start a request that counts as begun at `now`.
    pub(crate) fn begin(&mut self, exchange: &Exchange, now: Instant) -> io::Result<()> {
        (self.sent, self.received, self.begin) = (0, 0, Some(now));
        self.send(exchange)
    }

    /// Go on after an event, as far as the kernel lets us.
    pub(crate) fn proceed(
        &mut self,
        exchange: &Exchange,
        scratch: &mut [u8],
    ) -> io::Result<Progress> {
        let Some(begin) = self.begin else {
            // An edge that belongs to no request, such as room for more bytes after the last one was sent.
            return Ok(Progress::Waiting);
        };
        self.send(exchange)?;
        while self.received < exchange.reply_len {
            let count = match rustix::io::read(&self.stream, &mut *scratch) {
                Ok(0) => {
                    return Err(io::Error::other(
                        "the server closed a connection in the middle of a reply",
                    ));
                }
                Ok(count) => count,
                Err(Errno::AGAIN) => return Ok(Progress::Waiting),
                Err(errno) => return Err(errno.into()),
            };
            if !exchange.accepts(self.received, &scratch[..count]) {
                return Err(io::Error::other("the server sent a wrong reply"));
            }
            self.received += count;
            if count < scratch.len() && self.received < exchange.reply_len {
                // A short read emptied the socket; the next bytes are a new edge.
                return Ok(Progress::Waiting);
            }
        }
        self.begin = None;
        let at = Instant::now();
        Ok(Progress::Complete {
            latency: at - begin,
            at,
        })
    }

    fn send(&mut self, exchange: &Exchange) -> io::Result<()> {
        while self.sent < exchange.request.len() {
            match rustix::io::write(&self.stream, &exchange.request[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(Errno::AGAIN) => break,
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }
}

fn new_socket(family: AddressFamily) -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    Ok(rustix::net::socket_with(
        family,
        SocketType::STREAM,
        flags,
        None,
    )?)
}

#[cfg(test)]
mod tests {
    use super::Exchange;

    #[test]
    fn an_echo_with_a_byte_changed_moved_or_added_is_refused() {
        let exchange = Exchange::new(100, 100);
        let request = exchange.request.clone();
        assert!(exchange.accepts(0, &request));
        assert!(exchange.accepts(40, &request[40..60]));
        assert!(!exchange.accepts(41, &request[40..60]));
        assert!(!exchange.accepts(99, &request[98..]));
    }

    #[test]
    fn a_reply_that_is_no_echo_is_held_to_its_length() {
        let exchange = Exchange::new(10, 20);
        assert!(exchange.accepts(10, &[0; 10]));
        assert!(!exchange.accepts(11, &[0; 10]));
    }
}
