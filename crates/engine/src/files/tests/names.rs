//! Names: made, moved, removed; and every error with its own number.

use super::*;
use rustix::fs::{AtFlags, FileType, RenameFlags, StatxFlags};

on_every_backend!(
    names_are_made_moved_and_removed,
    a_path_starts_from_its_directory,
    errors_are_those_of_the_kernel,
    an_open_file_is_known_without_its_name,
);

fn unlink(path: &Path, flags: AtFlags) -> Operation<Vec<u8>> {
    Operation::Unlink {
        place: place(path),
        flags,
    }
}

fn rename(from: &Path, to: &Path, flags: RenameFlags) -> Operation<Vec<u8>> {
    Operation::Rename {
        from: place(from),
        to: place(to),
        flags,
    }
}

fn names_are_made_moved_and_removed(kind: Kind) {
    let (directory, mut here) = (Directory::new(), Loop::new(kind));
    let (folder, file) = (directory.path("folder"), directory.file("file", b"abc"));
    let (moved, hard, soft) = (
        folder.join("moved"),
        folder.join("hard"),
        folder.join("soft"),
    );
    let make = Operation::MakeDirectory {
        place: place(&folder),
        mode: Mode::from_raw_mode(0o700),
    };
    here.run(make).expect("made");
    here.run(rename(&file, &moved, RenameFlags::empty()))
        .expect("moved");
    let link = Operation::HardLink {
        from: place(&moved),
        to: place(&hard),
        flags: AtFlags::empty(),
    };
    here.run(link).expect("linked");
    let link = Operation::SymbolicLink {
        target: c"hard".into(),
        place: place(&soft),
    };
    here.run(link).expect("linked");
    assert_eq!(std::fs::read(&soft).expect("read"), b"abc");
    let kept = rename(&moved, &hard, RenameFlags::NOREPLACE);
    assert_eq!(here.run(kept).expect_err("there already"), Errno::EXIST);
    let full = unlink(&folder, AtFlags::REMOVEDIR);
    assert_eq!(here.run(full).expect_err("not empty"), Errno::NOTEMPTY);
    for name in [&moved, &hard, &soft] {
        here.run(unlink(name, AtFlags::empty())).expect("removed");
    }
    here.run(unlink(&folder, AtFlags::REMOVEDIR))
        .expect("removed");
    assert!(!folder.exists());
}

fn a_path_starts_from_its_directory(kind: Kind) {
    let (directory, mut here) = (Directory::new(), Loop::<Vec<u8>>::new(kind));
    directory.file("file", b"abc");
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let folder = here.open(&directory.0, flags).expect("opened");
    let relative = || Place {
        directory: Some(folder.clone()),
        path: c"file".into(),
    };
    let open = Operation::Open {
        place: relative(),
        flags: OFlags::RDONLY,
        mode: Mode::empty(),
    };
    assert!(matches!(here.run(open), Ok(Value::File(_))));
    let closing = here.submit(Operation::Close(folder.clone()));
    assert!(here.wait(closing).result.is_ok());
    let late = Operation::Unlink {
        place: relative(),
        flags: AtFlags::empty(),
    };
    assert_eq!(here.run(late).expect_err("closed"), Errno::BADF);
}

fn errors_are_those_of_the_kernel(kind: Kind) {
    let (directory, mut here) = (Directory::new(), Loop::new(kind));
    let missing = directory.path("missing");
    let looped = directory.path("looped");
    std::os::unix::fs::symlink(&looped, &looped).expect("linked");
    let mut open = |path: &Path, flags| here.open(path, flags).expect_err("refused");
    assert_eq!(open(&missing, OFlags::RDONLY), Errno::NOENT);
    assert_eq!(open(&looped, OFlags::RDONLY), Errno::LOOP);
    assert_eq!(open(&directory.0, OFlags::WRONLY), Errno::ISDIR);
    let exclusive = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let file = directory.file("file", b"abc");
    assert_eq!(open(&file, exclusive), Errno::EXIST);
    assert_eq!(open(&file.join("below"), OFlags::RDONLY), Errno::NOTDIR);
    let folder = here.open(&directory.0, OFlags::RDONLY).expect("opened");
    assert_eq!(here.read(&folder, 1, At::Cursor), Err(Errno::ISDIR));
    let file = here.open(&file, OFlags::RDONLY).expect("opened");
    assert_eq!(here.write(&file, b"x", At::Cursor), Err(Errno::BADF));
    let (pipe, _writer) = pipe_to_read();
    assert_eq!(here.read(&pipe, 1, At::Offset(5)), Err(Errno::SPIPE));
}

fn an_open_file_is_known_without_its_name(kind: Kind) {
    let (directory, mut here) = (Directory::new(), Loop::<Vec<u8>>::new(kind));
    let path = directory.file("file", b"abc");
    let file = here.open(&path, OFlags::RDONLY).expect("opened");
    let mut stat = |place, flags| {
        let mask = StatxFlags::BASIC_STATS;
        match here.run(Operation::Stat { place, flags, mask }) {
            Ok(Value::Stat(stat)) => stat,
            other => panic!("{other:?}"),
        }
    };
    let by_name = stat(place(&path), AtFlags::empty());
    let open = Place {
        directory: Some(file),
        path: c"".into(),
    };
    let by_file = stat(open, AtFlags::EMPTY_PATH);
    assert_eq!((by_name.stx_size, by_name.stx_ino), (3, by_file.stx_ino));
    let folder = stat(place(&directory.0), AtFlags::SYMLINK_NOFOLLOW);
    let mode = u32::from(folder.stx_mode);
    assert_eq!(FileType::from_raw_mode(mode), FileType::Directory);
}
