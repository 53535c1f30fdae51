//! Reading and writing: what was written is what is read, however it is cut.

use std::io::Write as _;

use super::*;
use crate::sys::memory::tests::Mixed;

on_every_backend!(
    what_was_written_is_read_and_the_file_closes,
    the_cursor_moves_with_each_transfer_and_not_with_an_offset,
    several_parts_are_one_transfer,
    more_parts_than_the_kernel_takes_are_one_transfer,
    a_transfer_goes_on_after_what_is_done_already,
    a_read_ends_with_the_file,
    a_large_file_is_read_and_written_whole,
    appending_writers_do_not_meet,
    a_full_disk_is_told_with_what_was_written,
    memory_that_is_constant_is_written_and_never_read_into,
    a_file_grows_shrinks_and_is_synced,
    what_is_saved_is_written_in_order_and_counted,
    a_save_that_is_cut_short_goes_on_and_syncs_once_it_is_whole,
    a_save_that_cannot_write_says_so_and_nothing_else,
    a_copy_is_equal_whatever_it_is_a_copy_of,
    beyond_two_gibibytes_a_file_is_still_a_file,
);

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}

fn what_was_written_is_read_and_the_file_closes(kind: Kind) {
    let (directory, mut here) = (Directory::new(), Loop::new(kind));
    let flags = OFlags::RDWR | OFlags::CREATE;
    let file = here.open(&directory.path("new"), flags).expect("created");
    assert_eq!(here.write(&file, b"hello", At::Offset(0)), Ok(5));
    assert_eq!(here.read(&file, 5, At::Offset(0)).expect("read"), b"hello");
    assert_eq!(here.read(&file, 0, At::Offset(0)).expect("read"), b"");
    let inherited = file.with(|fd| rustix::io::fcntl_getfd(fd)).expect("open");
    assert!(inherited.contains(rustix::io::FdFlags::CLOEXEC));
    assert_eq!(directory.open_files(), 1);
    here.close(file.clone()).expect("closed");
    assert_eq!(directory.open_files(), 0);
    assert_eq!(here.read(&file, 5, At::Offset(0)), Err(Errno::BADF));
    assert_eq!(here.close(file), Err(Errno::BADF));
    assert_eq!(here.files.in_flight(), 0);
}

fn the_cursor_moves_with_each_transfer_and_not_with_an_offset(kind: Kind) {
    let (directory, mut here) = (Directory::new(), Loop::new(kind));
    let path = directory.file("letters", b"abcdefgh");
    let file = here.open(&path, OFlags::RDWR).expect("opened");
    assert_eq!(here.read(&file, 2, At::Cursor).expect("read"), b"ab");
    assert_eq!(here.read(&file, 2, At::Offset(6)).expect("read"), b"gh");
    assert_eq!(here.read(&file, 2, At::Cursor).expect("read"), b"cd");
    assert_eq!(here.write(&file, b"EF", At::Cursor), Ok(2));
    assert_eq!(here.read(&file, 9, At::Cursor).expect("read"), b"gh");
    assert_eq!(std::fs::read(&path).expect("read"), b"abcdEFgh");
}

fn several_parts_are_one_transfer(kind: Kind) {
    let (directory, mut here) = (Directory::new(), Loop::new(kind));
    let path = directory.path("parts");
    let flags = OFlags::RDWR | OFlags::CREATE;
    let file = here.open(&path, flags).expect("created");
    let transfer = |memory: Vec<Vec<u8>>| Transfer {
        file: file.clone(),
        memory,
        at: At::Offset(0),
        extent: Extent::All,
        done: 0,
    };
    let parts = ["", "one", "", "two", "three", ""].map(Vec::from).to_vec();
    assert_eq!(here.count(Operation::Write(transfer(parts))), Ok(11));
    assert_eq!(std::fs::read(&path).expect("read"), b"onetwothree");
    let room = vec![vec![0; 2], vec![], vec![0; 20]];
    let ticket = here.submit(Operation::Read(transfer(room)));
    let completion = here.wait(ticket);
    assert!(matches!(completion.result, Ok(Value::Count(11))));
    let Operation::Read(transfer) = completion.operation else {
        panic!("another operation");
    };
    assert_eq!(transfer.memory[0], b"on");
    assert_eq!(transfer.memory[2][..9], *b"etwothree");
}

fn more_parts_than_the_kernel_takes_are_one_transfer(kind: Kind) {
    let (directory, mut here) = (Directory::new(), Loop::new(kind));
    let path = directory.path("many");
    let flags = OFlags::RDWR | OFlags::CREATE;
    let file = here.open(&path, flags).expect("created");
    let transfer = Transfer {
        file,
        memory: (0..5_000u32).map(|number| vec![number as u8; 3]).collect(),
        at: At::Cursor,
        extent: Extent::All,
        done: 0,
    };
    assert_eq!(here.count(Operation::Write(transfer)), Ok(15_000));
    let content = std::fs::read(&path).expect("read");
    assert!((0..5_000).all(|number| content[number * 3..][..3] == [number as u8; 3]));
}

fn a_transfer_goes_on_after_what_is_done_already(kind: Kind) {
    let (directory, mut here) = (Directory::new(), Loop::new(kind));
    let path = directory.file("letters", b"abcdefgh");
    let file = here.open(&path, OFlags::RDONLY).expect("opened");
    let transfer = Transfer {
        file,
        memory: vec![b"ab......".to_vec()],
        at: At::Offset(0),
        extent: Extent::All,
        done: 2,
    };
    let ticket = here.submit(Operation::Read(transfer));
    let completion = here.wait(ticket);
    assert!(matches!(completion.result, Ok(Value::Count(8))));
    assert_eq!(memory(completion.operation), b"abcdefgh");
}

fn a_read_ends_with_the_file(kind: Kind) {
    let (directory, mut here) = (Directory::new(), Loop::new(kind));
    let path = directory.file("short", b"abc");
    let file = here.open(&path, OFlags::RDONLY).expect("opened");
    assert_eq!(here.read(&file, 100, At::Offset(1)).expect("read"), b"bc");
    assert_eq!(here.read(&file, 100, At::Offset(3)).expect("read"), b"");
    assert_eq!(here.read(&file, 100, At::Offset(99)).expect("read"), b"");
    // A file that is cut while it is read just ends earlier.
    std::fs::write(&path, b"a").expect("cut");
    assert_eq!(here.read(&file, 100, At::Offset(1)).expect("read"), b"");
}

fn a_large_file_is_read_and_written_whole(kind: Kind) {
    let (directory, mut here) = (Directory::new(), Loop::new(kind));
    let (path, bytes) = (directory.path("large"), pattern(5_000_000));
    let flags = OFlags::RDWR | OFlags::CREATE;
    let file = here.open(&path, flags).expect("created");
    assert_eq!(here.write(&file, &bytes, At::Offset(0)), Ok(bytes.len()));
    assert!(std::fs::read(&path).expect("read") == bytes);
    // More at once than one flush has copied while the loop waits.
    let tickets: Vec<_> = (0..5)
        .map(|part| {
            let at = At::Offset(part * 1_000_000);
            let memory = vec![0; 1_000_000];
            here.submit(Operation::read(file.clone(), memory, at, Extent::All))
        })
        .collect();
    for (part, ticket) in bytes.chunks(1_000_000).zip(tickets) {
        assert!(memory(here.wait(ticket).operation) == part);
    }
}

fn appending_writers_do_not_meet(kind: Kind) {
    let (directory, mut here) = (Directory::new(), Loop::new(kind));
    let path = directory.path("log");
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE;
    let writers: Vec<_> = (0..50)
        .map(|_| here.open(&path, flags).expect("opened"))
        .collect();
    for round in 0..20 {
        for (number, file) in writers.iter().enumerate() {
            let line = format!("{round:04} {number:04} {}\n", "x".repeat(number));
            here.submit(Operation::write(
                file.clone(),
                line.into_bytes(),
                At::Cursor,
            ));
        }
    }
    here.drain();
    let log = std::fs::read_to_string(&path).expect("read");
    let mut lines: Vec<_> = log.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    let expected: Vec<_> = (0..20)
        .flat_map(|round| {
            (0..50).map(move |number| format!("{round:04} {number:04} {}", "x".repeat(number)))
        })
        .collect();
    assert_eq!(lines, expected);
}

fn a_full_disk_is_told_with_what_was_written(kind: Kind) {
    let mut here = Loop::<Vec<u8>>::new(kind);
    let full = here
        .open(Path::new("/dev/full"), OFlags::WRONLY)
        .expect("opened");
    let ticket = here.submit(Operation::write(full, vec![1; 10_000], At::Cursor));
    let completion = here.wait(ticket);
    assert_eq!(completion.result.expect_err("full"), Errno::NOSPC);
    let Operation::Write(transfer) = completion.operation else {
        panic!("another operation");
    };
    assert_eq!(transfer.done, 0);
}

fn memory_that_is_constant_is_written_and_never_read_into(kind: Kind) {
    let (directory, mut here) = (Directory::new(), Loop::<Mixed>::new(kind));
    let path = directory.file("letters", b"......");
    let file = here.open(&path, OFlags::RDWR).expect("opened");
    let constant = || Mixed::Constant(b"const");
    let write = Operation::write(file.clone(), constant(), At::Offset(0));
    assert_eq!(here.count(write), Ok(5));
    let read = Operation::read(file.clone(), constant(), At::Offset(0), Extent::All);
    assert_eq!(here.count(read), Err(Errno::FAULT));
    let own = Mixed::Own(vec![0; 6]);
    let read = Operation::read(file, own, At::Offset(0), Extent::All);
    assert_eq!(here.count(read), Ok(6));
}

fn a_file_grows_shrinks_and_is_synced(kind: Kind) {
    let (directory, mut here) = (Directory::new(), Loop::<Vec<u8>>::new(kind));
    let path = directory.file("sized", b"abcdef");
    let file = here.open(&path, OFlags::RDWR).expect("opened");
    let length = || std::fs::metadata(&path).expect("stat").len();
    let truncate = |length| Operation::Truncate {
        file: file.clone(),
        length,
    };
    here.run(truncate(3)).expect("cut");
    assert_eq!(length(), 3);
    here.run(truncate(1_000)).expect("grown");
    assert_eq!(length(), 1_000);
    let allocate = Operation::Allocate {
        file: file.clone(),
        flags: rustix::fs::FallocateFlags::empty(),
        offset: 0,
        length: 8_192,
    };
    here.run(allocate).expect("allocated");
    assert_eq!(length(), 8_192);
    for durability in [Durability::All, Durability::Data] {
        let file = file.clone();
        here.run(Operation::Sync { file, durability })
            .expect("synced");
    }
    let (reader, _writer) = pipe_to_read();
    let sync = Operation::Sync {
        file: reader,
        durability: Durability::All,
    };
    assert_eq!(here.run(sync).expect_err("a pipe"), Errno::INVAL);
}

fn save(file: &File, bytes: Vec<u8>) -> Operation<Vec<u8>> {
    let transfer = Transfer {
        file: file.clone(),
        memory: vec![bytes],
        at: At::Cursor,
        extent: Extent::All,
        done: 0,
    };
    Operation::Save(transfer, Durability::All)
}

fn what_is_saved_is_written_in_order_and_counted(kind: Kind) {
    let (directory, mut here) = (Directory::new(), Loop::new(kind));
    let path = directory.path("saved");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND;
    let file = here.open(&path, flags).expect("created");
    for round in 0..100_u8 {
        assert_eq!(here.count(save(&file, vec![round; 3])), Ok(3));
        if round % 10 == 0 {
            assert_eq!(here.write(&file, &[round; 2], At::Cursor), Ok(2));
        }
    }
    let content = std::fs::read(&path).expect("read");
    let expected = (0..100_u8).flat_map(|round| vec![round; 3 + 2 * usize::from(round % 10 == 0)]);
    assert!(content.into_iter().eq(expected));
    // More than any submission queue has room for.
    let tickets: Vec<_> = (0..200)
        .map(|_| here.submit(save(&file, vec![7; 5])))
        .collect();
    for ticket in tickets {
        assert!(matches!(here.wait(ticket).result, Ok(Value::Count(5))));
    }
    let length = std::fs::metadata(&path).expect("stat").len();
    assert_eq!(length, 320 + 1_000);
    assert_eq!(here.files.in_flight(), 0);
}

fn a_save_that_is_cut_short_goes_on_and_syncs_once_it_is_whole(kind: Kind) {
    let mut here = Loop::<Vec<u8>>::new(kind);
    let (reader, writer) = rustix::pipe::pipe().expect("pipe");
    let bytes = pattern(300_000);
    let ticket = here.submit(save(&File::from(writer), bytes.clone()));
    let reading = std::thread::spawn(move || {
        let (mut read, mut room) = (Vec::new(), [0; 4_096]);
        while read.len() < 300_000 {
            let count = rustix::io::read(&reader, &mut room).expect("read");
            read.extend_from_slice(&room[..count]);
        }
        read
    });
    let completion = here.wait(ticket);
    assert!(reading.join().expect("read") == bytes);
    // A pipe takes the bytes, and has no disk.
    assert_eq!(completion.result.expect_err("a pipe"), Errno::INVAL);
    let transfer = completion.operation.transfer().expect("a transfer");
    assert_eq!(transfer.done, 300_000);
    here.drain();
}

fn a_save_that_cannot_write_says_so_and_nothing_else(kind: Kind) {
    let mut here = Loop::<Vec<u8>>::new(kind);
    let full = here
        .open(Path::new("/dev/full"), OFlags::WRONLY)
        .expect("opened");
    for _ in 0..50 {
        let ticket = here.submit(save(&full, vec![1; 10]));
        let completion = here.wait(ticket);
        assert_eq!(completion.result.expect_err("full"), Errno::NOSPC);
        let transfer = completion.operation.transfer().expect("a transfer");
        assert_eq!(transfer.done, 0);
    }
    here.drain();
    assert!(here.completed.is_empty());
}

fn a_copy_is_equal_whatever_it_is_a_copy_of(kind: Kind) {
    let (directory, mut here) = (Directory::new(), Loop::<Vec<u8>>::new(kind));
    let bytes = pattern(300_000);
    let sources = [
        directory.file("from", &bytes),
        PathBuf::from("/proc/self/limits"),
    ];
    for source in sources {
        let target = directory.path("to");
        std::fs::File::create(&target)
            .and_then(|mut file| file.write_all(b"..."))
            .expect("created");
        let copy = Operation::Copy {
            from: here.open(&source, OFlags::RDONLY).expect("opened"),
            from_offset: 1,
            to: here.open(&target, OFlags::RDWR).expect("opened"),
            to_offset: 3,
            length: 1_000_000,
            done: 0,
        };
        let expected = std::fs::read(&source).expect("read")[1..].to_vec();
        assert_eq!(here.count(copy), Ok(expected.len()));
        let copied = std::fs::read(&target).expect("read");
        assert_eq!(copied[..3], *b"...");
        assert!(copied[3..] == expected);
    }
}

fn beyond_two_gibibytes_a_file_is_still_a_file(kind: Kind) {
    let (directory, mut here) = (Directory::new(), Loop::new(kind));
    let flags = OFlags::RDWR | OFlags::CREATE;
    let file = here
        .open(&directory.path("sparse"), flags)
        .expect("created");
    let far = At::Offset((5 << 30) + 7);
    assert_eq!(here.write(&file, b"far", far), Ok(3));
    assert_eq!(here.read(&file, 10, far).expect("read"), b"far");
}
