//! The engine's view of the loop: how work runs, how the thread sleeps, and when writes go out.

use std::sync::atomic::Ordering;
use std::time::Duration;

use aioxide_engine::clock::{Calm, Clock, Instant, Rest};
use aioxide_engine::reactor::{Event, Reactor};
use aioxide_engine::sources::{Direction, TOKEN_RESERVED_MIN, Watchers};
use aioxide_engine::turn::{self, Exit, Host, Queues};
use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError, PySystemExit};
use pyo3::prelude::*;
use pyo3::types::{PyContext, PyDict};
use rustix::io::Errno;

use super::{EventLoop, Watcher, Work, foreign};
use crate::errors::os_error;
use crate::future::{Callback, Future};
use crate::handle::{Args, Call, Handle, Queued};
use crate::raw::attached;
use crate::task::{Next, Resumption, Task};
use crate::transports::datagram::DatagramEndpoint;
use crate::transports::stream::Stream;

/// Reads of up to this many bytes pass through the loop's scratch memory.
pub(crate) const SCRATCH_SIZE: usize = 64 * 1024;

/// How much is read at a time of what is to be decrypted: six of the largest records. The bytes object that they are
/// decrypted to stays, together with a seventh that was waiting for its end, below 128 KiB, from where on glibc's
/// allocator asks the kernel for each object, and gives it back.
const ENCRYPTED_SIZE: usize = 108 * 1024;
/// No more than this is kept to encrypt to: as much as is encrypted before it is sent, doubled by its growth.
const SPARE_MAX: usize = 256 * 1024;

/// Memory for one read, lent out while a socket is read.
pub(crate) type Scratch = Box<[u8]>;

/// A loop in the thread that runs it, which says to slots that it does.
pub(super) struct Running<'a, 'py>(&'a Bound<'py, EventLoop>, attached::Run<'a, 'py>);

/// A run under way. Ends with it however that ends, or no later run would be let in.
pub(super) struct Run<'a, 'py>(pub(super) &'a Bound<'py, EventLoop>);

impl Drop for Run<'_, '_> {
    fn drop(&mut self) {
        let py = self.0.py();
        EventLoop::leave_stage(self.0);
        self.0.get().end_run(py);
    }
}

impl<'a, 'py> Running<'a, 'py> {
    /// To be made by a method that PyO3 has called, and to last no longer than the call.
    pub(super) fn new(event_loop: &'a Bound<'py, EventLoop>) -> Self {
        Self(event_loop, attached::Run::begin(event_loop))
    }

    fn py(&self) -> Python<'py> {
        self.0.py()
    }

    fn event_loop(&self) -> &EventLoop {
        self.0.get()
    }
}

impl Host for Running<'_, '_> {
    type Work = Work;
    type Error = Box<PyErr>;

    fn clock(&self) -> &dyn Clock {
        &*self.event_loop().clock
    }

    #[inline]
    fn times_every_turn(&self) -> bool {
        self.event_loop().is_time_replaced()
    }

    #[inline]
    fn due(&self, now: Instant) -> Result<Instant, Box<PyErr>> {
        if !self.event_loop().is_time_replaced() {
            return Ok(now);
        }
        EventLoop::leave_stage(self.0);
        Ok(Instant::at_or_after_seconds(EventLoop::timer_seconds(
            self.0,
        )?))
    }

    fn rest(&self, deadline: Option<Instant>, calm: Calm) -> Result<Rest, Box<PyErr>> {
        if !self.event_loop().is_time_replaced() {
            return Ok(self.clock().rest(deadline, calm));
        }
        EventLoop::leave_stage(self.0);
        Ok(EventLoop::rest_by_replaced_time(self.0, deadline)?)
    }

    #[inline]
    fn queues<R>(&self, access: impl FnOnce(&mut Queues<Work>) -> R) -> R {
        self.event_loop()
            .with(self.py(), |state| access(&mut state.queues))
    }

    #[inline]
    fn collect_inbox(&self) -> Result<(), Box<PyErr>> {
        let event_loop = self.event_loop();
        if event_loop.has_files() || event_loop.mailbox.inbox.has_post() {
            self.collect_post()?;
        }
        Ok(())
    }

    fn poll(&self, events: &mut Vec<Event>) -> Result<(), Errno> {
        self.event_loop().part_from_parent(self.py())?;
        self.event_loop().reactor.poll(events, Some(Duration::ZERO))
    }

    fn park(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> Result<(), Errno> {
        EventLoop::leave_stage(self.0);
        let event_loop = self.event_loop();
        event_loop.part_from_parent(self.py())?;
        let waker = &event_loop.mailbox.waker;
        waker.announce_sleep();
        // The last look: whoever fills a queue after this sees that the loop sleeps, and rings.
        let has_work = event_loop.mailbox.inbox.has_post()
            || event_loop.has_file_work(self.py())
            || event_loop.with(self.py(), |state| {
                let queues = &state.queues;
                !queues.ready.is_empty() || queues.is_stopping || !state.unflushed.is_empty()
            });
        let polled = if has_work {
            let polled = self.poll(events);
            events.push(Event::INTERRUPTION);
            polled
        } else {
            let reactor = &*event_loop.reactor;
            // Outside of a turn nothing is held back: what another thread writes now goes out now.
            event_loop.is_in_turn.store(false, Ordering::Relaxed);
            let polled = self.py().detach(|| reactor.poll(events, timeout));
            event_loop.is_in_turn.store(true, Ordering::Relaxed);
            polled
        };
        waker.announce_wake();
        polled
    }

    fn dispatch(&self, events: &[Event]) -> Result<(), Box<PyErr>> {
        // Python's signal handlers run here at the latest: a turn may run no bytecode at all.
        EventLoop::leave_stage(self.0);
        self.1.resume();
        let py = self.py();
        py.check_signals()?;
        for event in events.iter().filter(|event| is_of_source(event)) {
            let watchers = self.event_loop().with(py, |state| {
                state
                    .sources
                    .watchers_of(*event, |watcher| watcher.clone_ref(py))
            });
            self.schedule_watchers(watchers);
        }
        self.event_loop().with(py, |state| {
            if state.sources.has_orphans() {
                // Refused only if no descriptor is free; the next such event tries again.
                let _refused = state.sources.drop_orphans();
            }
        });
        Ok(EventLoop::collect_files(self.0)?)
    }

    #[inline]
    fn run(&self, work: Work) -> Result<(), Box<PyErr>> {
        match work {
            Work::Task(task) => EventLoop::step_task(self.0, task.into_bound(self.py())),
            Work::Handle(queued) => Ok(self.run_handle(queued)?),
            other => Ok(self.run_other(other)?),
        }
    }

    #[inline]
    fn flush(&self) -> Result<(), Box<PyErr>> {
        let event_loop = self.event_loop();
        let holds_nothing = event_loop.with(self.py(), |state| state.unflushed.is_empty());
        if !holds_nothing || event_loop.has_files() {
            self.flush_held()?;
        }
        Ok(())
    }
}

impl Running<'_, '_> {
    /// Schedules what other threads, and the file operations, have left.
    #[inline(never)]
    fn collect_post(&self) -> PyResult<()> {
        EventLoop::collect_files(self.0)?;
        let inbox = &self.event_loop().mailbox.inbox;
        if !inbox.has_post() {
            return Ok(());
        }
        EventLoop::leave_stage(self.0);
        // One that cannot be delivered must not take the others with it.
        let mut result = Ok(());
        for completion in inbox.collect() {
            result = result.and(completion.deliver(self.py()));
        }
        result
    }

    /// Calls a handle from the ready queue.
    #[inline(never)]
    fn run_handle(&self, queued: Queued) -> PyResult<()> {
        EventLoop::leave_task(self.0)?;
        EventLoop::run_queued(&queued.into_handle().into_bound(self.py()))
    }

    /// Runs work that is neither a step of a task of ours nor a handle from the ready queue.
    #[inline(never)]
    fn run_other(&self, work: Work) -> PyResult<()> {
        let py = self.py();
        // From one step to the next, and from one callback to the next, the thread stays in their context.
        match &work {
            Work::Done(..) | Work::Step(_) => EventLoop::leave_task(self.0)?,
            Work::Handle(_) => {}
            _ => EventLoop::leave_stage(self.0),
        }
        match work {
            Work::Task(task) => {
                EventLoop::step_task(self.0, task.into_bound(py)).map_err(|error| *error)
            }
            Work::Done(callback) => EventLoop::run_done(self.0, callback),
            Work::Handle(queued) => self.run_handle(queued),
            Work::Step(step) => EventLoop::run_step(py, *step),
            Work::Joint(due) => EventLoop::report_failure(self.0, due.run(py)),
            Work::Alarm(alarm) => EventLoop::report_failure(self.0, alarm.ring(py)),
            Work::Wake(future) => {
                EventLoop::report_failure(self.0, Future::end_sleep(&future.into_bound(py)))
            }
            Work::Deliver(delivery) => delivery.deliver(py),
            Work::Callback(handle) => EventLoop::run_handle(handle.bind(py)),
            Work::Foreign(handle) => foreign::run(handle.bind(py)),
            Work::Begin(stream) => Stream::begin_life(stream.bind(py)),
            Work::End(stream) => Stream::end_life(stream.bind(py)),
            Work::Read(stream) => stream.bind(py).get().read_ready(stream.bind(py)),
            Work::Write(stream) => stream.bind(py).get().write_ready(stream.bind(py)),
            Work::Receive(endpoint) => DatagramEndpoint::ready(endpoint.bind(py), Direction::Read),
            Work::Send(endpoint) => DatagramEndpoint::ready(endpoint.bind(py), Direction::Write),
            Work::Ready(wait) => wait.get().complete(py),
        }
    }

    /// Does what `flush` has to do.
    #[inline(never)]
    fn flush_held(&self) -> PyResult<()> {
        let py = self.py();
        let event_loop = self.event_loop();
        let mut result = Ok(());
        loop {
            // A protocol that is told to go on may write again: nothing may be held while the loop sleeps.
            let unflushed = event_loop.with(py, |state| {
                (!state.unflushed.is_empty()).then(|| std::mem::take(&mut state.unflushed))
            });
            let Some(mut unflushed) = unflushed else {
                return result.and(EventLoop::flush_files(self.0));
            };
            EventLoop::leave_stage(self.0);
            for stream in unflushed.drain(..) {
                let stream = stream.bind(py);
                result = result.and(stream.get().flush_held(stream));
            }
            // The next turn need not ask for memory again.
            event_loop.with(py, |state| {
                if state.unflushed.capacity() == 0 {
                    state.unflushed = unflushed;
                }
            });
        }
    }
}

/// Whether an event is of a source: not of the bell, and not an interruption.
fn is_of_source(event: &Event) -> bool {
    event.token.0 < TOKEN_RESERVED_MIN
}

impl Running<'_, '_> {
    fn schedule_watchers(&self, watchers: Watchers<Watcher>) {
        let reader = watchers.reader.and_then(|watcher| match watcher {
            Watcher::Handle(queued) => Some(Work::Callback(queued.into_handle())),
            Watcher::Stream(stream) => Some(Work::Read(stream)),
            Watcher::Datagrams(endpoint) => Some(Work::Receive(endpoint)),
            Watcher::Wait(wait) => Some(Work::Ready(wait)),
            // Collected after all events.
            Watcher::Files => None,
        });
        let writer = watchers.writer.and_then(|watcher| match watcher {
            Watcher::Handle(queued) => Some(Work::Callback(queued.into_handle())),
            Watcher::Stream(stream) => Some(Work::Write(stream)),
            Watcher::Datagrams(endpoint) => Some(Work::Send(endpoint)),
            Watcher::Wait(wait) => Some(Work::Ready(wait)),
            Watcher::Files => None,
        });
        for work in reader.into_iter().chain(writer) {
            self.event_loop().schedule(self.py(), work);
        }
    }
}

/// Whether an exception ends the loop instead of going to its exception handler.
pub(crate) fn ends_the_loop(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PySystemExit>(py) || error.is_instance_of::<PyKeyboardInterrupt>(py)
}

impl EventLoop {
    /// Calls a handle that may be called again.
    pub(crate) fn run_handle(handle: &Bound<'_, Handle>) -> PyResult<()> {
        match handle.get().call(handle.py()) {
            Some(call) => Self::run_call(handle, call),
            None => Ok(()),
        }
    }

    /// Calls a handle for the last time.
    #[inline]
    fn run_queued(handle: &Bound<'_, Handle>) -> PyResult<()> {
        let py = handle.py();
        handle.get().set_timed(false);
        let Some(mut call) = handle.get().take_call(py) else {
            return Ok(());
        };
        if call.event_loop().get().is_debug() {
            Self::leave_stage(call.event_loop().bind(py));
            return Self::run_handle_debugged(handle, call);
        }
        match Handle::while_running(handle, || call.run_next(py)) {
            Ok(()) => {
                call.release(py);
                Ok(())
            }
            Err(error) => {
                let event_loop = call.event_loop().clone_ref(py);
                handle.get().restore_call(py, call);
                let reported = Self::callback_failed(event_loop.bind(py), handle, error);
                drop(handle.get().take_call(py));
                reported
            }
        }
    }

    /// Reports what a native has raised where a callback would have been.
    #[inline]
    fn report_failure(slf: &Bound<'_, Self>, result: PyResult<()>) -> PyResult<()> {
        result.or_else(|error| Self::native_failed(slf, error))
    }

    #[cold]
    fn native_failed(slf: &Bound<'_, Self>, error: PyErr) -> PyResult<()> {
        let py = slf.py();
        if ends_the_loop(py, &error) {
            return Err(error);
        }
        let report = PyDict::new(py);
        report.set_item("message", "Exception in a native callback")?;
        report.set_item("exception", error.into_value(py))?;
        slf.call_method1("call_exception_handler", (report,))?;
        Ok(())
    }

    /// Steps a C task. What a task raises it keeps, so that nothing but the end of the loop comes out here.
    #[inline]
    fn run_step(py: Python<'_>, mut step: Call) -> PyResult<()> {
        match step.run_next(py) {
            Ok(()) => {
                step.release(py);
                Ok(())
            }
            Err(error) => {
                let event_loop = step.event_loop().clone_ref(py);
                let handle = Handle::of_call(py, step)?;
                Self::callback_failed(event_loop.bind(py), &handle, error)
            }
        }
    }

    /// Steps a task of ours. What its coroutine raises it keeps: only the end of the loop comes out, or that
    /// the task could not be stepped, which is reported.
    #[inline]
    fn step_task(slf: &Bound<'_, Self>, task: Bound<'_, Task>) -> Result<(), Box<PyErr>> {
        let failed = match Self::run_task(slf, &task) {
            Ok(Next::Again) if slf.get().takes_tasks() => {
                slf.get().schedule(slf.py(), Work::Task(task.unbind()));
                return Ok(());
            }
            Ok(Next::Again) => Task::schedule_step(&task, Some(slf.get())),
            Ok(Next::Waits | Next::Ended) => return Ok(()),
            Err(error) => Err(*error),
        };
        if let Err(error) = failed {
            Self::step_failed(slf, &task, error)?;
        }
        Ok(())
    }

    #[cold]
    fn step_failed(slf: &Bound<'_, Self>, task: &Bound<'_, Task>, error: PyErr) -> PyResult<()> {
        let py = slf.py();
        if ends_the_loop(py, &error) {
            return Err(error);
        }
        let step = Bound::new(py, Resumption::step(task.clone().unbind()))?;
        let context = Task::own_context(task)?.into_bound(py);
        Self::call_failed(slf, step.as_any(), Args::Zero, context, error)
    }

    /// Calls a callback of a future that is done.
    #[inline]
    fn run_done(slf: &Bound<'_, Self>, mut callback: Box<Callback>) -> PyResult<()> {
        let py = slf.py();
        let Some(future) = callback.future.take() else {
            return Ok(());
        };
        let future = future.bind(py);
        match slf.get().call_done(&mut callback, future) {
            Ok(()) => Ok(()),
            Err(error) => {
                let args = Args::One([future.clone().into_any().unbind()]);
                let context = Self::reported_context(py, callback.context)?;
                Self::call_failed(slf, callback.callable.bind(py), args, context, error)
            }
        }
    }

    /// In debug mode the handle keeps what it calls until everything has been said about it.
    #[cold]
    fn run_handle_debugged(handle: &Bound<'_, Handle>, call: Call) -> PyResult<()> {
        let py = handle.py();
        handle.get().restore_call(py, call);
        handle.get().own_context(py)?;
        let result = Self::run_handle(handle);
        drop(handle.get().take_call(py));
        result
    }

    /// Makes the call; what it raises goes to the exception handler, unless it ends the loop.
    fn run_call(handle: &Bound<'_, Handle>, mut call: Call) -> PyResult<()> {
        let py = handle.py();
        let event_loop = call.event_loop().clone_ref(py);
        let event_loop = event_loop.bind(py);
        if event_loop.get().is_debug() {
            return Self::run_call_debugged(event_loop, handle, &mut call);
        }
        match call.run(py) {
            Ok(()) => Ok(()),
            Err(error) => Self::callback_failed(event_loop, handle, error),
        }
    }

    /// Makes the call, names its handle to whoever asks meanwhile, and says so if it was slow.
    fn run_call_debugged(
        event_loop: &Bound<'_, Self>,
        handle: &Bound<'_, Handle>,
        call: &mut Call,
    ) -> PyResult<()> {
        let py = handle.py();
        let slf = event_loop.get();
        let begin = Self::timer_seconds(event_loop)?;
        let outer = slf
            .current_handle
            .replace(py, Some(handle.clone().unbind()));
        let result = match Handle::while_running(handle, || call.run(py)) {
            Ok(()) => Ok(()),
            Err(error) => Self::callback_failed(event_loop, handle, error),
        };
        drop(slf.current_handle.replace(py, outer));
        let seconds = Self::timer_seconds(event_loop)? - begin;
        if seconds >= slf.slow_callback_duration.get(py) {
            event_loop.call_method1("_slow_callback", (handle, seconds))?;
        }
        result
    }

    /// Reports what was raised by a call that was made without a handle, unless it ends the loop.
    #[cold]
    pub(crate) fn call_failed(
        slf: &Bound<'_, Self>,
        callback: &Bound<'_, PyAny>,
        args: Args,
        context: Bound<'_, PyContext>,
        error: PyErr,
    ) -> PyResult<()> {
        let call = Call::new(slf, callback, args, Some(context))?;
        Self::callback_failed(slf, &Handle::of_call(slf.py(), call)?, error)
    }

    #[cold]
    fn callback_failed(
        event_loop: &Bound<'_, Self>,
        handle: &Bound<'_, Handle>,
        error: PyErr,
    ) -> PyResult<()> {
        let py = handle.py();
        if ends_the_loop(py, &error) {
            return Err(error);
        }
        Self::leave_stage(event_loop);
        event_loop.call_method1("_callback_failed", (handle, error.into_value(py)))?;
        Ok(())
    }

    /// Memory to encrypt to, empty, and perhaps still without a place of its own.
    pub(crate) fn take_spare(&self, py: Python<'_>) -> Vec<u8> {
        self.spare.replace(py, Vec::new())
    }

    /// Keeps memory for whoever encrypts next, unless it is too much to keep, or less than there is already.
    pub(crate) fn keep_spare(&self, py: Python<'_>, mut memory: Vec<u8>) {
        memory.clear();
        let released = self.spare.with(py, |spare| {
            if memory.capacity() > spare.capacity() && memory.capacity() <= SPARE_MAX {
                std::mem::swap(spare, &mut memory);
            }
            memory
        });
        drop(released);
    }

    /// Lends the scratch memory to `read`. A nested loan gets memory of its own.
    pub(crate) fn with_scratch<R>(&self, py: Python<'_>, read: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut scratch = self
            .scratch
            .replace(py, None)
            .unwrap_or_else(|| vec![0; ENCRYPTED_SIZE].into_boxed_slice());
        let result = read(&mut scratch);
        drop(self.scratch.replace(py, Some(scratch)));
        result
    }

    pub(super) fn begin_run(&self, py: Python<'_>) -> PyResult<()> {
        self.check_closed()?;
        let thread = std::thread::current().id();
        let is_running = self.with(py, |state| {
            state
                .thread
                .replace(thread)
                .map(|other| state.thread = Some(other))
        });
        if is_running.is_some() {
            return Err(PyRuntimeError::new_err(
                "This event loop is already running",
            ));
        }
        self.is_in_turn.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// What ended turns, once everything is out that was written before.
    pub(super) fn finish_turns(
        slf: &Bound<'_, Self>,
        ended: Result<(), Exit<Box<PyErr>>>,
    ) -> PyResult<()> {
        let flushed = Running::new(slf).flush();
        match ended {
            Ok(()) => flushed.map_err(|error| *error),
            Err(Exit::Host(error)) => Err(*error),
            Err(Exit::Poll(errno)) => Err(os_error(slf.py(), errno)),
        }
    }

    fn end_run(&self, py: Python<'_>) {
        self.is_in_turn.store(false, Ordering::Relaxed);
        self.with(py, |state| {
            state.thread = None;
            state.queues.is_stopping = false;
        });
    }
}

#[pymethods]
impl EventLoop {
    /// Runs turns until `stop` is called, or until an exception ends the loop.
    #[pyo3(name = "_run_turns")]
    fn run_turns(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        slf.get().begin_run(py)?;
        let _run = Run(slf);
        if slf.get().is_turn_replaced() {
            return Self::run_replaced_turns(slf);
        }
        Self::finish_turns(slf, turn::run(&Running::new(slf)))
    }
}
