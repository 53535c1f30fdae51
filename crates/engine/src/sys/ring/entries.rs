//! What a ring is told of a call: one entry of its submission queue.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use io_uring::{opcode, squeue, types};
use rustix::fs::{AtFlags, OFlags, Statx};

use crate::files::file::Descriptor;
use crate::files::operation::{Durability, Operation, Transfer};
use crate::sys::calls::{Call, Stage};
use crate::sys::memory::Memory;

/// The operation's number, if there is any ring that knows it.
pub(super) fn code_of<M>(operation: &Operation<M>) -> Option<u8> {
    Some(match operation {
        Operation::Open { .. } => opcode::OpenAt::CODE,
        Operation::Close(_) => opcode::Close::CODE,
        Operation::Read(_) => opcode::Read::CODE,
        Operation::Write(_) | Operation::Save(..) => opcode::Write::CODE,
        Operation::Sync { .. } => opcode::Fsync::CODE,
        Operation::Stat { .. } => opcode::Statx::CODE,
        Operation::Allocate { .. } => opcode::Fallocate::CODE,
        Operation::Truncate { .. } => opcode::Ftruncate::CODE,
        Operation::Rename { .. } => opcode::RenameAt::CODE,
        Operation::Unlink { .. } => opcode::UnlinkAt::CODE,
        Operation::MakeDirectory { .. } => opcode::MkDirAt::CODE,
        Operation::HardLink { .. } => opcode::LinkAt::CODE,
        Operation::SymbolicLink { .. } => opcode::SymlinkAt::CODE,
        Operation::Copy { .. } => return None,
    })
}

/// The entry for a call; None if no ring knows such a call. It points into memory of the call.
pub(super) fn entry_of<M: Memory>(call: &mut Call<M>) -> Option<squeue::Entry> {
    call.aim();
    let fd = number(call.fd(0));
    if let Some(flags) = call.awaited() {
        return Some(opcode::PollAdd::new(fd, u32::from(flags.bits())).build());
    }
    let stat = call.stat.as_deref_mut().map(std::ptr::from_mut);
    entry_of_file(call, fd).or_else(|| entry_of_name(call, fd, stat))
}

/// Of those about an open file.
fn entry_of_file<M: Memory>(call: &Call<M>, fd: types::Fd) -> Option<squeue::Entry> {
    Some(match &call.operation {
        Operation::Read(transfer) => read_entry(fd, transfer, &call.slices),
        Operation::Save(_, durability) if call.stage == Stage::Sync => sync_entry(fd, *durability),
        Operation::Write(transfer) | Operation::Save(transfer, _) => {
            write_entry(fd, transfer, &call.slices)
        }
        Operation::Close(_) => match &call.closing {
            Some(Descriptor::Owned(fd)) => opcode::Close::new(number(fd.as_fd())).build(),
            _ => return None,
        },
        Operation::Sync { durability, .. } => sync_entry(fd, *durability),
        Operation::Allocate {
            flags,
            offset,
            length,
            ..
        } => opcode::Fallocate::new(fd, *length)
            .offset(*offset)
            .mode(flags.bits().cast_signed())
            .build(),
        Operation::Truncate { length, .. } => opcode::Ftruncate::new(fd, *length).build(),
        _ => return None,
    })
}

/// Of those about names.
fn entry_of_name<M: Memory>(
    call: &Call<M>,
    fd: types::Fd,
    stat: Option<*mut Statx>,
) -> Option<squeue::Entry> {
    let other = number(call.fd(1));
    Some(match &call.operation {
        Operation::Open { place, flags, mode } => {
            let flags = (*flags | OFlags::CLOEXEC).bits().cast_signed();
            let open = opcode::OpenAt::new(fd, place.path.as_ptr());
            open.flags(flags)
                .mode(mode.bits())
                .build()
                // In line, the kernel would open a FIFO as if O_NONBLOCK had been asked for.
                .flags(squeue::Flags::ASYNC)
        }
        Operation::Stat { place, flags, mask } => {
            opcode::Statx::new(fd, place.path.as_ptr(), stat?.cast())
                .flags(raw(*flags))
                .mask(mask.bits())
                .build()
        }
        Operation::Rename { from, to, flags } => {
            opcode::RenameAt::new(fd, from.path.as_ptr(), other, to.path.as_ptr())
                .flags(flags.bits())
                .build()
        }
        Operation::Unlink { place, flags } => opcode::UnlinkAt::new(fd, place.path.as_ptr())
            .flags(raw(*flags))
            .build(),
        Operation::MakeDirectory { place, mode } => opcode::MkDirAt::new(fd, place.path.as_ptr())
            .mode(mode.bits())
            .build(),
        Operation::HardLink { from, to, flags } => {
            opcode::LinkAt::new(fd, from.path.as_ptr(), other, to.path.as_ptr())
                .flags(raw(*flags))
                .build()
        }
        Operation::SymbolicLink { target, place } => {
            opcode::SymlinkAt::new(fd, target.as_ptr(), place.path.as_ptr()).build()
        }
        _ => return None,
    })
}

fn number(fd: BorrowedFd<'_>) -> types::Fd {
    types::Fd(fd.as_raw_fd())
}

fn read_entry<M>(fd: types::Fd, transfer: &Transfer<M>, slices: &[libc::iovec]) -> squeue::Entry {
    let offset = transfer.offset();
    match slices {
        [only] => opcode::Read::new(fd, only.iov_base.cast(), only.iov_len as u32)
            .offset(offset)
            .build(),
        several => opcode::Readv::new(fd, several.as_ptr(), several.len() as u32)
            .offset(offset)
            .build(),
    }
}

fn write_entry<M>(fd: types::Fd, transfer: &Transfer<M>, slices: &[libc::iovec]) -> squeue::Entry {
    let offset = transfer.offset();
    match slices {
        [only] => opcode::Write::new(fd, only.iov_base.cast(), only.iov_len as u32)
            .offset(offset)
            .build(),
        several => opcode::Writev::new(fd, several.as_ptr(), several.len() as u32)
            .offset(offset)
            .build(),
    }
}

fn sync_entry(fd: types::Fd, durability: Durability) -> squeue::Entry {
    let flags = match durability {
        Durability::All => types::FsyncFlags::empty(),
        Durability::Data => types::FsyncFlags::DATASYNC,
    };
    opcode::Fsync::new(fd).flags(flags).build()
}

/// What is to follow the entry of a call, for which the ring waits to be told until then; None if nothing is.
pub(super) fn second_entry_of<M: Memory>(call: &Call<M>) -> Option<squeue::Entry> {
    match &call.operation {
        Operation::Save(_, durability) if call.is_whole_save() => {
            Some(sync_entry(number(call.fd(0)), *durability))
        }
        _ => None,
    }
}

/// The kernel's number for flags of a path's last part.
fn raw(flags: AtFlags) -> i32 {
    flags.bits().cast_signed()
}
