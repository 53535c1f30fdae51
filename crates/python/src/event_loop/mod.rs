//! The event loop's native half: what it owns, its life cycle, and what other threads may do to it.
//!
//! `aioxide.EventLoop` is a Python class over this one: what runs per callback, per task step, per packet or
//! per connection is here, what runs once per loop is there.

use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ThreadId;
use std::time::Duration;

use aioxide_engine::inbox::Inbox;
use aioxide_engine::pool::Pool;
use aioxide_engine::reactor::{Epoll, Token};
use aioxide_engine::sources::{Direction, Sources, TOKEN_RESERVED_MIN};
use aioxide_engine::timers::Cancellable;
use aioxide_engine::turn::Queues;
use aioxide_engine::waker::{Bell, EventBell, Waker};
use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyWeakrefReference};
use rustix::io::Errno;

use crate::alarm::Alarm;
use crate::clock::{LoopClock, VirtualClock};
use crate::contexts::Contexts;
use crate::errors::os_error;
use crate::files::Service;
use crate::future::{Callback, Future};
use crate::handle::{Call, Handle, Queued};
use crate::joint::Due;
use crate::numbers::NumberMap;
use crate::raw::guarded::Guarded;
use crate::sock::{Owners, Wait};
use crate::task::{Said, Task};
use crate::threads::Delivery;
use crate::transports::datagram::DatagramEndpoint;
use crate::transports::datagram_receiving::Batches;
use crate::transports::owned::Owned;
use crate::transports::stream::Stream;

mod blocking;
mod executors;
mod files;
mod foreign;
mod host;
mod inspection;
mod replaced_time;
mod replaced_turn;
mod scheduling;
mod tasks;
mod watching;

use host::Scratch;
pub(crate) use host::{SCRATCH_SIZE, ends_the_loop};
pub(crate) use scheduling::{adopt_methods, prepare};

/// The bell's token in the reactor.
const BELL: Token = Token(TOKEN_RESERVED_MIN);

/// Calls that block run on at most this many threads: name look-ups, which mostly wait.
const BLOCKING_THREADS_MAX: usize = 16;
/// A thread of the pool that found nothing to do for this long ends.
const BLOCKING_IDLE_MAX: Duration = Duration::from_secs(10);

/// What waits in the ready queue and among the timers.
///
/// Each kind is one pointer, so that the whole fits into two registers: every turn moves some of it about.
pub(crate) enum Work {
    /// Call a handle, for the last time.
    Handle(Queued),
    /// Step a C task, which wants no handle.
    Step(Box<Call>),
    /// Step a task of ours.
    Task(Py<Task>),
    /// Call a callback of a future that is done.
    Done(Box<Callback>),
    /// Tell a `gather` or the like of a future that is done.
    Joint(Box<Due>),
    /// Let an alarm go off.
    Alarm(Arc<Alarm>),
    /// End a sleep.
    Wake(Py<Future>),
    /// Give a future the outcome of a call in another thread.
    Deliver(Box<Delivery>),
    /// Call the handle of a source that has become ready.
    Callback(Py<Handle>),
    /// Run a handle that asyncio made.
    Foreign(Py<PyAny>),
    /// Tell a protocol of its connection, and begin to read.
    Begin(Py<Stream>),
    /// Tell a protocol that its connection is lost, and close it.
    End(Py<Stream>),
    /// Read from a stream that has become readable.
    Read(Py<Stream>),
    /// Write to a stream that has become writable.
    Write(Py<Stream>),
    /// Receive from a datagram socket that has become readable.
    Receive(Py<DatagramEndpoint>),
    /// Send to a datagram socket that has become writable.
    Send(Py<DatagramEndpoint>),
    /// Tell a waiting `sock_*` operation that its socket is ready.
    Ready(Py<Wait>),
}

impl Work {
    /// Lets go of work that will not be done.
    fn release(self, py: Python<'_>) {
        match self {
            Self::Handle(handle) => handle.release(py),
            Self::Alarm(alarm) => alarm.release(py),
            Self::Wake(future) => drop(future.into_bound(py)),
            _ => {}
        }
    }
}

impl Cancellable for Work {
    fn is_cancelled(&self) -> bool {
        match self {
            Self::Handle(queued) => queued.handle().get().is_cancelled(),
            Self::Alarm(alarm) => alarm.is_cancelled(),
            Self::Wake(future) => future.get().is_sleep_given_up(),
            _ => false,
        }
    }
}

/// Who is told that a source is ready.
pub(crate) enum Watcher {
    /// A callback of `add_reader` or `add_writer`.
    Handle(Queued),
    /// A stream transport.
    Stream(Py<Stream>),
    /// A datagram transport.
    Datagrams(Py<DatagramEndpoint>),
    /// A `sock_*` operation; told once.
    Wait(Py<Wait>),
    /// The ring of the loop's file operations.
    Files,
}

impl Watcher {
    /// What the transport owns, if it is one.
    pub(crate) fn owned(&self) -> Option<&Owned> {
        match self {
            Self::Stream(stream) => Some(&stream.get().owned),
            Self::Datagrams(endpoint) => Some(&endpoint.get().owned),
            Self::Handle(_) | Self::Wait(_) | Self::Files => None,
        }
    }

    fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Handle(queued) => Self::Handle(queued.clone_ref(py)),
            Self::Stream(stream) => Self::Stream(stream.clone_ref(py)),
            Self::Datagrams(endpoint) => Self::Datagrams(endpoint.clone_ref(py)),
            Self::Wait(wait) => Self::Wait(wait.clone_ref(py)),
            Self::Files => Self::Files,
        }
    }
}

/// What the kernel may be taken to know of a descriptor that is to be watched.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Nothing: it may be closed, or another file under the same number.
    Nothing,
    /// What it was told last: the descriptor has been ours since.
    Registration,
}

/// What only the loop thread changes (and any thread that holds the GIL may add to).
pub(crate) struct State {
    pub(crate) queues: Queues<Work>,
    pub(crate) sources: Sources<Watcher, Epoll>,
    /// Streams that hold back writes until the end of the turn.
    pub(crate) unflushed: Vec<Py<Stream>>,
    /// Which socket object the kernel watches under each descriptor, for `sock_*` operations.
    pub(crate) owners: Owners,
    /// Which transport each descriptor belongs to, by the address of its native half.
    pub(crate) stream_fds: NumberMap<RawFd, usize>,
    /// The thread that runs the loop, while it runs.
    thread: Option<ThreadId>,
}

/// What threads without the GIL can reach.
pub(crate) struct Mailbox {
    pub(crate) inbox: Inbox<blocking::Completion>,
    pub(crate) waker: Waker<EventBell>,
}

impl Bell for Mailbox {
    fn ring(&self) {
        self.waker.bell().ring();
    }
}

/// asyncio's event loop, natively. Use it through its subclass `aioxide.EventLoop`.
#[pyclass(module = "aioxide._core", frozen, subclass, weakref)]
pub(crate) struct EventLoop {
    state: Guarded<State>,
    mailbox: Arc<Mailbox>,
    reactor: Arc<Epoll>,
    clock: LoopClock,
    /// Threads for calls that block. Made when the first such call comes.
    pool: Guarded<Option<Arc<Pool>>>,
    /// Memory that reads go through on their way into bytes objects of their exact size.
    scratch: Guarded<Option<Scratch>>,
    /// Memory that TLS encrypts to, lent out until what was encrypted has been handed on.
    spare: Guarded<Vec<u8>>,
    /// Memory that datagrams are received into.
    pub(crate) batches: Guarded<Batches>,
    /// The contexts that callbacks share.
    pub(crate) contexts: Contexts,
    task_factory: Guarded<Option<Py<PyAny>>>,
    /// What `run_in_executor(None, …)` uses, once there is one.
    default_executor: Guarded<Option<executors::DefaultExecutor>>,
    /// The file operations. Made when a file is first used.
    files: Guarded<Option<Arc<Service>>>,
    /// Debug mode only: the handle that is being called.
    current_handle: Guarded<Option<Py<Handle>>>,
    /// What asyncio has been told of the current task.
    pub(crate) current_task: Guarded<Said>,
    /// Whether futures and tasks may use the queue directly, once somebody has asked.
    schedules_natively: Guarded<Option<bool>>,
    /// Whether natives may do without the loop's methods, once somebody has asked.
    is_plain: Guarded<Option<bool>>,
    /// Seconds after which debug mode calls a callback slow.
    slow_callback_duration: Guarded<f64>,
    /// Whether somebody has replaced `time`, by which timers then go.
    is_time_replaced: AtomicBool,
    /// Whether somebody has replaced `_run_once`, which is then called for each turn.
    is_turn_replaced: AtomicBool,
    /// Whether there are file operations, so that turns have to look.
    has_files: AtomicBool,
    is_debug: AtomicBool,
    is_closed: AtomicBool,
    /// Whether the default executor was shut down, so that it takes no more calls.
    is_executor_shut_down: AtomicBool,
    /// Whether a turn is under way: writes are held back until its end.
    is_in_turn: AtomicBool,
}

impl EventLoop {
    /// Lends the loop's state. `access` must not call Python, nor drop what Python can see.
    #[inline]
    pub(crate) fn with<R>(&self, py: Python<'_>, access: impl FnOnce(&mut State) -> R) -> R {
        self.state.with(py, access)
    }

    /// Whether debug mode is on.
    #[inline]
    pub(crate) fn is_debug(&self) -> bool {
        self.is_debug.load(Ordering::Relaxed)
    }

    /// Whether the loop runs, in this very thread.
    pub(crate) fn runs_here(&self, py: Python<'_>) -> bool {
        let thread = self.with(py, |state| state.thread);
        thread == Some(std::thread::current().id())
    }

    /// Whether a turn is under way in the loop thread.
    pub(crate) fn is_in_turn(&self) -> bool {
        self.is_in_turn.load(Ordering::Relaxed)
    }

    /// Watches a descriptor, of which `trust` says whether the kernel may be taken to know it.
    ///
    /// Returns the watcher that stood in this place, to be dropped by the caller.
    pub(crate) fn watch(
        &self,
        py: Python<'_>,
        fd: RawFd,
        direction: Direction,
        watcher: Watcher,
        trust: Trust,
    ) -> Result<Option<Watcher>, Errno> {
        self.part_from_parent(py)?;
        self.with(py, |state| {
            state.queues.polls_next = true;
            match trust {
                Trust::Nothing => state.sources.watch(fd, direction, watcher),
                Trust::Registration => state.sources.arm(fd, direction, watcher),
            }
        })
    }

    /// In a forked child that uses its parent's loop: gives the loop a reactor and a bell of its own, with the
    /// same watches. Until then nothing that happens to the child's copy of the loop reaches the kernel.
    #[inline]
    fn part_from_parent(&self, py: Python<'_>) -> Result<(), Errno> {
        if self.reactor.is_inherited() && !self.is_closed.load(Ordering::Relaxed) {
            self.mailbox.waker.bell().renew()?;
            self.with(py, |state| state.sources.drop_orphans())?;
        }
        Ok(())
    }

    /// Puts `work` at the end of the ready queue.
    #[inline]
    pub(crate) fn schedule(&self, py: Python<'_>, work: Work) {
        self.with(py, |state| state.queues.ready.schedule(work));
    }

    /// Counts a cancelled timer, and lets go of those that can leave.
    pub(crate) fn note_timer_cancelled(&self, py: Python<'_>) {
        match self.with(py, |state| state.queues.timers.pop_last_ghost()) {
            Some(work) => work.release(py),
            None => self
                .with(py, |state| state.queues.timers.note_cancelled())
                .for_each(|work| work.release(py)),
        }
    }

    /// Fails with asyncio's `RuntimeError` on a closed loop.
    #[inline]
    pub(crate) fn check_closed(&self) -> PyResult<()> {
        if self.is_closed.load(Ordering::Relaxed) {
            return Err(PyRuntimeError::new_err("Event loop is closed"));
        }
        Ok(())
    }

    /// The socket object, weakly, that `fd` was registered for.
    pub(crate) fn owner_of(&self, py: Python<'_>, fd: RawFd) -> Option<Py<PyWeakrefReference>> {
        self.with(py, |state| {
            state.owners.get(&fd).map(|owner| owner.clone_ref(py))
        })
    }

    /// Whether `fd` belongs to a transport.
    pub(crate) fn is_stream(&self, py: Python<'_>, fd: RawFd) -> bool {
        self.with(py, |state| state.stream_fds.contains_key(&fd))
    }

    /// The wait that is under way for `fd` in this direction.
    pub(crate) fn wait_for(
        &self,
        py: Python<'_>,
        fd: RawFd,
        direction: Direction,
    ) -> Option<Py<Wait>> {
        self.with(py, |state| match state.sources.watcher(fd, direction) {
            Some(Watcher::Wait(wait)) => Some(wait.clone_ref(py)),
            _ => None,
        })
    }

    /// Drops everything that waits.
    fn release_everything(&self, py: Python<'_>) {
        // What is dropped may run foreign code, so it leaves the state first.
        let (ready, timers, watchers, others) = self.with(py, |state| {
            let others = (
                std::mem::take(&mut state.unflushed),
                std::mem::take(&mut state.owners),
            );
            (
                state.queues.ready.take(),
                state.queues.timers.take(),
                state.sources.take(),
                others,
            )
        });
        ready
            .into_iter()
            .chain(timers)
            .for_each(|work| work.release(py));
        for watcher in watchers {
            if let Watcher::Handle(queued) = watcher {
                queued.release(py);
            }
        }
        drop(others);
    }
}

#[pymethods]
impl EventLoop {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(
        py: Python<'_>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let bell = EventBell::new().map_err(|errno| os_error(py, errno))?;
        let reactor = Epoll::new().map_err(|errno| os_error(py, errno))?;
        reactor
            .add_bell(&bell, BELL)
            .map_err(|errno| os_error(py, errno))?;
        let reactor = Arc::new(reactor);
        let state = State {
            queues: Queues::default(),
            sources: Sources::new(Arc::clone(&reactor)),
            unflushed: Vec::new(),
            owners: Owners::new(),
            stream_fds: NumberMap::default(),
            thread: None,
        };
        Ok(Self {
            state: Guarded::new(state),
            mailbox: Arc::new(Mailbox {
                inbox: Inbox::default(),
                waker: Waker::new(bell),
            }),
            reactor,
            clock: LoopClock::default(),
            pool: Guarded::new(None),
            scratch: Guarded::new(None),
            spare: Guarded::new(Vec::new()),
            batches: Guarded::new(Batches::default()),
            contexts: Contexts::new(),
            task_factory: Guarded::new(None),
            default_executor: Guarded::new(None),
            files: Guarded::new(None),
            current_handle: Guarded::new(None),
            current_task: Guarded::new(Said::Nothing),
            schedules_natively: Guarded::new(None),
            is_plain: Guarded::new(None),
            slow_callback_duration: Guarded::new(0.1),
            is_time_replaced: AtomicBool::new(false),
            is_turn_replaced: AtomicBool::new(false),
            has_files: AtomicBool::new(false),
            is_debug: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            is_executor_shut_down: AtomicBool::new(false),
            is_in_turn: AtomicBool::new(false),
        })
    }

    /// Whether `close` was called.
    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    /// Whether the loop runs, in whichever thread.
    fn is_running(&self, py: Python<'_>) -> bool {
        self.with(py, |state| state.thread.is_some())
    }

    /// Ends the loop after the turn that is under way; a loop that is not running ends its next run after one turn.
    fn stop(&self, py: Python<'_>) {
        self.with(py, |state| state.queues.is_stopping = true);
    }

    /// Seconds on the loop's clock, which is that of `time.monotonic()` unless another was chosen.
    fn time(&self) -> f64 {
        self.clock.now().as_seconds()
    }

    /// Chooses the loop's clock, before the loop is used.
    #[pyo3(name = "_choose_clock")]
    fn choose_clock(&self, clock: &VirtualClock) -> PyResult<()> {
        self.clock
            .choose(clock, Arc::<Mailbox>::clone(&self.mailbox))
    }

    /// Notes that a thread works for this loop; returns whether that matters to the loop's clock.
    #[pyo3(name = "_hold_clock")]
    fn hold_clock(&self) -> bool {
        self.clock.hold();
        self.clock.stands_still()
    }

    /// Notes that the thread is through. Fit to be a done callback.
    #[pyo3(name = "_release_clock", signature = (*_args))]
    fn release_clock(&self, _args: &Bound<'_, PyTuple>) {
        self.clock.release();
    }

    /// Whether debug mode is on.
    fn get_debug(&self) -> bool {
        self.is_debug()
    }

    /// Turns debug mode on or off.
    fn set_debug(&self, enabled: bool) {
        self.is_debug.store(enabled, Ordering::Relaxed);
    }

    /// Seconds after which debug mode logs a callback as slow.
    #[getter]
    fn slow_callback_duration(&self, py: Python<'_>) -> f64 {
        self.slow_callback_duration.get(py)
    }

    #[setter]
    fn set_slow_callback_duration(&self, py: Python<'_>, seconds: f64) {
        self.slow_callback_duration.replace(py, seconds);
    }

    /// Debug mode only: the handle that is being called.
    #[getter(_current_handle)]
    fn current_handle(&self, py: Python<'_>) -> Option<Py<Handle>> {
        self.current_handle.with(py, |handle| {
            handle.as_ref().map(|handle| handle.clone_ref(py))
        })
    }

    #[pyo3(name = "_check_closed")]
    fn check_closed_from_python(&self) -> PyResult<()> {
        self.check_closed()
    }

    /// Fails in any thread but the one that runs the loop.
    #[pyo3(name = "_check_thread")]
    pub(crate) fn check_thread(&self, py: Python<'_>) -> PyResult<()> {
        let thread = self.with(py, |state| state.thread);
        if thread.is_some_and(|thread| thread != std::thread::current().id()) {
            return Err(PyRuntimeError::new_err(
                "Non-thread-safe operation invoked on an event loop other than the current one",
            ));
        }
        Ok(())
    }

    /// Ends the poll that is under way, from any thread.
    #[pyo3(name = "_wake")]
    pub(crate) fn wake(&self) {
        self.mailbox.waker.wake();
    }

    /// Drops everything that waits and refuses anything new. May be called again.
    #[pyo3(name = "_close_native")]
    fn close_native(&self, py: Python<'_>) {
        if self.is_closed.swap(true, Ordering::Relaxed) {
            return;
        }
        // The reactor first: then nothing has to be taken back from the kernel, and a forked child
        // that closes its copy of the loop takes nothing from its parent.
        self.reactor.close();
        self.mailbox.waker.bell().close();
        self.close_files(py);
        self.release_everything(py);
        drop(self.scratch.replace(py, None));
        drop(self.spare.replace(py, Vec::new()));
        drop(self.batches.replace(py, Batches::default()));
        self.contexts.clear(py);
        let pool = self.pool.replace(py, None);
        blocking::retire(py, pool);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.task_factory
            .visit(|factory| visit.call(factory))
            .unwrap_or(Ok(()))?;
        self.default_executor
            .visit(|default| {
                default
                    .as_ref()
                    .map_or(Ok(()), |default| default.traverse(visit))
            })
            .unwrap_or(Ok(()))?;
        self.contexts.traverse(visit)?;
        self.files
            .visit(|files| files.as_ref().map_or(Ok(()), |files| files.traverse(visit)))
            .unwrap_or(Ok(()))?;
        self.state
            .visit(|state| state.traverse(visit))
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.task_factory.replace(py, None));
        drop(self.default_executor.replace(py, None));
        self.contexts.clear(py);
        self.release_everything(py);
    }
}

impl State {
    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        for work in self.queues.ready.iter().chain(self.queues.timers.iter()) {
            match work {
                Work::Handle(queued) => queued.traverse(visit)?,
                Work::Step(call) => call.traverse(visit)?,
                Work::Task(task) => visit.call(task)?,
                Work::Done(callback) => callback.traverse(visit)?,
                Work::Joint(due) => due.traverse(visit)?,
                Work::Alarm(alarm) => alarm.traverse(visit)?,
                Work::Wake(future) => visit.call(future)?,
                Work::Deliver(delivery) => delivery.traverse(visit)?,
                Work::Callback(handle) => visit.call(handle)?,
                Work::Foreign(handle) => visit.call(handle)?,
                Work::Begin(stream) | Work::End(stream) => visit.call(stream)?,
                Work::Read(stream) | Work::Write(stream) => visit.call(stream)?,
                Work::Receive(endpoint) | Work::Send(endpoint) => visit.call(endpoint)?,
                Work::Ready(wait) => visit.call(wait)?,
            }
        }
        for watcher in self.sources.iter() {
            match watcher {
                Watcher::Handle(queued) => queued.traverse(visit)?,
                Watcher::Stream(stream) => visit.call(stream)?,
                Watcher::Datagrams(endpoint) => visit.call(endpoint)?,
                Watcher::Wait(wait) => visit.call(wait)?,
                Watcher::Files => {}
            }
        }
        self.unflushed
            .iter()
            .try_for_each(|stream| visit.call(stream))
    }
}
