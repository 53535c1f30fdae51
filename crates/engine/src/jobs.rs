//! Jobs for threads that somebody else starts: a queue, and who is to be called for what is in it.
//!
//! A thread of [`pool`](crate::pool) belongs to it from birth to death. Here the threads are their
//! owner's, as they have to be when they must be known to an interpreter. Each has a [`Place`].
//!
//! A call wakes a sleeping thread and costs a system call, and where only one thread can run at a
//! time it is worse than useless to call many at once. So at most one thread is *searching*: called,
//! or just started, and without a job yet. When it has found one and there is more to do it calls the
//! next one before it begins. The invariant is that while there are jobs and a thread sleeps, some
//! thread searches; no job so waits for another job's end while a thread sleeps.
//!
//! Any thread may call anything here. Nothing is dropped, and nothing foreign runs, under the lock.

use std::collections::VecDeque;

use crate::process::Process;
use crate::sync::{Condvar, Mutex, lock, wait};

struct Queue<J> {
    jobs: VecDeque<J>,
    /// Threads that were started, or are about to be, and have not left.
    threads: usize,
    /// Threads that found nothing to do and were not called since.
    asleep: usize,
    /// Threads that were called, or are new, and have not yet looked for a job.
    searching: usize,
    /// Calls that no thread has heard yet.
    calls: usize,
    is_closed: bool,
}

impl<J> Queue<J> {
    /// Calls one of the sleeping threads if the invariant asks for it. Says whether to ring.
    fn call_if_needed(&mut self) -> bool {
        let is_needed = !self.jobs.is_empty() && self.searching == 0 && self.asleep > 0;
        if is_needed {
            self.call(1);
        }
        is_needed
    }

    fn call(&mut self, count: usize) {
        self.asleep -= count;
        self.searching += count;
        self.calls += count;
    }
}

/// A queue of jobs, and the threads that do them.
pub struct Jobs<J> {
    queue: Mutex<Queue<J>>,
    has_call: Condvar,
    threads_max: usize,
    /// The process that made the queue: a forked child inherits everything but the threads.
    process: Process,
}

/// What a submission asks of the submitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Nothing more: a thread will come to the job.
    Nothing,
    /// To start a thread and give it a [`Place`], or to call [`Jobs::thread_failed`]. It is the so-manieth, counted from 0.
    Thread(usize),
}

/// The queue takes no more jobs, for it was closed or belongs to the parent process. Here is the job again.
#[derive(Debug)]
pub struct Refused<J>(pub J);

/// What a thread finds in the queue.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<J> {
    /// A job, which is the thread's to do.
    Job(J),
    /// No job: the thread is to call [`Place::sleep`] before it looks again.
    Nothing,
    /// No job, and there will be none: the thread is to leave.
    End,
}

impl<J> Jobs<J> {
    /// An empty queue for at most `threads_max` threads.
    #[must_use]
    pub fn new(threads_max: usize) -> Self {
        Self {
            queue: Mutex::new(Queue {
                jobs: VecDeque::new(),
                threads: 0,
                asleep: 0,
                searching: 0,
                calls: 0,
                is_closed: false,
            }),
            has_call: Condvar::new(),
            threads_max: threads_max.max(1),
            process: Process::current(),
        }
    }

    /// Whether the queue was made by a parent, so that none of its threads is here.
    #[must_use]
    pub fn is_inherited(&self) -> bool {
        !self.process.is_current()
    }

    /// Puts `job` at the end. A thread is asked for if those there are will all have something to do.
    ///
    /// # Errors
    /// [`Refused`] if the queue is closed or inherited.
    pub fn submit(&self, job: J) -> Result<Demand, Refused<J>> {
        if self.is_inherited() {
            return Err(Refused(job));
        }
        let mut queue = lock(&self.queue);
        if queue.is_closed {
            drop(queue);
            return Err(Refused(job));
        }
        queue.jobs.push_back(job);
        let rings = queue.call_if_needed();
        let is_short = queue.jobs.len() > queue.asleep + queue.searching;
        let demand = if is_short && queue.threads < self.threads_max {
            queue.threads += 1;
            queue.searching += 1;
            Demand::Thread(queue.threads - 1)
        } else {
            Demand::Nothing
        };
        drop(queue);
        if rings {
            self.has_call.notify_one();
        }
        Ok(demand)
    }

    /// Takes back the place of a thread that could not be started. Says whether there are others, which will
    /// come to the jobs.
    pub fn thread_failed(&self) -> bool {
        self.leave(true) > 0
    }

    /// Takes no more jobs. The threads do what is queued, and leave. Nothing happens to an inherited
    /// queue, whose lock may be held for ever.
    pub fn close(&self) {
        if self.is_inherited() {
            return;
        }
        let mut queue = lock(&self.queue);
        queue.is_closed = true;
        let asleep = queue.asleep;
        queue.call(asleep);
        drop(queue);
        self.has_call.notify_all();
    }

    /// Takes out what has not begun, for the caller to drop.
    #[must_use]
    pub fn take_all(&self) -> VecDeque<J> {
        if self.is_inherited() {
            return VecDeque::new();
        }
        std::mem::take(&mut lock(&self.queue).jobs)
    }

    /// Gives up a place. Returns how many threads remain.
    fn leave(&self, is_searching: bool) -> usize {
        let mut queue = lock(&self.queue);
        queue.threads -= 1;
        queue.searching -= usize::from(is_searching);
        let rings = queue.call_if_needed();
        let remaining = queue.threads;
        drop(queue);
        if rings {
            self.has_call.notify_one();
        }
        remaining
    }
}

/// The place of one thread that does the jobs. Given up when dropped.
pub struct Place<'a, J> {
    jobs: &'a Jobs<J>,
    is_searching: bool,
}

impl<'a, J> Place<'a, J> {
    /// The place of a thread that was started because [`Demand::Thread`] asked for it.
    #[must_use]
    pub fn new(jobs: &'a Jobs<J>) -> Self {
        Self {
            jobs,
            is_searching: true,
        }
    }

    /// Takes the oldest job, and calls another thread if there are more.
    #[must_use]
    pub fn look(&mut self) -> Found<J> {
        let mut queue = lock(&self.jobs.queue);
        if std::mem::take(&mut self.is_searching) {
            queue.searching -= 1;
        }
        let Some(job) = queue.jobs.pop_front() else {
            if queue.is_closed {
                return Found::End;
            }
            queue.asleep += 1;
            return Found::Nothing;
        };
        let rings = queue.call_if_needed();
        drop(queue);
        if rings {
            self.jobs.has_call.notify_one();
        }
        Found::Job(job)
    }

    /// Sleeps until this thread is called. Only after [`look`](Self::look) has found nothing.
    pub fn sleep(&mut self) {
        let mut queue = lock(&self.jobs.queue);
        while queue.calls == 0 {
            queue = wait(&self.jobs.has_call, queue);
        }
        queue.calls -= 1;
        self.is_searching = true;
    }
}

impl<J> Drop for Place<'_, J> {
    fn drop(&mut self) {
        self.jobs.leave(self.is_searching);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::{Arc, Barrier, mpsc};
    use std::thread;
    use std::time::{Duration, Instant};

    type Job = Box<dyn FnOnce() + Send>;

    /// Does jobs until the queue is closed.
    fn work(jobs: &Jobs<Job>) {
        let mut place = Place::new(jobs);
        loop {
            match place.look() {
                Found::Job(job) => job(),
                Found::Nothing => place.sleep(),
                Found::End => return,
            }
        }
    }

    /// Submits as an owner of threads does.
    fn submit<'scope, 'env>(
        scope: &'scope thread::Scope<'scope, 'env>,
        jobs: &'env Jobs<Job>,
        job: impl FnOnce() + Send + 'static,
    ) {
        if let Demand::Thread(_) = jobs.submit(Box::new(job)).ok().expect("open") {
            scope.spawn(|| work(jobs));
        }
    }

    fn wait_until_asleep(jobs: &Jobs<Job>, count: usize) {
        let begin = Instant::now();
        while lock(&jobs.queue).asleep != count {
            assert!(begin.elapsed() < Duration::from_secs(10), "nobody sleeps");
            thread::yield_now();
        }
    }

    #[test]
    fn jobs_of_one_thread_are_done_in_order() {
        let jobs = Jobs::new(1);
        let (done, results) = mpsc::channel();
        thread::scope(|scope| {
            for number in 0..1_000 {
                let done = done.clone();
                submit(scope, &jobs, move || {
                    done.send(number).expect("receiver lives");
                });
            }
            jobs.close();
        });
        drop(done);
        assert!(results.iter().eq(0..1_000));
    }

    #[test]
    fn a_sleeping_thread_is_called_before_another_is_started() {
        let jobs = Jobs::new(8);
        thread::scope(|scope| {
            for _ in 0..100 {
                submit(scope, &jobs, || ());
                wait_until_asleep(&jobs, 1);
            }
            assert_eq!(lock(&jobs.queue).threads, 1);
            jobs.close();
        });
    }

    #[test]
    fn no_more_threads_are_asked_for_than_the_limit() {
        let jobs = Jobs::<()>::new(2);
        let demands: Vec<_> = (0..4).map(|_| jobs.submit(()).expect("open")).collect();
        assert_eq!(
            demands,
            [
                Demand::Thread(0),
                Demand::Thread(1),
                Demand::Nothing,
                Demand::Nothing
            ]
        );
    }

    #[test]
    fn jobs_that_wait_for_each_other_are_all_begun() {
        const THREADS: usize = 4;
        let jobs = Jobs::new(THREADS);
        thread::scope(|scope| {
            for _ in 0..200 {
                // In the first round threads are started, in the others they are called, one by the other.
                let barrier = Arc::new(Barrier::new(THREADS + 1));
                for _ in 0..THREADS {
                    let barrier = Arc::clone(&barrier);
                    submit(scope, &jobs, move || {
                        barrier.wait();
                    });
                }
                barrier.wait();
            }
            jobs.close();
        });
    }

    #[test]
    fn every_job_of_many_submitters_is_done_once() {
        const SUBMITTERS: usize = 4;
        const JOBS: usize = 5_000;
        let jobs = Jobs::new(3);
        let (done, results) = mpsc::channel();
        thread::scope(|workers| {
            thread::scope(|scope| {
                for submitter in 0..SUBMITTERS {
                    let (jobs, done) = (&jobs, done.clone());
                    scope.spawn(move || {
                        for number in 0..JOBS {
                            let done = done.clone();
                            submit(workers, jobs, move || {
                                done.send((submitter, number)).expect("receiver lives");
                            });
                        }
                    });
                }
            });
            jobs.close();
        });
        drop(done);
        let mut results: Vec<_> = results.iter().collect();
        results.sort_unstable();
        let all = (0..SUBMITTERS).flat_map(|s| (0..JOBS).map(move |n| (s, n)));
        assert!(results.into_iter().eq(all));
    }

    #[test]
    fn a_closed_queue_refuses_jobs_and_has_its_own_done() {
        let jobs = Jobs::new(1);
        let (done, results) = mpsc::channel();
        assert_eq!(
            jobs.submit(Box::new(move || done.send(1).expect("lives")) as Job)
                .ok(),
            Some(Demand::Thread(0))
        );
        jobs.close();
        assert!(jobs.submit(Box::new(|| ())).is_err());
        work(&jobs);
        assert!(results.iter().eq([1]));
        assert_eq!(lock(&jobs.queue).threads, 0);
    }

    #[test]
    fn what_is_taken_out_is_not_done() {
        let jobs = Jobs::new(1);
        assert_eq!(jobs.submit(1).ok(), Some(Demand::Thread(0)));
        assert_eq!(jobs.take_all(), [1]);
        jobs.close();
        assert_eq!(Place::new(&jobs).look(), Found::End);
    }

    #[test]
    fn a_thread_that_could_not_be_started_is_asked_for_again() {
        let jobs = Jobs::new(1);
        assert_eq!(jobs.submit(1).ok(), Some(Demand::Thread(0)));
        assert!(!jobs.thread_failed());
        assert_eq!(jobs.submit(2).ok(), Some(Demand::Thread(0)));
        assert_eq!(Place::new(&jobs).look(), Found::Job(1));
    }
}
