//! Reads and writes of several parts by number: the calls as the kernel has them, on every C library.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use rustix::io::Errno;

use super::count_of;

/// Has the kernel answer at once, or refuse with `EAGAIN`.
const NOWAIT: libc::c_int = 8;

/// What an answer may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Nothing.
    Never,
    /// Memory, of a file that lies nowhere else.
    ForMemory,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the file.
    In,
    /// To the file.
    Out,
}

/// Moves bytes between the file and the slices. The largest offset stands for the file's cursor.
///
/// # Safety
/// The slices must name memory that is readable, and for [`Way::In`] writable and nobody else's, during the call.
pub(super) unsafe fn transfer(
    way: Way,
    fd: RawFd,
    slices: &[libc::iovec],
    offset: u64,
) -> Result<usize, Errno> {
    let (parts, count) = (slices.as_ptr(), slices.len());
    let (low, high) = halves(offset);
    let result = match (way, offset) {
        // SAFETY: the caller vouches for the slices, and `parts` and `count` describe their list.
        (Way::In, u64::MAX) => unsafe { libc::syscall(libc::SYS_readv, fd, parts, count) },
        // SAFETY: likewise.
        (Way::Out, u64::MAX) => unsafe { libc::syscall(libc::SYS_writev, fd, parts, count) },
        // SAFETY: likewise.
        (Way::In, _) => unsafe { libc::syscall(libc::SYS_preadv, fd, parts, count, low, high) },
        // SAFETY: likewise.
        (Way::Out, _) => unsafe { libc::syscall(libc::SYS_pwritev, fd, parts, count, low, high) },
    };
    count_of(result)
}

/// Reads what the page cache has. `EAGAIN` if that is nothing; `EOPNOTSUPP` if the file cannot tell.
pub(crate) fn read_now(
    fd: BorrowedFd<'_>,
    memory: &mut [MaybeUninit<u8>],
    offset: u64,
    wait: Wait,
) -> Result<usize, Errno> {
    let flags = match wait {
        Wait::Never => NOWAIT,
        Wait::ForMemory => 0,
    };
    let slice = libc::iovec {
        iov_base: memory.as_mut_ptr().cast(),
        iov_len: memory.len(),
    };
    let (low, high) = halves(offset);
    // SAFETY: the slice names memory that is borrowed for writing during the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_preadv2,
            fd.as_raw_fd(),
            &raw const slice,
            1usize,
            low,
            high,
            flags,
        )
    };
    count_of(result)
}

/// As [`read_now`], but appends to `bytes` up to `count_max` more.
pub(crate) fn append_now(
    fd: BorrowedFd<'_>,
    bytes: &mut Vec<u8>,
    count_max: usize,
    offset: u64,
    wait: Wait,
) -> Result<usize, Errno> {
    let length = bytes.len();
    bytes
        .try_reserve(count_max)
        .map_err(|_error| Errno::NOMEM)?;
    let room = bytes.spare_capacity_mut();
    let wanted = count_max.min(room.len());
    let Some(room) = room.get_mut(..wanted) else {
        return Ok(0);
    };
    let count = read_now(fd, room, offset, wait)?.min(wanted);
    // SAFETY: the vector has room for `wanted` bytes more, of which the kernel has written the first `count`.
    unsafe { bytes.set_len(length + count) };
    Ok(count)
}

/// Writes what can be written without waiting. `EAGAIN` if that is nothing; `EOPNOTSUPP` if the file cannot tell.
pub(crate) fn write_now(fd: BorrowedFd<'_>, bytes: &[u8], offset: u64) -> Result<usize, Errno> {
    let slice = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let (low, high) = halves(offset);
    // SAFETY: the slice names memory that is borrowed during the call, which only reads from it.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pwritev2,
            fd.as_raw_fd(),
            &raw const slice,
            1usize,
            low,
            high,
            NOWAIT,
        )
    };
    count_of(result)
}

/// An offset as these calls take it: the kernel shifts the upper half away where the lower holds everything.
fn halves(offset: u64) -> (libc::c_ulong, libc::c_ulong) {
    (offset as libc::c_ulong, (offset >> 32) as libc::c_ulong)
}
