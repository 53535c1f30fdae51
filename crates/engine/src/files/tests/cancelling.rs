//! Giving up: what an operation owns lives on until the kernel is done with it, and nothing is lost or left open.

use super::*;
use crate::sys::memory::tests::Watched;

on_every_backend!(
    a_cancelled_read_completes_and_takes_nothing,
    what_is_cancelled_before_its_turn_ends_is_never_begun,
    cancelled_opens_leave_nothing_open,
    closing_waits_for_a_read_and_lets_no_other_begin,
    a_close_cannot_be_cancelled,
    a_ticket_that_is_complete_cancels_nothing,
    a_loop_that_closes_ends_what_waits,
    a_loop_that_closes_leaves_nothing_open,
);

fn read_of<M>(file: &File, memory: M) -> Operation<M> {
    Operation::read(file.clone(), memory, At::Cursor, Extent::Some)
}

fn a_cancelled_read_completes_and_takes_nothing(kind: Kind) {
    let mut here = Loop::new(kind);
    let (file, writer) = pipe_to_read();
    let (memory, alive) = Watched::new(8);
    let ticket = here.submit(read_of(&file, memory));
    here.begin();
    assert_eq!(Arc::strong_count(&alive), 2);
    here.files.cancel(ticket);
    here.files.cancel(ticket);
    let completion = here.wait(ticket);
    assert_eq!(completion.result.expect_err("cancelled"), Errno::CANCELED);
    drop(completion.operation);
    assert_eq!(Arc::strong_count(&alive), 1);
    rustix::io::write(&writer, b"abc").expect("write");
    let (memory, _alive) = Watched::new(8);
    assert_eq!(here.count(read_of(&file, memory)), Ok(3));
}

fn what_is_cancelled_before_its_turn_ends_is_never_begun(kind: Kind) {
    let (directory, mut here) = (Directory::new(), Loop::new(kind));
    let path = directory.file("file", b"abc");
    let file = here.open(&path, OFlags::RDWR).expect("opened");
    let write = Operation::write(file.clone(), b"xyz".to_vec(), At::Offset(0));
    let ticket = here.submit(write);
    here.files.cancel(ticket);
    let completion = here.wait(ticket);
    assert_eq!(completion.result.expect_err("cancelled"), Errno::CANCELED);
    assert_eq!(std::fs::read(&path).expect("read"), b"abc");
}

fn cancelled_opens_leave_nothing_open(kind: Kind) {
    let (directory, mut here) = (Directory::new(), Loop::<Vec<u8>>::new(kind));
    let path = directory.file("file", b"abc");
    let mut count = (0, 0);
    for round in 0..100 {
        let tickets: Vec<_> = (0..100)
            .map(|_| {
                here.submit(Operation::Open {
                    place: place(&path),
                    flags: OFlags::RDONLY,
                    mode: Mode::empty(),
                })
            })
            .collect();
        if round % 3 > 0 {
            here.files.flush();
        }
        if round % 3 > 1 {
            here.turn(Duration::from_millis(1));
        }
        for ticket in tickets {
            here.files.cancel(ticket);
        }
        here.drain();
        for (_, completion) in here.completed.drain() {
            match completion.result {
                Ok(Value::File(_)) => count.0 += 1,
                Err(Errno::CANCELED) => count.1 += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(directory.open_files(), 0, "{round} {count:?}");
    }
    assert_eq!(count.0 + count.1, 10_000);
    assert!(count.1 >= 3_300, "{count:?}");
}

fn closing_waits_for_a_read_and_lets_no_other_begin(kind: Kind) {
    let mut here = Loop::new(kind);
    let (file, writer) = pipe_to_read();
    let read = here.submit(read_of(&file, vec![0; 8]));
    here.begin();
    let close = here.submit(Operation::Close(file.clone()));
    here.begin();
    assert_eq!((here.files.in_flight(), here.completed.len()), (2, 0));
    let late = here.submit(read_of(&file, vec![0; 8]));
    assert_eq!(here.wait(late).result.expect_err("closing"), Errno::BADF);
    here.files.cancel(read);
    let completion = here.wait(read);
    assert_eq!(completion.result.expect_err("cancelled"), Errno::CANCELED);
    assert!(here.wait(close).result.is_ok());
    assert_closed(&writer);
}

fn a_close_cannot_be_cancelled(kind: Kind) {
    let mut here = Loop::<Vec<u8>>::new(kind);
    let (file, writer) = pipe_to_read();
    let close = here.submit(Operation::Close(file));
    here.files.cancel(close);
    assert!(here.wait(close).result.is_ok());
    assert_closed(&writer);
}

fn a_ticket_that_is_complete_cancels_nothing(kind: Kind) {
    let mut here = Loop::new(kind);
    let (file, writer) = pipe_to_read();
    rustix::io::write(&writer, b"a").expect("write");
    let old = here.submit(read_of(&file, vec![0; 8]));
    here.wait(old);
    // Has the place that the first had.
    let new = here.submit(read_of(&file, vec![0; 8]));
    here.begin();
    here.files.cancel(old);
    rustix::io::write(&writer, b"b").expect("write");
    assert!(matches!(here.wait(new).result, Ok(Value::Count(1))));
}

fn a_loop_that_closes_ends_what_waits(kind: Kind) {
    let mut here = Loop::new(kind);
    let pipes: Vec<_> = (0..50).map(|_| pipe_to_read()).collect();
    let alive: Vec<_> = pipes
        .iter()
        .map(|(file, _)| {
            let (memory, alive) = Watched::new(8);
            here.submit(read_of(file, memory));
            alive
        })
        .collect();
    here.begin();
    assert!(alive.iter().all(|alive| Arc::strong_count(alive) == 2));
    let begin = Instant::now();
    here.files.close(DEADLINE);
    assert!(begin.elapsed() < DEADLINE / 2);
    assert!(alive.iter().all(|alive| Arc::strong_count(alive) == 1));
}

fn a_loop_that_closes_leaves_nothing_open(kind: Kind) {
    let (directory, mut here) = (Directory::new(), Loop::new(kind));
    let path = directory.file("file", b"abc");
    let file = here.open(&path, OFlags::RDWR).expect("opened");
    for _ in 0..300 {
        here.submit(read_of(&file, vec![0; 8]));
        here.submit(Operation::Open {
            place: place(&path),
            flags: OFlags::RDONLY,
            mode: Mode::empty(),
        });
    }
    here.files.flush();
    here.submit(Operation::Close(file));
    here.files.flush();
    here.files.close(DEADLINE);
    drop(here.completed);
    assert_eq!(directory.open_files(), 0);
}
