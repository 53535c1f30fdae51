//! Datagrams, received one or several in a system call.
//!
//! The call for several is the faster one for each of several, and the slower one for one. Sending is in
//! [`sockets`](crate::sockets): a call for several at once is no faster than one for each.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsFd;

use rustix::io::Errno;

use crate::sockets::{Attempt, attempt};
use crate::sys::datagrams::Slots;

/// How many datagrams are received at a time.
const COUNT_MAX: usize = 32;

/// No datagram of an internet protocol is longer.
const INTERNET_SIZE_MAX: usize = 64 * 1024;

/// Local datagrams may be longer still; asyncio never takes more of one.
const LOCAL_SIZE_MAX: usize = 256 * 1024;

/// Slots begin at different lines of the processor's caches. Were they a power of two apart, the first
/// bytes of all of them would compete for the same few lines.
const OFFSET: usize = 9 * 64;

/// What kind of socket datagrams are received from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IPv4 or IPv6.
    Internet,
    /// Unix.
    Local,
}

/// Who sent a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender<'a> {
    /// A socket of IPv4 or IPv6.
    Internet(SocketAddr),
    /// A Unix socket, by the bytes of its name as the kernel keeps them: a path may end with a zero,
    /// an abstract name begins with one.
    Local(&'a [u8]),
    /// A socket without a name.
    Unnamed,
}

/// Memory for the datagrams of one system call.
#[derive(Debug)]
pub struct Batch {
    slots: Slots,
}

impl Batch {
    /// Memory for datagrams of this kind. It is taken from the system page by page, as it is used.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        let size = match kind {
            Kind::Internet => INTERNET_SIZE_MAX,
            Kind::Local => LOCAL_SIZE_MAX,
        };
        // As much memory for the one as for the other.
        let count = COUNT_MAX * INTERNET_SIZE_MAX / size;
        Self {
            slots: Slots::new(count, size, size + OFFSET),
        }
    }

    /// Receives one datagram; how many.
    pub fn receive_one(&mut self, socket: impl AsFd) -> Result<Attempt<usize>, Errno> {
        let socket = socket.as_fd();
        attempt(|| self.slots.receive_one(socket).map(|()| 1))
    }

    /// Receives the datagrams that are there, as far as there is room; how many.
    pub fn receive(&mut self, socket: impl AsFd) -> Result<Attempt<usize>, Errno> {
        let socket = socket.as_fd();
        attempt(|| self.slots.receive(socket))
    }

    /// One of the datagrams received last, and its sender.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<(&[u8], Sender<'_>)> {
        let (data, name) = self.slots.get(index)?;
        Some((data, sender(name)))
    }
}

/// Reads an address as the kernel writes it (`sockaddr_in`, `sockaddr_in6`, `sockaddr_un`).
fn sender(name: &[u8]) -> Sender<'_> {
    let Some((family, rest)) = name.split_first_chunk() else {
        return Sender::Unnamed;
    };
    match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET => internet4(rest).map_or(Sender::Unnamed, Sender::Internet),
        libc::AF_INET6 => internet6(rest).map_or(Sender::Unnamed, Sender::Internet),
        libc::AF_UNIX => Sender::Local(rest),
        _ => Sender::Unnamed,
    }
}

fn internet4(fields: &[u8]) -> Option<SocketAddr> {
    let (port, fields) = fields.split_first_chunk()?;
    let (ip, _zeros) = fields.split_first_chunk::<4>()?;
    let address = SocketAddrV4::new(Ipv4Addr::from(*ip), u16::from_be_bytes(*port));
    Some(SocketAddr::V4(address))
}

fn internet6(fields: &[u8]) -> Option<SocketAddr> {
    let (port, fields) = fields.split_first_chunk()?;
    let (flow, fields) = fields.split_first_chunk()?;
    let (ip, fields) = fields.split_first_chunk::<16>()?;
    let (scope, _rest) = fields.split_first_chunk()?;
    let address = SocketAddrV6::new(
        Ipv6Addr::from(*ip),
        u16::from_be_bytes(*port),
        u32::from_be_bytes(*flow),
        u32::from_ne_bytes(*scope),
    );
    Some(SocketAddr::V6(address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::unix::net::UnixDatagram;

    fn udp(host: &str) -> UdpSocket {
        UdpSocket::bind((host, 0)).expect("bind")
    }

    fn count(attempt: Result<Attempt<usize>, Errno>) -> usize {
        match attempt.expect("no error") {
            Attempt::Done(count) => count,
            Attempt::WouldBlock => 0,
        }
    }

    #[test]
    fn what_waits_comes_in_order_with_its_borders_and_its_senders() {
        for host in ["127.0.0.1", "::1"] {
            let (ours, first, second) = (udp(host), udp(host), udp(host));
            let address = ours.local_addr().expect("bound");
            let mut batch = Batch::new(Kind::Internet);
            assert_eq!(count(batch.receive(&ours)), 0);
            first.send_to(b"one", address).expect("send");
            second.send_to(b"", address).expect("send");
            first.send_to(b"three", address).expect("send");
            assert_eq!(count(batch.receive(&ours)), 3);
            let name = |socket: &UdpSocket| Sender::Internet(socket.local_addr().expect("bound"));
            assert_eq!(batch.get(0), Some((&b"one"[..], name(&first))));
            assert_eq!(batch.get(1), Some((&b""[..], name(&second))));
            assert_eq!(batch.get(2), Some((&b"three"[..], name(&first))));
            assert_eq!(count(batch.receive(&ours)), 0);
        }
    }

    #[test]
    fn one_can_be_received_before_the_others() {
        let (ours, theirs) = (udp("127.0.0.1"), udp("127.0.0.1"));
        let address = ours.local_addr().expect("bound");
        let mut batch = Batch::new(Kind::Internet);
        for data in ["one", "two", "three"] {
            theirs.send_to(data.as_bytes(), address).expect("send");
        }
        let sender = Sender::Internet(theirs.local_addr().expect("bound"));
        assert_eq!(count(batch.receive_one(&ours)), 1);
        assert_eq!(batch.get(0), Some((&b"one"[..], sender)));
        assert_eq!(count(batch.receive(&ours)), 2);
        assert_eq!(batch.get(0), Some((&b"two"[..], sender)));
        assert_eq!(batch.get(1), Some((&b"three"[..], sender)));
        assert_eq!(count(batch.receive_one(&ours)), 0);
    }

    #[test]
    fn one_call_takes_no_more_than_there_is_room_for() {
        let (ours, theirs) = (udp("127.0.0.1"), udp("127.0.0.1"));
        let address = ours.local_addr().expect("bound");
        for number in 0..40 {
            theirs.send_to(&[number], address).expect("send");
        }
        let mut batch = Batch::new(Kind::Internet);
        assert_eq!(count(batch.receive(&ours)), COUNT_MAX);
        assert_eq!(batch.get(31).map(|(data, _)| data), Some(&[31][..]));
        assert_eq!(batch.get(COUNT_MAX), None);
        assert_eq!(count(batch.receive(&ours)), 8);
        assert_eq!(batch.get(0).map(|(data, _)| data), Some(&[32][..]));
    }

    #[test]
    fn the_longest_datagrams_come_whole() {
        let (ours, theirs) = (udp("127.0.0.1"), udp("127.0.0.1"));
        let data = vec![7; 65_507];
        theirs
            .send_to(&data, ours.local_addr().expect("bound"))
            .expect("send");
        let mut batch = Batch::new(Kind::Internet);
        assert_eq!(count(batch.receive(&ours)), 1);
        assert_eq!(batch.get(0).map(|(data, _)| data), Some(&data[..]));
        let (ours, theirs) = UnixDatagram::pair().expect("pair");
        let data = vec![7; 100_000];
        theirs.send(&data).expect("send");
        let mut batch = Batch::new(Kind::Local);
        assert_eq!(count(batch.receive(&ours)), 1);
        assert_eq!(batch.get(0), Some((&data[..], Sender::Unnamed)));
    }

    #[test]
    fn a_refusal_is_an_error_and_what_came_before_it_is_not_lost() {
        let ours = udp("127.0.0.1");
        let theirs = udp("127.0.0.1");
        ours.connect(theirs.local_addr().expect("bound"))
            .expect("connect");
        theirs
            .send_to(b"x", ours.local_addr().expect("bound"))
            .expect("send");
        drop(theirs);
        ours.send(b"into the void").expect("send");
        let mut batch = Batch::new(Kind::Internet);
        let mut received = 0;
        let mut refused = 0;
        for _ in 0..3 {
            match batch.receive(&ours) {
                Ok(Attempt::Done(count)) => received += count,
                Ok(Attempt::WouldBlock) => {}
                Err(errno) => {
                    assert_eq!(errno, Errno::CONNREFUSED);
                    refused += 1;
                }
            }
        }
        assert_eq!((received, refused), (1, 1));
    }

    #[test]
    fn an_address_is_read_as_the_kernel_writes_it() {
        let mut name = vec![10, 0, 0x1f, 0x90, 0, 0, 0, 5];
        name.extend(Ipv6Addr::LOCALHOST.octets());
        name.extend(3u32.to_ne_bytes());
        let expected = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 8080, 5, 3);
        assert_eq!(sender(&name), Sender::Internet(expected.into()));
        assert_eq!(sender(b"\x01\x00\x00name"), Sender::Local(b"\x00name"));
        assert_eq!(sender(b"\x01\x00"), Sender::Local(b""));
        for cut in [
            &b""[..],
            b"\x02",
            b"\x02\x00\x1f",
            &name[..20],
            b"\xff\x00zz",
        ] {
            assert_eq!(sender(cut), Sender::Unnamed);
        }
    }
}
