//! Threads for calls that block: started when needed, gone when idle. Any thread may submit.
//!
//! A job reports through whatever it captured (an inbox, as a rule). Jobs run in order of
//! submission, as many at once as the pool has threads.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::process::Process;

/// A call that may block.
pub type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Threads that wait for a job.
    idle: usize,
    /// Threads that will look at the queue again: those that have not yet decided to end.
    alive: usize,
    /// All threads that `close` has to wait for, also those that are about to end.
    threads: Vec<JoinHandle<()>>,
    is_closed: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    /// Signalled once for each job, and for all threads at close.
    has_work: Condvar,
    idle_max: Duration,
}

/// A pool of at most `threads_max` threads.
pub struct Pool {
    shared: Arc<Shared>,
    name: String,
    threads_max: usize,
    /// The process that made the pool: a forked child inherits everything but the threads.
    process: Process,
}

/// The pool takes no more jobs: it was closed, or the system refused it its first thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    // Jobs run outside the lock, so a panic cannot leave the queue half-changed.
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// A pool without threads yet. A thread that has waited `idle_max` for a job ends.
    #[must_use]
    pub fn new(name: impl Into<String>, threads_max: usize, idle_max: Duration) -> Self {
        let shared = Shared {
            queue: Mutex::default(),
            has_work: Condvar::new(),
            idle_max,
        };
        Self {
            shared: Arc::new(shared),
            name: name.into(),
            threads_max: threads_max.max(1),
            process: Process::current(),
        }
    }

    /// Whether the pool was made by a parent, so that none of its threads is here.
    #[must_use]
    pub fn is_inherited(&self) -> bool {
        !self.process.is_current()
    }

    /// Queues `job`. Fails, without running it, when the pool is closed or inherited, or can have no
    /// thread at all.
    pub fn submit(&self, job: Job) -> Result<(), Closed> {
        if self.is_inherited() {
            return Err(Closed);
        }
        let mut queue = lock(&self.shared.queue);
        if queue.is_closed {
            return Err(Closed);
        }
        queue.jobs.push_back(job);
        if queue.jobs.len() <= queue.idle {
            // Not to be woken only to wait for the lock. A thread that has waited long enough looks for jobs before it ends.
            drop(queue);
            self.shared.has_work.notify_one();
            return Ok(());
        }
        if queue.alive >= self.threads_max {
            return Ok(());
        }
        queue.threads.retain(|thread| !thread.is_finished());
        let shared = Arc::clone(&self.shared);
        let spawned = thread::Builder::new()
            .name(self.name.clone())
            .spawn(move || work(&shared));
        match spawned {
            Ok(thread) => {
                queue.threads.push(thread);
                queue.alive += 1;
            }
            // The threads that there are will come to the job.
            Err(_) if queue.alive > 0 => {}
            Err(_) => {
                let refused = queue.jobs.pop_back();
                // Dropping a job may run foreign code, which may submit.
                drop(queue);
                drop(refused);
                return Err(Closed);
            }
        }
        Ok(())
    }

    /// Takes no more jobs, drops those that have not begun, and waits for those that have. Does
    /// nothing to an inherited pool: its lock may be held, and its threads would be waited for, for ever.
    pub fn close(&self) {
        if self.is_inherited() {
            return;
        }
        let (dropped, threads) = {
            let mut queue = lock(&self.shared.queue);
            queue.is_closed = true;
            (
                std::mem::take(&mut queue.jobs),
                std::mem::take(&mut queue.threads),
            )
        };
        self.shared.has_work.notify_all();
        drop(dropped);
        let this_thread = thread::current().id();
        for thread in threads
            .into_iter()
            .filter(|thread| thread.thread().id() != this_thread)
        {
            // A thread ends with an error only if a job panicked, which was that job's to report.
            let _ended = thread.join();
        }
    }
}

impl Pool {
    /// Takes no more jobs, drops those that have not begun, and leaves the threads to end by themselves.
    pub fn abandon(&self) {
        if self.is_inherited() {
            return;
        }
        let dropped = {
            let mut queue = lock(&self.shared.queue);
            queue.is_closed = true;
            // Without its handle a thread is not waited for.
            queue.threads.clear();
            std::mem::take(&mut queue.jobs)
        };
        self.shared.has_work.notify_all();
        drop(dropped);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
        if self.is_inherited() {
            // Not even the handles of the threads can be dropped: what they point to is gone.
            let _leaked = Arc::into_raw(Arc::clone(&self.shared));
        }
    }
}

fn work(shared: &Shared) {
    let mut queue = lock(&shared.queue);
    loop {
        if let Some(job) = queue.jobs.pop_front() {
            drop(queue);
            // A panic ends the job, not the thread that others count on.
            let _ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
            queue = lock(&shared.queue);
            continue;
        }
        if queue.is_closed {
            queue.alive -= 1;
            return;
        }
        queue.idle += 1;
        let (woken, wait) = shared
            .has_work
            .wait_timeout(queue, shared.idle_max)
            .unwrap_or_else(PoisonError::into_inner);
        queue = woken;
        queue.idle -= 1;
        if wait.timed_out() && queue.jobs.is_empty() {
            // Under the lock: whoever submits after this must not count on this thread.
            queue.alive -= 1;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn pool(threads_max: usize) -> Pool {
        Pool::new("test", threads_max, Duration::from_secs(5))
    }

    #[test]
    fn every_submitted_job_runs() {
        let pool = pool(3);
        let (done, results) = mpsc::channel();
        for number in 0..100 {
            let done = done.clone();
            pool.submit(Box::new(move || done.send(number).expect("receiver lives")))
                .expect("open");
        }
        drop(done);
        let mut numbers: Vec<i32> = results.iter().collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn jobs_run_side_by_side_up_to_the_limit() {
        let pool = pool(2);
        let (first, second) = (Arc::new(std::sync::Barrier::new(2)), mpsc::channel());
        for _ in 0..2 {
            let (barrier, done) = (Arc::clone(&first), second.0.clone());
            pool.submit(Box::new(move || {
                barrier.wait();
                done.send(()).expect("receiver lives");
            }))
            .expect("open");
        }
        for _ in 0..2 {
            second
                .1
                .recv_timeout(Duration::from_secs(10))
                .expect("both jobs ran at once");
        }
    }

    #[test]
    fn a_job_that_panics_takes_no_thread_with_it() {
        let pool = pool(1);
        let (done, result) = mpsc::channel();
        pool.submit(Box::new(|| std::panic::resume_unwind(Box::new("job"))))
            .expect("open");
        pool.submit(Box::new(move || done.send(()).expect("receiver lives")))
            .expect("open");
        result
            .recv_timeout(Duration::from_secs(10))
            .expect("the second job ran");
    }

    #[test]
    fn a_closed_pool_refuses_jobs_and_has_finished_those_that_began() {
        let pool = pool(1);
        let (begun, has_begun) = mpsc::channel();
        let (done, result) = mpsc::channel();
        pool.submit(Box::new(move || {
            begun.send(()).expect("receiver lives");
            done.send(()).expect("receiver lives");
        }))
        .expect("open");
        has_begun.recv().expect("the job begins");
        pool.close();
        result.try_recv().expect("close has waited for the job");
        assert_eq!(pool.submit(Box::new(|| ())), Err(Closed));
    }
    /// Waits until `count` threads are idle; nothing but their own progress can bring that about.
    fn wait_until_idle(pool: &Pool, count: usize) {
        let begin = std::time::Instant::now();
        while lock(&pool.shared.queue).idle != count {
            assert!(
                begin.elapsed() < Duration::from_secs(10),
                "no {count} idle threads"
            );
            thread::yield_now();
        }
    }

    /// Runs a job that says in which thread it ran.
    fn thread_of_a_job(pool: &Pool) -> thread::ThreadId {
        let (done, result) = mpsc::channel();
        pool.submit(Box::new(move || {
            done.send(thread::current().id()).expect("receiver lives")
        }))
        .expect("open");
        result
            .recv_timeout(Duration::from_secs(10))
            .expect("the job ran")
    }

    thread_local! {
        /// Tells when a thread of the pool has come to its end.
        static LAST_WORDS: std::cell::RefCell<Option<LastWords>> = const { std::cell::RefCell::new(None) };
    }

    struct LastWords(mpsc::Sender<()>);

    impl Drop for LastWords {
        fn drop(&mut self) {
            let _heard = self.0.send(());
        }
    }

    fn leave_last_words(words: &mpsc::Sender<()>) {
        let words = words.clone();
        LAST_WORDS.with(|last| last.replace(Some(LastWords(words))));
    }

    #[test]
    fn jobs_of_one_thread_run_in_order_of_submission() {
        let pool = pool(1);
        let (done, results) = mpsc::channel();
        for number in 0..1_000 {
            let done = done.clone();
            pool.submit(Box::new(move || done.send(number).expect("receiver lives")))
                .expect("open");
        }
        drop(done);
        assert!(results.iter().eq(0..1_000));
    }

    #[test]
    fn an_idle_thread_is_used_before_a_new_one() {
        let pool = pool(8);
        let first = thread_of_a_job(&pool);
        for _ in 0..100 {
            wait_until_idle(&pool, 1);
            assert_eq!(thread_of_a_job(&pool), first);
        }
        assert_eq!(lock(&pool.shared.queue).threads.len(), 1);
    }

    #[test]
    fn two_jobs_do_not_count_on_the_same_idle_thread() {
        for _ in 0..50 {
            let pool = pool(2);
            thread_of_a_job(&pool);
            wait_until_idle(&pool, 1);
            let (everybody, (done, results)) =
                (Arc::new(std::sync::Barrier::new(2)), mpsc::channel());
            for _ in 0..2 {
                let (everybody, done) = (Arc::clone(&everybody), done.clone());
                pool.submit(Box::new(move || {
                    everybody.wait();
                    done.send(()).expect("receiver lives");
                }))
                .expect("open");
            }
            for _ in 0..2 {
                results
                    .recv_timeout(Duration::from_secs(10))
                    .expect("both jobs ran at once");
            }
        }
    }

    #[test]
    fn no_more_threads_than_the_limit_are_ever_started() {
        let pool = pool(3);
        let (done, results) = mpsc::channel();
        for _ in 0..200 {
            let done = done.clone();
            pool.submit(Box::new(move || {
                done.send(thread::current().id()).expect("receiver lives")
            }))
            .expect("open");
        }
        drop(done);
        let threads: std::collections::HashSet<_> = results.iter().collect();
        assert!(threads.len() <= 3);
    }

    #[test]
    fn a_thread_that_was_idle_for_too_long_ends_and_is_replaced() {
        let pool = Pool::new("test", 1, Duration::from_millis(1));
        let (words, has_ended) = mpsc::channel();
        pool.submit(Box::new(move || leave_last_words(&words)))
            .expect("open");
        has_ended
            .recv_timeout(Duration::from_secs(10))
            .expect("the idle thread ends");
        thread_of_a_job(&pool);
    }

    #[test]
    fn a_job_submitted_while_the_last_thread_ends_is_not_left_behind() {
        let pool = pool(1);
        // Such a thread has given up its place, but the system does not call it finished yet.
        let (release, released) = mpsc::channel::<()>();
        let ending = thread::spawn(move || {
            released
                .recv()
                .expect_err("released by the other end's drop");
        });
        lock(&pool.shared.queue).threads.push(ending);
        thread_of_a_job(&pool);
        drop(release);
    }

    #[test]
    fn threads_that_give_up_after_each_job_lose_none() {
        let pool = Pool::new("test", 1, Duration::from_nanos(1));
        for moment in 0..2_000 {
            thread_of_a_job(&pool);
            (0..moment % 500).for_each(|_| std::hint::spin_loop());
        }
    }

    #[test]
    fn a_job_may_submit_another() {
        let pool = Arc::new(pool(1));
        let (done, result) = mpsc::channel();
        let inner = Arc::clone(&pool);
        pool.submit(Box::new(move || {
            inner
                .submit(Box::new(move || done.send(()).expect("receiver lives")))
                .expect("open");
        }))
        .expect("open");
        result
            .recv_timeout(Duration::from_secs(10))
            .expect("the inner job ran");
    }

    #[test]
    fn close_drops_what_has_not_begun_and_waits_for_what_has() {
        let pool = pool(1);
        let (release, released) = mpsc::channel::<()>();
        let (done, result) = mpsc::channel();
        let (begun, has_begun) = mpsc::channel();
        pool.submit(Box::new(move || {
            begun.send(()).expect("receiver lives");
            released.recv().expect("released");
            done.send(()).expect("receiver lives");
        }))
        .expect("open");
        has_begun.recv().expect("the job begins");
        let (queued, never_sent) = mpsc::channel::<()>();
        pool.submit(Box::new(move || queued.send(()).expect("receiver lives")))
            .expect("open");
        thread::scope(|scope| {
            scope.spawn(|| pool.close());
            // The queued job goes away while the first still runs.
            never_sent
                .recv_timeout(Duration::from_secs(10))
                .expect_err("dropped, not run");
            result.try_recv().expect_err("still running");
            release.send(()).expect("receiver lives");
        });
        result.try_recv().expect("close has waited for the job");
        pool.close();
    }

    #[test]
    fn an_abandoned_pool_drops_what_has_not_begun_and_waits_for_nothing() {
        let pool = pool(1);
        let (release, released) = mpsc::channel::<()>();
        let (begun, has_begun) = mpsc::channel();
        let (done, result) = mpsc::channel();
        pool.submit(Box::new(move || {
            begun.send(()).expect("receiver lives");
            released.recv().expect("released");
            done.send(()).expect("receiver lives");
        }))
        .expect("open");
        has_begun.recv().expect("the job begins");
        let (queued, never_sent) = mpsc::channel::<()>();
        pool.submit(Box::new(move || queued.send(()).expect("receiver lives")))
            .expect("open");
        pool.abandon();
        assert_eq!(pool.submit(Box::new(|| ())), Err(Closed));
        never_sent.recv().expect_err("dropped, not run");
        drop(pool);
        result.try_recv().expect_err("still running");
        release.send(()).expect("receiver lives");
        result
            .recv_timeout(Duration::from_secs(10))
            .expect("the job that had begun ends by itself");
    }

    #[test]
    fn close_ends_idle_threads_at_once() {
        let pool = Pool::new("test", 4, Duration::MAX);
        let (words, last_words) = mpsc::channel();
        let everybody = Arc::new(std::sync::Barrier::new(4));
        for _ in 0..4 {
            let (words, everybody) = (words.clone(), Arc::clone(&everybody));
            pool.submit(Box::new(move || {
                leave_last_words(&words);
                everybody.wait();
            }))
            .expect("open");
        }
        wait_until_idle(&pool, 4);
        pool.close();
        assert_eq!(last_words.try_iter().count(), 4);
    }

    /// Submits to a pool while it is dropped itself, as a Python object's finaliser may.
    struct SubmitsWhenDropped(Arc<Pool>, mpsc::Sender<Result<(), Closed>>);

    impl Drop for SubmitsWhenDropped {
        fn drop(&mut self) {
            self.1
                .send(self.0.submit(Box::new(|| ())))
                .expect("receiver lives");
        }
    }

    #[test]
    fn a_queued_job_that_submits_when_it_is_dropped_meets_a_closed_pool() {
        let pool = Arc::new(pool(1));
        let (begun, has_begun) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        pool.submit(Box::new(move || {
            begun.send(()).expect("receiver lives");
            released.recv().expect("released");
        }))
        .expect("open");
        has_begun.recv().expect("the job begins");
        let (submitted, result) = mpsc::channel();
        let submits = SubmitsWhenDropped(Arc::clone(&pool), submitted);
        pool.submit(Box::new(move || drop(submits))).expect("open");
        thread::scope(|scope| {
            scope.spawn(|| pool.close());
            assert_eq!(
                result.recv_timeout(Duration::from_secs(10)),
                Ok(Err(Closed))
            );
            release.send(()).expect("receiver lives");
        });
    }

    #[test]
    fn a_job_may_hold_the_last_reference_to_its_pool() {
        let pool = Arc::new(pool(1));
        let (words, last_words) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let held = Arc::clone(&pool);
        pool.submit(Box::new(move || {
            leave_last_words(&words);
            released.recv().expect("released");
            drop(held);
        }))
        .expect("open");
        drop(pool);
        release.send(()).expect("receiver lives");
        last_words
            .recv_timeout(Duration::from_secs(10))
            .expect("the thread ends with its pool");
    }

    #[test]
    fn a_pool_for_no_threads_has_one() {
        thread_of_a_job(&Pool::new("test", 0, Duration::from_secs(5)));
    }
}
