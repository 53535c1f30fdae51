//! `sleep`.

use std::convert::Infallible;

use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyFloat, PyInt};

use crate::alarm::{Alarm, Purpose, Timer};
use crate::event_loop::EventLoop;
use crate::future::Future;
use crate::raw::fastcall::Arguments;
use crate::routine::{Coroutine, Function, Input, Progress, Routine};
use crate::running::RunningLoop;

pub(crate) const FUNCTIONS: &[&Function] = &[&SLEEP];

pub(crate) static SLEEP: Function = Function {
    qualname: "sleep",
    call: sleep,
};

fn sleep<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let names = [intern!(py, "delay"), intern!(py, "result")];
    let Some([Some(delay), result]) = arguments.fit(2, names) else {
        return Ok(None);
    };
    let result = result.filter(|result| !result.is_none());
    if result.is_none() && is_known_zero_or_less(&delay) == Some(true) {
        return Coroutine::pause(py, &SLEEP);
    }
    let sleep = Sleep {
        delay: delay.to_owned().unbind(),
        result: result.map_or_else(|| py.None(), |result| result.to_owned().unbind()),
        stage: Stage::New,
    };
    Coroutine::start(py, &SLEEP, sleep)
}

/// What `sleep` does for a delay that is Python's one and only 0. Does not panic.
#[inline]
pub(crate) fn pause_at_once(delay: Borrowed<'_, '_, PyAny>) -> Option<Py<PyAny>> {
    static ZERO: PyOnceLock<Py<PyInt>> = PyOnceLock::new();
    let py = delay.py();
    let zero = ZERO.get_or_init(py, || {
        let Ok::<_, Infallible>(zero) = 0_i32.into_pyobject(py);
        zero.unbind()
    });
    if !delay.is(zero) {
        return None;
    }
    Coroutine::pause_at_once(py, &SLEEP)
}

/// Whether a number is not above zero, if it is of a kind that cannot change its mind.
#[inline]
fn is_known_zero_or_less(delay: &Bound<'_, PyAny>) -> Option<bool> {
    if let Ok(delay) = delay.cast_exact::<PyFloat>() {
        return Some(delay.value() <= 0.0);
    }
    if !delay.is_exact_instance_of::<PyInt>() {
        return None;
    }
    // One that is too large for the type is above zero or below, but does not have to be fast.
    delay.extract::<i64>().ok().map(|delay| delay <= 0)
}

/// Whether a number is not above zero, as it says itself.
#[inline]
pub(crate) fn is_zero_or_less(delay: &Bound<'_, PyAny>) -> PyResult<bool> {
    is_known_zero_or_less(delay).map_or_else(|| delay.le(0), Ok)
}

/// A sleep, which may turn out to have no length.
struct Sleep {
    delay: Py<PyAny>,
    result: Py<PyAny>,
    stage: Stage,
}

enum Stage {
    New,
    GaveWay,
    /// This future waits among the timers of the loop.
    Asleep(Py<EventLoop>, Py<Future>),
    /// Waits for this.
    Timer(Timer),
}

impl Sleep {
    fn begin<'py>(&mut self, py: Python<'py>) -> PyResult<Progress<'py>> {
        let delay = self.delay.bind(py);
        if is_zero_or_less(delay)? {
            self.stage = Stage::GaveWay;
            return Ok(Progress::GiveWay);
        }
        if cfg!(Py_3_13) && delay.extract::<f64>()?.is_nan() {
            return Err(PyValueError::new_err("Invalid delay: NaN (not a number)"));
        }
        let event_loop = RunningLoop::get(py)?;
        let RunningLoop::Native(ours) = &event_loop else {
            return self.wait_for_timer(&event_loop);
        };
        let future = EventLoop::new_future(ours)?;
        let delay = delay.extract::<f64>()?;
        let when = ours.get().seconds_now() + delay;
        if self.result.is_none(py) {
            Future::begin_sleep(&future, ours.get(), when, delay)?;
            self.stage = Stage::Asleep(ours.clone().unbind(), future.clone().unbind());
            return Ok(Progress::Await(future.into_any()));
        }
        let purpose = Purpose::Settle(future.clone().unbind(), self.result.clone_ref(py));
        let alarm = Alarm::set(ours, when, delay, purpose)?;
        self.stage = Stage::Timer(Timer::Alarm(ours.clone().unbind(), alarm));
        Ok(Progress::Await(future.into_any()))
    }

    /// As `begin`, on any loop.
    fn wait_for_timer<'py>(&mut self, event_loop: &RunningLoop<'py>) -> PyResult<Progress<'py>> {
        static SET_RESULT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = event_loop.as_any().py();
        let set_result = SET_RESULT.get_or_try_init(py, || {
            let futures = py.import("asyncio.futures")?;
            let set_result = futures.getattr("_set_result_unless_cancelled")?;
            Ok::<_, PyErr>(set_result.unbind())
        })?;
        let future = event_loop.create_future()?;
        let arguments = (&self.delay, set_result, &future, &self.result);
        let call_later = intern!(py, "call_later");
        let timer = event_loop.as_any().call_method1(call_later, arguments)?;
        self.stage = Stage::Timer(Timer::Handle(timer.unbind()));
        Ok(Progress::Await(future))
    }

    /// The wait is over, or was given up.
    fn cancel_timer(&mut self, py: Python<'_>) -> PyResult<()> {
        match std::mem::replace(&mut self.stage, Stage::New) {
            Stage::New | Stage::GaveWay => Ok(()),
            Stage::Asleep(event_loop, future) => {
                let (event_loop, future) = (event_loop.into_bound(py), future.into_bound(py));
                if future.get().give_up_sleep(py) {
                    event_loop.get().note_timer_cancelled(py);
                }
                Ok(())
            }
            Stage::Timer(timer) => timer.cancel(py),
        }
    }
}

impl Routine for Sleep {
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        if matches!(input, Input::Start) {
            return self.begin(py);
        }
        let gave_way = matches!(self.stage, Stage::GaveWay);
        self.cancel_timer(py)?;
        let value = input.value(py)?;
        Ok(Progress::Return(if gave_way {
            self.result.bind(py).clone()
        } else {
            value
        }))
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.delay)?;
        visit.call(&self.result)?;
        match &self.stage {
            Stage::New | Stage::GaveWay => Ok(()),
            Stage::Asleep(event_loop, future) => {
                visit.call(event_loop)?;
                visit.call(future)
            }
            Stage::Timer(timer) => timer.traverse(visit),
        }
    }

    fn release(self: Box<Self>, py: Python<'_>) {
        drop(self.delay.into_bound(py));
        drop(self.result.into_bound(py));
    }
}
