//! Files that wait for somebody else: pipes and FIFOs.

use rustix::pipe::{PipeFlags, pipe, pipe_with};

use super::*;

on_every_backend!(
    a_read_waits_for_the_writer,
    some_is_what_there_is_and_all_is_what_fits,
    a_write_longer_than_the_pipe_waits_for_the_reader,
    would_block_is_waited_out,
    opening_a_fifo_waits_for_its_other_end,
    silent_pipes_do_not_hold_up_plain_files,
);

fn read_of(file: &File, length: usize, extent: Extent) -> Operation<Vec<u8>> {
    Operation::read(file.clone(), vec![0; length], At::Cursor, extent)
}

fn a_read_waits_for_the_writer(kind: Kind) {
    let mut here = Loop::new(kind);
    let (file, writer) = pipe_to_read();
    let ticket = here.submit(read_of(&file, 10, Extent::Some));
    here.begin();
    assert_eq!((here.files.in_flight(), here.completed.len()), (1, 0));
    rustix::io::write(&writer, b"abc").expect("write");
    let completion = here.wait(ticket);
    assert!(matches!(completion.result, Ok(Value::Count(3))));
    assert_eq!(memory(completion.operation)[..3], *b"abc");
    let ticket = here.submit(read_of(&file, 10, Extent::Some));
    here.begin();
    drop(writer);
    assert!(matches!(here.wait(ticket).result, Ok(Value::Count(0))));
}

fn some_is_what_there_is_and_all_is_what_fits(kind: Kind) {
    let mut here = Loop::new(kind);
    let (file, writer) = pipe_to_read();
    rustix::io::write(&writer, b"abc").expect("write");
    let count = here.count(read_of(&file, 10, Extent::Some));
    assert_eq!(count, Ok(3));
    let ticket = here.submit(read_of(&file, 4, Extent::All));
    for byte in b"wxyz" {
        here.begin();
        assert_eq!(here.completed.len(), 0);
        rustix::io::write(&writer, &[*byte]).expect("write");
    }
    assert_eq!(memory(here.wait(ticket).operation), b"wxyz");
    let ticket = here.submit(read_of(&file, 4, Extent::All));
    rustix::io::write(&writer, b"ab").expect("write");
    drop(writer);
    assert!(matches!(here.wait(ticket).result, Ok(Value::Count(2))));
}

fn a_write_longer_than_the_pipe_waits_for_the_reader(kind: Kind) {
    let mut here = Loop::new(kind);
    let (reader, writer) = pipe().expect("pipe");
    let (reader, writer) = (File::from(reader), File::from(writer));
    let bytes: Vec<u8> = (0..1_000_000).map(|index| (index % 251) as u8).collect();
    let written = here.submit(Operation::write(writer, bytes.clone(), At::Cursor));
    here.begin();
    let read = here.submit(read_of(&reader, bytes.len(), Extent::All));
    assert!(memory(here.wait(read).operation) == bytes);
    assert!(matches!(
        here.wait(written).result,
        Ok(Value::Count(1_000_000))
    ));
}

fn would_block_is_waited_out(kind: Kind) {
    let mut here = Loop::new(kind);
    let (reader, writer) = pipe_with(PipeFlags::NONBLOCK).expect("pipe");
    let file = File::from(reader);
    let ticket = here.submit(read_of(&file, 10, Extent::Some));
    here.begin();
    for _ in 0..3 {
        here.turn(Duration::ZERO);
        assert_eq!(here.completed.len(), 0);
    }
    rustix::io::write(&writer, b"abc").expect("write");
    assert!(matches!(here.wait(ticket).result, Ok(Value::Count(3))));
}

fn opening_a_fifo_waits_for_its_other_end(kind: Kind) {
    let (directory, mut here) = (Directory::new(), Loop::<Vec<u8>>::new(kind));
    let path = directory.fifo("fifo");
    let open = |flags| Operation::Open {
        place: place(&path),
        flags,
        mode: Mode::empty(),
    };
    // Without waiting this would be ENXIO.
    let writer = here.submit(open(OFlags::WRONLY));
    here.begin();
    assert_eq!((here.files.in_flight(), here.completed.len()), (1, 0));
    let reader = here.submit(open(OFlags::RDONLY));
    for ticket in [reader, writer] {
        assert!(matches!(here.wait(ticket).result, Ok(Value::File(_))));
    }
}

fn silent_pipes_do_not_hold_up_plain_files(kind: Kind) {
    let (directory, mut here) = (Directory::new(), Loop::new(kind));
    let pipes: Vec<_> = (0..100).map(|_| pipe_to_read()).collect();
    let fifos: Vec<_> = (0..10)
        .map(|number| directory.fifo(&number.to_string()))
        .collect();
    let silent: Vec<_> = pipes
        .iter()
        .map(|(file, _)| here.submit(read_of(file, 10, Extent::Some)))
        .collect();
    let opened: Vec<_> = fifos
        .iter()
        .map(|path| {
            here.submit(Operation::Open {
                place: place(path),
                flags: OFlags::RDONLY,
                mode: Mode::empty(),
            })
        })
        .collect();
    here.begin();
    let path = directory.file("plain", b"abc");
    let file = here.open(&path, OFlags::RDWR).expect("opened");
    assert_eq!(here.read(&file, 3, At::Offset(0)).expect("read"), b"abc");
    assert_eq!(here.write(&file, b"ABC", At::Offset(0)), Ok(3));
    for (_, writer) in &pipes {
        rustix::io::write(writer, b"x").expect("write");
    }
    for ticket in silent {
        assert!(matches!(here.wait(ticket).result, Ok(Value::Count(1))));
    }
    for (path, ticket) in fifos.iter().zip(opened) {
        let _writer = here.open(path, OFlags::WRONLY).expect("opened");
        assert!(here.wait(ticket).result.is_ok());
    }
}
