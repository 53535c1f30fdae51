//! `recvmmsg`: several datagrams in one system call, into memory that is set up once; and `recvfrom` into the same.

use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

use super::count_of;

/// The longest address that a kernel writes (`sockaddr_storage`).
const NAME_SIZE: usize = 128;

/// Where the kernel puts one datagram's sender.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Name([u8; NAME_SIZE]);

/// Room for several datagrams and their senders, and the headers that tell the kernel of it.
pub(crate) struct Slots {
    /// Point into the three fields below, none of which is ever resized.
    headers: Vec<libc::mmsghdr>,
    /// One for each header.
    vectors: Vec<libc::iovec>,
    /// One for each header.
    names: Vec<Name>,
    /// `stride` bytes for each header.
    memory: Vec<u8>,
    /// How long a datagram can be; the rest of a longer one is lost.
    size: usize,
    stride: usize,
    /// How many headers the kernel may have changed since they were made or reset.
    changed: usize,
}

// SAFETY: the pointers in `headers` and `vectors` lead into the other fields alone, which belong to
// this value and lie on the heap, so that they move with it from thread to thread.
unsafe impl Send for Slots {}

impl fmt::Debug for Slots {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Slots")
            .field("count", &self.headers.len())
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// A header of no datagram. Its fields are set one by one: some systems have more of them than others.
fn empty_header() -> libc::mmsghdr {
    // SAFETY: integers and raw pointers, for which all zeros are a value.
    unsafe { std::mem::zeroed() }
}

impl Slots {
    /// Room for `count` datagrams of up to `size` bytes, `stride` bytes apart (at least `size`).
    pub(crate) fn new(count: usize, size: usize, stride: usize) -> Self {
        let stride = stride.max(size);
        // Zeroed memory is the kernel's to provide once it is touched: what is never received into costs nothing.
        let mut memory = vec![0; count * stride];
        let mut names = vec![Name([0; NAME_SIZE]); count];
        let mut vectors: Vec<libc::iovec> = memory
            .chunks_exact_mut(stride)
            .map(|slot| libc::iovec {
                iov_base: slot.as_mut_ptr().cast(),
                iov_len: size,
            })
            .collect();
        let headers = vectors
            .iter_mut()
            .zip(&mut names)
            .map(|(vector, name)| {
                let mut header = empty_header();
                header.msg_hdr.msg_name = (&raw mut name.0).cast();
                header.msg_hdr.msg_namelen = NAME_SIZE as libc::socklen_t;
                header.msg_hdr.msg_iov = vector;
                header.msg_hdr.msg_iovlen = 1;
                header
            })
            .collect();
        Self {
            headers,
            vectors,
            names,
            memory,
            size,
            stride,
            changed: 0,
        }
    }

    /// Receives one datagram into the first slot. `EAGAIN` if there is none.
    pub(crate) fn receive_one(&mut self, socket: BorrowedFd<'_>) -> Result<(), Errno> {
        let (Some(header), Some(vector)) = (self.headers.first_mut(), self.vectors.first()) else {
            return Err(Errno::INVAL);
        };
        header.msg_hdr.msg_namelen = NAME_SIZE as libc::socklen_t;
        // SAFETY: the vector's and the name's memory are owned by this value, writable for the lengths
        // that are given, and apart from each other and from the header, where the length goes. The
        // descriptor is borrowed for the call.
        let length = unsafe {
            libc::recvfrom(
                socket.as_raw_fd(),
                vector.iov_base,
                vector.iov_len,
                libc::MSG_DONTWAIT,
                header.msg_hdr.msg_name.cast(),
                &raw mut header.msg_hdr.msg_namelen,
            )
        };
        header.msg_len = u32::try_from(count_of(length as i64)?).unwrap_or(u32::MAX);
        self.changed = self.changed.max(1);
        Ok(())
    }

    /// Receives what is there, as far as there is room; how many datagrams. `EAGAIN` if there is none.
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>) -> Result<usize, Errno> {
        for header in self.headers.iter_mut().take(self.changed) {
            header.msg_hdr.msg_namelen = NAME_SIZE as libc::socklen_t;
        }
        // SAFETY: each header points to one vector and one name, and each vector to `size` bytes, all
        // of them owned by this value, writable and apart from each other; the kernel writes nowhere
        // else. The descriptor is borrowed for the call, and a null timeout is no timeout.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                libc::c_uint::try_from(self.headers.len()).unwrap_or(libc::c_uint::MAX),
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        let count = count_of(i64::from(count));
        // The one behind the last may have been tried as well.
        self.changed = count.unwrap_or(0) + 1;
        count
    }

    /// The datagram in a slot, and the bytes of its sender's address.
    pub(crate) fn get(&self, slot: usize) -> Option<(&[u8], &[u8])> {
        let header = self.headers.get(slot)?;
        let length = self.size.min(header.msg_len as usize);
        let data = self.memory.get(slot * self.stride..)?.get(..length)?;
        let name_length = NAME_SIZE.min(header.msg_hdr.msg_namelen as usize);
        let name = self.names.get(slot)?.0.get(..name_length)?;
        Some((data, name))
    }
}
