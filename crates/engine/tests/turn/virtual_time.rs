//! A loop on a virtual clock: no deadline is waited for, and none is missed.

use std::cell::RefCell;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aioxide_engine::clock::{Clock, Instant};
use aioxide_engine::reactor::Event;
use aioxide_engine::timers::Cancellable;
use aioxide_engine::turn::{self, Host, Queues};
use rustix::io::Errno;

/// A virtual clock: to wait until a deadline is to be there.
struct JumpingClock(AtomicU64);

impl Clock for JumpingClock {
    fn now(&self) -> Instant {
        Instant::from_nanos(self.0.load(Ordering::Relaxed))
    }

    fn until(&self, deadline: Instant) -> Duration {
        self.0.fetch_max(deadline.as_nanos(), Ordering::Relaxed);
        Duration::ZERO
    }
}

/// A loop on virtual time whose work is just to note when it ran.
struct Virtual {
    clock: JumpingClock,
    queues: RefCell<Queues<Note>>,
    ran_at: RefCell<Vec<u64>>,
}

struct Note;

impl Cancellable for Note {
    fn is_cancelled(&self) -> bool {
        false
    }
}

impl Host for Virtual {
    type Work = Note;
    type Error = Infallible;

    fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    fn queues<R>(&self, access: impl FnOnce(&mut Queues<Note>) -> R) -> R {
        access(&mut self.queues.borrow_mut())
    }

    fn collect_inbox(&self) -> Result<(), Infallible> {
        Ok(())
    }

    fn poll(&self, _events: &mut Vec<Event>) -> Result<(), Errno> {
        Ok(())
    }

    fn park(&self, _events: &mut Vec<Event>, timeout: Option<Duration>) -> Result<(), Errno> {
        assert_eq!(
            timeout,
            Some(Duration::ZERO),
            "virtual time is never slept through"
        );
        Ok(())
    }

    fn dispatch(&self, _events: &[Event]) -> Result<(), Infallible> {
        Ok(())
    }

    fn run(&self, _work: Note) -> Result<(), Infallible> {
        self.ran_at.borrow_mut().push(self.clock.now().as_nanos());
        self.queues.borrow_mut().is_stopping = self.ran_at.borrow().len() == 3;
        Ok(())
    }

    fn flush(&self) -> Result<(), Infallible> {
        Ok(())
    }
}

#[test]
fn a_virtual_clock_jumps_from_deadline_to_deadline() {
    let host = Virtual {
        clock: JumpingClock(AtomicU64::new(0)),
        queues: RefCell::default(),
        ran_at: RefCell::default(),
    };
    let hour = 3_600_000_000_000;
    for hours in [24, 1, 8_760] {
        host.queues
            .borrow_mut()
            .timers
            .schedule(Instant::from_nanos(hours * hour), Note);
    }
    turn::run(&host).expect("the last note stops the loop");
    assert_eq!(host.ran_at.take(), [hour, 24 * hour, 8_760 * hour]);
}
