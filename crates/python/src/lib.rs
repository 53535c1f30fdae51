//! The extension module `aioxide._core`: a contents page.

use std::collections::BTreeMap;

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;

mod accepting;
mod addresses;
mod alarm;
mod any_task;
mod clients;
mod clock;
mod contexts;
mod count;
mod deque;
mod errors;
mod event_loop;
mod files;
mod future;
mod handle;
mod joint;
mod locks;
mod loop_bound;
mod names;
mod numbers;
mod programs;
mod queues;
mod raw;
mod routine;
mod running;
mod shield;
mod sleeping;
mod sock;
mod streams;
mod task;
mod task_group;
mod threads;
mod timeouts;
mod transports;
mod waiting;

/// aioxide's native half. Use it through the package `aioxide`.
// Python turns the GIL on for us, unless it is told otherwise (`-X gil=0`): the tests have not run on a
// free-threaded Python 3.14 yet, the oldest that PyO3 builds for.
#[pymodule(gil_used = true)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    // Before anything is made: classes, and what functions remember, belong to one interpreter.
    if !raw::interpreter::is_main(py) {
        return Err(PyImportError::new_err(
            "module aioxide._core does not support loading in subinterpreters",
        ));
    }
    module.add_class::<clients::Clients>()?;
    module.add_class::<clock::VirtualClock>()?;
    module.add_class::<event_loop::EventLoop>()?;
    module.add_class::<future::Future>()?;
    module.add_class::<future::FutureIter>()?;
    module.add_class::<handle::Handle>()?;
    module.add_class::<handle::ThreadSafeHandle>()?;
    module.add_class::<handle::TimerHandle>()?;
    module.add_class::<joint::AsCompleted>()?;
    module.add_class::<joint::GatheringFuture>()?;
    module.add_class::<joint::JointCallback>()?;
    module.add_class::<joint::WaitGroup>()?;
    module.add_class::<locks::barrier::Barrier>()?;
    module.add_class::<locks::condition::Condition>()?;
    module.add_class::<locks::event::Event>()?;
    module.add_class::<locks::lock::Lock>()?;
    module.add_class::<locks::semaphore::BoundedSemaphore>()?;
    module.add_class::<locks::semaphore::Semaphore>()?;
    module.add_class::<queues::LifoQueue>()?;
    module.add_class::<queues::PriorityQueue>()?;
    module.add_class::<queues::Queue>()?;
    module.add_class::<routine::Coroutine>()?;
    module.add_class::<routine::CoroutineWrapper>()?;
    module.add_class::<sock::SockOperation>()?;
    module.add_class::<sock::Wait>()?;
    module.add_class::<streams::FlowControl>()?;
    module.add_class::<streams::ReaderProtocol>()?;
    module.add_class::<streams::StreamReader>()?;
    module.add_class::<streams::StreamWriter>()?;
    module.add_class::<task::Resumption>()?;
    module.add_class::<task::Task>()?;
    module.add_class::<threads::ContextCall>()?;
    module.add_class::<threads::JobQueue>()?;
    module.add_class::<threads::Submission>()?;
    module.add_class::<threads::Worker>()?;
    module.add_class::<threads::Wrapper>()?;
    module.add_class::<shield::Shield>()?;
    module.add_class::<task_group::TaskGroup>()?;
    module.add_class::<timeouts::Timeout>()?;
    module.add_class::<transports::datagram::DatagramEndpoint>()?;
    module.add_class::<transports::native_method::NativeMethod>()?;
    module.add_class::<transports::stream::Stream>()?;
    module.add_class::<transports::tls::Tls>()?;
    module.add_function(wrap_pyfunction!(accepting::accept, module)?)?;
    module.add_function(wrap_pyfunction!(accepting::admit, module)?)?;
    module.add_function(wrap_pyfunction!(build_info, module)?)?;
    module.add_function(wrap_pyfunction!(event_loop::adopt_methods, module)?)?;
    module.add_function(wrap_pyfunction!(files::file_backend, module)?)?;
    module.add_function(wrap_pyfunction!(names::literal_address_info, module)?)?;
    module.add_function(wrap_pyfunction!(programs::start_program, module)?)?;
    module.add_function(wrap_pyfunction!(routine::native_function, module)?)?;
    module.add_function(wrap_pyfunction!(task::registered_tasks, module)?)?;
    module.add_function(wrap_pyfunction!(future::future_add_to_awaited_by, module)?)?;
    module.add_function(wrap_pyfunction!(
        future::future_discard_from_awaited_by,
        module
    )?)?;
    module.add("NativeFunction", raw::function::class(py)?)?;
    files::add_to(module)?;
    prepare(py)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))
}

/// Gives classes what PyO3 has no word for. To be called once, before anybody can subclass them.
fn prepare(py: Python<'_>) -> PyResult<()> {
    event_loop::prepare(py)?;
    future::prepare(py)?;
    handle::prepare(py)?;
    joint::prepare(py)?;
    routine::prepare(py)?;
    task::prepare(py)?;
    timeouts::prepare(py)
}

/// How the extension was built, as texts by name.
#[pyfunction]
fn build_info() -> BTreeMap<&'static str, String> {
    [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("backend", "epoll".to_owned()),
        ("optimised by", env!("AIOXIDE_OPTIMISED_BY").to_owned()),
        (
            "target",
            format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        ),
    ]
    .into()
}
