//! Pipes, and what is read and written like them: FIFOs, sockets, terminals. What a descriptor is, and calls that never block.
//!
//! The calls of files ([`read`], [`write()`] …) rely on the descriptor's non-blocking mode, which
//! [`nonblocking`](crate::nonblocking) lends; sockets have calls of their own, in
//! [`sockets`](crate::sockets), that need none.

use std::io::IoSlice;
use std::mem::MaybeUninit;

use rustix::fd::AsFd;
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use rustix::net::{SocketType, sockopt};

use crate::nonblocking::OpenFile;
use crate::sockets::{Attempt, BUFFERS_MAX, attempt};

/// What a descriptor is, as far as it can stand for the end of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A pipe or FIFO.
    Pipe,
    /// A socket, of whatever type.
    Socket,
    /// A character device, such as a terminal.
    Device,
}

/// The end of a pipe, or what passes for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// What it is.
    pub kind: Kind,
    /// Each write is a message of its own: two must not be made one.
    pub keeps_messages: bool,
    /// The kernel tells a writer when nobody is left to read. It does not for a device, nor for a
    /// FIFO that the writer has open for reading as well.
    pub has_peer: bool,
    /// Which open file it is; None for a socket, whose calls need not know.
    pub file: Option<OpenFile>,
}

impl End {
    /// What `fd` is; None for a plain file, a directory, a block device.
    pub fn of(fd: impl AsFd) -> Result<Option<Self>, Errno> {
        let fd = fd.as_fd();
        let stat = rustix::fs::fstat(fd)?;
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::Fifo => {
                let file = OpenFile::of(fd, &stat)?;
                Some(Self {
                    kind: Kind::Pipe,
                    keeps_messages: file.flags.contains(OFlags::DIRECT),
                    has_peer: file.flags & OFlags::RWMODE != OFlags::RDWR,
                    file: Some(file),
                })
            }
            FileType::Socket => Some(Self {
                kind: Kind::Socket,
                keeps_messages: sockopt::socket_type(fd)? != SocketType::STREAM,
                has_peer: true,
                file: None,
            }),
            FileType::CharacterDevice => Some(Self {
                kind: Kind::Device,
                keeps_messages: false,
                has_peer: false,
                file: Some(OpenFile::of(fd, &stat)?),
            }),
            _ => None,
        })
    }
}

/// How many bytes the pipe holds; None for what is no pipe.
pub fn capacity(fd: impl AsFd) -> Option<usize> {
    rustix::pipe::fcntl_getpipe_size(fd).ok()
}

/// Reads into `buffer`; the count of bytes read, 0 at the end.
pub fn read(fd: impl AsFd, buffer: &mut [MaybeUninit<u8>]) -> Result<Attempt<usize>, Errno> {
    let fd = fd.as_fd();
    attempt(|| rustix::io::read(fd, &mut *buffer).map(|(read, _rest)| read.len()))
}

/// Like [`read`], into memory that has been initialised before.
pub fn read_into(fd: impl AsFd, buffer: &mut [u8]) -> Result<Attempt<usize>, Errno> {
    let fd = fd.as_fd();
    attempt(|| rustix::io::read(fd, &mut *buffer))
}

/// Writes from `bytes`; the count of bytes that the kernel took.
pub fn write(fd: impl AsFd, bytes: &[u8]) -> Result<Attempt<usize>, Errno> {
    let fd = fd.as_fd();
    attempt(|| rustix::io::write(fd, bytes))
}

/// Writes from several buffers in one call; the count of bytes that the kernel took.
pub fn write_vectored(fd: impl AsFd, buffers: &[IoSlice<'_>]) -> Result<Attempt<usize>, Errno> {
    let fd = fd.as_fd();
    let buffers = &buffers[..buffers.len().min(BUFFERS_MAX)];
    attempt(|| rustix::io::writev(fd, buffers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{PipeFlags, pipe, pipe_with};
    use std::os::unix::net::{UnixDatagram, UnixStream};

    fn count(attempt: Result<Attempt<usize>, Errno>) -> Option<usize> {
        match attempt.expect("no error") {
            Attempt::Done(count) => Some(count),
            Attempt::WouldBlock => None,
        }
    }

    #[test]
    fn an_end_is_known_for_what_it_is() {
        let end = |fd: &dyn AsFd| End::of(fd).expect("open").expect("an end of a pipe");
        let (reader, writer) = pipe().expect("pipe");
        assert_eq!(end(&reader).kind, Kind::Pipe);
        assert_eq!(
            (end(&writer).keeps_messages, end(&writer).has_peer),
            (false, true)
        );
        let (_reader, writer) = pipe_with(PipeFlags::DIRECT).expect("pipe");
        assert!(end(&writer).keeps_messages);
        let (stream, _peer) = UnixStream::pair().expect("socketpair");
        assert_eq!(end(&stream).kind, Kind::Socket);
        assert_eq!(
            (end(&stream).keeps_messages, end(&stream).has_peer),
            (false, true)
        );
        let (datagram, _peer) = UnixDatagram::pair().expect("socketpair");
        assert!(end(&datagram).keeps_messages);
        let null = std::fs::File::open("/dev/null").expect("open");
        assert_eq!(
            (end(&null).kind, end(&null).has_peer),
            (Kind::Device, false)
        );
        let directory = std::fs::File::open("/").expect("open");
        assert_eq!(End::of(&directory), Ok(None));
    }

    #[test]
    fn only_a_pipe_has_a_capacity() {
        let (reader, _writer) = pipe().expect("pipe");
        assert!(capacity(&reader).expect("a pipe") >= 4096);
        let null = std::fs::File::open("/dev/null").expect("open");
        assert_eq!(capacity(&null), None);
    }

    #[test]
    fn a_read_says_would_block_then_what_came_then_the_end() {
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK).expect("pipe");
        let mut memory = [0; 16];
        assert_eq!(count(read_into(&reader, &mut memory)), None);
        assert_eq!(count(write(&writer, b"abc")), Some(3));
        assert_eq!(
            count(read(&reader, &mut [MaybeUninit::uninit(); 16])),
            Some(3)
        );
        assert_eq!(count(read(&reader, &mut [MaybeUninit::uninit(); 16])), None);
        drop(writer);
        assert_eq!(count(read_into(&reader, &mut memory)), Some(0));
    }

    #[test]
    fn a_full_pipe_says_would_block_and_takes_more_once_it_was_read() {
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK).expect("pipe");
        let bytes = [7; 65_536];
        let taken: usize = std::iter::from_fn(|| count(write(&writer, &bytes))).sum();
        assert!(taken > 0);
        assert_eq!(
            count(write_vectored(&writer, &[IoSlice::new(&bytes)])),
            None
        );
        assert!(count(read_into(&reader, &mut vec![0; taken])).is_some());
        assert!(count(write(&writer, &bytes)).is_some());
    }

    #[test]
    fn several_buffers_go_out_as_one_and_too_many_in_part() {
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK).expect("pipe");
        let buffers = [&b"head"[..], b"", b"body"].map(IoSlice::new);
        assert_eq!(count(write_vectored(&writer, &buffers)), Some(8));
        let mut memory = [0; 16];
        assert_eq!(count(read_into(&reader, &mut memory)), Some(8));
        assert_eq!(&memory[..8], b"headbody");
        let buffers = vec![IoSlice::new(b"x"); BUFFERS_MAX + 1];
        assert_eq!(count(write_vectored(&writer, &buffers)), Some(BUFFERS_MAX));
    }
}
