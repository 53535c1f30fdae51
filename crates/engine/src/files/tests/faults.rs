//! A kernel that does as little as it may: short reads and writes, signals, refusals, answers late and out of order.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::files::driver::{Answer, Driver, Issue};
use crate::files::service::Service;
use crate::sys::calls::Call;

/// What the kernel makes of one call.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// It does what it is asked for.
    None,
    /// It moves so many bytes at most.
    Short(usize),
    /// It does nothing, and says this.
    Says(Errno),
    /// It lets later calls pass.
    Late,
    /// It takes no more calls for now.
    Busy,
}

fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let fault = prop_oneof![
        3 => Just(Fault::None),
        4 => (1..40_usize).prop_map(Fault::Short),
        1 => Just(Fault::Says(Errno::INTR)),
        1 => Just(Fault::Says(Errno::AGAIN)),
        1 => Just(Fault::Says(Errno::CANCELED)),
        2 => Just(Fault::Late),
        1 => Just(Fault::Busy),
    ];
    prop::collection::vec(fault, 0..60)
}

/// A ring whose kernel works while it is entered, with the faults of a script; after the last, without.
struct Faulty {
    faults: VecDeque<Fault>,
    depth: usize,
    queued: VecDeque<(u64, Box<Call<Vec<u8>>>)>,
    late: Vec<(u64, Box<Call<Vec<u8>>>)>,
    answers: VecDeque<Answer<Vec<u8>>>,
    cancels: Vec<u64>,
}

impl Faulty {
    fn new(faults: Vec<Fault>, depth: usize) -> Self {
        Self {
            faults: faults.into(),
            depth,
            queued: VecDeque::new(),
            late: Vec::new(),
            answers: VecDeque::new(),
            cancels: Vec::new(),
        }
    }

    fn answer(&mut self, key: u64, mut call: Box<Call<Vec<u8>>>, fault: Fault) {
        // Linux closes whatever it answers.
        let is_close = matches!(call.operation, Operation::Close(_));
        let result = match fault {
            Fault::Says(Errno::INTR | Errno::AGAIN) if is_close => call.perform(),
            Fault::Late | Fault::Busy => return self.late.push((key, call)),
            Fault::Says(errno) => call.accept(-errno.raw_os_error()),
            Fault::Short(bytes) => {
                call.limit(bytes);
                let result = call.perform();
                call.limit(usize::MAX >> 1);
                result
            }
            Fault::None => call.perform(),
        };
        self.answers.push_back((key, call, result));
    }
}

impl Driver<Vec<u8>> for Faulty {
    fn knows(&self, _call: &Call<Vec<u8>>) -> bool {
        true
    }

    fn push(
        &mut self,
        key: u64,
        call: Box<Call<Vec<u8>>>,
        _issue: Issue,
    ) -> Result<(), Box<Call<Vec<u8>>>> {
        if self.queued.len() == self.depth {
            return Err(call);
        }
        self.queued.push_back((key, call));
        Ok(())
    }

    fn push_cancel(&mut self, key: u64) -> bool {
        self.cancels.push(key);
        true
    }

    fn enter(&mut self) -> Result<(), Errno> {
        let late = std::mem::take(&mut self.late);
        while let Some((key, call)) = self.queued.pop_front() {
            let fault = self.faults.pop_front().unwrap_or(Fault::None);
            if matches!(fault, Fault::Busy) {
                self.queued.push_front((key, call));
                self.late.extend(late);
                return Err(Errno::BUSY);
            }
            self.answer(key, call, fault);
        }
        for (key, call) in late {
            let is_cancelled = self.cancels.contains(&key);
            let fault = if is_cancelled {
                Fault::Says(Errno::CANCELED)
            } else {
                Fault::None
            };
            self.answer(key, call, fault);
        }
        Ok(())
    }

    fn unsubmitted(&self) -> usize {
        self.queued.len()
    }

    fn pop(&mut self) -> Option<Answer<Vec<u8>>> {
        self.answers.pop_front()
    }

    fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    fn holds_back(&self) -> bool {
        !self.late.is_empty()
    }

    fn abandon(&mut self) -> Vec<(u64, Box<Call<Vec<u8>>>)> {
        std::mem::take(&mut self.queued).into()
    }

    fn source(&self) -> Option<RawFd> {
        None
    }

    fn end(&mut self, _patience: Duration) {}
}

type Faults = Service<Vec<u8>, Faulty>;

fn service(faults: Vec<Fault>, depth: usize) -> Faults {
    let refusal = Box::leak(Box::new(Refusal::new()));
    Service::new(Some(Faulty::new(faults, depth)), refusal, Arc::new(|| ()))
}

/// Turns until everything is complete; what has completed, by its ticket.
fn complete(service: &mut Faults) -> HashMap<Ticket, Completion<Vec<u8>>> {
    let (mut all, mut completions) = (HashMap::new(), Vec::new());
    let deadline = Instant::now() + DEADLINE;
    while service.in_flight() > 0 || service.has_work() {
        assert!(Instant::now() < deadline, "stuck");
        service.flush();
        service.collect(&mut completions);
        for completion in completions.drain(..) {
            let again = all.insert(completion.ticket, completion);
            assert!(again.is_none(), "completed twice");
        }
    }
    all
}

fn open(path: &Path) -> File {
    let options = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path);
    File::from(std::os::fd::OwnedFd::from(options.expect("opened")))
}

/// Cuts memory into parts of these lengths, and one of what is left.
fn cut(bytes: &[u8], lengths: &[usize]) -> Vec<Vec<u8>> {
    let mut left = bytes;
    let mut parts: Vec<_> = lengths
        .iter()
        .map(|length| {
            let (part, rest) = left.split_at((*length).min(left.len()));
            left = rest;
            part.to_vec()
        })
        .collect();
    parts.push(left.to_vec());
    parts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_write_is_whole_whatever_the_kernel_takes_at_a_time(
        faults in faults(),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        lengths in prop::collection::vec(0..50_usize, 0..5),
        offset in prop::option::of(0..100_u64),
        depth in 1..4_usize,
    ) {
        let directory = Directory::new();
        let path = directory.file("file", b"");
        let mut service = service(faults, depth);
        let transfer = Transfer {
            file: open(&path),
            memory: cut(&bytes, &lengths),
            at: offset.map_or(At::Cursor, At::Offset),
            extent: Extent::All,
            done: 0,
        };
        let ticket = service.submit(Operation::Write(transfer));
        let mut completed = complete(&mut service);
        let completion = completed.remove(&ticket).expect("completed");
        let Ok(Value::Count(count)) = completion.result else {
            panic!("{completion:?}");
        };
        prop_assert_eq!(count, bytes.len());
        let content = std::fs::read(&path).expect("read");
        let begin = offset.map_or(0, |offset| offset as usize).min(content.len());
        prop_assert_eq!(&content[begin..], &bytes);
    }

    #[test]
    fn a_read_is_whole_whatever_the_kernel_brings_at_a_time(
        faults in faults(),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        lengths in prop::collection::vec(0..50_usize, 0..5),
        room in 0..400_usize,
        offset in prop::option::of(0..100_u64),
    ) {
        let directory = Directory::new();
        let path = directory.file("file", &bytes);
        let mut service = service(faults, 2);
        let transfer = Transfer {
            file: open(&path),
            memory: cut(&vec![0; room], &lengths),
            at: offset.map_or(At::Cursor, At::Offset),
            extent: Extent::All,
            done: 0,
        };
        let ticket = service.submit(Operation::Read(transfer));
        let mut completed = complete(&mut service);
        let completion = completed.remove(&ticket).expect("completed");
        let begin = offset.map_or(0, |offset| offset as usize).min(bytes.len());
        let expected = &bytes[begin..];
        let expected = &expected[..expected.len().min(room)];
        let Ok(Value::Count(count)) = completion.result else {
            panic!("{completion:?}");
        };
        let Operation::Read(transfer) = completion.operation else {
            panic!("another operation");
        };
        prop_assert_eq!(count, expected.len());
        prop_assert_eq!(&transfer.memory.concat()[..count], expected);
    }

    #[test]
    fn every_operation_completes_once_and_cancelled_ones_do_not_lie(
        faults in faults(),
        writes in prop::collection::vec((1..60_usize, any::<bool>()), 1..12),
        depth in 1..5_usize,
    ) {
        let directory = Directory::new();
        let path = directory.file("file", &[0; 1_000]);
        let mut service = service(faults, depth);
        let file = open(&path);
        let tickets: Vec<_> = writes
            .iter()
            .enumerate()
            .map(|(index, (length, _))| {
                let at = At::Offset(index as u64 * 60);
                let memory = vec![index as u8 + 1; *length];
                service.submit(Operation::write(file.clone(), memory, at))
            })
            .collect();
        let closing = service.submit(Operation::Close(file));
        service.flush();
        for (ticket, (_, is_cancelled)) in tickets.iter().zip(&writes) {
            if *is_cancelled {
                service.cancel(*ticket);
            }
        }
        let mut completed = complete(&mut service);
        prop_assert!(completed.remove(&closing).expect("completed").result.is_ok());
        prop_assert_eq!(completed.len(), writes.len());
        let content = std::fs::read(&path).expect("read");
        for (index, (ticket, (length, is_cancelled))) in tickets.iter().zip(&writes).enumerate() {
            let completion = completed.remove(ticket).expect("completed");
            let Operation::Write(transfer) = completion.operation else {
                panic!("another operation");
            };
            match completion.result {
                Ok(Value::Count(count)) => prop_assert_eq!(count, *length),
                Err(Errno::CANCELED) => prop_assert!(*is_cancelled),
                other => panic!("{other:?}"),
            }
            // What is reported is what is there, neither more nor less.
            let written = content[index * 60..][..60].iter().filter(|byte| **byte > 0);
            prop_assert_eq!(written.count(), transfer.done);
        }
        prop_assert_eq!(directory.open_files(), 0);
    }
}

#[test]
fn empty_parts_do_not_confuse_what_is_left() {
    let directory = Directory::new();
    let path = directory.file("file", b"");
    let mut service = service(vec![Fault::Short(2), Fault::Short(1)], 4);
    let transfer = Transfer {
        file: open(&path),
        memory: ["", "ab", "", "cde", ""].map(Vec::from).to_vec(),
        at: At::Offset(0),
        extent: Extent::All,
        done: 0,
    };
    let ticket = service.submit(Operation::Write(transfer));
    assert!(matches!(
        complete(&mut service)[&ticket].result,
        Ok(Value::Count(5))
    ));
    assert_eq!(std::fs::read(&path).expect("read"), b"abcde");
}

#[test]
fn an_error_of_a_sync_is_told_and_not_tried_away() {
    let directory = Directory::new();
    let file = open(&directory.file("file", b"abc"));
    let faults = vec![Fault::Says(Errno::INTR), Fault::Says(Errno::IO)];
    let mut service = service(faults, 4);
    let sync = |file: &File| Operation::Sync {
        file: file.clone(),
        durability: Durability::All,
    };
    let first = service.submit(sync(&file));
    let completed = complete(&mut service);
    assert_eq!(
        completed[&first].result.as_ref().expect_err("told"),
        &Errno::IO
    );
    let second = service.submit(sync(&file));
    assert!(complete(&mut service)[&second].result.is_ok());
}

#[test]
fn an_error_of_the_disk_is_told_with_everything_written() {
    let directory = Directory::new();
    let path = directory.file("file", b"");
    let faults = vec![Fault::Short(2), Fault::None, Fault::Says(Errno::IO)];
    let mut service = service(faults, 4);
    let transfer = Transfer {
        file: open(&path),
        memory: vec![b"abcde".to_vec()],
        at: At::Offset(0),
        extent: Extent::All,
        done: 0,
    };
    let ticket = service.submit(Operation::Save(transfer, Durability::Data));
    let mut completed = complete(&mut service);
    let completion = completed.remove(&ticket).expect("completed");
    assert_eq!(completion.result.expect_err("told"), Errno::IO);
    let transfer = completion.operation.transfer().expect("a transfer");
    assert_eq!(transfer.done, 5);
    assert_eq!(std::fs::read(&path).expect("read"), b"abcde");
}

#[test]
fn a_transfer_that_a_ring_refuses_again_and_again_is_served_by_a_thread() {
    let directory = Directory::new();
    let file = open(&directory.file("file", b"abc"));
    let mut service = service(vec![Fault::Says(Errno::AGAIN); 100], 4);
    let read = Operation::read(file, vec![0; 3], At::Offset(0), Extent::All);
    let ticket = service.submit(read);
    let completed = complete(&mut service);
    assert!(matches!(completed[&ticket].result, Ok(Value::Count(3))));
}

#[test]
fn what_was_read_before_an_error_is_told_first() {
    let directory = Directory::new();
    let file = open(&directory.file("file", b"abcdef"));
    let faults = vec![
        Fault::Short(2),
        Fault::Says(Errno::IO),
        Fault::Says(Errno::IO),
    ];
    let mut service = service(faults, 4);
    let read = |file: &File, done| {
        Operation::Read(Transfer {
            file: file.clone(),
            memory: vec![vec![0; 6]],
            at: At::Offset(0),
            extent: Extent::All,
            done,
        })
    };
    let first = service.submit(read(&file, 0));
    assert!(matches!(
        complete(&mut service)[&first].result,
        Ok(Value::Count(2))
    ));
    let second = service.submit(read(&file, 0));
    assert_eq!(
        *complete(&mut service)[&second]
            .result
            .as_ref()
            .expect_err("told"),
        Errno::IO
    );
}
