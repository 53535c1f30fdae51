//! More than fits: into the ring, into its queue of completions, into a turn.

use super::*;
use rustix::pipe::pipe;

on_every_backend!(
    a_hundred_thousand_operations_each_complete_once,
    completions_that_all_come_at_once_all_arrive,
    a_turn_is_not_held_up_by_all_that_is_submitted,
);

fn a_hundred_thousand_operations_each_complete_once(kind: Kind) {
    const COUNT: u32 = 100_000;
    let (directory, mut here) = (Directory::new(), Loop::new(kind));
    let content: Vec<u8> = (0..COUNT).map(|index| (index % 251) as u8).collect();
    let path = directory.file("content", &content);
    let file = here.open(&path, OFlags::RDONLY).expect("opened");
    let tickets: Vec<_> = (0..COUNT)
        .map(|index| {
            let at = At::Offset(u64::from(index));
            here.submit(Operation::read(file.clone(), vec![0], at, Extent::All))
        })
        .collect();
    here.drain();
    assert_eq!(here.completed.len(), tickets.len());
    for (expected, ticket) in content.iter().zip(tickets) {
        let completion = here.completed.remove(&ticket).expect("completed");
        assert!(matches!(completion.result, Ok(Value::Count(1))));
        assert_eq!(memory(completion.operation), [*expected]);
    }
    here.close(file).expect("nobody uses it");
}

fn completions_that_all_come_at_once_all_arrive(kind: Kind) {
    let count = match kind {
        Kind::Ring => 3_000,
        Kind::TinyRing => 1_000,
        // Each has a thread.
        Kind::Threads | Kind::Denied(_) => 100,
    };
    let mut here = Loop::new(kind);
    let (reader, writer) = pipe().expect("pipe");
    let file = File::from(reader);
    let tickets: Vec<_> = (0..count)
        .map(|_| {
            let memory = vec![0; 1];
            here.submit(Operation::read(
                file.clone(),
                memory,
                At::Cursor,
                Extent::Some,
            ))
        })
        .collect();
    here.begin();
    assert_eq!((here.files.in_flight(), here.completed.len()), (count, 0));
    rustix::io::write(&writer, &vec![7; count]).expect("fits into a pipe");
    for ticket in tickets {
        let completion = here.wait(ticket);
        assert!(matches!(completion.result, Ok(Value::Count(1))));
        assert_eq!(memory(completion.operation), [7]);
    }
}

fn a_turn_is_not_held_up_by_all_that_is_submitted(kind: Kind) {
    let (directory, mut here) = (Directory::new(), Loop::new(kind));
    let path = directory.file("content", b"abc");
    let file = here.open(&path, OFlags::RDONLY).expect("opened");
    for _ in 0..10_000 {
        let at = At::Offset(0);
        here.submit(Operation::read(file.clone(), vec![0], at, Extent::All));
    }
    here.files.flush();
    if matches!(kind, Kind::Ring | Kind::TinyRing) {
        assert!(here.files.has_work());
        assert!(here.files.in_flight() > 5_000);
    }
    here.drain();
    assert_eq!(here.completed.len(), 10_000);
}
