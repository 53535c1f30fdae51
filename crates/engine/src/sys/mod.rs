//! The engine's only unsafe room: system calls that rustix does not offer safely. Each door out of it is a safe function.
#![expect(unsafe_code, reason = "this is the room for it")]

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::slice;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::epoll::Event;
use rustix::io::Errno;

pub(crate) mod attempts;
pub(crate) mod calls;
#[cfg(test)]
pub(crate) mod child;
pub(crate) mod datagrams;
#[cfg(test)]
pub(crate) mod denial;
pub(crate) mod forks;
pub(crate) mod memory;
pub(crate) mod spawn;

#[cfg(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64",
    target_arch = "powerpc64",
    target_arch = "loongarch64"
))]
pub(crate) mod ring;
#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64",
    target_arch = "powerpc64",
    target_arch = "loongarch64"
)))]
#[path = "no_ring.rs"]
pub(crate) mod ring;

/// Set once the kernel has refused `epoll_pwait2` (before 5.11, or a filter that does not know it).
static NO_PWAIT2: AtomicBool = AtomicBool::new(false);

/// Borrows a descriptor that the caller holds as a number. `EBADF` for a negative one.
///
/// Whether the number names an open file is for the kernel to say, at each call: nothing here
/// keeps it open, which is what `'static` must be read as.
pub fn borrow_fd(fd: RawFd) -> Result<BorrowedFd<'static>, Errno> {
    if fd < 0 {
        return Err(Errno::BADF);
    }
    // SAFETY: the only value that a BorrowedFd must not hold is -1, excluded above; a number that
    // is not open makes system calls fail with EBADF and is never dereferenced.
    Ok(unsafe { BorrowedFd::borrow_raw(fd) })
}

/// Takes over a descriptor that somebody has opened, and leaves to the caller to close. `EBADF` if it is not open.
pub(crate) fn adopt_fd(fd: RawFd) -> Result<OwnedFd, Errno> {
    rustix::io::fcntl_getfd(borrow_fd(fd)?)?;
    // SAFETY: the number is that of an open file, which is the caller's from here on, as its giver says. The
    // same number given twice would be closed twice, which memory does not mind.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Closes a descriptor, and says what the kernel says of it, which dropping would not.
pub(crate) fn close_fd(fd: OwnedFd) -> Result<(), Errno> {
    let number = fd.into_raw_fd();
    // SAFETY: the descriptor was owned until the line above.
    match unsafe { libc::close(number) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()
            .raw_os_error()
            .map_or(Errno::IO, Errno::from_raw_os_error)),
    }
}

/// Waits for events of an epoll instance; the timeout is rounded up to what the kernel can do.
pub(crate) fn epoll_wait<'a>(
    epoll: BorrowedFd<'_>,
    buffer: &'a mut [MaybeUninit<Event>],
    timeout: Option<Duration>,
) -> Result<&'a [Event], Errno> {
    let millis = match timeout {
        None => -1,
        Some(Duration::ZERO) => 0,
        Some(duration) => {
            if !NO_PWAIT2.load(Ordering::Relaxed) {
                match epoll_pwait2(epoll, buffer, duration) {
                    Err(Errno::NOSYS | Errno::PERM) => NO_PWAIT2.store(true, Ordering::Relaxed),
                    Err(errno) => return Err(errno),
                    // SAFETY: the kernel has written that many events to the start of the buffer.
                    Ok(count) => return Ok(unsafe { initialised(buffer, count) }),
                }
            }
            i32::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
        }
    };
    let capacity = i32::try_from(buffer.len()).unwrap_or(i32::MAX);
    // SAFETY: the buffer is writable for `capacity` events, which have epoll_event's layout
    // (rustix's Event is that struct); the descriptor is borrowed for the call.
    let count = unsafe {
        libc::epoll_wait(
            epoll.as_raw_fd(),
            buffer.as_mut_ptr().cast(),
            capacity,
            millis,
        )
    };
    let count = count_of(i64::from(count))?;
    // SAFETY: the kernel has written that many events to the start of the buffer.
    Ok(unsafe { initialised(buffer, count) })
}

fn epoll_pwait2(
    epoll: BorrowedFd<'_>,
    buffer: &mut [MaybeUninit<Event>],
    timeout: Duration,
) -> Result<usize, Errno> {
    let timeout = libc::timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(timeout.subsec_nanos()),
    };
    // SAFETY: arguments as epoll_pwait2(2) has them: the buffer is writable for its length, the
    // timespec outlives the call, and a null signal mask leaves the mask as it is.
    let count = unsafe {
        libc::syscall(
            libc::SYS_epoll_pwait2,
            epoll.as_raw_fd(),
            buffer.as_mut_ptr(),
            i32::try_from(buffer.len()).unwrap_or(i32::MAX),
            &raw const timeout,
            std::ptr::null::<libc::sigset_t>(),
            0usize,
        )
    };
    count_of(count)
}

fn count_of(result: i64) -> Result<usize, Errno> {
    usize::try_from(result).map_err(|_negative| {
        let code = std::io::Error::last_os_error()
            .raw_os_error()
            .unwrap_or(libc::EINVAL);
        Errno::from_raw_os_error(code)
    })
}

/// The first `count` events of the buffer.
///
/// # Safety
/// They must have been written.
unsafe fn initialised(buffer: &[MaybeUninit<Event>], count: usize) -> &[Event] {
    // SAFETY: MaybeUninit<Event> has Event's layout, and the caller vouches for the first `count`.
    unsafe { slice::from_raw_parts(buffer.as_ptr().cast(), count) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
    use std::os::fd::AsFd;
    use std::time::Instant;

    /// Makes a write to a closed peer kill this process unless it is asked not to.
    pub(crate) fn let_sigpipe_kill() {
        // SAFETY: the default action is always a valid one, and no handler of ours is replaced.
        let previous = unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        assert_ne!(previous, libc::SIG_ERR);
    }

    #[test]
    fn a_kernel_without_nanoseconds_still_reports_events_and_is_never_early() {
        NO_PWAIT2.store(true, Ordering::Relaxed);
        let epoll = epoll::create(CreateFlags::CLOEXEC).expect("epoll");
        let mut buffer = [MaybeUninit::uninit(); 4];
        for timeout in [0, 1, 999_999, 1_000_001].map(Duration::from_nanos) {
            let begin = Instant::now();
            assert!(
                epoll_wait(epoll.as_fd(), &mut buffer, Some(timeout))
                    .expect("wait")
                    .is_empty()
            );
            assert!(begin.elapsed() >= timeout);
        }
        let (_reader, writer) = rustix::pipe::pipe().expect("pipe");
        epoll::add(&epoll, &writer, EventData::new_u64(42), EventFlags::OUT).expect("add");
        for timeout in [
            None,
            Some(Duration::ZERO),
            Some(Duration::from_secs(5)),
            Some(Duration::MAX),
        ] {
            let events = epoll_wait(epoll.as_fd(), &mut buffer, timeout).expect("wait");
            assert_eq!(
                events
                    .iter()
                    .map(|event| event.data.u64())
                    .collect::<Vec<_>>(),
                [42]
            );
        }
        NO_PWAIT2.store(false, Ordering::Relaxed);
    }

    #[test]
    fn the_longest_timeout_is_no_error() {
        let epoll = epoll::create(CreateFlags::CLOEXEC).expect("epoll");
        let (_reader, writer) = rustix::pipe::pipe().expect("pipe");
        epoll::add(&epoll, &writer, EventData::new_u64(1), EventFlags::OUT).expect("add");
        let mut buffer = [MaybeUninit::uninit(); 1];
        assert_eq!(
            epoll_wait(epoll.as_fd(), &mut buffer, Some(Duration::MAX))
                .expect("wait")
                .len(),
            1
        );
    }

    #[test]
    fn only_numbers_that_can_be_descriptors_are_borrowed() {
        assert_eq!(borrow_fd(-1).expect_err("negative"), Errno::BADF);
        assert_eq!(borrow_fd(RawFd::MIN).expect_err("negative"), Errno::BADF);
        assert_eq!(
            borrow_fd(RawFd::MAX).expect("a number").as_raw_fd(),
            RawFd::MAX
        );
    }
}
