//! Socket calls that never block, whatever the socket's mode: «would block» is a value, and a signal makes them try again.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::net::{self, RecvFlags, SendFlags, SocketAddrAny, SocketFlags};

/// The outcome of a call that must not wait.
#[derive(Debug)]
pub enum Attempt<T> {
    /// It was done.
    Done(T),
    /// It would have had to wait.
    WouldBlock,
}

/// Runs `call` until no signal interrupts it, and makes a value of «would block».
pub fn attempt<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<Attempt<T>, Errno> {
    loop {
        match call() {
            Ok(value) => return Ok(Attempt::Done(value)),
            Err(Errno::INTR) => {}
            // EAGAIN and EWOULDBLOCK are one number on Linux.
            Err(Errno::AGAIN) => return Ok(Attempt::WouldBlock),
            Err(errno) => return Err(errno),
        }
    }
}

/// Receives into `buffer`; the count of bytes received, 0 at the end of the stream.
pub fn recv(socket: impl AsFd, buffer: &mut [MaybeUninit<u8>]) -> Result<Attempt<usize>, Errno> {
    let socket = socket.as_fd();
    attempt(|| {
        net::recv(socket, &mut *buffer, RecvFlags::DONTWAIT)
            .map(|((received, _rest), _length)| received.len())
    })
}

/// Like [`recv`], into memory that has been initialised before.
pub fn recv_into(socket: impl AsFd, buffer: &mut [u8]) -> Result<Attempt<usize>, Errno> {
    let socket = socket.as_fd();
    attempt(|| {
        net::recv(socket, &mut *buffer, RecvFlags::DONTWAIT).map(|(received, _length)| received)
    })
}

/// Sends from `bytes`; the count of bytes that the kernel took. A closed peer is `EPIPE`, never a signal.
pub fn send(socket: impl AsFd, bytes: &[u8]) -> Result<Attempt<usize>, Errno> {
    let socket = socket.as_fd();
    attempt(|| net::send(socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT))
}

/// Sends one datagram to an address; it goes whole or not at all.
pub fn send_to(
    socket: impl AsFd,
    bytes: &[u8],
    address: &SocketAddr,
) -> Result<Attempt<usize>, Errno> {
    let socket = socket.as_fd();
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    attempt(|| net::sendto(socket, bytes, flags, address))
}

/// How many buffers one call can take (`UIO_MAXIOV`); with more the kernel refuses all of them.
pub(crate) const BUFFERS_MAX: usize = 1024;

/// Sends from several buffers in one call; the count of bytes that the kernel took.
pub fn send_vectored(socket: impl AsFd, buffers: &[IoSlice<'_>]) -> Result<Attempt<usize>, Errno> {
    let socket = socket.as_fd();
    let buffers = &buffers[..buffers.len().min(BUFFERS_MAX)];
    attempt(|| {
        let mut no_control = net::SendAncillaryBuffer::default();
        net::sendmsg(
            socket,
            buffers,
            &mut no_control,
            SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
        )
    })
}

/// Accepts one connection, non-blocking and closed on exec, with its peer's address.
pub fn accept(listener: impl AsFd) -> Result<Attempt<(OwnedFd, Option<SocketAddrAny>)>, Errno> {
    let listener = listener.as_fd();
    attempt(|| net::acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::OFlags;
    use rustix::io::FdFlags;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::UnixStream;

    fn pair() -> (UnixStream, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("socketpair");
        ours.set_nonblocking(true).expect("non-blocking");
        (ours, theirs)
    }

    /// The result of an attempt that was done, `None` if it would block.
    fn done<T>(attempt: Result<Attempt<T>, Errno>) -> Option<T> {
        match attempt.expect("no error") {
            Attempt::Done(value) => Some(value),
            Attempt::WouldBlock => None,
        }
    }

    fn received(socket: &UnixStream) -> Option<usize> {
        let mut buffer = [MaybeUninit::uninit(); 16];
        done(recv(socket, &mut buffer))
    }

    #[test]
    fn a_receive_says_would_block_then_what_came_then_the_end() {
        let (ours, mut theirs) = pair();
        assert_eq!(received(&ours), None);
        theirs.write_all(b"abc").expect("write");
        assert_eq!(received(&ours), Some(3));
        assert_eq!(received(&ours), None);
        drop(theirs);
        assert_eq!(received(&ours), Some(0));
    }

    #[test]
    fn a_full_socket_says_would_block_and_takes_more_once_it_was_read() {
        let (ours, mut theirs) = pair();
        let bytes = [7; 65_536];
        let sent: usize = std::iter::from_fn(|| done(send(&ours, &bytes))).sum();
        assert!(sent > 0);
        theirs
            .read_exact(&mut vec![0; sent])
            .expect("all that was sent");
        assert!(done(send(&ours, &bytes)).is_some());
    }

    #[test]
    fn a_closed_peer_is_an_error_and_never_a_signal() {
        // The runtime of the tests ignores SIGPIPE: make it deadly again.
        crate::sys::tests::let_sigpipe_kill();
        let (ours, theirs) = pair();
        drop(theirs);
        assert_eq!(send(&ours, b"x").expect_err("closed"), Errno::PIPE);
        assert_eq!(
            send_vectored(&ours, &[IoSlice::new(b"x")]).expect_err("closed"),
            Errno::PIPE
        );
    }

    #[test]
    fn a_socket_that_may_block_is_still_never_waited_for() {
        let (ours, theirs) = pair();
        ours.set_nonblocking(false).expect("blocking");
        assert_eq!(received(&ours), None);
        while done(send(&ours, &[7; 65_536])).is_some() {}
        assert_eq!(
            done(send_vectored(&ours, &[IoSlice::new(&[7; 65_536])])),
            None
        );
        drop(theirs);
    }

    #[test]
    fn several_buffers_go_out_as_one() {
        let (ours, mut theirs) = pair();
        let buffers = [&b"head"[..], b"", b"body"].map(IoSlice::new);
        assert_eq!(done(send_vectored(&ours, &buffers)), Some(8));
        let mut bytes = [0; 8];
        theirs.read_exact(&mut bytes).expect("eight bytes");
        assert_eq!(&bytes, b"headbody");
    }

    #[test]
    fn more_buffers_than_the_kernel_takes_at_once_are_taken_in_part() {
        let (ours, _theirs) = pair();
        let buffers = vec![IoSlice::new(b"x"); BUFFERS_MAX + 1];
        assert_eq!(done(send_vectored(&ours, &buffers)), Some(BUFFERS_MAX));
    }

    #[test]
    fn an_accepted_connection_is_non_blocking_and_not_inherited() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("bind");
        listener.set_nonblocking(true).expect("non-blocking");
        assert!(done(accept(&listener)).is_none());
        let address = listener.local_addr().expect("bound");
        let client = TcpStream::connect(address).expect("connect");
        let (connection, peer) = done(accept(&listener)).expect("a connection waits");
        let peer = SocketAddr::try_from(peer.expect("a TCP peer has an address"))
            .expect("of a known family");
        assert_eq!(peer, client.local_addr().expect("connected"));
        assert!(
            rustix::fs::fcntl_getfl(&connection)
                .expect("flags")
                .contains(OFlags::NONBLOCK)
        );
        assert!(
            rustix::io::fcntl_getfd(&connection)
                .expect("flags")
                .contains(FdFlags::CLOEXEC)
        );
        assert!(done(accept(&listener)).is_none());
    }

    #[test]
    fn a_datagram_goes_to_the_address_that_is_given() {
        for host in ["127.0.0.1", "::1"] {
            let ours = UdpSocket::bind((host, 0)).expect("bind");
            let theirs = UdpSocket::bind((host, 0)).expect("bind");
            let address = theirs.local_addr().expect("bound");
            assert_eq!(done(send_to(&ours, b"hello", &address)), Some(5));
            assert_eq!(done(send_to(&ours, b"", &address)), Some(0));
            let mut buffer = [0; 8];
            let sender = ours.local_addr().expect("bound");
            assert_eq!(theirs.recv_from(&mut buffer).expect("one"), (5, sender));
            assert_eq!(theirs.recv_from(&mut buffer).expect("two"), (0, sender));
        }
    }

    #[test]
    fn an_interrupted_call_is_made_again() {
        let mut results = [Err(Errno::INTR), Err(Errno::INTR), Ok(5)].into_iter();
        assert_eq!(
            done(attempt(|| results.next().expect("not called again"))),
            Some(5)
        );
    }

    #[test]
    fn what_is_no_socket_is_an_error() {
        let (_reader, writer) = rustix::pipe::pipe().expect("pipe");
        assert_eq!(send(&writer, b"x").expect_err("a pipe"), Errno::NOTSOCK);
        assert_eq!(
            recv(&writer, &mut [MaybeUninit::uninit(); 1]).expect_err("a pipe"),
            Errno::NOTSOCK
        );
    }
}
