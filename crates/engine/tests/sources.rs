//! The table of watched descriptors over a real epoll: pipes, socket pairs, numbers that change hands.
#![cfg(not(loom))]

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aioxide_engine::reactor::{Epoll, Event, Interest, Reactor, Token};
use aioxide_engine::sources::{Direction, Sources, TOKEN_RESERVED_MIN, Watchers};
use proptest::prelude::*;
use rustix::io::Errno;

/// An epoll that counts how often it was told something.
struct CountingEpoll {
    epoll: Epoll,
    told: AtomicUsize,
}

impl Reactor for CountingEpoll {
    fn add(&self, fd: RawFd, interest: Interest, token: Token) -> Result<(), Errno> {
        self.told.fetch_add(1, Ordering::Relaxed);
        self.epoll.add(fd, interest, token)
    }

    fn modify(&self, fd: RawFd, interest: Interest, token: Token) -> Result<(), Errno> {
        self.told.fetch_add(1, Ordering::Relaxed);
        self.epoll.modify(fd, interest, token)
    }

    fn delete(&self, fd: RawFd) -> Result<(), Errno> {
        self.told.fetch_add(1, Ordering::Relaxed);
        self.epoll.delete(fd)
    }

    fn renew(&self) -> Result<(), Errno> {
        self.told.fetch_add(1, Ordering::Relaxed);
        self.epoll.renew()
    }

    fn poll(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> Result<(), Errno> {
        self.epoll.poll(events, timeout)
    }
}

type Name = &'static str;

/// A table of sources with the reactor beneath it.
struct Table {
    reactor: Arc<CountingEpoll>,
    sources: Sources<Name, CountingEpoll>,
}

impl Table {
    fn new() -> Self {
        let epoll = Epoll::new().expect("epoll");
        let reactor = Arc::new(CountingEpoll {
            epoll,
            told: AtomicUsize::new(0),
        });
        Self {
            sources: Sources::new(Arc::clone(&reactor)),
            reactor,
        }
    }

    fn watch(&mut self, fd: &impl AsRawFd, direction: Direction, name: Name) -> Option<Name> {
        self.sources
            .watch(fd.as_raw_fd(), direction, name)
            .expect("watch")
    }

    fn arm(&mut self, fd: &impl AsRawFd, direction: Direction, name: Name) -> Option<Name> {
        self.sources
            .arm(fd.as_raw_fd(), direction, name)
            .expect("arm")
    }

    fn told(&self) -> usize {
        self.reactor.told.load(Ordering::Relaxed)
    }

    fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        self.reactor
            .poll(&mut events, Some(Duration::ZERO))
            .expect("poll");
        events
    }

    /// Who is notified by the next poll, and how many events the kernel reported for that.
    fn poll(&mut self) -> (Vec<Name>, usize) {
        let events = self.events();
        let count = events.len();
        let mut names: Vec<_> = events
            .into_iter()
            .map(|event| self.sources.watchers_of(event, Clone::clone))
            .flat_map(names_of)
            .collect();
        names.sort_unstable();
        (names, count)
    }
}

fn names_of(watchers: Watchers<Name>) -> Vec<Name> {
    watchers.reader.into_iter().chain(watchers.writer).collect()
}

fn pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().expect("socketpair")
}

fn send(socket: &UnixStream) {
    rustix::io::write(socket, b"x").expect("write");
}

/// Moves `fd` to a number that no other test of this process uses.
fn at_or_above(fd: &OwnedFd, number: RawFd) -> OwnedFd {
    rustix::io::fcntl_dupfd_cloexec(fd, number).expect("dup")
}

#[test]
fn a_reader_and_a_writer_share_one_descriptor() {
    let mut table = Table::new();
    let (ours, theirs) = pair();
    table.watch(&ours, Direction::Read, "reader");
    table.watch(&ours, Direction::Write, "writer");
    assert_eq!(table.poll(), (vec!["writer"], 1));
    send(&theirs);
    assert_eq!(table.poll(), (vec!["reader", "writer"], 1));
    assert_eq!(
        table.sources.unwatch(ours.as_raw_fd(), Direction::Write),
        Some("writer")
    );
    assert_eq!(table.poll(), (vec!["reader"], 1));
    assert_eq!(
        table.sources.unwatch(ours.as_raw_fd(), Direction::Read),
        Some("reader")
    );
    assert_eq!(table.poll(), (vec![], 0));
}

#[test]
fn watching_again_replaces_the_watcher_and_returns_it() {
    let mut table = Table::new();
    let (ours, theirs) = pair();
    assert_eq!(table.watch(&ours, Direction::Read, "first"), None);
    assert_eq!(table.watch(&ours, Direction::Read, "second"), Some("first"));
    assert_eq!(table.arm(&ours, Direction::Read, "third"), Some("second"));
    assert_eq!(
        table.sources.watcher(ours.as_raw_fd(), Direction::Read),
        Some(&"third")
    );
    assert_eq!(
        table.sources.watcher(ours.as_raw_fd(), Direction::Write),
        None
    );
    send(&theirs);
    assert_eq!(table.poll(), (vec!["third"], 1));
}

#[test]
fn a_wait_that_follows_a_wait_tells_the_kernel_nothing() {
    let mut table = Table::new();
    let (ours, theirs) = pair();
    table.arm(&ours, Direction::Read, "wait");
    let told = table.told();
    for _ in 0..100 {
        assert_eq!(
            table.sources.disarm(ours.as_raw_fd(), Direction::Read),
            Some("wait")
        );
        assert_eq!(table.arm(&ours, Direction::Read, "wait"), None);
    }
    assert_eq!(table.told(), told);
    send(&theirs);
    assert_eq!(table.poll(), (vec!["wait"], 1));
}

#[test]
fn an_event_for_nobody_takes_the_registration_back() {
    let mut table = Table::new();
    let (ours, theirs) = pair();
    table.arm(&ours, Direction::Read, "wait");
    table.sources.disarm(ours.as_raw_fd(), Direction::Read);
    send(&theirs);
    assert_eq!(table.poll(), (vec![], 1));
    assert_eq!(table.poll(), (vec![], 0), "a loop would turn without end");
    table.arm(&ours, Direction::Read, "again");
    assert_eq!(table.poll(), (vec!["again"], 1));
}

#[test]
fn an_event_for_nobody_leaves_the_other_direction_watched() {
    let mut table = Table::new();
    let (ours, theirs) = pair();
    table.arm(&ours, Direction::Write, "writer");
    table.arm(&ours, Direction::Read, "reader");
    table.sources.disarm(ours.as_raw_fd(), Direction::Write);
    assert_eq!(table.poll(), (vec![], 1));
    assert_eq!(table.poll(), (vec![], 0));
    send(&theirs);
    assert_eq!(table.poll(), (vec!["reader"], 1));
}

#[test]
fn unwatching_tells_the_kernel_at_once_and_only_once() {
    let mut table = Table::new();
    let (ours, theirs) = pair();
    table.watch(&ours, Direction::Read, "reader");
    send(&theirs);
    table.sources.unwatch(ours.as_raw_fd(), Direction::Read);
    assert_eq!(table.events(), []);
    let told = table.told();
    assert_eq!(
        table.sources.unwatch(ours.as_raw_fd(), Direction::Read),
        None
    );
    assert_eq!(
        table.sources.unwatch(ours.as_raw_fd(), Direction::Write),
        None
    );
    assert_eq!(table.told(), told);
}

#[test]
fn a_hang_up_reaches_whoever_waits_for_either_direction() {
    for (direction, name) in [(Direction::Read, "reader"), (Direction::Write, "writer")] {
        let mut table = Table::new();
        let (reader, writer) = rustix::pipe::pipe().expect("pipe");
        // A full pipe is not writable: only the hang-up can wake its writer.
        let ours = match direction {
            Direction::Read => {
                drop(writer);
                reader
            }
            Direction::Write => {
                let size = rustix::pipe::fcntl_getpipe_size(&writer).expect("size");
                rustix::io::write(&writer, &vec![0; size]).expect("fill");
                drop(reader);
                writer
            }
        };
        table.watch(&ours, direction, name);
        assert_eq!(table.poll(), (vec![name], 1));
    }
}

#[test]
fn a_hang_up_for_nobody_does_not_keep_the_loop_awake() {
    let mut table = Table::new();
    let (ours, theirs) = pair();
    table.arm(&ours, Direction::Read, "reader");
    table.sources.disarm(ours.as_raw_fd(), Direction::Read);
    drop(theirs);
    assert_eq!(table.poll(), (vec![], 1));
    assert_eq!(table.poll(), (vec![], 0));
}

#[test]
fn an_eventfd_wakes_its_reader_until_it_is_read() {
    let mut table = Table::new();
    let counter =
        rustix::event::eventfd(0, rustix::event::EventfdFlags::NONBLOCK).expect("eventfd");
    table.watch(&counter, Direction::Read, "reader");
    assert_eq!(table.poll(), (vec![], 0));
    rustix::io::write(&counter, &1u64.to_ne_bytes()).expect("write");
    assert_eq!(table.poll(), (vec!["reader"], 1));
    assert_eq!(table.poll(), (vec!["reader"], 1));
    rustix::io::read(&counter, &mut [0; 8]).expect("read");
    assert_eq!(table.poll(), (vec![], 0));
}

#[test]
fn a_number_that_was_taken_over_is_watched_for_its_new_owner() {
    let mut table = Table::new();
    let (old, old_peer) = pair();
    let (new, new_peer) = pair();
    let mut number = OwnedFd::from(old);
    table.watch(&number, Direction::Read, "old");
    // Closes what the number meant until now, in one step with its taking over.
    rustix::io::dup2(&new, &mut number).expect("dup2");
    assert_eq!(table.watch(&number, Direction::Read, "new"), Some("old"));
    send(&new_peer);
    assert_eq!(table.poll(), (vec!["new"], 1));
    assert!(
        rustix::io::write(&old_peer, b"x").is_err(),
        "the old socket is closed"
    );
}

#[test]
fn an_event_of_a_file_that_lives_on_elsewhere_never_reaches_its_successor() {
    let mut table = Table::new();
    let (old, old_peer) = pair();
    let (new, new_peer) = pair();
    let _keeps_the_old_file_open = old.try_clone().expect("dup");
    let mut number = OwnedFd::from(old);
    table.watch(&number, Direction::Read, "old");
    rustix::io::dup2(&new, &mut number).expect("dup2");
    table.watch(&number, Direction::Read, "new");
    // Epoll knows files, not numbers: it still reports the old one, under the old token.
    send(&old_peer);
    assert_eq!(table.poll(), (vec![], 1));
    send(&new_peer);
    assert_eq!(table.poll(), (vec!["new"], 2));
}

#[test]
fn a_file_that_lives_on_elsewhere_is_reported_until_the_orphans_are_dropped() {
    let mut table = Table::new();
    let (old, old_peer) = pair();
    let (other, other_peer) = pair();
    let _keeps_the_old_file_open = old.try_clone().expect("dup");
    table.watch(&other, Direction::Read, "other");
    table.watch(&old, Direction::Read, "old");
    table.sources.disarm(old.as_raw_fd(), Direction::Read);
    drop(old);
    send(&old_peer);
    assert!(!table.sources.has_orphans());
    assert_eq!(table.poll(), (vec![], 1));
    assert!(table.sources.has_orphans());
    table.sources.drop_orphans().expect("a descriptor is free");
    assert_eq!(table.poll(), (vec![], 0));
    assert!(!table.sources.has_orphans());
    send(&other_peer);
    assert_eq!(table.poll(), (vec!["other"], 1));
}

#[test]
fn a_number_that_means_the_same_file_again_can_be_watched_again() {
    let mut table = Table::new();
    let (ours, theirs) = pair();
    let duplicate = ours.try_clone().expect("dup");
    let number = at_or_above(&OwnedFd::from(ours), 700);
    let raw = number.as_raw_fd();
    table.watch(&number, Direction::Read, "before");
    drop(number);
    // The kernel refuses to hear of a closed number, and keeps the registration with the file.
    assert_eq!(table.sources.unwatch(raw, Direction::Read), Some("before"));
    let number = at_or_above(&OwnedFd::from(duplicate), raw);
    assert_eq!(number.as_raw_fd(), raw);
    table.watch(&number, Direction::Read, "after");
    send(&theirs);
    assert_eq!(table.poll(), (vec!["after"], 1));
}

#[test]
fn a_token_of_a_registration_that_is_gone_finds_nobody() {
    let mut table = Table::new();
    let (ours, theirs) = pair();
    table.watch(&ours, Direction::Read, "first");
    send(&theirs);
    let stale = table.events();
    assert_eq!(stale.len(), 1);
    assert_eq!(table.sources.forget(ours.as_raw_fd()).reader, Some("first"));
    table.watch(&ours, Direction::Read, "second");
    for event in stale {
        assert!(names_of(table.sources.watchers_of(event, Clone::clone)).is_empty());
    }
    assert_eq!(
        table.poll(),
        (vec!["second"], 1),
        "the stale event took nothing back"
    );
}

#[test]
fn an_owners_own_token_is_nobodys() {
    let mut table = Table::new();
    let (ours, _theirs) = pair();
    table.watch(&ours, Direction::Read, "reader");
    for token in TOKEN_RESERVED_MIN..=u64::MAX {
        let event = Event {
            token: Token(token),
            readable: true,
            writable: true,
        };
        assert!(names_of(table.sources.watchers_of(event, Clone::clone)).is_empty());
    }
}

#[test]
fn a_plain_file_is_refused_and_changes_nothing() {
    let mut table = Table::new();
    let file =
        std::fs::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).expect("open");
    for direction in [Direction::Read, Direction::Write] {
        assert_eq!(
            table.sources.watch(file.as_raw_fd(), direction, "file"),
            Err(Errno::PERM)
        );
        assert_eq!(
            table.sources.arm(file.as_raw_fd(), direction, "file"),
            Err(Errno::PERM)
        );
    }
    assert_eq!(table.sources.iter().count(), 0);
    assert_eq!(table.poll(), (vec![], 0));
}

#[test]
fn a_refusal_leaves_no_belief_in_a_registration_that_is_gone() {
    let mut table = Table::new();
    let (old, _old_peer) = pair();
    let (new, new_peer) = pair();
    let file =
        std::fs::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).expect("open");
    let mut number = OwnedFd::from(old);
    table.arm(&number, Direction::Read, "old");
    rustix::io::dup2(&file, &mut number).expect("dup2");
    assert_eq!(
        table
            .sources
            .watch(number.as_raw_fd(), Direction::Write, "file"),
        Err(Errno::PERM)
    );
    assert_eq!(
        table.sources.watcher(number.as_raw_fd(), Direction::Write),
        None
    );
    rustix::io::dup2(&new, &mut number).expect("dup2");
    assert_eq!(table.arm(&number, Direction::Read, "new"), Some("old"));
    send(&new_peer);
    assert_eq!(table.poll(), (vec!["new"], 1));
}

#[test]
fn numbers_that_are_not_open_are_refused() {
    let mut table = Table::new();
    for fd in [-1, RawFd::MIN, RawFd::MAX] {
        assert_eq!(
            table.sources.watch(fd, Direction::Read, "nobody"),
            Err(Errno::BADF)
        );
        assert_eq!(
            table.sources.arm(fd, Direction::Write, "nobody"),
            Err(Errno::BADF)
        );
        assert_eq!(table.sources.unwatch(fd, Direction::Read), None);
        assert_eq!(table.sources.disarm(fd, Direction::Write), None);
        assert_eq!(table.sources.watcher(fd, Direction::Read), None);
        assert!(names_of(table.sources.forget(fd)).is_empty());
    }
    assert_eq!(table.sources.iter().count(), 0);
}

#[test]
fn a_number_that_was_closed_is_refused_and_its_watcher_can_still_be_taken_out() {
    let mut table = Table::new();
    let (ours, _theirs) = pair();
    let number = at_or_above(&OwnedFd::from(ours), 800);
    let raw = number.as_raw_fd();
    table.watch(&number, Direction::Read, "reader");
    drop(number);
    assert_eq!(
        table.sources.watch(raw, Direction::Write, "writer"),
        Err(Errno::BADF)
    );
    assert_eq!(table.sources.watcher(raw, Direction::Write), None);
    assert_eq!(table.sources.unwatch(raw, Direction::Read), Some("reader"));
    assert_eq!(table.poll(), (vec![], 0));
}

#[test]
fn what_is_forgotten_is_handed_out_and_no_longer_watched() {
    let mut table = Table::new();
    let (ours, theirs) = pair();
    table.watch(&ours, Direction::Read, "reader");
    table.watch(&ours, Direction::Write, "writer");
    send(&theirs);
    assert_eq!(
        names_of(table.sources.forget(ours.as_raw_fd())),
        ["reader", "writer"]
    );
    assert_eq!(table.events(), []);
    assert!(names_of(table.sources.forget(ours.as_raw_fd())).is_empty());
}

#[test]
fn taking_all_leaves_an_empty_table_and_a_silent_kernel() {
    let mut table = Table::new();
    let pairs: Vec<_> = (0..20).map(|_| pair()).collect();
    for (ours, theirs) in &pairs {
        table.watch(ours, Direction::Write, "writer");
        table.arm(theirs, Direction::Write, "peer");
    }
    assert_eq!(table.sources.iter().count(), 40);
    assert_eq!(table.sources.take().len(), 40);
    assert_eq!(table.sources.iter().count(), 0);
    assert_eq!(table.events(), []);
}

/// What may happen to one of a few sources, all of them readable and writable for good.
#[derive(Clone, Copy, Debug)]
enum Step {
    Watch(usize, Direction),
    Arm(usize, Direction),
    Unwatch(usize, Direction),
    Disarm(usize, Direction),
    Forget(usize),
    Poll,
}

const SOURCES: usize = 3;

fn step() -> impl Strategy<Value = Step> {
    let source = 0..SOURCES;
    let direction = prop_oneof![Just(Direction::Read), Just(Direction::Write)];
    (source, direction, 0..6u8).prop_map(|(source, direction, kind)| match kind {
        0 => Step::Watch(source, direction),
        1 => Step::Arm(source, direction),
        2 => Step::Unwatch(source, direction),
        3 => Step::Disarm(source, direction),
        4 => Step::Forget(source),
        _ => Step::Poll,
    })
}

/// The name of a watcher tells where it belongs.
fn name(source: usize, direction: Direction) -> Name {
    const NAMES: [[Name; 2]; SOURCES] = [
        ["0 read", "0 write"],
        ["1 read", "1 write"],
        ["2 read", "2 write"],
    ];
    NAMES[source][usize::from(direction == Direction::Write)]
}

proptest! {
    #[test]
    fn exactly_those_who_watch_are_notified(steps in prop::collection::vec(step(), 1..60)) {
        let mut table = Table::new();
        let pairs: Vec<_> = (0..SOURCES).map(|_| pair()).collect();
        for (_ours, theirs) in &pairs {
            send(theirs);
        }
        let mut watching = std::collections::BTreeSet::new();
        for step in steps {
            match step {
                Step::Watch(source, direction) => {
                    let before = table.watch(&pairs[source].0, direction, name(source, direction));
                    prop_assert_eq!(before.is_none(), watching.insert(name(source, direction)));
                }
                Step::Arm(source, direction) => {
                    let before = table.arm(&pairs[source].0, direction, name(source, direction));
                    prop_assert_eq!(before.is_none(), watching.insert(name(source, direction)));
                }
                Step::Unwatch(source, direction) => {
                    let before = table.sources.unwatch(pairs[source].0.as_raw_fd(), direction);
                    prop_assert_eq!(before.is_some(), watching.remove(name(source, direction)));
                }
                Step::Disarm(source, direction) => {
                    let before = table.sources.disarm(pairs[source].0.as_raw_fd(), direction);
                    prop_assert_eq!(before.is_some(), watching.remove(name(source, direction)));
                }
                Step::Forget(source) => {
                    for name in names_of(table.sources.forget(pairs[source].0.as_raw_fd())) {
                        prop_assert!(watching.remove(name));
                    }
                }
                Step::Poll => prop_assert_eq!(table.poll().0, watching.iter().copied().collect::<Vec<_>>()),
            }
        }
        // With nobody left, one poll clears what the kernel was left to watch, and the next is silent.
        for (ours, _theirs) in &pairs {
            table.sources.disarm(ours.as_raw_fd(), Direction::Read);
            table.sources.disarm(ours.as_raw_fd(), Direction::Write);
        }
        prop_assert_eq!(table.poll().0, Vec::<Name>::new());
        prop_assert_eq!(table.poll(), (vec![], 0));
    }
}
