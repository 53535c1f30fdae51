//! One suite for every backend: the ring, a ring that is too small, threads, and a system that refuses rings.

use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::time::Timespec;

use super::*;
use crate::sys;
use crate::waker::{Bell, EventBell};

mod cancelling;
mod denied;
mod faults;
mod fifos;
mod lifetimes;
mod masses;
mod names;
mod transfers;
mod turns;

/// Nothing here takes long; what takes so long will never come.
const DEADLINE: Duration = Duration::from_secs(20);

/// Who serves the files of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ring,
    TinyRing,
    Threads,
    Denied(Errno),
}

/// Runs `test` where files are served so.
fn on(kind: Kind, test: fn(Kind)) {
    match kind {
        Kind::Denied(errno) => {
            // A filter is for ever: the thread that has it does not outlive the test.
            let denied = std::thread::spawn(move || {
                sys::denial::deny(&sys::denial::RING, errno);
                test(kind);
            });
            if let Err(panic) = denied.join() {
                std::panic::resume_unwind(panic);
            }
        }
        Kind::Ring | Kind::TinyRing if Ring::<Vec<u8>>::new(Depth::USUAL).is_err() => {
            eprintln!("skipped: this system refuses rings");
        }
        _ => test(kind),
    }
}

/// Makes each function a test on every backend.
macro_rules! on_every_backend {
    ($($name:ident),+ $(,)?) => {
        on_every_backend!(@ ring, crate::files::tests::Kind::Ring, $($name),+);
        on_every_backend!(@ tiny_ring, crate::files::tests::Kind::TinyRing, $($name),+);
        on_every_backend!(@ threads, crate::files::tests::Kind::Threads, $($name),+);
        on_every_backend!(@ denied_perm, crate::files::tests::Kind::Denied(rustix::io::Errno::PERM), $($name),+);
        on_every_backend!(@ denied_nosys, crate::files::tests::Kind::Denied(rustix::io::Errno::NOSYS), $($name),+);
    };
    (@ $backend:ident, $kind:expr, $($name:ident),+) => {
        mod $backend {
            $(
                #[test]
                fn $name() {
                    crate::files::tests::on($kind, super::$name);
                }
            )+
        }
    };
}
use on_every_backend;

/// A loop that does nothing but files.
struct Loop<M: Memory = Vec<u8>> {
    files: Files<M>,
    bell: Arc<EventBell>,
    /// What has completed and was not asked for yet.
    completed: HashMap<Ticket, Completion<M>>,
}

impl<M: Memory> Loop<M> {
    fn new(kind: Kind) -> Self {
        let bell = Arc::new(EventBell::new().expect("eventfd"));
        let ringing = Arc::clone(&bell);
        let (choice, depth) = match kind {
            Kind::Ring => (Choice::Ring, Depth::USUAL),
            Kind::TinyRing => {
                let depth = Depth {
                    submissions: 64,
                    completions: 128,
                };
                (Choice::Ring, depth)
            }
            Kind::Threads => (Choice::Pool, Depth::USUAL),
            Kind::Denied(_) => (Choice::Best, Depth::USUAL),
        };
        let refusal = Box::leak(Box::new(Refusal::new()));
        let wake = Arc::new(move || ringing.ring());
        let files = Files::with_depth(choice, depth, refusal, wake).expect("a backend");
        match kind {
            Kind::Ring | Kind::TinyRing => assert_eq!(files.backend(), Backend::Ring),
            Kind::Threads => assert_eq!(files.backend(), Backend::Pool),
            Kind::Denied(errno) => {
                assert_eq!(files.backend(), Backend::Refused(errno));
                assert_eq!(refusal.known(), Some(errno));
            }
        }
        Self {
            files,
            bell,
            completed: HashMap::new(),
        }
    }

    fn submit(&mut self, operation: Operation<M>) -> Ticket {
        self.files.submit(operation)
    }

    /// One turn: flushes, sleeps until something happens if there is nothing, and collects.
    fn turn(&mut self, timeout: Duration) {
        self.files.flush();
        if !self.files.has_work() {
            self.sleep(timeout);
        }
        let mut completions = Vec::new();
        self.files.collect(&mut completions);
        for completion in completions {
            let again = self.completed.insert(completion.ticket, completion);
            assert!(again.is_none(), "completed twice");
        }
    }

    fn sleep(&self, timeout: Duration) {
        self.bell
            .with_fd(|bell| {
                let source = self
                    .files
                    .source()
                    .map(|fd| sys::borrow_fd(fd).expect("fd"));
                let mut fds = vec![PollFd::from_borrowed_fd(bell, PollFlags::IN)];
                fds.extend(source.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
                let timeout = Timespec::try_from(timeout).expect("short");
                match poll(&mut fds, Some(&timeout)) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(errno) => return Err(errno),
                }
                if fds[0].revents().contains(PollFlags::IN) {
                    rustix::io::read(bell, &mut [0; 8])?;
                }
                Ok(())
            })
            .expect("poll");
    }

    fn wait(&mut self, ticket: Ticket) -> Completion<M> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(completion) = self.completed.remove(&ticket) {
                return completion;
            }
            assert!(Instant::now() < deadline, "{ticket:?} never completed");
            self.turn(Duration::from_secs(1));
        }
    }

    /// Turns until everything is complete and collected.
    fn drain(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        while self.files.in_flight() > 0 || self.files.has_work() {
            assert!(Instant::now() < deadline, "{:?}", self.files);
            self.turn(Duration::from_secs(1));
        }
    }

    /// Turns until nothing more happens by itself: what is submitted has begun.
    fn begin(&mut self) {
        while self.files.has_work() {
            self.files.flush();
            let mut completions = Vec::new();
            self.files.collect(&mut completions);
            for completion in completions {
                self.completed.insert(completion.ticket, completion);
            }
        }
    }

    fn run(&mut self, operation: Operation<M>) -> Result<Value, Errno> {
        let ticket = self.submit(operation);
        self.wait(ticket).result
    }

    fn open(&mut self, path: &Path, flags: OFlags) -> Result<File, Errno> {
        let operation = Operation::Open {
            place: place(path),
            flags,
            mode: Mode::from_raw_mode(0o644),
        };
        match self.run(operation)? {
            Value::File(file) => Ok(file),
            value => panic!("{value:?} for an open"),
        }
    }

    fn count(&mut self, operation: Operation<M>) -> Result<usize, Errno> {
        match self.run(operation)? {
            Value::Count(count) => Ok(count),
            value => panic!("{value:?} for a count"),
        }
    }

    fn close(&mut self, file: File) -> Result<(), Errno> {
        self.run(Operation::Close(file)).map(|_done| ())
    }
}

impl Loop {
    fn read(&mut self, file: &File, length: usize, at: At) -> Result<Vec<u8>, Errno> {
        let operation = Operation::read(file.clone(), vec![0; length], at, Extent::All);
        let ticket = self.submit(operation);
        let completion = self.wait(ticket);
        let Value::Count(count) = completion.result? else {
            panic!("no count for a read");
        };
        let mut bytes = memory(completion.operation);
        bytes.truncate(count);
        Ok(bytes)
    }

    fn write(&mut self, file: &File, bytes: &[u8], at: At) -> Result<usize, Errno> {
        self.count(Operation::write(file.clone(), bytes.to_vec(), at))
    }
}

/// The memory of a transfer with one part.
fn memory<M>(operation: Operation<M>) -> M {
    match operation {
        Operation::Read(mut transfer) | Operation::Write(mut transfer) => {
            transfer.memory.pop().expect("one part")
        }
        _ => panic!("no transfer"),
    }
}

fn place(path: &Path) -> Place {
    Place::from(CString::new(path.as_os_str().as_bytes()).expect("no zero byte"))
}

/// A directory that goes with the test.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("aioxide-files-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("directory");
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).expect("write");
        path
    }

    fn fifo(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).expect("mkfifo");
        path
    }

    /// How many descriptors of this process lead into the directory.
    fn open_files(&self) -> usize {
        let descriptors = std::fs::read_dir("/proc/self/fd").expect("proc");
        descriptors
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .filter(|target| target.starts_with(&self.0))
            .count()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

/// A pipe: a file of the loop to read from, and the end that the test holds.
fn pipe_to_read() -> (File, std::os::fd::OwnedFd) {
    let (reader, writer) = rustix::pipe::pipe().expect("pipe");
    (File::from(reader), writer)
}

/// Asserts that nobody reads from the pipe any more.
fn assert_closed(writer: impl AsFd) {
    let mut fds = [PollFd::new(&writer, PollFlags::OUT)];
    poll(&mut fds, None).expect("poll");
    assert!(fds[0].revents().contains(PollFlags::ERR), "still open");
}
