//! Answers that need no waiting, got on the spot: from the page cache and the cache of names.
//!
//! The kernel answers or refuses at once ([`Attempt::WouldBlock`]); then the operation is submitted, which
//! costs ten times as much as an answer. Where the kernel or a filter does not know the call, or the file system
//! cannot tell, every attempt is refused, at no cost after the first.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat, Statx, StatxFlags};
use rustix::io::Errno;

use super::file::File;
use super::mounts;
use super::operation::{At, Place};
use crate::sockets::Attempt;
use crate::sys::attempts::{self, Wait, Way};

/// The kernel has no `preadv2` with flags (before 4.6), or a filter hides it.
static NO_TRANSFERS: AtomicBool = AtomicBool::new(false);
/// The kernel has no `openat2` with `RESOLVE_CACHED` (before 5.12), or a filter refuses it.
static NO_OPENS: AtomicBool = AtomicBool::new(false);

/// Reads into `memory` what the page cache has of the file there; how many bytes, 0 at its end.
///
/// May be less than fits, and less than there is: what is missing is not in the cache.
pub fn try_read(
    file: &File,
    memory: &mut [MaybeUninit<u8>],
    at: At,
) -> Result<Attempt<usize>, Errno> {
    try_transfer(file, Way::In, |fd, wait| {
        attempts::read_now(fd, memory, offset_of(at), wait)
    })
}

/// As [`try_read`], but appends to `bytes` what the cache has of the next `count_max` bytes.
pub fn try_append(
    file: &File,
    bytes: &mut Vec<u8>,
    count_max: usize,
    at: At,
) -> Result<Attempt<usize>, Errno> {
    try_transfer(file, Way::In, |fd, wait| {
        attempts::append_now(fd, bytes, count_max, offset_of(at), wait)
    })
}

/// Writes to the page cache what needs no waiting; how many bytes.
///
/// Many file systems refuse always: for those that don't, a write is at the kernel's mercy as any other.
pub fn try_write(file: &File, bytes: &[u8], at: At) -> Result<Attempt<usize>, Errno> {
    try_transfer(file, Way::Out, |fd, _wait| {
        attempts::write_now(fd, bytes, offset_of(at))
    })
}

fn offset_of(at: At) -> u64 {
    match at {
        At::Cursor => u64::MAX,
        At::Offset(offset) => offset,
    }
}

fn try_transfer(
    file: &File,
    way: Way,
    mut call: impl FnMut(BorrowedFd<'_>, Wait) -> Result<usize, Errno>,
) -> Result<Attempt<usize>, Errno> {
    if file.refuses_attempts(way) || NO_TRANSFERS.load(Ordering::Relaxed) {
        return Ok(Attempt::WouldBlock);
    }
    let lease = file.lend()?;
    let mut wait = if file.is_known_in_memory() {
        Wait::ForMemory
    } else {
        Wait::Never
    };
    loop {
        match call(lease.as_fd(), wait) {
            Ok(count) => return Ok(Attempt::Done(count)),
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => {}
            // What has nothing but memory to wait for does not know this way of asking.
            Err(Errno::OPNOTSUPP)
                if way == Way::In && wait == Wait::Never && file.is_in_memory(lease.as_fd()) =>
            {
                wait = Wait::ForMemory;
                continue;
            }
            // A filter that refuses says the same as a file that is sealed.
            Err(Errno::OPNOTSUPP | Errno::PERM) => file.refuse_attempts(way),
            Err(Errno::NOSYS) => NO_TRANSFERS.store(true, Ordering::Relaxed),
            Err(errno) => return Err(errno),
        }
        return Ok(Attempt::WouldBlock);
    }
}

/// Opens a plain file whose path is in the cache of names; it, and what it is.
///
/// Refused for whatever an open may wait for or change: FIFOs, devices, files to be created or cut.
/// `directory` is what a relative path starts from.
pub fn try_open(
    directory: Option<&File>,
    path: &CStr,
    flags: OFlags,
) -> Result<Attempt<(File, Stat)>, Errno> {
    let changes = OFlags::CREATE | OFlags::TRUNC | OFlags::TMPFILE | OFlags::DIRECTORY;
    if flags.intersects(changes) || NO_OPENS.load(Ordering::Relaxed) {
        return Ok(Attempt::WouldBlock);
    }
    let lease = directory.map(File::lend).transpose()?;
    let directory = lease.as_ref().map_or(CWD, |lease| lease.as_fd());
    match open_now(directory, path, flags) {
        Ok(opened) => Ok(Attempt::Done(opened)),
        // Flags that this call refuses may be good enough for the one that is submitted.
        Err(Errno::AGAIN | Errno::INTR | Errno::PERM | Errno::INVAL) => Ok(Attempt::WouldBlock),
        Err(errno) => Err(errno),
    }
}

fn open_now(directory: BorrowedFd<'_>, path: &CStr, flags: OFlags) -> Result<(File, Stat), Errno> {
    // A look at the name first: merely to open a FIFO would wake those at its other end.
    let followed = flags & OFlags::NOFOLLOW;
    let look = match open_cached(directory, path, OFlags::PATH | followed) {
        Err(Errno::NOSYS | Errno::INVAL | Errno::PERM) => {
            NO_OPENS.store(true, Ordering::Relaxed);
            return Err(Errno::AGAIN);
        }
        look => look?,
    };
    is_plain(&rustix::fs::fstat(&look)?)?;
    // Not to wait for somebody who holds a lease on the file.
    let opened = open_cached(directory, path, flags | OFlags::NONBLOCK)?;
    let stat = rustix::fs::fstat(&opened)?;
    is_plain(&stat)?;
    if !flags.contains(OFlags::NONBLOCK) {
        let kept = rustix::fs::fcntl_getfl(&opened)? - OFlags::NONBLOCK;
        rustix::fs::fcntl_setfl(&opened, kept)?;
    }
    Ok((File::from(opened), stat))
}

fn open_cached(directory: BorrowedFd<'_>, path: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::CLOEXEC;
    rustix::fs::openat2(directory, path, flags, Mode::empty(), ResolveFlags::CACHED)
}

fn is_plain(stat: &Stat) -> Result<(), Errno> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(()),
        _ => Err(Errno::AGAIN),
    }
}

/// What an open file is, as far as this machine knows without asking another.
pub fn try_stat(file: &File) -> Result<Statx, Errno> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    file.with(|fd| rustix::fs::statx(fd, c"", flags, StatxFlags::BASIC_STATS))
}

/// What the file of a name is, if its file system asks no other machine, and the name is in the cache of names.
///
/// `flags` are `AT_SYMLINK_NOFOLLOW` or nothing. A ring has one of the kernel's threads ask, which costs ten times as much.
pub fn try_stat_of(place: &Place, flags: AtFlags) -> Result<Attempt<Statx>, Errno> {
    if NO_OPENS.load(Ordering::Relaxed) || place.path.is_empty() {
        return Ok(Attempt::WouldBlock);
    }
    let lease = place.directory.as_ref().map(File::lend).transpose()?;
    let directory = lease.as_ref().map_or(CWD, |lease| lease.as_fd());
    let mut access = OFlags::PATH;
    access.set(OFlags::NOFOLLOW, flags.contains(AtFlags::SYMLINK_NOFOLLOW));
    let look = match open_cached(directory, &place.path, access) {
        Ok(look) => look,
        // What the walk along the path has found is true of any call.
        Err(
            errno @ (Errno::NOENT
            | Errno::NOTDIR
            | Errno::ACCESS
            | Errno::LOOP
            | Errno::NAMETOOLONG),
        ) => return Err(errno),
        // The others are of this call: no descriptor is free, the kernel does not know it, it would have to wait.
        Err(_) => return Ok(Attempt::WouldBlock),
    };
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let mask = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
    match rustix::fs::statx(&look, c"", flags, mask) {
        Ok(stat) if mounts::is_local(&stat) => Ok(Attempt::Done(stat)),
        _ => Ok(Attempt::WouldBlock),
    }
}

/// Closes a file that nobody uses at the moment. For those that were only read: others may wait for their data.
///
/// Fails as the kernel's `close`, after which the file is closed; with `EBADF` once closing has begun.
pub fn try_close(file: &File) -> Result<Attempt<()>, Errno> {
    if file.number().is_none() {
        return Err(Errno::BADF);
    }
    Ok(if file.close_now()? {
        Attempt::Done(())
    } else {
        Attempt::WouldBlock
    })
}

/// Lets a test's refusals be no other test's.
#[cfg(test)]
pub(super) fn forget_refusals() {
    NO_TRANSFERS.store(false, Ordering::Relaxed);
    NO_OPENS.store(false, Ordering::Relaxed);
}
