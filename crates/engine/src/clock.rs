//! Time as the loop sees it: nanoseconds on a clock that never goes back.
//!
//! The real clock is the kernel's `CLOCK_MONOTONIC`, the clock of Python's `time.monotonic()`. The
//! [virtual clock](crate::virtual_clock) fills the same trait: it answers [`Clock::rest`] by moving on.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// A point in time, in nanoseconds since an origin that only the clock knows.
///
/// A clock's own times are not negative, but a deadline may lie before its origin: it is due, and
/// deadlines keep their order there too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub(crate) i64);

impl Instant {
    /// The deadline that is never reached (292 years from the origin).
    pub const NEVER: Self = Self(i64::MAX);
    /// The origin of the clock.
    pub const ORIGIN: Self = Self(0);

    /// The point `nanos` nanoseconds after the clock's origin; [`NEVER`](Self::NEVER) beyond the range.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        if nanos < i64::MAX as u64 {
            Self(nanos.cast_signed())
        } else {
            Self::NEVER
        }
    }

    /// Nanoseconds since the clock's origin; zero for what lies before it.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        if self.0 < 0 {
            0
        } else {
            self.0.cast_unsigned()
        }
    }

    /// The first instant whose [`as_seconds`](Self::as_seconds) is not less than `seconds`.
    ///
    /// A timer set for `seconds` that waits for this instant is never early, not even by the
    /// rounding between floating-point seconds and nanoseconds. NaN is the origin; what lies beyond
    /// the range (infinity too) is [`NEVER`](Self::NEVER), or 292 years before the origin.
    #[must_use]
    pub fn at_or_after_seconds(seconds: f64) -> Self {
        if seconds.is_nan() {
            return Self::ORIGIN;
        }
        // Converted with saturation: what is too large becomes i64::MAX, which is NEVER. The fraction of a nanosecond
        // that is cut off is made up for below.
        let instant = Self((seconds * 1e9) as i64);
        if instant.as_seconds() >= seconds {
            return instant;
        }
        instant.advanced_to(seconds)
    }

    /// The first instant from here on that is no earlier than `seconds`. Apart from who calls it, because the compiler
    /// takes the loop for one that goes round often, and divides sixteen times before it looks once.
    #[cold]
    #[inline(never)]
    fn advanced_to(mut self, seconds: f64) -> Self {
        while self < Self::NEVER && self.as_seconds() < seconds {
            self.0 += 1;
        }
        self
    }

    /// Seconds since the clock's origin, as `time.monotonic()` gives them.
    #[must_use]
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The time from `earlier` to this instant, or zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        let nanos = self.0.saturating_sub(earlier.0);
        Duration::from_nanos(if nanos < 0 { 0 } else { nanos.cast_unsigned() })
    }
}

/// What a loop that has nothing to do knows about the time since it last rested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calm {
    /// Work has run.
    Worked,
    /// No work has run, but the last poll reported something, if only that somebody rang.
    Stirred,
    /// No work has run, and the last poll reported nothing for as long as the clock had allowed.
    Quiet,
}

/// What a loop that has nothing to do is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Poll, and sleep until something happens, or for no longer than this.
    Sleep(Option<Duration>),
    /// Go on: the deadline has been reached in the meantime.
    Over,
}

/// Where the loop reads the time.
pub trait Clock: Send + Sync {
    /// The time now. Never less than what an earlier call returned.
    fn now(&self) -> Instant;

    /// Whether time may stand still while work runs, so that it cannot say how long something took.
    fn stands_still(&self) -> bool {
        false
    }

    /// A run of the loop begins. Between this and [`leave`](Self::leave) the loop takes part in
    /// deciding when a clock that several loops share moves on.
    fn enter(&self) {}

    /// The run is over.
    fn leave(&self) {}

    /// The loop has nothing to do until `deadline`: how long may its thread sleep?
    fn rest(&self, deadline: Option<Instant>, calm: Calm) -> Rest {
        let _whatever_happened = calm;
        Rest::Sleep(deadline.map(|deadline| deadline.since(self.now())))
    }

    /// The sleep that [`rest`](Self::rest) allowed has ended, for whichever reason.
    fn stir(&self) {}

    /// A thread works for the loop, from now until [`release`](Self::release). Loop thread only.
    fn hold(&self) {}

    /// One of the threads that work for the loop is through. Loop thread only.
    fn release(&self) {}
}

/// The kernel's `CLOCK_MONOTONIC`.
#[derive(Clone, Copy, Debug, Default)]
pub struct MonotonicClock;

impl Clock for MonotonicClock {
    fn now(&self) -> Instant {
        let time = clock_gettime(ClockId::Monotonic);
        // The kernel keeps tv_sec and tv_nsec of this clock non-negative and normalised, and the
        // machine has not been up for 292 years.
        Instant(time.tv_sec * NANOS_PER_SECOND + time.tv_nsec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_monotonic_clock_never_goes_back() {
        let clock = MonotonicClock;
        let mut last = clock.now();
        for _ in 0..10_000 {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
    }

    #[test]
    fn what_lies_beyond_the_range_is_clamped() {
        assert_eq!(Instant::at_or_after_seconds(f64::INFINITY), Instant::NEVER);
        assert_eq!(Instant::at_or_after_seconds(2f64.powi(55)), Instant::NEVER);
        assert_eq!(Instant::at_or_after_seconds(f64::NAN), Instant::ORIGIN);
        assert_eq!(Instant::from_nanos(u64::MAX), Instant::NEVER);
        let earliest = Instant::at_or_after_seconds(f64::NEG_INFINITY);
        assert!(earliest < Instant::at_or_after_seconds(-1e9));
        assert_eq!(earliest.as_nanos(), 0);
    }

    #[test]
    fn deadlines_before_the_origin_keep_their_order() {
        let seconds = [-1e9, -3.0, -1.0, -1e-9, 0.0, 1e-9];
        assert!(seconds.map(Instant::at_or_after_seconds).is_sorted());
    }

    proptest! {
        #[test]
        fn even_a_deadline_after_centuries_is_never_early(seconds in 1e9..1.9e10f64) {
            let instant = Instant::at_or_after_seconds(seconds);
            prop_assert!(instant == Instant::NEVER || instant.as_seconds() >= seconds);
        }

        #[test]
        fn a_deadline_in_seconds_is_never_early(seconds in 0.0..1e9f64) {
            prop_assert!(Instant::at_or_after_seconds(seconds).as_seconds() >= seconds);
        }

        #[test]
        fn a_deadline_is_late_by_no_more_than_the_precision_of_a_double(nanos in 0u64..1 << 53) {
            let there_and_back = Instant::at_or_after_seconds(Instant::from_nanos(nanos).as_seconds());
            prop_assert!(there_and_back.as_nanos().abs_diff(nanos) <= 2);
        }
    }
}
