//! What can be asked of the file system, and how the answer comes back.

use std::ffi::CString;

use rustix::fs::{AtFlags, FallocateFlags, Mode, OFlags, RenameFlags, Statx, StatxFlags};
use rustix::io::Errno;

use super::file::File;

/// Names an operation from its submission to its completion, and never another one of the same loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(pub(crate) u64);

/// Where a read or write begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Where the file's own cursor stands, which moves on. Two such operations on one file are the
    /// caller's to put in order: side by side they may meet the same bytes.
    Cursor,
    /// So many bytes from the beginning. The cursor stays where it is.
    Offset(u64),
}

/// When a read or write is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// When some bytes have come or gone.
    Some,
    /// When the memory is full or the file at its end; when everything is written.
    All,
}

/// Which of a file's contents must be on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Everything.
    All,
    /// The data, and of the rest only what reading it needs.
    Data,
}

/// The name of a file.
#[derive(Clone, Debug)]
pub struct Place {
    /// What a relative path starts from; the working directory if None.
    pub directory: Option<File>,
    /// The path.
    pub path: CString,
}

impl From<CString> for Place {
    fn from(path: CString) -> Self {
        Self {
            directory: None,
            path,
        }
    }
}

/// A read or write.
#[derive(Debug)]
pub struct Transfer<M> {
    /// The file.
    pub file: File,
    /// Where the bytes come from or go to, one after the other.
    pub memory: Vec<M>,
    /// Where in the file the memory's first byte belongs.
    pub at: At,
    /// When it is complete.
    pub extent: Extent,
    /// How many bytes of the memory have been read or written already: before the submission by
    /// somebody else, and at completion altogether, also if it failed.
    pub done: usize,
}

/// What to do. It owns everything that the kernel needs for it.
#[derive(Debug)]
pub enum Operation<M> {
    /// Opens a file, never to be inherited by another program. [`Value::File`].
    Open {
        /// Which.
        place: Place,
        /// `O_…`; `O_CLOEXEC` is added.
        flags: OFlags,
        /// The mode of a file that is created, before the umask.
        mode: Mode,
    },
    /// Closes a file once the operations on it are complete; others are refused from here on (`EBADF`).
    Close(File),
    /// Fills memory. [`Value::Count`]; 0 at the end of the file.
    Read(Transfer<M>),
    /// Writes memory. [`Value::Count`].
    Write(Transfer<M>),
    /// Writes memory, and waits until that and all that was written before is on the disk. [`Value::Count`]. An error
    /// with everything [done](Transfer::done) is that of the disk, which is told once, as that of [`Self::Sync`].
    Save(Transfer<M>, Durability),
    /// Waits until what was written is on the disk. An error is told once, and never tried away.
    Sync {
        /// The file.
        file: File,
        /// What has to be there.
        durability: Durability,
    },
    /// What a file is. [`Value::Stat`]. An open file has an empty path with `AT_EMPTY_PATH`.
    Stat {
        /// Which.
        place: Place,
        /// `AT_SYMLINK_NOFOLLOW`, `AT_EMPTY_PATH` …
        flags: AtFlags,
        /// What is asked for.
        mask: StatxFlags,
    },
    /// Reserves room on the disk, or gives it back.
    Allocate {
        /// The file.
        file: File,
        /// `FALLOC_FL_…`
        flags: FallocateFlags,
        /// Where the room begins, in bytes.
        offset: u64,
        /// How long it is, in bytes.
        length: u64,
    },
    /// Makes a file as long as `length` bytes.
    Truncate {
        /// The file.
        file: File,
        /// The new length.
        length: u64,
    },
    /// Gives a file another name.
    Rename {
        /// The old name.
        from: Place,
        /// The new name.
        to: Place,
        /// `RENAME_NOREPLACE` …
        flags: RenameFlags,
    },
    /// Removes a name: a directory's with `AT_REMOVEDIR`.
    Unlink {
        /// Which.
        place: Place,
        /// `AT_REMOVEDIR` or nothing.
        flags: AtFlags,
    },
    /// Makes a directory.
    MakeDirectory {
        /// Its name.
        place: Place,
        /// Its mode, before the umask.
        mode: Mode,
    },
    /// Gives a file one more name.
    HardLink {
        /// A name it has.
        from: Place,
        /// Its new name.
        to: Place,
        /// `AT_SYMLINK_FOLLOW` or nothing.
        flags: AtFlags,
    },
    /// Makes a symbolic link.
    SymbolicLink {
        /// What the link says.
        target: CString,
        /// The link's name.
        place: Place,
    },
    /// Copies bytes from file to file within the kernel, or through memory where it cannot.
    /// [`Value::Count`]: less than asked for only at the end of `from`.
    Copy {
        /// Where the bytes come from.
        from: File,
        /// Where they begin there.
        from_offset: u64,
        /// Where they go.
        to: File,
        /// Where they begin there.
        to_offset: u64,
        /// How many.
        length: usize,
        /// How many have been copied already.
        done: usize,
    },
}

impl<M> Operation<M> {
    /// What it reads or writes, if that is what it does.
    #[must_use]
    pub fn transfer(&self) -> Option<&Transfer<M>> {
        match self {
            Self::Read(transfer) | Self::Write(transfer) | Self::Save(transfer, _) => {
                Some(transfer)
            }
            _ => None,
        }
    }

    /// Fills `memory` from `file`.
    pub fn read(file: File, memory: M, at: At, extent: Extent) -> Self {
        Self::Read(Transfer {
            file,
            memory: vec![memory],
            at,
            extent,
            done: 0,
        })
    }

    /// Writes all of `memory` to `file`.
    pub fn write(file: File, memory: M, at: At) -> Self {
        Self::Write(Transfer {
            file,
            memory: vec![memory],
            at,
            extent: Extent::All,
            done: 0,
        })
    }
}

/// What an operation has brought.
#[derive(Debug)]
pub enum Value {
    /// It is done, and there is nothing to tell.
    Done,
    /// The file that was opened. It is closed with the value, if nobody takes it.
    File(File),
    /// How many bytes.
    Count(usize),
    /// What the file is.
    Stat(Box<Statx>),
}

/// The end of an operation.
#[derive(Debug)]
pub struct Completion<M> {
    /// Which it was.
    pub ticket: Ticket,
    /// What it was, with everything that belonged to it: the memory, the paths, the progress of a transfer.
    pub operation: Operation<M>,
    /// What it has brought, or the kernel's error; `ECANCELED` if it was cancelled in time.
    pub result: Result<Value, Errno>,
}
