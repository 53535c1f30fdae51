//! What follows from what the kernel said: the one table that decides, for ring and threads alike.

use rustix::io::Errno;

use super::operation::{Extent, Operation, Value};
use crate::sys::calls::{Call, Stage};
use crate::sys::memory::Memory;

/// How often a ring may say «try again» to a transfer before a thread takes it over.
const REFUSALS_MAX: u32 = 8;

/// How an operation goes on.
#[derive(Debug)]
pub(super) enum Next {
    /// It is complete.
    Done(Result<Value, Errno>),
    /// Another call has to be made.
    Again,
    /// Another call has to be made, where it may block.
    OnThread,
}

/// Whether the operation may be told to stop. A descriptor that is being closed must not stay open.
pub(super) fn is_cancellable<M>(operation: &Operation<M>) -> bool {
    !matches!(operation, Operation::Close(_))
}

/// Takes note of a call's `result`, and says what is next.
pub(super) fn advance<M: Memory>(
    call: &mut Call<M>,
    result: Result<usize, Errno>,
    is_cancelled: bool,
) -> Next {
    let is_cancelled = is_cancelled && is_cancellable(&call.operation);
    match (result, call.stage) {
        (Ok(_), Stage::Readiness) => {
            call.stage = Stage::Work;
            again(is_cancelled)
        }
        (Ok(count), Stage::Work) => {
            call.refusals = 0;
            progress(call, count, is_cancelled)
        }
        (Ok(_), Stage::Sync) => {
            let done = call
                .operation
                .transfer()
                .map_or(0, |transfer| transfer.done);
            Next::Done(Ok(Value::Count(done)))
        }
        // Linux has closed the descriptor whatever it answers: it may have another owner already.
        (Err(Errno::INTR), _) if !is_cancellable(&call.operation) => Next::Done(Ok(Value::Done)),
        // A ring gives these also to the operations of a thread that has ended.
        (Err(Errno::INTR | Errno::CANCELED), _) => again(is_cancelled),
        (Err(Errno::AGAIN), _) if call.is_transfer() => {
            call.stage = Stage::Readiness;
            call.refusals += 1;
            if call.refusals > REFUSALS_MAX && !is_cancelled {
                Next::OnThread
            } else {
                again(is_cancelled)
            }
        }
        (Err(errno), _) => Next::Done(failure(call, errno)),
    }
}

fn again(is_cancelled: bool) -> Next {
    if is_cancelled {
        Next::Done(Err(Errno::CANCELED))
    } else {
        Next::Again
    }
}

fn progress<M: Memory>(call: &mut Call<M>, count: usize, is_cancelled: bool) -> Next {
    let (done, is_complete) = match &mut call.operation {
        Operation::Read(transfer) => {
            transfer.done += count;
            let is_short = count > 0 && transfer.extent == Extent::All;
            (transfer.done, !is_short)
        }
        Operation::Write(transfer) => {
            transfer.done += count;
            (transfer.done, transfer.extent == Extent::Some)
        }
        Operation::Save(transfer, _) => {
            transfer.done += count;
            if call.left() == 0 {
                call.stage = Stage::Sync;
                return again(is_cancelled);
            }
            (0, false)
        }
        Operation::Copy { done, length, .. } => {
            *done += count;
            (*done, count == 0 || done == length)
        }
        Operation::Open { .. } => {
            let opened = call.take_opened().map(Value::File);
            return Next::Done(opened.ok_or(Errno::BADF));
        }
        Operation::Stat { .. } => {
            let stat = call.take_stat().map(Value::Stat);
            return Next::Done(stat.ok_or(Errno::IO));
        }
        _ => return Next::Done(Ok(Value::Done)),
    };
    if is_complete || call.left() == 0 {
        Next::Done(Ok(Value::Count(done)))
    } else if count == 0 {
        // A file that takes nothing and gives no reason would be asked for ever.
        Next::Done(Err(Errno::IO))
    } else {
        again(is_cancelled)
    }
}

/// What was read before an error is told first: the error comes again with the next read. What was
/// written is told with the error, as the transfer's progress.
fn failure<M>(call: &Call<M>, errno: Errno) -> Result<Value, Errno> {
    match &call.operation {
        Operation::Read(transfer) if transfer.done > 0 => Ok(Value::Count(transfer.done)),
        _ => Err(errno),
    }
}
