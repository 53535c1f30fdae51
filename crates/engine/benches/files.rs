//! Operations a second on a file in the page cache: on the spot, by the ring, and by threads, one by one and many at once.
//!
//! Run with `cargo bench --package aioxide-engine`. Each figure is the median of several rounds, which take
//! turns. The folder for
//! temporary files says which file system is measured.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aioxide_engine::files::{
    At, Choice, Completion, Durability, Extent, File, Files, Operation, Place, Value, try_open,
    try_read, try_stat,
};
use aioxide_engine::reactor::{Epoll, Interest, Reactor, Token};
use aioxide_engine::sockets::Attempt;
use aioxide_engine::waker::{EventBell, Waker};
use rustix::fs::{Mode, OFlags};
use rustix::time::{ClockId, clock_gettime};

const BLOCK: usize = 4096;
const BLOCKS: u64 = 16_384;
const ROUNDS: usize = 7;

/// A loop that only serves files.
struct Loop {
    files: Files<Vec<u8>>,
    waker: Arc<Waker>,
    reactor: Epoll,
    completions: Vec<Completion<Vec<u8>>>,
}

impl Loop {
    fn new(choice: Choice) -> Self {
        let waker = Arc::new(Waker::new(EventBell::new().expect("eventfd")));
        let reactor = Epoll::new().expect("epoll");
        reactor.add_bell(waker.bell(), Token(0)).expect("watched");
        let waking = Arc::clone(&waker);
        let files = Files::new(choice, Arc::new(move || waking.wake())).expect("a backend");
        if let Some(source) = files.source() {
            reactor
                .add(source, Interest::READABLE, Token(1))
                .expect("watched");
        }
        Self {
            files,
            waker,
            reactor,
            completions: Vec::new(),
        }
    }

    /// Runs turns until `count` operations are complete; gives them back.
    fn complete(&mut self, count: usize) -> std::vec::Drain<'_, Completion<Vec<u8>>> {
        let mut events = Vec::new();
        while self.completions.len() < count {
            self.files.flush();
            self.files.collect(&mut self.completions);
            if self.completions.len() >= count {
                break;
            }
            self.waker.announce_sleep();
            if !self.files.has_work() {
                self.reactor.poll(&mut events, None).expect("poll");
            }
            self.waker.announce_wake();
            self.files.collect(&mut self.completions);
        }
        self.completions.drain(..)
    }
}

fn reads(here: &mut Loop, file: &File, at_once: usize, total: usize) -> Duration {
    let mut memory = vec![vec![0; BLOCK]; at_once];
    let mut seed = 1u64;
    let begin = Instant::now();
    for _ in 0..total / at_once {
        for memory in memory.drain(..) {
            let at = At::Offset(next(&mut seed));
            let read = Operation::read(file.clone(), memory, at, Extent::All);
            here.files.submit(read);
        }
        for completion in here.complete(at_once) {
            let Operation::Read(mut transfer) = completion.operation else {
                continue;
            };
            memory.append(&mut transfer.memory);
        }
    }
    begin.elapsed()
}

fn attempts(file: &File, total: usize) -> Duration {
    let mut memory = vec![MaybeUninit::uninit(); BLOCK];
    let mut seed = 1u64;
    let begin = Instant::now();
    for _ in 0..total {
        let at = At::Offset(next(&mut seed));
        let read = try_read(file, &mut memory, at).expect("read");
        assert!(matches!(read, Attempt::Done(BLOCK)));
    }
    begin.elapsed()
}

fn next(seed: &mut u64) -> u64 {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % BLOCKS * BLOCK as u64
}

/// Opens, asks for the size, reads and closes, on the spot.
fn small_files_now(path: &CString, total: usize) -> Duration {
    let mut memory = vec![MaybeUninit::uninit(); BLOCK];
    let begin = Instant::now();
    for _ in 0..total {
        if let Attempt::Done((file, _)) = try_open(None, path, OFlags::RDONLY).expect("opened") {
            try_stat(&file).expect("stat");
            try_read(&file, &mut memory, At::Offset(0)).expect("read");
        }
    }
    begin.elapsed()
}

fn opens(here: &mut Loop, path: &CString, at_once: usize, total: usize) -> Duration {
    let begin = Instant::now();
    for _ in 0..total / at_once {
        for _ in 0..at_once {
            here.files.submit(Operation::Open {
                place: Place::from(path.clone()),
                flags: OFlags::RDONLY,
                mode: Mode::empty(),
            });
        }
        here.complete(at_once).for_each(drop);
    }
    begin.elapsed()
}

fn appends(here: &mut Loop, file: &File, total: usize) -> Duration {
    let begin = Instant::now();
    for _ in 0..total {
        let line = vec![b'x'; 100];
        here.files
            .submit(Operation::write(file.clone(), line, At::Cursor));
        here.complete(1)
            .for_each(|written| assert!(matches!(written.result, Ok(Value::Count(100)))));
        here.files.submit(Operation::Sync {
            file: file.clone(),
            durability: Durability::All,
        });
        here.complete(1)
            .for_each(|synced| assert!(matches!(synced.result, Ok(Value::Done))));
    }
    begin.elapsed()
}

fn appends_blocking(file: &File, total: usize) -> Duration {
    let begin = Instant::now();
    for _ in 0..total {
        let line = [b'x'; 100];
        let written = file.with(|fd| rustix::io::write(fd, &line));
        assert_eq!(written, Ok(line.len()));
        file.with(|fd| rustix::fs::fsync(fd)).expect("synced");
    }
    begin.elapsed()
}

/// One way to do something: its name, and how long it takes.
type Way<'a> = (&'a str, Box<dyn FnMut() -> Duration + 'a>);

/// Lets the ways take turns, and prints for each the median rate and the median processor time of an operation on all
/// threads, those of the kernel that work for this process among them.
fn compare(name: &str, total: usize, ways: Vec<Way<'_>>) {
    let mut rounds: Vec<_> = ways
        .into_iter()
        .map(|(way, measure)| (way, measure, Vec::new(), Vec::new()))
        .collect();
    for _ in 0..ROUNDS {
        for (_, measure, elapsed, processor) in &mut rounds {
            let begin = processor_time();
            elapsed.push(measure());
            processor.push(processor_time() - begin);
        }
    }
    let each = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times[ROUNDS / 2].as_secs_f64() / total as f64
    };
    for (way, _, elapsed, processor) in rounds {
        let (rate, micros) = (1.0 / each(elapsed), each(processor) * 1e6);
        println!("{name:<24} {way:<12} {rate:>10.0} a second {micros:>8.2} µs of processor time");
    }
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

fn main() {
    let folder = std::env::temp_dir().join(format!("aioxide-bench-{}", std::process::id()));
    std::fs::create_dir(&folder).expect("directory");
    let path = folder.join("blocks");
    std::fs::write(&path, vec![7; BLOCK * BLOCKS as usize]).expect("written");
    let small = folder.join("small");
    std::fs::write(&small, vec![7; 2_000]).expect("written");
    let small = CString::new(small.as_os_str().as_encoded_bytes()).expect("no zero byte");
    let file = File::from(OwnedFd::from(std::fs::File::open(&path).expect("opened")));
    let mut options = std::fs::OpenOptions::new();
    let log = options.append(true).create(true).open(folder.join("log"));
    let log = File::from(OwnedFd::from(log.expect("opened")));
    let mut ring = Loop::new(Choice::Best);
    println!("served by: {:?}", ring.files.backend());
    let mut threads = Loop::new(Choice::Pool);
    for at_once in [1, 10, 100] {
        let ways: Vec<Way<'_>> = vec![
            ("on the spot", Box::new(|| attempts(&file, 20_000))),
            (
                "ring",
                Box::new(|| reads(&mut ring, &file, at_once, 20_000)),
            ),
            (
                "threads",
                Box::new(|| reads(&mut threads, &file, at_once, 20_000)),
            ),
        ];
        compare(&format!("4 KiB read, {at_once} at once"), 20_000, ways);
    }
    for at_once in [1, 100] {
        let ways: Vec<Way<'_>> = vec![
            ("on the spot", Box::new(|| small_files_now(&small, 5_000))),
            (
                "ring",
                Box::new(|| opens(&mut ring, &small, at_once, 5_000)),
            ),
            (
                "threads",
                Box::new(|| opens(&mut threads, &small, at_once, 5_000)),
            ),
        ];
        compare(&format!("open, {at_once} at once"), 5_000, ways);
    }
    let ways: Vec<Way<'_>> = vec![
        ("blocking", Box::new(|| appends_blocking(&log, 200))),
        ("ring", Box::new(|| appends(&mut ring, &log, 200))),
        ("threads", Box::new(|| appends(&mut threads, &log, 200))),
    ];
    compare("append and sync", 200, ways);
    std::fs::remove_dir_all(&folder).expect("removed");
}
