//! The extension module `aioxide._core`: a contents page.

use pyo3::prelude::*;

mod addresses;
mod clock;
mod contexts;
mod errors;
mod event_loop;
mod future;
mod handle;
mod raw;
mod sock;
mod task;
mod transports;

/// aioxide's native half. Use it through the package `aioxide`.
#[pymodule(gil_used = true)]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::clock::VirtualClock;
    #[pymodule_export]
    use crate::event_loop::EventLoop;
    #[pymodule_export]
    use crate::future::{
        Future, FutureIter, future_add_to_awaited_by, future_discard_from_awaited_by,
    };
    #[pymodule_export]
    use crate::handle::{Handle, ThreadSafeHandle, TimerHandle};
    #[pymodule_export]
    use crate::sock::{SockOperation, Wait};
    #[pymodule_export]
    use crate::task::{Resumption, Task, registered_tasks};
    #[pymodule_export]
    use crate::transports::datagram::DatagramEndpoint;
    #[pymodule_export]
    use crate::transports::stream::Stream;
    #[pymodule_export]
    use crate::transports::tls::Tls;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::event_loop::prepare(module.py())?;
        crate::future::prepare(module.py())?;
        crate::task::prepare(module.py())?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }

    /// How the extension was built, as texts by name.
    #[pyfunction]
    fn build_info() -> std::collections::BTreeMap<&'static str, String> {
        [
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("backend", "epoll".to_owned()),
            (
                "target",
                format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
            ),
        ]
        .into()
    }
}
