//! Copying from file to file: in the kernel where it can, else through memory. Blocks: for threads of the pool.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;

/// How much one call copies at most: a copy that is cancelled ends after that.
const STEP_MAX: usize = 32 << 20;
/// How much goes through memory at a time.
const PIECE_MAX: usize = 128 << 10;

/// One end of a copy: a file, and where in it.
#[derive(Clone, Copy)]
pub(crate) struct End<'a> {
    pub(crate) fd: BorrowedFd<'a>,
    pub(crate) offset: u64,
}

/// Copies some of `length` bytes; how many. 0 only at the end of `from`.
pub(crate) fn copy(from: End<'_>, to: End<'_>, length: usize) -> Result<usize, Errno> {
    let (mut here, mut there) = (from.offset, to.offset);
    let length = length.min(STEP_MAX);
    match rustix::fs::copy_file_range(from.fd, Some(&mut here), to.fd, Some(&mut there), length) {
        // A file without a length of its own, as those under /proc, looks empty to this call; and
        // there are files, and pairs of them, that it refuses.
        Ok(0)
        | Err(
            Errno::XDEV
            | Errno::INVAL
            | Errno::NOSYS
            | Errno::OPNOTSUPP
            | Errno::PERM
            | Errno::BADF,
        ) => copy_through_memory(from, to, length),
        copied => copied,
    }
}

fn copy_through_memory(from: End<'_>, to: End<'_>, length: usize) -> Result<usize, Errno> {
    let mut piece = vec![0; length.min(PIECE_MAX)];
    let count = rustix::io::pread(from.fd, &mut piece[..], from.offset)?;
    let mut written = 0;
    while written < count {
        match rustix::io::pwrite(to.fd, &piece[written..count], to.offset + written as u64) {
            Ok(0) => return Err(Errno::IO),
            Ok(more) => written += more,
            Err(Errno::INTR) => {}
            // What was written is told; the next call meets the same error again.
            Err(_) if written > 0 => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(written)
}
