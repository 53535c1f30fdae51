//! The ends of a loop that are not its usual one: a fork, a ring that is dropped, threads that never come back.

use super::*;
use crate::files::driver::{Driver, Issue};
use crate::sys::calls::Call;
use crate::sys::child::in_child;
use crate::sys::memory::tests::Watched;

on_every_backend!(
    a_child_leaves_its_parents_operations_alone,
    a_loop_that_closes_does_not_wait_for_ever,
);

fn read_of<M>(file: &File, memory: M) -> Operation<M> {
    Operation::read(file.clone(), memory, At::Cursor, Extent::Some)
}

fn a_child_leaves_its_parents_operations_alone(kind: Kind) {
    let mut here = Some(Loop::new(kind));
    let parent = here.as_mut().expect("there");
    let (file, writer) = pipe_to_read();
    let ticket = parent.submit(read_of(&file, vec![0; 8]));
    parent.begin();
    rustix::io::write(&writer, b"abc").expect("write");
    let passed = in_child(|| {
        let mut here = here.take().expect("there");
        assert!(here.files.is_inherited());
        let ticket = here.submit(read_of(&file, vec![0; 8]));
        let completion = here.wait(ticket);
        assert_eq!(completion.result.expect_err("inherited"), Errno::AGAIN);
        assert!(here.completed.is_empty());
        drop(here);
        let mut anew = Loop::new(kind);
        let (file, writer) = pipe_to_read();
        rustix::io::write(&writer, b"child").expect("write");
        anew.count(read_of(&file, vec![0; 8])) == Ok(5)
    });
    assert!(passed);
    // What the child took, it took from its own copy.
    let parent = here.as_mut().expect("there");
    assert!(!parent.files.is_inherited());
    assert!(matches!(parent.wait(ticket).result, Ok(Value::Count(3))));
}

fn a_loop_that_closes_does_not_wait_for_ever(kind: Kind) {
    let (directory, mut here) = (Directory::new(), Loop::<Vec<u8>>::new(kind));
    let path = directory.fifo("fifo");
    here.submit(Operation::Open {
        place: place(&path),
        flags: OFlags::RDONLY,
        mode: Mode::empty(),
    });
    here.begin();
    // A thread that opens a FIFO cannot be stopped: it is left alone.
    here.files.close(Duration::from_millis(50));
    let writer = OFlags::WRONLY | OFlags::NONBLOCK;
    let _released = rustix::fs::open(&path, writer, Mode::empty());
}

#[test]
fn a_loop_may_run_in_one_thread_and_close_in_another() {
    let mut here = Loop::<Vec<u8>>::new(Kind::Threads);
    let (file, _writer) = pipe_to_read();
    here.submit(read_of(&file, vec![0; 8]));
    here.begin();
    let closing = std::thread::spawn(move || here.files.close(DEADLINE));
    closing.join().expect("closed");
}

#[test]
fn memory_that_the_kernel_may_write_to_outlives_its_ring() {
    let Ok(mut ring) = Ring::<Watched>::new(Depth::USUAL) else {
        return eprintln!("skipped: this system refuses rings");
    };
    let (file, writer) = pipe_to_read();
    let (memory, alive) = Watched::new(8);
    let call = Call::new(read_of(&file, memory)).expect("open");
    ring.push(1, call, Issue::Inline).expect("room");
    ring.enter().expect("submitted");
    drop(ring);
    drop(file);
    assert_eq!(Arc::strong_count(&alive), 2, "leaked");
    rustix::io::write(&writer, b"abc").expect("the operation keeps its file open");
}

#[test]
fn memory_that_the_kernel_has_let_go_of_does_not() {
    let Ok(mut ring) = Ring::<Watched>::new(Depth::USUAL) else {
        return eprintln!("skipped: this system refuses rings");
    };
    let (file, _writer) = pipe_to_read();
    let (memory, alive) = Watched::new(8);
    let call = Call::new(read_of(&file, memory)).expect("open");
    ring.push(1, call, Issue::Inline).expect("room");
    ring.enter().expect("submitted");
    ring.end(DEADLINE);
    assert_eq!(Arc::strong_count(&alive), 1);
}
