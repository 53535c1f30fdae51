//! The system call that serves an operation next, with everything that the kernel reads and writes for it.
//!
//! The same call can be made here and now, on a thread that may block ([`Call::perform`]), or be described to a
//! ring (`ring/entries.rs`). In both cases what comes back goes through [`Call::accept`], which takes what the
//! kernel has made (an opened file) or consumed (a closed descriptor), so that nothing is lost when nobody waits for it.
//!
//! Whatever an entry points to lies on the heap and belongs to the call: it may be moved, but must not be dropped
//! or used while the kernel has the entry. That is the ring's to keep.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{self, CWD, OFlags, Statx};
use rustix::io::Errno;

use super::attempts::{self, Way};
use super::count_of;
use super::memory::Memory;
use crate::files::copying::{self, End};
use crate::files::file::{Descriptor, File, Lease, Nature};
use crate::files::operation::{At, Durability, Operation, Place, Transfer};

/// What the kernel takes in one call at most; more is refused or cut.
const SLICES_MAX: usize = 1024;
/// How much one call moves at most, so that a length fits into the ring's 32 bits.
const BYTES_MAX: usize = 1 << 30;

/// What the next call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The operation itself.
    Work,
    /// To wait until a read or write would not have to.
    Readiness,
    /// To have on the disk what is written. Only for [`Operation::Save`].
    Sync,
}

/// An operation under way.
#[derive(Debug)]
pub(crate) struct Call<M> {
    pub(crate) operation: Operation<M>,
    pub(crate) stage: Stage,
    /// How often the call has been told to try again since it last got anywhere.
    pub(crate) refusals: u32,
    /// The descriptors in use, in the order in which the operation names them.
    leases: [Option<Lease>; 2],
    /// What is to be closed; None once the kernel has done it.
    pub(super) closing: Option<Descriptor>,
    /// What was opened.
    opened: Option<File>,
    /// Where the kernel writes what a file is. Only for [`Operation::Stat`].
    pub(super) stat: Option<Box<Statx>>,
    /// How much one call moves at most.
    bytes_max: usize,
    /// Where a transfer goes on. Points into the operation's memory.
    pub(super) slices: Vec<libc::iovec>,
}

// SAFETY: the pointers in `slices` lead into memory that belongs to the operation, which is Send, and
// which stays where it is when the call moves; everything else is Send by itself.
unsafe impl<M: Memory> Send for Call<M> {}

impl<M: Memory> Call<M> {
    /// Borrows the descriptors. The operation comes back if one is closed, or if memory to read into is read-only.
    pub(crate) fn new(mut operation: Operation<M>) -> Result<Box<Self>, (Operation<M>, Errno)> {
        if let Operation::Read(transfer) = &mut operation
            && transfer
                .memory
                .iter_mut()
                .any(|part| part.writable().is_none())
        {
            return Err((operation, Errno::FAULT));
        }
        let leases = match leases_of(&operation) {
            Ok(leases) => leases,
            Err(errno) => return Err((operation, errno)),
        };
        // A ring would read as if there were no offset.
        if let (Some(transfer), [Some(lease), _]) = (operation.transfer(), &leases)
            && transfer.at != At::Cursor
            && lease.nature() == Nature::Stream
        {
            return Err((operation, Errno::SPIPE));
        }
        let stat = matches!(operation, Operation::Stat { .. }).then(empty_stat);
        Ok(Box::new(Self {
            operation,
            stage: Stage::Work,
            refusals: 0,
            leases,
            closing: None,
            opened: None,
            stat,
            bytes_max: BYTES_MAX,
            slices: Vec::new(),
        }))
    }

    /// The call that closes `descriptor`, which nobody uses any more.
    pub(crate) fn close(operation: Operation<M>, descriptor: Descriptor) -> Box<Self> {
        Box::new(Self {
            operation,
            stage: Stage::Work,
            refusals: 0,
            leases: [None, None],
            closing: Some(descriptor),
            opened: None,
            stat: None,
            bytes_max: BYTES_MAX,
            slices: Vec::new(),
        })
    }

    /// Whether it reads or writes.
    pub(crate) fn is_transfer(&self) -> bool {
        self.stage != Stage::Sync && self.operation.transfer().is_some()
    }

    /// Whether the kernel can have both calls of a [`Operation::Save`] at once: the second follows if the first
    /// has written everything.
    pub(super) fn is_whole_save(&self) -> bool {
        let is_save = matches!(self.operation, Operation::Save(..)) && self.stage == Stage::Work;
        is_save && self.slices.iter().map(|slice| slice.iov_len).sum::<usize>() == self.left()
    }

    /// Takes note that everything is written, and that what the kernel says next is about the disk.
    pub(super) fn note_written(&mut self) {
        let left = self.left();
        if let Operation::Save(transfer, _) = &mut self.operation {
            transfer.done += left;
            self.stage = Stage::Sync;
        }
    }

    /// The file that the operation is about.
    pub(crate) fn lease(&self) -> Option<&Lease> {
        self.leases[0].as_ref()
    }

    /// Whether the kernel has something to do: not for a descriptor that is left open.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(
            (&self.operation, &self.closing),
            (Operation::Close(_), None | Some(Descriptor::Lent(_)))
        )
    }

    /// How many bytes the operation still has to move.
    pub(crate) fn left(&self) -> usize {
        if let Some(transfer) = self.operation.transfer() {
            let total: usize = transfer.memory.iter().map(|part| part.bytes().1).sum();
            return total.saturating_sub(transfer.done);
        }
        match &self.operation {
            Operation::Copy { length, done, .. } => length.saturating_sub(*done),
            _ => 0,
        }
    }

    /// Takes what was opened.
    pub(crate) fn take_opened(&mut self) -> Option<File> {
        self.opened.take()
    }

    /// Takes what the kernel wrote of a file.
    pub(crate) fn take_stat(&mut self) -> Option<Box<Statx>> {
        self.stat.take()
    }

    /// Moves so many bytes with one call at most.
    pub(crate) fn limit(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    /// A descriptor in use, or the working directory in its place.
    pub(super) fn fd(&self, which: usize) -> BorrowedFd<'_> {
        self.leases[which]
            .as_ref()
            .map_or(CWD, |lease| lease.as_fd())
    }

    /// Makes of the kernel's answer, a count or a negative error, what the operation owns from here on.
    pub(crate) fn accept(&mut self, answer: i32) -> Result<usize, Errno> {
        if self.stage == Stage::Work {
            match &self.operation {
                Operation::Open { .. } if answer >= 0 => {
                    // SAFETY: the kernel has just made this descriptor for this operation: nobody else knows it.
                    let fd = unsafe { OwnedFd::from_raw_fd(answer) };
                    self.opened = Some(File::from(fd));
                }
                // Whatever else a close answers, the descriptor is gone.
                Operation::Close(_) if answer != -libc::ECANCELED => {
                    if let Some(Descriptor::Owned(fd)) = self.closing.take() {
                        let _closed_by_the_kernel = fd.into_raw_fd();
                    }
                }
                _ => {}
            }
        }
        usize::try_from(answer).map_err(|_negative| Errno::from_raw_os_error(-answer))
    }

    /// Points `slices` at what is left of the transfer.
    pub(super) fn aim(&mut self) {
        let Some(transfer) = self.operation.transfer() else {
            return;
        };
        self.slices.clear();
        let (mut skipped, mut room) = (transfer.done, self.bytes_max);
        for part in &transfer.memory {
            let (start, length) = part.bytes();
            if skipped >= length {
                skipped -= length;
                continue;
            }
            let length = (length - skipped).min(room);
            self.slices.push(libc::iovec {
                // Within the part: `skipped` is less than its length. For a read, `writable` has named the same place.
                iov_base: start.wrapping_add(skipped).cast_mut().cast(),
                iov_len: length,
            });
            (skipped, room) = (0, room - length);
            if room == 0 || self.slices.len() == SLICES_MAX {
                break;
            }
        }
    }

    /// Makes the call on this thread, which may block.
    pub(crate) fn perform(&mut self) -> Result<usize, Errno> {
        self.aim();
        let result = self.perform_here();
        match result {
            Ok(count) => self.accept(i32::try_from(count).unwrap_or(i32::MAX)),
            Err(errno) => self.accept(-errno.raw_os_error()),
        }
    }

    fn perform_here(&mut self) -> Result<usize, Errno> {
        if let Some(direction) = self.awaited() {
            let mut fds = [PollFd::from_borrowed_fd(self.fd(0), direction)];
            return poll(&mut fds, None);
        }
        let done = |()| 0;
        match &self.operation {
            Operation::Open { place, flags, mode } => {
                let opened = fs::openat(self.fd(0), &*place.path, *flags | OFlags::CLOEXEC, *mode)?;
                Ok(usize::try_from(opened.into_raw_fd()).unwrap_or_default())
            }
            Operation::Close(_) => self.close_here(),
            Operation::Read(transfer) => self.move_bytes(Way::In, transfer.offset()),
            Operation::Save(_, durability) if self.stage == Stage::Sync => {
                self.sync_here(*durability).map(done)
            }
            Operation::Write(transfer) | Operation::Save(transfer, _) => {
                self.move_bytes(Way::Out, transfer.offset())
            }
            Operation::Sync { durability, .. } => self.sync_here(*durability).map(done),
            Operation::Stat { place, flags, mask } => {
                let stat = fs::statx(self.fd(0), &*place.path, *flags, *mask)?;
                self.stat = Some(Box::new(stat));
                Ok(0)
            }
            Operation::Allocate {
                flags,
                offset,
                length,
                ..
            } => fs::fallocate(self.fd(0), *flags, *offset, *length).map(done),
            Operation::Truncate { length, .. } => fs::ftruncate(self.fd(0), *length).map(done),
            Operation::Rename { from, to, flags } => {
                let (old, new) = (self.fd(0), self.fd(1));
                if flags.is_empty() {
                    fs::renameat(old, &*from.path, new, &*to.path).map(done)
                } else {
                    fs::renameat_with(old, &*from.path, new, &*to.path, *flags).map(done)
                }
            }
            Operation::Unlink { place, flags } => {
                fs::unlinkat(self.fd(0), &*place.path, *flags).map(done)
            }
            Operation::MakeDirectory { place, mode } => {
                fs::mkdirat(self.fd(0), &*place.path, *mode).map(done)
            }
            Operation::HardLink { from, to, flags } => {
                fs::linkat(self.fd(0), &*from.path, self.fd(1), &*to.path, *flags).map(done)
            }
            Operation::SymbolicLink { target, place } => {
                fs::symlinkat(&**target, self.fd(0), &*place.path).map(done)
            }
            Operation::Copy {
                from_offset,
                to_offset,
                length,
                done,
                ..
            } => {
                let end = |which, offset| End {
                    fd: self.fd(which),
                    offset: offset + *done as u64,
                };
                copying::copy(end(0, *from_offset), end(1, *to_offset), length - done)
            }
        }
    }

    fn close_here(&mut self) -> Result<usize, Errno> {
        match self.closing.take() {
            Some(Descriptor::Owned(fd)) => {
                let number = fd.into_raw_fd();
                // SAFETY: the descriptor was owned until the line above, and nobody holds a lease.
                count_of(i64::from(unsafe { libc::close(number) }))
            }
            Some(Descriptor::Lent(_)) | None => Ok(0),
        }
    }

    fn sync_here(&self, durability: Durability) -> Result<(), Errno> {
        match durability {
            Durability::All => fs::fsync(self.fd(0)),
            Durability::Data => fs::fdatasync(self.fd(0)),
        }
    }

    fn move_bytes(&self, way: Way, offset: u64) -> Result<usize, Errno> {
        let fd = self.fd(0).as_raw_fd();
        // SAFETY: the slices name memory of this call, writable if it is to be read into, which `new` has seen to.
        unsafe { attempts::transfer(way, fd, &self.slices, offset) }
    }

    /// What the call waits for, if that is what it does.
    pub(crate) fn awaited(&self) -> Option<PollFlags> {
        match (self.stage, &self.operation) {
            (Stage::Readiness, Operation::Read(_)) => Some(PollFlags::IN),
            (Stage::Readiness, Operation::Write(_) | Operation::Save(..)) => Some(PollFlags::OUT),
            _ => None,
        }
    }
}

impl<M> Transfer<M> {
    /// Where it goes on; the largest number for the file's cursor, as the kernel has it.
    pub(crate) fn offset(&self) -> u64 {
        match self.at {
            At::Cursor => u64::MAX,
            At::Offset(offset) => offset + self.done as u64,
        }
    }
}

fn leases_of<M>(operation: &Operation<M>) -> Result<[Option<Lease>; 2], Errno> {
    let place = |place: &Place| place.directory.as_ref().map(File::lend).transpose();
    Ok(match operation {
        Operation::Open { place: at, .. }
        | Operation::Stat { place: at, .. }
        | Operation::Unlink { place: at, .. }
        | Operation::MakeDirectory { place: at, .. }
        | Operation::SymbolicLink { place: at, .. } => [place(at)?, None],
        Operation::Rename { from, to, .. } | Operation::HardLink { from, to, .. } => {
            [place(from)?, place(to)?]
        }
        Operation::Read(transfer) | Operation::Write(transfer) | Operation::Save(transfer, _) => {
            [Some(transfer.file.lend()?), None]
        }
        Operation::Sync { file, .. }
        | Operation::Allocate { file, .. }
        | Operation::Truncate { file, .. } => [Some(file.lend()?), None],
        Operation::Copy { from, to, .. } => [Some(from.lend()?), Some(to.lend()?)],
        Operation::Close(_) => [None, None],
    })
}

fn empty_stat() -> Box<Statx> {
    // SAFETY: integers and flags of integers, for which all zeros are a value.
    Box::new(unsafe { std::mem::zeroed() })
}
