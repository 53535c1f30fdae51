//! What is refused: rings, and answers on the spot.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::thread;

use rustix::fs::{AtFlags, FileType};

use super::*;
use crate::sockets::Attempt;
use crate::sys::denial::deny;
use crate::sys::memory::tests::Watched;

on_every_backend!(
    a_plain_file_is_opened_and_read_on_the_spot,
    attempts_never_wait,
    a_name_is_asked_about_on_the_spot,
    whoever_holds_no_file_is_told,
);

fn attempt(file: &File, length: usize, at: At) -> Option<Vec<u8>> {
    let mut memory = vec![MaybeUninit::new(0); length];
    match try_read(file, &mut memory, at).expect("no error") {
        Attempt::Done(count) => {
            let mut bytes = vec![0; length];
            // What the attempt has brought is what a plain read brings.
            let read = file.with(|fd| match at {
                At::Offset(offset) => rustix::io::pread(fd, &mut bytes[..], offset),
                At::Cursor => Ok(count),
            });
            assert!(read.expect("read") >= count);
            bytes.truncate(count);
            Some(bytes)
        }
        Attempt::WouldBlock => None,
    }
}

fn a_plain_file_is_opened_and_read_on_the_spot(_kind: Kind) {
    let directory = Directory::new();
    let path = place(&directory.file("file", b"abcdef")).path;
    // Its name may be refused while others change the cache of names.
    let opened =
        (0..100).find_map(
            |_| match try_open(None, &path, OFlags::RDONLY).expect("opened") {
                Attempt::Done(opened) => Some(opened),
                Attempt::WouldBlock => None,
            },
        );
    let (file, stat) = opened.expect("a kernel with openat2");
    assert_eq!(stat.st_size, 6);
    let flags = file.with(|fd| rustix::fs::fcntl_getfl(fd)).expect("open");
    assert!(!flags.contains(OFlags::NONBLOCK));
    assert_eq!(try_stat(&file).expect("stat").stx_size, 6);
    assert_eq!(attempt(&file, 4, At::Offset(2)).expect("cached"), b"cdef");
    assert_eq!(attempt(&file, 4, At::Offset(6)).expect("cached"), b"");
    drop(file);
    assert_eq!(directory.open_files(), 0);
}

fn attempts_never_wait(_kind: Kind) {
    let directory = Directory::new();
    let refused = |path: &Path, flags| {
        let attempt = try_open(None, &place(path).path, flags).expect("no error");
        matches!(attempt, Attempt::WouldBlock)
    };
    assert!(refused(&directory.fifo("fifo"), OFlags::RDONLY));
    assert!(refused(&directory.0, OFlags::RDONLY));
    assert!(refused(
        &directory.path("new"),
        OFlags::WRONLY | OFlags::CREATE
    ));
    assert!(!directory.path("new").exists());
    let (pipe, _writer) = pipe_to_read();
    assert_eq!(attempt(&pipe, 4, At::Cursor), None);
}

#[test]
fn what_lies_in_memory_is_read_on_the_spot() {
    let name = format!("/dev/shm/aioxide-{}", std::process::id());
    let path = Path::new(&name);
    if std::fs::write(path, b"abcdef").is_err() {
        return eprintln!("skipped: there is no file system in memory");
    }
    let opened = std::fs::File::open(path).expect("written");
    std::fs::remove_file(path).expect("written");
    let file = File::from(OwnedFd::from(opened));
    for at in [At::Offset(2), At::Offset(4)] {
        let read = attempt(&file, 2, at).expect("nothing to wait for");
        assert!([b"cd", b"ef"].contains(&&[read[0], read[1]]));
    }
    assert_eq!(attempt(&file, 4, At::Offset(6)).expect("its end"), b"");
}

fn a_name_is_asked_about_on_the_spot(_kind: Kind) {
    let directory = Directory::new();
    let file = directory.file("file", b"abcdef");
    let link = directory.path("link");
    std::os::unix::fs::symlink(&file, &link).expect("made");
    let asked = |path: &Path, flags| match try_stat_of(&place(path), flags) {
        Ok(Attempt::Done(stat)) => Some(stat),
        Ok(Attempt::WouldBlock) => None,
        Err(errno) => panic!("{errno}"),
    };
    // Refused where the file system is unknown, and by chance while others change the cache of names.
    if let Some(stat) = (0..100).find_map(|_| asked(&link, AtFlags::empty())) {
        assert_eq!(stat.stx_size, 6);
        let stat = (0..100).find_map(|_| asked(&link, AtFlags::SYMLINK_NOFOLLOW));
        let mode = u32::from(stat.expect("known").stx_mode);
        assert_eq!(FileType::from_raw_mode(mode), FileType::Symlink);
    }
    assert!(asked(Path::new(""), AtFlags::empty()).is_none());
    assert!(asked(Path::new("/proc/self"), AtFlags::empty()).is_none());
    let missing = directory.path("missing");
    assert!(!missing.exists());
    match try_stat_of(&place(&missing), AtFlags::empty()) {
        Ok(Attempt::WouldBlock) | Err(Errno::NOENT) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(directory.open_files(), 0);
}

fn whoever_holds_no_file_is_told(_kind: Kind) {
    let directory = Directory::new();
    let missing = directory.path("missing");
    // The name is looked for once, so that the cache knows that it is missing.
    assert!(!missing.exists());
    let attempt = try_open(None, &place(&missing).path, OFlags::RDONLY);
    match attempt {
        Ok(Attempt::WouldBlock) | Err(Errno::NOENT) => {}
        other => panic!("{other:?}"),
    }
    let (file, _writer) = pipe_to_read();
    assert!(file.close_with(Box::new(|_| ())).expect("open").is_some());
    let refused = try_read(&file, &mut [], At::Cursor).expect_err("closed");
    assert_eq!(refused, Errno::BADF);
}

/// Runs `test` in a thread of its own, which may be denied what it likes.
fn aside(test: impl FnOnce() + Send + 'static) {
    if let Err(panic) = thread::spawn(test).join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn a_ring_that_was_asked_for_and_is_refused_is_an_error() {
    aside(|| {
        deny(&sys::denial::RING, Errno::PERM);
        let refused = Files::<Vec<u8>>::new(Choice::Ring, Arc::new(|| ()));
        assert_eq!(refused.expect_err("refused"), Errno::PERM);
    });
}

#[test]
fn a_filter_that_comes_later_than_the_ring_moves_everything_to_threads() {
    aside(|| {
        let directory = Directory::new();
        let path = directory.file("file", b"abc");
        let mut here = Loop::new(Kind::Ring);
        let file = here.open(&path, OFlags::RDONLY).expect("opened");
        deny(&[libc::SYS_io_uring_enter], Errno::PERM);
        for _ in 0..300 {
            let memory = vec![0; 3];
            here.submit(Operation::read(
                file.clone(),
                memory,
                At::Offset(0),
                Extent::All,
            ));
        }
        assert_eq!(here.read(&file, 3, At::Offset(0)).expect("read"), b"abc");
        assert!(matches!(here.files.backend(), Backend::Refused(_)));
        here.drain();
        assert_eq!(here.completed.len(), 300);
        here.close(file).expect("closed");
    });
}

#[test]
fn a_loop_whose_ring_is_denied_closes_in_time_and_leaks_what_still_waits() {
    aside(|| {
        let mut here = Loop::new(Kind::Ring);
        let pipes: Vec<_> = (0..300).map(|_| pipe_to_read()).collect();
        let alive: Vec<_> = pipes
            .iter()
            .map(|(file, _)| {
                let (memory, alive) = Watched::new(1);
                let read = Operation::read(file.clone(), memory, At::Cursor, Extent::Some);
                here.submit(read);
                alive
            })
            .collect();
        here.begin();
        deny(&[libc::SYS_io_uring_enter], Errno::PERM);
        let begin = Instant::now();
        here.files.close(Duration::from_millis(50));
        assert!(begin.elapsed() < DEADLINE);
        assert!(alive.iter().all(|alive| Arc::strong_count(alive) == 2));
    });
}

#[test]
fn without_the_calls_for_attempts_every_one_is_refused() {
    for errno in [Errno::NOSYS, Errno::PERM] {
        aside(move || {
            let directory = Directory::new();
            let path = directory.file("file", b"abc");
            let mut here = Loop::<Vec<u8>>::new(Kind::Threads);
            let file = here.open(&path, OFlags::RDONLY).expect("opened");
            deny(&[libc::SYS_openat2, libc::SYS_preadv2], errno);
            for _ in 0..2 {
                assert_eq!(attempt(&file, 3, At::Offset(0)), None);
                let opened = try_open(None, &place(&path).path, OFlags::RDONLY);
                assert!(matches!(opened, Ok(Attempt::WouldBlock)));
            }
            attempts::forget_refusals();
        });
    }
}

#[test]
fn operations_of_a_thread_that_has_ended_complete_in_the_next() {
    let mut here = Loop::new(Kind::Ring);
    let (file, writer) = pipe_to_read();
    let mut here = thread::spawn(move || {
        let memory = vec![0; 8];
        here.submit(Operation::read(file, memory, At::Cursor, Extent::Some));
        here.begin();
        here
    })
    .join()
    .expect("begun");
    rustix::io::write(&writer, b"abc").expect("write");
    here.drain();
    let (_, completion) = here.completed.drain().next().expect("completed");
    assert!(matches!(completion.result, Ok(Value::Count(3))));
}
