//! Which mounts are of file systems that ask no other machine, so that what the kernel has cached of them is the truth, and
//! which of those that have nothing but memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rustix::fs::Statx;

/// Where the kernel lists the mounts that this process sees. Format: proc_pid_mountinfo(5).
const LIST: &str = "/proc/self/mountinfo";

/// File systems that hold their files themselves, and in the kernel. What is missing here is only slower.
const LOCAL: [&str; 12] = [
    "bcachefs", "btrfs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs", "iso9660", "overlay",
    "squashfs", "xfs",
];
/// Those that hold them in memory.
const MEMORY: [&str; 3] = ["devtmpfs", "ramfs", "tmpfs"];
/// Nobody has that many mounts; somebody who mounts and unmounts all day does not fill our memory.
const KNOWN_MAX: usize = 4096;

/// A device's number, as its two halves.
type Device = (u32, u32);

/// Where a file system has its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeper {
    /// On this machine's disks.
    Disk,
    /// In this machine's memory.
    Memory,
    /// Elsewhere, or nobody knows where.
    Other,
}

impl Keeper {
    fn of(kind: &str) -> Self {
        if MEMORY.contains(&kind) {
            Self::Memory
        } else if LOCAL.contains(&kind) {
            Self::Disk
        } else {
            Self::Other
        }
    }
}

/// A mount, and where its files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mount {
    device: Device,
    keeper: Keeper,
}

/// What has been read of the list.
static KNOWN: Mutex<Option<HashMap<u64, Mount>>> = Mutex::new(None);

/// Whether the file that `stat` is of lies on a local file system. No for what cannot be told.
pub(crate) fn is_local(stat: &Statx) -> bool {
    keeper_of(stat) != Keeper::Other
}

/// Whether the file that `stat` is of lies in memory, so that a read of it waits for nothing. No for what cannot be told.
pub(crate) fn is_in_memory(stat: &Statx) -> bool {
    keeper_of(stat) == Keeper::Memory
}

fn keeper_of(stat: &Statx) -> Keeper {
    let device = (stat.stx_dev_major, stat.stx_dev_minor);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let mounts = known.get_or_insert_default();
    let mount = mounts.get(&stat.stx_mnt_id).copied();
    // Numbers of mounts are given again: the device must be the same, too.
    let mount = mount.filter(|mount| mount.device == device);
    if let Some(mount) = mount {
        return mount.keeper;
    }
    if mounts.len() > KNOWN_MAX {
        mounts.clear();
    }
    mounts.extend(read_list());
    let listed = mounts.get(&stat.stx_mnt_id).copied();
    let keeper = listed
        .filter(|mount| mount.device == device)
        .map_or(Keeper::Other, |mount| mount.keeper);
    mounts.insert(stat.stx_mnt_id, Mount { device, keeper });
    keeper
}

fn read_list() -> Vec<(u64, Mount)> {
    let list = std::fs::read_to_string(LIST).unwrap_or_default();
    list.lines().filter_map(mount_of).collect()
}

/// A line: number, parent's number, device, root, place, options, tags, a dash, kind of file system …
fn mount_of(line: &str) -> Option<(u64, Mount)> {
    let (left, right) = line.split_once(" - ")?;
    let mut fields = left.split(' ');
    let id = fields.next()?.parse().ok()?;
    let (major, minor) = fields.nth(1)?.split_once(':')?;
    let kind = right.split(' ').next()?;
    let mount = Mount {
        device: (major.parse().ok()?, minor.parse().ok()?),
        keeper: Keeper::of(kind),
    };
    Some((id, mount))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

    #[test]
    fn a_line_tells_number_device_and_kind() {
        let line = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext4 /dev/root rw,errors=continue";
        let mount = Mount {
            device: (98, 0),
            keeper: Keeper::Disk,
        };
        assert_eq!(mount_of(line), Some((36, mount)));
        let line = "40 35 0:51 / /home rw shared:1 shared:2 - nfs4 server:/home rw";
        let mount = Mount {
            device: (0, 51),
            keeper: Keeper::Other,
        };
        assert_eq!(mount_of(line), Some((40, mount)));
        assert_eq!(mount_of("36 35 98:0 /mnt1 /mnt2 rw"), None);
        assert_eq!(mount_of("x 35 98:0 / / rw - ext4 a rw"), None);
        assert_eq!(mount_of(""), None);
    }

    #[test]
    fn what_is_not_in_the_list_is_not_local() {
        let flags = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
        let mut stat = statx(CWD, "/proc", AtFlags::empty(), flags).expect("proc is mounted");
        assert!(!is_local(&stat), "the kernel makes its files up");
        stat.stx_mnt_id = u64::MAX;
        assert!(!is_local(&stat));
        assert!(!is_local(&stat), "and remembered so");
    }
}
