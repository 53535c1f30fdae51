//! Datagrams in flight on one socket: as many as there are clients, each sent again when its echo has come back.
//!
//! Each datagram begins with the number of its place in the window and of its turn there, so that an echo that is lost,
//! doubled or not its own is noticed; the order in which they come back does not matter.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::arguments::Arguments;
use crate::client::Exchange;
use crate::histogram::Histogram;
use crate::load::SILENCE_MAX;

/// Two numbers of four bytes: the place, and the turn.
const HEADER_LEN: usize = 8;

/// One place in the window.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Counts the datagrams sent from here.
    turn: u32,
    /// When the datagram in flight was sent; `None` while there is none.
    begin: Option<Instant>,
}

/// The socket and what is in flight on it.
#[derive(Debug)]
pub(crate) struct Datagrams {
    /// Connected to the server, without blocking. Polled without sleeping, for the reason in `load`.
    socket: OwnedFd,
    places: Vec<Place>,
    /// How long a place rests between an echo and its next datagram.
    pause: Duration,
    /// The next datagram; only its header changes.
    outgoing: Vec<u8>,
    /// The last one received. One byte longer than it may be, so that one too long is noticed.
    incoming: Vec<u8>,
}

impl Datagrams {
    /// Connect; nothing is sent yet.
    pub(crate) fn new(arguments: &Arguments, server: SocketAddrV4) -> io::Result<Self> {
        if arguments.request_len < HEADER_LEN || arguments.reply_len != arguments.request_len {
            return Err(io::Error::other(
                "datagrams are echoed, and have 8 bytes at least",
            ));
        }
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
        rustix::net::connect(&socket, &server)?;
        let place = Place {
            turn: 0,
            begin: None,
        };
        Ok(Self {
            socket,
            places: vec![place; arguments.clients],
            pause: arguments.pause,
            outgoing: Exchange::new(arguments.request_len, arguments.reply_len)
                .request()
                .to_vec(),
            incoming: vec![0; arguments.request_len + 1],
        })
    }

    /// Send until `window` has passed, wait for the last echoes, and return all latencies.
    pub(crate) fn run_for(&mut self, window: Duration) -> io::Result<Histogram> {
        let mut latencies = Histogram::default();
        let begin = Instant::now();
        let deadline = begin + window;
        for index in 0..self.places.len() {
            self.send(index, begin)?;
        }
        let mut running = self.places.len();
        let mut last_echo = begin;
        // Who rests, and until when: pauses are of one length, so that the first to rest is the first to go on.
        let mut resting = VecDeque::new();
        while running > 0 {
            let now = Instant::now();
            if let Some(&(until, index)) = resting.front()
                && now >= until
            {
                resting.pop_front();
                self.send(index, now)?;
            }
            let Some((index, sent_at)) = self.receive()? else {
                if now.duration_since(last_echo) > SILENCE_MAX {
                    return Err(io::Error::other(
                        "a datagram was lost, or not answered for 10 s",
                    ));
                }
                continue;
            };
            let at = Instant::now();
            last_echo = at;
            latencies.record(at - sent_at);
            if at + self.pause >= deadline {
                running -= 1;
            } else if self.pause.is_zero() {
                self.send(index, at)?;
            } else {
                resting.push_back((at + self.pause, index));
            }
        }
        Ok(latencies)
    }

    fn send(&mut self, index: usize, now: Instant) -> io::Result<()> {
        let place = &mut self.places[index];
        place.turn = place.turn.wrapping_add(1);
        place.begin = Some(now);
        let number = u32::try_from(index).map_err(io::Error::other)?;
        self.outgoing[..4].copy_from_slice(&number.to_ne_bytes());
        self.outgoing[4..HEADER_LEN].copy_from_slice(&place.turn.to_ne_bytes());
        rustix::io::write(&self.socket, &self.outgoing)?;
        Ok(())
    }

    /// Take one echo, if there is one: the place whose datagram came back, and when it was sent.
    fn receive(&mut self) -> io::Result<Option<(usize, Instant)>> {
        let count = match rustix::io::read(&self.socket, &mut *self.incoming) {
            Ok(count) => count,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        self.accept(count)
            .map(Some)
            .ok_or_else(|| io::Error::other("the server sent a wrong datagram, or one twice"))
    }

    fn accept(&mut self, count: usize) -> Option<(usize, Instant)> {
        let (header, rest) = self.incoming[..count].split_at_checked(HEADER_LEN)?;
        if rest != &self.outgoing[HEADER_LEN..] {
            return None;
        }
        let (number, turn) = header.split_at(4);
        let index = usize::try_from(u32::from_ne_bytes(number.try_into().ok()?)).ok()?;
        let place = self.places.get_mut(index)?;
        if turn != place.turn.to_ne_bytes() {
            return None;
        }
        Some((index, place.begin.take()?))
    }
}

#[cfg(test)]
mod tests {
    use super::Datagrams;
    use crate::arguments::Arguments;
    use std::io;
    use std::net::{SocketAddr, UdpSocket};
    use std::time::Instant;

    fn one_in_flight() -> io::Result<(Datagrams, UdpSocket)> {
        let server = UdpSocket::bind("127.0.0.1:0")?;
        let SocketAddr::V4(address) = server.local_addr()? else {
            return Err(io::Error::other("bound to IPv4"));
        };
        let line = format!(
            "--address udp:{address} --clients 1 --request 16 --reply 16 --pause-us 0 --warm-up-ms 1 --window-ms 1"
        );
        let arguments = Arguments::parse(line.split_whitespace().map(String::from))
            .map_err(io::Error::other)?;
        let mut datagrams = Datagrams::new(&arguments, address)?;
        datagrams.send(0, Instant::now())?;
        let length = datagrams.outgoing.len();
        datagrams.incoming[..length].copy_from_slice(&datagrams.outgoing);
        Ok((datagrams, server))
    }

    #[test]
    fn an_echo_is_accepted_once() -> io::Result<()> {
        let (mut datagrams, _server) = one_in_flight()?;
        assert_eq!(datagrams.accept(16).map(|(index, _)| index), Some(0));
        assert!(datagrams.accept(16).is_none());
        Ok(())
    }

    #[test]
    fn an_echo_cut_changed_or_of_an_earlier_turn_is_refused() -> io::Result<()> {
        for (at, count) in [(0, 15), (0, 17), (0, 4), (0, 16), (5, 16), (15, 16)] {
            let (mut datagrams, _server) = one_in_flight()?;
            datagrams.incoming[at] ^= u8::from(count == 16);
            assert!(datagrams.accept(count).is_none(), "{at}, {count}");
        }
        Ok(())
    }
}
