//! `timeout` and `wait_for`: the task is cancelled when the time is up, and the cancellation becomes a `TimeoutError`.

mod finalizing;
mod timeout;
mod wait_for;

pub(crate) use finalizing::prepare;
pub(crate) use timeout::Timeout;

use crate::routine::Function;

/// The functions of this module.
pub(crate) static FUNCTIONS: &[&Function] = &[
    &timeout::ENTER,
    &timeout::EXIT,
    &timeout::TIMEOUT,
    &timeout::TIMEOUT_AT,
    &wait_for::WAIT_FOR,
];
