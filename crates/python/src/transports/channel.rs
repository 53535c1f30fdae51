//! What a stream transport is connected to, and the calls that move its bytes: a socket both ways, or one end of a pipe.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;

use aioxide_engine::nonblocking::NonBlocking;
use aioxide_engine::pipes::{self, End, Kind};
use aioxide_engine::sockets::{self, Attempt};
use aioxide_engine::sys::borrow_fd;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rustix::io::Errno;

use crate::errors::os_error;

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Both ways: a connected socket.
    Connection,
    /// In: the reading end of a pipe.
    PipeReader,
    /// Out: the writing end of a pipe.
    PipeWriter,
}

/// The kind of a stream's descriptor. It never changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Channel {
    pub(super) role: Role,
    /// Socket calls or file calls.
    is_socket: bool,
    /// Two writes must not be made one.
    pub(super) keeps_messages: bool,
    /// A writer hears from the kernel that nobody is left to read.
    pub(super) has_peer: bool,
}

impl Channel {
    /// A connected stream socket.
    pub(super) const CONNECTION: Self = Self {
        role: Role::Connection,
        is_socket: true,
        keeps_messages: false,
        has_peer: false,
    };

    /// The end of a pipe, or what asyncio takes for one, and the loan of its non-blocking mode.
    pub(super) fn of_pipe(
        py: Python<'_>,
        fd: RawFd,
        role: Role,
    ) -> PyResult<(Self, Option<NonBlocking>)> {
        let end = borrow_fd(fd)
            .and_then(End::of)
            .map_err(|errno| os_error(py, errno))?;
        let Some(end) = end else {
            return Err(PyValueError::new_err(match role {
                Role::PipeWriter => {
                    "Pipe transport is only for pipes, sockets and character devices"
                }
                Role::PipeReader | Role::Connection => "Pipe transport is for pipes/sockets only.",
            }));
        };
        let channel = Self {
            role,
            is_socket: end.kind == Kind::Socket,
            keeps_messages: end.keeps_messages,
            has_peer: end.has_peer,
        };
        // Socket calls never block, whatever the mode.
        let mode = end
            .file
            .map(|file| NonBlocking::lend(fd, file).map_err(|errno| os_error(py, errno)))
            .transpose()?;
        Ok((channel, mode))
    }

    /// Whether this is one end of a pipe, which has ways of its own in what its protocol is told.
    pub(super) fn is_pipe(self) -> bool {
        self.role != Role::Connection
    }

    /// How much the descriptor can have for one read, in bytes, if that is known.
    pub(super) fn capacity(self, fd: RawFd) -> Option<usize> {
        if self.is_socket {
            return None;
        }
        borrow_fd(fd).ok().and_then(pipes::capacity)
    }

    /// Receives into `buffer`; the count of bytes received, 0 at the end.
    pub(super) fn receive(
        self,
        fd: RawFd,
        buffer: &mut [MaybeUninit<u8>],
    ) -> Result<Attempt<usize>, Errno> {
        let source = borrow_fd(fd)?;
        if self.is_socket {
            sockets::recv(source, buffer)
        } else {
            pipes::read(source, buffer)
        }
    }

    /// Like [`receive`](Self::receive), into memory that has been initialised before.
    pub(super) fn receive_into(
        self,
        fd: RawFd,
        buffer: &mut [u8],
    ) -> Result<Attempt<usize>, Errno> {
        let source = borrow_fd(fd)?;
        if self.is_socket {
            sockets::recv_into(source, buffer)
        } else {
            pipes::read_into(source, buffer)
        }
    }

    /// Sends from `bytes`; the count of bytes that the kernel took.
    pub(super) fn send(self, fd: RawFd, bytes: &[u8]) -> Result<Attempt<usize>, Errno> {
        let source = borrow_fd(fd)?;
        if self.is_socket {
            sockets::send(source, bytes)
        } else {
            pipes::write(source, bytes)
        }
    }

    /// Sends from several buffers; the count of bytes that the kernel took.
    pub(super) fn send_vectored(
        self,
        fd: RawFd,
        buffers: &[IoSlice<'_>],
    ) -> Result<Attempt<usize>, Errno> {
        let source = borrow_fd(fd)?;
        if self.is_socket {
            sockets::send_vectored(source, buffers)
        } else {
            pipes::write_vectored(source, buffers)
        }
    }
}

/// What an error that ends a connection is reported as.
#[derive(Clone, Copy)]
pub(super) enum Failure {
    /// The kernel refused a read.
    Read,
    /// The kernel refused a write.
    Write,
}

impl Channel {
    /// asyncio's words for `failure`.
    pub(super) fn describe(self, failure: Failure) -> &'static str {
        match (failure, self.is_pipe()) {
            (Failure::Read, false) => "Fatal read error on socket transport",
            (Failure::Write, false) => "Fatal write error on socket transport",
            (Failure::Read, true) => "Fatal read error on pipe transport",
            (Failure::Write, true) => "Fatal write error on pipe transport",
        }
    }

    /// asyncio's words for a write to a connection that is lost.
    pub(super) fn describe_late_write(self) -> &'static str {
        if self.is_pipe() {
            "pipe closed by peer or os.write(pipe, data) raised exception."
        } else {
            "socket.send() raised exception."
        }
    }
}
